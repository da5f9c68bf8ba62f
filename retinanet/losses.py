"""The losses of both stages, in keras.ops: each takes targets whose last column is a weight."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("counter_recognition")
class WeightedFocalLoss(keras.losses.Loss):
    """Focal loss on sigmoid scores (Lin et al. 2017, eq. 5), divided by the number of positive anchors of the batch."""

    def __init__(self, alpha: float = 0.25, gamma: float = 2.0, name: str = "focal", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.alpha, self.gamma = alpha, gamma

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """(B, A, classes + 1) targets, (B, A, classes) logits -> (B,) losses."""
        target, weight = y_true[..., :-1], y_true[..., -1]
        logits = ops.cast(y_pred, "float32")
        cross_entropy = ops.relu(logits) - logits * target + ops.softplus(-ops.abs(logits))
        p = ops.sigmoid(logits)
        miss = target * (1 - p) + (1 - target) * p
        balance = target * self.alpha + (1 - target) * (1 - self.alpha)
        per_anchor = ops.sum(balance * miss**self.gamma * cross_entropy, axis=-1) * weight  # (B, A)
        positives = ops.maximum(ops.sum(ops.max(target, axis=-1) * weight), 1.0)
        batch = ops.cast(ops.shape(y_pred)[0], "float32")
        return ops.sum(per_anchor, axis=-1) * batch / positives

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "alpha": self.alpha, "gamma": self.gamma}


@keras.saving.register_keras_serializable("counter_recognition")
class WeightedSmoothL1(keras.losses.Loss):
    """Smooth L1 (Girshick 2015, eq. 3) on the regression targets of positive anchors, averaged over those."""

    def __init__(self, beta: float = 0.1, name: str = "smooth_l1", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.beta = beta

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """(B, A, n + 1) targets, (B, A, n) predictions -> (B,) losses."""
        target, weight = y_true[..., :-1], y_true[..., -1]
        error = ops.abs(target - ops.cast(y_pred, "float32"))
        smooth = ops.where(error < self.beta, 0.5 * error**2 / self.beta, error - 0.5 * self.beta)
        per_anchor = ops.mean(smooth, axis=-1) * weight  # (B, A)
        positives = ops.maximum(ops.sum(ops.cast(weight > 0, "float32")), 1.0)
        batch = ops.cast(ops.shape(y_pred)[0], "float32")
        return ops.sum(per_anchor, axis=-1) * batch / positives

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "beta": self.beta}


# The name under which files from earlier trainings hold it.
@keras.saving.register_keras_serializable("counter_recognition", "_ScaledSmoothL1")
class ScaledSmoothL1(WeightedSmoothL1):
    """`WeightedSmoothL1` times a factor: how much the regression counts beside the classes."""

    def __init__(self, scale: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """(B, A, n + 1) targets, (B, A, n) predictions -> (B,) losses."""
        return self.scale * super().call(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "scale": self.scale}
