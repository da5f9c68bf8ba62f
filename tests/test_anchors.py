"""Anchors of both stages, and the coding against them, against numbers worked out by hand."""

import numpy as np
import pytest

from retinanet.anchors import box_anchors, box_iou, decode_boxes, encode_boxes, grid, oriented_anchors
from retinanet.config import Stage1Config, Stage2Config

STAGE1, STAGE2 = Stage1Config(), Stage2Config()


def test_places_are_the_middles_of_the_cells_row_by_row():
    places = grid(Stage2Config(input_size=(32, 64)), 16)
    assert places.tolist() == [[8, 8], [24, 8], [40, 8], [56, 8], [8, 24], [24, 24], [40, 24], [56, 24]]


def test_stage1_has_each_orientation_at_each_place():
    anchors = oriented_anchors(STAGE1)
    # 256 / 8 = 32, / 16 = 16, / 32 = 8 places a side, four ways up at each.
    assert len(anchors.centers) == (32 * 32 + 16 * 16 + 8 * 8) * 4
    assert anchors.angles[:5].tolist() == [0, 90, 180, 270, 0]
    assert anchors.centers[3].tolist() == [4, 4] and anchors.centers[4].tolist() == [12, 4]
    assert anchors.widths[0] == 6 * 8 and anchors.widths[-1] == 6 * 32


@pytest.mark.parametrize(
    ("index", "corners"),
    [
        # 48 wide, 12 high around (4, 4), clockwise from the display's own top-left.
        (0, [[-20, -2], [28, -2], [28, 10], [-20, 10]]),
        # Read downwards: its top-left is at the upper right.
        (1, [[10, -20], [10, 28], [-2, 28], [-2, -20]]),
        # Upside down: its top-left is at the lower right.
        (2, [[28, 10], [-20, 10], [-20, -2], [28, -2]]),
        # Read upwards: its top-left is at the lower left.
        (3, [[-2, 28], [-2, -20], [10, -20], [10, 28]]),
    ],
)
def test_no_offset_is_the_anchor_itself(index, corners):
    anchors = oriented_anchors(STAGE1)
    decoded = anchors.decode(np.zeros((len(anchors.centers), 8), np.float32))
    np.testing.assert_allclose(decoded[index], corners, atol=1e-4)


def test_offsets_are_in_anchor_widths_along_and_across_the_anchor():
    anchors = oriented_anchors(STAGE1)
    # Anchor 1 is 48 wide and reads downwards: half a width along it is 24 down, a quarter across it is 12 to the left.
    moved = anchors.decode(np.zeros((len(anchors.centers), 8), np.float32))[1] + [-12, 24]
    offsets = anchors.encode(moved.astype(np.float32), np.array([1]))
    np.testing.assert_allclose(offsets, [[0.5, 0.25] * 4], atol=1e-5)


def test_corners_come_back_from_every_anchor():
    anchors = oriented_anchors(STAGE1)
    corners = np.array([[40, 60], [150, 71], [147, 103], [37, 91]], np.float32)
    every = np.arange(len(anchors.centers))
    decoded = anchors.decode(anchors.encode(corners, every))
    np.testing.assert_allclose(decoded, np.broadcast_to(corners, decoded.shape), atol=1e-3)


def test_eight_orientations_are_45_degrees_apart():
    anchors = oriented_anchors(Stage1Config(orientations=8))
    assert anchors.angles[:8].tolist() == [0, 45, 90, 135, 180, 225, 270, 315]


def test_stage2_anchors_stand_in_the_order_of_the_outputs():
    anchors = box_anchors(STAGE2)
    # 64 x 320: 8 x 40 places at stride 8, 4 x 20 at 16, 2 x 10 at 32, three shapes at each.
    assert anchors.shape == ((320 + 80 + 20) * 3, 4)
    assert anchors[:4].tolist() == [[4, 4, 16, 28], [4, 4, 24, 42], [4, 4, 34, 48], [12, 4, 16, 28]]
    assert anchors[-1].tolist() == [304, 48, 220, 54]


@pytest.mark.parametrize(
    ("box", "delta"),
    [
        ((8, 10, 24, 38), (0, 0, 0, 0)),  # the anchor itself
        ((16, 10, 32, 38), (5, 0, 0, 0)),  # half a width to the right, in tenths
        ((8, 24, 24, 52), (0, 5, 0, 0)),  # half a height down
        ((0, 10, 32, 38), (0, 0, 3.4657, 0)),  # twice as wide: ln 2 / 0.2
        ((8, 17, 24, 31), (0, 0, 0, -3.4657)),  # half as high
    ],
)
def test_box_coding(box, delta):
    anchor = np.array([[16, 24, 16, 28]], np.float32)
    np.testing.assert_allclose(encode_boxes(np.array([box], np.float32), anchor)[0], delta, atol=1e-4)
    np.testing.assert_allclose(decode_boxes(np.array([delta], np.float32), anchor)[0], box, atol=1e-3)


def test_absurd_regressions_stay_finite():
    anchor = np.array([[16, 24, 16, 28]], np.float32)
    assert np.isfinite(decode_boxes(np.array([[0, 0, 1e4, 1e4]], np.float32), anchor)).all()
    assert np.isfinite(encode_boxes(np.array([[5, 5, 5, 5]], np.float32), anchor)).all(), "a box without area"


@pytest.mark.parametrize(
    ("box", "iou"),
    [
        ((0, 0, 10, 10), 1.0),
        ((5, 0, 15, 10), 1 / 3),  # 50 shared of 150
        ((0, 0, 20, 20), 0.25),  # 100 of 400
        ((10, 0, 20, 10), 0.0),  # touches
        ((30, 30, 40, 40), 0.0),
        ((3, 3, 3, 9), 0.0),  # no area
    ],
)
def test_box_iou(box, iou):
    found = box_iou(np.array([box], np.float32), np.array([[5, 5, 10, 10]], np.float32))
    assert found.shape == (1, 1) and found[0, 0] == pytest.approx(iou, abs=1e-6)
