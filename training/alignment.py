"""Boxes for displays of which only the reading is known.

Real sets give a reading, seldom boxes. Drums stand at even distances, so a first guess divides the display evenly; a
network trained on that (and on made displays) then finds the digits, and where what it finds agrees with the reading
its boxes become labels (self-training by alignment). The reading always has the last word on a digit's value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reader.symbols import FLOATP_ID
from reader.types import Float32


@dataclass(frozen=True)
class Aligned:
    """Labels of one display.

    Attributes:
        boxes: (n, 4) float32 xyxy in display pixels.
        labels: (n,) int64 class ids; digits from left to right, then the decimal area where there is one.
        disagreements: number of digits of which the network was surer of another value.
    """

    boxes: Float32
    labels: np.ndarray
    disagreements: int = 0


def layouts(reading: str, drums: int, exact: bool = False) -> list[tuple[str, int]]:
    """The digits that `drums` drums can show for a reading, each with its number of decimals.

    Args:
        reading: such as "21.86". A number: zeros before and after it may have been lost, and "215.0" may be a counter
            without decimals.
        drums: number of drums on the display.
        exact: the reading is what stands on the display; nothing was lost.

    Returns:
        (digits, decimals) hypotheses; empty when no number of lost zeros fits.
    """
    whole, _, part = reading.partition(".")
    if exact:
        return [(whole + part, len(part))] if len(whole + part) == drums else []
    found = []
    whole, part = whole.lstrip("0"), part.rstrip("0")
    for decimals in range(len(part), 5):
        length = drums - decimals
        if length >= max(len(whole), 1):
            found.append((whole.zfill(length) + part.ljust(decimals, "0"), decimals))
    return found


def divide(width: float, height: float, left: float, top: float, digits: str, decimals: int) -> Aligned:
    """Even division of a display (its edges given, in pixels) among its drums."""
    pitch = width / len(digits)
    boxes = [
        [left + (i + 0.09) * pitch, top + 0.08 * height, left + (i + 0.91) * pitch, top + 0.92 * height]
        for i in range(len(digits))
    ]
    labels = [int(d) for d in digits]
    if decimals:
        boxes.append([left + width - decimals * pitch, top + 0.03 * height, left + width, top + 0.97 * height])
        labels.append(FLOATP_ID)
    return Aligned(np.array(boxes, np.float32), np.array(labels, np.int64))


def align(
    boxes: Float32, probabilities: Float32, reading: str, exact: bool = False, tolerated: int = 1
) -> Aligned | None:
    """Labels from detected digits, if they agree with the reading.

    Args:
        boxes: (n, 4) float32 xyxy of the detected digits, any order.
        probabilities: (n, 10) float32, their digit scores.
        reading: see `layouts`.
        exact: see `layouts`.
        tolerated: disagreeing digits up to which the boxes are still trusted.

    Returns:
        The reading's digits in the detected boxes and the decimal area around the decimals, or None.
    """
    if not len(boxes):
        return None
    order = np.argsort(boxes[:, 0] + boxes[:, 2])
    boxes, probabilities = boxes[order], probabilities[order]
    best: tuple[float, str, int] | None = None
    log = np.log(probabilities + 1e-3)
    for digits, decimals in layouts(reading, len(boxes), exact):
        score = float(sum(log[i, int(d)] for i, d in enumerate(digits)))
        # Of equally likely layouts three decimals are by far the commonest on water meters.
        score += 0.1 * (decimals == 3) + 0.05 * (decimals == 0)
        if best is None or score > best[0]:
            best = (score, digits, decimals)
    if best is None:
        return None
    _, digits, decimals = best
    wrong = sum(int(probabilities[i].argmax()) != int(d) for i, d in enumerate(digits))
    if wrong > tolerated:
        return None
    return _with_area(boxes, [int(d) for d in digits], decimals, wrong)


def drawn(boxes: Float32, digits: list[int], reading: str) -> Aligned:
    """Labels from boxes that were drawn by hand; the reading tells only how many of them are decimals.

    Args:
        boxes: (n, 4) xyxy, any order.
        digits: what each shows.
        reading: as it stands on the display.
    """
    order = np.argsort(boxes[:, 0] + boxes[:, 2])
    return _with_area(boxes[order], [digits[i] for i in order], len(reading.partition(".")[2]))


def _with_area(boxes: Float32, labels: list[int], decimals: int, wrong: int = 0) -> Aligned:
    if decimals:
        boxes, labels = np.concatenate([boxes, _area(boxes, decimals)[None]]), [*labels, FLOATP_ID]
    return Aligned(boxes.astype(np.float32), np.array(labels, np.int64), wrong)


def _area(boxes: Float32, decimals: int) -> Float32:
    """The decimal area: from midway before the first decimal digit to a little after the last, all of the height."""
    first, last = boxes[len(boxes) - decimals], boxes[-1]
    if decimals < len(boxes):
        before = boxes[len(boxes) - decimals - 1]
        left = (before[2] + first[0]) / 2
    else:
        left = first[0]
    rest = boxes[-decimals:]
    return np.array([left, rest[:, 1].min(), last[2] + (first[0] - left), rest[:, 3].max()], np.float32)
