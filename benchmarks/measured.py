"""What was measured on labelled photos: each answer beside its truth, what they add up to, and why some are wrong.

Readings count as numbers: zeros in front and zeros behind the last decimal do not matter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from reader.confidence import Coverage, expected_calibration_error, honest_calibration_error, risk_coverage
from reader.geometry import orientation, quad_iou
from reader.metrics import CharacterErrorRate, CornerAccuracy, Share, as_number, one_off, same_number, share_of
from reader.types import ILLEGIBLE, NO_DISPLAY, Float32, Result

#: Corners that overlap the true ones by more (IoU) are good.
GOOD_CORNERS = 0.75
#: What loses a reading, in the order in which they are asked.
REFUSED, POINT, LAST = "refused", "decimal point", "one off in the last place"
STAGE1, STAGE2, UNKNOWN = "stage 1", "stage 2", "unknown"
CAUSES: tuple[str, ...] = (REFUSED, POINT, LAST, STAGE1, STAGE2, UNKNOWN)


@dataclass(frozen=True)
class Measured:
    """The answers to one labelled photo.

    Attributes:
        image: its path in the set.
        truth: the reading of the set.
        result: what the reader says: of a photo, from the photo alone; of a display without a photo, from its edges.
        whole: whether it is a photo.
        corners: (4, 2) the true ones in photo pixels; None where the set has none.
        true_class: of `reader.symbols.STAGE1_CLASSES`; None where the set does not say.
        given: the reading from the true corners; None without them.
        crop: the reading from the upright crop around the corners that were found, "" where there are none or the
            display was refused; None for a display without a photo.
        alone: the reading by the detector alone at the same corners, "" as above; None without a line reader.
    """

    image: str
    truth: str
    result: Result
    whole: bool = True
    corners: Float32 | None = None
    true_class: str | None = None
    given: str | None = None
    crop: str | None = None
    alone: str | None = None

    @property
    def right(self) -> bool:
        """Whether the reader gave a reading, and it is the truth."""
        return self.result.success and same_number(self.result.text, self.truth)

    @property
    def iou(self) -> float:
        """Overlap of found and true corners of a photo; 0 where nothing was found, NaN where the truth is not known."""
        if self.corners is None or not self.whole:
            return math.nan
        return 0.0 if self.result.corners is None else quad_iou(self.result.corners, self.corners)

    @property
    def cause(self) -> str | None:
        """What lost the reading, one of `CAUSES`; None for a right one.

        Stage 1 lost it when the true corners would have given the right reading, stage 2 when they do not help.
        """
        if self.right:
            return None
        if not self.result.success:
            return REFUSED
        if same_digits(self.result.text, self.truth):
            return POINT
        if one_off(self.result.text, self.truth):
            return LAST
        if self.given is None:
            return UNKNOWN
        return STAGE1 if self.whole and same_number(self.given, self.truth) else STAGE2

    def to_dict(self) -> dict[str, Any]:
        """Answer and truth as JSON values."""
        return {
            "image": self.image,
            "truth": self.truth,
            "answer": self.result.text,
            "with true corners": self.given,
            "crop": self.crop,
            "detector alone": self.alone,
            "confidence": round(self.result.confidence, 3),
            "reason": self.result.reason,
            "iou": None if math.isnan(self.iou) else round(self.iou, 3),
            "lost by": self.cause,
        }


@dataclass
class SetResult:
    """The answers of one set, or of several together."""

    answers: list[Measured] = field(default_factory=list)

    @property
    def photos(self) -> list[Measured]:
        """The answers to photos; the others are displays without a photo."""
        return [each for each in self.answers if each.whole]

    @property
    def misses(self) -> list[Measured]:
        """What was read wrong or not at all."""
        return [each for each in self.answers if not each.right]

    @property
    def corners(self) -> CornerAccuracy:
        """Of the photos whose display is labelled."""
        accuracy = CornerAccuracy(GOOD_CORNERS)
        for each in self.photos:
            if each.corners is not None:
                accuracy.update(each.result.corners, each.corners)
        return accuracy

    @property
    def classes(self) -> list[bool]:
        """Whether the class was right; a labelled display is analog unless it says otherwise."""
        known = [each for each in self.photos if each.true_class or each.corners is not None]
        return [each.result.counter_class == (each.true_class or "analog") for each in known]

    @property
    def given(self) -> list[bool]:
        """Whether each reading was right from the true corners."""
        return [same_number(each.given, each.truth) for each in self.answers if each.given is not None]

    @property
    def whole(self) -> list[bool]:
        """Whether each reading was right from the photo alone."""
        return [each.right for each in self.photos]

    @property
    def nearly(self) -> list[bool]:
        """Whether each reading from the photo alone was right, or wrong by one in the last place."""
        return [each.cause in (None, LAST) for each in self.photos]

    @property
    def confidences(self) -> list[float]:
        """Of the readings from the photo, 0 where there was none: those are rejected first."""
        return [each.result.confidence if each.result.success else 0.0 for each in self.photos]

    @property
    def characters(self) -> CharacterErrorRate:
        """Digits of the readings from the photo against the truth."""
        rate = CharacterErrorRate()
        for each in self.photos:
            rate.update(as_number(each.result.text), as_number(each.truth))
        return rate

    @property
    def kept(self) -> list[bool]:
        """Whether each photo, all of which somebody could read, was found to have a legible display."""
        return [each.result.reason not in (NO_DISPLAY, ILLEGIBLE) for each in self.photos]

    @property
    def sure(self) -> tuple[list[float], list[bool]]:
        """Confidences of the readings that were given and whether they are right; a refusal claims nothing."""
        given = [each for each in self.photos if each.result.success]
        return [each.result.confidence for each in given], [each.right for each in given]

    @property
    def calibration_error(self) -> float:
        """Of the readings that were given, 0 to 1; NaN without any."""
        return expected_calibration_error(*self.sure)

    @property
    def honest_calibration_error(self) -> float:
        """What it would be by chance if the confidences were honest; NaN without any."""
        return honest_calibration_error(self.sure[0])

    def coverage(self, rejected: Sequence[float]) -> list[Coverage]:
        """What rejecting the least sure photos gains."""
        return risk_coverage(self.confidences, self.whole, rejected)

    def after_rejecting(self, part: float) -> Share:
        """Readings right of those that are left when this part of the photos, the least sure ones, is rejected."""
        (row,) = self.coverage([part])
        return share_of(round(row.accuracy * row.kept) if row.kept else 0, row.kept)

    def median_times(self) -> dict[str, float]:
        """Median milliseconds by step."""
        times: dict[str, list[float]] = {}
        for each in self.photos:
            for step, seconds in each.result.times.items():
                times.setdefault(step, []).append(1000 * seconds)
        return {step: float(np.median(values)) for step, values in times.items()}


def by_cause(misses: Iterable[tuple[str, Measured]]) -> dict[str, list[tuple[str, Measured]]]:
    """Misses, each with the name of its set, grouped by their cause in the order of `CAUSES`; the surest first."""
    groups: dict[str, list[tuple[str, Measured]]] = {cause: [] for cause in CAUSES}
    for name, miss in misses:
        if miss.cause is not None:
            groups[miss.cause].append((name, miss))
    for group in groups.values():
        group.sort(key=lambda pair: (str(pair[1].result.reason), -pair[1].result.confidence, pair[0], pair[1].image))
    return {cause: group for cause, group in groups.items() if group}


def same_digits(answer: str, truth: str) -> bool:
    """Whether a decimal point somewhere makes the answer's digits the true number; never with an unknown digit."""
    digits = answer.replace(".", "", 1)
    return any(same_number(f"{digits[:place]}.{digits[place:]}", truth) for place in range(len(digits) + 1))


def straight_crop(corners: npt.ArrayLike) -> Float32:
    """The upright rectangle around a display, as (4, 2) corners from the display's own top-left.

    That is what can be cut out without rectification: the picture is turned by whole quarters only.
    """
    quad = np.asarray(corners, np.float32)
    (left, top), (right, bottom) = quad.min(axis=0), quad.max(axis=0)
    rectangle = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    return np.roll(rectangle, -round(orientation(quad) / 90), axis=0)
