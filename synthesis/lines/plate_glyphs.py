"""The characters of Chinese plates: letters and digits as strokes, in the manner of the standard GA 36, and fonts."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from reader.line_settings import PLATE_LETTERS, PROVINCES, SPECIAL
from synthesis.lines.glyphs import Mask, fitted_glyph
from synthesis.lines.strokes import Line, arc

#: How many different sets of plate characters there are.
STYLES = 12
_CHINESE = ("NotoSansSC-Medium.ttf", "NotoSansSC-Bold.ttf", "DroidSansFallback.ttf")
_LATIN = ("BarlowCondensed-Medium.ttf", "BarlowSemiCondensed-SemiBold.ttf")


def _round(top: float, bottom: float, left: float = 0.0, right: float = 1.0) -> Line:
    """A closed shape with round ends as high as it is wide, the box being twice as high as wide."""
    cx, rx = (left + right) / 2, (right - left) / 2
    ry = min(rx / 2 * 1.08, (bottom - top) / 2)
    return [*arc(cx, top + ry, rx, ry, 180, 360), *arc(cx, bottom - ry, rx, ry, 0, 180), (left, top + ry)]


_SIX: list[Line] = [_round(0.4, 1.0), [(0.0, 0.72), (0.06, 0.52), (0.2, 0.33), (0.66, 0.0)]]
_HALF_P: Line = [(0, 1), (0, 0), (0.5, 0), *arc(0.5, 0.275, 0.5, 0.275, -90, 90), (0, 0.55)]
_OPEN: Line = [*arc(0.5, 0.26, 0.5, 0.26, 345, 180), *arc(0.5, 0.74, 0.5, 0.26, 180, 15)]

#: Polylines of the characters in the unit square, x right, y down; a box on a plate is twice as high as wide.
_STROKES: dict[str, list[Line]] = {
    "0": [_round(0, 1)],
    "1": [[(0.5, 0), (0.5, 1)]],
    "2": [[*arc(0.5, 0.26, 0.5, 0.26, 185, 380), (0.0, 1.0), (1.0, 1.0)]],
    "3": [[*arc(0.48, 0.235, 0.44, 0.235, -160, 90), *arc(0.48, 0.735, 0.52, 0.265, -90, 160)]],
    "4": [[(0.66, 0.0), (0.0, 0.75), (1.0, 0.75)], [(0.74, 0.48), (0.74, 1.0)]],
    "5": [[(0.92, 0.0), (0.14, 0.0), (0.08, 0.46), *arc(0.48, 0.68, 0.52, 0.32, -140, 150)]],
    "6": _SIX,
    "7": [[(0.0, 0.0), (1.0, 0.0), (0.46, 1.0)]],
    "8": [_round(0.0, 0.46, 0.05, 0.95), _round(0.46, 1.0)],
    "9": [[(1 - x, 1 - y) for x, y in line] for line in _SIX],
    "A": [[(0, 1), (0.5, 0), (1, 1)], [(0.15, 0.7), (0.85, 0.7)]],
    "B": [
        [(0, 0), (0, 1), (0.5, 1), *arc(0.5, 0.735, 0.5, 0.265, 90, -90), (0, 0.47)],
        [(0, 0), (0.5, 0), *arc(0.5, 0.235, 0.43, 0.235, -90, 90)],
    ],
    "C": [_OPEN],
    "D": [[(0, 0), (0, 1), (0.5, 1), *arc(0.5, 0.75, 0.5, 0.25, 90, 0), *arc(0.5, 0.25, 0.5, 0.25, 0, -90), (0, 0)]],
    "E": [[(1, 0), (0, 0), (0, 1), (1, 1)], [(0, 0.48), (0.85, 0.48)]],
    "F": [[(1, 0), (0, 0), (0, 1)], [(0, 0.48), (0.85, 0.48)]],
    "G": [[*_OPEN, (1, 0.74), (1, 0.55), (0.55, 0.55)]],
    "H": [[(0, 0), (0, 1)], [(1, 0), (1, 1)], [(0, 0.48), (1, 0.48)]],
    "J": [[(0.86, 0), (0.86, 0.75), *arc(0.43, 0.75, 0.43, 0.25, 0, 165)]],
    "K": [[(0, 0), (0, 1)], [(0.95, 0), (0, 0.58)], [(0.36, 0.38), (1, 1)]],
    "L": [[(0, 0), (0, 1), (1, 1)]],
    "M": [[(0, 1), (0, 0), (0.5, 0.58), (1, 0), (1, 1)]],
    "N": [[(0, 1), (0, 0), (1, 1), (1, 0)]],
    "P": [_HALF_P],
    "Q": [_round(0, 1), [(0.5, 0.74), (1.0, 1.02)]],
    "R": [_HALF_P, [(0.48, 0.55), (1, 1)]],
    "S": [[*arc(0.5, 0.25, 0.48, 0.25, 340, 90), *arc(0.5, 0.745, 0.5, 0.255, -90, 165)]],
    "T": [[(0, 0), (1, 0)], [(0.5, 0), (0.5, 1)]],
    "U": [[(0, 0), (0, 0.74), *arc(0.5, 0.74, 0.5, 0.26, 180, 0), (1, 0)]],
    "V": [[(0, 0), (0.5, 1), (1, 0)]],
    "W": [[(0, 0), (0.24, 1), (0.5, 0.32), (0.76, 1), (1, 0)]],
    "X": [[(0, 0), (1, 1)], [(1, 0), (0, 1)]],
    "Y": [[(0, 0), (0.5, 0.5), (1, 0)], [(0.5, 0.5), (0.5, 1)]],
    "Z": [[(0, 0), (1, 0), (0, 1), (1, 1)]],
}
#: Characters of many strokes are cut with narrower ones.
_THINNER = {"W": 0.72, "M": 0.85, "A": 0.92, "N": 0.92, "Q": 0.9, "R": 0.92, "B": 0.92, "8": 0.92}


@functools.lru_cache(maxsize=8192)
def plate_glyph(character: str, style: int, width: int, height: int) -> Mask:
    """One character of a plate in its box.

    Args:
        character: of the plate alphabet.
        style: 0 .. STYLES - 1 fixes shape and weight.
        width: of the box in px.
        height: of the box in px.

    Returns:
        uint8 (height, width) ink, 255 = full; shared, not to be written to.
    """
    if character in PROVINCES + SPECIAL:
        name = _CHINESE[style % 3]
        heavy = (0, -1, 1, 2)[style // 3]
        return fitted_glyph(character, name, width, height, heavy)
    assert character in PLATE_LETTERS or character.isdigit(), character
    if style % 6 == 5:
        return _boxed(character, _LATIN[style // 6], width, height)
    return _stroked(character, style, width, height)


def _boxed(character: str, name: str, width: int, height: int) -> Mask:
    """A font's character as wide as the box, but for the 1, which stands in its middle."""
    if character != "1":
        return fitted_glyph(character, name, width, height, 0)
    mask = np.zeros((height, width), np.uint8)
    thin = max(2, round(width * 0.4))
    left = (width - thin) // 2
    mask[:, left : left + thin] = fitted_glyph(character, name, thin, height, 0)
    return mask


