"""From a line network's steps to text: connectionist temporal classification (Graves et al. 2006), decoded.

The network says, step by step along the line, how likely each character or the blank (class 0) is. A text is said by
many alignments: characters may last several steps, blanks stand anywhere between them and must stand between two that
are equal. The probability of a text is the sum over all its alignments.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reader.ctc_lattice import likeliest_alignment, likeliest_line, text_log_probabilities
from reader.line_pattern import LineAutomaton, LinePattern, line_automaton

Float64 = npt.NDArray[np.float64]

#: Classes less likely than this at a step begin no character there. The probabilities of the texts that are found are
#: computed from all classes.
PRUNED = 1e-6
#: Texts of the beam are weighed exactly down to this part of the best one, and as many as were asked for.
_CONTENDERS = math.log(1e-3)


@dataclass(frozen=True)
class CtcCharacter:
    """A character of a reading.

    Attributes:
        text: the character.
        confidence: its highest probability at the steps it lasts, 0 to 1.
        start: the first step of it in the likeliest alignment.
        end: the step after its last one.
    """

    text: str
    confidence: float
    start: int
    end: int


@dataclass(frozen=True)
class CtcReading:
    """A text and how likely it is.

    Attributes:
        text: what was read; "" for an empty line.
        log_probability: of the text, summed over its alignments.
        characters: one for each of the text.
    """

    text: str
    log_probability: float
    characters: tuple[CtcCharacter, ...]


def log_softmax(logits: npt.ArrayLike, temperature: float = 1.0) -> Float64:
    """Log probabilities (T, C) float64 of raw logits (T, C); a temperature above 1 makes them less sure."""
    x = np.asarray(logits, np.float64) / temperature
    x = x - x.max(axis=-1, keepdims=True)
    return np.asarray(x - np.log(np.exp(x).sum(axis=-1, keepdims=True)), np.float64)


def greedy(log_probs: npt.ArrayLike, alphabet: str) -> CtcReading:
    """The text of the likeliest alignment: the best class of each step.

    Args:
        log_probs: (T, C), class 0 the blank.
        alphabet: class i + 1 is alphabet[i].

    Raises:
        ValueError: the array is none of log probabilities for this alphabet.
    """
    steps = _checked(log_probs, alphabet)
    path = steps.argmax(axis=1)  # (T,)
    edges = np.flatnonzero(np.diff(path, prepend=-1, append=-1)) if len(path) else np.zeros(0, np.int64)
    runs = [(int(path[a]), int(a), int(b)) for a, b in itertools.pairwise(edges) if path[a]]
    characters = tuple(CtcCharacter(alphabet[k - 1], math.exp(steps[a:b, k].max()), a, b) for k, a, b in runs)
    text = "".join(character.text for character in characters)
    return CtcReading(text, text_log_probabilities(steps, [[k for k, _, _ in runs]])[0], characters)


def beam_search(
    log_probs: npt.ArrayLike,
    alphabet: str,
    width: int = 10,
    n_best: int = 1,
    pattern: LinePattern | None = None,
    min_length: int = 0,
    max_length: int | None = None,
) -> list[CtcReading]:
    """The likeliest texts by prefix beam search (Hannun et al. 2014, algorithm 1, without a language model).

    Args:
        log_probs: (T, C), class 0 the blank.
        alphabet: class i + 1 is alphabet[i].
        width: how many beginnings of texts are followed from step to step.
        n_best: how many texts are wanted.
        pattern: only texts of this form are read.
        min_length: only texts of at least so many characters are read.
        max_length: and of at most so many; None for any.

    Returns:
        At most `n_best` readings, the likeliest first; where no text that is allowed is possible, none. Where one is
        possible there is always at least one.

    Raises:
        ValueError: the array is none of log probabilities for this alphabet, or the limits are none.
    """
    if width < 1 or n_best < 1:
        raise ValueError(f"a width and a number of readings of at least 1 wanted; {width} and {n_best} came")
    steps = _checked(log_probs, alphabet)
    free = pattern is None and min_length == 0 and max_length is None
    allowed = None if free else line_automaton(alphabet, pattern, min_length, max_length)
    if allowed is not None and not allowed.possible:
        return []
    found = _Beam(steps, allowed).search(max(width, n_best))
    if not found:
        path = likeliest_line(steps, allowed or line_automaton(alphabet))
        found = [] if path is None else [(path, 0.0)]
    likely = found[0][1] + _CONTENDERS if found else 0.0
    texts = [labels for number, (labels, score) in enumerate(found) if number < n_best or score > likely]
    exact = text_log_probabilities(steps, texts)
    # Texts of equal probability come in the order of the alphabet, whatever way the beam went.
    ranked = sorted(range(len(texts)), key=lambda number: (-exact[number], texts[number]))[:n_best]
    return [_reading(steps, alphabet, texts[number], exact[number]) for number in ranked]


def text_log_probability(log_probs: npt.ArrayLike, alphabet: str, text: str) -> float:
    """Log of the probability of a text, summed over all its alignments (Graves et al. 2006, section 4.1).

    Args:
        log_probs: (T, C), class 0 the blank.
        alphabet: class i + 1 is alphabet[i].
        text: any; with a character that the alphabet lacks, or too long for the steps, it is impossible (-inf).

    Raises:
        ValueError: the array is none of log probabilities for this alphabet.
    """
    steps = _checked(log_probs, alphabet)
    labels = [alphabet.find(character) + 1 for character in text]
    return -math.inf if 0 in labels else text_log_probabilities(steps, [labels])[0]


class _Beam:
    """Prefix beam search over the steps of one line.

    The prefixes are nodes of a tree, so that the same prefix reached on two ways is one node, and W of them, the beam,
    are followed. Of each: the log probability that it ends in a blank, that it ends in its last character, and both.
    """

    def __init__(self, steps: Float64, allowed: LineAutomaton | None) -> None:
        """`steps` are (T, C) log probabilities; `allowed` says which texts may be read."""
        self.steps = steps
        self.allowed = allowed
        self.labels, self.parents = [0], [-1]
        self.children: dict[tuple[int, int], int] = {}
        #: (4, W) int64: node, last class, node of the prefix without it, state of the automaton.
        self.prefixes = np.array([[0], [0], [-1], [0]])
        self.blank, self.character, self.total = np.array([0.0]), np.array([-np.inf]), np.array([0.0])  # (W,)

    def search(self, width: int) -> list[tuple[list[int], float]]:
        """Classes and log probability of the texts at the end, the likeliest first."""
        likely = [np.flatnonzero(row) + 1 for row in self.steps[:, 1:] > math.log(PRUNED)]
        for number, (row, classes) in enumerate(zip(self.steps, likely, strict=True)):
            if classes.size:
                self._grow(row, classes, width, len(self.steps) - number - 1)
            else:  # most steps are sure blanks
                self.blank, self.character = self.total + row[0], self.character + row[self.prefixes[1]]
                self.total = np.logaddexp(self.blank, self.character)
        score = self.total.copy()
        if self.allowed is not None:
            score[~self.allowed.final[self.prefixes[3]]] = -np.inf
        order = np.argsort(-score, kind="stable")
        return [(self._text(int(self.prefixes[0, i])), float(score[i])) for i in order if score[i] > -np.inf]

    def _grow(self, row: Float64, classes: npt.NDArray[np.int64], width: int, left: int) -> None:
        """One step: each prefix stays or gains one of the `classes` (K,); `left`: steps after this one."""
        node, last, parent, state = self.prefixes
        blank, character = self.total + row[0], self.character + row[last]  # (W,)
        grown = self.total[:, None] + row[classes]  # (W, K)
        own = np.minimum(np.searchsorted(classes, last), len(classes) - 1)  # (W,) column of the last class
        same = np.flatnonzero(classes[own] == last)
        # A character after the same character begins a new one only after a blank.
        grown[same, own[same]] = self.blank[same] + row[last[same]]
        origins, children = (node[:, None] == parent[same]).nonzero()
        if origins.size:  # a grown prefix that is in the beam already is the same text
            children = same[children]
            columns = own[children]
            character[children] = np.logaddexp(character[children], grown[origins, columns])
            grown[origins, columns] = -np.inf
        stayed = np.logaddexp(blank, character)
        if self.allowed is not None:
            after = self.allowed.following[state[:, None], classes]  # (W, K)
            grown[(after < 0) | (self.allowed.distance[after] > left)] = -np.inf
            stayed[self.allowed.distance[state] > left] = -np.inf
        scores = np.concatenate((stayed, grown.ravel()))  # (W + W K,)
        best = scores.argpartition(-width)[-width:] if len(scores) > width else np.arange(len(scores))
        best = best[scores[best] > -np.inf]
        best.sort()  # those that stay come first
        count = int(best.searchsorted(len(stayed)))
        kept, (origin, column) = best[:count], np.divmod(best[count:] - len(stayed), len(classes))
        gained, origins = classes[column], node[origin]
        nodes = [self._child(*pair) for pair in zip(origins.tolist(), gained.tolist(), strict=True)]
        states = np.zeros_like(gained) if self.allowed is None else after[origin, column]
        new = np.array([nodes, gained, origins, states], np.int64)
        self.prefixes = np.concatenate((self.prefixes[:, kept], new), axis=1)
        self.total = scores[best]
        self.character = self.total.copy()
        self.character[:count] = character[kept]
        self.blank = np.full(len(best), -np.inf)
        self.blank[:count] = blank[kept]

    def _child(self, parent: int, label: int) -> int:
        node = self.children.setdefault((parent, label), len(self.labels))
        if node == len(self.labels):
            self.labels.append(label)
            self.parents.append(parent)
        return node

    def _text(self, node: int) -> list[int]:
        found = []
        while node:
            found.append(self.labels[node])
            node = self.parents[node]
        return found[::-1]


def _reading(steps: Float64, alphabet: str, labels: list[int], log_probability: float) -> CtcReading:
    characters = tuple(
        CtcCharacter(alphabet[label - 1], math.exp(steps[start:end, label].max()), start, end)
        for label, (start, end) in zip(labels, likeliest_alignment(steps, labels), strict=True)
    )
    return CtcReading("".join(character.text for character in characters), log_probability, characters)


def _checked(log_probs: npt.ArrayLike, alphabet: str) -> Float64:
    steps = np.asarray(log_probs, np.float64)
    if steps.ndim != 2 or steps.shape[1] != len(alphabet) + 1:
        raise ValueError(f"log probabilities (T, {len(alphabet) + 1}) of {alphabet!r} wanted, shape {steps.shape} came")
    highest = steps.max(initial=-np.inf)
    if not highest < 1e-3:  # also catches NaN
        raise ValueError(f"log probabilities, 0 at most, wanted; {highest:g} came (logits go through log_softmax)")
    return steps
