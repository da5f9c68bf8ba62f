"""A picture of a line -> the input of a line reader's network. The one preprocessing of training and serving."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reader.image import resize
from reader.types import UInt8

Float64 = npt.NDArray[np.float64]


def content_size(shape: tuple[int, ...], size: tuple[int, int], fit: str) -> tuple[int, int]:
    """Height and width in pixels that a picture takes in the input.

    Args:
        shape: of the picture, (H, W, ...).
        size: (height, width) of the input.
        fit: "stretch" fills the input; "pad" keeps the picture's shape.
    """
    if fit == "stretch":
        return size
    scale = min(size[0] / shape[0], size[1] / shape[1])
    return max(1, min(size[0], round(shape[0] * scale))), max(1, min(size[1], round(shape[1] * scale)))


def placement(shape: tuple[int, ...], size: tuple[int, int], fit: str) -> Float64:
    """(3, 3): from picture pixels to input pixels, in continuous coordinates; the picture stands in the middle."""
    height, width = content_size(shape, size, fit)
    left, top = (size[1] - width) // 2, (size[0] - height) // 2
    return np.array([[width / shape[1], 0, left], [0, height / shape[0], top], [0, 0, 1]], np.float64)


def border_colour(image: UInt8) -> UInt8:
    """(3,) uint8: the median colour of the outermost pixels of an (H, W, 3) picture."""
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])  # (2W + 2H, 3)
    return np.asarray(np.median(edge, axis=0), np.uint8)


def prepare(image: UInt8, size: tuple[int, int], fit: str) -> UInt8:
    """The network's input.

    Args:
        image: (H, W, 3) uint8 RGB.
        size: (height, width) of the input.
        fit: see `content_size`.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    content = resize(image, content_size(image.shape, size, fit))
    if content.shape[:2] == size:
        return content
    canvas = np.empty((*size, 3), np.uint8)
    canvas[:] = border_colour(image)
    left, top = (size[1] - content.shape[1]) // 2, (size[0] - content.shape[0]) // 2
    canvas[top : top + content.shape[0], left : left + content.shape[1]] = content
    return canvas
