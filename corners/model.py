"""The network: the cut of a display in, the way to its true corners out, and whether it is one at all."""

from __future__ import annotations

import keras
from keras import layers

from corners.config import CornersConfig
from training.convolution import convolved
from training.normalization import Normalization255


def build(config: CornersConfig) -> keras.Model:
    """uint8 (B, H, W, 3), the cut of a display -> {"offsets": (B, 8), "shown": (B, 1)} float32.

    The offsets are x and y of four corners, clockwise from the display's own top-left: from where the cut supposes them
    to where they are, in parts of the room around the display, which is `margin` heights of it. "shown" is the logit of
    a display being there rather than something that looks like one; only networks with `judged` channels have it.
    """
    image = keras.Input((*config.input_size, 3), dtype="uint8", name="image")
    x = Normalization255(config.to_dict(), name="normalize")(image)
    x = convolved(x, config.channels[0], "stem", kernel=5, stride=2)
    for index, filters in enumerate(config.channels[1:]):
        x = convolved(x, filters, f"block{index}_down", stride=2)
        x = convolved(x, filters, f"block{index}_same")
    answers = {}
    if config.judged:
        # Averaged, not flattened: what is there is the question, letters or digits, a plate's edge or a window's.
        seen = layers.GlobalAveragePooling2D(name="judged_mean")(convolved(x, config.judged, "judged"))
        answers["shown"] = layers.Dense(1, dtype="float32", name="shown")(seen)
    x = convolved(x, config.squeezed, "squeeze", kernel=1)
    # Flattened, not averaged: where something is, is the question.
    x = layers.Flatten(name="flat")(x)
    x = layers.Dropout(config.dropout, name="dropout")(x)
    x = layers.Dense(config.units, activation="relu", name="seen")(x)
    answers["offsets"] = layers.Dense(8, dtype="float32", kernel_initializer="zeros", name="offsets")(x)
    return keras.Model(image, answers, name="corners")
