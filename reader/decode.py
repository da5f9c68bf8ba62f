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

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from reader.confidence import Calibration, digit_probabilities
from reader.gaps import GapView
from reader.joint import JointRules, LineView, point_opinions, settle, settle_decimals
from reader.places import Place, Rules, find_places, inside, select
from reader.rolling import half_rolled, shows_two_digits
from reader.signs import decimal_signs
from reader.symbols import DIGITS, FLOATP_ID, POINT_ID, STAGE2_CLASSES, UNKNOWN
from reader.types import Boxes, Digit, Reading, UInt8


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
    # A single decimal digit and its decimal area are one box with two classes, so each is looked for by itself.
    area = probabilities[:, FLOATP_ID]
    other = np.delete(probabilities, FLOATP_ID, axis=1)
    index = np.tile(np.arange(len(xyxy)), 2)
    class_ids = np.concatenate([other.argmax(axis=1), np.full(len(xyxy), FLOATP_ID)]).astype(np.int64)
    scores = np.concatenate([other.max(axis=1), area])
    kept = np.argsort(-scores, kind="stable")
    kept = kept[scores[kept] >= threshold][:most]
    return Boxes(xyxy[index[kept]], class_ids[kept], scores[kept], probabilities[index[kept]])


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
    return decode_views([boxes], area, rolls=rolls, decimals=decimals, calibration=calibration, rules=rules)


def decode_views(
    views: Sequence[Boxes],
    area: npt.ArrayLike,
    *,
    rolls: bool = True,
    decimals: int | None = None,
    calibration: Calibration | None = None,
    rules: Rules | None = None,
    line: LineView | None = None,
    joint: JointRules | None = None,
    picture: UInt8 | None = None,
    gaps: GapView | None = None,
) -> Reading:
    """The reading that several pictures of one display show together; see `decode`.

    Views that find as many places as most of them do (as the first one does, when there is a tie) are joined place by
    place: the mean of their digit scores decides. The decimal point is put to the vote.

    Args:
        views: detections of each picture, all in the pixels of the first.
        area: see `decode`.
        rolls: see `decode`.
        decimals: see `decode`.
        calibration: see `decode`.
        rules: see `decode`.
        line: the display read as a line too; both opinions together decide then.
        joint: how the two are weighed.
        picture: (h, w, 3) uint8 RGB, what the first view was detected on; what shows on it where the decimals begin
            counts too, with the weights of `joint`, and whether the last drum stands between two digits.
        gaps: the gaps between the digits, to be looked at for the decimal point.

    Raises:
        ValueError: a negative number of decimals, or no view.
    """
    if decimals is not None and decimals < 0:
        raise ValueError(f"the number of decimals is 0 or more, not {decimals}")
    if not views:
        raise ValueError("at least one view of the display is wanted")
    calibration, rules, joint = calibration or Calibration(), rules or Rules(), joint or JointRules()
    kept = [inside(boxes, np.asarray(area, np.float32)) for boxes in views]
    rows = [find_places(boxes, rolls, rules) for boxes in kept]
    lengths = [len(places) for places, _ in rows]
    usual = max(lengths, key=lengths.count)  # the first of those that are equally frequent
    agreeing = [index for index, length in enumerate(lengths) if length == usual]
    places = _join([rows[index][0] for index in agreeing])
    digits = _decide(places, rolls, calibration, rules)
    line_log_probability = None
    if line is not None:
        digits, line_log_probability = settle(digits, _opinions(places, calibration), line, joint)
        digits = [
            each if each.confidence >= rules.unknown else replace(each, text=UNKNOWN, confidence=0.0) for each in digits
        ]
    if not digits:
        return Reading("", 0.0, (), 0.0, 0.0)
    irregularity = rows[agreeing[0]][1]
    rolled = 0.0
    if rolls and picture is not None and digits[-1].text != UNKNOWN:
        rolled = half_rolled(picture, digits[-1].box)
        told = rolled >= rules.half_rolled and shows_two_digits(picture, digits[-1].box)
        if told and len(places) == len(digits):
            digits[-1] = _between(digits[-1], places[-1])
    opinions = None
    if decimals is None:
        count, certainty = _vote([_decimals(kept[index], digits, rules) for index in agreeing])
        certainty *= len(agreeing) / len(views)
        signs = None
        if picture is not None and line is not None and joint.signs:
            row = [digit.box for digit in digits]
            looked = gaps.log_probabilities(row) if gaps is not None else None
            signs = decimal_signs(picture, row, kept[0], rolls, looked)
        opinions = point_opinions(digits, (count, certainty), line, joint.point_slip, signs)
        if opinions is not None:
            count, certainty = settle_decimals(opinions, joint)
    else:
        count, certainty = decimals, 1.0
    digits = _pad(digits, count)
    whole = len(digits) - count
    digits = [replace(digit, decimal=index >= whole) for index, digit in enumerate(digits)]
    text = "".join(digit.text for digit in digits)
    text = f"{text[:whole]}.{text[whole:]}" if count else text
    return Reading(text, 0.0, tuple(digits), certainty, irregularity, line_log_probability, opinions, rolled)


