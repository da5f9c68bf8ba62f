"""reader/joint.py: what the detector and the line reader read together."""

import math

import numpy as np
import pytest

from reader import joint
from reader.ctc import beam_search
from reader.joint import JointRules, LineView, line_steps, point_opinions, settle, settle_decimals
from reader.line_settings import ALPHABETS
from reader.signs import SIGNS
from reader.types import Digit

#: Both opinions weigh alike.
EVEN = JointRules(line=1.0, boxes=1.0)


def view(text, sure=0.9, steps=16, width=160):
    """A line reader that sees a text, each digit at every other step with probability `sure`, the others alike."""
    probabilities = np.full((steps, 11), (1 - sure) / 10)
    probabilities[:, 0] = sure
    for place, digit in enumerate(text):
        probabilities[2 * place + 1] = (1 - sure) / 10
        probabilities[2 * place + 1, int(digit) + 1] = sure
    return LineView((np.log(probabilities),), 0.0, float(width), 5.0, 45.0)


def detected(text, sure=0.9):
    """Digits as detected at the steps of `view`, and the probabilities behind them; "x" is one without an opinion."""
    digits, rows = [], []
    for place, digit in enumerate(text):
        box = np.array([20 * place + 5, 5, 20 * place + 25, 45], np.float32)
        row = np.zeros(10)
        if digit != "x":
            row[:] = (1 - sure) / 9
            row[int(digit)] = sure
        digits.append(Digit(digit, 0.0 if digit == "x" else sure, box))
        rows.append(row)
    return digits, np.array(rows).reshape(-1, 10)


@pytest.mark.parametrize(
    ("boxes", "boxes_sure", "line", "line_sure", "text"),
    [
        ("123", 0.9, "123", 0.9, "123"),  # both agree
        ("123", 0.99, "128", 0.6, "123"),  # the surer one decides
        ("123", 0.6, "128", 0.99, "128"),
        ("1x3", 0.9, "123", 0.9, "123"),  # what the detector could not tell, the line reader can
        ("13", 0.9, "123", 0.99, "123"),  # a missed drum
        ("123", 0.999, "13", 0.5, "123"),  # an unsure line reader does not drop a drum
        ("", 0.9, "42", 0.99, "42"),  # nothing was detected at all
    ],
)
def test_both_opinions_together(boxes, boxes_sure, line, line_sure, text):
    digits, rows = detected(boxes, boxes_sure)
    made, log_probability = settle(digits, rows, view(line, line_sure), EVEN)
    assert "".join(digit.text for digit in made) == text
    assert -math.inf < log_probability <= 0


def test_agreement_is_surer_than_disagreement():
    digits, rows = detected("123", 0.8)
    agreed, _ = settle(digits, rows, view("123", 0.8), EVEN)
    doubted, _ = settle(digits, rows, view("128", 0.8), EVEN)
    assert min(d.confidence for d in agreed) > 0.9
    assert doubted[2].confidence < 0.75 < doubted[0].confidence
    assert all(0 <= d.confidence <= 1 for d in [*agreed, *doubted])


def test_digits_that_only_the_line_reader_saw_stand_where_it_saw_them():
    digits, rows = detected("13", 0.9)
    made, _ = settle(digits, rows, view("123", 0.99), EVEN)
    middles = [float(d.box[0] + d.box[2]) / 2 for d in made]
    assert middles == pytest.approx([15, 35, 55], abs=3)  # steps 1, 3, 5 of 10 pixels each
    assert all(d.box[1] == 5 and d.box[3] == 45 for d in made)


def test_of_a_drum_between_two_digits_the_other_one_stays_the_alternative():
    digits, rows = detected("12", 0.6)
    digits[1] = Digit("2", 0.5, digits[1].box, alternative="3")
    rows[1] = 0.01
    rows[1, [2, 3]] = 0.5, 0.4
    made, _ = settle(digits, rows, view("13", 0.95), EVEN)
    assert (made[1].text, made[1].alternative) == ("3", "2")


def test_a_weight_of_nothing_silences_an_opinion():
    digits, rows = detected("123", 0.99)
    alone, _ = settle(digits, rows, view("777", 0.8), JointRules(boxes=0.0))
    assert "".join(d.text for d in alone) == "777"
    alone, _ = settle(digits, rows, view("777", 0.99), JointRules(line=0.0))
    assert "".join(d.text for d in alone) == "123"


def test_moved_cuts_decide_with_the_first_one():
    one, other = view("128", 0.55), view("123", 0.9)
    both = LineView((*one.views, *other.views), one.left, one.right, one.top, one.bottom)
    digits, rows = detected("124", 0.2)
    assert "".join(d.text for d in settle(digits, rows, one, EVEN)[0]) == "128"
    assert "".join(d.text for d in settle(digits, rows, both, EVEN)[0]) == "123"


