"""A detector as an ONNX graph: what `training.onnx_graph` does not know, the decoding of corners and boxes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import onnx

from retinanet.anchors import BOX_VARIANCE
from retinanet.model import DecodeBoxes, DecodeCorners
from training import onnx_graph
from training.onnx_graph import ExportError as ExportError
from training.onnx_graph import Graph, slice_of


def to_onnx(model: keras.Model) -> onnx.ModelProto:
    """The graph of a detector.

    Args:
        model: of `retinanet.model.detector`, computing in float32.

    Returns:
        A checked model: input "image" uint8 (N, H, W, 3), outputs named and shaped as the detector's, float32.

    Raises:
        ExportError: a layer kind that is not known.
    """
    return onnx_graph.to_onnx(model, {DecodeCorners: _corners, DecodeBoxes: _boxes})


def _corners(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    """The formula of `DecodeCorners.call`: (N, A, 8) -> (N, A, 4, 2)."""
    shape = graph.constant("corner_shape", [0, len(layer.centers), 4, 2], np.int64)
    local = graph.add("Reshape", [graph.value(inputs[0]), shape], "corner_offsets")
    local = graph.add("Add", [local, graph.constant("corner_unit", layer.unit)], "corner_local")
    # Column j of a frame says where one step along axis j of the anchor leads.
    columns = layer.frames.transpose(0, 2, 1)[None, :, :, None, :]  # (1, A, j, 1, 2)
    parts = []
    for j, axis in enumerate("xy"):
        step = slice_of(graph, local, j, j + 1, axis=3, name=f"corner_local_{axis}")
        parts.append(graph.add("Mul", [step, graph.constant(f"frame_{axis}", columns[:, :, j])], f"corner_part_{axis}"))
    turned = graph.add("Add", parts, "corner_turned")
    return graph.add("Add", [turned, graph.constant("anchor_centers", layer.centers[None, :, None])], "corner_places")


def _boxes(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    """The formula of `DecodeBoxes.call`: (N, A, 4) -> (N, A, 4) xyxy."""
    delta = graph.add("Mul", [graph.value(inputs[0]), graph.constant("box_variance", BOX_VARIANCE)], "box_delta")
    sizes = graph.constant("anchor_sizes", layer.anchors[:, 2:])
    shift = graph.add("Mul", [slice_of(graph, delta, 0, 2, 2, "box_shift"), sizes], "box_shift_pixels")
    center = graph.add("Add", [shift, graph.constant("anchor_centers", layer.anchors[:, :2])], "box_center")
    limits = [graph.constant("box_growth_least", -4.0), graph.constant("box_growth_most", 4.0)]
    growth = graph.add("Clip", [slice_of(graph, delta, 2, 4, 2, "box_growth"), *limits], "box_growth_clipped")
    half_sizes = graph.constant("anchor_half_sizes", layer.anchors[:, 2:] / 2)
    half = graph.add("Mul", [graph.add("Exp", [growth], "box_factor"), half_sizes], "box_half")
    ends = [graph.add("Sub", [center, half], "box_low"), graph.add("Add", [center, half], "box_high")]
    return graph.add("Concat", ends, "box_places", axis=2)
