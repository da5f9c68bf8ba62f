"""Boxes to reading: what the detections on one rectified display say, by exact rules.

The order of the steps: what lies outside the display is dropped, detections of the same place become one place, the
places are sorted along the display, gaps wider than a digit become unknown digits, drums between two digits are
decided from right to left, the decimal point is set.

The symbols beside the ten digits:

* `floatp` is the area of the decimals; the point goes before the first digit whose centre lies in the largest one.
* `point` is a decimal point that is drawn, as on LCDs; it decides where no area was found.
* `r` and `t` are letters that some digital displays show in the row (register, tariff). They take a place, so that no
  gap is seen there, and never enter the reading.
* `_` is a place of a digital display without a digit. Before the first and after the last digit it says nothing;
  between digits something must have been there that was not seen: an unknown digit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from reader.confidence import Calibration, digit_probabilities
from reader.symbols import DIGITS, FLOATP_ID, POINT_ID, STAGE2_CLASSES, UNKNOWN
from reader.types import Boxes, Digit, Float32, Reading

_BLANK_ID = STAGE2_CLASSES.index("_")
#: Digits, letters and blanks: what takes a place in the row.
_PLACES = POINT_ID
#: Neighbours are seldom farther apart than this many widths of a digit.
_WIDEST = 2.5


@dataclass(frozen=True)
class Rules:
    """The thresholds of post-processing; the bundle carries those that fit its networks.

    Attributes:
        unknown: a place whose best digit is less probable than this is an unknown digit.
        unknown_pair: the same for the two digits of a drum between two positions, taken together.
        same_place: boxes that share this part of the narrower one's width are one place.
        small: boxes lower than this part of the usual digit height are no digits.
        off_row: boxes whose middle is farther from the row than this part of the usual height are no digits.
        gap: neighbours at least this many usual distances apart have an unseen digit between them.
        rolling: a drum is between two digits when the less probable one has at least this part of the other's
            probability.
        passed: the drum to the right has passed when it shows 0 to this digit.
        decimal_area: a decimal area with a lower score is not believed.
        point: a drawn decimal point with a lower score is not believed.
    """

    unknown: float = 0.35
    unknown_pair: float = 0.5
    same_place: float = 0.5
    small: float = 0.4
    off_row: float = 0.6
    gap: float = 1.6
    rolling: float = 0.4
    passed: int = 2
    decimal_area: float = 0.4
    point: float = 0.4


@dataclass(frozen=True)
class _Place:
    """A place of the row: box (4,) xyxy, digit scores (10,), the best class; gaps have no class."""

    box: Float32
    scores: Float32
    class_id: int | None


def boxes_from_outputs(xyxy: npt.ArrayLike, probabilities: npt.ArrayLike, threshold: float, most: int = 200) -> Boxes:
    """The detections that count, best first, of one picture's raw stage 2 outputs.

    Args:
        xyxy: (K, 4), pixels of the rectified display.
        probabilities: (K, 15) class scores.
        threshold: detections with a lower best score are dropped.
        most: at most this many are kept.

    Returns:
        N <= most detections, sorted by falling score. Duplicates are still among them.
    """
    xyxy, probabilities = np.asarray(xyxy, np.float32), np.asarray(probabilities, np.float32)
    if xyxy.ndim != 2 or xyxy.shape[1] != 4 or probabilities.shape != (len(xyxy), len(STAGE2_CLASSES)):
        raise ValueError(
            f"stage 2 gives boxes (K, 4) and probabilities (K, {len(STAGE2_CLASSES)}), "
            f"not {xyxy.shape} and {probabilities.shape}"
        )
    scores = probabilities.max(axis=1) if len(xyxy) else np.zeros(0, np.float32)
    kept = np.argsort(-scores, kind="stable")
    kept = kept[scores[kept] >= threshold][:most]
    class_ids = probabilities[kept].argmax(axis=1).astype(np.int64)
    return Boxes(xyxy[kept], class_ids, scores[kept], probabilities[kept])


def decode(
    boxes: Boxes,
    area: npt.ArrayLike,
    *,
    rolls: bool = True,
    decimals: int | None = None,
    calibration: Calibration | None = None,
    rules: Rules | None = None,
) -> Reading:
    """The reading that the detections on one display show. Its confidence is left 0, for `reader.confidence` to say.

    Args:
        boxes: detections in any order, duplicates among them.
        area: (4,) xyxy, the part of the rectified picture in which digits have their middles: the display, with as
            much of the margin as its corners may be wrong.
        rolls: whether the digits stand on drums, which can be between two digits.
        decimals: the number of digits after the decimal point, where the caller knows it; replaces what was seen.
        calibration: scores to probabilities.
        rules: thresholds.

    Raises:
        ValueError: a negative number of decimals.
    """
    if decimals is not None and decimals < 0:
        raise ValueError(f"the number of decimals is 0 or more, not {decimals}")
    calibration, rules = calibration or Calibration(), rules or Rules()
    boxes = _inside(boxes, np.asarray(area, np.float32))
    places = _in_row(_group(boxes, rolls, rules), rules)
    places, irregularity = _fill_gaps(places, rules)
    digits = _decide(_drop_symbols(places), rolls, calibration, rules)
    if not digits:
        return Reading("", 0.0, (), 0.0, 0.0)
    count, certainty = _decimals(boxes, digits, rules) if decimals is None else (decimals, 1.0)
    digits = _pad(digits, count)
    whole = len(digits) - count
    digits = [replace(digit, decimal=index >= whole) for index, digit in enumerate(digits)]
    text = "".join(digit.text for digit in digits)
    return Reading(f"{text[:whole]}.{text[whole:]}" if count else text, 0.0, tuple(digits), certainty, irregularity)


def _select(boxes: Boxes, kept: npt.NDArray[np.bool_]) -> Boxes:
    return Boxes(boxes.xyxy[kept], boxes.class_ids[kept], boxes.scores[kept], boxes.probabilities[kept])


def _inside(boxes: Boxes, area: Float32) -> Boxes:
    """Boxes with an extent whose middle lies in the area; decimal areas may reach out of it."""
    middles = (boxes.xyxy[:, :2] + boxes.xyxy[:, 2:]) / 2
    inside = (middles >= area[:2]) & (middles <= area[2:])
    extent = boxes.xyxy[:, 2:] > boxes.xyxy[:, :2]
    return _select(boxes, (inside & extent)[:, 0] & (inside & extent)[:, 1])


def _overlap(low: Float32, high: Float32, other_low: float, other_high: float) -> Float32:
    """Shared length of intervals as a part of the shorter one's."""
    shared = np.minimum(high, other_high) - np.maximum(low, other_low)
    return np.asarray(np.maximum(shared, 0) / np.minimum(high - low, other_high - other_low), np.float32)


