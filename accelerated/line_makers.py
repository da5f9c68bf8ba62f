"""Base views of lines of characters, drawn by processes: of pictures of sets and of made ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from accelerated.makers import Drawn, Entry, Made, Shares, classes_of, filled
from accelerated.rings import Fields
from crnn.config import LineConfig
from synthesis.lines import make_line
from synthesis.lines.digits import DigitBank
from training.line_augment import augmentation_of, line_view
from training.run import Weighted

#: Strengths of the views' differences, drawn evenly: a part is near to what is read in the end.
_STRENGTHS = (1.0, 0.6)
#: Of made handwritten numbers, rows of single digits: few, for the accelerator makes those itself.
_ROWS = 0.05


def fields(config: LineConfig) -> Fields:
    """What `line_views` gives."""
    return {"image": ((*config.input_size, 3), np.uint8), "text": ((config.max_length,), np.int32)}


def line_views(
    sets: Sequence[Weighted], config: LineConfig, rng: np.random.Generator, shares: Shares, bank: DigitBank | None
) -> Iterator[Entry]:
    """Base views of lines, without end: image, and text (max_length,) as classes, 0 behind the last.

    Args:
        sets: of `LineSample`.
        config: of the network.
        rng: source of chance.
        shares: how many are made.
        bank: single digits that made handwritten numbers are put together from.
    """
    # Their light is changed on the accelerator too.
    ways = [replace(augmentation_of(config.task, strength), light=0.4) for strength in _STRENGTHS]
    drawn, made = Drawn(sets), Made(shares, lambda rng: make_line(config.task, rng, bank, _ROWS))
    while True:
        if rng.random() < shares.real:
            sample = drawn.next(rng)
            image, text = sample.image, sample.text
        else:
            image, text = made.next(rng)
        if len(text) > config.max_length or set(text) - set(config.alphabet):
            continue
        view = line_view(image, config.input_size, config.fit, rng, ways[int(rng.integers(len(ways)))])
        yield {"image": view, "text": filled(classes_of(text, config.alphabet), (config.max_length,), 0)}
