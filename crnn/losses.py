"""The loss of lines without positions: connectionist temporal classification (Graves et al. 2006)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

#: Step label of a step of which it is not known what stands there.
NOT_KNOWN = -1


@keras.saving.register_keras_serializable("counter_recognition")
class CtcLoss(keras.losses.Loss):
    """Labels (B, L + T) and logits (B, T, C), class 0 the blank -> (B,), per character.

    The first L labels are the text, zeros after its last character. The last T say what stands at each step, where
    that is known (`NOT_KNOWN` elsewhere): their cross-entropy is added. CTC alone finds out where characters stand only
    after thousands of batches; where boxes are known it need not.

    The CTC loss is divided by the number of characters, so that long lines do not outweigh short ones.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """See the class."""
        logits = ops.cast(y_pred, "float32")
        labels, known = (
            ops.cast(y_true[:, : -logits.shape[1]], "int32"),
            ops.cast(y_true[:, -logits.shape[1] :], "int32"),
        )
        lengths = ops.sum(ops.cast(labels > 0, "int32"), axis=-1)
        steps = ops.full((ops.shape(logits)[0],), logits.shape[1], dtype="int32")
        loss = ops.ctc_loss(labels, logits, lengths, steps, mask_index=0)
        guide = ops.sparse_categorical_crossentropy(ops.maximum(known, 0), logits, from_logits=True)  # (B, T)
        told = ops.cast(known != NOT_KNOWN, "float32")
        guide = ops.sum(guide * told, axis=-1) / ops.maximum(ops.sum(told, axis=-1), 1.0)
        return loss / ops.maximum(ops.cast(lengths, "float32"), 1.0) + guide
