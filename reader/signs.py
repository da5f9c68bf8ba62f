"""What shows on a display where its decimals begin: other colours, smaller digits, a drawn point.

Networks that read whole rows learn how many decimals their training displays had, and say as many of the next maker's.
These signs know nothing of usual numbers: they compare the digits on either side of each gap.
"""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import numpy.typing as npt

from reader.colours import cut, ground_and_ink
from reader.symbols import POINT_ID
from reader.types import Boxes, UInt8

Float64 = npt.NDArray[np.float64]

#: The columns of `decimal_signs`.
SIGNS: tuple[str, ...] = (
    "ground_tint",  # how much better two tints of ground explain the digits than one
    "ink_tint",  # the same of their ink
    "ground_light",  # the same of the ground's lightness
    "ink_light",  # the same of the ink's
    "frame_tint",  # the same of what lies above and below them, such as a red frame
    "smaller",  # the same of the digits' heights; negative where the later ones are taller
    "point",  # score of the decimal point that was detected in the gap
    "gaps",  # log probability by the network that looks at the gaps, see `reader.gaps`
    "none",  # 1 for no decimals
)

#: Differences that say nothing, as noise and uneven light make them: of CIE a* and b*, of lightness (8 bits each) ...
_TINT, _LIGHT = 5.0, 14.0
#: ... and of the logarithm of a digit's height.
_HEIGHT = 0.08
#: A digit of fewer pixels along a side shows no colours.
_SMALLEST = 4
#: A point's middle lies at least this far from the middles of the digits beside it, in widths of a digit.
_BETWEEN = 0.1


def decimal_signs(
    picture: UInt8,
    digits: npt.ArrayLike,
    points: Boxes,
    drums: bool = True,
    gaps: Float64 | None = None,
) -> Float64:
    """What speaks for each number of decimals.

    Args:
        picture: (h, w, 3) uint8 RGB, the rectified display.
        digits: (n, 4) xyxy of the digits in its pixels, from left to right.
        points: detections on it; those of decimal points are looked at.
        drums: whether the digits stand on drums. Where they do not, colours tell nothing: an LCD is lit unevenly, and
            its decimals have no colours of their own.
        gaps: (n,) log probabilities of each number of decimals, see `reader.gaps.PointReader`; None where there is no
            such network.

    Returns:
        (n, len(SIGNS)); row k is about k decimals. 0 where nothing speaks for them.
    """
    xyxy = np.asarray(digits, np.float64).reshape(-1, 4)
    count = len(xyxy)
    signs = np.zeros((count, len(SIGNS)))
    if not count:
        return signs
    heights = np.log(np.maximum(xyxy[:, 3] - xyxy[:, 1], 1.0))[:, None]
    compared = {"smaller": (heights, _HEIGHT)} | (_colours(picture, xyxy) if drums else {})
    for name, (values, noise) in compared.items():
        signs[1:, SIGNS.index(name)] = _told_apart(values, noise)
    shrinks = [heights[: count - k].mean() >= heights[count - k :].mean() for k in range(1, count)]
    signs[1:, SIGNS.index("smaller")] *= np.where(shrinks, 1.0, -1.0)
    signs[1:, SIGNS.index("point")] = _points(xyxy, points)
    signs[0, SIGNS.index("none")] = 1.0
    if gaps is not None:
        signs[:, SIGNS.index("gaps")] = gaps
    return signs


def _colours(picture: UInt8, xyxy: Float64) -> dict[str, tuple[Float64, float]]:
    """Colours of the digits by the signs that compare them, (n, 2) or (n, 1), and how much of a difference is noise."""
    colours = np.array([_ground_and_ink(picture, box) for box in xyxy], np.float32)  # (n, 2, 3) RGB
    lab = cv2.cvtColor(np.clip(colours, 0, 255).astype(np.uint8), cv2.COLOR_RGB2LAB).astype(np.float64)
    ground, ink = lab[:, 0], lab[:, 1]
    return {
        "frame_tint": (_frame_tints(picture, xyxy), _TINT),
        "ground_tint": (ground[:, 1:], _TINT),
        "ink_tint": (ink[:, 1:], _TINT),
        "ground_light": (ground[:, :1], _LIGHT),
        "ink_light": (ink[:, :1], _LIGHT),
    }


def _frame_tints(picture: UInt8, xyxy: Float64) -> Float64:
    """(n, 2) mean CIE a* and b* above and below each digit, as high as the picture goes; grey where nothing is."""
    tints = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)[..., 1:]
    found = []
    for left, top, right, bottom in np.round(xyxy).astype(int):
        columns = tints[:, max(left, 0) : max(right, 0)]
        rim = np.concatenate([columns[: max(top, 0)], columns[max(bottom, 0) :]]).reshape(-1, 2)
        found.append(rim.mean(axis=0) if len(rim) else np.full(2, 128.0))
    return np.array(found)


def _ground_and_ink(picture: UInt8, box: Float64) -> npt.NDArray[np.float32]:
    """(2, 3) RGB; one grey for a digit outside of the picture."""
    patch = cut(picture, box)
    if min(patch.shape[:2]) < _SMALLEST:
        return np.full((2, 3), 128, np.float32)
    return np.stack(ground_and_ink(patch)[1:])


def _told_apart(values: Float64, noise: float) -> Float64:
    """Log likelihood gained when digits (n, d) have one mean before a gap and another one behind it.

    Of normal distributions with the variance that is left, and that of the noise on top.

    Returns:
        (n - 1,) for the gap before the last digit, the last but one, and so on.
    """
    count = len(values)
    off = values - values.mean(axis=0)
    whole = (off**2).sum() / count
    before = np.arange(1, count)
    between = (off.cumsum(axis=0)[:-1] ** 2).sum(axis=1) * (1 / before + 1 / (count - before)) / count
    return np.asarray(count / 2 * np.log((whole + noise**2) / (whole - between + noise**2)), np.float64)[::-1]


def _points(digits: Float64, found: Boxes) -> Float64:
    """(n - 1,) best score of a decimal point before the last digit, the last but one, and so on."""
    chosen = found.class_ids == POINT_ID
    x = (found.xyxy[chosen, 0] + found.xyxy[chosen, 2]) / 2
    y = (found.xyxy[chosen, 1] + found.xyxy[chosen, 3]) / 2
    middles = (digits[:, :2] + digits[:, 2:]) / 2  # (n, 2)
    room = _BETWEEN * float(np.median(digits[:, 2] - digits[:, 0]))
    scores = []
    for (left, above), (right, _) in itertools.pairwise(middles):
        inside = (x > left + room) & (x < right - room) & (y > above)
        scores.append(float(found.scores[chosen][inside].max(initial=0.0)))
    return np.array(scores[::-1])
