"""The training loop: compile, feed, callbacks, checkpoints, resume. Knows no architecture.

A run writes three things: `output` (the best weights so far, with optimizer state), `checkpoints/<name>/latest.keras`
(everything that a killed run needs to go on, the epoch included: one file, so that its parts cannot disagree) and
TensorBoard logs. Each file is written under another name first and then renamed, so a full disk or a kill during a save
leaves the last good file as it was.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from training import workers
from training.precision import policy
from training.run import OPTIMIZERS, RunConfig

Batch = tuple[np.ndarray, dict[str, np.ndarray]]
Example = tuple[np.ndarray, dict[str, np.ndarray]]

#: Beside Keras' own members in latest.keras, which is a zip archive.
_STATE = "run_state.json"


class Feed(keras.utils.PyDataset):
    """Batches made on the fly; batch i of epoch e is the same whenever and wherever it is made.

    Of several workers each makes every so many-th sample of a batch; together they make the batch that one would make.

    Args:
        make: (index of the sample, generator) -> (image, targets by name).
        weights: chance of each sample to be drawn, any scale.
        run: batch size, steps, seed, workers.
        first_epoch: the epoch at which this process begins.
    """

    def __init__(
        self,
        make: Callable[[int, np.random.Generator], Example],
        weights: Sequence[float],
        run: RunConfig,
        first_epoch: int,
    ):
        super().__init__(workers=run.workers, use_multiprocessing=False, max_queue_size=8)
        self.make, self.run, self.epoch = make, run, first_epoch
        self.chance = np.asarray(weights, np.float64) / np.sum(weights)
        among = workers.current()
        self.mine = range(among.index, run.batch_size, among.count)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.run.steps_per_epoch

    def __getitem__(self, index: int) -> Batch:
        """Batch `index` of the present epoch."""
        seed = [self.run.seed, self.epoch, index]
        chosen = np.random.default_rng(seed).choice(len(self.chance), self.run.batch_size, p=self.chance)
        # A generator for each sample; from 1, since a seed with a 0 behind it is the same seed.
        return stack([self.make(int(chosen[i]), np.random.default_rng([*seed, i + 1])) for i in self.mine])

    def on_epoch_end(self) -> None:
        """Other views in the next epoch."""
        self.epoch += 1


def stack(examples: Sequence[Example]) -> Batch:
    """Examples -> a batch."""
    targets = {name: np.stack([e[1][name] for e in examples]) for name in examples[0][1]}
    return np.stack([e[0] for e in examples]), targets


def optimizer(run: RunConfig) -> keras.optimizers.Optimizer:
    """The run's optimizer with warm-up, cosine decay and a moving average of the weights.

    Raises:
        ValueError: an optimizer that is not known.
    """
    if run.optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer {run.optimizer!r} is unknown; there are {sorted(OPTIMIZERS)}")
    steps = max(run.epochs * run.steps_per_epoch, 1)
    warmup = min(run.warmup_steps, steps // 2)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=run.learning_rate * 0.01,
        decay_steps=max(steps - warmup, 1),
        alpha=0.01,
        warmup_target=run.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    if not warmup:
        schedule.initial_learning_rate = run.learning_rate
    kind, settings = OPTIMIZERS[run.optimizer]
    chosen = getattr(keras.optimizers, kind)(
        schedule, weight_decay=run.weight_decay, global_clipnorm=5.0, use_ema=True, ema_momentum=run.ema, **settings
    )
    chosen.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return chosen


def fingerprint(samples: Sequence[Any]) -> str:
    """A short name of exactly these validation samples, by theirs."""
    return hashlib.sha256("\n".join(s.name for s in samples).encode()).hexdigest()[:16]


def save_atomic(model: keras.Model, path: Path, state: dict[str, Any] | None = None) -> None:
    """Writes a .keras file whole or not at all; `state` goes into the same file.

    Raises:
        OSError: the disk is full or the folder cannot be written; the file at `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.keras")
    try:
        model.save(partial)
        if state is not None:
            with zipfile.ZipFile(partial, "a") as archive:
                archive.writestr(_STATE, _json(state))
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_state(path: Path) -> dict[str, Any]:
    """What `save_atomic` stored beside the weights; files from before that have it in a .json beside them.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no .keras file, or holds no state.
    """
    if not path.exists():
        raise FileNotFoundError(f"--resume_training: there is no checkpoint {path}; start without the flag")
    try:
        with zipfile.ZipFile(path) as archive:
            if _STATE in archive.namelist():
                return dict(json.loads(archive.read(_STATE)))
        return dict(json.loads(path.with_suffix(".json").read_text()))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"--resume_training: {path} is no checkpoint of a run ({error})") from error


def write_json_atomic(path: Path, content: Any) -> None:
    """Writes a JSON file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(_json(content))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _json(content: Any) -> str:
    return json.dumps(content, indent=1, default=str)


class EpochEnd(keras.callbacks.Callback):
    """After each epoch: checkpoint, validate the averaged weights, keep the best, stop when it no longer helps.

    Args:
        run: where to write.
        evaluate: the model with averaged weights -> measures by name; those go to the logs as `val_<name>`.
        best_by: the measure that decides, larger is better.
        state: best value and epochs since, from a checkpoint.
        measured_on: names the validation pictures; a best value measured on others does not count.
    """

    def __init__(
        self,
        run: RunConfig,
        evaluate: Callable[[keras.Model, int], dict[str, float]],
        best_by: str,
        state: dict[str, Any],
        measured_on: str = "",
    ):
        super().__init__()
        self.run, self.evaluate, self.best_by, self.measured_on = run, evaluate, best_by, measured_on
        comparable = state.get("measured_on", "") == measured_on
        self.best = float(state.get("best", -math.inf)) if comparable else -math.inf
        self.waited = int(state.get("waited", 0)) if comparable else 0
        self.started = time.perf_counter()

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Starts the clock."""
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """See the class."""
        logs = {} if logs is None else logs
        together = workers.current()
        logs.update(together.means(logs))
        together.average(self.model.non_trainable_variables)
        pictures = self.run.steps_per_epoch * self.run.batch_size
        logs["pictures_per_second"] = pictures / (time.perf_counter() - self.started)
        logs["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        if not math.isfinite(logs.get("loss", 0.0)):
            print(f"epoch {epoch + 1}: the loss is {logs['loss']}; try a smaller --learning_rate")
            self.model.stop_training = True
            return
        if together.first:
            self._validate_and_save(epoch, logs)
        self.model.stop_training = together.decided(self.model.stop_training)

    def _validate_and_save(self, epoch: int, logs: dict[str, float]) -> None:
        self._swap()
        try:
            measures = self.evaluate(self.model, epoch)
            logs.update({f"val_{k}": v for k, v in measures.items()})
            value = measures[self.best_by]
            self.waited = 0 if value > self.best else self.waited + 1
            if value >= self.best:  # of equals the later; without validation pictures all are equal
                self.best = value
                save_atomic(self.model, self.run.output)
        finally:
            self._swap()
        state = {
            "epoch": epoch + 1,
            "best": self.best,
            "waited": self.waited,
            "measured_on": self.measured_on,
            "run": dataclasses.asdict(self.run),
        }
        save_atomic(self.model, self.run.checkpoints / "latest.keras", state)
        write_json_atomic(self.run.checkpoints / "latest.json", state)  # for people; resuming does not need it
        shown = "  ".join(f"{k} {v:.4g}" for k, v in logs.items())
        print(f"\nepoch {epoch + 1}/{self.run.epochs}  {shown}", flush=True)
        if self.run.patience and self.waited >= self.run.patience:
            print(f"no better {self.best_by} for {self.waited} epochs: stopped")
            self.model.stop_training = True

    def _swap(self) -> None:
        """Exchanges the weights with their moving averages."""
        averages = self.model.optimizer._model_variables_moving_average
        for variable, average in zip(self.model.trainable_variables, averages, strict=True):
            now = keras.ops.convert_to_numpy(variable)
            variable.assign(keras.ops.convert_to_numpy(average))
            average.assign(now)


def prepare(
    build: Callable[[], keras.Model], losses: dict[str, keras.losses.Loss], run: RunConfig, resume: bool
) -> tuple[keras.Model, dict[str, Any]]:
    """The compiled model to train and the state to go on from ({} at the start).

    Raises:
        FileNotFoundError: asked to resume where there is no checkpoint.
        ValueError: the checkpoint is none, or another optimizer's; or a batch that workers cannot share.
        ConnectionError: of several workers another one is gone.
    """
    together = workers.current()
    _check_shares(run, together)
    keras.utils.set_random_seed(run.seed + together.index)  # so that each worker leaves out (dropout) other units
    keras.mixed_precision.set_dtype_policy(policy(run.precision, len(_gpus())))
    latest = run.checkpoints / "latest.keras"
    stored = resume and together.first  # the others get everything from the first worker
    state = read_state(latest) if stored else {}
    with all_devices(run.batch_size):
        model = keras.models.load_model(latest) if stored else build()
        fresh = optimizer(run)
        if stored:
            _take_over(fresh, model, latest)
        # XLA knows no sums over several workers.
        model.compile(fresh, loss=losses, jit_compile="auto" if together.count == 1 else False)
    together.average_gradients(fresh)
    with together.watching_others():
        epoch = together.begin_alike(model, int(state.get("epoch", 0)))
    return model, state if together.first else {"epoch": epoch}


def _check_shares(run: RunConfig, together: workers.Workers) -> None:
    """Raises ValueError where several workers cannot train together."""
    if run.batch_size % together.count:
        raise ValueError(f"--batch_size: a multiple of {together.count}, the workers, wanted; {run.batch_size} came")
    if together.count > 1 and run.precision == "mixed_float16":
        # Each worker would scale its loss and skip steps on its own.
        raise ValueError("--precision mixed_float16 came; several workers want mixed_bfloat16 or float32")


def _take_over(fresh: keras.optimizers.Optimizer, model: keras.Model, path: Path) -> None:
    """Gives a loaded model's optimizer state to a fresh optimizer, which may have another rate or more epochs to go.

    Raises:
        ValueError: the model was not trained, or with an optimizer of another kind.
    """
    old = model.optimizer
    if type(old) is not type(fresh):
        came = "none" if old is None else type(old).__name__
        wanted = type(fresh).__name__
        raise ValueError(f"--resume_training: {path} has the state of the optimizer {came}; {wanted} wanted")
    fresh.build(model.trainable_variables)
    for target, source in zip(fresh.variables, old.variables, strict=True):
        if target.shape == source.shape and "learning_rate" not in target.path:
            target.assign(source)


def all_devices(batch_size: int) -> contextlib.AbstractContextManager[Any]:
    """Within it a model is made that trains on all GPUs of this machine, where the backend is TensorFlow.

    Each GPU gets a part of every batch; with one GPU or none nothing changes. Nor does it with several workers: there
    a process has one GPU (CUDA_VISIBLE_DEVICES).

    Args:
        batch_size: pictures in a batch, which the GPUs share.

    Raises:
        ValueError: fewer pictures than GPUs.
    """
    devices = _gpus()
    if len(devices) < 2 or workers.current().count > 1:
        return contextlib.nullcontext()
    if batch_size < len(devices):
        raise ValueError(f"--batch_size of at least {len(devices)} wanted, a picture for each GPU; {batch_size} came")
    import tensorflow as tf

    print(f"training on {len(devices)} GPUs", flush=True)
    return tf.distribute.MirroredStrategy(devices).scope()


def _gpus() -> list[str]:
    """Names of the GPUs that TensorFlow sees; none where another backend trains."""
    if keras.backend.backend() != "tensorflow":
        return []
    import tensorflow as tf

    return [device.name for device in tf.config.list_logical_devices("GPU")]


def _build_all(model: keras.Model, feed: Feed) -> None:
    """Makes the variables of optimizer and losses before the first step.

    TensorFlow traces a step in which variables appear a second time, ten seconds for a RetinaNet. With other backends,
    and for several GPUs of a machine, Keras does this itself.
    """
    if keras.backend.backend() != "tensorflow" or model.distribute_strategy.num_replicas_in_sync > 1:
        return
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    images, targets = stack([feed.make(0, np.random.default_rng(0))])
    model.compute_loss(images, targets, model(images, training=False))
    model.reset_metrics()


def fit(
    model: keras.Model,
    feed: Feed,
    run: RunConfig,
    state: dict[str, Any],
    evaluate: Callable[[keras.Model, int], dict[str, float]],
    best_by: str,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 1,
    measured_on: str = "",
) -> keras.callbacks.History:
    """Trains from `state` to the run's last epoch.

    Raises:
        ConnectionError: of several workers another one is gone.
    """
    together = workers.current()
    if int(state.get("epoch", 0)) >= run.epochs:
        print(f"nothing to do: {state['epoch']} epochs are done, --epochs asks for {run.epochs}")
    watching: list[keras.callbacks.Callback] = []
    if together.first:
        write_json_atomic(run.logs / "run.json", dataclasses.asdict(run))
        watching = [*callbacks, keras.callbacks.TensorBoard(str(run.logs), write_graph=True, update_freq="epoch")]
    with together.watching_others():
        _build_all(model, feed)
        return model.fit(
            feed,
            shuffle=False,  # the feed draws at random itself; Keras would change the order of batches after a resume
            epochs=run.epochs,
            initial_epoch=int(state.get("epoch", 0)),
            callbacks=[EpochEnd(run, evaluate, best_by, state, measured_on), *watching],
            verbose=verbose if together.first else 0,
        )
