"""The small values that pass between the steps from photo to reading. All are immutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
        decimal_confidence: how sure it is where the decimal point stands, or that there is none; 0 to 1.
        irregularity: how unevenly the digits are spaced: mean deviation from the usual distance, in usual distances.
        line_log_probability: what the display read as a line gives this text; None where it was not read so.
        point_opinions: (n, ...) what spoke for each number of decimals, see `reader.joint.point_opinions`; None where
            only the detector was asked, or the caller knew.
        rolled: how much the last drum looks as if it stood half way between two digits, see `reader.rolling`; 0 to 1.
    """

    text: str
    confidence: float
    digits: tuple[Digit, ...] = field(default_factory=tuple)
    decimal_confidence: float = 1.0
    irregularity: float = 0.0
    line_log_probability: float | None = None
    point_opinions: npt.NDArray[np.float64] | None = field(default=None, compare=False, repr=False)
    rolled: float = 0.0


#: Why a photo gave no reading; `Result.reason` is one of these.
NO_DISPLAY, ILLEGIBLE, UNKNOWN_DIGIT, LOW_CONFIDENCE = "no_display", "illegible", "unknown_digit", "low_confidence"
REASONS: tuple[str, ...] = (NO_DISPLAY, ILLEGIBLE, UNKNOWN_DIGIT, LOW_CONFIDENCE)


@dataclass(frozen=True)
class PhotoDigit:
    """One place of the reading, on the photo.

    Attributes:
        text: "0" to "9", or "x" where it cannot be told.
        confidence: calibrated probability that `text` is right; 0 for "x".
        box: (4, 2) float32, x and y in photo pixels, clockwise from the digit's own top-left corner.
        decimal: whether the digit stands after the decimal point.
        alternative: the other digit of a drum between two positions, else None.
    """

    text: str
    confidence: float
    box: Float32
    decimal: bool
    alternative: str | None


@dataclass(frozen=True)
class Result:
    """What a photo gave.

    Attributes:
        image: the name of the photo; "" for bytes and arrays without a name.
        success: whether `text` is a reading: every digit known, display legible, confidence high enough.
        text: the reading; with "x" for unknown digits (success is False then); "" when there is none.
        confidence: calibrated probability that the reading is right, kept for a rejected reading; 0 without one.
        reason: why there is no reading, one of `REASONS`; None on success and on an error.
        counter_class: one of `reader.symbols.STAGE1_CLASSES`; "" without a display.
        counter_score: confidence that there is a display, 0 to 1.
        corners: (4, 2) float32, x and y in photo pixels, clockwise from the display's own top-left; None without one.
        digits: the places of the reading from left to right; kept for a rejected reading.
        original_image_shape: (H, W, 3) of the upright photo; None when it could not be loaded.
        time: seconds from the source to this result.
        times: seconds by step: "load", "stage1", "stage2".
        error: why the photo could not be loaded, one line; else None.
        rejected_text: the reading that was rejected for its low confidence; else None.
    """

    image: str
    success: bool = False
    text: str = ""
    confidence: float = 0.0
    reason: str | None = None
    counter_class: str = ""
    counter_score: float = 0.0
    corners: Float32 | None = None
    digits: tuple[PhotoDigit, ...] = ()
    original_image_shape: tuple[int, int, int] | None = None
    time: float = 0.0
    times: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    rejected_text: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values; coordinates to hundredths of a pixel, probabilities to four places."""
        return {
            "image": self.image,
            "success": self.success,
            "text": self.text,
            "confidence": round(self.confidence, 4),
            "reason": self.reason,
            "counter_class": self.counter_class,
            "counter_score": round(self.counter_score, 4),
            "corners": None if self.corners is None else _rounded(self.corners),
            "digits": [
                {
                    "text": digit.text,
                    "confidence": round(digit.confidence, 4),
                    "box": _rounded(digit.box),
                    "decimal": digit.decimal,
                    "alternative": digit.alternative,
                }
                for digit in self.digits
            ],
            "original_image_shape": None if self.original_image_shape is None else list(self.original_image_shape),
            "time": round(self.time, 4),
            "times": {step: round(seconds, 4) for step, seconds in self.times.items()},
            "error": self.error,
            "rejected_text": self.rejected_text,
        }


def _rounded(points: Float32) -> list[list[float]]:
    return [[round(float(x), 2), round(float(y), 2)] for x, y in points]
