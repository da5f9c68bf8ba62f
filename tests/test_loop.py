"""The training loop: a killed run goes on as if it had not been killed, and no save destroys the last good file."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from training import loop
from training.loop import EpochEnd, Feed, fit, optimizer, prepare, read_state, save_atomic
from training.run import RunConfig

ROOT = Path(__file__).resolve().parent.parent
WANTED = np.random.default_rng(9).normal(size=(6, 2)).astype(np.float32)


@pytest.fixture(autouse=True)
def policy():
    yield
    keras.config.set_dtype_policy("float32")


def run_in(folder, **changes):
    settings = {"epochs": 4, "steps_per_epoch": 5, "batch_size": 8, "warmup_steps": 6, "ema": 0.9, "seed": 3}
    settings |= {"precision": "float32"} | changes
    return RunConfig("tiny", folder / "best.keras", folder / "logs", folder / "checkpoints", **settings)


def network():
    """With batch statistics, which are weights that no gradient moves."""
    image = keras.Input((6,), name="image")
    x = keras.layers.BatchNormalization()(keras.layers.Dense(8)(image))
    return keras.Model(image, {"answer": keras.layers.Dense(2, name="answer")(keras.layers.ReLU()(x))})


def make(index, rng):
    image = rng.normal(size=6).astype(np.float32)
    return image, {"answer": image @ WANTED + 0.01 * index}


def train(run, resume=False, evaluate=None, callbacks=(), measured_on=""):
    model, state = prepare(network, {"answer": keras.losses.MeanSquaredError()}, run, resume)
    feed = Feed(make, [1, 2, 3], run, int(state.get("epoch", 0)))
    evaluate = evaluate or (lambda model, epoch: {"score": float(epoch)})
    return fit(model, feed, run, state, evaluate, "score", callbacks, 0, measured_on), model


class Kill(keras.callbacks.Callback):
    """Ends the process's training in the middle of an epoch, as a kill does: nothing is saved, nothing cleaned up."""

    def __init__(self, epoch, batch=3):
        super().__init__()
        self.at, self.batch, self.epoch = epoch, batch, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (self.at, self.batch):
            raise KeyboardInterrupt


@pytest.mark.parametrize("resume", [False, True])
def test_a_step_is_traced_once(resume, tmp_path, monkeypatch):
    """Tracing a RetinaNet's step takes ten seconds."""
    if resume:
        train(run_in(tmp_path, epochs=1))
    traced = []
    step = keras.Model.train_step
    monkeypatch.setattr(keras.Model, "train_step", lambda self, data: (traced.append(1), step(self, data))[1])
    train(run_in(tmp_path, epochs=2), resume)
    assert len(traced) == 1


def stored(path):
    model = keras.models.load_model(path)
    return [w.numpy() for w in model.weights], [v.numpy() for v in model.optimizer.variables]


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_a_resumed_run_ends_with_the_same_weights(kind, tmp_path):
    whole, killed = run_in(tmp_path / "whole", optimizer=kind), run_in(tmp_path / "killed", optimizer=kind)
    (first, _) = train(whole)
    with pytest.raises(KeyboardInterrupt):
        train(killed, callbacks=[Kill(2)])
    assert read_state(killed.checkpoints / "latest.keras")["epoch"] == 2
    second, _ = train(killed, resume=True)
    assert second.epoch == [2, 3]
    for name in ("latest", "best"):
        files = [(r.checkpoints / "latest.keras") if name == "latest" else r.output for r in (whole, killed)]
        (weights, state), (weights2, state2) = map(stored, files)
        assert len(state) > len(weights) // 2, "optimizer and averages are in the file"
        for one, other in zip(weights + state, weights2 + state2, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)
    assert first.history["loss"][2:] == second.history["loss"]
    assert first.history["learning_rate"][2:] == second.history["learning_rate"], "the schedule goes on"


