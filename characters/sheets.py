"""A picture of what the network of single characters is trained on: views with their characters below them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from characters.config import CharactersConfig
from characters.windows import CharacterSample, window_view
from training.preview import plain_tile, write_sheet

_PICTURES = 160
#: Pictures in a row, and the height and width of the room for each.
_LAYOUT = (16, (64, 64))


def write_windows(path: Path, samples: Sequence[CharacterSample], config: CharactersConfig, seed: int = 0) -> None:
    """Writes a sheet of random training views (PNG)."""
    rng = np.random.default_rng(seed)
    chosen = [samples[int(index)] for index in rng.integers(len(samples), size=_PICTURES)]
    tiles = [
        plain_tile(
            np.repeat(window_view(sample.window, config.input_size, rng), 3, axis=2), config.alphabet[sample.label]
        )
        for sample in chosen
    ]
    write_sheet(path, tiles, *_LAYOUT)
