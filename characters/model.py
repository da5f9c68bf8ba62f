"""The network: the window of a character in, one number for each character of the alphabet out."""

from __future__ import annotations

import keras

from characters.config import CharactersConfig
from training.classifier import classified
from training.normalization import Normalization255


def build(config: CharactersConfig) -> keras.Model:
    """uint8 (B, H, W, 1), see `reader.characters.ink_of` -> {"logits": (B, characters)} float32."""
    image = keras.Input((*config.input_size, 1), dtype="uint8", name="image")
    x = Normalization255(config.to_dict(), name="normalize")(image)
    x = classified(x, config.channels, config.units, config.dropout, len(config.alphabet))
    return keras.Model(image, {"logits": x}, name="characters")