@pytest.mark.parametrize(("sure", "searched"), [(0.9999, False), (0.9, True)])
def test_others_are_searched_for_only_where_the_line_reader_is_not_certain(monkeypatch, sure, searched):
    calls = []
    monkeypatch.setattr(joint, "beam_search", lambda *given, **more: calls.append(given) or beam_search(*given, **more))
    digits, rows = detected("124", 0.999999)
    made, _ = settle(digits, rows, view("123", sure), JointRules(line=0.1, boxes=1.0))
    assert bool(calls) == searched
    assert "".join(digit.text for digit in made) == "124", "the detector's opinion counts all the same"


@pytest.mark.parametrize(("sure", "text"), [(0.95, "123"), (0.6, "1x3")])
def test_what_neither_is_sure_of_stays_unknown(sure, text):
    digits, rows = detected("1x3", 0.9)
    made, _ = settle(digits, rows, view("123", sure), EVEN)  # 0.95 ** 16 is 0.44, 0.6 ** 16 nearly nothing
    assert "".join(digit.text for digit in made) == text


def telling(text, sure=0.9, steps=24):
    """(steps, 21) log probabilities of a line reader that tells decimals by classes of their own; a text with point."""
    probabilities = np.full((steps, 21), (1 - sure) / 20)
    probabilities[:, 0] = sure
    whole, _, part = text.partition(".")
    for place, digit in enumerate(whole + part):
        probabilities[2 * place + 1] = (1 - sure) / 20
        probabilities[2 * place + 1, int(digit) + 1 + 10 * (place >= len(whole))] = sure
    return np.log(probabilities)


@pytest.mark.parametrize(
    ("seen", "line", "line_sure", "count"),
    [
        ((1, 0.9), "12.3", 0.9, 1),  # both agree
        ((1, 0.5), "123", 0.95, 0),  # the surer one decides: the detector's area is none
        ((0, 0.5), "1.23", 0.95, 2),
        ((2, 0.999), "12.3", 0.3, 2),
    ],
)
def test_both_opinions_on_the_decimals(seen, line, line_sure, count):
    digits, _ = detected("123")
    steps, told = line_steps(telling(line, line_sure), ALPHABETS["display"])
    known = LineView((steps,), 0.0, 240.0, 5.0, 45.0, told)
    opinions = point_opinions(digits, seen, known, 0.0, None)
    found, certainty = settle_decimals(opinions, EVEN)
    assert found == count and 0.3 < certainty <= 1


def test_without_an_opinion_on_the_decimals_the_detector_s_stands():
    digits, _ = detected("123")
    signs = np.ones((3, len(SIGNS)))
    assert point_opinions(digits, (1, 0.7), view("123"), 0.0, signs) is None
    assert point_opinions(digits, (1, 0.7), None, 0.0, signs) is None
    unknown, _ = detected("1x3")
    steps, told = line_steps(telling("123"), ALPHABETS["display"])
    assert point_opinions(unknown, (1, 0.7), LineView((steps,), 0.0, 240.0, 5.0, 45.0, told), 0.0, signs) is None


def test_what_shows_outweighs_a_line_reader_that_only_counts():
    digits, _ = detected("1234")
    steps, told = line_steps(telling("1.234", 0.99), ALPHABETS["display"])
    known = LineView((steps,), 0.0, 240.0, 5.0, 45.0, told)
    signs = np.zeros((4, len(SIGNS)))
    signs[1, SIGNS.index("ink_tint")] = 6.0  # the last digit alone is red
    rules = JointRules(point_slip=0.03, signs={"ink_tint": 1.5})
    assert settle_decimals(point_opinions(digits, (3, 0.6), known, 0.03, signs), rules)[0] == 1
    assert settle_decimals(point_opinions(digits, (3, 0.6), known, 0.0, signs), rules)[0] == 3, "of no slip, sure"
    assert settle_decimals(point_opinions(digits, (3, 0.6), known, 0.03, signs * 0), rules)[0] == 3, "nothing shows"


@pytest.mark.parametrize(
    "wrong",
    [
        {"signs": {"colour": 1.0}},
        {"point_slip": 1.0},
        {"point_slip": -0.1},
        {"certain": 0.0},
        {"certain": float("nan")},
    ],
)
def test_rules_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=r"colour|point_slip|certain"):
        JointRules(**wrong)


def test_a_decimal_is_the_digit_that_it_is():
    steps, told = line_steps(telling("1.2", 0.9), ALPHABETS["display"])
    assert steps.shape == (24, 11) and told.shape == (24, 21)
    np.testing.assert_allclose(np.exp(steps).sum(axis=1), 1)
    assert steps[3].argmax() == 3 and told[3].argmax() == 13
    plain, none = line_steps(steps, "0123456789")
    assert none is None
    np.testing.assert_array_equal(plain, steps)
    with pytest.raises(ValueError, match="all digits"):
        line_steps(steps, "012345678")
