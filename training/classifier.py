"""What the networks have in common that name one thing seen in the middle of a small picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import layers

from training.convolution import convolved

#: Blocks of two convolutions; each halves the map.
BLOCKS = 3


def classified(x: Any, channels: Sequence[int], units: int, dropout: float, classes: int) -> Any:
    """Blocks of two convolutions, then two dense layers.

    Args:
        x: Keras tensor (B, H, W, C), sides multiples of 8.
        channels: of the six convolutions, two in each block.
        units: of the layer before the answer.
        dropout: after each block; before the answer two and a half times as much, at most 0.9.
        classes: numbers that are answered.

    Returns:
        Keras tensor (B, classes) float32, logits.
    """
    for index, filters in enumerate(channels):
        x = convolved(x, filters, f"block{index}")
        if index % 2:
            x = layers.MaxPooling2D(name=f"block{index}_pool")(x)
            x = layers.Dropout(dropout, name=f"dropout{index}")(x)
    # Flattened, not averaged: where a stroke stands tells a 6 from a 9.
    x = layers.Flatten(name="flat")(x)
    x = layers.Dense(units, activation="relu", name="seen")(x)
    x = layers.Dropout(min(0.9, 2.5 * dropout), name="dropout_last")(x)
    return layers.Dense(classes, dtype="float32", name="answer")(x)