def test_a_kill_between_two_files_does_no_harm(tmp_path, monkeypatch):
    """Weights, optimizer and epoch are one file: a .json that is older or gone changes nothing."""
    whole, killed = run_in(tmp_path / "whole"), run_in(tmp_path / "killed")
    train(whole)
    written = loop.write_json_atomic

    def die(path, content):
        if path.name == "latest.json" and content["epoch"] == 3:
            raise KeyboardInterrupt
        written(path, content)

    monkeypatch.setattr(loop, "write_json_atomic", die)
    with pytest.raises(KeyboardInterrupt):
        train(killed)
    monkeypatch.undo()
    assert json.loads((killed.checkpoints / "latest.json").read_text())["epoch"] == 2
    again, _ = train(killed, resume=True)
    assert again.epoch == [3]
    for one, other in zip(stored(whole.output)[0], stored(killed.output)[0], strict=True):
        np.testing.assert_array_equal(one, other)


def test_checkpoints_of_earlier_versions_resume(tmp_path):
    """They have their epoch in latest.json only."""
    run = run_in(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(run, callbacks=[Kill(2)])
    file = run.checkpoints / "latest.keras"
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if name != "run_state.json"}
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    assert train(run, resume=True)[0].epoch == [2, 3]


def test_more_epochs_and_another_rate_can_be_asked_for(tmp_path):
    train(run_in(tmp_path, epochs=2))
    history, model = train(run_in(tmp_path, epochs=3, learning_rate=1e-2), resume=True)
    assert history.epoch == [2] and int(model.optimizer.iterations) == 15


def test_a_run_that_is_done_says_so(tmp_path, capsys):
    train(run_in(tmp_path, epochs=2))
    history, _ = train(run_in(tmp_path, epochs=2), resume=True)
    assert history.epoch == [] and "nothing to do: 2 epochs are done, --epochs asks for 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no checkpoint .*latest.keras; start without the flag"),
        (b"", "latest.keras is no checkpoint of a run"),
        (b"PK\x03\x04 cut off", "latest.keras is no checkpoint of a run"),
    ],
)
def test_what_cannot_be_resumed_is_refused_in_one_line(content, message, tmp_path):
    run = run_in(tmp_path)
    if content is not None:
        run.checkpoints.mkdir(parents=True)
        (run.checkpoints / "latest.keras").write_bytes(content)
    with pytest.raises((FileNotFoundError, ValueError), match=message) as caught:
        train(run, resume=True)
    assert "\n" not in str(caught.value)


def test_another_optimizer_is_refused(tmp_path):
    train(run_in(tmp_path, epochs=1))
    with pytest.raises(ValueError, match="has the state of the optimizer AdamW; SGD wanted"):
        train(run_in(tmp_path, epochs=2, optimizer="sgd"), resume=True)


def full_disk(self, path, *args, **kwargs):
    Path(path).write_bytes(b"half a fi")
    raise OSError(28, "No space left on device")


def no_rename(self, target):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("fault", ["save", "rename", "state"])
def test_a_full_disk_leaves_the_last_good_files(fault, tmp_path, monkeypatch):
    run = run_in(tmp_path, epochs=2)
    train(run)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*.keras")} | {
        p: p.read_bytes() for p in tmp_path.rglob("latest.json")
    }
    assert len(before) == 3
    if fault == "save":
        monkeypatch.setattr(keras.Model, "save", full_disk)
    elif fault == "rename":
        monkeypatch.setattr(Path, "replace", no_rename)
    else:
        monkeypatch.setattr(zipfile.ZipFile, "writestr", full_disk_in_zip(zipfile.ZipFile.writestr))
    with pytest.raises(OSError, match="No space left"):
        train(run_in(tmp_path, epochs=4), resume=True)
    monkeypatch.undo()
    assert (run.checkpoints / "latest.keras").read_bytes() == before[run.checkpoints / "latest.keras"]
    if fault != "state":  # the best weights were saved before the checkpoint failed
        assert {p: p.read_bytes() for p in before} == before
    keras.models.load_model(run.output)
    assert not list(tmp_path.rglob(".*")), "no halves are left behind"
    assert train(run_in(tmp_path, epochs=4), resume=True)[0].epoch == [2, 3]