def _group(boxes: Boxes, rolls: bool, rules: Rules) -> list[_Place]:
    """One place for all detections of it, best first.

    The best box stands for the place. Detections of the same height lend it their scores, so that two that disagree
    make it unsure. Of two, one above another, the better one counts; only the two digits of a rolling drum, the next
    one coming from below, count together.
    """
    boxes = _select(boxes, boxes.class_ids < _PLACES)
    order = np.argsort(-boxes.scores, kind="stable")
    left, top, right, bottom = boxes.xyxy.T
    free = np.ones(len(order), bool)
    places = []
    for best in order:
        if not free[best]:
            continue
        column = free & (_overlap(left, right, left[best], right[best]) > rules.same_place)
        free &= ~column
        level = _overlap(top, bottom, top[best], bottom[best]) > 0.5
        scores = boxes.probabilities[column & level, :10].max(axis=0)
        box = boxes.xyxy[best]
        partner = _rolling_partner(boxes, column & ~level, int(best)) if rolls else None
        if partner is not None:
            scores = np.maximum(scores, boxes.probabilities[partner, :10])
            other = boxes.xyxy[partner]
            box = np.concatenate([np.minimum(box[:2], other[:2]), np.maximum(box[2:], other[2:])])
        places.append(_Place(box, scores, int(boxes.class_ids[best])))
    return places


