"""A network as an ONNX graph: the layer kinds that all networks use, batch normalisation folded into convolutions.

Knows no architecture: `retinanet.onnx_graph` and `crnn.onnx_graph` add the kinds that only theirs have.

Feature maps are (N, C, H, W) in the graph, as ONNX wants them, and (N, H, W, C) at the graph's border, as the reader
gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from training.batch_norm import FusedBatchNormalization
from training.normalization import Normalization255

#: Old enough for every ONNX Runtime since 2023.
OPSET, IR_VERSION = 17, 9


#: Writes one layer: (graph, layer, input tensors, output tensor) -> the name of the output's value.
Writer = Callable[["Graph", Any, list[Any], Any], str]


class ExportError(ValueError):
    """A network that cannot be exported; the message names the layer."""


def to_onnx(model: keras.Model, writers: Mapping[type, Writer] | None = None) -> onnx.ModelProto:
    """The graph of a network.

    Args:
        model: with one picture as its input and a dictionary as its output, computing in float32.
        writers: of layer kinds that are not known here, or are to be written otherwise.

    Returns:
        A checked model: input "image" uint8 (N, H, W, 3), outputs named and shaped as the network's, float32.

    Raises:
        ExportError: a layer kind that is not known here.
    """
    graph = Graph({**WRITERS, **(writers or {})})
    source = model.inputs[0]
    graph.begin(source)
    outputs = []
    for name, tensor in model.output.items():  # the names of the dictionary, not of the layers
        graph.add("Identity", [graph.value(tensor)], name)
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *tensor.shape[1:]]))
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", *source.shape[1:]])
    made = helper.make_model(
        helper.make_graph(graph.nodes, model.name, [image], outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="counter-recognition",
    )
    onnx.checker.check_model(made, full_check=True)
    return made


class Graph:
    """Nodes and constants in the making; knows the value of every Keras tensor that it has met."""

    def __init__(self, writers: Mapping[type, Writer]) -> None:
        self.writers = writers
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._values: dict[int, str] = {}
        self._known: set[str] = set()

    def begin(self, source: Any) -> None:
        """The input: to (N, C, H, W) while it is still bytes."""
        self._values[id(source)] = self.add("Transpose", ["image"], "image_nchw", perm=[0, 3, 1, 2])

    def value(self, tensor: Any) -> str:
        """The name of a Keras tensor's value in the graph; what leads to it is added."""
        if id(tensor) not in self._values:
            layer, node_index, _ = tensor._keras_history
            inputs = layer._inbound_nodes[node_index].input_tensors
            write = next((w for kind, w in self.writers.items() if isinstance(layer, kind)), None)
            if write is None:
                raise ExportError(
                    f"layer {layer.name!r} is a {type(layer).__name__}, which the ONNX export does not know; "
                    f"the SavedModel export takes every layer (--formats savedmodel)"
                )
            self._values[id(tensor)] = write(self, layer, inputs, tensor)
        return self._values[id(tensor)]

    def add(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """One node with one output; returns the output's name."""
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"{name}/{kind}", **attributes))
        return name

    def constant(self, name: str, value: Any, kind: type = np.float32) -> str:
        """A constant; the same name is the same constant."""
        if name not in self._known:
            self._known.add(name)
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, kind), name))
        return name


