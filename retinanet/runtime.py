"""Trained .keras files as the networks that the reader takes, without exporting them first."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from reader.bundle import Bundle, Stage1Settings, Stage2Settings
from reader.pipeline import MeterReader
from reader.types import UInt8
from retinanet.config import NetworkConfig, Stage1Config, Stage2Config
from retinanet.model import detector


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
    """A reader on two .keras files, with the settings of `bundle` or the defaults."""
    first, second = Stage1Config(), Stage2Config()
    settings = bundle or Bundle(
        Stage1Settings(first.input_size[0], {}), Stage2Settings(second.input_size, {}, margin=second.margin)
    )
    networks = [
        KerasNetwork(keras.models.load_model(path, compile=False), config)
        for path, config in ((stage1, first), (stage2, second))
    ]
    return MeterReader(networks[0], networks[1], settings, min_confidence)
