"""Trained .keras files as the networks that the reader takes, without exporting them first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import keras
import numpy as np

from reader.bundle import Bundle, BundleError, Stage1Settings, Stage2Settings, load_bundle
from reader.pipeline import MeterReader
from reader.types import UInt8
from retinanet.config import NetworkConfig, Stage1Config, Stage2Config
from retinanet.model import detector
from retinanet.release import ReleaseError, load

_Config = TypeVar("_Config", bound=NetworkConfig)


class KerasNetwork:
    """A stage's network with decoded outputs; obeys `reader.runtime.Network`.

    Args:
        network: a model of `retinanet.model.build`.
        config: its configuration.
    """

    def __init__(self, network: keras.Model, config: NetworkConfig) -> None:
        self.model = detector(network, config)

    def __call__(self, batch: UInt8) -> dict[str, np.ndarray]:
        """(N, h, w, 3) uint8 RGB -> outputs by name."""
        return {name: np.asarray(value) for name, value in self.model.predict_on_batch(batch).items()}


def keras_reader(stage1: Path, stage2: Path, bundle: Bundle | None = None, min_confidence: float = 0.0) -> MeterReader:
    """A reader on two .keras files.

    Args:
        stage1: weights of the first network.
        stage2: weights of the second one.
        bundle: thresholds, rules and calibration; None takes those of deploy/models, which are at least nearer to what
            these networks need than no calibration at all, and the defaults where there are none.
        min_confidence: readings below this confidence are rejected.

    Raises:
        ReleaseError: a file that is no network of its stage; the message is one line.
    """
    (network1, first), (network2, second) = _load(stage1, Stage1Config), _load(stage2, Stage2Config)
    settings = bundle or _settings(first, second)
    return MeterReader(KerasNetwork(network1, first), KerasNetwork(network2, second), settings, min_confidence)


def _settings(first: Stage1Config, second: Stage2Config) -> Bundle:
    """The settings of deploy/models, or the defaults, with the sizes of these networks."""
    try:
        shipped = load_bundle()
    except BundleError:
        shipped = Bundle(Stage1Settings(first.input_size[0], {}), Stage2Settings(second.input_size, {}))
    return replace(
        shipped,
        stage1=replace(shipped.stage1, input_size=first.input_size[0]),
        stage2=replace(shipped.stage2, input_size=second.input_size, margin=second.margin),
    )


def stage1_reader(path: Path, threshold: float | None = None) -> MeterReader:
    """A reader that finds displays and cannot read them; with another lowest score of a display than the default.

    Raises:
        ReleaseError: a file that is no stage 1 network.
    """
    network, config = _load(path, Stage1Config)
    settings = Stage1Settings(config.input_size[0], {})
    if threshold is not None:
        settings = replace(settings, score_threshold=threshold)
    unread = Stage2Settings(Stage2Config().input_size, {})
    return MeterReader(KerasNetwork(network, config), _no_network, Bundle(settings, unread))


def _load(path: Path, kind: type[_Config]) -> tuple[keras.Model, _Config]:
    network, config = load(path)
    if not isinstance(config, kind):
        raise ReleaseError(f"{path}: holds {network.name}; the other stage was wanted")
    return network, config


def _no_network(batch: UInt8) -> dict[str, np.ndarray]:
    raise RuntimeError("this reader has no second network")
