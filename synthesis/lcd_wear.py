"""What makes real LCDs hard to read: ink that differs in hue alone, uneven segments, lamps in the glass."""

from __future__ import annotations

import cv2
import numpy as np

from synthesis.textures import texture

#: Of a colour's brightness, by channel.
_LUMA = np.array((0.299, 0.587, 0.114), np.float32)
#: Least distance of ink and ground in RGB, 0 to 441, that a person still reads by.
_SEEN = 26.0
#: Most that a lamp's reflection covers of what is under it.
_MOST_COVERED = 0.7


def faint_ink(rng: np.random.Generator, ground: np.ndarray) -> np.ndarray:
    """The ink of an LCD that is seen from the side or old: nearly as bright as its ground, but grey, or violet.

    Args:
        rng: source of chance.
        ground: (3,) RGB, 0 to 255.

    Returns:
        (3,) float64 RGB, at least so far from the ground that a person sees it.
    """
    bright = float(ground @ _LUMA)
    tint = np.array((1.0, 1.0, 1.0)) if rng.random() < 0.6 else np.array((0.95, 0.8, 1.35))
    own = bright * tint * rng.uniform(0.6, 1.0) * (1 + rng.normal(0, 0.05, 3))
    keep = rng.uniform(0.1, 0.6)
    ink = np.clip(keep * ground * rng.uniform(0.8, 1.0) + (1 - keep) * own, 0, 255)
    while np.linalg.norm(ink - ground) < _SEEN and ink.max() > 1:
        ink = ink * 0.94
    return ink


def uneven(rng: np.random.Generator, alpha: np.ndarray) -> np.ndarray:
    """Segments that show in part: weak at the top or the bottom, as seen from above or below, and in blotches.

    Args:
        rng: source of chance.
        alpha: (h, w) float32, how much of the ink shows, 0 to 1.
    """
    h, w = alpha.shape
    ramp = np.linspace(0, 1, h, dtype=np.float32)[:, None]
    if rng.random() < 0.5:
        ramp = 1 - ramp
    kept = 1 - rng.uniform(0, 0.55) * ramp
    along = np.linspace(0, 1, w, dtype=np.float32)[None]
    kept = kept * (1 - rng.uniform(0, 0.45) * (along if rng.random() < 0.5 else 1 - along))
    blotches = np.clip(texture(rng, "blotch", h, w) + rng.uniform(-0.3, 0.3), 0, 1)
    return np.asarray(alpha * kept * (1 - rng.uniform(0, 0.6) * blotches), np.float32)


def lamps(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Reflections in the glass: soft spots of a lamp or a finger, or a slanting band of the sky.

    Args:
        rng: source of chance.
        image: (h, w, 3) float32 RGB, 0 to 255.

    Returns:
        A new picture; what is under the reflections shows through.
    """
    h, w = image.shape[:2]
    for _ in range(int(rng.integers(1, 4))):
        cover = np.zeros((h, w), np.float32)
        if rng.random() < 0.25:
            x, lean, wide = rng.uniform(-0.2, 1.2) * w, rng.normal(0, 0.8) * h, rng.uniform(0.05, 0.5) * w
            band = np.array([(x, 0), (x + wide, 0), (x + wide + lean, h), (x + lean, h)])
            cv2.fillPoly(cover, [np.int32(band)], 1.0)
            most, soft = 0.45, rng.uniform(0.03, 0.4) * h
        else:
            centre = (int(rng.uniform(-0.05, 1.05) * w), int(rng.uniform(-0.1, 1.1) * h))
            axes = (max(2, int(rng.uniform(0.01, 0.22) * w)), max(2, int(rng.uniform(0.05, 0.6) * h)))
            cv2.ellipse(cover, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
            most, soft = _MOST_COVERED, rng.uniform(0.03, 0.5) * h
        cover = cv2.GaussianBlur(cover, (0, 0), max(0.5, soft)) * rng.uniform(0.15, most)
        colour = rng.uniform(150, 255) * np.array(
            (1.0, 1.0, 1.0) if rng.random() < 0.7 else (1.0, rng.uniform(0.5, 0.9), rng.uniform(0.5, 0.9))
        )
        image = image + cover[..., None] * (colour.astype(np.float32) - image)
    return image
