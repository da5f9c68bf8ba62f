"""The network: the cut of a display in, the way to its true corners out."""

from __future__ import annotations

import keras
from keras import layers

from corners.config import CornersConfig
from training.convolution import convolved
from training.normalization import Normalization255


def build(config: CornersConfig) -> keras.Model:
    """uint8 (B, H, W, 3), the cut of a display -> {"offsets": (B, 8)} float32.

    The offsets are x and y of four corners, clockwise from the display's own top-left: from where the cut supposes them
    to where they are, in parts of the room around the display, which is `margin` heights of it.
    """
    image = keras.Input((*config.input_size, 3), dtype="uint8", name="image")
    x = Normalization255(config.to_dict(), name="normalize")(image)
    x = convolved(x, config.channels[0], "stem", kernel=5, stride=2)
    for index, filters in enumerate(config.channels[1:]):
        x = convolved(x, filters, f"block{index}_down", stride=2)
        x = convolved(x, filters, f"block{index}_same")
    x = convolved(x, config.squeezed, "squeeze", kernel=1)
    # Flattened, not averaged: where something is, is the question.
    x = layers.Flatten(name="flat")(x)
    x = layers.Dropout(config.dropout, name="dropout")(x)
    x = layers.Dense(config.units, activation="relu", name="seen")(x)
    x = layers.Dense(8, dtype="float32", kernel_initializer="zeros", name="offsets")(x)
    return keras.Model(image, {"offsets": x}, name="corners")
