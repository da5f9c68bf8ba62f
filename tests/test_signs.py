"""reader/signs.py: what shows on a display where its decimals begin."""

import cv2
import numpy as np
import pytest

from reader.signs import SIGNS, decimal_signs
from reader.symbols import POINT_ID
from reader.types import Boxes

NONE = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, 15)))
WHITE, BLACK, RED = (235, 235, 235), (20, 20, 20), (190, 20, 20)


def display(grounds, inks, heights=None, uneven=0.0):
    """A picture (64, n * 40, 3) of bars as digits, each on a ground of its own, and the boxes around them."""
    count = len(grounds)
    heights = heights or [40] * count
    picture = np.zeros((64, 40 * count, 3), np.uint8)
    boxes = []
    for i, (ground, ink, high) in enumerate(zip(grounds, inks, heights, strict=True)):
        light = 1 - uneven * i / count
        picture[:, 40 * i : 40 * i + 40] = np.array(ground) * light
        cv2.rectangle(picture, (40 * i + 16, 54 - high + 4), (40 * i + 22, 50), [int(c * light) for c in ink], -1)
        boxes.append([40 * i + 6, 54 - high, 40 * i + 34, 54])
    return picture, np.array(boxes, np.float32)


def points(*found):
    """Detections of points: x, y of the middle, score."""
    xyxy = np.array([[x - 3, y - 3, x + 3, y + 3] for x, y, _ in found], np.float32)
    scores = np.array([score for *_, score in found], np.float32)
    return Boxes(xyxy, np.full(len(found), POINT_ID), scores, np.zeros((len(found), 15)))


@pytest.mark.parametrize(
    ("picture", "sign", "decimals"),
    [
        (display([BLACK] * 3 + [RED] * 2, [WHITE] * 5), "ground_tint", 2),  # red drums
        (display([BLACK] * 4 + [RED], [WHITE] * 5), "ground_tint", 1),
        (display([WHITE] * 2 + [RED] * 4, [BLACK] * 2 + [WHITE] * 4), "ground_tint", 4),  # more than most meters have
        (display([WHITE] * 4 + [WHITE] * 3, [BLACK] * 4 + [RED] * 3), "ink_tint", 3),  # red digits
        (display([BLACK] * 4 + [WHITE] * 2, [WHITE] * 4 + [BLACK] * 2), "ground_light", 2),  # black on white
        (display([WHITE] * 5, [BLACK] * 5, [40] * 3 + [24] * 2), "smaller", 2),  # small decimals on an LCD
    ],
)
def test_the_sign_is_largest_where_the_decimals_begin(picture, sign, decimals):
    signs = decimal_signs(*picture, NONE)
    column = signs[:, SIGNS.index(sign)]
    assert column.argmax() == decimals
    assert column[decimals] > 1.5 * np.delete(column, decimals).max()


def test_a_frame_around_the_decimals():
    picture, boxes = display([BLACK] * 5, [WHITE] * 5)
    picture[:10, 120:] = picture[56:, 120:] = RED
    signs = decimal_signs(picture, boxes, NONE)
    assert signs[:, SIGNS.index("frame_tint")].argmax() == 2
    assert not signs[:, [SIGNS.index("ground_tint"), SIGNS.index("ink_tint")]].round(6).any()
    low, high = picture[14:54], boxes - np.array([0, 14, 0, 14], np.float32)
    assert not decimal_signs(low, high, NONE)[:, SIGNS.index("frame_tint")].any(), "digits from edge to edge"


def test_colours_tell_nothing_without_drums():
    picture, boxes = display([BLACK] * 3 + [RED] * 2, [WHITE] * 5, [40] * 3 + [30] * 2)
    signs = decimal_signs(picture, boxes, points((120, 50, 0.8)), drums=False)
    assert not signs[:, :5].any()
    told = decimal_signs(picture, boxes, points((120, 50, 0.8)))
    np.testing.assert_array_equal(signs[:, 5:], told[:, 5:])


def test_digits_that_look_alike_show_nothing():
    signs = decimal_signs(*display([BLACK] * 5, [WHITE] * 5), NONE)
    np.testing.assert_allclose(signs[:, :-1], 0, atol=1e-6)
    assert signs[:, SIGNS.index("none")].tolist() == [1, 0, 0, 0, 0]


def test_light_that_falls_off_is_no_tint():
    even = decimal_signs(*display([BLACK] * 3 + [RED] * 2, [WHITE] * 5), NONE)[:, SIGNS.index("ground_tint")].max()
    signs = decimal_signs(*display([WHITE] * 5, [BLACK] * 5, uneven=0.5), NONE)
    assert signs[:, SIGNS.index("ground_tint")].max() < 0.1 * even


def test_larger_digits_behind_speak_against():
    signs = decimal_signs(*display([WHITE] * 4, [BLACK] * 4, [24] * 2 + [40] * 2), NONE)
    assert signs[2, SIGNS.index("smaller")] < 0 and signs[0, SIGNS.index("smaller")] == 0


@pytest.mark.parametrize(
    ("found", "scores"),
    [
        (points((120, 50, 0.8)), [0, 0, 0.8, 0, 0]),  # between the third and the fourth of five: two decimals
        (points((120, 50, 0.8), (160, 52, 0.3)), [0, 0.3, 0.8, 0, 0]),
        (points((120, 50, 0.4), (121, 50, 0.9)), [0, 0, 0.9, 0, 0]),  # the best of a gap
        (points((100, 50, 0.8)), [0, 0, 0, 0, 0]),  # in the middle of a digit
        (points((120, 20, 0.8)), [0, 0, 0, 0, 0]),  # above the digits' middles: a mark, no point
        (points((2, 50, 0.8), (198, 50, 0.8)), [0, 0, 0, 0, 0]),  # before the first, behind the last
        (NONE, [0, 0, 0, 0, 0]),
    ],
)
def test_points_count_in_their_gap(found, scores):
    signs = decimal_signs(*display([WHITE] * 5, [BLACK] * 5), found)
    np.testing.assert_allclose(signs[:, SIGNS.index("point")], scores, atol=1e-6)


def test_what_a_network_says_of_the_gaps_is_a_sign_of_its_own():
    gaps = np.log([0.1, 0.2, 0.3, 0.25, 0.15])
    signs = decimal_signs(*display([WHITE] * 5, [BLACK] * 5), NONE, gaps=gaps)
    np.testing.assert_array_equal(signs[:, SIGNS.index("gaps")], gaps)
    without = decimal_signs(*display([WHITE] * 5, [BLACK] * 5), NONE)
    assert not without[:, SIGNS.index("gaps")].any()


def test_degenerate_digits():
    picture, boxes = display([WHITE] * 3, [BLACK] * 3)
    assert decimal_signs(picture, np.zeros((0, 4)), NONE).shape == (0, len(SIGNS))
    assert decimal_signs(picture, boxes[:1], NONE).tolist() == [[0, 0, 0, 0, 0, 0, 0, 0, 1]]
    outside = boxes + np.array([500, 0, 500, 0], np.float32)
    thin = boxes.copy()
    thin[:, 2] = thin[:, 0] + 1
    for odd in (outside, thin):
        assert np.isfinite(decimal_signs(picture, odd, NONE)).all()