def _rolling_partner(boxes: Boxes, others: npt.NDArray[np.bool_], best: int) -> int | None:
    """The best detection above or below that shows the digit which a rolling drum has there, or None."""
    digit, middle = boxes.class_ids[best], boxes.xyxy[best, [1, 3]].mean()
    for other in np.flatnonzero(others)[np.argsort(-boxes.scores[others], kind="stable")]:
        step = 1 if boxes.xyxy[other, [1, 3]].mean() > middle else -1
        if digit < 10 and boxes.class_ids[other] < 10 and (digit + step) % 10 == boxes.class_ids[other]:
            return int(other)
    return None


def _in_row(places: list[_Place], rules: Rules) -> list[_Place]:
    """Sorted along the display, without what is too low or too far above or below to be in the row of digits."""
    if not places:
        return []
    boxes = np.array([place.box for place in places])
    heights, middles = boxes[:, 3] - boxes[:, 1], (boxes[:, 1] + boxes[:, 3]) / 2
    usual, row = np.median(heights), np.median(middles)
    kept = (heights >= rules.small * usual) & (np.abs(middles - row) <= rules.off_row * usual)
    order = np.argsort(boxes[:, 0] + boxes[:, 2], kind="stable")
    return [places[index] for index in order if kept[index]]


def _fill_gaps(places: list[_Place], rules: Rules) -> tuple[list[_Place], float]:
    """Unseen digits between seen ones as places without a class, and how uneven the distances are.

    A narrow "1" may stand anywhere in its place (LCDs have it on the right), so it is given half of what its width
    lacks.
    """
    if len(places) < 2:
        return places, 0.0
    boxes = np.array([place.box for place in places], np.float64)
    widths, middles = boxes[:, 2] - boxes[:, 0], (boxes[:, 0] + boxes[:, 2]) / 2
    width = float(np.sort(widths)[len(widths) // 2])
    slack = np.maximum(0, width - widths) / 2
    distances = np.diff(middles)
    usual = _usual_distance(distances, width, only_ones=all(place.class_id == 1 for place in places))
    filled, deviations = [places[0]], []
    for index, distance in enumerate(distances):
        least = distance - slack[index] - slack[index + 1]
        missing = max(1, round(least / usual) - 1) if least >= rules.gap * usual else 0
        deviations.append(abs(distance / (missing + 1) / usual - 1))
        filled += _gap_places(boxes[index], boxes[index + 1], missing)
        filled.append(places[index + 1])
    return filled, float(np.mean(deviations))


def _usual_distance(distances: npt.NDArray[np.float64], width: float, only_ones: bool) -> float:
    """The distance of neighbours without a gap.

    The lower median holds while less than half of the distances have gaps. Where it is wide for digits of this width,
    there may be more gaps than that: the smallest distance decides. A single distance could itself be a gap; the
    width bounds it. Where all digits are narrow ones, their width says nothing.
    """
    usual = float(np.sort(distances)[(len(distances) - 1) // 2])
    if usual > _WIDEST * width and not only_ones:
        smallest = float(distances.min())
        if len(distances) == 1:
            usual = _WIDEST * width
        elif usual > 1.5 * smallest:
            usual = smallest
    return max(usual, 0.8 * width)


def _gap_places(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64], count: int) -> list[_Place]:
    """`count` places of equal width between two boxes."""
    edges = np.linspace(left[2], right[0], count + 1)
    top, bottom = (left[1] + right[1]) / 2, (left[3] + right[3]) / 2
    return [
        _Place(np.array([start, top, end, bottom], np.float32), np.zeros(10, np.float32), None)
        for start, end in pairwise(edges)
    ]


def _drop_symbols(places: list[_Place]) -> list[_Place]:
    """Without letters, and without blanks or gaps before the first and after the last digit."""
    shown = [place for place in places if place.class_id is None or place.class_id < 10 or place.class_id == _BLANK_ID]
    digits = [index for index, place in enumerate(shown) if place.class_id is not None and place.class_id < 10]
    return shown[digits[0] : digits[-1] + 1] if digits else []


def _decide(places: list[_Place], rolls: bool, calibration: Calibration, rules: Rules) -> list[Digit]:
    """The digit of each place, from right to left, because a drum is decided by its right neighbour.

    While a drum goes from d to d + 1, the drum to its right goes from 9 to 0. So a drum between two digits reads as
    the lower one; only when its right neighbour has reached 0 already (and shows 0, 1 or 2), it is late, and reads as
    the upper one. The last drum has no neighbour and turns all the time: the lower digit.
    """
    digits: list[Digit] = []
    right: int | None = None
    for place in reversed(places):
        if place.class_id is None or place.class_id >= 10:
            digits.append(Digit(UNKNOWN, 0.0, place.box))
            right = None
            continue
        p = digit_probabilities(place.scores, calibration.digit_temperature, calibration.digit_bias)
        second, first = (int(digit) for digit in np.argsort(p, kind="stable")[-2:])
        chosen, confidence, alternative = first, float(p[first]), None
        neighbours = (first - second) % 10 in (1, 9)
        if rolls and neighbours and p[second] >= rules.rolling * p[first]:
            lower = first if (first + 1) % 10 == second else second
            upper = (lower + 1) % 10
            chosen, other = (upper, lower) if right is not None and right <= rules.passed else (lower, upper)
            alternative = DIGITS[other]
            # A neighbour about to pass or just past settles it; anything else leaves the doubt.
            settled = right is not None and (right <= rules.passed or right >= 7)
            confidence = float(p[first] + p[second]) if settled else float(p[chosen])
        known = p[first] >= rules.unknown or (alternative is not None and p[first] + p[second] >= rules.unknown_pair)
        if known:
            digits.append(Digit(DIGITS[chosen], confidence, place.box, alternative=alternative))
        else:
            digits.append(Digit(UNKNOWN, 0.0, place.box))
        right = chosen if known else None
    return digits[::-1]


def _decimals(boxes: Boxes, digits: list[Digit], rules: Rules) -> tuple[int, float]:
    """The number of digits after the decimal point, and how sure that is."""
    middles = np.array([(digit.box[0] + digit.box[2]) / 2 for digit in digits], np.float32)
    doubt = 0.0
    for class_id, threshold in ((FLOATP_ID, rules.decimal_area), (POINT_ID, rules.point)):
        found = _select(boxes, boxes.class_ids == class_id)
        believed = _select(found, found.scores >= threshold)
        if not len(believed.scores):
            doubt = max(doubt, float(found.scores.max(initial=0.0)))
            continue
        left, top, right, bottom = believed.xyxy.T
        if class_id == FLOATP_ID:
            best = int(((right - left) * (bottom - top)).argmax())
            after = (middles >= left[best]) & (middles <= right[best])
        else:
            best = int(believed.scores.argmax())
            after = middles > (left[best] + right[best]) / 2
        if after.any():
            return len(digits) - int(after.argmax()), float(believed.scores[best])
    return 0, 1.0 - doubt


def _pad(digits: list[Digit], decimals: int) -> list[Digit]:
    """At least one place before the decimal point: where fewer digits were seen, those in front are unknown."""
    missing = max(0, decimals + 1 - len(digits)) if decimals else 0
    first = digits[0].box
    step = np.array([1, 0, 1, 0], np.float32) * (first[2] - first[0])
    return [Digit(UNKNOWN, 0.0, first - step * back) for back in range(missing, 0, -1)] + digits
