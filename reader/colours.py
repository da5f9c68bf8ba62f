"""Colours of digits: what is ground and what is ink."""

from __future__ import annotations

import cv2
import numpy as np

from reader.types import Float32, UInt8


def cut(image: UInt8, box: np.ndarray) -> UInt8:
    """The part (h, w, 3) of a picture inside a box xyxy; no copy: drawing into it draws into the picture."""
    x1, y1, x2, y2 = np.round(box).astype(int)
    return image[max(y1, 0) : y2, max(x1, 0) : x2]


def ground_and_ink(picture: UInt8) -> tuple[Float32, Float32, Float32]:
    """How much ink each pixel (h, w) has, about 0 to 1, and the two colours (3,), of which the ground's is commoner.

    Split along the direction in which the colours differ most, at the threshold of Otsu (1979).
    """
    pixels = picture.reshape(-1, 3).astype(np.float32)
    count = len(pixels)
    mean = np.ones(count, np.float32) @ pixels / np.float32(count)  # products: many times as fast as means by rows
    centred = pixels - mean
    axis = np.linalg.eigh(centred.T @ centred)[1][:, -1].astype(np.float32)  # of the largest eigenvalue
    along = centred @ axis  # (h w,)
    low, high = float(along.min()), float(along.max())
    levels = ((along - low) * (255 / max(high - low, 1e-6))).astype(np.uint8)
    threshold, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    upper = levels > threshold
    inked = upper if 2 * np.count_nonzero(upper) <= count else ~upper
    covered = np.count_nonzero(inked)
    if not 0 < covered < count:  # one colour all over
        return np.zeros(picture.shape[:2], np.float32), mean, mean
    weights = inked.astype(np.float32)
    ink_sum, along_ink = weights @ pixels, float(weights @ along)
    ground = np.asarray((mean * count - ink_sum) / (count - covered), np.float32)
    ink = np.asarray(ink_sum / covered, np.float32)
    middle = (float(along.sum()) - along_ink) / (count - covered)
    reach = along_ink / covered - middle
    amount = np.clip((along - middle) / np.float32(reach if abs(reach) > 1e-3 else 1.0), -0.4, 1.4)
    return np.asarray(amount, np.float32).reshape(picture.shape[:2]), ground, ink
