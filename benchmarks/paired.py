"""Two ways of reading the same photos: what the one gains over the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from benchmarks.measured import Measured, SetResult, same_digits
from reader.metrics import Share, same_number, share_of


@dataclass(frozen=True)
class Paired:
    """How often each of two ways was right, on the same photos.

    Attributes:
        both: photos that both read right.
        first: photos that only the first way read right.
        second: photos that only the second one did.
        neither: photos that none did.
    """

    both: int
    first: int
    second: int
    neither: int

    @property
    def total(self) -> int:
        """All photos."""
        return self.both + self.first + self.second + self.neither

    @property
    def shares(self) -> tuple[Share, Share]:
        """Of each way by itself."""
        return share_of(self.both + self.first, self.total), share_of(self.both + self.second, self.total)

    def gain(self) -> tuple[float, float, float]:
        """The first way's share less the second's and its 95 % interval; NaN without photos.

        The interval is that of Newcombe, Improved confidence intervals for the difference between binomial
        proportions based on paired data (1998), method 10: the intervals of both shares, joined by how far they agree.
        """
        if not self.total:
            return math.nan, math.nan, math.nan
        one, two = self.shares
        down, up = one.value - one.low, two.high - two.value
        agreement = self._correlation()
        difference = (self.first - self.second) / self.total
        low = difference - _joined(down, up, agreement)
        high = difference + _joined(two.value - two.low, one.high - one.value, agreement)
        return difference, max(-1.0, low), min(1.0, high)

    def _correlation(self) -> float:
        """Of both ways' being right, with Newcombe's correction for continuity."""
        margins = (self.both + self.first) * (self.second + self.neither)
        margins *= (self.both + self.second) * (self.first + self.neither)
        if not margins:
            return 0.0
        surplus = float(self.both * self.neither - self.first * self.second)
        if surplus > 0:
            surplus = max(surplus - self.total / 2, 0.0)
        return surplus / math.sqrt(margins)


def _joined(one: float, two: float, correlation: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * correlation * one * two + two * two))


def paired(outcomes: Iterable[tuple[bool, bool]]) -> Paired:
    """Counts from whether the first and the second way were right, photo by photo."""
    counts = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for first, second in outcomes:
        counts[first, second] += 1
    return Paired(*counts.values())


#: What is compared: a name, and of an answer whether both ways were right; None where the second was not asked.
Outcomes = Callable[[Measured], tuple[bool, bool] | None]


def _rectified(answer: Measured) -> tuple[bool, bool] | None:
    return None if answer.crop is None else (answer.right, same_number(answer.crop, answer.truth))


def _joint_digits(answer: Measured) -> tuple[bool, bool] | None:
    if answer.alone is None:
        return None
    return same_digits(answer.result.text, answer.truth), same_digits(answer.alone, answer.truth)


def _joint_reading(answer: Measured) -> tuple[bool, bool] | None:
    return None if answer.alone is None else (answer.right, same_number(answer.alone, answer.truth))


COMPARISONS: Mapping[str, Outcomes] = {
    "rectified display against upright crop": _rectified,
    "together against detector alone, all digits": _joint_digits,
    "together against detector alone, reading": _joint_reading,
}


def comparisons(results: Mapping[str, SetResult]) -> dict[str, dict[str, Paired]]:
    """The counts of every comparison by the name of the set; without those that nothing was asked for."""
    found: dict[str, dict[str, Paired]] = {}
    for what, outcomes in COMPARISONS.items():
        for name, result in results.items():
            counts = paired(pair for answer in result.answers if (pair := outcomes(answer)) is not None)
            if counts.total:
                found.setdefault(what, {})[name] = counts
    return found
