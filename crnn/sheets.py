"""What to look at: augmented samples before training, sample readings of every epoch in TensorBoard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crnn.config import LineConfig
from training.preview import contact_sheet, evenly, plain_tile, write_sheet
from training.run import RunConfig

if TYPE_CHECKING:
    import keras

    from crnn.fit import Sample, Stored

#: Pictures in a row, and the height and width of the room for each.
LAYOUT = (5, (64, 240))
_PICTURES = 100
_WATCHED = 200
_SHOWN = 40


def write_augmented(
    path: Path, samples: Sequence[Sample], config: LineConfig, seed: int, strength: float = 1.0
) -> None:
    """A sheet of random training views, as the network sees them, with their texts."""
    from crnn.fit import augmented_views

    tiles = [plain_tile(view, text) for view, text in augmented_views(samples, config, _PICTURES, seed, strength)]
    write_sheet(path, tiles, *LAYOUT)


def watchers(config: LineConfig, validation: Sequence[Stored], run: RunConfig) -> list[keras.callbacks.Callback]:
    """The callbacks that show a run in TensorBoard; without validation pictures only its configuration."""
    from crnn.fit import decode, encode, plain_view
    from training.tensorboard_log import ConfigurationText, Watch

    callbacks: list[keras.callbacks.Callback] = [ConfigurationText(run, config.to_dict())]
    samples = evenly(list(validation), _WATCHED)
    if not samples:
        return callbacks
    views = [plain_view(sample, config) for sample in samples]
    images = np.stack([view for view, _ in views])
    targets = {"logits": np.stack([encode(text, config) for _, text in views])}

    def judge(outputs: dict[str, np.ndarray]) -> tuple[dict[str, float], np.ndarray]:
        answers = [decode(each, config.alphabet) for each in outputs["logits"]]
        told = [
            (view, truth if answer == truth else f"{truth}: {answer or '-'}")
            for (view, truth), answer in zip(views, answers, strict=True)
        ]
        # Wrong ones first: they are what one looks for.
        told.sort(key=lambda pair: ":" not in pair[1])
        sheet = contact_sheet([plain_tile(*pair) for pair in told[:_SHOWN]], *LAYOUT)
        right = np.mean([a == t for a, (_, t) in zip(answers, views, strict=True)])
        return {"lines": float(right)}, sheet

    return [*callbacks, Watch(run.logs, images, targets, run.batch_size, judge)]
