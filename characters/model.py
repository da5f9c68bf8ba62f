"""The network: the window of a character in, one number for each character of the alphabet out."""

from __future__ import annotations

import keras
from keras import layers

from characters.config import CharactersConfig
from training.convolution import convolved
from training.normalization import Normalization255


def build(config: CharactersConfig) -> keras.Model:
    """uint8 (B, H, W, 1), see `reader.characters.ink_of` -> {"logits": (B, characters)} float32."""
    image = keras.Input((*config.input_size, 1), dtype="uint8", name="image")
    x = Normalization255(config.to_dict(), name="normalize")(image)
    for index, filters in enumerate(config.channels):
        x = convolved(x, filters, f"block{index}")
        if index % 2:
            x = layers.MaxPooling2D(name=f"block{index}_pool")(x)
            x = layers.Dropout(config.dropout, name=f"dropout{index}")(x)
    # Flattened, not averaged: where a stroke stands tells a 6 from a 9.
    x = layers.Flatten(name="flat")(x)
    x = layers.Dense(config.units, activation="relu", name="seen")(x)
    x = layers.Dropout(min(0.9, 2.5 * config.dropout), name="dropout_last")(x)
    logits = layers.Dense(len(config.alphabet), dtype="float32", name="answer")(x)
    return keras.Model(image, {"logits": logits}, name="characters")
