"""What a labelled display says, as a line: its digits from left to right, decimals told apart."""

from __future__ import annotations

import numpy as np

from reader.line_settings import DECIMAL_DIGITS, DIGITS
from reader.symbols import FLOATP_ID

#: For `str.translate`: decimals to the digits that they look like.
WHOLE = str.maketrans(DECIMAL_DIGITS, DIGITS)


def display_text(boxes: np.ndarray, labels: np.ndarray, alphabet: str = DIGITS + DECIMAL_DIGITS) -> str:
    """The digits from left to right, those after the decimal point as `DECIMAL_DIGITS` where the alphabet has them.

    Args:
        boxes: (n, 4) xyxy.
        labels: (n,) class ids of stage 2.
        alphabet: of the network that is to read it.
    """
    row, decimals = digit_row(boxes, labels)
    whole = len(row) - decimals if set(DECIMAL_DIGITS) <= set(alphabet) else len(row)
    return "".join((DIGITS if place < whole else DECIMAL_DIGITS)[digit] for place, (_, digit) in enumerate(row))


def digit_row(boxes: np.ndarray, labels: np.ndarray) -> tuple[list[tuple[np.ndarray, int]], int]:
    """The digits from left to right, each with its box, and how many of them are decimals.

    The point stands before the first digit whose middle lies in the largest decimal area, as when a photo is read.
    Without a digit before them there are no decimals.
    """
    pairs = list(zip(boxes, labels, strict=True))
    digits = sorted(((b, int(c)) for b, c in pairs if c < len(DIGITS)), key=lambda pair: float(pair[0][0] + pair[0][2]))
    areas = [b for b, c in pairs if c == FLOATP_ID]
    if not areas:
        return digits, 0
    area = max(areas, key=lambda b: float(b[2] - b[0]))
    after = [area[0] <= (b[0] + b[2]) / 2 <= area[2] for b, _ in digits]
    first = after.index(True) if True in after else 0
    return digits, len(digits) - first if first else 0
