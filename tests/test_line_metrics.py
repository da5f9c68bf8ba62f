import math

import numpy as np
import pytest

from reader.line_metrics import LineAccuracy, LineCharacters, LineMeasures, ratio_of, without_first

#: Answer, truth: characters right, answered, true, edits.
CHARACTERS = [
    ("abc", "abc", (3, 3, 3, 0), "right"),
    ("abd", "abc", (2, 3, 3, 1), "one replaced"),
    ("ab", "abc", (2, 2, 3, 1), "one missed"),
    ("abcc", "abc", (3, 4, 3, 1), "one too many"),
    ("", "abc", (0, 0, 3, 3), "refused: all missed"),
    ("xyz", "abc", (0, 3, 3, 3), "nothing right"),
    ("bca", "abc", (2, 3, 3, 2), "moved: one missed, one too many"),
]


@pytest.mark.parametrize(("answer", "truth", "wanted", "reason"), CHARACTERS)
def test_characters_of_a_line(answer, truth, wanted, reason):
    metric = LineCharacters()
    metric.update(answer, truth)
    assert metric.counts == wanted, reason


def test_characters_of_all_lines():
    metric = LineCharacters()
    for answer, truth, *_ in CHARACTERS:
        metric.update(answer, truth)
    # 12 right of 18 answered and 21 true; 11 edits in 7 lines.
    values = {name: estimate.value for name, estimate in metric.summary().items()}
    assert values == pytest.approx(
        {"precision": 12 / 18, "recall": 12 / 21, "f1": 24 / 39, "cer": 11 / 21, "mean_distance": 11 / 7}
    )
    for estimate in metric.summary().values():
        assert estimate.low < estimate.value < estimate.high
    assert metric.errors.summary()["character_error_rate"] == pytest.approx(11 / 21)
    metric.reset()
    assert metric.counts == (0, 0, 0, 0)
    assert all(math.isnan(estimate.value) and str(estimate) == "-" for estimate in metric.summary().values())


def test_confusions_are_counted_by_the_true_character():
    metric = LineCharacters()
    for answer, truth in [("D0", "00"), ("D", "0"), ("1", "7"), ("", "5"), ("88", "8"), ("5", "5")]:
        metric.update(answer, truth)
    assert metric.confusions() == [("0", "D", 2), ("", "8", 1), ("5", "", 1), ("7", "1", 1)]


def test_whole_lines_wrong_and_refused_apart():
    metric = LineAccuracy()
    for answer, truth in [("12", "12"), ("12", "12"), ("7", "7"), ("13", "12"), ("", "12")]:
        metric.update(answer, truth)
    assert metric.counts == {"right": 3, "wrong": 1, "refused": 1}
    summary = metric.summary()
    shares = {n: (summary[n].hits, summary[n].total) for n in ("accuracy", "precision", "recall", "refused")}
    assert shares == {"accuracy": (3, 5), "precision": (3, 4), "recall": (3, 5), "refused": (1, 5)}
    # 2 * precision * recall / (precision + recall) = 2 * 0.75 * 0.6 / 1.35
    assert summary["f1"].value == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="true text is empty"):
        metric.update("1", "")
    metric.reset()
    assert metric.counts == {"right": 0, "wrong": 0, "refused": 0}
    assert math.isnan(metric.summary()["f1"].value)


#: Answer, truth: what is left of each without the first character.
FIRSTS = [
    ("京A12345", "京A12345", ("A12345", "A12345"), "right"),
    ("津A12345", "京A12345", ("A12345", "A12345"), "province replaced"),
    ("A12345", "京A12345", ("A12345", "A12345"), "province missed"),
    ("京津A12345", "京A12345", ("津A12345", "A12345"), "one too many after the province stays wrong"),
    ("AA12345", "京A12345", ("A12345", "A12345"), "a letter for the province"),
    ("京B12345", "京A12345", ("B12345", "A12345"), "the rest is wrong"),
    ("", "京A12345", ("", "A12345"), "refused"),
]


@pytest.mark.parametrize(("answer", "truth", "wanted", "reason"), FIRSTS)
def test_without_the_province(answer, truth, wanted, reason):
    assert without_first(answer, truth) == wanted, reason


def test_all_measures_together():
    measures = LineMeasures(first_apart=True)
    for answer in ("京A12345", "津A12345", "京A12346", ""):
        measures.update(answer, "京A12345")
    summary = measures.summary()
    assert list(summary) == ["lines", "characters", "lines_without_first", "characters_without_first"]
    assert summary["lines"]["accuracy"].hits == 1
    assert summary["lines_without_first"]["accuracy"].hits == 2
    assert summary["characters"]["cer"].value == pytest.approx(9 / 28)
    assert summary["characters_without_first"]["cer"].value == pytest.approx(7 / 24)
    measures.reset()
    assert measures.summary()["lines_without_first"]["accuracy"].total == 0
    assert list(LineMeasures().summary()) == ["lines", "characters"]


def test_the_interval_of_a_ratio():
    edits = np.array([1] * 20 + [0] * 180)
    estimate = ratio_of(edits, np.full(200, 5))
    # A share of lines, 20 of 200, divided by 5: near the normal interval of 0.1 with 200 lines.
    half = 1.96 * math.sqrt(0.1 * 0.9 / 200) / 5
    assert estimate.value == pytest.approx(0.02)
    assert estimate.low == pytest.approx(0.02 - half, abs=0.001)
    assert estimate.high == pytest.approx(0.02 + half, abs=0.001)
    assert ratio_of(edits, np.full(200, 5)) == estimate, "the same numbers every time"


@pytest.mark.parametrize(
    ("above", "low", "high"),
    [(0, 0.0, 3.8415 / 103.8415 / 5), (5, 1 - 3.8415 / 103.8415 / 5, 1.0)],
)
def test_without_a_single_fault_the_interval_is_no_point(above, low, high):
    estimate = ratio_of([above] * 100, [5] * 100)
    assert estimate.value == above / 5
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=1e-5)
