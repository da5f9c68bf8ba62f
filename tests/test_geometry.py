"""Quadrilaterals, homographies and warps against values worked out by hand."""

import math

import cv2
import numpy as np
import pytest

from reader.geometry import (
    box_corners,
    display_homography,
    display_size,
    expand,
    homography_between,
    inverse,
    is_clockwise,
    is_convex,
    orientation,
    quad_iou,
    rectify,
    second_look,
    warp,
    warp_points,
    windows,
)

SQUARE = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], float)
DISPLAY = np.array([[20, 30], [120, 30], [120, 50], [20, 50]], float)
TILTED = np.array([[40, 20], [160, 45], [150, 85], [35, 52]], float)


def moved(corners, right, down):
    return np.asarray(corners) + np.array([right, down])


def turned(corners, degrees, centre=(0, 0)):
    """Corners turned clockwise on the screen."""
    angle = math.radians(degrees)
    matrix = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return (np.asarray(corners) - centre) @ matrix.T + centre


@pytest.mark.parametrize(
    ("first", "second", "iou", "reason"),
    [
        (SQUARE, SQUARE, 1, "the same"),
        (SQUARE, SQUARE[::-1], 1, "the winding does not matter"),
        (SQUARE, np.roll(SQUARE, 2, axis=0), 1, "nor where it begins"),
        (SQUARE, moved(SQUARE, 5, 0), 1 / 3, "half over half: 50 of 150"),
        (SQUARE, moved(SQUARE, 5, 5), 25 / 175, "a quarter each"),
        (SQUARE, moved(SQUARE, 10, 0), 0, "touching sides share no area"),
        (SQUARE, moved(SQUARE, 30, 0), 0, "apart"),
        (SQUARE, SQUARE / 2, 0.25, "one in a corner of the other"),
        (SQUARE, SQUARE / 2 + 2.5, 0.25, "one inside the other"),
        (SQUARE, turned(SQUARE, 45, (5, 5)), 1 / math.sqrt(2), "two squares crossed make an octagon"),
        (SQUARE + 1e6, moved(SQUARE, 1e6 + 5, 1e6), 1 / 3, "far from the origin"),
        (SQUARE * 1e-3, moved(SQUARE, 5, 0) * 1e-3, 1 / 3, "small"),
        (TILTED, TILTED, 1, "a perspective quadrilateral"),
        (SQUARE, np.zeros((4, 2)), 0, "a point has no area"),
        (np.zeros((4, 2)), np.zeros((4, 2)), 0, "two points neither"),
        (SQUARE, SQUARE * [1, 0], 0, "a line has no area"),
        (SQUARE[[0, 2, 1, 3]], SQUARE, 0, "crossing sides are no display"),
        ([[0, 0], [10, 0], [2, 2], [0, 10]], SQUARE, 0, "not convex"),
    ],
)
def test_quad_iou(first, second, iou, reason):
    assert quad_iou(first, second) == pytest.approx(iou, abs=1e-9), reason
    assert quad_iou(second, first) == pytest.approx(iou, abs=1e-9), reason


@pytest.mark.parametrize(
    ("corners", "clockwise", "convex", "reason"),
    [
        (SQUARE, True, True, "right, down, left on a screen is clockwise"),
        (SQUARE[::-1], False, True, "backwards"),
        (np.roll(SQUARE, 1, axis=0), True, True, "the start does not matter"),
        (TILTED, True, True, "perspective"),
        (SQUARE[[0, 2, 1, 3]], False, False, "an hourglass"),
        ([[0, 0], [10, 0], [2, 2], [0, 10]], True, False, "an arrowhead"),
        ([[0, 0], [5, 0], [10, 0], [0, 10]], True, False, "a corner on a side is a triangle"),
        (np.zeros((4, 2)), False, False, "a point"),
    ],
)
def test_winding_and_convexity(corners, clockwise, convex, reason):
    assert is_clockwise(corners) is clockwise, reason
    assert is_convex(corners) is convex, reason


@pytest.mark.parametrize("degrees", [0, 30, 90, 135, 179, 180, -30, -90, -179])
def test_orientation_follows_the_order_of_the_corners(degrees):
    assert orientation(turned(DISPLAY, degrees)) == pytest.approx(degrees)
    assert orientation(np.roll(DISPLAY, -2, axis=0)) == 180, "begins bottom-right: upside down"


