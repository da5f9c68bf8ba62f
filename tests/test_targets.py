"""Labels to targets: which anchors learn what, and which are left out."""

import numpy as np
import pytest

from reader.symbols import FLOATP_ID, POINT_ID
from retinanet.anchors import box_iou, decode_boxes
from retinanet.config import Stage1Config, Stage2Config
from retinanet.targets import Stage1Targets, Stage2Targets

STAGE1, STAGE2 = Stage1Targets(Stage1Config()), Stage2Targets(Stage2Config())


def display(x=128.0, y=128.0, width=96.0, height=24.0, degrees=0.0):
    """Corners (1, 4, 2) of a display around x, y."""
    a = np.deg2rad(degrees)
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, height / 2)
    return (corners @ turn.T + (x, y))[None].astype(np.float32)


def learners(targets):
    return np.flatnonzero(targets["classes"][:, :-1].sum(1))


def test_an_empty_photo_is_all_background():
    targets = STAGE1(np.zeros((0, 4, 2), np.float32), np.zeros(0, np.int64))
    assert not targets["classes"][:, :-1].any() and (targets["classes"][:, -1] == 1).all()
    assert not targets["corners"].any()


@pytest.mark.parametrize("degrees", [0, 90, 180, -90, 30, 135])
def test_only_anchors_turned_about_the_same_way_learn(degrees):
    index = learners(STAGE1(display(degrees=degrees), np.array([0])))
    off = np.abs((STAGE1.anchors.angles[index] - degrees + 180) % 360 - 180)
    assert len(index) and off.max() <= 52


@pytest.mark.parametrize(
    ("width", "strides"),
    [
        (96, {16}),  # exactly the middle level's anchors: 6 strides of 16
        (48, {8}),
        (192, {32}),
        (68, {8, 16}),  # half an octave from both
        (12, {8}),  # two octaves too small for any: the nearest level learns it all the same
        (250, {32}),
    ],
)
def test_the_level_follows_the_width(width, strides):
    index = learners(STAGE1(display(width=width, height=width / 4), np.array([1])))
    assert set(STAGE1.anchors.strides[index].astype(int)) == strides


def test_learners_are_near_the_centre_and_recover_the_corners():
    corners = display(120, 101, 100, 22, 17)
    targets = STAGE1(corners, np.array([2]))
    index = learners(targets)
    distance = np.linalg.norm(STAGE1.anchors.centers[index] - (120, 101), axis=1) / STAGE1.anchors.strides[index]
    assert distance.max() <= 1.25
    assert (targets["classes"][index, :-1].argmax(1) == 2).all()
    decoded = STAGE1.anchors.decode(targets["corners"][:, :8])[index]
    np.testing.assert_allclose(decoded, np.broadcast_to(corners[0], decoded.shape), atol=1e-3)
    # Errors count in displays: anchor width / sqrt(width * height).
    np.testing.assert_allclose(targets["corners"][index, 8], STAGE1.anchors.widths[index] / np.sqrt(2200), rtol=1e-3)


def test_a_ring_around_the_learners_is_left_out():
    targets = STAGE1(display(), np.array([0]))
    ignored = np.flatnonzero(targets["classes"][:, -1] == 0)
    assert len(ignored) and not targets["classes"][ignored, :-1].any() and not targets["corners"][ignored].any()
    distance = np.linalg.norm(STAGE1.anchors.centers[ignored] - 128, axis=1) / STAGE1.anchors.strides[ignored]
    assert distance.max() <= 2.25


def test_a_display_without_pixels_teaches_nothing():
    assert not len(learners(STAGE1(display(width=1.5, height=0.5), np.array([0]))))


def test_two_displays_learn_apart():
    corners = np.concatenate([display(y=60), display(y=190)])
    targets = STAGE1(corners, np.array([0, 3]))
    index = learners(targets)
    labels = targets["classes"][index, :-1].argmax(1)
    assert set(labels) == {0, 3}
    assert (STAGE1.anchors.centers[index[labels == 0], 1] < 128).all()
    assert (targets["classes"][index, -1] == 1).all(), "the ring of one leaves out no learner of the other"


