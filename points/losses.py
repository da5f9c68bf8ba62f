"""The loss of a row of gaps: which of them has the point, or none."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

#: Added to the logits of gaps that are not there.
_NEVER = -1e4


@keras.saving.register_keras_serializable("counter_recognition")
class PointLoss(keras.losses.Loss):
    """Softmax cross-entropy over the gaps of a display and "none", whose logit is 0."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each display.

        Args:
            y_true: (B, 2) int32: the gap with the point from the left, or the number of gaps for none; that number.
            y_pred: (B, gaps) logits.
        """
        y_true = ops.cast(y_true, "int32")  # Keras makes floats of them
        point, count = y_true[:, 0], y_true[:, 1]
        there = ops.expand_dims(ops.arange(y_pred.shape[1], dtype="int32"), 0) < ops.expand_dims(count, 1)
        gaps = ops.where(there, ops.cast(y_pred, "float32"), _NEVER)
        none = ops.zeros_like(gaps[:, :1])
        # "none" comes first: the gaps' own numbers differ from display to display
        place = ops.where(point < count, point + 1, 0)
        logs = ops.log_softmax(ops.concatenate([none, gaps], axis=1), axis=1)  # (B, 1 + gaps)
        chosen = ops.one_hot(place, logs.shape[1], dtype="float32")
        return -ops.sum(logs * chosen, axis=1)
