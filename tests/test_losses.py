"""The losses, against numbers worked out by hand."""

import math
import os

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from retinanet.losses import ScaledSmoothL1, WeightedFocalLoss, WeightedSmoothL1


def number(loss, target, prediction):
    value = keras.ops.convert_to_numpy(loss(np.array(target, np.float32), np.array(prediction, np.float32)))
    return float(value)


def logit(p):
    return math.log(p / (1 - p))


@pytest.mark.parametrize(
    ("target", "weight", "p", "wanted"),
    [
        # alpha (1 - p)^2 -log p = 0.25 * 0.25 * ln 2
        (1, 1, 0.5, 0.25 * 0.25 * math.log(2)),
        # (1 - alpha) p^2 -log(1 - p) = 0.75 * 0.25 * ln 2; no positive anchor divides by 1
        (0, 1, 0.5, 0.75 * 0.25 * math.log(2)),
        (1, 1, 0.9, 0.25 * 0.01 * -math.log(0.9)),
        (0, 1, 0.9, 0.75 * 0.81 * -math.log(0.1)),
        (1, 0, 0.1, 0.0),  # left out
        (0, 0, 0.9, 0.0),
    ],
)
def test_focal_loss_of_one_anchor(target, weight, p, wanted):
    found = number(WeightedFocalLoss(), [[[target, weight]]], [[[logit(p)]]])
    assert found == pytest.approx(wanted, abs=1e-6)


def test_focal_loss_is_divided_by_the_positives_of_the_batch():
    # Two pictures: three positive anchors in all, one of them left out, one background.
    target = [[[1, 1], [1, 1]], [[1, 0], [0, 1]]]
    logits = [[[0], [0]], [[0], [0]]]
    positive, background = 0.25 * 0.25 * math.log(2), 0.75 * 0.25 * math.log(2)
    assert number(WeightedFocalLoss(), target, logits) == pytest.approx((2 * positive + background) / 2, rel=1e-5)


def test_an_anchor_of_two_classes_is_one_positive():
    assert number(WeightedFocalLoss(), [[[1, 1, 1]]], [[[0, 0]]]) == pytest.approx(2 * 0.0625 * math.log(2), rel=1e-5)


@pytest.mark.parametrize("logits", [-1e4, -80.0, 80.0, 1e4])
def test_focal_loss_stays_finite(logits):
    for target in (0, 1):
        assert math.isfinite(number(WeightedFocalLoss(), [[[target, 1]]], [[[logits]]]))


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (0.0, 0.0),
        (0.05, 0.5 * 0.05**2 / 0.1),  # below beta: a parabola
        (0.1, 0.05),  # both branches meet
        (0.6, 0.55),  # above: |e| - beta / 2
        (-0.6, 0.55),
    ],
)
def test_smooth_l1_of_one_number(error, wanted):
    assert number(WeightedSmoothL1(), [[[1.0, 1]]], [[[1.0 + error]]]) == pytest.approx(wanted, abs=1e-6)


def test_smooth_l1_averages_numbers_and_positive_anchors():
    # One anchor with errors 0.6 and 0 (mean 0.275) at weight 2; one with 0.6, 0.6 (0.55); one of background.
    target = [[[0, 0, 2], [0, 0, 1], [0, 0, 0]]]
    prediction = [[[0.6, 0], [0.6, -0.6], [9, 9]]]
    assert number(WeightedSmoothL1(), target, prediction) == pytest.approx((2 * 0.275 + 0.55) / 2, rel=1e-5)


def test_a_picture_without_objects_costs_no_regression():
    assert number(WeightedSmoothL1(), np.zeros((2, 3, 9)), np.ones((2, 3, 8))) == 0


def test_the_factor():
    assert number(ScaledSmoothL1(4.0), [[[0, 1]]], [[[0.6]]]) == pytest.approx(2.2, rel=1e-5)


@pytest.mark.parametrize(
    "loss", [WeightedFocalLoss(0.3, 1.5), WeightedSmoothL1(0.2), ScaledSmoothL1(4.0, beta=0.2)], ids=lambda x: x.name
)
def test_losses_are_saved_with_their_settings(loss):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(again) is type(loss) and again.get_config() == loss.get_config()


def test_files_from_earlier_trainings_find_their_loss():
    """As a checkpoint of the first trainings names it; the class lived in another module, under another name."""
    stored = {
        "module": "retinanet.fit",
        "class_name": "_ScaledSmoothL1",
        "config": {"name": "smooth_l1", "reduction": "sum_over_batch_size", "beta": 0.1, "scale": 4.0},
        "registered_name": "counter_recognition>_ScaledSmoothL1",
    }
    assert keras.saving.deserialize_keras_object(stored).scale == 4.0
