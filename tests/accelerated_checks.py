"""Views and targets made on the accelerator: the same as numpy's where those are exact, sound where chance decides.

Run by tests/test_accelerated.py, in a process of its own.
"""

from __future__ import annotations

import itertools

import cv2
import jax
import numpy as np
import pytest

from accelerated import makers, rings, rows, targets, views
from accelerated.packs import main as pack
from accelerated.packs import read_pack, write_pack
from accelerated.train import learning_rate
from crnn.config import task_config
from crnn.fit import step_labels
from reader.symbols import FLOATP_ID, POINT_ID
from retinanet.config import Stage1Config, Stage2Config
from retinanet.targets import Stage1Targets, Stage2Targets
from training.augment import Stage1Augmentation, Stage2Augmentation, stage1_view, stage2_view
from training.datasets import Stage1Sample, Stage2Sample
from training.display_texts import display_text
from training.labelstudio import DatasetError
from training.line_sets import LineSample
from training.run import Weighted

RNG = np.random.default_rng


def display(digits="00123", decimals=2, height=60, pitch=44):
    """A striped display with boxes, each digit's brightness its own."""
    image = np.full((height, pitch * len(digits) + 20, 3), 90, np.uint8)
    boxes, labels = [], []
    for place, digit in enumerate(digits):
        x = 10 + pitch * place
        image[8:52, x + 6 : x + 36] = 120 + 12 * int(digit)
        boxes.append((x + 6, 8, x + 36, 52))
        labels.append(int(digit))
    if decimals:
        boxes.append((boxes[-decimals][0], 8, boxes[-1][2], 52))
        labels.append(FLOATP_ID)
    return Stage2Sample(image, np.float32(boxes), np.array(labels), "made")


def turned_quad(rng):
    width, angle = rng.uniform(8, 230), rng.uniform(0, 2 * np.pi)
    half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, width * rng.uniform(0.1, 0.4) / 2)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return half @ turn + rng.uniform(0, 256, 2)


@pytest.mark.parametrize("displays", [0, 1, 2, 3])
def test_stage1_targets_are_those_of_numpy(displays):
    config = Stage1Config()
    made, wanted = jax.jit(targets.stage1_targets(config)), Stage1Targets(config)
    for seed in range(25):
        rng = RNG([displays, seed])
        corners, labels = np.zeros((3, 4, 2), np.float32), np.full(3, makers.NOTHING, np.int32)
        for i in range(displays):
            corners[i], labels[i] = turned_quad(rng), rng.integers(4)
        found = made(corners[None], labels[None])
        for name, value in wanted(corners[:displays], labels[:displays]).items():
            np.testing.assert_allclose(found[name][0], value, atol=2e-3, err_msg=f"{name}, seed {seed}")


def test_a_display_without_pixels_teaches_nothing():
    config = Stage1Config()
    corners = np.full((1, 3, 4, 2), 100, np.float32)
    found = targets.stage1_targets(config)(corners, np.zeros((1, 3), np.int32))
    assert not found["classes"][..., :-1].any() and (found["classes"][..., -1] == 1).all()
    assert not found["corners"].any()


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        ([], "digits alone"),
        ([("area", 3)], "an area over three decimals"),
        ([("area", 1)], "an area that is one digit: both are learned at one place"),
        ([("area", 2), ("point", 2)], "and a point, smaller than any anchor"),
    ],
)
@pytest.mark.parametrize("count", [0, 1, 5, 9])
def test_stage2_targets_are_those_of_numpy(count, extra, why):
    config = Stage2Config()
    made, wanted = jax.jit(targets.stage2_targets(config)), Stage2Targets(config)
    for seed in range(12):
        rng = RNG([count, seed])
        lefts = np.cumsum(rng.uniform(14, 34, count))
        boxes = [(x, rng.uniform(0, 12), x + rng.uniform(10, 32), rng.uniform(40, 64)) for x in lefts]
        labels = list(rng.integers(0, 10, count))
        for kind, places in extra if count > 3 else []:
            first = boxes[count - places]
            area = (first[0], 4, boxes[count - 1][2], 60)
            boxes.append(area if kind == "area" else (first[0] - 4, 54, first[0] + 1, 59))
            labels.append(FLOATP_ID if kind == "area" else POINT_ID)
        filled = makers.filled(np.float32(boxes).reshape(-1, 4), (makers.MOST_BOXES, 4), 0)
        told = makers.filled(np.array(labels, np.int64), (makers.MOST_BOXES,), makers.NOTHING)
        found = made(filled[None], told[None])
        for name, value in wanted(filled[: len(labels)], np.array(labels, int)).items():
            np.testing.assert_allclose(found[name][0], value, atol=5e-3, err_msg=f"{name}: {why}, seed {seed}")