def _stroked(character: str, style: int, width: int, height: int) -> Mask:
    rng = np.random.default_rng([36, style])
    thick, narrow = rng.uniform(0.1, 0.15) * height, rng.uniform(0.94, 1.0)
    scale = 4
    pen = max(2, round(thick * scale * _THINNER.get(character, 1.0)))
    canvas = np.zeros((height * scale, width * scale), np.uint8)
    room = np.array([width * narrow, height]) * scale - pen
    offset = np.array([width * (1 - narrow) / 2 * scale + pen / 2, pen / 2])
    square = rng.random() < 0.6
    for line in _STROKES[character]:
        points = np.array(line, np.float64) * room + offset
        if square:
            points[0], points[-1] = _longer(points[1], points[0], pen / 2), _longer(points[-2], points[-1], pen / 2)
        cv2.polylines(canvas, [np.int32(np.round(points * 16))], False, 255, pen, cv2.LINE_AA, 4)
    mask = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    mask.setflags(write=False)
    return mask


def _longer(before: np.ndarray, end: np.ndarray, by: float) -> np.ndarray:
    """The end of a line moved on by a little, so that it looks cut straight where the box cuts it."""
    ahead = end - before
    return end + ahead / max(1e-6, float(np.hypot(*ahead))) * by * 0.6
