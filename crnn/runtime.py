"""A trained .keras file as the network that the line reader takes, without exporting it first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from crnn.config import LineConfig
from crnn.release import ReleaseError, load
from reader.bundle import BundleError, load_bundle
from reader.line_settings import LineSettings
from reader.lines import LineReader
from reader.types import UInt8


class KerasLines:
    """A network of `crnn.model.build`; obeys `reader.runtime.Network`."""

    def __init__(self, network: keras.Model) -> None:
        self.network = network

    def __call__(self, batch: UInt8) -> dict[str, np.ndarray]:
        """(N, h, w, 3) uint8 RGB -> outputs by name."""
        return {name: np.asarray(value) for name, value in self.network.predict_on_batch(batch).items()}


def line_reader(path: Path, task: str | None = None) -> LineReader:
    """A reader on a .keras file.

    Its calibration is that of deploy/models where there is one for the same task and alphabet: nearer to what this
    network needs than none at all.

    Args:
        path: weights of a line reader.
        task: what it must read; None for whatever it reads.

    Raises:
        ReleaseError: a file that is no line reader, or one of another task; the message is one line.
    """
    network, config = load(path)
    if task is not None and config.task != task:
        raise ReleaseError(f"{path}: reads {config.task!r}; a reader of {task!r} was wanted")
    return LineReader(KerasLines(network), _settings(config))


def _settings(config: LineConfig) -> LineSettings:
    own = LineSettings(
        config.task,
        config.alphabet,
        config.input_size,
        config.fit,
        max_length=config.max_length,
        pattern=config.pattern,
    )
    try:
        shipped = load_bundle().lines.get(config.task)
    except BundleError:
        return own
    if shipped is None or shipped.alphabet != config.alphabet:
        return own
    return replace(shipped, input_size=own.input_size, fit=own.fit, max_length=own.max_length, pattern=own.pattern)