@pytest.mark.parametrize(("digits", "decimals"), [("00123", 2), ("4", 0), ("987654321", 3)])
def test_step_labels_are_those_of_numpy(digits, decimals):
    config = task_config("display")
    sample = display(digits, decimals, pitch=27)
    boxes = sample.boxes * (256 / sample.image.shape[1], 48 / 60, 256 / sample.image.shape[1], 48 / 60)
    entry = makers.display_entry(sample.image, np.float32(boxes), sample.labels)
    shown = targets.step_labels(
        entry["boxes"][None], entry["text"][None], np.array([entry["count"]]), 256, config.steps
    )
    np.testing.assert_array_equal(shown[0], step_labels(np.float32(boxes), sample.labels, config))
    text = "".join(config.alphabet[c - 1] for c in entry["text"] if c)
    assert text == display_text(boxes, sample.labels, config.alphabet)


def test_a_display_with_too_much_on_it_is_left_out():
    sample = display("12345678901", 0, pitch=27)
    assert makers.display_entry(sample.image, sample.boxes, sample.labels) is None
    assert makers.display_entry(sample.image, sample.boxes[:10], sample.labels[:10]) is not None


def test_a_view_that_is_not_moved_is_the_picture_without_its_room():
    images = RNG(0).integers(0, 256, (2, 40, 70, 3), np.uint8)
    found, linear, offset = views.moved(jax.random.PRNGKey(0), images, (32, 50), (4, 10), 0.0, 0.0, (0.0, 0.0))
    np.testing.assert_allclose(found, images[:, 4:-4, 10:-10], atol=1e-2)
    np.testing.assert_allclose(linear, np.broadcast_to(np.eye(2), (2, 2, 2)), atol=1e-6)
    np.testing.assert_allclose(offset, 0, atol=1e-4)


def test_what_is_marked_moves_with_the_view():
    """A bright spot is found where its box went, in views of another size too."""
    images = np.zeros((16, 80, 352, 3), np.uint8)
    images[:, 8 + 30 : 8 + 40, 16 + 200 : 16 + 212] = 255
    boxes = np.tile(np.float32([[200, 30, 212, 40]]), (16, 1, 1))
    found, linear, offset = views.moved(
        jax.random.PRNGKey(1), images, (64, 320), (8, 16), 0.01, 0.05, (4.0, 2.0), (48, 256)
    )
    placed = np.asarray(views.moved_boxes(boxes, linear, offset, (64, 320)))[:, 0] * (0.8, 0.75, 0.8, 0.75)
    moved = 0
    for view, (x1, y1, x2, y2) in zip(np.asarray(found)[..., 0], placed, strict=True):
        rows, columns = np.nonzero(view > 128)
        assert abs((columns.mean() + 0.5) - (x1 + x2) / 2) < 0.7 and abs((rows.mean() + 0.5) - (y1 + y2) / 2) < 0.7
        moved += abs((x1 + x2) / 2 - 206 * 0.8) > 1
    assert moved > 5


def test_blur_keeps_the_light_and_zero_keeps_the_picture():
    images = RNG(2).uniform(0, 255, (2, 24, 24, 3)).astype(np.float32)
    found = np.asarray(views.blurred(images, np.float32([0.0, 1.5])))
    np.testing.assert_allclose(found[0], images[0], atol=1e-3)
    assert found[1].std() < 0.5 * images[1].std() and abs(found[1].mean() - images[1].mean()) < 3


@pytest.mark.parametrize(("strength", "fade"), [(1.0, 0.0), (1.0, 1.0), (0.0, 0.0)])
def test_light_changes_pictures_within_their_range(strength, fade):
    images = RNG(3).uniform(0, 255, (24, 20, 40, 3)).astype(np.float32).round()
    found = np.asarray(views.distorted(jax.random.PRNGKey(3), images, strength, fade))
    assert found.shape == images.shape and np.isfinite(found).all()
    assert found.min() >= 0 and found.max() <= 255 and (found == found.round()).all()
    changed = np.abs(found - images).max((1, 2, 3)) > 1
    assert changed.all() if strength and fade else changed.mean() > 0.8 if strength else not changed.any()
    if fade:
        assert np.median(found.std((1, 2, 3))) < 0.6 * images.std()


