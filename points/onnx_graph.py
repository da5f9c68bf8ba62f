"""The point network as an ONNX graph: what `training.onnx_graph` does not know, the step from map to numbers."""

from __future__ import annotations

from typing import Any

import keras
import onnx

from training import onnx_graph
from training.onnx_graph import Graph, value_name


def to_onnx(model: keras.Model) -> onnx.ModelProto:
    """The graph of a point network.

    Args:
        model: of `points.model.build`, computing in float32.

    Returns:
        A checked model: input "image" uint8 (N, H, W, 3), output "logits" float32 (N, 1).

    Raises:
        ExportError: a layer kind that is not known.
    """
    return onnx_graph.to_onnx(model, {keras.layers.Flatten: _flatten})


def _flatten(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    """A feature map to (N, numbers): back to (N, H, W, C) first, whose order the weights follow."""
    name = value_name(layer, tensor)
    x = graph.add("Transpose", [graph.value(inputs[0])], f"{name}_nhwc", perm=[0, 2, 3, 1])
    return graph.add("Flatten", [x], name, axis=1)
