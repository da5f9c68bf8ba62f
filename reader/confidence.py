"""Scores into probabilities: how likely each digit and the whole reading are right, and how well such claims hold.

Digits: temperature scaling (Guo et al., On Calibration of Modern Neural Networks, 2017) with an eleventh outcome,
"none of the ten digits", whose logit is the bias. The reading: logistic regression on a few features. Both are fitted
on held-out photos and stored in the bundle; the defaults make the reading's confidence the product of its parts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from reader.symbols import UNKNOWN
from reader.types import Display, Reading

Float64 = npt.NDArray[np.float64]

_SMALLEST = 1e-6

#: What the reading's confidence is computed from; the order of the columns of `fit_reading`'s features.
READING_FEATURES: tuple[str, ...] = (
    "product",  # log-odds of the product of all digit confidences, the decimal point's and the display's legibility
    "weakest_digit",  # log-odds of the lowest digit confidence
    "decimal_point",  # log-odds of the decimal point's confidence
    "display",  # log-odds of stage 1's score
    "legible",  # log-odds that the display is legible
    "between",  # number of drums between two digits
    "irregularity",  # how unevenly the digits are spaced
    "agreement",  # corner overlap (IoU) of the last two looks at the display; 1 with a single look
    "line",  # log-odds of the probability that the display read as a line gives the text; 0 where it was not read so
    "rolled",  # how much the last drum looks as if it stood half way between two digits, 0 to 1
)


#: Of these more speaks against the reading, of all others for it.
_AGAINST = ("between", "irregularity", "rolled")


@dataclass(frozen=True)
class Calibration:
    """The fitted numbers that turn scores into probabilities.

    Attributes:
        digit_temperature: divides the log-odds of the ten digit scores; above 1 makes the answers less sure.
        digit_bias: logit of "none of the ten digits".
        reading_intercept: of the logistic regression for the whole reading.
        reading_weights: its weights by the names in `READING_FEATURES`; what is missing is 0.
        threshold: a less sure reading is rejected unless the caller says how sure it must be.
    """

    digit_temperature: float = 1.0
    digit_bias: float = 0.0
    reading_intercept: float = 0.0
    reading_weights: Mapping[str, float] = field(default_factory=lambda: {"product": 1.0})
    threshold: float = 0.0

    def __post_init__(self) -> None:
        if not self.digit_temperature > 0:
            raise ValueError(f"digit_temperature is above 0, not {self.digit_temperature}")
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold lies in 0 to 1, not {self.threshold}")
        unknown = set(self.reading_weights) - set(READING_FEATURES)
        if unknown:
            raise ValueError(f"unknown features {sorted(unknown)}; known are {list(READING_FEATURES)}")


def log_odds(probability: npt.ArrayLike) -> Float64:
    """log(p / (1 - p)), with p kept a millionth away from 0 and 1."""
    p = np.clip(np.asarray(probability, np.float64), _SMALLEST, 1 - _SMALLEST)
    return np.asarray(np.log(p) - np.log1p(-p), np.float64)


def sigmoid(logits: npt.ArrayLike) -> Float64:
    """1 / (1 + exp(-x)), without overflow."""
    x = np.asarray(logits, np.float64)
    return np.asarray(0.5 * (1 + np.tanh(x / 2)), np.float64)


def digit_probabilities(scores: npt.ArrayLike, temperature: float = 1.0, bias: float = 0.0) -> Float64:
    """Probabilities of the ten digits from their sigmoid scores.

    Args:
        scores: (..., 10), each 0 to 1, not summing to 1.
        temperature: see `Calibration`.
        bias: see `Calibration`.

    Returns:
        (..., 10) float64 summing to at most 1; the rest is the probability that it is none of the ten.
    """
    logits = log_odds(scores) / temperature
    top = np.maximum(logits.max(axis=-1, keepdims=True), bias)
    powers = np.exp(logits - top)
    return np.asarray(powers / (powers.sum(axis=-1, keepdims=True) + np.exp(bias - top)), np.float64)


def fit_temperature(scores: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[float, float]:
    """Temperature and bias of the greatest likelihood, by a search that narrows in.

    Args:
        scores: (N, 10) sigmoid scores.
        labels: (N,) the true digit, or -1 where the box shows none.

    Returns:
        temperature and bias for `digit_probabilities`.

    Raises:
        ValueError: nothing to fit on.
    """
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels, np.int64)
    if scores.ndim != 2 or scores.shape[1] != 10 or labels.shape != scores.shape[:1] or not len(labels):
        raise ValueError(f"wanted scores (N, 10) and labels (N,) with N > 0, not {scores.shape} and {labels.shape}")
    rows = np.arange(len(labels))
    none = labels < 0

    def loss(log_temperature: float, bias: float) -> float:
        p = digit_probabilities(scores, math.exp(log_temperature), bias)
        right = np.where(none, 1 - p.sum(axis=1), p[rows, np.maximum(labels, 0)])
        return float(-np.log(np.maximum(right, 1e-12)).mean())

    best, reach = (0.0, 0.0), np.array([2.0, 6.0])
    for _ in range(6):
        steps = np.linspace(-1, 1, 9)
        grid = [(best[0] + reach[0] * a, best[1] + reach[1] * b) for a in steps for b in steps]
        best = min(grid, key=lambda point: loss(*point))
        reach /= 3
    return math.exp(best[0]), best[1]


def reading_features(reading: Reading, display: Display, agreement: float = 1.0) -> Float64:
    """What is known about how sure a reading is.

    Args:
        reading: from `reader.decode`; its own confidence is not looked at.
        display: where it was read.
        agreement: overlap of the corners of the last two looks, 0 to 1.

    Returns:
        (len(READING_FEATURES),) float64.
    """
    digits = [digit.confidence for digit in reading.digits] or [0.0]
    legible = float(display.class_probabilities[:2].sum())  # analog and digital come before their illegible kinds
    product = math.prod(digits) * reading.decimal_confidence * legible
    return np.array(
        [
            log_odds(product),
            log_odds(min(digits)),
            log_odds(reading.decimal_confidence),
            log_odds(display.score),
            log_odds(legible),
            sum(digit.alternative is not None for digit in reading.digits),
            reading.irregularity,
            agreement,
            0.0 if reading.line_log_probability is None else log_odds(np.exp(reading.line_log_probability)),
            reading.rolled,
        ],
        np.float64,
    )


def reading_confidence(reading: Reading, features: Float64, calibration: Calibration) -> float:
    """The probability that every digit and the decimal point are right; 0 for a reading with an unknown digit."""
    if not reading.text or UNKNOWN in reading.text:
        return 0.0
    weights = np.array([calibration.reading_weights.get(name, 0.0) for name in READING_FEATURES])
    return float(sigmoid(calibration.reading_intercept + features @ weights))


def fit_reading(
    features: npt.ArrayLike,
    correct: npt.ArrayLike,
    use: Sequence[str] = READING_FEATURES,
    ridge: float = 1.0,
    counts: npt.ArrayLike | None = None,
) -> tuple[float, dict[str, float]]:
    """Logistic regression by Newton's method, with a ridge on the standardised weights so that few photos suffice.

    The features say much the same, and on few photos one of them easily gets a weight of the wrong sign to make up for
    another. Such a one gets 0, the worst first, and the others are fitted again.

    Args:
        features: (N, len(READING_FEATURES)), rows from `reading_features`.
        correct: (N,) whether the whole reading was right.
        use: the features that may get a weight.
        ridge: strength of the pull towards 0.
        counts: (N,) how much each reading counts; None for all alike.

    Returns:
        Intercept and weights by name, for `Calibration`.

    Raises:
        ValueError: nothing to fit on.
    """
    x, y = np.asarray(features, np.float64), np.asarray(correct, np.float64)
    if x.ndim != 2 or x.shape[1] != len(READING_FEATURES) or y.shape != x.shape[:1] or not len(y):
        raise ValueError(
            f"wanted features (N, {len(READING_FEATURES)}) and N > 0 outcomes, not {x.shape} and {y.shape}"
        )
    each = np.ones(len(y)) if counts is None else np.asarray(counts, np.float64)
    intercept, weights, standardised = _regression(x, y, [READING_FEATURES.index(name) for name in use], ridge, each)
    wrong = {name: beta if name in _AGAINST else -beta for name, beta in zip(use, standardised, strict=True)}
    worst = max(wrong, key=lambda name: wrong[name], default=None)
    if worst is None or wrong[worst] <= 0:
        return intercept, {name: float(weight) for name, weight in zip(use, weights, strict=True)}
    intercept, kept = fit_reading(x, y, [name for name in use if name != worst], ridge, each)
    return intercept, {name: kept.get(name, 0.0) for name in use}


def _regression(
    x: Float64, y: Float64, columns: list[int], ridge: float, counts: Float64
) -> tuple[float, Float64, Float64]:
    """Intercept, weights and standardised weights of the chosen columns."""
    x = x[:, columns]
    mean, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    spread[x.std(axis=0) < 1e-9] = np.inf  # a feature that never changes gets the weight 0
    design = np.column_stack([np.ones(len(x)), (x - mean) / spread])
    penalty = np.diag([1e-6] + [ridge] * len(columns))
    beta = np.zeros(design.shape[1])
    for _ in range(100):
        p = sigmoid(design @ beta)
        gradient = design.T @ (counts * (p - y)) + penalty @ beta
        curvature = design.T @ (design * (counts * p * (1 - p))[:, None]) + penalty
        step = np.linalg.solve(curvature, gradient)
        step *= min(1.0, 4.0 / max(1e-12, float(np.abs(step).max())))  # Newton may overshoot far from the optimum
        beta -= step
        if np.abs(step).max() < 1e-8:
            break
    weights = beta[1:] / spread
    return float(beta[0] - (weights * mean).sum()), weights, beta[1:]


def expected_calibration_error(confidence: npt.ArrayLike, correct: npt.ArrayLike, bins: int = 10) -> float:
    """Mean distance of confidence and accuracy over bins of equal width, weighted by their counts (Guo et al., 2017).

    Args:
        confidence: (N,) 0 to 1.
        correct: (N,) truth.
        bins: number of bins.

    Returns:
        0 (honest) to 1; NaN without any reading.
    """
    rows = reliability(confidence, correct, bins)
    counts = np.array([row.count for row in rows], np.float64)
    if not counts.sum():
        return math.nan
    distance = sum(row.count * abs(row.confidence - row.accuracy) for row in rows if row.count)
    return float(distance / counts.sum())


def honest_calibration_error(confidence: npt.ArrayLike, bins: int = 10, draws: int = 1000, seed: int = 0) -> float:
    """The calibration error that these confidences would show if they were honest, by chance alone.

    On few readings even honest confidences have bins whose accuracy is off. Each reading is taken to be right as often
    as it claims; the mean of many drawn outcomes is what nothing can be expected to come below.

    Args:
        confidence: (N,) 0 to 1.
        bins: number of bins.
        draws: outcomes to draw.
        seed: of these.

    Returns:
        0 to 1; NaN without any reading.
    """
    confidence = np.asarray(confidence, np.float64)
    right = np.random.default_rng(seed).random((draws, len(confidence))) < confidence
    return float(np.mean([expected_calibration_error(confidence, each, bins) for each in right]))


@dataclass(frozen=True)
class ReliabilityBin:
    """One bar of a reliability diagram.

    Attributes:
        low: lower edge of the confidences in the bin.
        high: upper edge.
        count: readings in the bin.
        confidence: their mean confidence; NaN when empty.
        accuracy: the part that is right; NaN when empty.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def reliability(confidence: npt.ArrayLike, correct: npt.ArrayLike, bins: int = 10) -> list[ReliabilityBin]:
    """The bars of a reliability diagram, in bins of equal width; arguments as `expected_calibration_error`."""
    confidence, correct = _pairs(confidence, correct)
    index = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    rows = []
    for number in range(bins):
        inside = index == number
        count = int(inside.sum())
        means = (float(confidence[inside].mean()), float(correct[inside].mean())) if count else (math.nan, math.nan)
        rows.append(ReliabilityBin(number / bins, (number + 1) / bins, count, *means))
    return rows