def test_corners_that_are_none_are_refused():
    for bad in ([[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 0], [1, 1], [0, float("nan")]]):
        with pytest.raises(ValueError, match="4 finite"):
            orientation(bad)


def test_display_size_is_the_mean_of_opposite_sides():
    assert display_size(DISPLAY) == (20, 100)
    assert display_size(np.roll(DISPLAY, 1, axis=0)) == (100, 20), "a display that is read upwards is high, not wide"
    assert display_size([[0, 0], [100, 0], [80, 30], [0, 30]]) == (33, 90)
    assert display_size(np.zeros((4, 2))) == (1, 1)


@pytest.mark.parametrize(
    ("corners", "margin", "expected", "reason"),
    [
        (DISPLAY, 0, DISPLAY, "nothing"),
        (DISPLAY, 0.5, [[10, 20], [130, 20], [130, 60], [10, 60]], "half a height on every side"),
        (DISPLAY, -0.25, [[25, 35], [115, 35], [115, 45], [25, 45]], "inwards"),
        (turned(DISPLAY, 90), 0.5, turned([[10, 20], [130, 20], [130, 60], [10, 60]], 90), "along its own axes"),
        (np.roll(DISPLAY, 2, axis=0), 0.5, [[130, 60], [10, 60], [10, 20], [130, 20]], "keeps the order"),
    ],
)
def test_expand(corners, margin, expected, reason):
    np.testing.assert_allclose(expand(corners, margin), expected, atol=1e-4, err_msg=reason)


def test_expand_and_rectify_agree_in_perspective():
    larger = expand(TILTED, 0.15)
    to_display = display_homography(TILTED, (64, 320), 0.15)
    expected = [[0, 0], [320, 0], [320, 64], [0, 64]]
    np.testing.assert_allclose(warp_points(larger, to_display), expected, atol=1e-3)


def test_homographies():
    there = homography_between(SQUARE, TILTED)
    np.testing.assert_allclose(warp_points(SQUARE, there), TILTED, atol=1e-9)
    np.testing.assert_allclose(warp_points(TILTED, inverse(there)), SQUARE, atol=1e-9)
    reference = cv2.getPerspectiveTransform(SQUARE.astype(np.float32), TILTED.astype(np.float32))
    np.testing.assert_allclose(there, reference, rtol=1e-4, atol=1e-6)
    assert warp_points(np.zeros((0, 2)), there).shape == (0, 2)
    assert warp_points(np.zeros((3, 4, 2)), there).shape == (3, 4, 2)
    with pytest.raises(ValueError, match="one line"):
        homography_between([[0, 0], [1, 1], [2, 2], [3, 3]], SQUARE)


def test_box_corners():
    expected = [[[1, 2], [3, 2], [3, 4], [1, 4]]]
    np.testing.assert_array_equal(box_corners([[1, 2, 3, 4]]), expected)
    assert box_corners(np.zeros((0, 4))).shape == (0, 4, 2)


PHOTO = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)


def test_rectify_of_an_axis_parallel_display_is_a_crop():
    display, homography = rectify(PHOTO, DISPLAY, margin=0)
    np.testing.assert_array_equal(display, PHOTO[30:50, 20:120])
    np.testing.assert_allclose(warp_points(DISPLAY, homography), [[0, 0], [100, 0], [100, 20], [0, 20]], atol=1e-9)
    with_margin, homography = rectify(PHOTO, DISPLAY, margin=0.5)
    np.testing.assert_array_equal(with_margin, PHOTO[20:60, 10:130])
    np.testing.assert_allclose(warp_points([[20, 30]], homography), [[10, 10]], atol=1e-9)


@pytest.mark.parametrize(
    ("steps", "turn"),
    [(2, lambda crop: crop[::-1, ::-1]), (1, lambda crop: np.rot90(crop, -1)), (3, lambda crop: np.rot90(crop, 1))],
)
def test_rectify_turns_the_display_the_way_its_corners_begin(steps, turn):
    display, _ = rectify(PHOTO, np.roll(DISPLAY, steps, axis=0), margin=0)
    np.testing.assert_array_equal(display, turn(PHOTO[30:50, 20:120]))


