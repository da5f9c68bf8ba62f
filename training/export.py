"""Networks as files for serving: SavedModel, ONNX in int8; and how far two runs of one are apart."""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from reader.runtime import SavedModelNetwork
from reader.types import UInt8

Outputs = Mapping[str, Any]


class MismatchError(ValueError):
    """An export that does not answer as the Keras model does."""


def save_savedmodel(model: keras.Model, folder: Path) -> None:
    """A TensorFlow SavedModel with the signature serving_default: uint8 "image" (N, H, W, 3) -> the network's outputs.

    Args:
        model: one picture in, a dictionary of outputs out.
        folder: to make; TensorFlow Serving wants a number as its name.
    """
    import tensorflow as tf

    class Served(tf.Module):
        """The network behind one signature that takes any number of pictures."""

        def __init__(self) -> None:
            super().__init__(name=model.name)
            self.network = model

        @tf.function(input_signature=[tf.TensorSpec([None, *model.input_shape[1:]], tf.uint8, name="image")])
        def serve(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
            return dict(self.network(image, training=False))

    module = Served()
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})


def savedmodel_network(folder: Path) -> Callable[[UInt8], Outputs]:
    """A SavedModel as a function on numpy arrays, loaded as the server loads it."""
    return SavedModelNetwork(folder)


def quantize_onnx(
    source: Path, target: Path, pictures: Sequence[UInt8], operations: Sequence[str], keeps: Callable[[Any], bool]
) -> None:
    """An int8 copy of a float32 ONNX file by static quantisation (QDQ; Jacob et al. 2018).

    Args:
        source: the float32 file.
        target: to write.
        pictures: (H, W, 3) network inputs from which the ranges of the activations are taken.
        operations: kinds of nodes that compute in 8 bits.
        keeps: whether a node stays in float32 all the same.
    """
    import onnx
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.batches: Iterator[dict[str, UInt8]] = iter([{"image": picture[None]} for picture in pictures])

        def get_next(self) -> dict[str, UInt8] | None:
            return next(self.batches, None)

    nodes = onnx.load(source).graph.node
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)  # it advises a pre-processing that our graph does not need
    try:
        quantization.quantize_static(
            source,
            target,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(operations),
            per_channel=True,
            # 7-bit weights: processors without VNNI add pairs of products in 16 bits, which 8-bit ones overflow.
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=[node.name for node in nodes if keeps(node)],
        )
    finally:
        logging.getLogger().setLevel(level)


def largest_difference(first: Outputs, second: Outputs) -> float:
    """The largest absolute difference between two answers: pixels for places, 1 for probabilities; NaN where one is.

    Raises:
        ValueError: other names or shapes.
    """
    shapes = [{name: np.shape(value) for name, value in outputs.items()} for outputs in (first, second)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"outputs {shapes[1]}; wanted {shapes[0]}")
    # Python's max would lose a NaN that is not the first.
    return float(
        np.max([np.abs(np.asarray(first[name]) - np.asarray(second[name])).max(initial=0.0) for name in first])
    )


def milliseconds(network: Callable[[UInt8], Outputs], picture: UInt8, runs: int = 12) -> float:
    """The shortest time for one picture (H, W, 3): what else the machine does only ever adds."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        network(picture[None])
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions(packages: Sequence[str]) -> dict[str, str]:
    """The versions of those packages that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
