"""How good the answers are: corners, classes, characters, whole readings. Numpy only.

Each measure is an object with `update` (add one answer), `summary` (the numbers so far) and `reset`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from reader.geometry import quad_iou

_Z95 = 1.959963984540054


@dataclass(frozen=True)
class Share:
    """A part of a whole with its 95 % interval.

    Attributes:
        hits: how many.
        total: of how many.
        value: hits / total; NaN when the total is 0.
        low: lower end of the Wilson interval.
        high: upper end.
    """

    hits: int
    total: int
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if not self.total:
            return "-"
        return f"{100 * self.value:.1f} % ({100 * self.low:.1f}-{100 * self.high:.1f})"


def wilson_interval(hits: int, total: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927); good for shares near 0 and 1 too. (0, 1) when the total is 0."""
    if not 0 <= hits <= total:
        raise ValueError(f"hits lie in 0 to the total, not {hits} of {total}")
    if total == 0:
        return 0.0, 1.0
    share, z2 = hits / total, _Z95**2
    middle = share + z2 / (2 * total)
    half = _Z95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    low, high = ((middle + sign * half) / (1 + z2 / total) for sign in (-1, 1))
    return max(0.0, low), min(1.0, high)


def share_of(hits: int, total: int) -> Share:
    """Hits / total with its 95 % interval."""
    return Share(hits, total, hits / total if total else math.nan, *wilson_interval(hits, total))


def as_number(reading: str) -> str:
    """A reading without leading zeros and without trailing zeros of the decimals: "00021.860" becomes "21.86"."""
    whole, _, decimals = reading.partition(".")
    whole, decimals = whole.lstrip("0") or "0", decimals.rstrip("0")
    return f"{whole}.{decimals}" if decimals else whole


def _is_number(reading: str) -> bool:
    digits = reading.replace(".", "", 1)
    return digits.isascii() and digits.isdigit()


def same_number(answer: str, truth: str) -> bool:
    """Whether two readings are the same number; a reading with unknown digits or none at all equals nothing."""
    return _is_number(answer) and as_number(answer) == as_number(truth)


def one_off(answer: str, truth: str) -> bool:
    """Whether two readings differ by exactly one in the last place, as of a drum between two digits they may.

    The last place is that of the reading with more decimals; a reading with unknown digits or none at all never does.
    """
    if not (_is_number(answer) and _is_number(truth)):
        return False
    last = Decimal(1).scaleb(-max(len(text.partition(".")[2]) for text in (answer, truth)))
    return abs(Decimal(answer) - Decimal(truth)) == last


