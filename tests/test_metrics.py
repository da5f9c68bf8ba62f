"""The measures against values worked out by hand."""

import math

import numpy as np
import pytest

from reader.metrics import (
    CharacterErrorRate,
    ConfusionMatrix,
    CornerAccuracy,
    ReadingAccuracy,
    align,
    as_number,
    one_off,
    same_number,
    share_of,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [
        (0, 0, 0, 1),  # nothing is known
        (0, 10, 0, 0.2775),
        (10, 10, 0.7225, 1),
        (5, 10, 0.2366, 0.7634),
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I
        (1, 29, 0.0061, 0.1718),  # the same
    ],
)
def test_wilson_interval(hits, total, low, high):
    assert wilson_interval(hits, total) == pytest.approx((low, high), abs=1e-4)


def test_share():
    assert str(share_of(9, 10)) == "90.0 % (59.6-98.2)"
    assert str(share_of(0, 0)) == "-"
    with pytest.raises(ValueError, match="3 of 2"):
        share_of(3, 2)


@pytest.mark.parametrize(
    ("reading", "number", "reason"),
    [
        ("00021.860", "21.86", "leading zeros and trailing zeros of the decimals"),
        ("215.0", "215", "decimals of zero"),
        ("00000", "0", "zero keeps one digit"),
        ("0.50", "0.5", "nor loses the one before the point"),
        (".5", "0.5", "or gets it"),
        ("100", "100", "trailing zeros before the point count"),
        ("0012x.4", "12x.4", "unknown digits stay"),
    ],
)
def test_as_number(reading, number, reason):
    assert as_number(reading) == number, reason


@pytest.mark.parametrize(
    ("answer", "truth", "same", "reason"),
    [
        ("00021.860", "21.86", True, "the same number"),
        ("21.86", "00021.860", True, "either way"),
        ("215", "215.0", True, "no decimals shown"),
        ("2186", "21.86", False, "the point counts"),
        ("21.86", "21.87", False, "a digit"),
        ("1200", "12", False, "trailing zeros before the point"),
        ("2x.86", "21.86", False, "unknown"),
        ("2x", "2x", False, "even against itself"),
        ("", "0", False, "nothing is not zero"),
        ("", "", False, "nor is it a reading"),
        (".", "0", False, "a point alone neither"),
        ("²", "2", False, "other signs that Python calls digits"),
    ],
)
def test_same_number(answer, truth, same, reason):
    assert same_number(answer, truth) is same, reason


@pytest.mark.parametrize(
    ("answer", "truth", "near", "reason"),
    [
        ("00012.346", "12.345", True, "the last drum, one up"),
        ("12.344", "12.345", True, "one down"),
        ("00130", "129", True, "with what it carries"),
        ("12.345", "12.345", False, "right is not wrong by one"),
        ("12.347", "12.345", False, "two"),
        ("13.345", "12.345", False, "another place"),
        ("12.859", "12.86", True, "a trailing zero of the truth was lost: 12.860"),
        ("12.85", "12.860", False, "the last place is that of the longer one"),
        ("156", "155.0", False, "one, but not in the last place"),
        ("12.34x", "12.345", False, "unknown"),
        ("", "1", False, "no reading"),
        (".", "1", False, "a point alone is none"),
    ],
)
def test_one_off(answer, truth, near, reason):
    assert one_off(answer, truth) is near, reason


@pytest.mark.parametrize(
    ("answer", "truth", "pairs"),
    [
        ("", "", []),
        ("ab", "ab", [("a", "a"), ("b", "b")]),
        ("ab", "ac", [("a", "a"), ("b", "c")]),
        ("b", "ab", [("", "a"), ("b", "b")]),
        ("abc", "ac", [("a", "a"), ("b", ""), ("c", "c")]),
        ("", "xy", [("", "x"), ("", "y")]),
    ],
)
def test_align(answer, truth, pairs):
    assert align(answer, truth) == pairs


def test_character_error_rate():
    metric = CharacterErrorRate()
    assert math.isnan(metric.summary()["character_error_rate"])
    metric.update("kitten", "sitting")  # the classic: 3 edits on 7 characters
    metric.update("123", "123")
    assert metric.summary()["character_error_rate"] == pytest.approx(3 / 10)
    assert metric.confusions[("k", "s")] == 1 and metric.confusions[("", "g")] == 1
    metric.reset()
    metric.update("12", "1")
    assert metric.summary()["character_error_rate"] == 1


SQUARE = np.array([[0, 0], [100, 0], [100, 50], [0, 50]], float)


@pytest.mark.parametrize(
    ("answer", "found", "iou", "error", "reason"),
    [
        (SQUARE, 1, 1, 0, "perfect"),
        (SQUARE + 4, 1, 96 * 46 / (10000 - 96 * 46), math.hypot(4, 4) / 100, "a little off"),
        (SQUARE + 25, 0, 75 * 25 / (10000 - 75 * 25), math.hypot(25, 25) / 100, "too far off"),
        (np.roll(SQUARE, 2, axis=0), 0, 1, math.hypot(100, 50) / 100, "upside down overlaps but is not found"),
        (None, 0, 0, math.inf, "nothing found"),
    ],
)
def test_corner_accuracy(answer, found, iou, error, reason):
    metric = CornerAccuracy()
    metric.update(answer, SQUARE)
    summary = metric.summary()
    assert summary["found"].hits == found, reason
    assert summary["mean_iou"] == pytest.approx(iou), reason
    assert summary["median_error"] == pytest.approx(error), reason
    metric.reset()
    assert metric.summary()["found"].total == 0 and math.isnan(metric.summary()["mean_iou"])


def test_confusion_matrix():
    metric = ConfusionMatrix(["analog", "digital"])
    for answer, truth in [(0, 0), (0, 0), (1, 0), (1, 1)]:
        metric.update(answer, truth)
    np.testing.assert_array_equal(metric.counts, [[2, 1], [0, 1]])
    summary = metric.summary()
    assert (summary["accuracy"].hits, summary["accuracy"].total) == (3, 4)
    assert (summary["analog"].hits, summary["analog"].total) == (2, 3)
    with pytest.raises(ValueError, match="0 to 1"):
        metric.update(2, 0)


def test_reading_accuracy():
    metric = ReadingAccuracy()
    for answer, truth in [("12.3", "12.3"), ("0012.30", "12.3"), ("123", "12.3"), ("1x.3", "12.3"), ("", "12.3")]:
        metric.update(answer, truth)
    hits = {name: share.hits for name, share in metric.summary().items()}
    assert hits == {"exact": 1, "number": 2, "digits": 2}
