"""Scores into probabilities, their fits, and the measures of their honesty."""

import math

import numpy as np
import pytest

from reader.confidence import (
    READING_FEATURES,
    Calibration,
    digit_probabilities,
    expected_calibration_error,
    fit_reading,
    fit_temperature,
    honest_calibration_error,
    log_odds,
    reading_confidence,
    reading_features,
    reliability,
    risk_coverage,
    sigmoid,
)
from reader.types import Digit, Display, Reading

BOX = np.zeros(4, np.float32)


def scores_of(**values):
    scores = np.full(10, 0.01)
    for digit, value in values.items():
        scores[int(digit[1:])] = value
    return scores


@pytest.mark.parametrize(
    ("scores", "temperature", "bias", "digit", "expected", "reason"),
    [
        (scores_of(_3=0.9), 1, 0, 3, 9 / (9 + 9 / 99 + 1), "odds 9 against nine times 1/99 and none"),
        (scores_of(_3=0.5, _4=0.5), 1, 0, 3, 1 / (2 + 8 / 99 + 1), "two equal ones share"),
        (scores_of(_3=0.9), 1, -50, 3, 9 / (9 + 9 / 99), "with a very low bias it is always a digit"),
        (scores_of(_3=0.9), 2, 0, 3, 3 / (3 + 9 / math.sqrt(99) + 1), "temperature 2 takes the root of the odds"),
        (np.full(10, 0.5), 1, 0, 7, 1 / 11, "nothing known: eleven outcomes"),
        (np.zeros(10), 1, 0, 7, 0, "certainly none"),
        (scores_of(_3=1.0), 1, 0, 3, 1, "certainly a 3"),
    ],
)
def test_digit_probabilities(scores, temperature, bias, digit, expected, reason):
    p = digit_probabilities(scores, temperature, bias)
    assert p[digit] == pytest.approx(expected, abs=1e-5), reason
    assert 0 <= p.sum() <= 1 + 1e-12


def test_digit_probabilities_keep_the_shape():
    assert digit_probabilities(np.full((2, 3, 10), 0.1)).shape == (2, 3, 10)
    assert digit_probabilities(np.zeros((0, 10))).shape == (0, 10)


def test_log_odds_and_sigmoid_are_inverse_and_finite():
    p = np.array([0.001, 0.5, 0.93])
    np.testing.assert_allclose(sigmoid(log_odds(p)), p, rtol=1e-12)
    assert np.isfinite(log_odds([0.0, 1.0])).all()
    assert sigmoid([-1e9, 1e9]).tolist() == [0, 1]


def test_fit_temperature_finds_the_truth_again():
    rng = np.random.default_rng(0)
    scores = sigmoid(rng.normal(-3, 2.5, (4000, 10)))
    p = digit_probabilities(scores, 1.7, 0.6)
    outcomes = np.column_stack([p, 1 - p.sum(axis=1)])
    labels = np.array([rng.choice(11, p=row / row.sum()) for row in outcomes])
    labels[labels == 10] = -1
    temperature, bias = fit_temperature(scores, labels)
    assert temperature == pytest.approx(1.7, rel=0.1)
    assert bias == pytest.approx(0.6, abs=0.2)
    with pytest.raises(ValueError, match="N > 0"):
        fit_temperature(np.zeros((0, 10)), [])


def reading_of(*confidences, text=None, decimal=1.0):
    digits = tuple(Digit("3", confidence, BOX) for confidence in confidences)
    return Reading("3" * len(digits) if text is None else text, 0.0, digits, decimal)


def display_of(score=0.9, legible=1.0):
    shares = np.array([legible, 0, 1 - legible, 0], np.float32)
    return Display(np.zeros((4, 2), np.float32), 0, score, shares)


