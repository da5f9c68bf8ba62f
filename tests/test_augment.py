"""Augmentation: labels go where the picture goes, nothing is mirrored, and plain views are what the reader shows."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from reader.geometry import MARGIN, box_corners, display_homography, rectify, warp_points
from reader.image import letterbox
from reader.symbols import FLOATP_ID
from training import augment
from training.augment import (
    CORNERS_PUT_RIGHT,
    DigitPool,
    Stage1Augmentation,
    Stage2Augmentation,
    exchange_digits,
    plain_display,
    plain_view,
    stage1_view,
    stage2_view,
    stretch,
)
from training.datasets import Stage1Sample, Stage2Sample
from training.photometric import distort, fade, far_away
from training.recolour import recoloured

SIZE = (256, 256)
COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]], np.uint8)  # clockwise from the top-left


@pytest.fixture
def no_light(monkeypatch):
    """Geometry alone, so that colours can be found again."""
    for change in ("distort", "fade", "far_away"):
        monkeypatch.setattr(augment, change, lambda image, rng, **strength: image)


def marked_photo(corners, size=(480, 640), radius=14):
    """A grey photo with a disk of its own colour on each corner."""
    photo = np.full((*size, 3), 110, np.uint8)
    shift = 4  # sixteenths of a pixel; OpenCV counts pixel centres
    for (x, y), colour in zip(corners, COLOURS.tolist(), strict=True):
        centre = (round((x - 0.5) * 16), round((y - 0.5) * 16))
        cv2.circle(photo, centre, radius * 16, colour, -1, cv2.LINE_AA, shift)
    return photo


def centre_of(view, colour, sharp=90):
    """Middle of what has a colour, in continuous coordinates; None where there is too little of it."""
    near = np.abs(view.astype(int) - colour.astype(int)).max(2) < sharp
    ys, xs = np.nonzero(near)
    return None if len(xs) < 6 else np.array([xs.mean() + 0.5, ys.mean() + 0.5])


def quad(x=320.0, y=240.0, width=220.0, height=60.0, degrees=0.0):
    a = np.deg2rad(degrees)
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return (np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, height / 2) @ turn.T + (x, y)).astype(
        np.float32
    )


def clockwise(corners):
    x, y = corners.T
    return (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() > 0


@pytest.mark.parametrize(
    "settings",
    [
        Stage1Augmentation(second_look=0, background=0, any_angle=0),
        Stage1Augmentation(second_look=0, background=0, any_angle=1),
        Stage1Augmentation(second_look=1, background=0),
        Stage1Augmentation(second_look=1, background=0, flip_second_look=1),
        Stage1Augmentation(),
    ],
    ids=["first look", "any angle", "second look", "upside down", "as in training"],
)
def test_corners_move_with_the_photo(no_light, settings):
    errors, seen = [], 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        truth = quad(degrees=rng.uniform(-180, 180), x=300, y=250)
        sample = Stage1Sample(marked_photo(truth), truth[None], np.array([seed % 4]), "made.jpg")
        view, corners, labels = stage1_view(sample, SIZE, rng, settings)
        assert view.shape == (*SIZE, 3) and view.dtype == np.uint8 and corners.dtype == np.float32
        if not len(corners):
            continue
        seen += 1
        assert labels.tolist() == [seed % 4] and clockwise(corners[0]), "mirrored pictures have no right reading"
        for corner, colour in zip(corners[0], COLOURS, strict=True):
            found = centre_of(view, colour)
            if found is not None and (corner > 16).all() and (corner < 240).all():
                errors.append(np.linalg.norm(found - corner))
    assert seen > 25 and len(errors) > 60
    # Disks in perspective have their middle of mass beside the middle: a fraction of a pixel.
    assert np.mean(errors) < 0.35 and np.max(errors) < 1.5


def test_geometry_has_no_offset(no_light):
    """Half a pixel of shift, the usual fault, would show in the mean over all views."""
    offsets = []
    settings = Stage1Augmentation(second_look=0, background=0, any_angle=0)
    for seed in range(60):
        truth = quad()
        sample = Stage1Sample(marked_photo(truth), truth[None], np.array([0]), "made.jpg")
        view, corners, _ = stage1_view(sample, SIZE, np.random.default_rng(seed), settings)
        for corner, colour in zip(corners[:1].reshape(-1, 2), COLOURS, strict=False):
            found = centre_of(view, colour)
            if found is not None and (corner > 16).all() and (corner < 240).all():
                offsets.append(found - corner)
    assert len(offsets) > 100
    assert np.abs(np.mean(offsets, axis=0)).max() < 0.08, "view pixels"


def test_a_display_cut_in_two_is_not_labelled_as_whole(no_light):
    truth = quad(x=120, y=100)
    sample = Stage1Sample(marked_photo(truth), truth[None], np.array([1]), "made.jpg")
    for seed in range(60):
        _, corners, labels = stage1_view(sample, SIZE, np.random.default_rng(seed), Stage1Augmentation(background=0.5))
        assert len(corners) == len(labels)
        for corner in corners:
            assert (corner > -40).all() and (corner < 296).all()


def test_a_cut_out_display_keeps_its_corners_and_little_else():
    photo = np.random.default_rng(1).integers(0, 256, (480, 640, 3)).astype(np.uint8)
    corners = np.stack([quad(), quad(x=560, y=90, width=90)])
    sample = Stage1Sample(photo, corners, np.array([0, 1]), "a.jpg")
    for seed in range(30):
        cut = augment._cut_out(sample, np.random.default_rng(seed))
        height, width = cut.image.shape[:2]
        which = int(cut.labels[0])
        assert cut.labels.tolist() == [which] and cut.corners.shape == (1, 4, 2)
        moved = (corners[which] - cut.corners[0]).round().astype(int)
        assert (moved == moved[0]).all()
        x, y = moved[0]
        assert (cut.image == photo[y : y + height, x : x + width]).all()
        assert (cut.corners >= 0).all() and (cut.corners <= (width, height)).all()
        assert height <= 3 * 60 + 2 and width <= (220, 90)[which] + 2 * 60 + 2


def test_no_display_is_cut_in_two_by_cutting_out_another():
    sample = Stage1Sample(np.zeros((480, 640, 3), np.uint8), np.stack([quad(), quad(y=262)]), np.array([0, 1]), "a.jpg")
    for seed in range(30):
        cut = augment._cut_out(sample, np.random.default_rng(seed))
        assert cut is sample or cut.labels.tolist() == [0, 1]


def test_a_photo_without_a_display_gives_views_without_labels():
    empty = Stage1Sample(np.full((90, 120, 3), 77, np.uint8), np.zeros((0, 4, 2), np.float32), np.zeros(0, int), "n")
    for seed in range(10):
        view, corners, labels = stage1_view(empty, SIZE, np.random.default_rng(seed), Stage1Augmentation())
        assert view.shape == (*SIZE, 3) and corners.shape == (0, 4, 2) and labels.shape == (0,)


def test_the_same_chance_draws_the_same_view():
    truth = quad()
    sample = Stage1Sample(marked_photo(truth), truth[None], np.array([0]), "made.jpg")
    one, other = (stage1_view(sample, SIZE, np.random.default_rng(5), Stage1Augmentation()) for _ in range(2))
    assert all((a == b).all() for a, b in zip(one, other, strict=True))


def marked_display(width=400, height=100):
    """A display with a coloured block in each of four digit boxes."""
    picture = np.full((height, width, 3), 110, np.uint8)
    boxes = np.array([[40 + 90 * i, 20, 90 + 90 * i, 80] for i in range(4)], np.float32)
    for (x1, y1, x2, y2), colour in zip(boxes.astype(int), COLOURS, strict=True):
        picture[y1:y2, x1:x2] = colour
    area = np.array([[215, 14, 370, 88]], np.float32)
    return Stage2Sample(picture, np.concatenate([boxes, area]), np.array([4, 0, 9, 1, FLOATP_ID]), "cropped_a.jpg")


def test_boxes_move_with_the_display(no_light):
    settings, offsets = Stage2Augmentation(negative=0, exchange=0), []
    for seed in range(60):
        view, boxes, labels = stage2_view(marked_display(), (64, 320), np.random.default_rng(seed), settings)
        assert view.shape == (64, 320, 3) and boxes.dtype == np.float32
        assert (boxes >= 0).all() and (boxes <= [320, 64, 320, 64]).all()
        order = [labels.tolist().index(label) for label in (4, 0, 9, 1) if label in labels]
        assert (np.diff(boxes[order, 0]) > 0).all(), "digits stay in their order: nothing is mirrored"
        for label, colour in zip((4, 0, 9, 1), COLOURS, strict=True):
            found = centre_of(view, colour, 60)
            if label not in labels or found is None:
                continue
            box = boxes[labels.tolist().index(label)]
            if box[0] > 1 and box[1] > 1 and box[2] < 319 and box[3] < 63:
                offsets.append(found - [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    assert len(offsets) > 150
    assert np.abs(offsets).max() < 1.5, "a box around a turned block is not quite its middle"
    assert np.abs(np.mean(offsets, axis=0)).max() < 0.1, "no constant shift"


def test_a_digit_that_is_nearly_gone_is_no_label():
    boxes = np.array([[-30, 10, 10, 50], [-10, 10, 30, 50], [300, 10, 400, 60], [400, 0, 500, 60]], np.float32)
    labels = np.array([1, 2, FLOATP_ID, FLOATP_ID])
    kept, names = augment._clip_boxes(boxes, labels, (64, 320))
    # A quarter of the first digit is left; three quarters of the second; a fifth of the area, which still says where.
    assert names.tolist() == [2, FLOATP_ID]
    assert kept.tolist() == [[0, 10, 30, 50], [300, 10, 320, 60]]


def test_exchanged_digits_bring_their_labels():
    pool = DigitPool()
    pool.patches[7].append(np.tile(np.arange(0, 240, 8, dtype=np.uint8)[None, :, None], (40, 1, 3)))
    sample = marked_display()
    sample.image[::4] //= 2  # a ground and an ink
    stored = sample.image.copy()
    changed = 0
    for seed in range(20):
        new = exchange_digits(sample, pool, np.random.default_rng(seed))
        assert new.labels[4] == FLOATP_ID and (new.boxes == sample.boxes).all()
        for i, (x1, y1, x2, y2) in enumerate(sample.boxes[:4].astype(int)):
            same = (new.image[y1:y2, x1:x2] == sample.image[y1:y2, x1:x2]).all()
            assert same == (new.labels[i] == sample.labels[i])
            changed += not same
            assert new.labels[i] in (sample.labels[i], 7)
    assert changed
    assert (sample.image == stored).all(), "the stored sample stays as it is"


@pytest.mark.parametrize(
    ("ground", "ink"),
    [((240, 235, 230), (200, 30, 40)), ((20, 20, 25), (240, 240, 240)), ((170, 20, 30), (250, 240, 240))],
)
def test_exchanged_digits_take_the_colours_of_the_old_ones(ground, ink):
    old, patch = np.full((40, 24, 3), ground, np.uint8), np.full((40, 24, 3), (30, 30, 30), np.uint8)
    old[10:30, 4:8] = ink
    patch[4:36, 14:18] = (220, 220, 200)  # white on black, elsewhere
    new = recoloured(patch, old).astype(int)
    assert np.abs(new[20, 16] - ink).max() <= 3 and np.abs(new[20, 6] - ground).max() <= 3


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_picture_of_one_colour_has_no_ink(level):
    flat = np.full((20, 12, 3), level, np.uint8)
    assert (recoloured(flat, flat) == flat).all()


def test_the_pool_keeps_digits_only():
    pool = DigitPool.collect([marked_display()])
    assert [len(patches) for patches in pool.patches] == [1, 1, 0, 0, 1, 0, 0, 0, 0, 1]
    assert (pool.patches[9][0] == COLOURS[2]).all()


@pytest.mark.parametrize("strength", [0, 1])
def test_light_keeps_shape_and_type(strength):
    image = marked_display().image
    for seed in range(40):
        changed = distort(image, np.random.default_rng(seed), strength)
        assert changed.shape == image.shape and changed.dtype == np.uint8
        assert strength or (changed == image).all()


def test_a_display_far_away_loses_what_is_fine_and_keeps_its_place():
    image = marked_display().image
    stripes = np.zeros_like(image)
    stripes[:, ::2] = 255
    for seed in range(40):
        gone = far_away(stripes, np.random.default_rng(seed))
        assert gone.shape == image.shape and gone.dtype == np.uint8
        assert gone.std() < 0.6 * stripes.std()
        small = far_away(image, np.random.default_rng(seed)).astype(np.float32)
        shifted = [np.abs(np.roll(image, (dy, dx), (0, 1)) - small).mean() for dy in (-3, 0, 3) for dx in (-3, 0, 3)]
        assert np.argmin(shifted) == 4


def test_fading_leaves_little_contrast_and_never_nothing():
    image = marked_display().image
    stronger = image // 16 + 100
    for seed in range(40):
        faded = fade(image, np.random.default_rng(seed))
        assert faded.shape == image.shape and faded.dtype == np.uint8
        assert 4 < faded.std() < 0.75 * image.std()
        assert fade(stronger, np.random.default_rng(seed)).std() > 0.8 * min(stronger.std(), 6)


# One preprocessing for training and serving.


def soft_noise(height, width, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 1.2), None, 0, 255, cv2.NORM_MINMAX)


@pytest.mark.parametrize("shape", [(480, 640), (640, 427), (256, 256), (120, 90), (37, 611)])
def test_the_plain_view_is_the_readers_letterbox(shape):
    photo = soft_noise(*shape)
    corners = (quad() * np.array([shape[1] / 640, shape[0] / 480]))[None].astype(np.float32)
    view, moved = plain_view(photo, corners, SIZE)
    square, placed = letterbox(photo, 256)
    assert (view == square).all(), "pixel by pixel"
    np.testing.assert_allclose(placed.inverse(moved), corners, atol=1e-3)


def test_the_plain_view_of_a_wrong_size_is_refused():
    with pytest.raises(ValueError, match=r"a square; \(64, 320\) came"):
        plain_view(soft_noise(20, 20), np.zeros((0, 4, 2)), (64, 320))


@pytest.mark.parametrize("shape", [(96, 480), (150, 700), (64, 320), (40, 160), (30, 400)])
def test_the_plain_display_is_what_rectify_draws(shape):
    """The stored display put into a photo with its edge going on, and cut out by the reader's own function."""
    height, width = shape
    display = soft_noise(height, width, 3)
    room = 60
    photo = cv2.copyMakeBorder(display, room, room, room, room, cv2.BORDER_REPLICATE)
    inner = height / (1 + 2 * MARGIN)  # of the height between the corners; the margin is part of what is stored
    edge = MARGIN * inner
    corners = box_corners([room + edge, room + edge, room + width - edge, room + height - edge])
    boxes = np.array([[10, 5, 30, 25]], np.float32)
    view, moved = plain_display(Stage2Sample(display, boxes, np.array([3]), "cropped_a.jpg"), (64, 320))
    served, to_display = rectify(photo, corners, MARGIN, (64, 320))
    difference = np.abs(view.astype(int) - served)
    assert difference.max() <= 1, "pixel by pixel; the homography is solved, so a weight may round the other way"
    assert (difference > 0).mean() < 0.01
    wanted = warp_points(box_corners(boxes[0]) + room, to_display)
    np.testing.assert_allclose(box_corners(moved[0]), wanted, atol=1e-3)


