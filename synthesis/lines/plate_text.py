"""What stands on Chinese plates: kinds with their colours, and numbers as they are given out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reader.line_settings import DIGITS, PLATE_LETTERS, PROVINCES

Rng = np.random.Generator
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class PlateKind:
    """One kind of plate (GA 36-2018).

    Attributes:
        share: how often it is drawn.
        paint: RGB of the plate.
        ink: RGB of the characters.
        fade: RGB of the plate's upper edge, where the colour fades; None for one colour.
        wide: 480 instead of 440 mm, with eight characters.
        faded: RGB of the paint after years in the sun, or in a picture that makes it lighter; None: no other.
    """

    share: float
    paint: Colour
    ink: Colour
    fade: Colour | None = None
    wide: bool = False
    faded: Colour | None = None


_BLACK, _WHITE = (22.0, 22.0, 24.0), (243.0, 243.0, 240.0)
KINDS: Mapping[str, PlateKind] = {
    "blue": PlateKind(0.674, (18.0, 62.0, 190.0), _WHITE, faded=(40.0, 128.0, 214.0)),
    "yellow": PlateKind(0.1, (236.0, 178.0, 26.0), _BLACK),
    "green": PlateKind(0.12, (88.0, 204.0, 124.0), _BLACK, fade=(226.0, 240.0, 230.0), wide=True),
    "green_large": PlateKind(0.02, (88.0, 204.0, 124.0), _BLACK, fade=None, wide=True),
    "learner": PlateKind(0.01, (236.0, 178.0, 26.0), _BLACK),
    "trailer": PlateKind(0.01, (236.0, 178.0, 26.0), _BLACK),
    "police": PlateKind(0.03, (235.0, 236.0, 236.0), _BLACK),
    "consulate": PlateKind(0.01, (24.0, 24.0, 28.0), _WHITE),
    "mission": PlateKind(0.006, (24.0, 24.0, 28.0), _WHITE),
    "border": PlateKind(0.02, (24.0, 24.0, 28.0), _WHITE),
}
#: The last character of some kinds.
_LAST = {"learner": "学", "trailer": "挂", "police": "警", "consulate": "领"}
_RED_LAST = frozenset("警")


def random_kind(rng: Rng) -> str:
    """A kind by its share."""
    names = list(KINDS)
    return names[int(rng.choice(len(names), p=[KINDS[name].share for name in names]))]


def random_text(rng: Rng, kind: str) -> str:
    """A number of that kind: seven characters, eight on the green plates. Provinces have equal shares."""
    if kind == "border":  # cars of Hong Kong and Macao that may enter Guangdong
        return "粤Z" + _tail(rng, 4) + ("港" if rng.random() < 0.5 else "澳")
    if kind == "mission":
        return "使" + _digits(rng, 6)
    start = _of(rng, PROVINCES) + _of(rng, PLATE_LETTERS)
    if kind == "green":
        second = _of(rng, PLATE_LETTERS if rng.random() < 0.3 else DIGITS)
        return start + _of(rng, "DDDDFFABCEGHJK") + second + _digits(rng, 4)
    if kind == "green_large":
        return start + _digits(rng, 5) + _of(rng, "DDFFABCEGHJK")
    if kind in _LAST:
        return start + _tail(rng, 4) + _LAST[kind]
    return start + _tail(rng, 5)


def is_red(character: str) -> bool:
    """Whether the character stands in red."""
    return character in _RED_LAST


def _of(rng: Rng, characters: str) -> str:
    return characters[int(rng.integers(len(characters)))]


def _digits(rng: Rng, count: int) -> str:
    return "".join(_of(rng, DIGITS) for _ in range(count))


def _tail(rng: Rng, count: int) -> str:
    """Digits with none, one or two letters among them; letters are more frequent than given out, to be learnt alike."""
    tail = list(_digits(rng, count))
    letters = int(rng.choice((0, 1, 2, 3), p=(0.22, 0.38, 0.34, 0.06)))
    for place in rng.choice(count, min(letters, count), replace=False):
        tail[int(place)] = _of(rng, PLATE_LETTERS)
    return "".join(tail)
