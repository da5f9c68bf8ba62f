"""How far the last drum of a counter stands between two digits, seen on the picture itself.

The networks say one of the two digits and are sure of it: the pictures that they learned from were labelled by people,
who take now the upper, now the lower one. Where a drum stands half way, no reader can know which of them it will be.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from reader.colours import cut, ground_and_ink
from reader.types import UInt8

#: The sides of a drum's window show other things: its frame, a scale, the drum beside it.
_SIDE = 0.12
#: A digit of fewer pixels along a side shows nothing.
_SMALLEST = 8
#: Rows are averaged over this part of the window's height: noise is no ink.
_SMOOTH = 14
#: Where the ground between two digits is looked for, and how far from the middle it may lie, in heights of the window.
_FROM, _TO, _REACH = 0.25, 0.75, 0.2
#: Rows are as empty as another one when they have so little more ink, in usual rows' ink.
_AS_EMPTY = 0.1
#: Rows with less ink on average show nothing at all.
_INK = 0.02
#: A row with more than this part of the usual ink crosses a digit.
_INKED = 0.25
#: Two digits are told when the gap between them shows so much by contrast too.
_CONTRAST = 0.25
#: Grey levels that noise has also in the dark.
_DARK = 20.0


def half_rolled(picture: UInt8, box: npt.ArrayLike) -> float:
    """How much a drum looks as if it stood half way between two digits, 0 to 1.

    Every row across a digit has ink. Between two digits there are rows without any; when these lie in the middle of the
    drum's window, one digit is as near as the other.

    Args:
        picture: (h, w, 3) uint8 RGB, the rectified display.
        box: xyxy of the drum's window in its pixels.

    Returns:
        1 for rows without ink in the middle; less the nearer these are to the window's edge, or the more ink they have.
    """
    patch = _window(picture, box)
    if min(patch.shape[:2]) < _SMALLEST:
        return 0.0
    amount, _, _ = ground_and_ink(patch)
    return _gap(np.clip(amount, 0, 1).mean(axis=1))


def shows_two_digits(picture: UInt8, box: npt.ArrayLike) -> bool:
    """Whether the rows between two digits are there also by their contrast, which uneven light does not change.

    Args:
        picture: see `half_rolled`, which finds more such drums, and some that are none.
        box: see `half_rolled`.
    """
    patch = _window(picture, box)
    if min(patch.shape[:2]) < _SMALLEST:
        return False
    pixels = patch.astype(np.float32)
    return _gap(pixels.std(axis=1).sum(axis=1) / (pixels.mean(axis=(1, 2)) + _DARK)) >= _CONTRAST


def _window(picture: UInt8, box: npt.ArrayLike) -> UInt8:
    """What shows in a drum's window, without its sides."""
    left, top, right, bottom = np.asarray(box, np.float64)
    side = _SIDE * (right - left)
    return cut(picture, np.array([left + side, top, right - side, bottom]))


def _gap(rows: npt.NDArray[np.float32]) -> float:
    """How empty, and how near the middle, the emptiest rows of a window are, from how much is on each row (h,)."""
    count = len(rows)
    rows = np.asarray(cv2.blur(rows[:, None], (1, max(1, round(count / _SMOOTH)))), np.float32).ravel()
    usual = float(np.sort(rows)[count // 2 :].mean())
    if usual < _INK:
        return 0.0
    crossing = float(np.median(rows[rows > _INKED * usual]))
    start = int(_FROM * count)
    least = start + int(rows[start : int(np.ceil(_TO * count))].argmin())
    inked = np.flatnonzero(rows > rows[least] + _AS_EMPTY * usual)  # the rows around it that are as empty end there
    before, after = inked[inked < least].max(initial=-1), inked[inked > least].min(initial=count)
    away = abs(float(before + 1 + after) / 2 / count - 0.5)
    return max(0.0, 1.0 - float(rows[least]) / crossing) * max(0.0, 1.0 - away / _REACH)
