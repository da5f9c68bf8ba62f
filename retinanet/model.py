"""The networks: a backbone, a feature pyramid, and heads shared by its levels. The only module that builds layers."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from retinanet.anchors import BOX_VARIANCE, box_anchors, oriented_anchors
from retinanet.config import NetworkConfig, Stage1Config, Stage2Config
from training.batch_norm import FusedBatchNormalization
from training.convolution import convolved
from training.normalization import Normalization255


def _residual_backbone(x: Any, config: NetworkConfig) -> list[Any]:
    """Plain residual blocks (He et al. 2016): few, wide layers and ReLU are what CPU cores run and quantise best."""
    x = convolved(x, config.channels[0], "stem", stride=2)
    outputs = []
    for stage, (filters, blocks) in enumerate(zip(config.channels[1:], config.blocks, strict=True)):
        x = convolved(x, filters, f"stage{stage}_down", stride=2)
        for block in range(blocks):
            name = f"stage{stage}_block{block}"
            y = convolved(x, filters, f"{name}_a")
            y = convolved(y, filters, f"{name}_b", activate=False)
            x = layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([x, y]))
        outputs.append(x)
    return outputs[-3:]


def _keras_cv_backbone(x: Any, config: NetworkConfig) -> list[Any]:
    import keras_cv  # only where asked for: it takes seconds to import

    backbone = keras_cv.models.YOLOV8Backbone(
        include_rescaling=False,
        input_shape=(*config.input_size, 3),
        stackwise_channels=list(config.channels[1:]),
        stackwise_depth=list(config.blocks),
    )
    ends = [backbone.get_layer(backbone.pyramid_level_inputs[level]).output for level in ("P3", "P4", "P5")]
    return list(keras.Model(backbone.inputs, ends, name="keras_cv_yolov8")(x))


def _pyramid(levels: list[Any], channels: int) -> list[Any]:
    """Feature pyramid (Lin et al. 2017): each level gets what the coarser ones know."""
    out = []
    above = None
    for index, level in reversed(list(enumerate(levels))):
        x = convolved(level, channels, f"fpn{index}_lateral", kernel=1, activate=False)
        if above is not None:
            x = layers.Add(name=f"fpn{index}_add")([x, layers.UpSampling2D(2, name=f"fpn{index}_up")(above)])
        above = x
        out.append(convolved(x, channels, f"fpn{index}_smooth"))
    return out[::-1]


def _head(levels: list[Any], config: NetworkConfig, name: str, per_anchor: int, anchors: int, bias: float) -> Any:
    """A head shared by the levels (their batch statistics are not: they differ) -> (B, A, per_anchor) float32."""
    convs = [
        layers.Conv2D(
            config.fpn_channels,
            3,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"{name}_conv{i}",
        )
        for i in range(config.head_convs)
    ]
    last = layers.Conv2D(
        per_anchor * anchors,
        3,
        padding="same",
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        bias_initializer=keras.initializers.Constant(bias),
        name=f"{name}_out",
    )
    flat = []
    for index, x in enumerate(levels):
        for i, conv in enumerate(convs):
            x = FusedBatchNormalization(momentum=0.97, epsilon=1e-3, name=f"{name}_bn{i}_level{index}")(conv(x))
            x = layers.ReLU(name=f"{name}_relu{i}_level{index}")(x)
        x = last(x)  # (B, H, W, anchors * per_anchor)
        flat.append(layers.Reshape((-1, per_anchor), name=f"{name}_flat{index}")(x))
    joined = layers.Concatenate(axis=1, name=f"{name}_concat")(flat)
    # Losses and decoding want full precision also where the network computes in bfloat16.
    return layers.Activation("linear", dtype="float32", name=name)(joined)


def build(config: NetworkConfig) -> keras.Model:
    """The network of a stage: uint8 (B, H, W, 3) -> {"classes": (B, A, n) logits, "corners" or "boxes": regression}.

    Raises:
        ValueError: a backbone that does not exist, or an input size that is no multiple of 32.
    """
    if any(side % 32 for side in config.input_size):
        raise ValueError(f"input_size must be multiples of 32, not {config.input_size}")
    backbones = {"residual": _residual_backbone, "yolov8": _keras_cv_backbone}
    if config.backbone not in backbones:
        raise ValueError(f"backbone {config.backbone!r} is unknown; there are {sorted(backbones)}")
    stage1 = isinstance(config, Stage1Config)
    image = keras.Input((*config.input_size, 3), dtype="uint8", name="image")
    features = backbones[config.backbone](Normalization255(config.to_dict(), name="normalize")(image), config)
    levels = _pyramid(features, config.fpn_channels)
    if isinstance(config, Stage1Config):
        anchors, regression, size, classes = config.orientations, "corners", 8, len(config.classes)
    elif isinstance(config, Stage2Config):
        anchors, regression, size, classes = len(config.anchors[0]), "boxes", 4, len(config.classes)
    else:
        raise ValueError(f"expected a Stage1Config or a Stage2Config, not {type(config).__name__}")
    prior = -math.log((1 - config.prior) / config.prior)
    outputs = {
        "classes": _head(levels, config, "classes", classes, anchors, prior),
        regression: _head(levels, config, regression, size, anchors, 0.0),
    }
    return keras.Model(image, outputs, name="stage1" if stage1 else "stage2")


@keras.saving.register_keras_serializable("counter_recognition")
class DecodeCorners(layers.Layer):
    """Offsets (B, A, 8) -> corners (B, A, 4, 2) in input pixels."""

    def __init__(self, config: dict[str, Any], **kwargs: Any):
        super().__init__(dtype="float32", **kwargs)
        self.settings = config
        anchors = oriented_anchors(Stage1Config.from_dict(config))
        self.frames, self.unit, self.centers = anchors.frames, anchors.unit, anchors.centers

    def call(self, offsets: Any) -> Any:
        """Decodes; the formula of `OrientedAnchors.decode`."""
        local = ops.reshape(offsets, (-1, len(self.centers), 4, 2)) + self.unit
        # Written out, not as einsum: every export format knows multiply and add.
        x = local[..., 0:1] * self.frames[None, :, None, 0, 0:1] + local[..., 1:2] * self.frames[None, :, None, 0, 1:2]
        y = local[..., 0:1] * self.frames[None, :, None, 1, 0:1] + local[..., 1:2] * self.frames[None, :, None, 1, 1:2]
        return ops.concatenate([x, y], axis=-1) + self.centers[None, :, None]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"config": self.settings, "name": self.name}


@keras.saving.register_keras_serializable("counter_recognition")
class DecodeBoxes(layers.Layer):
    """Regression outputs (B, A, 4) -> boxes (B, A, 4) xyxy in input pixels."""

    def __init__(self, config: dict[str, Any], **kwargs: Any):
        super().__init__(dtype="float32", **kwargs)
        self.settings = config
        self.anchors = box_anchors(Stage2Config.from_dict(config))

    def call(self, deltas: Any) -> Any:
        """Decodes; the formula of `decode_boxes`."""
        delta = deltas * BOX_VARIANCE
        center = delta[..., :2] * self.anchors[:, 2:] + self.anchors[:, :2]
        size = ops.exp(ops.clip(delta[..., 2:], -4.0, 4.0)) * self.anchors[:, 2:]
        return ops.concatenate([center - size / 2, center + size / 2], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"config": self.settings, "name": self.name}


def detector(network: keras.Model, config: NetworkConfig) -> keras.Model:
    """The network with decoded outputs, as the reader takes them.

    Returns:
        stage 1: uint8 (B, H, W, 3) -> {"corners": (B, A, 4, 2) input pixels, "probabilities": (B, A, 4)}.
        stage 2: uint8 (B, H, W, 3) -> {"boxes": (B, A, 4) xyxy input pixels, "probabilities": (B, A, 15)}.
    """
    raw = dict(zip(network.output_names, network.outputs, strict=True))
    probabilities = layers.Activation("sigmoid", dtype="float32", name="probabilities")(raw["classes"])
    if isinstance(config, Stage1Config):
        places = {"corners": DecodeCorners(config.to_dict(), name="corner_decoder")(raw["corners"])}
    else:
        places = {"boxes": DecodeBoxes(config.to_dict(), name="box_decoder")(raw["boxes"])}
    return keras.Model(network.inputs, {**places, "probabilities": probabilities}, name=f"{network.name}_detector")


def parameter_count(model: keras.Model) -> int:
    """Number of trainable weights."""
    return int(sum(np.prod(w.shape) for w in model.trainable_weights))
