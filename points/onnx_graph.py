"""The point network as an ONNX graph: what `training.onnx_graph` does not know, the layers after the convolutions."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import onnx

from training import onnx_graph
from training.onnx_graph import ExportError, Graph, value_name


def to_onnx(model: keras.Model) -> onnx.ModelProto:
    """The graph of a point network.

    Args:
        model: of `points.model.build`, computing in float32.

    Returns:
        A checked model: input "image" uint8 (N, H, W, 3), output "logits" float32 (N, 1).

    Raises:
        ExportError: a layer kind that is not known.
    """
    writers = {keras.layers.Flatten: _flatten, keras.layers.Dropout: _nothing, keras.layers.Dense: _dense}
    return onnx_graph.to_onnx(model, writers)


def _flatten(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    """A feature map to (N, numbers): back to (N, H, W, C) first, whose order the weights follow."""
    name = value_name(layer, tensor)
    x = graph.add("Transpose", [graph.value(inputs[0])], f"{name}_nhwc", perm=[0, 2, 3, 1])
    return graph.add("Flatten", [x], name, axis=1)


def _nothing(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    return graph.value(inputs[0])


def _dense(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    name = layer.name
    kernel = graph.constant(f"{name}_kernel", np.asarray(layer.kernel))
    bias = graph.constant(f"{name}_bias", np.asarray(layer.bias))
    x = graph.add("Gemm", [graph.value(inputs[0]), kernel, bias], f"{name}_sum")
    kinds = {keras.activations.linear: "Identity", keras.activations.relu: "Relu"}
    if layer.activation not in kinds:
        raise ExportError(f"layer {name!r}: activation {layer.activation.__name__} is not exported")
    return graph.add(kinds[layer.activation], [x], f"{name}_value")
