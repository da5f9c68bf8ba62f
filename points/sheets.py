"""A picture of what the point network is trained on: rows of gaps, the one with the point marked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from points.config import PointConfig
from points.fit import GAPS, examples
from reader.image import encode_png, write_atomic
from training.datasets import Stage2Sample

_ROWS = 24
_GREEN, _GREY = (40, 200, 90), (70, 74, 80)


def write_gaps(
    path: Path, samples: Sequence[Stage2Sample], config: PointConfig, seed: int = 0, strength: float = 1.0
) -> None:
    """Writes a sheet of random training rows (PNG); `strength`: of the augmentation."""
    make = examples(samples, config, strength, seed)
    rng = np.random.default_rng(seed)
    rows = []
    for index in rng.integers(len(samples), size=_ROWS):
        gaps, targets = make(int(index), rng)
        point, count = targets["logits"]
        shown = [
            cv2.copyMakeBorder(
                np.ascontiguousarray(gap), 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=_GREEN if at == point else _GREY
            )
            for at, gap in enumerate(gaps[:count])
        ]
        shown += [np.zeros((config.input_size[0] + 4, config.input_size[1] + 4, 3), np.uint8)] * (GAPS - count)
        rows.append(np.hstack(shown))
    write_atomic(path, encode_png(np.vstack(rows)))
