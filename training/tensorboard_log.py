"""What a training run shows in TensorBoard beside its curves: the configuration as text, validation, pictures."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from reader.types import UInt8
from training.run import RunConfig

#: The network's outputs of all watched pictures -> measures by name, and a sheet (H, W, 3) of what was seen.
Judge = Callable[[dict[str, np.ndarray]], tuple[dict[str, float], UInt8]]


@contextlib.contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Within it the model has the moving averages of its weights, which are what is saved; afterwards its own."""
    averages = model.optimizer._model_variables_moving_average
    own = [keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    for variable, average in zip(model.trainable_variables, averages, strict=True):
        variable.assign(average)
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, own, strict=True):
            variable.assign(value)


class ConfigurationText(keras.callbacks.Callback):
    """Writes the run's configuration as a table into TensorBoard's Text tab.

    Args:
        run: how the run trains.
        network: the network's configuration by name.
    """

    def __init__(self, run: RunConfig, network: Mapping[str, Any]):
        super().__init__()
        self.run, self.network = run, network

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Writes it."""
        import tensorflow as tf

        writer = tf.summary.create_file_writer(str(self.run.logs / "train"))
        with writer.as_default():
            tf.summary.text("configuration/run", markdown_table(dataclasses.asdict(self.run)), step=0)
            tf.summary.text("configuration/network", markdown_table(self.network), step=0)
        writer.close()


class Watch(keras.callbacks.Callback):
    """After each epoch: losses on watched validation pictures, measures, and a sheet of predictions with the truth.

    The losses get into the logs as `val_loss` and `val_<output>_loss`, the measures as `val_<name>`, so callbacks that
    come later (TensorBoard's) see them.

    Args:
        logs: the run's folder of TensorBoard logs.
        images: (N, H, W, 3) uint8, as the network takes them.
        targets: what the losses want, by output, first axis N.
        batch_size: of the losses.
        judge: outputs -> measures and sheet.
    """

    def __init__(self, logs: Path, images: UInt8, targets: dict[str, np.ndarray], batch_size: int, judge: Judge):
        super().__init__()
        self.folder, self.images, self.targets = logs / "validation", images, targets
        self.batch_size, self.judge = batch_size, judge
        self.writer: Any = None

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """See the class; does nothing for a run that has diverged."""
        logs = {} if logs is None else logs
        if not math.isfinite(logs.get("loss", 0.0)):
            return
        with averaged_weights(self.model):
            outputs = self.model.predict(self.images, batch_size=self.batch_size, verbose=0)
        losses = validation_losses(self.model.loss, self.targets, outputs, self.batch_size)
        measures, sheet = self.judge(outputs)
        shown = {f"val_{name}": value for name, value in (losses | measures).items()}
        logs.update(shown)
        print("  ".join(f"{name} {value:.4g}" for name, value in shown.items()), flush=True)
        import tensorflow as tf

        self.writer = self.writer or tf.summary.create_file_writer(str(self.folder))
        with self.writer.as_default():
            tf.summary.image("predictions", sheet[None], step=epoch, description="green: labelled, red: found")
        self.writer.flush()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Closes the file."""
        if self.writer is not None:
            self.writer.close()


def validation_losses(
    losses: Mapping[str, Callable[[Any, Any], Any]],
    targets: Mapping[str, np.ndarray],
    outputs: Mapping[str, np.ndarray],
    batch_size: int,
) -> dict[str, float]:
    """The loss of each output and their sum as `loss`: the mean over batches, as in training."""
    count = len(next(iter(targets.values())))
    parts = {}
    for name, loss in losses.items():
        values = [
            float(loss(targets[name][start : start + batch_size], outputs[name][start : start + batch_size]))
            for start in range(0, count, batch_size)
        ]
        parts[f"{name}_loss"] = float(np.mean(values))
    return {"loss": sum(parts.values()), **parts}


def markdown_table(values: Mapping[str, Any]) -> str:
    """Names and values as a Markdown table."""
    rows = [f"| {name} | `{value}` |" for name, value in values.items()]
    return "\n".join(["| setting | value |", "|---|---|", *rows])
