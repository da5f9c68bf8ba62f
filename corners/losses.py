"""The losses of the corner network: the way to the true corners, and whether there are any."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

#: Stands for offsets that are not to be learned: of what is no display, or of a display that nobody could read.
UNTOLD = 9.0


@keras.saving.register_keras_serializable("counter_recognition")
class OffsetsLoss(keras.losses.Loss):
    """Mean absolute error of the offsets; 0 where the truth is `UNTOLD`."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each view.

        Args:
            y_true: (B, 8) offsets, or `UNTOLD` all along.
            y_pred: (B, 8) the network's.
        """
        y_pred = ops.cast(y_pred, "float32")
        y_true = ops.cast(y_true, "float32")
        told = ops.cast(y_true[:, 0] < UNTOLD / 2, "float32")
        return told * ops.mean(ops.abs(y_true - y_pred), axis=1)


@keras.saving.register_keras_serializable("counter_recognition")
class ShownLoss(keras.losses.Loss):
    """Binary cross-entropy of a display being shown, weighed so that the corners stay what is mostly learned."""

    _WEIGHT = 0.1

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each view.

        Args:
            y_true: (B, 1) 1 for a display, 0 for what only looks like one.
            y_pred: (B, 1) logits.
        """
        y_pred = ops.cast(y_pred, "float32")
        return self._WEIGHT * ops.mean(ops.binary_crossentropy(y_true, y_pred, from_logits=True), axis=-1)