def digit_bank():
    """Ten "digits", each with its own number of bright pixels in a row."""
    pictures = np.zeros((10, 28, 28), np.uint8)
    for digit in range(10):
        pictures[digit, 10:18, 4 : 6 + 2 * digit] = 255
    return pictures, np.arange(10, dtype=np.int32)


def test_rows_show_the_digits_that_they_name():
    pictures, labels = digit_bank()
    draw = jax.jit(lambda key: rows.digit_rows(key, pictures, labels, 80, (40, 192)))
    images, text = (np.asarray(found) for found in draw(jax.random.PRNGKey(4)))
    assert images.shape == (80, 40, 192, 3) and images.min() >= 0 and images.max() <= 255
    lengths = (text > 0).sum(1)
    assert set(lengths) == set(range(1, 9))
    assert (text[np.arange(8)[None] >= lengths[:, None]] == 0).all(), "nothing behind the last digit"
    # Ink is what is far from the border's colour; more digits, and wider ones, have more of it.
    ink = (np.abs(images - images[:, :1, :1]).max(-1) > 60).sum((1, 2))
    wide = np.array([sum(2 * (c - 1) + 2 for c in row if c) for row in text])
    scale = np.minimum(40 / 28, 192 / (22 * lengths + 6)) ** 2
    assert np.corrcoef(ink, wide * scale)[0, 1] > 0.8


def test_a_digit_as_it_is_stands_in_the_middle_at_its_height():
    pictures, _ = digit_bank()

    def draw(key):
        x, y = rows._coordinates(key, (40, 192), 28.0, 28)
        return x, y, rows._digit(key, False, jax.numpy.asarray(pictures[5]), x, y)

    straight = 0
    for seed in range(12):
        x, y, ink = (np.asarray(found) for found in jax.jit(draw)(jax.random.PRNGKey(seed)))
        if abs(np.ptp(x) - 191 * 0.7) > 1e-2 or abs(np.ptp(y) - 39 * 0.7) > 1e-2:
            continue  # a row that is turned or scaled
        straight += 1
        rows_lit, columns = np.nonzero(ink > 128)
        # Rows 10 to 17 and columns 4 to 15 of 28, drawn at 40 / 28 of their size from the middle.
        assert abs(columns.min() - (96 + (4 - 14) / 0.7)) < 1.5 and abs(columns.max() - (96 + (16 - 14) / 0.7)) < 1.5
        assert abs(rows_lit.min() - 10 / 0.7) < 1.5 and abs(rows_lit.max() - 18 / 0.7) < 1.5
    assert straight >= 2


def test_rings_hand_over_every_entry_once(tmp_path):
    fields = {"image": ((2, 3), np.uint8), "count": ((), np.int32)}
    ring = rings.Ring(tmp_path, fields, writers=3, slots=10, create=True)
    writing = rings.Ring(tmp_path, fields, writers=3, slots=10)
    seen = []
    for number in range(40):
        writing.put(number % 3, {"image": np.full((2, 3), number, np.uint8), "count": number})
        if ring.waiting() >= 7:
            taken = ring.take(5)
            assert taken["image"].shape == (5, 2, 3)
            assert (taken["image"][:, 0, 0] == taken["count"]).all(), "arrays of an entry belong together"
            seen += taken["count"].tolist()
    while ring.waiting():
        seen += ring.take(4)["count"].tolist()
    assert sorted(seen) == list(range(40))
    assert len(ring.take(4)["count"]) == 0


def test_a_ring_of_few_slots_is_refused(tmp_path):
    with pytest.raises(ValueError, match="slots: at least 8 wanted; 3 came"):
        rings.Ring(tmp_path, {"count": ((), np.int32)}, 1, 3, create=True)


@pytest.mark.parametrize(
    ("steps", "share", "rate", "why"),
    [
        (0, 0.0, 1 / 300, "the first step"),
        (299, 0.0, 1.0, "the peak, after the warm-up"),
        (5000, 0.5, 0.5, "half of it in the middle"),
        (5000, 1.0, 0.005, "never quite nothing"),
        (5000, 1.7, 0.005, "nor after the time"),
    ],
)
def test_the_rate_rises_and_falls(steps, share, rate, why):
    assert learning_rate(steps, share) == pytest.approx(rate), why


