"""The small values that pass between the steps from photo to reading. All are immutable."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Display:
    """A display found on a photo.

    Attributes:
        corners: (4, 2) float32, x and y in photo pixels, clockwise from the display's own top-left corner. The order
            carries the orientation of the display; it is never sorted geometrically.
        class_id: index into `reader.symbols.STAGE1_CLASSES`.
        score: confidence of the detection, 0 to 1.
        class_probabilities: (4,) float32, one per stage 1 class, summing to 1.
    """

    corners: Float32
    class_id: int
    score: float
    class_probabilities: Float32


@dataclass(frozen=True)
class Boxes:
    """Stage 2 detections on one rectified display, before post-processing.

    Attributes:
        xyxy: (N, 4) float32, left, top, right, bottom in pixels of the rectified display.
        class_ids: (N,) int64, indices into `reader.symbols.STAGE2_CLASSES`.
        scores: (N,) float32, 0 to 1.
        probabilities: (N, 15) float32, the class scores of each box (sigmoid, not summing to 1).
    """

    xyxy: Float32
    class_ids: npt.NDArray[np.int64]
    scores: Float32
    probabilities: Float32


@dataclass(frozen=True)
class Digit:
    """One place of the reading.

    Attributes:
        text: "0" to "9", or "x" where it cannot be told.
        confidence: calibrated probability that `text` is right; 0 for "x".
        box: (4,) float32 xyxy in pixels of the rectified display; for a filled gap, the gap.
        decimal: whether the digit stands after the decimal point.
        alternative: the other digit of a drum between two positions, else None.
    """

    text: str
    confidence: float
    box: Float32
    decimal: bool = False
    alternative: str | None = None


@dataclass(frozen=True)
class Reading:
    """What post-processing makes of the boxes of one display.

    Attributes:
        text: digits, at most one ".", "x" for each unknown digit; "" when nothing was found.
        confidence: calibrated probability that the whole text is right.
        digits: the places from left to right.
    """

    text: str
    confidence: float
    digits: tuple[Digit, ...] = field(default_factory=tuple)