@pytest.mark.parametrize(
    ("reading", "display", "expected", "reason"),
    [
        (reading_of(0.9, 0.8), display_of(), 0.72, "unfitted: the product of the digits"),
        (reading_of(0.9, 0.8, decimal=0.5), display_of(), 0.36, "times that of the decimal point"),
        (reading_of(0.9), display_of(legible=0.75), 0.675, "times that the display is legible"),
        (reading_of(0.9, 0.0, text="3x"), display_of(), 0, "an unknown digit is never right"),
        (reading_of(text=""), display_of(), 0, "nor is nothing"),
    ],
)
def test_reading_confidence_before_any_fit(reading, display, expected, reason):
    features = reading_features(reading, display)
    assert reading_confidence(reading, features, Calibration()) == pytest.approx(expected, abs=1e-4), reason


def test_reading_features_have_their_names_and_are_finite():
    drum = Digit("3", 0.4, BOX, alternative="4")
    reading = Reading("33", 0.0, (drum, Digit("3", 1.0, BOX)), 0.6, 0.05)
    features = dict(zip(READING_FEATURES, reading_features(reading, display_of(0.7), 0.9), strict=True))
    assert features["weakest_digit"] == pytest.approx(math.log(0.4 / 0.6))
    assert features["decimal_point"] == pytest.approx(math.log(0.6 / 0.4))
    assert (features["between"], features["irregularity"], features["agreement"]) == (1, 0.05, 0.9)
    assert np.isfinite(reading_features(reading_of(text=""), display_of(0, 0))).all()


def test_fit_reading_finds_the_truth_again():
    rng = np.random.default_rng(1)
    features = rng.normal(0, 2, (5000, len(READING_FEATURES)))
    features[:, 6] = 0.25  # never changes
    truth = 0.5 + 1.2 * features[:, 0] - 0.7 * features[:, 5]
    correct = rng.random(5000) < sigmoid(truth)
    intercept, weights = fit_reading(features, correct)
    assert intercept == pytest.approx(0.5, abs=0.15)
    assert weights["product"] == pytest.approx(1.2, abs=0.15)
    assert weights["between"] == pytest.approx(-0.7, abs=0.1)
    assert weights["irregularity"] == 0
    assert abs(weights["display"]) < 0.1
    Calibration(reading_intercept=intercept, reading_weights=weights)
    few = fit_reading(features, correct, use=["product"])[1]
    assert list(few) == ["product"]


def test_fit_reading_stays_finite_when_all_are_right():
    features = np.random.default_rng(2).normal(size=(30, len(READING_FEATURES)))
    intercept, weights = fit_reading(features, np.ones(30))
    assert math.isfinite(intercept) and all(math.isfinite(weight) for weight in weights.values())
    with pytest.raises(ValueError, match="N > 0"):
        fit_reading(np.zeros((0, len(READING_FEATURES))), [])


def test_readings_that_count_less_weigh_less():
    """Two groups in which the same feature means opposite things: the one that counts decides."""
    features = np.zeros((400, len(READING_FEATURES)))
    features[:, 0] = np.random.default_rng(4).normal(size=400)
    correct = np.where(np.arange(400) < 200, features[:, 0] > 0, features[:, 0] < 0)
    kept = fit_reading(features[:200], correct[:200], ["product"])
    assert fit_reading(features, correct, ["product"], counts=[1] * 200 + [0] * 200)[1] == pytest.approx(
        kept[1], rel=0.1
    )
    less = fit_reading(features, correct, ["product"], counts=[1] * 200 + [0.25] * 200)[1]["product"]
    assert 0 < less < kept[1]["product"]
    twice = fit_reading(np.tile(features[:200], (2, 1)), np.tile(correct[:200], 2), ["product"], ridge=1e-3)
    assert twice[1] == pytest.approx(
        fit_reading(features[:200], correct[:200], ["product"], 1e-3, [2] * 200)[1], rel=1e-3
    )


def test_calibration_refuses_nonsense():
    with pytest.raises(ValueError, match="above 0"):
        Calibration(digit_temperature=-1)
    with pytest.raises(ValueError, match="weather"):
        Calibration(reading_weights={"weather": 1.0})


