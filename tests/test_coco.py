import math

import numpy as np
import pytest

from training.coco import Objects, mean_average_precision


def objects(*rows, found=False):
    """Rows of (left, top, right, bottom, label) or, for found ones, with a score behind."""
    boxes = np.array([row[:4] for row in rows], float).reshape(-1, 4)
    labels = np.array([row[4] for row in rows], int)
    return Objects(boxes, labels, np.array([row[5] for row in rows], float) if found else None)


TRUTH = objects((0, 0, 100, 50, 1))
NOTHING = objects(found=True)


@pytest.mark.parametrize(
    ("truths", "found", "wanted", "wanted50", "reason"),
    [
        ([TRUTH], [objects((0, 0, 100, 50, 1, 0.9), found=True)], 1.0, 1.0, "the same box"),
        ([TRUTH], [objects((0, 0, 62, 50, 1, 0.9), found=True)], 0.3, 1.0, "IoU 0.62 is enough for 0.5, 0.55, 0.6"),
        ([TRUTH], [objects((0, 0, 40, 50, 1, 0.9), found=True)], 0.0, 0.0, "IoU 0.4 is never enough"),
        ([TRUTH], [objects((0, 0, 100, 50, 2, 0.9), found=True)], 0.0, 0.0, "another class"),
        ([TRUTH], [NOTHING], 0.0, 0.0, "nothing found"),
        ([TRUTH, TRUTH], [NOTHING, objects((0, 0, 100, 50, 1, 0.9), found=True)], 51 / 101, 51 / 101, "half of all"),
        (
            [objects((0, 0, 10, 10, 0)), objects((0, 0, 10, 10, 1))],
            [objects((0, 0, 10, 10, 0, 0.9), found=True), NOTHING],
            0.5,
            0.5,
            "the mean over classes",
        ),
        (
            [TRUTH],
            [objects((0, 0, 100, 50, 1, 0.5), (200, 0, 300, 50, 1, 0.9), found=True)],
            0.5,
            0.5,
            "a surer one elsewhere",
        ),
        (
            [TRUTH],
            [objects((0, 0, 100, 50, 1, 0.9), (200, 0, 300, 50, 1, 0.5), found=True)],
            1.0,
            1.0,
            "a less sure one elsewhere does not hurt",
        ),
    ],
)
def test_mean_average_precision(truths, found, wanted, wanted50, reason):
    measured = mean_average_precision(truths, found)
    assert measured["map"] == pytest.approx(wanted, abs=1e-6), reason
    assert measured["map50"] == pytest.approx(wanted50, abs=1e-6), reason


def test_without_labels_there_is_no_measure():
    assert math.isnan(mean_average_precision([objects()], [NOTHING])["map"])


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="1 labelled pictures, but answers for 0"):
        mean_average_precision([TRUTH], [])
    with pytest.raises(ValueError, match="have scores"):
        mean_average_precision([TRUTH], [TRUTH])
