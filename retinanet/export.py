"""Detectors in ONNX, float32 and int8. The other forms of export are in training/export.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from reader.types import UInt8
from retinanet.onnx_graph import to_onnx
from training import export


def save_onnx(model: keras.Model, path: Path) -> None:
    """The detector in ONNX, float32.

    Raises:
        ExportError: a layer that the ONNX export does not know.
    """
    path.write_bytes(to_onnx(model).SerializeToString())


def quantize_onnx(source: Path, target: Path, pictures: Sequence[UInt8]) -> None:
    """An int8 copy of a detector; see `training.export.quantize_onnx`.

    The convolutions and what lies between them compute in 8 bits; the last one of each head and the decoding stay in
    float32, where a step of 1/255 would be seen in the corners.

    Args:
        source: written by `save_onnx`.
        target: to write.
        pictures: (H, W, 3) network inputs from which the ranges of the activations are taken.
    """

    def keeps(node: Any) -> bool:
        # Heads' last layers are named so in retinanet.model; used on each level, they have a name for each.
        last = node.op_type == "Conv" and "_out" in node.name and not node.name.startswith("stage")
        return last or (node.op_type == "Add" and node.output[0].startswith(("corner_", "box_")))

    export.quantize_onnx(source, target, pictures, ["Conv", "Relu", "Add", "Resize"], keeps)