def photo_sample(seed=0):
    image = cv2.resize(RNG(seed).integers(0, 256, (6, 8, 3), np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)
    corners = np.float32([[[40, 40], [120, 44], [118, 70], [38, 66]]])
    return Stage1Sample(image, corners, np.array([1]), f"photo{seed}.jpg")


def test_room_is_what_is_around_the_same_view():
    one, corners, _ = stage1_view(photo_sample(), (64, 64), RNG(5), Stage1Augmentation(), light=lambda view, _: view)
    other, same, _ = stage1_view(
        photo_sample(), (64, 64), RNG(5), Stage1Augmentation(), (6, 10), light=lambda view, _: view
    )
    assert other.shape == (76, 84, 3)
    np.testing.assert_array_equal(corners, same)
    # The resampling's fixed-point places may round otherwise.
    assert np.abs(other[6:-6, 10:-10].astype(int) - one).mean() < 2
    plain = Stage2Augmentation(exchange=0, negative=0, far_away=0, fade=0, moved_point=0, loose=0)
    one, boxes, _ = stage2_view(display(), (64, 320), RNG(6), plain, light=lambda view, _: view)
    other, same, _ = stage2_view(display(), (64, 320), RNG(6), plain, room=(8, 16), light=lambda view, _: view)
    assert other.shape == (80, 352, 3)
    np.testing.assert_array_equal(boxes, same)
    assert np.abs(other[8:-8, 16:-16].astype(int) - one).mean() < 2


@pytest.mark.parametrize("kind", ["stage1", "displays"])
def test_base_views_fit_their_fields(kind):
    shares = makers.Shares(real=0.5, kept=3, from_photo=0.0)
    sets = [Weighted([photo_sample(0), photo_sample(1)] if kind == "stage1" else [display(), display("77", 0)], 1.0)]
    if kind == "stage1":
        made, fields = makers.stage1_views(sets, RNG(7), shares), makers.STAGE1_FIELDS
    else:
        made, fields = makers.display_views(sets, [], RNG(7), shares), makers.DISPLAY_FIELDS
    entries = list(itertools.islice(made, 24))
    for entry in entries:
        assert set(entry) == set(fields)
        for name, (shape, dtype) in fields.items():
            assert np.shape(entry[name]) == shape and np.can_cast(np.asarray(entry[name]).dtype, dtype, "same_kind")
    labels = np.array([entry["labels"] for entry in entries])
    assert (labels[:, 0] >= 0).any() and (labels >= makers.NOTHING).all()
    assert len({entry["image"].tobytes() for entry in entries}) == 24


def line_sample():
    return LineSample(np.full((20, 60, 3), 200, np.uint8), "123", "line.png")


@pytest.mark.parametrize(
    ("kind", "samples"),
    [
        ("stage1", [photo_sample(0), photo_sample(1)]),
        ("displays", [display(), display("5", 0)]),
        ("lines", [line_sample()]),
    ],
)
def test_packs_give_back_what_was_packed(tmp_path, kind, samples):
    path = tmp_path / "sets.zip"
    digits = [(7, np.full((30, 20, 3), 99, np.uint8))] if kind == "displays" else []
    write_pack(path, kind, [Weighted(samples, 2.5), Weighted(samples[:1], 1.0)], digits, quality=100)
    sets, singles = read_pack(path, kind)
    assert [one.weight for one in sets] == [2.5, 1.0] and [len(one.samples) for one in sets] == [len(samples), 1]
    for before, after in zip(samples, sets[0].samples, strict=True):
        assert type(before) is type(after) and before.name == after.name and before.image.shape == after.image.shape
        assert np.abs(before.image.astype(int) - after.image).mean() < 12
        assert getattr(before, "text", None) == getattr(after, "text", None)
        for field in ("labels", "corners", "boxes"):
            if hasattr(before, field):
                np.testing.assert_allclose(getattr(after, field), getattr(before, field), atol=1e-3)
    assert [digit for digit, _ in singles] == [digit for digit, _ in digits]
    assert [p.name for p in tmp_path.iterdir()] == ["sets.zip"]


def test_what_is_no_pack_is_told_in_one_line(tmp_path, capsys):
    write_pack(tmp_path / "lines.zip", "lines", [Weighted([line_sample()], 1.0)])
    (tmp_path / "text.zip").write_text("nothing")
    for name, came in (("lines.zip", "lines"), ("text.zip", "not a zip"), ("none.zip", "No such file")):
        with pytest.raises(DatasetError, match=f"{name}: a pack of displays wanted.*{came}"):
            read_pack(tmp_path / name, "displays")
    assert pack(["displays", "--dataset_path", str(tmp_path / "nowhere"), "--out", str(tmp_path / "x.zip")]) == 1
    assert "nowhere" in capsys.readouterr().err and not (tmp_path / "x.zip").exists()
