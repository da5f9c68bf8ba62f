"""The networks: shapes, saving and loading, decoding, and what is refused."""

import os

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from retinanet.anchors import box_anchors, decode_boxes, oriented_anchors
from retinanet.config import NetworkConfig, Stage1Config, Stage2Config
from retinanet.losses import ScaledSmoothL1, WeightedFocalLoss
from retinanet.model import build, detector, parameter_count
from retinanet.release import load

TINY = {"channels": (4, 8, 8, 8, 8), "blocks": (1, 1, 1, 1), "fpn_channels": 8, "head_convs": 1}
CONFIGS = {
    "stage1": (Stage1Config(input_size=(64, 64), **TINY), "corners", 8),
    "stage2": (Stage2Config(input_size=(32, 96), **TINY), "boxes", 4),
}


@pytest.fixture(autouse=True)
def policy():
    """Precision is a setting of the whole process."""
    yield
    keras.config.set_dtype_policy("float32")


def pictures(config, count=3):
    return np.random.default_rng(0).integers(0, 256, (count, *config.input_size, 3), dtype=np.uint8)


def shapes(network):
    return {name: output.shape for name, output in zip(network.output_names, network.outputs, strict=True)}


def answers_of(network, images):
    return {name: keras.ops.convert_to_numpy(value) for name, value in network(images, training=False).items()}


def trained(config, regression, size, precision):
    """A network after a few batches, with its optimizer, so that nothing in it is as it was made."""
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(precision)
    network = build(config)
    adam = keras.optimizers.AdamW(1e-3, use_ema=True)
    # Tracing graphs of networks that are run twice would take most of the time.
    losses = {"classes": WeightedFocalLoss(), regression: ScaledSmoothL1(4.0)}
    network.compile(adam, losses, run_eagerly=True)
    anchors, rng = shapes(network)["classes"][1], np.random.default_rng(2)
    targets = {
        "classes": rng.integers(0, 2, (3, anchors, len(config.classes) + 1)).astype(np.float32),
        regression: rng.random((3, anchors, size + 1), np.float32),
    }
    for _ in range(2):
        network.train_on_batch(pictures(config), targets)
    return network


@pytest.mark.parametrize("stage", CONFIGS)
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_a_saved_network_answers_the_same(stage, precision, tmp_path):
    config, regression, size = CONFIGS[stage]
    network = trained(config, regression, size, precision)
    answers = answers_of(network, pictures(config))
    assert {name: value.dtype for name, value in answers.items()} == {"classes": np.float32, regression: np.float32}
    network.save(tmp_path / "net.keras")
    keras.config.set_dtype_policy("float32")

    again = keras.models.load_model(tmp_path / "net.keras")
    for name, value in answers_of(again, pictures(config)).items():
        np.testing.assert_array_equal(value, answers[name], err_msg=f"{name}: as it was saved")
    assert int(again.optimizer.iterations) == 2
    for one, other in zip(again.optimizer.variables, network.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)

    in_float32, carried = load(tmp_path / "net.keras")
    assert carried == config, "the file tells its configuration"
    # bfloat16 has 8 bits: of logits about -4.6 that is 0.02, through a dozen layers a few times that.
    tolerance = 1e-5 if precision == "float32" else 0.15
    for name, value in answers_of(in_float32, pictures(config)).items():
        np.testing.assert_allclose(value, answers[name], atol=tolerance)


@pytest.mark.parametrize("stage", CONFIGS)
def test_decoding_in_the_network_is_decoding_in_numpy(stage, tmp_path):
    config, regression, size = CONFIGS[stage]
    network = trained(config, regression, size, "float32")
    raw = answers_of(network, pictures(config))
    whole = detector(network, config)
    answers = answers_of(whole, pictures(config))
    np.testing.assert_allclose(answers["probabilities"], 1 / (1 + np.exp(-raw["classes"])), atol=1e-6)
    if stage == "stage1":
        wanted = np.stack([oriented_anchors(config).decode(offsets) for offsets in raw["corners"]])
    else:
        wanted = np.stack([decode_boxes(deltas, box_anchors(config)) for deltas in raw["boxes"]])
    assert answers[regression].shape == wanted.shape
    np.testing.assert_allclose(answers[regression], wanted, atol=2e-4, err_msg="input pixels")
    whole.save(tmp_path / "detector.keras")
    again = answers_of(keras.models.load_model(tmp_path / "detector.keras"), pictures(config))
    np.testing.assert_array_equal(again[regression], answers[regression])


