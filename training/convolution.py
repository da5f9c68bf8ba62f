"""The one block that all networks of the project are made of."""

from __future__ import annotations

from typing import Any

from keras import layers

from training.batch_norm import FusedBatchNormalization


def convolved(
    x: Any, filters: int, name: str, kernel: int | tuple[int, int] = 3, stride: int = 1, activate: bool = True
) -> Any:
    """Convolution, batch normalization and, unless told otherwise, ReLU.

    Args:
        x: Keras tensor of a map (B, H, W, C).
        filters: channels of the answer.
        name: of the block; its layers are called `<name>_conv`, `<name>_bn` and `<name>_relu`.
        kernel: side of the kernel, or its height and width.
        stride: step of the convolution.
        activate: False leaves the ReLU out.

    Returns:
        Keras tensor (B, H / stride, W / stride, filters), sizes rounded up.
    """
    x = layers.Conv2D(
        filters, kernel, stride, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv"
    )(x)
    x = FusedBatchNormalization(momentum=0.97, epsilon=1e-3, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if activate else x