def full_disk_in_zip(write):
    def fail(self, name, data, *args, **kwargs):
        if name == "run_state.json":
            raise OSError(28, "No space left on device")
        return write(self, name, data, *args, **kwargs)

    return fail


def test_a_kill_during_a_save_leaves_the_last_good_file(tmp_path):
    """A real process, killed while it writes."""
    target = tmp_path / "net.keras"
    code = f"""
import os, signal, sys
from types import ModuleType, SimpleNamespace
sys.path.insert(0, {str(ROOT)!r})
sys.modules["keras"] = stub = ModuleType("keras")  # nothing of it is used here, and it takes seconds to import
stub.utils, stub.callbacks = SimpleNamespace(PyDataset=object), SimpleNamespace(Callback=object)
from pathlib import Path
from training.loop import save_atomic
class Network:
    def save(self, path):
        Path(path).write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)
save_atomic(Network(), Path({str(target)!r}))
"""
    model = network()
    save_atomic(model, target)
    before = target.read_bytes()
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -9 and target.read_bytes() == before


def test_a_loss_that_is_no_number_stops_the_run(tmp_path, capsys, monkeypatch):
    run = run_in(tmp_path, epochs=4)
    train(run_in(tmp_path, epochs=1))
    before = (run.checkpoints / "latest.keras").read_bytes()

    sound = make

    def diverges(index, rng):
        image, targets = sound(index, rng)
        return image, {"answer": targets["answer"] * np.float32(np.nan)}

    monkeypatch.setitem(globals(), "make", diverges)
    history, _ = train(run, resume=True)
    assert history.epoch == [1], "stopped at once"
    assert "epoch 2: the loss is nan; try a smaller --learning_rate" in capsys.readouterr().out
    assert (run.checkpoints / "latest.keras").read_bytes() == before, "the checkpoint is the last good one"


def test_the_averaged_weights_are_saved_and_training_goes_on_with_its_own(tmp_path):
    seen = []

    def evaluate(model, epoch):
        seen.append([w.numpy() for w in model.trainable_variables])
        return {"score": epoch}

    run = run_in(tmp_path, epochs=2)
    train(run, evaluate=evaluate)
    best = keras.models.load_model(run.output)
    for one, other in zip(best.trainable_variables, seen[-1], strict=True):
        np.testing.assert_array_equal(one.numpy(), other)
    latest = keras.models.load_model(run.checkpoints / "latest.keras")
    assert any((a.numpy() != b).any() for a, b in zip(latest.trainable_variables, seen[-1], strict=True))
    for average, other in zip(latest.optimizer._model_variables_moving_average, seen[-1], strict=True):
        np.testing.assert_array_equal(average.numpy(), other)


@pytest.mark.parametrize(
    ("scores", "patience", "epochs", "best_epoch"),
    [
        ([1, 3, 2, 2], 0, 4, 1),  # the best, not the last
        ([1, 3, 2, 2, 9], 2, 4, 1),  # two epochs without a gain end the run
        ([0, 0, 0], 0, 3, 2),  # without validation pictures: the last
        ([1, 1, 1, 1], 2, 3, 2),  # no gain is no gain
    ],
)
def test_the_best_weights_and_patience(scores, patience, epochs, best_epoch, tmp_path):
    weights = []

    def evaluate(model, epoch):
        weights.append(model.trainable_variables[0].numpy())
        return {"score": scores[epoch]}

    run = run_in(tmp_path, epochs=len(scores), patience=patience)
    history, _ = train(run, evaluate=evaluate)
    assert len(history.epoch) == epochs
    np.testing.assert_array_equal(
        keras.models.load_model(run.output).trainable_variables[0].numpy(), weights[best_epoch]
    )


