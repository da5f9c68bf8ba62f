"""The gaps between the digits of a display, cut out to be looked at one by one: does a decimal point stand here?

Each cut shows two digits on either side, always at the same size. It does not show how many digits come after it, so
that a network that looks at it cannot count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from reader.types import UInt8

if TYPE_CHECKING:
    from reader.bundle import PointSettings
    from reader.runtime import Network

#: Parts of a cut: the distance of two digits' middles in its width, and a digit's height in its height.
_PITCH, _HEIGHT = 0.25, 0.65


def gap_cuts(picture: UInt8, digits: npt.ArrayLike, size: tuple[int, int]) -> UInt8:
    """The gaps of a row of digits.

    Args:
        picture: (h, w, 3) uint8 RGB, the rectified display.
        digits: (n, 4) xyxy of the digits in its pixels, from left to right.
        size: height and width of a cut in pixels.

    Returns:
        (n - 1, height, width, 3), from left to right; beyond the display its edge goes on. None where there are fewer
        than two digits or they take no room.
    """
    xyxy = np.asarray(digits, np.float64).reshape(-1, 4)
    height, width = size
    nothing = np.zeros((0, height, width, 3), np.uint8)
    if len(xyxy) < 2:
        return nothing
    middles = (xyxy[:, 0] + xyxy[:, 2]) / 2
    pitch = float(np.median(np.diff(middles)))
    top, bottom = np.median(xyxy[:, 1]), np.median(xyxy[:, 3])
    if pitch < 1 or bottom - top < 1:
        return nothing
    across, down = _PITCH * width / pitch, _HEIGHT * height / (bottom - top)
    cuts = []
    for x in (middles[:-1] + middles[1:]) / 2:
        matrix = np.array(
            [
                [across, 0, (width - 1) / 2 - across * (x - 0.5)],
                [0, down, (height - 1) / 2 - down * ((top + bottom) / 2 - 0.5)],
            ]
        )
        cuts.append(cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE))
    return np.stack(cuts)


class PointReader:
    """Looks at each gap between the digits of a display for where its decimals begin.

    Of any network with the contract (N, h, w, 3) uint8 -> "logits" (N, 1): how much speaks for a point in a gap,
    against no decimals at all.
    """

    def __init__(self, network: Network, settings: PointSettings) -> None:
        self.network = network
        self.settings = settings

    def log_probabilities(self, picture: UInt8, digits: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """How likely each number of decimals is by what the gaps show.

        Args:
            picture: see `gap_cuts`.
            digits: see `gap_cuts`.

        Returns:
            (n,) log probabilities by number of decimals, 0 to n - 1, for n digits.
        """
        cuts = gap_cuts(picture, digits, self.settings.input_size)
        logits = np.zeros(len(np.asarray(digits, np.float64).reshape(-1, 4)))
        if len(cuts):
            logits[1:] = np.asarray(self.network(cuts)["logits"], np.float64)[::-1, 0]  # the last gap: one decimal
        powers = np.exp(logits - logits.max(initial=0.0))
        return np.asarray(np.log(np.maximum(powers, np.finfo(float).tiny) / max(powers.sum(), 1.0)), np.float64)


@dataclass(frozen=True)
class GapView:
    """A display whose gaps can be looked at, cut out in more pixels than it is read in.

    Attributes:
        reader: looks at them.
        picture: (h, w, 3) uint8 RGB, the rectified display.
        scale: x and y of its pixels in those in which the digits will be given.
    """

    reader: PointReader
    picture: UInt8
    scale: tuple[float, float] = (1.0, 1.0)

    def log_probabilities(self, digits: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """How likely each number of decimals is; see `PointReader.log_probabilities`."""
        boxes = np.asarray(digits, np.float64).reshape(-1, 4)
        return self.reader.log_probabilities(self.picture, boxes * (*self.scale, *self.scale))
