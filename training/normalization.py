"""The first layer of every network here: bytes to numbers around zero, and the network's own description."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("counter_recognition")
class Normalization255(layers.Layer):
    """uint8 RGB -> about -1 to 1. Normalisation lives in the network, so that training and serving cannot differ.

    Every network begins with it, so it also carries the network's configuration into the .keras file, as plain values:
    `retinanet.release.load` and `crnn.release.load` find it there. None in files from before that.
    """

    def __init__(self, network: dict[str, Any] | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.network = network

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "network": self.network}

    def call(self, inputs: Any) -> Any:
        """(B, H, W, 3) 0..255 -> the same shape in the layer's compute type."""
        return ops.cast(inputs, self.compute_dtype) * (1 / 127.5) - 1.0

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Unchanged."""
        return input_shape

    def compute_output_spec(self, inputs: Any) -> Any:
        """Floating point whatever comes in."""
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)