def test_storing_a_display_first_changes_little():
    """Sets hold displays cut out at the photo's own resolution: their pixels are sampled twice, in serving once.

    Measured here on a turned display with noise that is finer than print: the mean difference is below 4 of 255.
    """
    photo = soft_noise(480, 640, 5)
    corners = quad(degrees=14, width=330, height=80)
    served, _ = rectify(photo, corners, MARGIN, (64, 320))
    stored, _ = rectify(photo, corners, MARGIN)
    trained = stretch(stored, (64, 320))
    difference = np.abs(trained.astype(int) - served)
    assert difference.mean() < 4
    # And nothing is displaced: the best match is where it stands.
    assert display_homography(corners, (64, 320)).shape == (3, 3)
    shift, _ = cv2.phaseCorrelate(
        cv2.cvtColor(trained, cv2.COLOR_RGB2GRAY).astype(float), cv2.cvtColor(served, cv2.COLOR_RGB2GRAY).astype(float)
    )
    assert np.abs(shift).max() < 0.1


def test_weaker_views_differ_less_from_the_display_but_are_cut_as_wrongly():
    sample, usual = marked_display(), replace(CORNERS_PUT_RIGHT, exchange=0.6, turned=0.08)
    assert usual.scaled(1) == usual
    weaker = usual.scaled(0.5)
    assert (weaker.exchange, weaker.light, weaker.loose) == (0.3, 0.5, 0.04)
    kept = ("jitter", "shift", "loose_by", "turned")
    assert all(getattr(weaker, name) == getattr(usual, name) for name in kept)

    def change(strength):
        settings = replace(usual.scaled(strength), jitter=0, shift=0, turned=0)
        views = [stage2_view(sample, (64, 320), np.random.default_rng(i), settings)[0] for i in range(40)]
        return np.mean([np.abs(view.astype(int) - stretch(sample.image, (64, 320))).mean() for view in views])

    assert change(0) < change(0.4) < change(1)


def test_displays_upside_down_have_nothing_to_read(no_light):
    sample = marked_display()
    settings = Stage2Augmentation(jitter=0, shift=0, exchange=0, negative=0, turned=1)
    plain, _, labels = stage2_view(sample, (64, 320), np.random.default_rng(3), replace(settings, turned=0))
    view, boxes, none = stage2_view(sample, (64, 320), np.random.default_rng(3), settings)
    assert boxes.shape == (0, 4) and len(none) == 0 and len(labels)
    left, right = (np.abs(view.astype(int) - other).mean() for other in (plain, plain[::-1, ::-1]))
    assert right < left
