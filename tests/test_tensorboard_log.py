from types import SimpleNamespace

import keras
import numpy as np
import pytest

from training.preview import evenly
from training.run import RunConfig
from training.tensorboard_log import ConfigurationText, Watch, averaged_weights, markdown_table, validation_losses

X = np.arange(8, dtype=np.float32).reshape(4, 2)
Y = X.sum(1, keepdims=True)


def read_events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    return accumulator


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    image = keras.Input((2,))
    network = keras.Model(image, {"out": keras.layers.Dense(1, name="out")(image)})
    averaging = keras.optimizers.SGD(0.01, use_ema=True, ema_momentum=0.5)
    network.compile(averaging, loss={"out": keras.losses.MeanSquaredError()})
    return network


def test_within_the_block_the_model_has_its_averaged_weights(model):
    model.fit(X, {"out": Y}, epochs=3, batch_size=2, verbose=0)
    model.layers[-1].kernel.assign([[5.0], [7.0]])  # fit ends with the averages in place
    average = np.asarray(model.optimizer._model_variables_moving_average[0])
    with pytest.raises(RuntimeError), averaged_weights(model):
        assert np.array_equal(model.layers[-1].kernel, average)
        raise RuntimeError
    assert np.array_equal(model.layers[-1].kernel, [[5.0], [7.0]]), "its own again, also after a fault"


@pytest.mark.parametrize(
    ("batch_size", "wanted", "reason"),
    [(4, 7.5, "all at once"), (2, 7.5, "the mean of 2.5 and 12.5"), (3, (14 / 3 + 16) / 2, "a last smaller batch")],
)
def test_validation_losses_are_the_mean_over_batches(batch_size, wanted, reason):
    targets, outputs = (
        {"a": np.zeros((4, 1)), "b": np.zeros((4, 1))},
        {"a": np.arange(1.0, 5)[:, None], "b": np.ones((4, 1))},
    )
    losses = {"a": keras.losses.MeanSquaredError(), "b": keras.losses.MeanSquaredError()}
    told = validation_losses(losses, targets, outputs, batch_size)
    assert told["a_loss"] == pytest.approx(wanted), reason
    assert told["b_loss"] == pytest.approx(1)
    assert told["loss"] == pytest.approx(wanted + 1)


def test_a_run_shows_losses_measures_pictures_configuration_and_the_graph(tmp_path, model):
    run = RunConfig("stage1", tmp_path / "o.keras", tmp_path / "logs", tmp_path / "c", learning_rate=0.125)
    sheet = np.full((10, 20, 3), 200, np.uint8)
    watch = Watch(run.logs, X, {"out": Y}, 4, lambda outputs: ({"map": float(len(outputs["out"]))}, sheet))
    board = keras.callbacks.TensorBoard(str(run.logs), write_graph=True, update_freq="epoch")
    history = model.fit(
        X, {"out": Y}, epochs=2, verbose=0, callbacks=[ConfigurationText(run, {"strides": (8, 16)}), watch, board]
    ).history
    assert history["val_map"] == [4.0, 4.0]
    assert history["val_loss"] == history["val_out_loss"]
    train, validation = read_events(run.logs / "train"), read_events(run.logs / "validation")
    assert {"epoch_loss", "configuration/run", "configuration/network", "keras"} <= set(train.Tags()["tensors"])
    (text,) = train.Tensors("configuration/run")
    assert "| learning_rate | `0.125` |" in text.tensor_proto.string_val[0].decode()
    assert {"epoch_loss", "epoch_map", "predictions"} <= set(validation.Tags()["tensors"])
    assert len(validation.Tensors("predictions")) == 2


def test_a_run_that_has_diverged_is_not_watched(tmp_path):
    watch = Watch(tmp_path, X, {"out": Y}, 4, lambda outputs: pytest.fail("not called"))
    watch.set_model(SimpleNamespace())
    logs = {"loss": float("nan")}
    watch.on_epoch_end(0, logs)
    assert logs.keys() == {"loss"}


@pytest.mark.parametrize(
    ("count", "most", "wanted"), [(3, 5, [0, 1, 2]), (5, 3, [0, 2, 4]), (10, 2, [0, 9]), (0, 3, [])]
)
def test_evenly(count, most, wanted):
    assert evenly(list(range(count)), most) == wanted


def test_markdown_table():
    assert markdown_table({"a": 1}) == "| setting | value |\n|---|---|\n| a | `1` |"
