"""Surfaces: smooth shades, blotches, grain, specks and scratches, cut from a few large fields that are made once.

The fields come from fixed seeds, so a display depends on nothing but its own random generator.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np

_H, _W = 256, 2048


@functools.lru_cache(maxsize=8)
def _field(kind: str) -> np.ndarray:
    """One large field, float32 (_H, _W): about -1..1 for shades, 0..1 for specks and scratches."""
    rng = np.random.default_rng([77, *kind.encode()])
    if kind in ("smooth", "blotch", "mottle", "grain"):
        sigma = {"smooth": 45.0, "blotch": 9.0, "mottle": 3.0, "grain": 0.8}[kind]
        field = cv2.GaussianBlur(rng.standard_normal((_H, _W), np.float32), (0, 0), sigma)
        return field / (2 * field.std())
    canvas = np.zeros((_H, _W), np.uint8)
    if kind == "specks":
        for _ in range(900):
            x, y, r, value = (
                rng.uniform(0, _W),
                rng.uniform(0, _H),
                min(5.0, rng.exponential(1.1)),
                rng.uniform(60, 255),
            )
            axes = (int(16 * (0.5 + r)), int(16 * (0.5 + r * rng.uniform(0.4, 1.0))))
            centre, turn = (int(x * 16), int(y * 16)), rng.uniform(0, 180)
            cv2.ellipse(canvas, centre, axes, turn, 0, 360, int(value), -1, cv2.LINE_AA, 4)
    else:
        for _ in range(160):
            x, y, angle = rng.uniform(0, _W), rng.uniform(0, _H), rng.normal(0, 0.5) + rng.choice([0.0, 1.4])
            length = rng.uniform(10, 160)
            end = (int(16 * (x + length * np.cos(angle))), int(16 * (y + length * np.sin(angle))))
            cv2.line(canvas, (int(x * 16), int(y * 16)), end, int(rng.uniform(40, 255)), 1, cv2.LINE_AA, 4)
    return canvas.astype(np.float32) / 255


def texture(rng: np.random.Generator, kind: str, height: int, width: int) -> np.ndarray:
    """Cut a random piece of a field.

    Args:
        rng: chooses the place.
        kind: smooth, blotch, mottle, grain (about -1..1) or specks, scratches (0..1).
        height: px, at most 256; larger pieces are stretched.
        width: px, at most 2048; larger pieces are stretched.

    Returns:
        float32 (height, width), not to be written to.
    """
    field = _field(kind)
    h, w = min(height, _H), min(width, _W)
    y, x = int(rng.integers(0, _H - h + 1)), int(rng.integers(0, _W - w + 1))
    piece = field[y : y + h, x : x + w]
    return piece if (h, w) == (height, width) else cv2.resize(piece, (width, height))
