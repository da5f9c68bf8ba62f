"""Exports: ONNX and SavedModel answer as Keras does, int8 nearly, and what cannot be exported is named."""

import keras
import numpy as np
import pytest

from reader.runtime import OnnxNetwork
from retinanet.config import Stage1Config, Stage2Config
from retinanet.export import quantize_onnx, save_onnx
from retinanet.model import build, detector
from retinanet.onnx_graph import ExportError, to_onnx
from training.export import largest_difference, save_savedmodel, savedmodel_network

SMALL = {"channels": (4, 6, 6, 8, 8), "blocks": (1, 1, 2, 1), "fpn_channels": 8, "head_convs": 2}
CONFIGS = [
    Stage1Config((64, 64), **SMALL),
    Stage1Config((96, 96), **SMALL, orientations=3),
    Stage2Config((32, 160), **SMALL),  # odd feature maps: 160 / 32 = 5, where "same" pads unevenly
]


def made_detector(config, seed=0):
    """An untrained network whose batch statistics and biases are not the trivial ones."""
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    network = build(config)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            spread = ((rng.uniform, 0.5, 1.5), (rng.normal, 0, 0.2), (rng.normal, 0, 0.2), (rng.uniform, 0.5, 2))
            layer.set_weights([draw(low, high, shape) for draw, low, high in spread])  # gamma, beta, mean, variance
    return detector(network, config)


def pictures(config, count, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (count, *config.input_size, 3), np.uint8)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{type(c).__name__}{c.input_size}")
@pytest.mark.parametrize("count", [1, 3])
def test_onnx_answers_as_keras(tmp_path, config, count):
    model = made_detector(config)
    save_onnx(model, tmp_path / "n.onnx")
    batch = pictures(config, count)
    assert largest_difference(model.predict_on_batch(batch), OnnxNetwork(tmp_path / "n.onnx", 1)(batch)) < 1e-3


def test_batch_normalisation_is_folded():
    kinds = {node.op_type for node in to_onnx(made_detector(CONFIGS[2])).graph.node}
    assert "BatchNormalization" not in kinds and "Conv" in kinds


def test_a_savedmodel_has_a_named_signature_for_any_batch(tmp_path):
    import tensorflow as tf

    model = made_detector(CONFIGS[0])
    save_savedmodel(model, tmp_path / "stage1" / "1")
    signature = tf.saved_model.load(str(tmp_path / "stage1" / "1")).signatures["serving_default"]
    (image,) = signature.structured_input_signature[1].values()
    assert (image.name, image.dtype, image.shape.as_list()) == ("image", tf.uint8, [None, 64, 64, 3])
    network = savedmodel_network(tmp_path / "stage1" / "1")
    for count in (1, 3):
        batch = pictures(CONFIGS[0], count)
        assert largest_difference(model.predict_on_batch(batch), network(batch)) < 1e-3


def test_int8_is_smaller_and_near(tmp_path):
    config = Stage2Config((32, 160), **{**SMALL, "channels": (16, 32, 32, 48, 64)})
    model = made_detector(config)
    save_onnx(model, tmp_path / "n.onnx")
    quantize_onnx(tmp_path / "n.onnx", tmp_path / "q.onnx", list(pictures(config, 8)))
    assert (tmp_path / "q.onnx").stat().st_size < 0.75 * (tmp_path / "n.onnx").stat().st_size
    batch = pictures(config, 2)
    first, second = (OnnxNetwork(tmp_path / name, 1)(batch) for name in ("n.onnx", "q.onnx"))
    assert np.abs(first["probabilities"] - second["probabilities"]).max() < 0.05


def test_unknown_layers_are_named():
    image = keras.Input((32, 32, 3), dtype="uint8", name="image")
    x = keras.layers.DepthwiseConv2D(3, name="odd_one")(keras.ops.cast(image, "float32"))
    with pytest.raises(ExportError, match="odd_one"):
        to_onnx(keras.Model(image, {"probabilities": x}))


def test_other_names_or_shapes_are_no_answers_to_compare():
    with pytest.raises(ValueError, match="wanted"):
        largest_difference({"a": np.zeros(2)}, {"a": np.zeros(3)})
    assert largest_difference({"a": np.zeros((0, 4))}, {"a": np.zeros((0, 4))}) == 0.0
