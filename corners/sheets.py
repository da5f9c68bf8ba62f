"""A picture of what the corner network is trained on: cuts along wrong corners, the true display drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from corners.config import CornersConfig
from corners.views import corners_view
from reader.geometry import display_homography, warp_points
from training.datasets import Stage1Sample
from training.preview import Tile, write_sheet

_TILES, _COLUMNS = 40, 4


def write_cuts(path: Path, samples: Sequence[Stage1Sample], config: CornersConfig, seed: int = 0) -> None:
    """Writes a sheet of random training views (PNG)."""
    rng = np.random.default_rng(seed)
    tiles = []
    for index in rng.integers(len(samples), size=_TILES):
        view = corners_view(samples[int(index)], config, rng)
        to_cut = display_homography(view.corners, config.input_size, config.margin)
        drawn = warp_points([view.truth, view.corners], to_cut)
        tiles.append(Tile(view.picture, drawn, np.arange(2), ["true", ""], samples[int(index)].name))
    write_sheet(path, tiles, _COLUMNS, config.input_size)
