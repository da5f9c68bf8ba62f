"""Both stages really learn: a minute of training on one made photo, which is then read from end to end."""

import os

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from reader.bundle import Bundle, Stage1Settings, Stage2Settings
from reader.geometry import MARGIN, box_corners, homography_between, quad_iou, rectify, warp_points
from reader.symbols import STAGE1_CLASSES, STAGE2_CLASSES
from retinanet.config import Stage1Config, Stage2Config
from retinanet.fit import fit_stage1, fit_stage2
from retinanet.runtime import keras_reader
from synthesis.meter import make_photo
from training.augment import Stage1Augmentation, Stage2Augmentation
from training.datasets import Stage1Sample, Stage2Sample
from training.run import RunConfig, Weighted

NETWORK = {"blocks": (1, 1, 1, 1), "fpn_channels": 32, "head_convs": 1}
STAGE1 = Stage1Config(input_size=(128, 128), channels=(8, 16, 24, 32, 48), **NETWORK)
STAGE2 = Stage2Config(channels=(8, 24, 32, 48, 48), **NETWORK)
#: Small errors of the corners only: there are a few hundred views to learn from, not a million.
GENTLE1 = Stage1Augmentation(second_look=0.5, background=0, any_angle=0, flip_second_look=0)
GENTLE2 = Stage2Augmentation(jitter=0.03, shift=0.03, exchange=0, negative=0, far_away=0, fade=0)


@pytest.fixture(scope="module")
def photo():
    """The first made photo of a counter with drums, large enough for a small input."""
    for seed in range(200):
        made = make_photo(np.random.default_rng([7, seed]), 320)
        if made.counter_class != "analog" or any(
            name not in (*STAGE2_CLASSES[:10], "floatp") for *_, name in made.boxes
        ):
            continue
        width = np.linalg.norm(made.corners[1] - made.corners[0])
        if width > 150 and "." in made.reading:
            return made
    raise AssertionError("no photo of 200 will do")


def stage2_sample(photo):
    """The display as it is cut out for stage 2, with the boxes of the made photo."""
    height, width = photo.display_size
    picture, to_picture = rectify(photo.image, photo.corners, MARGIN)
    to_photo = homography_between(box_corners([0, 0, width, height]), photo.corners)
    boxes = box_corners(np.array([box[:4] for box in photo.boxes], np.float64))
    quads = warp_points(warp_points(boxes, to_photo), to_picture)  # (N, 4, 2)
    xyxy = np.concatenate([quads.min(axis=1), quads.max(axis=1)], axis=-1).astype(np.float32)
    labels = np.array([STAGE2_CLASSES.index(box[4]) for box in photo.boxes])
    return Stage2Sample(picture, xyxy, labels, "cropped_made.jpg")


def run_in(folder, name, steps):
    """Three epochs; float32 is faster than bfloat16 on CPUs without it."""
    return RunConfig(
        name,
        folder / f"{name}.keras",
        folder / "logs" / name,
        folder / "checkpoints" / name,
        epochs=3,
        steps_per_epoch=steps,
        batch_size=8,
        learning_rate=4e-3,
        warmup_steps=20,
        ema=0.9,
        precision="float32",
        workers=1,
    )


def test_an_overfitted_photo_is_read_from_end_to_end(photo, tmp_path):
    label = np.array([STAGE1_CLASSES.index(photo.counter_class)])
    whole = Stage1Sample(photo.image, photo.corners[None], label, "made.jpg")
    display = stage2_sample(photo)

    run1, run2 = run_in(tmp_path, "stage1", 70), run_in(tmp_path, "stage2", 110)
    first = fit_stage1([Weighted([whole], 1)], [whole], run1, STAGE1, GENTLE1, verbose=0)
    second = fit_stage2([Weighted([display], 1)], [display], run2, STAGE2, GENTLE2, verbose=0)
    for history in (first.history, second.history):
        assert history["loss"][-1] < 0.5 * history["loss"][0], history["loss"]
    assert first.history["val_iou"][-1] > 0.75 and first.history["val_class_accuracy"][-1] == 1
    assert second.history["val_readings"][-1] == 1, second.history

    # Not the thresholds and the calibration of the shipped networks: these ones are others.
    # One look more, as in validation: few views teach no more than that.
    plain = Bundle(Stage1Settings(STAGE1.input_size[0], {}, extra_looks=1), Stage2Settings(STAGE2.input_size, {}))
    answer = keras_reader(run1.output, run2.output, plain).read(photo.image)
    assert answer.counter_class == "analog"
    assert quad_iou(answer.corners, photo.corners) > 0.75
    assert answer.success and answer.text == photo.reading
    keras.config.set_dtype_policy("float32")
