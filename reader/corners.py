"""A closer look at a display: cut out along the corners that stage 1 found, with room around; put right, and judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reader.confidence import sigmoid
from reader.geometry import display_homography, inverse, is_convex, quad_iou, rectify, warp_points
from reader.types import Float32, UInt8

if TYPE_CHECKING:
    from reader.bundle import CornersSettings, JudgeSettings
    from reader.geometry import Drawable
    from reader.runtime import Network


#: Corners that overlap those before by less (IoU) are another thing's.
_SAME_DISPLAY = 0.3


def offsets_of(
    truth: npt.ArrayLike, corners: npt.ArrayLike, size: tuple[int, int], margin: float
) -> npt.NDArray[np.float64]:
    """The way from supposed corners to the true ones as a network is to tell it.

    Args:
        truth: (4, 2) in photo pixels.
        corners: (4, 2) in photo pixels, along which the cut is made.
        size: (height, width) of the cut in pixels.
        margin: room around the supposed display in the cut, in heights of the display.

    Returns:
        (4, 2) x and y, in parts of the room beside and above the display in the cut.

    Raises:
        ValueError: the corners enclose no area.
    """
    homography = display_homography(corners, size, margin)
    supposed = warp_points(corners, homography)
    return np.asarray((warp_points(truth, homography) - supposed) / supposed[0], np.float64)


def moved_by(
    offsets: npt.ArrayLike, corners: npt.ArrayLike, size: tuple[int, int], margin: float
) -> npt.NDArray[np.float64]:
    """Supposed corners moved as a network tells it: the way back from `offsets_of`.

    Args:
        offsets: (4, 2) or (8,).
        corners: see `offsets_of`.
        size: see `offsets_of`.
        margin: see `offsets_of`.

    Returns:
        (4, 2) in photo pixels.

    Raises:
        ValueError: the corners enclose no area.
    """
    homography = display_homography(corners, size, margin)
    supposed = warp_points(corners, homography)
    moved = supposed + np.asarray(offsets, np.float64).reshape(4, 2) * supposed[0]
    return warp_points(moved, inverse(homography))


class CornerSharpener:
    """Puts a display's corners right, with any network of the contract (1, h, w, 3) uint8 -> "offsets" (1, 8).

    See `offsets_of` for what the offsets mean.
    """

    def __init__(self, network: Network, settings: CornersSettings) -> None:
        self.network = network
        self.settings = settings

    def __call__(self, photo: UInt8 | Drawable, corners: npt.ArrayLike) -> Float32:
        """The corners after the looks that the settings ask for.

        Args:
            photo: (H, W, 3) uint8 RGB, or a `reader.photo.Photo` of it.
            corners: (4, 2) in photo pixels, clockwise from the display's own top-left.

        Returns:
            (4, 2) float32; as they came where they enclose no area, or where the network has lost the display.
        """
        size, margin = self.settings.input_size, self.settings.margin
        quad = np.asarray(corners, np.float64)
        for _ in range(self.settings.looks):
            try:
                picture, _ = rectify(photo, quad, margin, size)
                moved = moved_by(self.network(picture[None])["offsets"][0], quad, size, margin)
                lost = not is_convex(moved) or quad_iou(moved, quad) < _SAME_DISPLAY
            except ValueError:  # no area, or corners beyond the horizon
                break
            if lost:
                break
            quad = moved
        return quad.astype(np.float32)


class DisplayJudge:
    """Tells displays from what looks like one, with any network (1, h, w, 3) uint8 -> "shown" (1, 1), a logit."""

    def __init__(self, network: Network, settings: JudgeSettings) -> None:
        self.network = network
        self.settings = settings

    def __call__(
        self, photo: UInt8 | Drawable, corners: npt.ArrayLike, confidence: Callable[[], float] = lambda: 0.0
    ) -> bool:
        """Whether a display is there.

        Args:
            photo: (H, W, 3) uint8 RGB, or a `reader.photo.Photo` of it.
            corners: (4, 2) in photo pixels, put right if they are to be.
            confidence: reads what is there; asked for where it decides: a display reads well, and little else does.
        """
        probability = self.probability(photo, corners)
        if probability >= self.settings.shown:
            return True
        return probability >= self.settings.doubted and confidence() >= self.settings.read

    def probability(self, photo: UInt8 | Drawable, corners: npt.ArrayLike) -> float:
        """How likely a display is there; 0 where the corners enclose no area."""
        try:
            picture, _ = rectify(photo, corners, self.settings.margin, self.settings.input_size)
        except ValueError:
            return 0.0
        logit = float(self.network(picture[None])["shown"][0, 0])
        return float(sigmoid(logit))
