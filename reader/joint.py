"""Two opinions on one display: the digits that were detected, and the display read as a line.

The detector knows where digits stand and sees each for itself; the line reader sees the row as a whole and misses
fewer. Every text that either of them thinks likely is scored by both, and the text with the best sum is read. The
share of that text among all gives the digits' confidences.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from reader.ctc import CtcReading, aligned, beam_search, greedy, text_log_probability
from reader.ctc_lattice import text_log_probabilities
from reader.line_settings import DECIMAL_DIGITS
from reader.signs import SIGNS
from reader.symbols import DIGITS, UNKNOWN
from reader.types import Digit, Reading

Float64 = npt.NDArray[np.float64]

#: The detector's opinion of a digit is never surer against it than this.
_LEAST = 1e-3
#: Stands for the log probability of what cannot be.
_NEVER = -1e3
_ALPHABET = "".join(DIGITS)


@dataclass(frozen=True)
class JointRules:
    """How the two opinions are weighed; the bundle carries what fits its networks.

    Attributes:
        line: weight of the line reader's log probability.
        boxes: weight of the detector's.
        other_length: the detector's log probability of having seen a place too few or too many.
        fills: where the detector could not tell a digit, or saw fewer or more, the line reader's text must have at
            least this probability to be read instead; what neither of them is sure of stays unknown.
        candidates: how many of the line reader's texts are looked at.
        width: of its beam search.
        certain: where its likeliest text has at least this probability no others are searched for; the detector's is
            still weighed beside it. Above 1: they always are.
        sure: where a digit is less sure than this, the line reader looks at cuts that are moved a little too.
        moves: of those cuts: along the display, across it, and outwards on every side, in heights of the display.
        line_point: weight of the line reader's log probability of where the decimals begin.
        boxes_point: weight of the detector's.
        point_slip: how often the line reader's opinion of the decimals is worth nothing, as on a maker's displays that
            it never saw: it is never surer than this leaves it.
        signs: weights of what shows where the decimals begin, by the names in `reader.signs.SIGNS`; what is missing
            is 0.
        upright: a reading with less evidence (see `evidence`) is compared with that of the display turned by 180
            degrees; minus infinity for never.
        turned: by how much the turned one's must be more.
        elsewhere: a reading with less evidence is compared with those of the other places that look like a display;
            minus infinity for never.
    """

    line: float = 2.0
    boxes: float = 1.0
    other_length: float = -4.0
    fills: float = 0.1
    candidates: int = 6
    width: int = 8
    certain: float = 0.97
    sure: float = 0.0
    moves: tuple[tuple[float, float, float], ...] = (
        (0.0, 0.0, 0.06),
        (0.0, 0.0, -0.05),
        (0.05, 0.04, 0.0),
        (-0.05, -0.04, 0.0),
    )
    line_point: float = 1.0
    boxes_point: float = 1.0
    point_slip: float = 0.0
    signs: Mapping[str, float] = field(default_factory=dict)
    upright: float = -0.25
    turned: float = 0.2
    elsewhere: float = -0.6

    def __post_init__(self) -> None:
        if not 0 <= self.point_slip < 1:
            raise ValueError(f"point_slip lies in 0 to below 1, not {self.point_slip}")
        if not self.certain > 0:
            raise ValueError(f"certain is a probability above 0, not {self.certain}")
        unknown = sorted(set(self.signs) - set(SIGNS))
        if unknown:
            raise ValueError(f"unknown signs {unknown}; known are {list(SIGNS)}")


@dataclass(frozen=True)
class LineView:
    """The display read as a line.

    Attributes:
        views: (T, 11) of the ten digits after the blank, calibrated, of each cut; the first is not moved.
        left: x of the first step's left edge, in pixels of the rectified display as the detector got it.
        right: x of the last step's right edge.
        top: y of the upper edge of the boxes of digits that only the line reader saw.
        bottom: y of their lower edge.
        decimals: (T, 21) of the first cut: the blank, the digits before the decimal point, those after it; None for a
            network that does not tell them.
    """

    views: tuple[Float64, ...]
    left: float
    right: float
    top: float
    bottom: float
    decimals: Float64 | None = None


def line_steps(steps: Float64, alphabet: str) -> tuple[Float64, Float64 | None]:
    """A line network's opinion of a display as `LineView` has it: whatever the digits are, and with the decimals told.

    Args:
        steps: (T, classes) log probabilities, class 0 the blank.
        alphabet: the classes after the blank: the ten digits and, perhaps, ten for decimals.

    Returns:
        (T, 11), and (T, 21) or None.

    Raises:
        ValueError: a digit is missing in the alphabet.
    """
    missing = sorted(set(DIGITS) - set(alphabet))
    if missing:
        raise ValueError(f"a line reader of displays knows all digits; {missing} are not in {alphabet!r}")
    digits = np.asarray(steps, np.float64)[:, [0, *(alphabet.index(d) + 1 for d in DIGITS)]]
    if not set(DECIMAL_DIGITS) <= set(alphabet):
        return digits, None
    after = steps[:, [alphabet.index(d) + 1 for d in DECIMAL_DIGITS]]
    told = np.concatenate([digits, after], axis=1)
    digits[:, 1:] = np.logaddexp(digits[:, 1:], after)
    return digits, told


def settle(
    digits: Sequence[Digit], probabilities: Float64, view: LineView, rules: JointRules
) -> tuple[list[Digit], float]:
    """The digits that both opinions together make.

    Args:
        digits: from left to right, as detected; unknown ones among them.
        probabilities: (n, 10) the detector's, of each place; a row of zeros where it saw nothing.
        view: the display read as a line.
        rules: how to weigh them.

    Returns:
        The digits, with their shares as confidences, and the log probability that the line reader gives their text,
        minus infinity without a text.
    """
    known = _candidates(view.views, rules)
    if digits:
        filled = _filled(digits, probabilities)
        known.setdefault(filled, CtcReading(filled, _mean_log_probability(view.views, filled), ()))
    if not known:
        return list(digits), -math.inf
    logs = np.log(np.maximum(probabilities, _LEAST))  # (n, 10)
    best_boxes = float(logs.max(axis=1).sum()) if len(logs) else 0.0
    names = list(known)
    scores = np.array(
        [
            rules.line * max(known[name].log_probability, _NEVER)
            + rules.boxes * _by_boxes(name, logs, best_boxes, rules.other_length)
            for name in names
        ]
    )
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    chosen = names[int(shares.argmax())]
    doubtful = len(chosen) != len(digits) or any(digit.text == UNKNOWN for digit in digits)
    if doubtful and known[chosen].log_probability < math.log(rules.fills):
        return list(digits), known[chosen].log_probability
    if len(chosen) == len(digits):
        return _renamed(digits, chosen, names, shares), known[chosen].log_probability
    return _placed(known[chosen], view, names, shares), known[chosen].log_probability


def settle_decimals(opinions: Float64, rules: JointRules) -> tuple[int, float]:
    """How many digits are decimals, by all opinions, and how sure that is.

    Args:
        opinions: see `point_opinions`.
        rules: how to weigh them.
    """
    scores = opinions @ point_weights(rules)
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    best = int(shares.argmax())
    return best, float(shares[best])


def point_opinions(
    digits: Sequence[Digit], seen: tuple[int, float], view: LineView | None, slip: float, signs: Float64 | None
) -> Float64 | None:
    """What each opinion says of each number of decimals.

    Args:
        digits: from left to right, as they are read.
        seen: the detector's number of decimals, and its probability.
        view: the display read as a line; None where it was not.
        slip: see `JointRules.point_slip`.
        signs: what the display shows, see `reader.signs.decimal_signs`; None where it was not looked at.

    Returns:
        (n, 2 + len(SIGNS)): log probabilities of the line reader and of the detector, then the signs or zeros. None
        where the line reader tells nothing: the weights are those of all together, and the detector with the signs
        alone is right more seldom than the detector by itself.
    """
    text = "".join(digit.text for digit in digits)
    count, certainty = seen
    if view is None or view.decimals is None or UNKNOWN in text or not 0 <= count < len(text):
        return None
    digit_classes = np.array([int(each) + 1 for each in text])
    places = np.arange(len(text))
    texts = [(digit_classes + len(DIGITS) * (places >= len(text) - k)).tolist() for k in range(len(text))]
    line = np.maximum(text_log_probabilities(view.decimals, texts), _NEVER)  # (n,) by number of decimals
    share = np.exp(line - line.max())
    share /= share.sum()
    line = np.maximum(np.log((1 - slip) * share + slip / len(text) + np.finfo(float).tiny), _NEVER)
    boxes = np.full(len(text), max(1 - certainty, _LEAST) / max(len(text) - 1, 1))
    boxes[count] = max(certainty, _LEAST)
    shown = np.zeros((len(text), len(SIGNS))) if signs is None else signs
    return np.column_stack([line, np.log(boxes), shown])


def point_weights(rules: JointRules) -> Float64:
    """(2 + len(SIGNS),) the weights of the columns of `point_opinions`."""
    return np.array([rules.line_point, rules.boxes_point, *(rules.signs.get(name, 0.0) for name in SIGNS)])


def evidence(reading: Reading) -> float:
    """How much speaks for a reading, to compare those of a display held either way up; at most 0.

    The line reader's log probability of the text, a digit, and the logarithm of the digits' mean confidence.
    """
    if not reading.digits:
        return -math.inf
    line = max(reading.line_log_probability or 0.0, _NEVER) / len(reading.digits)
    return line + math.log(max(float(np.mean([digit.confidence for digit in reading.digits])), _LEAST))


def _candidates(views: Sequence[Float64], rules: JointRules) -> dict[str, CtcReading]:
    """The texts that the line reader thinks likely on any of the cuts, with their mean log probabilities.

    The means are those of whole texts: steps of moved cuts do not show the same places and cannot be averaged.
    """
    known: dict[str, CtcReading] = {}
    for log_probs in views:
        best = greedy(log_probs, _ALPHABET)
        if best.text and best.log_probability >= math.log(rules.certain):
            found = [best]
        else:
            found = beam_search(log_probs, _ALPHABET, rules.width, rules.candidates, min_length=1, characters=False)
        for each in found:
            known.setdefault(each.text, each)
    if len(views) == 1:
        return known
    return {text: replace(each, log_probability=_mean_log_probability(views, text)) for text, each in known.items()}


def _mean_log_probability(views: Sequence[Float64], text: str) -> float:
    return float(np.mean([max(text_log_probability(view, _ALPHABET, text), _NEVER) for view in views]))


def _filled(digits: Sequence[Digit], probabilities: Float64) -> str:
    """The detected text, unknown digits filled by what is likeliest there."""
    best = probabilities.argmax(axis=1) if len(probabilities) else ()
    return "".join(
        digit.text if digit.text != UNKNOWN else DIGITS[int(index)] for digit, index in zip(digits, best, strict=True)
    )


def _by_boxes(text: str, logs: Float64, best: float, other_length: float) -> float:
    """The detector's log probability of a text."""
    if len(text) != len(logs):
        return best + other_length * abs(len(text) - len(logs))
    return float(sum(row[int(character)] for row, character in zip(logs, text, strict=True)))


