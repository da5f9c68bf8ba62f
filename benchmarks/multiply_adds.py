"""How much arithmetic a network is: multiply-adds of one picture, counted from its ONNX graph."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx

Shape = tuple[int, ...]


def multiply_adds(path: Path) -> int:
    """Multiply-adds of the convolutions, matrix products and recurrent layers for one picture.

    Raises:
        ValueError: a node whose sizes the graph does not tell.
    """
    model = onnx.load(path)
    for entry in model.graph.input:
        entry.type.tensor_type.shape.dim[0].dim_value = 1
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes: dict[str, Shape] = {each.name: tuple(each.dims) for each in graph.initializer}
    for entry in (*graph.input, *graph.value_info, *graph.output):
        dims = entry.type.tensor_type.shape.dim
        shapes[entry.name] = tuple(dim.dim_value for dim in dims)
    return sum(_of_node(node, shapes) for node in graph.node)


def _of_node(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> int:
    if node.op_type == "Conv":
        # Each output value is a sum over the kernel (out, in / groups, h, w).
        return _size(node, shapes, node.output[0]) * math.prod(_known(node, shapes, node.input[1])[1:])
    if node.op_type in ("MatMul", "Gemm"):
        # Over the first factor's last axis, or its first one where it is transposed.
        transposed = any(each.name == "transA" and each.i for each in node.attribute)
        summed = _known(node, shapes, node.input[0])[0 if transposed else -1]
        return _size(node, shapes, node.output[0]) * summed
    if node.op_type in ("LSTM", "GRU", "RNN"):
        steps, batch, _ = _known(node, shapes, node.input[0])
        return (
            steps * batch * sum(_size(node, shapes, name) for name in node.input[1:3])
        )  # (directions, gates * H, ...)
    return 0


def _size(node: onnx.NodeProto, shapes: Mapping[str, Shape], name: str) -> int:
    return math.prod(_known(node, shapes, name))


def _known(node: onnx.NodeProto, shapes: Mapping[str, Shape], name: str) -> Sequence[int]:
    shape = shapes.get(name, ())
    if not shape or 0 in shape:
        raise ValueError(f"{node.op_type} {node.name}: the size of {name} is not known")
    return shape