def test_rectify_is_black_outside_the_photo():
    display, _ = rectify(np.full((20, 20, 3), 255, np.uint8), [[-10, 0], [10, 0], [10, 10], [-10, 10]], margin=0)
    assert (display[:, :9] == 0).all() and (display[:, 11:] == 255).all()


def test_rectify_to_a_size_stretches_and_averages():
    stripes = np.zeros((64, 256, 3), np.uint8)
    stripes[:, ::2] = 200
    display, _ = rectify(stripes, [[0, 0], [256, 0], [256, 64], [0, 64]], margin=0, size=(16, 64))
    assert display.shape == (16, 64, 3)
    assert np.abs(display.astype(int) - 100).max() <= 1, "stripes finer than a pixel become grey, no moiré"


def test_rectify_undoes_perspective():
    flat = np.full((40, 120, 3), 30, np.uint8)
    flat[10:30, 50:70] = 220
    photo = warp(flat, homography_between([[0, 0], [120, 0], [120, 40], [0, 40]], TILTED * 3), (300, 520))
    display, homography = rectify(photo, TILTED * 3, margin=0, size=(40, 120))
    assert np.abs(display[2:-2, 2:-2].astype(int) - flat[2:-2, 2:-2]).mean() < 4
    np.testing.assert_allclose(warp_points(TILTED * 3, homography)[2], [120, 40], atol=1e-6)


@pytest.mark.parametrize("corners", [np.zeros((4, 2)), SQUARE * [1, 0], SQUARE[[0, 2, 1, 3]]])
def test_rectify_refuses_corners_without_area(corners):
    with pytest.raises(ValueError, match="not the corners"):
        rectify(PHOTO, corners)


@pytest.mark.parametrize("degrees", [0, 37, 90, 180, -135])
def test_second_look_shows_the_display_upright_and_centred(degrees):
    corners = turned(DISPLAY, degrees, (70, 40))
    look = second_look(corners, 256, fill=0.5)
    middle = [[64, 115.2], [192, 115.2], [192, 140.8], [64, 140.8]]
    np.testing.assert_allclose(warp_points(corners, look), middle, atol=1e-9)
    turn = look[:2, :2]
    np.testing.assert_allclose(turn @ turn.T, np.eye(2) * (128 / 100) ** 2, atol=1e-9)
    assert np.linalg.det(turn) > 0, "never mirrored"


def test_second_look_fits_a_display_that_is_higher_than_wide():
    look = second_look([[0, 0], [10, 0], [10, 40], [0, 40]], 100, fill=0.8)
    np.testing.assert_allclose(warp_points([[0, 0], [10, 40]], look), [[40, 10], [60, 90]], atol=1e-9)
    with pytest.raises(ValueError):
        second_look(np.zeros((4, 2)), 100)


def test_warp_keeps_a_photo_that_is_not_moved():
    np.testing.assert_array_equal(warp(PHOTO, np.eye(3), PHOTO.shape[:2]), PHOTO)


@pytest.mark.parametrize(
    ("width", "height", "side"), [(400, 300, 180), (300, 400, 180), (1000, 90, 450), (37, 23, 7.5)]
)
def test_windows_cover_a_picture_and_what_is_small_is_whole_in_one(width, height, side):
    placed = windows(width, height, side)
    rng = np.random.default_rng(0)
    for _ in range(300):
        x, y = rng.uniform(0, (width - side / 3, max(0, height - side / 3)))
        assert any(
            left <= x and x + side / 3 <= left + side + 1e-9 and top <= y and y + side / 3 <= top + side + 1e-9
            for left, top in placed
        )
    for left, top in placed:
        assert -1e-9 <= left <= width - side + 1e-9
        assert -1e-9 <= top <= height - side + 1e-9 if height >= side else top == (height - side) / 2
    assert len(placed) <= 2 * (1 + width / side * 1.5) * (1 + height / side * 1.5)


def test_one_window_is_enough_for_a_small_picture():
    assert windows(100, 60, 120) == [(-10, -30)]
