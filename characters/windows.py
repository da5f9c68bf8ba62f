"""Windows to train on: of lines whose texts are known, cut where the line's own network finds each character."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np
from tqdm import tqdm

from characters.config import CharactersConfig
from reader.characters import character_windows, middles_of
from reader.ctc import CtcReading, aligned, log_softmax, text_log_probability
from reader.line_image import prepare
from reader.lines import LineReader
from reader.types import UInt8
from training.line_augment import bent, random_linear
from training.line_sets import LineSample

#: Pixels that a stored window has more than the network's on each side, so that a turned view has no empty corners.
ROOM = 6
#: How views differ: standard deviations of the turn (radians), the slant, the logarithm of the scale, the place
#: (pixels); and shares of views that are bent, blurred, noisy, fainter.
_TURN, _SLANT, _SCALE, _PLACE = 0.1, 0.13, 0.07, 1.1
_BENT = 0.5
_BLURRED, _NOISY, _FAINTER = 0.15, 0.15, 0.2
_BATCH = 64
#: A text that the line's network takes for less likely than e to this is not what it sees; its characters are not
#: where it believes them.
_LEAST = -40.0

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class CharacterSample:
    """A character with what stands around it.

    Attributes:
        window: uint8, `ROOM` larger on each side than the network's; see `reader.characters.ink_of`.
        label: class of the character.
        name: of the line's picture.
    """

    window: UInt8
    label: int
    name: str


def windows_of(
    lines: Iterable[LineSample], reader: LineReader, config: CharactersConfig, count: int | None = None
) -> list[CharacterSample]:
    """The characters of lines; without lines whose text the reader can not find in the picture.

    Args:
        lines: pictures and texts.
        reader: of the whole lines.
        config: of the network to train.
        count: of the lines, for the progress bar.
    """
    size = (config.input_size[0] + 2 * ROOM, config.input_size[1] + 2 * ROOM)
    made = []
    for sample, reading, steps in _aligned(tqdm(lines, "windows", count, unit="line", disable=None), reader):
        middles = middles_of(reading, steps, sample.image.shape, reader.settings)
        cut = character_windows(sample.image, middles, size, config.line_height)
        made += [
            CharacterSample(window, config.alphabet.index(character), sample.name)
            for window, character in zip(cut, sample.text, strict=True)
        ]
    return made


def _aligned(lines: Iterable[LineSample], reader: LineReader) -> Iterator[tuple[LineSample, CtcReading, int]]:
    """Lines, their texts at the steps where these are likeliest, and the number of steps."""
    settings, left = reader.settings, iter(lines)
    while several := list(islice(left, _BATCH)):
        known = [s for s in several if s.text and set(s.text) <= set(settings.alphabet)]
        if not known:
            continue
        views = np.stack([prepare(s.image, settings.input_size, settings.fit) for s in known])
        for sample, logits in zip(known, reader.network(views)["logits"], strict=True):
            steps = log_softmax(logits, settings.temperature)
            if text_log_probability(steps, settings.alphabet, sample.text) > _LEAST:
                yield sample, aligned(CtcReading(sample.text, 0.0, ()), steps, settings.alphabet), len(steps)


def window_view(window: UInt8, size: tuple[int, int], rng: Rng) -> UInt8:
    """One training view: bent, turned, slanted, scaled, moved, then blurred, noisy or fainter now and then.

    Args:
        window: as in `CharacterSample`.
        size: height and width of the network's input.
        rng: source of chance.

    Returns:
        (*size, 1) uint8.
    """
    if rng.random() < _BENT:
        window = bent(rng, window)
    linear = random_linear(rng, _TURN, _SLANT, _SCALE)
    middle = (np.array(window.shape[::-1]) - 1) / 2
    target = (np.array(size[::-1]) - 1) / 2 + rng.normal(0, _PLACE, 2)
    matrix = np.hstack([linear, (target - linear @ middle)[:, None]])
    view = cv2.warpAffine(window, matrix, size[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if rng.random() < _BLURRED:
        view = cv2.GaussianBlur(view, (0, 0), rng.uniform(0.4, 1.0))
    if rng.random() < _NOISY:
        view = np.clip(view + rng.normal(0, rng.uniform(3, 20), view.shape), 0, 255).astype(np.uint8)
    if rng.random() < _FAINTER:
        view = cv2.convertScaleAbs(view, alpha=rng.uniform(0.6, 1.0), beta=rng.uniform(0, 50))
    return np.asarray(view, np.uint8)[..., None]


def plain_window(window: UInt8) -> UInt8:
    """The window as the network is shown it when it reads: (h, w, 1)."""
    return window[ROOM:-ROOM, ROOM:-ROOM, None]
