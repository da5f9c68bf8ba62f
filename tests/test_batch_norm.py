"""training/batch_norm.py: the fused operation does what Keras does, and its files are as Keras's."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from training.batch_norm import FusedBatchNormalization

RNG = np.random.default_rng(7)


def pair(dtype="float32", channels=5, **settings):
    """Both layers with the same weights, unlike those of a fresh layer."""
    both = [kind(dtype=dtype, **settings) for kind in (keras.layers.BatchNormalization, FusedBatchNormalization)]
    weights = [RNG.uniform(0.5, 2, channels).astype(np.float32) for _ in range(4)]
    for layer in both:
        layer.build((None, 6, 7, channels))
        layer.set_weights(weights)
    return both


def step(layer, maps):
    """Outputs, gradients of input, gamma and beta, and the moving statistics after a training step."""
    maps = tf.constant(maps)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        out = layer(maps, training=True)
        loss = tf.reduce_sum(tf.cast(out, tf.float32) ** 3)
    gradients = tape.gradient(loss, [maps, layer.gamma.value, layer.beta.value])
    kept = (layer.moving_mean.value, layer.moving_variance.value)
    return [tf.cast(v, tf.float32).numpy() for v in (out, *gradients, *kept)]


@pytest.mark.parametrize("shape", [(3, 6, 7, 5), (1, 2, 1, 5), (1, 1, 1, 5)])
def test_a_training_step_is_that_of_keras(shape):
    maps = (RNG.normal(size=shape) * 3 + 1).astype(np.float32)
    for own, theirs in zip(*[step(layer, maps) for layer in pair(momentum=0.9)], strict=True):
        np.testing.assert_allclose(own, theirs, rtol=2e-3, atol=2e-3)


def test_a_training_step_in_half_precision_is_that_of_keras():
    maps = (RNG.normal(size=(8, 6, 7, 5)) * 3 + 1).astype(np.float32)
    steps = [step(layer, tf.cast(maps, tf.bfloat16)) for layer in pair("mixed_bfloat16")]
    for name, own, theirs in zip(["out", "maps", "gamma", "beta", "mean", "variance"], *steps, strict=True):
        error = np.abs(own - theirs).max() / np.abs(theirs).max()
        assert error < 0.02, (name, error)  # bfloat16 has eight bits


def test_answers_are_those_of_keras_and_a_frozen_layer_learns_nothing():
    maps = RNG.normal(size=(2, 6, 7, 5)).astype(np.float32)
    theirs, own = pair()
    np.testing.assert_array_equal(own(maps), theirs(maps))
    own.trainable = False
    before = own.get_weights()
    np.testing.assert_array_equal(own(maps, training=True), theirs(maps))
    for a, b in zip(own.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("settings", [{"axis": 1}, {"scale": False}, {"center": False}])
def test_what_the_operation_cannot_do_is_left_to_keras(settings):
    maps = RNG.normal(size=(2, 5, 5, 5)).astype(np.float32)
    own = FusedBatchNormalization(**settings)
    theirs = keras.layers.BatchNormalization(**settings)
    for _ in range(2):
        np.testing.assert_allclose(own(maps, training=True), theirs(maps, training=True), rtol=1e-5, atol=1e-5)


def test_rows_without_height_are_left_to_keras():
    rows = RNG.normal(size=(6, 5)).astype(np.float32)
    out = FusedBatchNormalization()(rows, training=True)
    np.testing.assert_allclose(out, keras.layers.BatchNormalization()(rows, training=True), rtol=1e-5)


def test_a_saved_network_has_it(tmp_path):
    image = keras.Input((6, 7, 3))
    network = keras.Model(image, FusedBatchNormalization(momentum=0.9, name="bn")(image))
    network.compile("sgd", "mse")
    x = RNG.normal(size=(4, 6, 7, 3)).astype(np.float32)
    network.fit(x, x, verbose=0)
    network.save(tmp_path / "n.keras")
    again = keras.models.load_model(tmp_path / "n.keras")
    assert type(again.get_layer("bn")) is FusedBatchNormalization
    np.testing.assert_array_equal(again.predict(x, verbose=0), network.predict(x, verbose=0))
    assert np.abs(network.get_layer("bn").get_weights()[2]).max() > 0, "no moving mean was kept"
