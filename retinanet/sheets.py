"""Sheets of samples, as they are stored and as augmentation shows them to the network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reader.symbols import STAGE1_CLASSES, STAGE2_CLASSES
from retinanet.config import Stage1Config, Stage2Config
from training.augment import CORNERS_PUT_RIGHT, DigitPool, Stage1Augmentation, stage1_view, stage2_view
from training.datasets import Stage1Sample, Stage2Sample
from training.preview import Tile, evenly

#: Of a stage's sheets: pictures in a row, and the height and width of the room for each.
LAYOUT: dict[int, tuple[int, tuple[int, int]]] = {1: (6, (256, 256)), 2: (4, (80, 360))}
_PICTURES = {1: 36, 2: 60}

Samples = Sequence[Stage1Sample] | Sequence[Stage2Sample]


def sample_tiles(samples: Samples) -> list[Tile]:
    """Samples as they are stored, spread evenly over the set."""
    stage = 1 if samples and isinstance(samples[0], Stage1Sample) else 2
    tiles = []
    for sample in evenly(list(samples), _PICTURES[stage]):
        shapes = sample.corners if isinstance(sample, Stage1Sample) else sample.boxes
        tiles.append(_tile(stage, sample.image, shapes, sample.labels, sample.name))
    return tiles


def augmented_tiles(
    samples: Samples, config: Stage1Config | Stage2Config, seed: int = 0, strength: float = 1.0
) -> list[Tile]:
    """Random training views, as the network sees them; `strength`: of the augmentation of displays."""
    rng = np.random.default_rng(seed)
    stage = 1 if isinstance(config, Stage1Config) else 2
    pool = DigitPool.collect(samples, seed=seed) if stage == 2 else None  # type: ignore[arg-type]
    settings = CORNERS_PUT_RIGHT.scaled(strength)
    tiles = []
    for index in rng.integers(len(samples), size=_PICTURES[stage]):
        sample = samples[index]
        if isinstance(sample, Stage1Sample):
            view, shapes, labels = stage1_view(sample, config.input_size, rng, Stage1Augmentation())
        else:
            view, shapes, labels = stage2_view(sample, config.input_size, rng, settings, pool)
        tiles.append(_tile(stage, view, shapes, labels, sample.name))
    return tiles


def _tile(stage: int, image: np.ndarray, shapes: np.ndarray, labels: np.ndarray, name: str) -> Tile:
    names = STAGE1_CLASSES if stage == 1 else STAGE2_CLASSES
    # The decimal area covers digits; its name would cover theirs.
    texts = ["" if names[label] == "floatp" else names[label] for label in labels]
    return Tile(image, shapes, labels, texts, name)