@pytest.mark.parametrize(
    ("confidence", "correct", "expected", "reason"),
    [
        ([0.95, 0.95], [1, 1], 0.05, "claims 0.95, all right"),
        ([0.95, 0.95], [1, 0], 0.45, "claims 0.95, half right"),
        ([0.25, 0.75], [0, 1], 0.25, "two bins of one each"),
        ([1.0, 0.0], [1, 0], 0.0, "certain and right"),
        ([0.5] * 4, [1, 1, 0, 0], 0.0, "honest doubt"),
    ],
)
def test_expected_calibration_error(confidence, correct, expected, reason):
    assert expected_calibration_error(confidence, correct) == pytest.approx(expected), reason


def test_what_chance_alone_makes_of_honest_confidences():
    # One reading that claims 0.9: it is off by 0.1 nine times in ten, by 0.9 once.
    assert honest_calibration_error([0.9], draws=20_000) == pytest.approx(0.18, abs=0.01)
    # Of n readings that claim 0.8 the share that is right has a mean distance of about sqrt(2 p q / pi n) from 0.8.
    for count in (100, 1600):
        expected = math.sqrt(2 * 0.8 * 0.2 / math.pi / count)
        assert honest_calibration_error([0.8] * count) == pytest.approx(expected, rel=0.1)
    assert honest_calibration_error([1.0, 0.0, 1.0]) == 0
    assert honest_calibration_error([0.9], seed=1) == honest_calibration_error([0.9], seed=1)


def test_calibration_measures_of_nothing_and_of_nonsense():
    assert math.isnan(honest_calibration_error([]))
    assert math.isnan(expected_calibration_error([], []))
    assert sum(row.count for row in reliability([], [])) == 0
    with pytest.raises(ValueError, match="as many"):
        expected_calibration_error([0.5], [1, 0])
    with pytest.raises(ValueError, match="0 to 1"):
        reliability([1.5], [1])


def test_reliability_bins():
    rows = reliability([0.1, 0.15, 1.0], [0, 1, 1], bins=5)
    assert [row.count for row in rows] == [2, 0, 0, 0, 1]
    assert rows[0].confidence == pytest.approx(0.125) and rows[0].accuracy == 0.5
    assert (rows[4].low, rows[4].high) == (0.8, 1.0)


def test_risk_coverage():
    confidence = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1]
    correct = [1, 1, 1, 1, 1, 1, 1, 1, 0, 0]
    rows = risk_coverage(confidence, correct, [0, 0.1, 0.2, 1])
    assert [row.kept for row in rows] == [10, 9, 8, 0]
    assert [row.accuracy for row in rows[:3]] == pytest.approx([0.8, 8 / 9, 1])
    assert [row.threshold for row in rows] == [0.1, 0.15, 0.2, 1]
    assert math.isnan(rows[3].accuracy)


def test_equal_confidences_do_not_flatter():
    assert risk_coverage([0.5] * 4, [1, 0, 1, 0], [0.5])[0].accuracy == 0


def test_a_weight_of_the_wrong_sign_is_left_out():
    """Two features that say the same, one with more noise: least squares would subtract one from the other."""
    rng = np.random.default_rng(5)
    truth = rng.normal(size=60)
    features = np.zeros((60, len(READING_FEATURES)))
    features[:, READING_FEATURES.index("product")] = truth + rng.normal(size=60) * 0.05
    features[:, READING_FEATURES.index("weakest_digit")] = -truth  # speaks against what it should speak for
    features[:, READING_FEATURES.index("irregularity")] = -truth + rng.normal(size=60)
    intercept, weights = fit_reading(features, truth + rng.normal(size=60) * 0.3 > 0)
    assert weights["weakest_digit"] == 0 and weights["product"] > 0 > weights["irregularity"]
    alone, others = fit_reading(features, truth > 0, ["weakest_digit"])
    assert others == {"weakest_digit": 0.0} and np.isfinite([intercept, alone]).all()
