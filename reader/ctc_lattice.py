"""The alignments of a text with a line network's steps: their sum, the likeliest of them, the likeliest of any text.

A text of L characters has 2 L + 1 places: a blank, the first character, a blank, and so on; even places are blanks. An
alignment walks from one of the first two places to one of the last two, a step of the network at a time
(Graves et al. 2006, section 4.1). The walk is computed place by place, each over all steps at once: how long a place
lasts is a running sum over the steps at which it can have been entered.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from reader.line_pattern import LineAutomaton

Float64 = npt.NDArray[np.float64]

#: Stands for the logarithm of 0 where its sums must stay numbers; a sum below half of it is 0.
_ZERO = -1e6


def text_log_probabilities(steps: Float64, texts: Sequence[Sequence[int]]) -> list[float]:
    """Log probability of each text, summed over all its alignments.

    Args:
        steps: (T, C) log probabilities, class 0 the blank.
        texts: N texts as classes from 1 up.

    Returns:
        N numbers; -inf for what is impossible.
    """
    if not texts or not len(steps):
        return [-math.inf if text else 0.0 for text in texts]
    reached, _ = _walk(steps, texts, np.logaddexp)
    found = []
    for number, text in enumerate(texts):
        ends = reached[max(0, 2 * len(text) - 1) : 2 * len(text) + 1, number, -1]  # the last character, the last blank
        total = float(np.logaddexp.reduce(ends))
        found.append(total if total > _ZERO / 2 else -math.inf)
    return found


def likeliest_alignment(steps: Float64, text: Sequence[int]) -> list[tuple[int, int]]:
    """First step and the step after the last one of each character, in the likeliest alignment.

    Args:
        steps: (T, C) log probabilities, class 0 the blank.
        text: classes from 1 up; at most as long as the steps allow.
    """
    if not text:
        return []
    reached, entered = _walk(steps, [text], np.maximum)
    place, end = 2 * len(text), len(steps)
    if reached[place - 1, 0, -1] >= reached[place, 0, -1]:
        place -= 1
    spans = []
    while place > 0 and end > 0:
        start = int(entered[place, 0, :end].argmax())
        if place % 2:
            spans.append((start, end))
        # From a character either the blank before it or, where they differ, the character before that.
        skips = place % 2 and place > 1 and text[place // 2] != text[place // 2 - 1] and start
        place -= 2 if skips and reached[place - 2, 0, start - 1] > reached[place - 1, 0, start - 1] else 1
        end = start
    return spans[::-1]


def likeliest_line(steps: Float64, allowed: LineAutomaton) -> list[int] | None:
    """The text of the likeliest alignment of all texts that an automaton allows (Viterbi 1967).

    Args:
        steps: (T, C) log probabilities, class 0 the blank.
        allowed: which texts may be read.

    Returns:
        Classes from 1 up; None where no allowed text is possible.
    """
    states, classes = allowed.following.shape
    score = np.full((states, classes), -np.inf)  # by state and the class of the last step
    score[0, 0] = 0.0
    target = (allowed.following * classes + np.arange(classes)).ravel()  # (S C,) flat place after each new character
    usable = np.flatnonzero(allowed.following.ravel() >= 0)
    sources = []
    for row in steps:
        best = score.argmax(axis=1)  # (S,)
        top = score[np.arange(states), best]
        others = score.copy()
        others[np.arange(states), best] = -np.inf
        second = others.argmax(axis=1)
        # A new character comes after any class but itself.
        same = best[:, None] == np.arange(classes)
        before = np.where(same, second[:, None], best[:, None])  # (S, C) class before
        gained = (np.where(same, others.max(axis=1)[:, None], top[:, None]) + row).ravel()
        stay = score + row
        stay[:, 0] = top + row[0]
        kept = np.arange(states * classes)
        kept[::classes] += best
        # Of several ways to one place the best is written last.
        order = usable[np.argsort(gained[usable], kind="stable")]
        arrived = np.full(states * classes, -np.inf)
        origin = np.zeros(states * classes, np.int64)
        arrived[target[order]] = gained[order]
        origin[target[order]] = order // classes * classes + before.ravel()[order]
        score = np.maximum(stay.ravel(), arrived).reshape(states, classes)
        # A place that was entered anew bears its character: the sign tells it from one that only lasted.
        sources.append(np.where(arrived > stay.ravel(), ~origin, kept))
    ends = np.where(allowed.final[:, None], score, -np.inf).ravel()
    place = int(ends.argmax())
    if ends[place] == -np.inf:
        return None
    text = []
    for source in reversed(sources):
        if source[place] < 0:
            text.append(place % classes)
        place = int(source[place]) if source[place] >= 0 else int(~source[place])
    return text[::-1]


def _walk(
    steps: Float64, texts: Sequence[Sequence[int]], join: Callable[..., Any]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Scores of standing at each place after each step, (P, N, T), and of entering it there but for later steps.

    `join` is np.logaddexp for the sum over all ways or np.maximum for the best of them.
    """
    longest = max(map(len, texts))
    labels = np.zeros((2 * longest + 1, len(texts)), np.int64)  # (P, N); a text's own places come before its padding
    for number, text in enumerate(texts):
        labels[1 : 2 * len(text) : 2, number] = text
    emitted = np.maximum(steps, _ZERO).T[labels]  # (P, N, T)
    lasting = emitted.cumsum(axis=-1)
    earlier = lasting - emitted
    # The blank between two characters may be left out where they differ.
    closed = np.zeros((*labels.shape, 1))
    closed[2:][labels[2:] == labels[:-2]] = -np.inf
    reached, entered = np.empty_like(emitted), np.empty_like(emitted)
    entry = np.full(emitted.shape[1:], _ZERO)  # (N, T)
    for place in range(len(labels)):
        entry[:, 0] = 0.0 if place < 2 else _ZERO
        if place:
            entry[:, 1:] = reached[place - 1, :, :-1]
        if place % 2 and place > 1:
            join(entry[:, 1:], reached[place - 2, :, :-1] + closed[place], out=entry[:, 1:])
        np.subtract(entry, earlier[place], out=entered[place])
        np.add(join.accumulate(entered[place], axis=-1), lasting[place], out=reached[place])  # type: ignore[attr-defined]
    return reached, entered
