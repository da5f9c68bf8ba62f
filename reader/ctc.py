"""From a line network's steps to text: connectionist temporal classification (Graves et al. 2006), decoded.

The network says, step by step along the line, how likely each character or the blank (class 0) is. A text is said by
many alignments: characters may last several steps, blanks stand anywhere between them and must stand between two that
are equal. The probability of a text is the sum over all its alignments.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from reader.ctc_lattice import likeliest_alignment, likeliest_line, text_log_probabilities
from reader.line_pattern import LineAutomaton, LinePattern, line_automaton

Float64 = npt.NDArray[np.float64]

#: Classes less likely than this at a step begin no character there. The probabilities of the texts that are found are
#: computed from all classes.
PRUNED = 1e-4
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
    characters: bool = True,
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
        characters: whether the readings say where their characters stand, which takes as long again; see `aligned`.

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
    return [
        CtcReading(
            "".join(alphabet[k - 1] for k in texts[number]),
            exact[number],
            _characters(steps, alphabet, texts[number]) if characters else (),
        )
        for number in ranked
    ]


def aligned(reading: CtcReading, log_probs: npt.ArrayLike, alphabet: str) -> CtcReading:
    """A reading with its characters at the steps of the likeliest alignment.

    Args:
        reading: a text that the steps allow; its characters are found anew.
        log_probs: (T, C), class 0 the blank.
        alphabet: class i + 1 is alphabet[i].

    Raises:
        ValueError: the array is none of log probabilities for this alphabet.
    """
    labels = [alphabet.index(character) + 1 for character in reading.text]
    return replace(reading, characters=_characters(_checked(log_probs, alphabet), alphabet, labels))


def _characters(steps: Float64, alphabet: str, labels: list[int]) -> tuple[CtcCharacter, ...]:
    spans = zip(labels, likeliest_alignment(steps, labels), strict=True)
    return tuple(CtcCharacter(alphabet[k - 1], math.exp(steps[a:b, k].max()), a, b) for k, (a, b) in spans)


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

    The prefixes are nodes of a tree, so that the same prefix reached on two ways is one node, and the likeliest of
    them, the beam, are followed. In plain numbers: for ten prefixes and two or three classes numpy takes longer.
    """

    def __init__(self, steps: Float64, allowed: LineAutomaton | None) -> None:
        """`steps` are (T, C) log probabilities; `allowed` says which texts may be read."""
        self.steps = steps
        self.allowed = allowed
        #: Of each node its last class, the node of the prefix without it, its state of the automaton, those after it.
        self.labels, self.parents, self.states = [0], [-1], [0]
        self.children: list[dict[int, int]] = [{}]
        self.following: dict[int, list[int]] = {}  # by state of the automaton, the state after each class
        self.distance = [] if allowed is None else allowed.distance.tolist()
        #: Node -> the log probability that its prefix ends in a blank, and that it ends in its last character.
        self.beam: dict[int, tuple[float, float]] = {0: (0.0, -math.inf)}

    def search(self, width: int) -> list[tuple[list[int], float]]:
        """Classes and log probability of the texts at the end, the likeliest first."""
        likely = self.steps > math.log(PRUNED)
        for number, row in enumerate(self.steps.tolist()):
            classes = (np.flatnonzero(likely[number, 1:]) + 1).tolist()
            if classes:
                self._grow(row, classes, width, len(self.steps) - number - 1)
            else:  # most steps are sure blanks
                self.beam = {
                    node: (_either(blank, character) + row[0], character + row[self.labels[node]])
                    for node, (blank, character) in self.beam.items()
                }
        ended = [(node, _either(*ways)) for node, ways in self.beam.items() if self._may_end(node)]
        ended.sort(key=lambda pair: -pair[1])
        return [(self._text(node), score) for node, score in ended if score > -math.inf]

    def _grow(self, row: list[float], classes: list[int], width: int, left: int) -> None:
        """One step: each prefix stays or gains one of the `classes`; `left`: steps after this one."""
        labels, children = self.labels, self.children
        grown: dict[int, tuple[float, float]] = {}
        for node, (blank, character) in self.beam.items():
            total, last = _either(blank, character), labels[node]
            if self._reaches(self.states[node], left):
                # A prefix that another one has grown into is the same text.
                known = grown.get(node)
                stays = character + row[last]
                grown[node] = total + row[0], stays if known is None else _either(stays, known[1])
            following = self._following(self.states[node])
            for label in classes:
                state = 0 if following is None else following[label]
                if state < 0 or not self._reaches(state, left):
                    continue
                child = children[node].get(label)
                if child is None:
                    child = self._child(node, label, state)
                # A character after the same character begins a new one only after a blank.
                gained = (blank if label == last else total) + row[label]
                known = grown.get(child)
                grown[child] = (-math.inf, gained) if known is None else (known[0], _either(known[1], gained))
        scores = {node: _either(*ways) for node, ways in grown.items()}
        best = sorted((node for node in scores if scores[node] > -math.inf), key=lambda node: -scores[node])[:width]
        self.beam = {node: grown[node] for node in best}

    def _reaches(self, state: int, left: int) -> bool:
        """Whether a line can still be finished in so many steps."""
        return self.allowed is None or self.distance[state] <= left

    def _following(self, state: int) -> list[int] | None:
        if self.allowed is None:
            return None
        if state not in self.following:
            self.following[state] = self.allowed.following[state].tolist()
        return self.following[state]

    def _may_end(self, node: int) -> bool:
        return self.allowed is None or bool(self.allowed.final[self.states[node]])

    def _child(self, parent: int, label: int, state: int) -> int:
        node = len(self.labels)
        self.children[parent][label] = node
        self.labels.append(label)
        self.parents.append(parent)
        self.states.append(state)
        self.children.append({})
        return node

    def _text(self, node: int) -> list[int]:
        found = []
        while node:
            found.append(self.labels[node])
            node = self.parents[node]
        return found[::-1]


def _either(first: float, second: float) -> float:
    """The logarithm of the sum of two probabilities given as logarithms."""
    if first < second:
        first, second = second, first
    return first if second == -math.inf else first + math.log1p(math.exp(second - first))


def _checked(log_probs: npt.ArrayLike, alphabet: str) -> Float64:
    steps = np.asarray(log_probs, np.float64)
    if steps.ndim != 2 or steps.shape[1] != len(alphabet) + 1:
        raise ValueError(f"log probabilities (T, {len(alphabet) + 1}) of {alphabet!r} wanted, shape {steps.shape} came")
    highest = steps.max(initial=-np.inf)
    if not highest < 1e-3:  # also catches NaN
        raise ValueError(f"log probabilities, 0 at most, wanted; {highest:g} came (logits go through log_softmax)")
    return steps