@dataclass(frozen=True)
class Coverage:
    """What is gained by rejecting the least confident readings.

    Attributes:
        rejected: the part that is rejected, 0 to 1.
        threshold: readings at or above this confidence are kept.
        accuracy: the part of the kept readings that is right; NaN when none is kept.
        kept: number of kept readings.
    """

    rejected: float
    threshold: float
    accuracy: float
    kept: int


def risk_coverage(
    confidence: npt.ArrayLike, correct: npt.ArrayLike, rejected: Sequence[float] = (0.0, 0.05, 0.1, 0.15, 0.2)
) -> list[Coverage]:
    """Accuracy of what is kept when the least confident part is rejected (El-Yaniv and Wiener, 2010).

    Args:
        confidence: (N,) 0 to 1.
        correct: (N,) truth.
        rejected: the parts to reject.
    """
    confidence, correct = _pairs(confidence, correct)
    # Among equal confidences the wrong ones are kept first: the order of the photos must not flatter.
    order = np.lexsort((correct, -confidence))
    rows = []
    for part in rejected:
        kept = order[: len(order) - round(part * len(order))]
        accuracy = float(correct[kept].mean()) if len(kept) else math.nan
        threshold = float(confidence[kept[-1]]) if len(kept) else 1.0
        rows.append(Coverage(part, threshold, accuracy, len(kept)))
    return rows


def _pairs(confidence: npt.ArrayLike, correct: npt.ArrayLike) -> tuple[Float64, Float64]:
    confidence, correct = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    if confidence.ndim != 1 or confidence.shape != correct.shape:
        raise ValueError(f"wanted as many confidences as outcomes, not {confidence.shape} and {correct.shape}")
    if confidence.size and not (confidence.min() >= 0 and confidence.max() <= 1):
        raise ValueError(f"confidences lie in 0 to 1, not {confidence.min()} to {confidence.max()}")
    return confidence, correct