def _confidences(chosen: str, names: list[str], shares: Float64) -> list[float]:
    """For each place of the chosen text the share of all texts of its length that have the same digit there."""
    same = [(name, share) for name, share in zip(names, shares, strict=True) if len(name) == len(chosen)]
    shared = [sum(share for name, share in same if name[i] == digit) for i, digit in enumerate(chosen)]
    return [min(1.0, float(share)) for share in shared]  # sums of shares may exceed 1 by rounding


def _renamed(digits: Sequence[Digit], chosen: str, names: list[str], shares: Float64) -> list[Digit]:
    """The detected places with the chosen text's digits."""
    made = []
    for digit, text, confidence in zip(digits, chosen, _confidences(chosen, names, shares), strict=True):
        other = digit.alternative
        if other is not None and digit.text != text:  # of the two digits between which the drum stands, the other one
            other = digit.text if other == text else None
        made.append(replace(digit, text=text, confidence=confidence, alternative=other))
    return made


def _placed(reading: CtcReading, view: LineView, names: list[str], shares: Float64) -> list[Digit]:
    """A text of another length than was detected, at the places where the line reader saw its digits."""
    step = (view.right - view.left) / len(view.views[0])
    characters = aligned(reading, view.views[0], _ALPHABET).characters
    middles = [view.left + (each.start + each.end) / 2 * step for each in characters]
    gaps = np.diff(middles)
    half = float(np.median(gaps)) / 2 if len(gaps) else (view.bottom - view.top) / 4
    confidences = _confidences(reading.text, names, shares)
    return [
        Digit(text, confidence, np.array([x - half, view.top, x + half, view.bottom], np.float32))
        for text, confidence, x in zip(reading.text, confidences, middles, strict=True)
    ]