@pytest.mark.parametrize(
    ("config", "anchors", "regression"),
    [
        (Stage1Config(), (32 * 32 + 16 * 16 + 8 * 8) * 4, ("corners", 8)),
        (Stage2Config(), (320 + 80 + 20) * 3, ("boxes", 4)),
    ],
)
def test_the_networks_that_are_trained(config, anchors, regression):
    network = build(config)
    name, size = regression
    assert network.input_shape == (None, *config.input_size, 3) and network.inputs[0].dtype == "uint8"
    assert shapes(network) == {
        "classes": (None, anchors, len(config.classes)),
        name: (None, anchors, size),
    }
    assert 1e6 < parameter_count(network) < 4e6
    grey = answers_of(network, np.full((1, *config.input_size, 3), 128, np.uint8))
    assert np.abs(1 / (1 + np.exp(-grey["classes"])) - config.prior).max() < 0.01, "nothing is likely at the start"


def test_normalization_is_part_of_the_network():
    network = build(CONFIGS["stage1"][0])
    values = np.array([0, 51, 128, 255], np.uint8).reshape(1, 1, 4, 1).repeat(3, -1)
    found = keras.ops.convert_to_numpy(network.get_layer("normalize")(values))[0, 0, :, 0]
    np.testing.assert_allclose(found, [-1, -0.6, 128 / 127.5 - 1, 1], atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (Stage1Config, {"chanels": [1]}, r"unknown keys \['chanels'\]; known are"),
        (Stage1Config, {"input_size": [100, 100]}, "positive multiples of 32, wanted; .100, 100. came"),
        (Stage1Config, {"input_size": [0, 0]}, "positive multiples of 32"),
        (Stage1Config, {"input_size": 256}, "Stage1Config"),
        (Stage1Config, {"input_size": [64, 320]}, "a square wanted"),
        (Stage1Config, {"orientations": 0}, "orientations: a whole number of at least 1"),
        (Stage2Config, {"orientations": 4}, "unknown keys"),
        (Stage2Config, {"channels": [8, 8]}, "channels: 5 whole numbers"),
        (Stage2Config, {"channels": [8, 8, 8, 8, 0]}, "channels: 5 whole numbers of at least 1"),
        (Stage2Config, {"blocks": [1, 1, 1, -1]}, "blocks: 4 whole numbers of at least 0"),
        (Stage2Config, {"fpn_channels": 0}, "fpn_channels: a whole number"),
        (Stage2Config, {"head_convs": 1.5}, "head_convs: a whole number"),
        (Stage2Config, {"prior": 1.0}, "prior: a number between 0 and 1"),
        (Stage2Config, {"anchors": [[[4, 4]], [[8, 8]]]}, "anchors: 3 levels"),
        (Stage2Config, {"anchors": [[[4, 4]], [[8, 8]], [[8, 8], [9, 9]]]}, "equally many shapes"),
        (Stage2Config, [1, 2], "names and values wanted, list came"),
    ],
)
def test_wrong_configurations_are_refused(kind, values, message):
    with pytest.raises(ValueError, match=message):
        kind.from_dict(values)


def test_configurations_go_through_json():
    import json

    for config, _, _ in CONFIGS.values():
        assert type(config).from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_unknown_networks_are_refused():
    with pytest.raises(ValueError, match=r"backbone 'resnet' is unknown; there are \['residual', 'yolov8'\]"):
        build(Stage1Config(backbone="resnet"))
    with pytest.raises(ValueError, match="expected a Stage1Config or a Stage2Config, not NetworkConfig"):
        build(NetworkConfig((64, 64), **TINY))


def test_the_keras_cv_backbone_makes_the_same_outputs():
    config = Stage1Config(input_size=(64, 64), backbone="yolov8", **{**TINY, "channels": (8, 16, 16, 16, 16)})
    network = build(config)
    assert shapes(network) == shapes(build(CONFIGS["stage1"][0]))
