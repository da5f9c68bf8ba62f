"""The network: the cut of a display in, the way to its true corners out."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from corners.config import CornersConfig
from training.batch_norm import FusedBatchNormalization
from training.normalization import Normalization255


def build(config: CornersConfig) -> keras.Model:
    """uint8 (B, H, W, 3), the cut of a display -> {"offsets": (B, 8)} float32.

    The offsets are x and y of four corners, clockwise from the display's own top-left: from where the cut supposes them
    to where they are, in parts of the room around the display, which is `margin` heights of it.
    """
    image = keras.Input((*config.input_size, 3), dtype="uint8", name="image")
    x = Normalization255(config.to_dict(), name="normalize")(image)
    x = _block(x, config.channels[0], 5, 2, "stem")
    for index, filters in enumerate(config.channels[1:]):
        x = _block(x, filters, 3, 2, f"block{index}_down")
        x = _block(x, filters, 3, 1, f"block{index}_same")
    x = _block(x, config.squeezed, 1, 1, "squeeze")
    # Flattened, not averaged: where something is, is the question.
    x = layers.Flatten(name="flat")(x)
    x = layers.Dropout(config.dropout, name="dropout")(x)
    x = layers.Dense(config.units, activation="relu", name="seen")(x)
    x = layers.Dense(8, dtype="float32", kernel_initializer="zeros", name="offsets")(x)
    return keras.Model(image, {"offsets": x}, name="corners")


def _block(x: Any, filters: int, side: int, step: int, name: str) -> Any:
    convolution = layers.Conv2D(
        filters, side, step, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv"
    )
    x = FusedBatchNormalization(momentum=0.97, epsilon=1e-3, name=f"{name}_bn")(convolution(x))
    return layers.ReLU(name=f"{name}_relu")(x)
