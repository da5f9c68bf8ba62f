"""What may have made a line hard to read: blur, light, size, tilt and length, and how many were read with each.

A probable cause is no proof: it is a measure in which a line lies among the worst tenth of its set. What a cause is
worth shows in how much more frequent it is among wrong lines than among right ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from reader.image import resize
from reader.metrics import Share, share_of
from reader.types import UInt8

#: What is measured, and in which unit.
QUALITIES: Mapping[str, str] = {
    "sharpness": "variance of the Laplacian at 48 pixels of height",
    "brightness": "mean grey, 0 to 255",
    "contrast": "standard deviation of grey",
    "height": "pixels",
    "tilt": "degrees, clockwise",
    "length": "characters",
}
#: A cause, its measure, and which end of it is the bad one.
CAUSES: tuple[tuple[str, str, str], ...] = (
    ("blurred", "sharpness", "low"),
    ("dark", "brightness", "low"),
    ("bright", "brightness", "high"),
    ("pale", "contrast", "low"),
    ("small", "height", "low"),
    ("tilted", "tilt", "high"),
    ("short", "length", "low"),
    ("long", "length", "high"),
)
_TENTH = 10
_HEIGHT = 48
_MOST_WIDTH = 480
_ANGLES = np.array(sorted(range(-20, 21), key=abs))
_BINS = 5


@dataclass(frozen=True)
class Bin:
    """Lines with similar values of a measure.

    Attributes:
        low: the lowest value among them.
        high: the highest one.
        right: how many of them were read right.
    """

    low: float
    high: float
    right: Share

    @property
    def name(self) -> str:
        """The values as text."""
        return f"{self.low:.4g}" if self.low == self.high else f"{self.low:.4g} to {self.high:.4g}"


@dataclass(frozen=True)
class CauseCount:
    """How often a cause was found.

    Attributes:
        name: of the cause.
        wrong: the part of the wrong lines with it.
        right: the part of the right lines with it.
    """

    name: str
    wrong: Share
    right: Share


def qualities(image: UInt8, text: str) -> dict[str, float]:
    """Measures one line, see `QUALITIES`.

    Args:
        image: (H, W, 3) uint8 RGB.
        text: what stands there.
    """
    # Small and large pictures of equal sharpness are equally blurred only at the same size.
    width = max(1, min(_MOST_WIDTH, round(image.shape[1] * _HEIGHT / image.shape[0])))
    grey = cv2.cvtColor(resize(image, (_HEIGHT, width)), cv2.COLOR_RGB2GRAY)
    return {
        "sharpness": float(cv2.Laplacian(grey, cv2.CV_64F).var()),
        "brightness": float(grey.mean()),
        "contrast": float(grey.std()),
        "height": float(image.shape[0]),
        "tilt": tilt(np.asarray(grey, np.uint8)),
        "length": float(len(text)),
    }


def tilt(grey: UInt8) -> float:
    """The slope of a line of text in degrees, positive where it falls to the right, from -20 to 20.

    The slope at which the upper and lower edges of the characters, added up along it, stand out most
    (projection profiles, Postl 1986).

    Args:
        grey: (H, W) uint8.
    """
    height, width = grey.shape
    edges = np.abs(cv2.Sobel(grey, cv2.CV_32F, 0, 1))  # (H, W)
    edges[[0, -1]] = 0
    scores = []
    for angle in _ANGLES:
        slope = np.tan(np.deg2rad(angle))
        straight = np.array([[1, 0, 0], [slope, 1, -slope * width / 2]], np.float64)
        moved = cv2.warpAffine(edges, straight, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        scores.append(float(np.var(moved.sum(axis=1))))
    return float(_ANGLES[int(np.argmax(np.round(scores, 6)))])


def accuracy_by(values: npt.ArrayLike, right: Sequence[bool]) -> list[Bin]:
    """Accuracy by a measure, in bins of about as many lines each, or one a value where there are few values.

    Args:
        values: (N,) the measure.
        right: (N,) whether each line was read right.
    """
    values, hits = np.asarray(values, np.float64), np.asarray(right, bool)
    distinct = np.unique(values)
    if len(distinct) > 2 * _BINS:
        edges = np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1]))
        index = np.searchsorted(edges, values, side="right")
    else:
        index = np.searchsorted(distinct, values)
    bins = []
    for number in np.unique(index):
        inside = index == number
        share = share_of(int(hits[inside].sum()), int(inside.sum()))
        bins.append(Bin(float(values[inside].min()), float(values[inside].max()), share))
    return bins


def probable_causes(lines: Sequence[Mapping[str, float]]) -> list[tuple[str, ...]]:
    """The causes that each line shows against all the lines of its set.

    Args:
        lines: the measures of each line, from `qualities`.
    """
    found: list[list[str]] = [[] for _ in lines]
    if not lines:
        return []
    for name, quality, end in CAUSES:
        values = np.array([line[quality] for line in lines])
        if quality == "tilt":
            values = np.abs(values)  # either way is as bad
        if end == "low":
            marked = values < np.percentile(values, _TENTH)
        else:
            marked = values > np.percentile(values, 100 - _TENTH)
        for index in np.flatnonzero(marked):
            found[index].append(name)
    return [tuple(names) for names in found]


def count_causes(causes: Sequence[tuple[str, ...]], right: Sequence[bool]) -> list[CauseCount]:
    """How much of the wrong and of the right lines shows each cause; what tells them apart most comes first."""
    wrong = [names for names, hit in zip(causes, right, strict=True) if not hit]
    fine = [names for names, hit in zip(causes, right, strict=True) if hit]
    counts = []
    for name, *_ in CAUSES:
        parts = [share_of(sum(name in names for names in group), len(group)) for group in (wrong, fine)]
        counts.append(CauseCount(name, *parts))
    return sorted(counts, key=lambda row: -_value(row.wrong) + _value(row.right))


def _value(share: Share) -> float:
    return share.value if share.total else 0.0
