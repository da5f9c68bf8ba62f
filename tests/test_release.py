"""Release files: the same answers in float32, the configuration inside, one line for what is no network of ours."""

import keras
import numpy as np
import pytest

from retinanet.config import Stage1Config, Stage2Config
from retinanet.model import build
from retinanet.release import ReleaseError, embedded_config, load, main, release

SMALL = {"channels": (4, 4, 4, 4, 4), "blocks": (1, 1, 1, 1), "fpn_channels": 4, "head_convs": 1}
CONFIGS = [Stage1Config((64, 64), **SMALL, orientations=3), Stage2Config((32, 96), **SMALL, margin=0.2)]


def trained(config, policy="float32"):
    """A small network with an optimizer, as training saves it."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        network = build(config)
    finally:
        keras.config.set_dtype_policy(before)
    network.compile(keras.optimizers.AdamW())
    network.optimizer.build(network.trainable_variables)
    return network


@pytest.mark.parametrize("config", CONFIGS, ids=["stage1", "stage2"])
def test_a_release_answers_as_the_network_computed_in_float32(tmp_path, config):
    network = trained(config, "mixed_bfloat16")
    network.save(tmp_path / "trained.keras")
    assert release(tmp_path / "trained.keras", tmp_path / "out.keras") == config
    released, found = load(tmp_path / "out.keras")
    assert found == config, "lists of the file are tuples again"
    reference = build(config)
    reference.set_weights(network.get_weights())
    batch = np.random.default_rng(0).integers(0, 256, (2, *config.input_size, 3), np.uint8)
    for name, value in reference.predict_on_batch(batch).items():
        np.testing.assert_allclose(released.predict_on_batch(batch)[name], value, atol=1e-5)
    assert (tmp_path / "out.keras").stat().st_size < (tmp_path / "trained.keras").stat().st_size
    assert {layer.compute_dtype for layer in released.layers} <= {"float32", "uint8"}


def test_the_average_of_networks(tmp_path):
    networks = [build(CONFIGS[1]) for _ in range(3)]
    paths = [tmp_path / f"{i}.keras" for i in range(3)]
    for network, path in zip(networks, paths, strict=True):
        network.save(path)
    assert main([str(paths[0]), str(tmp_path / "out.keras"), "--average_with", str(paths[1]), str(paths[2])]) == 0
    released, _ = load(tmp_path / "out.keras")
    for found, *parts in zip(released.get_weights(), *(n.get_weights() for n in networks), strict=True):
        np.testing.assert_allclose(found, np.mean(parts, axis=0), atol=1e-6)


def test_networks_of_different_shapes_are_not_averaged(tmp_path, capsys):
    for name, config in zip("ab", CONFIGS, strict=True):
        build(config).save(tmp_path / f"{name}.keras")
    assert main([str(tmp_path / "a.keras"), str(tmp_path / "o.keras"), "--average_with", str(tmp_path / "b.keras")])
    assert "another network" in capsys.readouterr().err and not (tmp_path / "o.keras").exists()


def test_loading_leaves_the_dtype_policy_as_it_was(tmp_path):
    trained(CONFIGS[1]).save(tmp_path / "n.keras")
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        load(tmp_path / "n.keras")
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")


def test_files_without_a_configuration_have_the_defaults():
    network = build(CONFIGS[0])
    network.get_layer("normalize").network = None
    assert embedded_config(network) == Stage1Config()


def test_weights_that_do_not_fit_are_refused_in_one_line(tmp_path):
    network = build(CONFIGS[1])
    network.get_layer("normalize").network = None  # the defaults are much larger
    network.save(tmp_path / "n.keras")
    with pytest.raises(ReleaseError, match=r"n\.keras: the weights do not fit") as caught:
        load(tmp_path / "n.keras")
    assert "\n" not in str(caught.value)


def test_what_is_no_network_of_ours_costs_one_line(tmp_path, capsys):
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name="other")
    other.save(tmp_path / "other.keras")
    (tmp_path / "text.keras").write_text("no zip")
    for name, wanted in (("other", "a model named 'other'"), ("text", "not a .keras file"), ("none", "no such file")):
        assert main([str(tmp_path / f"{name}.keras"), str(tmp_path / "out.keras")]) == 1
        error = capsys.readouterr().err
        assert wanted in error and error.count("\n") == 1
    assert not (tmp_path / "out.keras").exists()