def align(answer: str, truth: str) -> list[tuple[str, str]]:
    """The cheapest alignment (Levenshtein, 1966): pairs of characters, "" where one side has none."""
    rows, columns = len(answer) + 1, len(truth) + 1
    cost = np.zeros((rows, columns), np.int64)
    cost[:, 0], cost[0] = np.arange(rows), np.arange(columns)
    for i in range(1, rows):
        for j in range(1, columns):
            replaced = cost[i - 1, j - 1] + (answer[i - 1] != truth[j - 1])
            cost[i, j] = min(replaced, cost[i - 1, j] + 1, cost[i, j - 1] + 1)
    pairs = []
    i, j = len(answer), len(truth)
    while i or j:
        if i and j and cost[i, j] == cost[i - 1, j - 1] + (answer[i - 1] != truth[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((answer[i], truth[j]))
        elif i and cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
            pairs.append((answer[i], ""))
        else:
            j -= 1
            pairs.append(("", truth[j]))
    return pairs[::-1]


class CornerAccuracy:
    """How well the corners of displays are found: overlap and distance."""

    def __init__(self, good: float = 0.75) -> None:
        """`good` is the overlap (IoU) above which corners count as found."""
        self.good = good
        self.reset()

    def reset(self) -> None:
        """Forget all answers."""
        self.ious: list[float] = []
        self.errors: list[float] = []

    def update(self, answer: npt.ArrayLike | None, truth: npt.ArrayLike) -> None:
        """Add one photo.

        Args:
            answer: (4, 2) corners in photo pixels, None when no display was found.
            truth: (4, 2).
        """
        if answer is None:
            self.ious.append(0.0)
            self.errors.append(math.inf)
            return
        answer, truth = np.asarray(answer, np.float64), np.asarray(truth, np.float64)
        width = (np.linalg.norm(truth[1] - truth[0]) + np.linalg.norm(truth[2] - truth[3])) / 2
        # Corner by corner: a display found upside down overlaps fully, but each of its corners is far off.
        self.errors.append(float(np.linalg.norm(answer - truth, axis=1).mean() / max(width, 1e-9)))
        self.ious.append(quad_iou(answer, truth))

    def summary(self) -> dict[str, Share | float]:
        """found: overlap good and orientation right; mean_iou; median_error: corner distance in display widths."""
        # Half a width off on average means another orientation or another place.
        found = sum(iou > self.good and error < 0.5 for iou, error in zip(self.ious, self.errors, strict=True))
        return {
            "found": share_of(found, len(self.ious)),
            "mean_iou": float(np.mean(self.ious)) if self.ious else math.nan,
            "median_error": float(np.median(self.errors)) if self.errors else math.nan,
        }


class ConfusionMatrix:
    """Which class was taken for which."""

    def __init__(self, classes: Sequence[str]) -> None:
        """`classes` are the names; their indices are the class ids."""
        self.classes = tuple(classes)
        self.reset()

    def reset(self) -> None:
        """Forget all answers."""
        #: (C, C) int64: rows are the truth, columns the answers.
        self.counts = np.zeros((len(self.classes), len(self.classes)), np.int64)

    def update(self, answer: int, truth: int) -> None:
        """Add one answer, as class ids."""
        if not (0 <= answer < len(self.classes) and 0 <= truth < len(self.classes)):
            raise ValueError(f"class ids lie in 0 to {len(self.classes) - 1}, not {answer} and {truth}")
        self.counts[truth, answer] += 1

    def summary(self) -> dict[str, Share]:
        """Accuracy over all, and the share found of each class by its name."""
        by_class = {
            name: share_of(int(self.counts[index, index]), int(self.counts[index].sum()))
            for index, name in enumerate(self.classes)
        }
        return {"accuracy": share_of(int(self.counts.trace()), int(self.counts.sum())), **by_class}


class CharacterErrorRate:
    """Edits that turn the answers into the truths, per character of the truths."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all answers."""
        self.edits = 0
        self.characters = 0
        #: How often (answer, truth) were aligned; "" stands for a missing character.
        self.confusions: dict[tuple[str, str], int] = {}

    def update(self, answer: str, truth: str) -> None:
        """Add one text."""
        for pair in align(answer, truth):
            self.edits += pair[0] != pair[1]
            self.confusions[pair] = self.confusions.get(pair, 0) + 1
        self.characters += len(truth)

    def summary(self) -> dict[str, float]:
        """character_error_rate: 0 is perfect; above 1 is possible."""
        rate = self.edits / self.characters if self.characters else math.nan
        return {"character_error_rate": rate}


class ReadingAccuracy:
    """Whole readings right, as written and as numbers."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all answers."""
        self.exact: list[bool] = []
        self.numbers: list[bool] = []
        self.without_point: list[bool] = []

    def update(self, answer: str, truth: str) -> None:
        """Add one reading; "" for none."""
        self.exact.append(answer == truth)
        self.numbers.append(same_number(answer, truth))
        self.without_point.append(_digits(answer) == _digits(truth) and same_number(answer, answer))

    def summary(self) -> dict[str, Share]:
        """exact: same text; number: same number; digits: same digits but for leading zeros, wherever the point is."""
        rows = {"exact": self.exact, "number": self.numbers, "digits": self.without_point}
        return {name: share_of(sum(hits), len(hits)) for name, hits in rows.items()}


def _digits(reading: str) -> str:
    return reading.replace(".", "").lstrip("0")