def _between(digit: Digit, place: Place) -> Digit:
    """A drum's digit with the other one of the two that show on it: its neighbour that was thought likelier."""
    value = int(digit.text)
    other = max(((value + 1) % 10, (value - 1) % 10), key=lambda each: place.scores[each])
    return replace(digit, alternative=digit.alternative or DIGITS[other])


def _opinions(places: list[Place], calibration: Calibration) -> npt.NDArray[np.float64]:
    """(n, 10): the probabilities of each place's digits; zeros where nothing was seen."""
    seen = [place.class_id is not None and place.class_id < 10 for place in places]
    rows = [digit_probabilities(p.scores, calibration.digit_temperature, calibration.digit_bias) for p in places]
    return np.array([row if known else row * 0 for row, known in zip(rows, seen, strict=True)]).reshape(-1, 10)


def _join(rows: list[list[Place]]) -> list[Place]:
    """Rows of equally many places as one: mean scores; a place is a gap only where most rows have one there."""
    if len(rows) == 1:
        return rows[0]
    joined = []
    for same in zip(*rows, strict=True):
        seen = [place for place in same if place.class_id is not None]
        if 2 * len(seen) < len(same):
            joined.append(Place(same[0].box, np.zeros(10, np.float32), None))
            continue
        scores = np.mean([place.scores for place in seen], axis=0)
        box = np.mean([place.box for place in seen], axis=0)
        digits = [place.class_id for place in seen if place.class_id is not None and place.class_id < 10]
        class_id = int(scores.argmax()) if 2 * len(digits) >= len(seen) else seen[0].class_id
        joined.append(Place(box.astype(np.float32), scores.astype(np.float32), class_id))
    return joined


def _vote(counts: list[tuple[int, float]]) -> tuple[int, float]:
    """The number of decimals with the most certainty behind it, and its share of all views."""
    weight: dict[int, float] = {}
    for count, certainty in counts:
        weight[count] = weight.get(count, 0.0) + certainty
    best = max(weight, key=lambda count: weight[count])
    return best, weight[best] / len(counts)


def _decide(places: list[Place], rolls: bool, calibration: Calibration, rules: Rules) -> list[Digit]:
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
        found = select(boxes, boxes.class_ids == class_id)
        if not (found.scores >= threshold).any():
            doubt = max(doubt, float(found.scores.max(initial=0.0)))
            continue
        if class_id == FLOATP_ID:
            left, right, score = max(_areas(found, threshold), key=lambda area: area[1] - area[0])
            after = (middles >= left) & (middles <= right)
        else:
            best = int(found.scores.argmax())
            after, score = middles > found.xyxy[best, [0, 2]].mean(), float(found.scores[best])
        if after.any():
            return len(digits) - int(after.argmax()), score
    return 0, 1.0 - doubt


def _areas(found: Boxes, threshold: float) -> list[tuple[float, float, float]]:
    """Left, right and score of each decimal area, joined from all detections of it.

    The networks say each area many times. The largest of those would always reach too far, so what overlaps by half
    (IoU along the display) is one area, its ends the mean weighted by score (weighted boxes fusion).
    """
    left, right = found.xyxy[:, 0], found.xyxy[:, 2]
    free = np.ones(len(left), bool)
    areas = []
    for best in np.argsort(-found.scores, kind="stable"):
        if not free[best] or found.scores[best] < threshold:
            continue
        shared = np.maximum(0, np.minimum(right, right[best]) - np.maximum(left, left[best]))
        union = np.maximum(right, right[best]) - np.minimum(left, left[best])
        same = free & (shared > 0.5 * union)
        free &= ~same
        weights = found.scores[same] / found.scores[same].sum()
        areas.append((float(left[same] @ weights), float(right[same] @ weights), float(found.scores[best])))
    return areas


def _pad(digits: list[Digit], decimals: int) -> list[Digit]:
    """At least one place before the decimal point: where fewer digits were seen, those in front are unknown."""
    missing = max(0, decimals + 1 - len(digits)) if decimals else 0
    first = digits[0].box
    step = np.array([1, 0, 1, 0], np.float32) * (first[2] - first[0])
    return [Digit(UNKNOWN, 0.0, first - step * back) for back in range(missing, 0, -1)] + digits
