"""Detections to places: which boxes of a display are its digits, in what order, and where one was not seen."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from reader.symbols import POINT_ID, STAGE2_CLASSES
from reader.types import Boxes, Float32

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
        edge: before the first and after the last certain digit, places whose ten scores add up to less are no digits
            but what lies beside the row: a unit, a bezel, a tick.
        decimal_area: a decimal area with a lower score is not believed.
        point: a drawn decimal point with a lower score is not believed.
        half_rolled: the last drum shows two digits when it looks half way between two by this much at least, see
            `reader.rolling`.
    """

    unknown: float = 0.35
    unknown_pair: float = 0.5
    same_place: float = 0.5
    small: float = 0.4
    off_row: float = 0.6
    gap: float = 1.6
    rolling: float = 0.4
    passed: int = 2
    edge: float = 0.0
    decimal_area: float = 0.4
    point: float = 0.4
    half_rolled: float = 0.6


@dataclass(frozen=True)
class Place:
    """A place of the row: box (4,) xyxy, digit scores (10,), the best class; gaps have no class."""

    box: Float32
    scores: Float32
    class_id: int | None


def find_places(boxes: Boxes, rolls: bool, rules: Rules) -> tuple[list[Place], float]:
    """The places of the reading from left to right.

    Args:
        boxes: detections whose middles lie in the display.
        rolls: whether the digits stand on drums.
        rules: thresholds.

    Returns:
        The places from the first digit to the last, and how unevenly they are spaced, in usual distances.
    """
    places, irregularity = _fill_gaps(_in_row(_group(boxes, rolls, rules), rules), rules)
    return _drop_symbols(places, rules), irregularity


def select(boxes: Boxes, kept: npt.NDArray[np.bool_]) -> Boxes:
    """The boxes for which `kept` (N,) is true."""
    return Boxes(boxes.xyxy[kept], boxes.class_ids[kept], boxes.scores[kept], boxes.probabilities[kept])


def inside(boxes: Boxes, area: Float32) -> Boxes:
    """Boxes with an extent whose middle lies in the area; decimal areas may reach out of it."""
    middles = (boxes.xyxy[:, :2] + boxes.xyxy[:, 2:]) / 2
    inside = (middles >= area[:2]) & (middles <= area[2:])
    extent = boxes.xyxy[:, 2:] > boxes.xyxy[:, :2]
    return select(boxes, (inside & extent)[:, 0] & (inside & extent)[:, 1])


def _overlap(low: Float32, high: Float32, other_low: float, other_high: float) -> Float32:
    """Shared length of intervals as a part of the shorter one's."""
    shared = np.minimum(high, other_high) - np.maximum(low, other_low)
    return np.asarray(np.maximum(shared, 0) / np.minimum(high - low, other_high - other_low), np.float32)


def _group(boxes: Boxes, rolls: bool, rules: Rules) -> list[Place]:
    """One place for all detections of it, best first.

    The best box stands for the place. Detections of the same height lend it their scores, so that two that disagree
    make it unsure. Of two, one above another, the better one counts; only the two digits of a rolling drum, the next
    one coming from below, count together.
    """
    boxes = select(boxes, boxes.class_ids < _PLACES)
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
        places.append(Place(box, scores, int(boxes.class_ids[best])))
    return places


def _rolling_partner(boxes: Boxes, others: npt.NDArray[np.bool_], best: int) -> int | None:
    """The best detection above or below that shows the digit which a rolling drum has there, or None."""
    digit, middle = boxes.class_ids[best], boxes.xyxy[best, [1, 3]].mean()
    for other in np.flatnonzero(others)[np.argsort(-boxes.scores[others], kind="stable")]:
        step = 1 if boxes.xyxy[other, [1, 3]].mean() > middle else -1
        if digit < 10 and boxes.class_ids[other] < 10 and (digit + step) % 10 == boxes.class_ids[other]:
            return int(other)
    return None


def _in_row(places: list[Place], rules: Rules) -> list[Place]:
    """Sorted along the display, without what is too low or too far above or below to be in the row of digits."""
    if not places:
        return []
    boxes = np.array([place.box for place in places])
    heights, middles = boxes[:, 3] - boxes[:, 1], (boxes[:, 1] + boxes[:, 3]) / 2
    usual, row = np.median(heights), np.median(middles)
    kept = (heights >= rules.small * usual) & (np.abs(middles - row) <= rules.off_row * usual)
    order = np.argsort(boxes[:, 0] + boxes[:, 2], kind="stable")
    return [places[index] for index in order if kept[index]]


def _fill_gaps(places: list[Place], rules: Rules) -> tuple[list[Place], float]:
    """Unseen digits between seen ones as places without a class, and how uneven the distances are.

    A narrow "1" may stand anywhere in its place (LCDs have it on the right), so it is given half of what its width
    lacks. Smaller decimals stand closer together: all is measured in the size of the digits around it.
    """
    if len(places) < 2:
        return places, 0.0
    boxes = np.array([place.box for place in places], np.float64)
    sizes = _sizes(boxes)
    between = (sizes[:-1] + sizes[1:]) / 2
    widths, middles = (boxes[:, 2] - boxes[:, 0]) / sizes, (boxes[:, 0] + boxes[:, 2]) / 2
    width = float(np.sort(widths)[len(widths) // 2])
    slack = np.maximum(0, width - widths) / 2
    distances = np.diff(middles) / between
    usual = _usual_distance(distances, width, only_ones=all(place.class_id == 1 for place in places))
    filled, deviations = [places[0]], []
    for index, distance in enumerate(distances):
        least = distance - slack[index] - slack[index + 1]
        missing = max(1, round(least / usual) - 1) if least >= rules.gap * usual else 0
        deviations.append(abs(distance / (missing + 1) / usual - 1))
        filled += _gap_places(boxes[index], boxes[index + 1], missing)
        filled.append(places[index + 1])
    return filled, float(np.mean(deviations))


def _sizes(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How large each digit is beside the large ones: 1, or less where both height and width are clearly smaller."""
    extents = boxes[:, 2:] - boxes[:, :2]  # (N, 2) width and height
    ratios = (extents / np.quantile(extents, 0.75, axis=0)).max(axis=1)
    return np.where(ratios < 0.85, ratios, 1.0)


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


def _gap_places(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64], count: int) -> list[Place]:
    """`count` places of equal width between two boxes."""
    edges = np.linspace(left[2], right[0], count + 1)
    top, bottom = (left[1] + right[1]) / 2, (left[3] + right[3]) / 2
    return [
        Place(np.array([start, top, end, bottom], np.float32), np.zeros(10, np.float32), None)
        for start, end in pairwise(edges)
    ]


def _drop_symbols(places: list[Place], rules: Rules) -> list[Place]:
    """Without letters, and without blanks or gaps before the first and after the last digit."""
    shown = [place for place in places if place.class_id is None or place.class_id < 10 or place.class_id == _BLANK_ID]
    # At an end of the row nothing but its own scores speaks for a digit; between digits the distances do too.
    digits = [
        index
        for index, place in enumerate(shown)
        if place.class_id is not None and place.class_id < 10 and float(place.scores.sum()) >= rules.edge
    ]
    return shown[digits[0] : digits[-1] + 1] if digits else []
