"""A line reader as an ONNX graph: what `training.onnx_graph` does not know, columns and recurrent layers.

A value of three axes is (N, T, features) in the graph, as in Keras; the recurrent nodes want (T, N, features).
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import onnx

from training import onnx_graph
from training.onnx_graph import ExportError as ExportError
from training.onnx_graph import Graph, value_name


def to_onnx(model: keras.Model) -> onnx.ModelProto:
    """The graph of a line reader.

    Args:
        model: of `crnn.model.build`, computing in float32.

    Returns:
        A checked model: input "image" uint8 (N, H, W, 3), output "logits" float32 (N, T, classes).

    Raises:
        ExportError: a layer kind that is not known.
    """
    return onnx_graph.to_onnx(
        model,
        {
            keras.layers.Permute: _columns,
            keras.layers.Reshape: _flatten,
            keras.layers.Concatenate: _side_by_side,
            keras.layers.Bidirectional: _both_ways,
        },
    )


def _columns(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    """A map, (N, C, H, W) in the graph, to (N, W, H, C)."""
    if tuple(layer.dims) != (2, 1, 3):
        raise ExportError(f"layer {layer.name!r}: only a map's columns are exported, not the order {layer.dims}")
    return graph.add("Transpose", [graph.value(inputs[0])], value_name(layer, tensor), perm=[0, 3, 2, 1])


def _flatten(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    """Columns that lose their height, (N, T, h, C) to (N, T, h * C), or that become a map of one row and back."""
    if len(tensor.shape) == 4:  # (N, T, C) to the map (N, 1, T, C), which is (N, C, 1, T) in the graph
        turned = graph.add("Transpose", [graph.value(inputs[0])], f"{layer.name}_turned", perm=[0, 2, 1])
        shape = graph.constant(f"{layer.name}_shape", [0, tensor.shape[3], 1, tensor.shape[2]], np.int64)
        return graph.add("Reshape", [turned, shape], value_name(layer, tensor))
    if inputs[0].shape[1] == 1:
        shape = graph.constant(f"{layer.name}_shape", [0, tensor.shape[2], tensor.shape[1]], np.int64)
        row = graph.add("Reshape", [graph.value(inputs[0]), shape], f"{layer.name}_channels_first")
        return graph.add("Transpose", [row], value_name(layer, tensor), perm=[0, 2, 1])
    shape = graph.constant(f"{layer.name}_shape", [0, *tensor.shape[1:]], np.int64)
    return graph.add("Reshape", [graph.value(inputs[0]), shape], value_name(layer, tensor))


def _side_by_side(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    """Features beside each other: of maps, (N, C, H, W) in the graph, or of sequences (N, T, features)."""
    axis = 1 if len(tensor.shape) == 4 else 2
    return graph.add("Concat", [graph.value(each) for each in inputs], value_name(layer, tensor), axis=axis)


def _both_ways(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    """A bidirectional LSTM or GRU: (N, T, in) -> (N, T, 2 * units), the forward direction first."""
    name, cells = layer.name, (layer.forward_layer, layer.backward_layer)
    if isinstance(cells[0], keras.layers.LSTM):
        kind, weights, options = "LSTM", _lstm_weights, {}
    elif isinstance(cells[0], keras.layers.GRU) and cells[0].reset_after:
        kind, weights, options = "GRU", _gru_weights, {"linear_before_reset": 1}
    else:
        raise ExportError(f"layer {name!r}: only bidirectional LSTM and GRU layers are exported")
    if not cells[0].return_sequences or layer.merge_mode != "concat":
        raise ExportError(f"layer {name!r}: only whole, joined sequences are exported")
    stacked = [np.stack(parts) for parts in zip(*(weights(cell) for cell in cells), strict=True)]
    keys = ("input", "recurrent", "bias")
    constants = [graph.constant(f"{name}_{key}", value) for key, value in zip(keys, stacked, strict=True)]
    x = graph.add("Transpose", [graph.value(inputs[0])], f"{name}_steps", perm=[1, 0, 2])
    units = cells[0].units
    x = graph.add(kind, [x, *constants], f"{name}_both", direction="bidirectional", hidden_size=units, **options)
    x = graph.add("Transpose", [x], f"{name}_joined", perm=[2, 0, 1, 3])  # (T, 2, N, units) -> (N, T, 2, units)
    shape = graph.constant(f"{name}_shape", [0, 0, 2 * units], np.int64)
    return graph.add("Reshape", [x, shape], value_name(layer, tensor))


def _lstm_weights(cell: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keras has the gates in the order input, forget, cell, output; ONNX input, output, forget, cell."""
    kernel, recurrent, bias = (np.asarray(w) for w in cell.weights)
    order = _blocks(cell.units, (0, 3, 1, 2))
    # ONNX adds a second bias with the recurrent product.
    return kernel.T[order], recurrent.T[order], np.concatenate([bias[order], np.zeros_like(bias)])


def _gru_weights(cell: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both have the gates in the order update, reset, hidden."""
    kernel, recurrent, bias = (np.asarray(w) for w in cell.weights)  # bias (2, 3 * units)
    return kernel.T, recurrent.T, bias.reshape(-1)


def _blocks(units: int, order: tuple[int, ...]) -> np.ndarray:
    return np.concatenate([np.arange(gate * units, (gate + 1) * units) for gate in order])
