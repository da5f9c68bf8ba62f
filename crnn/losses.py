"""The loss of lines without positions: connectionist temporal classification (Graves et al. 2006)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("counter_recognition")
class CtcLoss(keras.losses.Loss):
    """Labels (B, L), zeros after the last one; logits (B, T, C), class 0 the blank -> (B,), per character.

    Divided by the number of characters, so that long lines do not outweigh short ones.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """See the class."""
        labels = ops.cast(y_true, "int32")
        logits = ops.cast(y_pred, "float32")
        lengths = ops.sum(ops.cast(labels > 0, "int32"), axis=-1)
        steps = ops.full((ops.shape(logits)[0],), logits.shape[1], dtype="int32")
        loss = ops.ctc_loss(labels, logits, lengths, steps, mask_index=0)
        return loss / ops.maximum(ops.cast(lengths, "float32"), 1.0)
