"""Boxes out of readings: a table of layouts, even division, and agreement between a network and a reading."""

import numpy as np
import pytest

from reader.symbols import FLOATP_ID
from training.alignment import align, divide, layouts


@pytest.mark.parametrize(
    ("reading", "drums", "exact", "wanted"),
    [
        # As many drums as digits, two decimals at least: the rest may be lost zeros behind.
        ("123.45", 5, False, [("12345", 2)]),
        ("123.45", 6, False, [("012345", 2), ("123450", 3)]),
        ("21.86", 8, False, [("00002186", 2), ("00021860", 3), ("00218600", 4)]),
        # A whole number may be a counter without decimals, or have lost ".000".
        ("215.0", 5, False, [("00215", 0), ("02150", 1), ("21500", 2)]),
        ("0", 3, False, [("000", 0), ("000", 1), ("000", 2)]),
        ("00123", 3, False, [("123", 0)]),
        ("123456", 5, False, []),  # more digits than drums
        ("1.23456", 8, False, []),  # no counter has five decimals
        # Exact: what the reading says stands on the display.
        ("00123.450", 8, True, [("00123450", 3)]),
        ("00123.450", 7, True, []),
        ("00123", 5, True, [("00123", 0)]),
    ],
)
def test_layouts(reading, drums, exact, wanted):
    assert layouts(reading, drums, exact) == wanted


def test_division_of_a_display_among_its_drums():
    label = divide(400, 100, 15, 20, "0123", 1)
    assert label.labels.tolist() == [0, 1, 2, 3, FLOATP_ID]
    # Drums of 100; a box leaves 9 % at the sides and 8 % above and below.
    np.testing.assert_allclose(label.boxes[0], [24, 28, 106, 112], atol=1e-4)
    np.testing.assert_allclose(label.boxes[3], [324, 28, 406, 112], atol=1e-4)
    np.testing.assert_allclose(label.boxes[4], [315, 23, 415, 117], atol=1e-4)
    assert divide(400, 100, 0, 0, "0123", 0).labels.tolist() == [0, 1, 2, 3]


def detected(text, sure=0.9, order=None):
    """Boxes of 20 x 40 every 30 pixels and their scores."""
    boxes = np.array([[10 + 30 * i, 5, 30 + 30 * i, 45] for i in range(len(text))], np.float32)
    scores = np.full((len(text), 10), 0.01, np.float32)
    scores[np.arange(len(text)), [int(c) for c in text]] = sure
    order = range(len(text)) if order is None else order
    return boxes[list(order)], scores[list(order)]


@pytest.mark.parametrize(
    ("seen", "reading", "exact", "labels", "disagreements"),
    [
        ("00021860", "21.86", False, [0, 0, 0, 2, 1, 8, 6, 0], 0),
        ("00021800", "21.86", False, [0, 0, 0, 2, 1, 8, 6, 0], 1),  # the reading has the last word
        ("00123", "123", False, [0, 0, 1, 2, 3], 0),
        ("12300", "123", False, [1, 2, 3, 0, 0], 0),  # two lost decimals
        ("00123450", "00123.450", True, [0, 0, 1, 2, 3, 4, 5, 0], 0),
    ],
)
def test_agreement(seen, reading, exact, labels, disagreements):
    label = align(*detected(seen), reading, exact)
    assert label.labels[: len(labels)].tolist() == labels and label.disagreements == disagreements
    assert len(label.boxes) == len(label.labels)


@pytest.mark.parametrize(
    ("seen", "reading", "exact", "reason"),
    [
        ("", "21.86", False, "nothing was found"),
        ("186", "21.86", False, "fewer drums than the reading has digits"),
        ("00099960", "21.86", False, "more than one digit disagrees"),
        ("0012345", "00123.450", True, "a drum was missed"),
    ],
)
def test_disagreement(seen, reading, exact, reason):
    boxes, scores = detected(seen) if seen else (np.zeros((0, 4), np.float32), np.zeros((0, 10), np.float32))
    assert align(boxes, scores, reading, exact) is None, reason


def test_the_order_of_the_detections_does_not_matter():
    label = align(*detected("00021860", order=[5, 0, 7, 2, 1, 4, 6, 3]), "21.86")
    assert label.labels.tolist() == [0, 0, 0, 2, 1, 8, 6, 0, FLOATP_ID]
    assert (np.diff(label.boxes[:8, 0]) > 0).all()


def test_the_decimal_area_begins_midway_between_the_digits():
    label = align(*detected("00021860"), "21.86")
    # Three decimals: digit 5 begins at 160, the one before ends at 150; the same 5 are added behind the last.
    np.testing.assert_allclose(label.boxes[-1], [155, 5, 245, 45])


def test_a_display_of_decimals_only():
    label = align(*detected("123"), ".123", exact=True)
    assert label.labels.tolist() == [1, 2, 3, FLOATP_ID]
    np.testing.assert_allclose(label.boxes[-1], [10, 5, 90, 45])
