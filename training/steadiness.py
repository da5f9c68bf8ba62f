"""Whether a network in 8 bits reads as well as the same one in float32: by how steady float32 is itself.

A photo on which a reading hangs on a pixel is read otherwise by every small change. So the readings of int8 need not
all be float32's: they may differ as often as float32's own do when the photo is moved by a pixel, which changes nothing
that a person would see, and they may be right no less often; both but for what chance explains.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reader.types import UInt8

#: Standard errors that are still chance.
_ERRORS = 2.0


@dataclass(frozen=True)
class Readings:
    """The readings of the same pictures, "" for one that is not read.

    Attributes:
        float32: of the network in float32.
        int8: of it in 8 bits.
        moved: float32's of the pictures moved by a pixel, a list for each way they were moved; empty where only a
            share that somebody asked for counts.
        truths: what should be read, "" for nothing; None where nobody knows.
    """

    float32: Sequence[str]
    int8: Sequence[str]
    moved: Sequence[Sequence[str]] = ()
    truths: Sequence[str] | None = None


def moved(picture: UInt8) -> tuple[UInt8, UInt8]:
    """A picture (H, W, 3) less its first row and column, and less its last ones: as if the camera moved by a pixel."""
    return np.ascontiguousarray(picture[1:, 1:]), np.ascontiguousarray(picture[:-1, :-1])


def verdict(
    readings: Readings, wanted: float | None = None, right: Callable[[str, str], bool] = operator.eq
) -> tuple[str, str]:
    """What was found, and what speaks against int8; "" where nothing does.

    Args:
        readings: of float32 and int8.
        wanted: the least share of readings that must stay the same, 0 to 1; None for as many as stay the same in
            float32 when the pictures are moved.
        right: whether a reading is its truth.
    """
    same, total = _same(readings.float32, readings.int8)
    found = f"{same} of {total} readings as in float32"
    if not total:
        return found, "nothing was read to compare"
    if wanted is not None:
        return found, "" if same >= wanted * total else f"at least {100 * wanted:g} % wanted"
    own = [_same(readings.float32, other) for other in readings.moved]
    found += f" (float32 itself of photos moved by a pixel: {', '.join(f'{each} of {of}' for each, of in own)})"
    usual = float(np.mean([of - each for each, of in own]))
    against = "less steady than float32" if _more(total - same, usual) else ""
    if readings.truths is not None:
        pairs = [
            (right(first, truth), right(second, truth))
            for first, second, truth in zip(readings.float32, readings.int8, readings.truths, strict=True)
        ]
        found += f", {sum(second for _, second in pairs)} instead of {sum(first for first, _ in pairs)} right"
        lost, won = (sum(pair == other for pair in pairs) for other in ((True, False), (False, True)))
        if _more(lost, won):
            against = "fewer readings right"
    return found, against


def conclude(name: str, path: Path, found: str, against: str, before: float, after: float) -> str:
    """Says what becomes of an int8 file, and removes it where it is not used; that as a line for the bundle.

    Args:
        name: of the network.
        path: its int8 file.
        found: see `verdict`.
        against: see `verdict`.
        before: milliseconds in float32.
        after: in int8; what is not faster is not used.
    """
    found += f", {after:.1f} ms instead of {before:.1f}"
    if not against and after >= before:
        against = "not faster"
    print(f"{name} int8: {found}: " + (f"not used, {against}; float32 is used" if against else "used"))
    if not against:
        return f"used: {found}"
    path.unlink()
    return f"not used, {against}: {found}"


def _more(first: float, second: float) -> bool:
    """Whether a count is higher than another one by more than chance explains."""
    return first - second > _ERRORS * math.sqrt(first + second)


def _same(first: Sequence[str], second: Sequence[str]) -> tuple[int, int]:
    """How many readings are the same, and of how many: pictures that neither reads would only flatter."""
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a or b]
    return sum(a == b for a, b in pairs), len(pairs)