def test_a_best_value_on_other_pictures_does_not_count(tmp_path):
    run = run_in(tmp_path)
    state = {"best": 0.9, "waited": 3, "measured_on": "these"}
    same, other = (EpochEnd(run, lambda m, e: {}, "score", state, name) for name in ("these", "others"))
    assert (same.best, same.waited) == (0.9, 3) and (other.best, other.waited) == (-np.inf, 0)


def test_batches_are_the_same_whoever_makes_them(tmp_path):
    run = run_in(tmp_path)
    one, other = (Feed(make, [1, 2, 3], run, first) for first in (0, 2))
    assert len(one) == 5 and one[0][0].shape == (8, 6)
    assert not (one[0][0] == one[1][0]).any()
    first = one[0][0]
    one.on_epoch_end()
    assert not (one[0][0] == first).any(), "another epoch, other views"
    one.on_epoch_end()
    np.testing.assert_array_equal(one[3][0], other[3][0])


def test_samples_are_drawn_by_their_weights(tmp_path):
    drawn = []
    feed = Feed(
        lambda index, rng: (drawn.append(index) or np.zeros(1), {"a": np.zeros(1)}),
        [1, 0, 3],
        run_in(tmp_path, batch_size=4000),
        0,
    )
    feed[0]
    assert drawn.count(1) == 0 and drawn.count(2) / drawn.count(0) == pytest.approx(3, rel=0.15)


@pytest.mark.parametrize("step,wanted", [(0, 2e-5), (100, 1.01e-3), (200, 2e-3), (2100, 1.01e-3), (4000, 2e-5)])
def test_schedule(step, wanted, tmp_path):
    """Warm-up from a hundredth over 200 steps, then half a cosine down to a hundredth."""
    run = run_in(tmp_path, epochs=40, steps_per_epoch=100, warmup_steps=200)
    adam = optimizer(run)
    adam.build([keras.Variable(np.zeros(2, np.float32))])
    adam.iterations.assign(step)
    assert float(keras.ops.convert_to_numpy(adam.learning_rate)) == pytest.approx(wanted, rel=0.02)


def test_an_unknown_optimizer_is_refused(tmp_path):
    with pytest.raises(ValueError, match="optimizer 'adam' is unknown; there are"):
        optimizer(run_in(tmp_path, optimizer="adam"))


TWO_DEVICES = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
from pathlib import Path
import numpy as np, tensorflow as tf, keras
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
from training import loop
import test_loop
loop._gpus = lambda: ["CPU:0", "CPU:1"]
run = test_loop.run_in(Path({out!r}), epochs=2)
history, model = test_loop.train(run)
assert model.distribute_strategy.num_replicas_in_sync == 2
history, model = test_loop.train(test_loop.run_in(Path({out!r}), epochs=3), resume=True)
assert model.distribute_strategy.num_replicas_in_sync == 2 and history.epoch == [2], history.epoch
try:
    test_loop.train(test_loop.run_in(Path({out!r}), batch_size=1))
except ValueError as error:
    print(error)
print(history.history["loss"])
"""


def test_several_gpus_share_each_batch(tmp_path):
    """Two logical CPUs stand for two GPUs; the file is one that a single device reads."""
    code = TWO_DEVICES.format(root=str(ROOT), tests=str(ROOT / "tests"), out=str(tmp_path / "two"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "training on 2 GPUs" in done.stdout
    assert "--batch_size of at least 2 wanted, a picture for each GPU; 1 came" in done.stdout
    one = run_in(tmp_path / "one", epochs=1)
    train(one)
    for a, b in zip(
        stored(one.output)[0], keras.models.load_model(tmp_path / "two" / "best.keras").weights, strict=True
    ):
        assert a.shape == b.shape
