"""The network: one gap between two digits in, one number out; and a row of gaps, as it is trained."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from points.config import PointConfig
from training.convolution import convolved
from training.normalization import Normalization255

#: Of the four convolutions: side of the kernel and step.
_CONVOLUTIONS = ((5, 2), (3, 2), (3, 1), (3, 2))

#: The convolution after which more may follow: of those that see much already, the last before the map shrinks again.
DEEPER = 2


def build(config: PointConfig) -> keras.Model:
    """uint8 (B, H, W, 3), the cut of a gap -> {"logits": (B, 1)} float32, how much speaks for a point there."""
    image = keras.Input((*config.input_size, 3), dtype="uint8", name="image")
    x = Normalization255(config.to_dict(), name="normalize")(image)
    return keras.Model(image, {"logits": _answer(config, x)}, name="point")


def build_row(config: PointConfig, gaps: int) -> keras.Model:
    """uint8 (B, gaps, H, W, 3) -> {"logits": (B, gaps)}; the same weights as of `build`, in the same order."""
    image = keras.Input((gaps, *config.input_size, 3), dtype="uint8", name="image")
    x = Normalization255(config.to_dict(), name="normalize")(image)
    one = keras.Input((*config.input_size, 3), name="gap")
    x = layers.TimeDistributed(keras.Model(one, _answer(config, one), name="gap"), name="each_gap")(x)
    return keras.Model(image, {"logits": layers.Reshape((gaps,), dtype="float32", name="logits")(x)}, name="point_row")


def _answer(config: PointConfig, x: Any) -> Any:
    for index, (filters, (side, step)) in enumerate(zip(config.channels, _CONVOLUTIONS, strict=True)):
        x = convolved(x, filters, f"block{index}", kernel=side, stride=step)
        if index == DEEPER:
            x = _residuals(x, filters, config.residuals)
    # Flattened, not averaged: a point between the digits and one beside them differ in the place alone.
    x = layers.Flatten(name="flat")(x)
    x = layers.Dropout(config.dropout, name="dropout")(x)
    x = layers.Dense(config.units, activation="relu", name="seen")(x)
    x = layers.Dropout(config.dropout, name="dropout_last")(x)
    return layers.Dense(1, dtype="float32", name="answer")(x)


def _residuals(x: Any, filters: int, blocks: int) -> Any:
    for index in range(blocks):
        more = convolved(x, filters, f"residual{index}_first")
        more = convolved(more, filters, f"residual{index}_last", activate=False)
        x = layers.ReLU(name=f"residual{index}")(layers.Add(name=f"residual{index}_sum")([x, more]))
    return x