BOXES = np.array([[20, 10, 44, 52], [60, 10, 84, 52], [100, 10, 124, 52]], np.float32)


def test_an_empty_display_is_all_background():
    targets = STAGE2(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    assert not targets["classes"][:, :-1].any() and not targets["boxes"].any()


def test_digits_learn_where_they_overlap_half():
    targets = STAGE2(BOXES, np.array([3, 7, 0]))
    iou = box_iou(BOXES, STAGE2.anchors)
    index = learners(targets)
    assert (iou.max(0)[index] >= 0.5).all() and set(np.flatnonzero(iou.max(0) >= 0.5)) == set(index)
    assert (targets["classes"][index, :-1].argmax(1) == np.array([3, 7, 0])[iou.argmax(0)[index]]).all()
    assert (targets["classes"][index, :-1].sum(1) == 1).all()
    between = (iou.max(0) >= 0.4) & (iou.max(0) < 0.5)
    assert between.any() and (targets["classes"][between, -1] == 0).all()
    decoded = decode_boxes(targets["boxes"][index, :4], STAGE2.anchors[index])
    np.testing.assert_allclose(decoded, BOXES[iou.argmax(0)[index]], atol=1e-2)
    assert (targets["boxes"][index, 4] == 1).all() and targets["boxes"][:, 4].sum() == len(index)


def test_a_box_of_an_unusual_shape_has_its_best_anchor():
    low = np.array([[10, 28, 290, 34]], np.float32)  # as high as the smallest anchor it overlaps none by half
    assert box_iou(low + np.array([0, -11, 0, 11], np.float32), STAGE2.anchors).max() < 0.5
    assert len(learners(STAGE2(low, np.array([1])))) == 1


@pytest.mark.parametrize(
    ("box", "label"),
    [
        ([100, 44, 106, 51], POINT_ID),  # a decimal point: 6 x 7 pixels
        ([97, 41, 103, 48], POINT_ID),  # the same, elsewhere against the grid
        ([100, 12, 105, 52], 1),  # a slim 1
    ],
)
def test_small_boxes_are_learned_by_all_places_that_see_them(box, label):
    boxes = np.array([box], np.float32)
    assert box_iou(boxes, STAGE2.anchors).max() < 0.5
    targets = STAGE2(boxes, np.array([label]))
    index = learners(targets)
    assert len(index) >= 2
    x, y = STAGE2.anchors[index, 0], STAGE2.anchors[index, 1]
    assert (np.abs(x - boxes[0, [0, 2]].mean()) <= 8).all() and (np.abs(y - boxes[0, [1, 3]].mean()) <= 16).all()
    assert (targets["classes"][index, label] == 1).all()
    decoded = decode_boxes(targets["boxes"][index, :4], STAGE2.anchors[index])
    np.testing.assert_allclose(decoded, np.broadcast_to(boxes, decoded.shape), atol=1e-2)


def test_the_decimal_area_learns_beside_its_digits():
    area = np.array([[56, 6, 128, 58]], np.float32)
    targets = STAGE2(np.concatenate([BOXES, area]), np.array([3, 7, 0, FLOATP_ID]))
    assert targets["classes"][:, FLOATP_ID].any()
    assert {3, 7, 0, FLOATP_ID} == set(np.flatnonzero(targets["classes"][:, :-1].any(0)))


def test_a_decimal_area_of_one_digit_teaches_both():
    area = BOXES[2:] + np.array([-2, -3, 2, 3])
    targets = STAGE2(np.concatenate([BOXES, area]).astype(np.float32), np.array([3, 7, 5, FLOATP_ID]))
    both = (targets["classes"][:, 5] == 1) & (targets["classes"][:, FLOATP_ID] == 1)
    assert both.any()
