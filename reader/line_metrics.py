"""How well lines are read: whole lines, characters, and both without the first character. Numpy only.

A refused line has no answer, "". It is no wrong answer, and yet not read: it lowers the recall, not the precision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reader.metrics import CharacterErrorRate, Share, align, share_of, wilson_interval

_RESAMPLES = 1000


@dataclass(frozen=True)
class Estimate:
    """A number measured on lines, with its 95 % interval.

    Attributes:
        value: the number; NaN where nothing was measured.
        low: lower end.
        high: upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return "-" if math.isnan(self.value) else f"{self.value:.4f} ({self.low:.4f}-{self.high:.4f})"


def ratio_of(above: npt.ArrayLike, below: npt.ArrayLike, seed: int = 0) -> Estimate:
    """Sum over sum, such as edits per character; the interval by resampling lines (bootstrap, Efron 1979).

    The parts of a line are right or wrong together, so lines are drawn and not their characters.

    Args:
        above: (N,) what is counted, a number a line.
        below: (N,) of how much, a number a line.
        seed: of the resampling.
    """
    counts = np.stack([np.asarray(above, np.float64), np.asarray(below, np.float64)], axis=1)  # (N, 2)
    total = counts.sum(axis=0)
    if not total[1]:
        return Estimate(math.nan, math.nan, math.nan)
    rng = np.random.default_rng(seed)
    drawn = np.array([counts[rng.integers(len(counts), size=len(counts))].sum(axis=0) for _ in range(_RESAMPLES)])
    low, high = np.percentile(drawn[:, 0] / np.maximum(drawn[:, 1], 1e-12), [2.5, 97.5])
    if (counts[:, 0] == 0).all():
        # Without a single fault all samples are alike; so many lines may have one each, by Wilson's interval.
        high = wilson_interval(0, len(counts))[1] * len(counts) / total[1]
    elif (counts[:, 0] == counts[:, 1]).all():
        low = 1 - wilson_interval(0, len(counts))[1] * len(counts) / total[1]
    return Estimate(float(total[0] / total[1]), float(max(0.0, low)), float(high))


class LineAccuracy:
    """Whole lines: read right, read wrong, refused."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all answers."""
        self.right: list[bool] = []
        self.answered: list[bool] = []

    def update(self, answer: str, truth: str) -> None:
        """Add one line; "" for a refused one. The truth is not empty: somebody read it."""
        if not truth:
            raise ValueError("a line's true text is empty; at least one character wanted")
        self.right.append(answer == truth)
        self.answered.append(bool(answer))

    @property
    def counts(self) -> dict[str, int]:
        """right, wrong and refused lines; together all of them."""
        right, answered = sum(self.right), sum(self.answered)
        return {"right": right, "wrong": answered - right, "refused": len(self.right) - answered}

    def summary(self) -> dict[str, Share | Estimate]:
        """accuracy: right of all; precision: right of the answered; recall: right of all; f1; refused: of all.

        Every line bears a text, so recall and accuracy are the same number.
        """
        right, answered, total = sum(self.right), sum(self.answered), len(self.right)
        twice = 2 * np.array(self.right, np.float64)
        return {
            "accuracy": share_of(right, total),
            "precision": share_of(right, answered),
            "recall": share_of(right, total),
            "f1": ratio_of(twice, np.array(self.answered, np.float64) + 1),
            "refused": share_of(total - answered, total),
        }


class LineCharacters:
    """Characters of lines, by the cheapest alignment of answer and truth (Levenshtein, 1966)."""

    def __init__(self) -> None:
        self.errors = CharacterErrorRate()
        self.reset()

    def reset(self) -> None:
        """Forget all answers."""
        self.errors.reset()
        self.rows: list[tuple[int, int, int, int]] = []

    def update(self, answer: str, truth: str) -> None:
        """Add one line; of a refused one, "", every character is missed."""
        before = self.errors.edits
        self.errors.update(answer, truth)
        distance = self.errors.edits - before
        # What is aligned is the same, or replaced, or stands on one side only: one pair each.
        same = sum(a == t for a, t in align(answer, truth))
        self.rows.append((same, len(answer), len(truth), distance))

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Characters right, characters of the answers, characters of the truths, edits."""
        right, answered, true, edits = np.array(self.rows, np.int64).reshape(-1, 4).sum(axis=0).tolist()
        return right, answered, true, edits

    def summary(self) -> dict[str, Estimate]:
        """precision, recall, f1; cer: edits per true character; mean_distance: edits per line."""
        right, answered, true, edits = np.array(self.rows, np.float64).reshape(-1, 4).T
        return {
            "precision": ratio_of(right, answered),
            "recall": ratio_of(right, true),
            "f1": ratio_of(2 * right, answered + true),
            "cer": ratio_of(edits, true),
            "mean_distance": ratio_of(edits, np.ones_like(edits)),
        }

    def confusions(self) -> list[tuple[str, str, int]]:
        """True character, what was read for it, and how often, the most frequent first; "" for none."""
        wrong = [(truth, answer, count) for (answer, truth), count in self.errors.confusions.items() if answer != truth]
        return sorted(wrong, key=lambda row: (-row[2], row[0], row[1]))


class LineMeasures:
    """All measures of lines together."""

    def __init__(self, first_apart: bool = False) -> None:
        """`first_apart`: measure also without the first character, as of plates without their province."""
        self.lines, self.characters = LineAccuracy(), LineCharacters()
        self.without_first = LineMeasures() if first_apart else None

    def reset(self) -> None:
        """Forget all answers."""
        for part in (self.lines, self.characters, self.without_first):
            if part is not None:
                part.reset()

    def update(self, answer: str, truth: str) -> None:
        """Add one line; "" for a refused one."""
        self.lines.update(answer, truth)
        self.characters.update(answer, truth)
        if self.without_first is not None and len(truth) > 1:
            self.without_first.update(*without_first(answer, truth))

    def summary(self) -> dict[str, dict[str, Share | Estimate]]:
        """The summaries of the parts, by "lines", "characters" and, where wanted, the same "without_first"."""
        found: dict[str, dict[str, Share | Estimate]] = {
            "lines": self.lines.summary(),
            "characters": dict(self.characters.summary()),
        }
        if self.without_first is not None:
            for name, part in self.without_first.summary().items():
                found[f"{name}_without_first"] = part
        return found


def without_first(answer: str, truth: str) -> tuple[str, str]:
    """Answer and truth without the truth's first character and whatever was read for it or before it."""
    used = 0
    for read, true in align(answer, truth):
        used += bool(read)
        if true:
            break
    return answer[used:], truth[1:]
