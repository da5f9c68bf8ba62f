"""Rows of single digits' pictures, as forms have them: MNIST's and the like put together to numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from reader.types import UInt8
from training.idx_digits import IdxDigits
from training.line_augment import bent, random_linear

Rng = np.random.Generator

#: Digits of the longest row.
LONGEST = 8
#: Shares of the lengths 1 to 8: the longer, the more digits a picture teaches.
LENGTHS = np.arange(1, LONGEST + 1) / np.arange(1, LONGEST + 1).sum()
#: The share of digits that are turned, slanted and scaled, and of rows that are bent, as the hand might have written
#: them another time: a network learns the pictures of a set by heart sooner than what is common to its digits.
_BENT = 0.7
#: From one picture to the next, in widths of a picture; MNIST's have a margin of a seventh on either side.
_STEPS = (0.6, 1.04)
_USUAL_STEPS = (0.75, 1.0)


@dataclass(frozen=True)
class DigitRows:
    """Draws rows of a set's digits, each time others.

    Attributes:
        digits: the set.
    """

    digits: IdxDigits

    @classmethod
    def load(cls, folder: Path) -> DigitRows:
        """Of the training files in a folder; raises DigitError as `IdxDigits.load`."""
        return cls(IdxDigits.load(folder))

    def __call__(self, rng: Rng) -> tuple[UInt8, str]:
        """(h, w, 3) uint8 RGB, white on black or the reverse, and its one to eight digits."""
        count = 1 + int(rng.choice(LONGEST, p=LENGTHS))
        text = "".join(str(digit) for digit in rng.integers(0, 10, count))
        ink = self.ink(rng, text)
        if rng.random() < 0.2:
            scale = rng.uniform(1.0, 2.0)
            ink = np.asarray(cv2.resize(ink, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)
        if rng.random() < 0.35:
            ink = 255 - ink
        return np.repeat(ink[..., None], 3, axis=2), text

    def ink(self, rng: Rng, text: str) -> UInt8:
        """(h, w) uint8 ink, 255 = full, of a text's digits side by side with the margins of their pictures."""
        tiles = [self.digits.tile(rng, int(c)) for c in text]
        height, width = tiles[0].shape
        lefts = _lefts(rng, len(tiles), width)
        drops = rng.integers(0, 4, len(tiles)) if rng.random() < 0.2 else np.zeros(len(tiles), np.int64)
        row = np.zeros((height + int(drops.max()), int(lefts[-1]) + width), np.uint8)
        for left, drop, tile in zip(lefts, drops, tiles, strict=True):
            place = row[drop : drop + height, left : left + width]
            np.maximum(place, _turned(rng, tile) if rng.random() < _BENT else tile, out=place)
        return bent(rng, row) if rng.random() < _BENT else row


def _lefts(rng: Rng, count: int, width: int) -> np.ndarray:
    """(count,) where pictures begin: evenly, by chance, or now and then over each other."""
    way = rng.random()
    if way < 0.4:
        steps = np.clip(rng.normal(rng.uniform(0.71, 1.04), 0.035, count - 1), *_STEPS)
    else:
        steps = rng.uniform(*(_STEPS if way < 0.46 else _USUAL_STEPS), count - 1)
    return np.concatenate([[0], np.round(steps * width).astype(np.int64)]).cumsum()


def _turned(rng: Rng, tile: UInt8) -> UInt8:
    """A picture of a digit turned, slanted, stretched and moved a little around its middle."""
    height, width = tile.shape
    linear = random_linear(rng, turn=0.1, slant=0.12, scale=0.08)
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    moved = middle - linear @ middle + rng.normal(0, 0.018 * height, 2)
    view = cv2.warpAffine(tile, np.hstack([linear, moved[:, None]]), (width, height), flags=cv2.INTER_LINEAR)
    return np.asarray(view, np.uint8)