def _normalize(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    x = graph.add("Cast", [graph.value(inputs[0])], f"{layer.name}_cast", to=TensorProto.FLOAT)
    # Not folded into the first convolution: the zeros that it pads with are grey only after this step.
    x = graph.add("Mul", [x, graph.constant("normalize_scale", 1 / 127.5)], f"{layer.name}_scaled")
    return graph.add("Sub", [x, graph.constant("normalize_offset", 1.0)], layer.name)


def _convolution(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    bias = np.asarray(layer.bias) if layer.use_bias else np.zeros(layer.filters, np.float32)
    name = value_name(layer, tensor)
    return _write_convolution(graph, layer, inputs[0], np.asarray(layer.kernel), bias, name)


def _write_convolution(graph: Graph, layer: Any, source: Any, kernel: Any, bias: Any, name: str) -> str:
    """A convolution; `kernel` is (kh, kw, in, out) as Keras has it."""
    if layer.padding != "same" or layer.groups != 1 or tuple(layer.dilation_rate) != (1, 1):
        raise ExportError(f"layer {layer.name!r}: only plain convolutions with padding 'same' are exported")
    pads = [_same_padding(source.shape[1 + i], kernel.shape[i], layer.strides[i]) for i in range(2)]
    return graph.add(
        "Conv",
        [
            graph.value(source),
            graph.constant(f"{name}_kernel", kernel.transpose(3, 2, 0, 1)),
            graph.constant(f"{name}_bias", bias),
        ],
        name,
        kernel_shape=list(kernel.shape[:2]),
        strides=list(layer.strides),
        pads=[pads[0][0], pads[1][0], pads[0][1], pads[1][1]],
    )


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after, as TensorFlow's "same" places them: the odd one after."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _batch_normalization(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    """The convolution before it with the normalisation folded in; a shared one gets a kernel for each place."""
    convolution, node_index, _ = inputs[0]._keras_history
    if not isinstance(convolution, keras.layers.Conv2D):
        raise ExportError(f"layer {layer.name!r}: batch normalisation is exported behind a convolution only")
    factor = np.asarray(layer.gamma) / np.sqrt(np.asarray(layer.moving_variance) + layer.epsilon)
    bias = np.asarray(layer.beta) - np.asarray(layer.moving_mean) * factor
    if convolution.use_bias:
        bias = bias + np.asarray(convolution.bias) * factor
    source = convolution._inbound_nodes[node_index].input_tensors[0]
    return _write_convolution(graph, convolution, source, np.asarray(convolution.kernel) * factor, bias, layer.name)


def _relu(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    if layer.max_value is not None or layer.negative_slope or layer.threshold:
        raise ExportError(f"layer {layer.name!r}: only the plain ReLU is exported")
    return graph.add("Relu", [graph.value(inputs[0])], value_name(layer, tensor))


def _activation(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    kinds = {keras.activations.linear: "Identity", keras.activations.sigmoid: "Sigmoid"}
    if layer.activation not in kinds:
        raise ExportError(f"layer {layer.name!r}: activation {layer.activation.__name__} is not exported")
    return graph.add(kinds[layer.activation], [graph.value(inputs[0])], f"{value_name(layer, tensor)}_value")


def _sum(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    return graph.add("Add", [graph.value(each) for each in inputs], value_name(layer, tensor))


def _enlarge(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    if layer.interpolation != "nearest":
        raise ExportError(f"layer {layer.name!r}: interpolation {layer.interpolation} is not exported")
    name = value_name(layer, tensor)
    scales = graph.constant(f"{name}_scales", [1, 1, *layer.size])
    return graph.add(
        "Resize",
        [graph.value(inputs[0]), "", scales],
        name,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def _reshape(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    """A feature map to (N, places, numbers): back to (N, H, W, C) first, whose order the anchors follow."""
    name = value_name(layer, tensor)
    x = graph.add("Transpose", [graph.value(inputs[0])], f"{name}_nhwc", perm=[0, 2, 3, 1])
    return graph.add("Reshape", [x, graph.constant(f"{name}_shape", [0, *tensor.shape[1:]], np.int64)], name)


def _concatenate(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    if len(tensor.shape) != 3 or layer.axis != 1:
        raise ExportError(f"layer {layer.name!r}: only heads, (N, places, numbers), are joined")
    return graph.add("Concat", [graph.value(each) for each in inputs], value_name(layer, tensor), axis=1)


def _dense(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    name = layer.name
    kernel = graph.constant(f"{name}_kernel", np.asarray(layer.kernel))
    x = graph.add("MatMul", [graph.value(inputs[0]), kernel], f"{name}_product")
    x = graph.add("Add", [x, graph.constant(f"{name}_bias", np.asarray(layer.bias))], f"{name}_sum")
    kinds = {keras.activations.linear: "Identity", keras.activations.relu: "Relu"}
    if layer.activation not in kinds:
        raise ExportError(f"layer {name!r}: activation {layer.activation.__name__} is not exported")
    # Not the layer's own name: an output may be called so.
    return graph.add(kinds[layer.activation], [x], f"{name}_value")


def _nothing(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    return graph.value(inputs[0])


def _flatten(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    """A feature map to (N, numbers): back to (N, H, W, C) first, whose order the weights follow."""
    name = value_name(layer, tensor)
    x = graph.add("Transpose", [graph.value(inputs[0])], f"{name}_nhwc", perm=[0, 2, 3, 1])
    return graph.add("Flatten", [x], name, axis=1)


def _pooled(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    sizes = [inputs[0].shape[1 + i] % layer.pool_size[i] for i in range(2)]
    if layer.pool_size != layer.strides or any(sizes):
        raise ExportError(f"layer {layer.name!r}: only pooling that divides the map evenly is exported")
    shape = {"kernel_shape": list(layer.pool_size), "strides": list(layer.strides)}
    kind = "MaxPool" if isinstance(layer, keras.layers.MaxPooling2D) else "AveragePool"
    return graph.add(kind, [graph.value(inputs[0])], value_name(layer, tensor), **shape)


def _mean(graph: Graph, layer: Any, inputs: list[Any], tensor: Any) -> str:
    """A feature map to (N, C), its means."""
    if layer.keepdims:
        raise ExportError(f"layer {layer.name!r}: only means without the map's axes are exported")
    name = value_name(layer, tensor)
    return graph.add(
        "Flatten", [graph.add("GlobalAveragePool", [graph.value(inputs[0])], f"{name}_nchw")], name, axis=1
    )


def slice_of(graph: Graph, value: str, start: int, stop: int, axis: int, name: str) -> str:
    """A part of a value along one axis, from `start` up to before `stop`."""
    bounds = [
        graph.constant(f"{name}_{key}", [n], np.int64) for key, n in (("from", start), ("to", stop), ("ax", axis))
    ]
    return graph.add("Slice", [value, *bounds], name)


def value_name(layer: Any, tensor: Any) -> str:
    """The layer's name; a layer that is used several times has one for each use."""
    node_index = tensor._keras_history[1]
    return layer.name if node_index == 0 else f"{layer.name}_{node_index}"


#: The layer kinds that are known here.
WRITERS: dict[type, Writer] = {
    Normalization255: _normalize,
    keras.layers.Conv2D: _convolution,
    keras.layers.BatchNormalization: _batch_normalization,
    FusedBatchNormalization: _batch_normalization,
    keras.layers.ReLU: _relu,
    keras.layers.Activation: _activation,
    keras.layers.Add: _sum,
    keras.layers.Dense: _dense,
    keras.layers.Dropout: _nothing,
    keras.layers.Flatten: _flatten,
    keras.layers.GlobalAveragePooling2D: _mean,
    keras.layers.AveragePooling2D: _pooled,
    keras.layers.MaxPooling2D: _pooled,
    keras.layers.UpSampling2D: _enlarge,
    keras.layers.Reshape: _reshape,
    keras.layers.Concatenate: _concatenate,
}
