"""Light, lens and sensor: changes of a picture that leave its labels where they are. numpy + OpenCV, 1 ms each."""

from __future__ import annotations

from collections.abc import Callable, Collection

import cv2
import numpy as np

from reader.image import through_jpeg
from reader.types import UInt8

Rng = np.random.Generator
#: One change of a picture.
Step = Callable[[UInt8, Rng], UInt8]

#: Grey levels (standard deviation) that `fade` leaves a picture.
_LEAST_CONTRAST = 6.0


def distort(image: UInt8, rng: Rng, strength: float = 1.0, only: Collection[Step] | None = None) -> UInt8:
    """A picture as another phone on another day might have taken it.

    Args:
        image: (H, W, 3) uint8 RGB.
        rng: source of chance.
        strength: 1 for training; 0 changes nothing.
        only: of the steps these alone; None for all.

    Returns:
        A new picture of the same shape.
    """
    steps = (
        (0.8, light),
        (0.5, colour),
        (0.25, shade),
        (0.12, glare),
        (0.2, soften),
        (0.1, shake),
        (0.15, shrink),
        (0.35, grain),
        (0.25, squeeze),
    )
    for chance, step in steps:
        if (only is None or step in only) and rng.random() < chance * strength:
            image = step(image, rng)
    return image


def light(image: UInt8, rng: Rng) -> UInt8:
    """Exposure, contrast and gamma in one look-up table."""
    x = np.arange(256, dtype=np.float32) / 255
    x = x ** np.exp(rng.normal(0, 0.28))
    x = (x - 0.5) * np.exp(rng.normal(0, 0.25)) + 0.5 + rng.normal(0, 0.05)
    return cv2.LUT(image, _levels(x))


def colour(image: UInt8, rng: Rng) -> UInt8:
    """White balance, saturation, sometimes no colour at all."""
    if rng.random() < 0.15:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    gains = np.exp(rng.normal(0, 0.12, 3))
    table = np.stack([_levels(np.arange(256) / 255 * g) for g in gains], -1)[:, None]  # (256, 1, 3)
    image = cv2.LUT(image, table)
    if rng.random() < 0.5:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        keep = float(rng.uniform(0.2, 1.6))
        image = cv2.addWeighted(image, keep, grey, 1 - keep, 0)
    return image


def shade(image: UInt8, rng: Rng) -> UInt8:
    """A soft slope of light across the picture."""
    low = rng.uniform(0.45, 1.25, (2, 2)).astype(np.float32)
    slope = cv2.resize(low, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.clip(image * slope[..., None], 0, 255).astype(np.uint8)


def glare(image: UInt8, rng: Rng) -> UInt8:
    """One to three soft bright spots, as a lamp leaves on glass."""
    h, w = image.shape[:2]
    layer = np.zeros((max(h // 4, 1), max(w // 4, 1)), np.float32)
    for _ in range(rng.integers(1, 4)):
        centre = (int(rng.uniform(0, w) / 4), int(rng.uniform(0, h) / 4))
        axes = (max(1, int(rng.uniform(0.02, 0.12) * w / 4)), max(1, int(rng.uniform(0.02, 0.2) * h / 4)))
        cv2.ellipse(layer, centre, axes, float(rng.uniform(0, 180)), 0, 360, float(rng.uniform(60, 220)), -1)
    layer = cv2.GaussianBlur(layer, (0, 0), float(rng.uniform(0.5, 3)))
    layer = cv2.resize(layer, (w, h))
    return np.clip(image + layer[..., None], 0, 255).astype(np.uint8)


def soften(image: UInt8, rng: Rng) -> UInt8:
    """Out of focus."""
    return cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.8)))


def shake(image: UInt8, rng: Rng) -> UInt8:
    """Moved while the shutter was open."""
    length = int(rng.integers(3, 8))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    middle = (length - 1) / 2
    reach = np.array([np.cos(angle), np.sin(angle)]) * middle
    start, end = middle - reach, middle + reach
    cv2.line(kernel, [round(float(v)) for v in start], [round(float(v)) for v in end], 1.0)
    return cv2.filter2D(image, -1, kernel / max(kernel.sum(), 1.0))


def shrink(image: UInt8, rng: Rng) -> UInt8:
    """Fewer pixels than it seems: scaled down and up again."""
    h, w = image.shape[:2]
    factor = float(rng.uniform(0.35, 0.8))
    small = cv2.resize(image, (max(1, int(w * factor)), max(1, int(h * factor))), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR)


def far_away(image: UInt8, rng: Rng) -> UInt8:
    """A display that was a few pixels high on the photo, or a poor camera's: what it did happened to those few pixels.

    Blur, then few pixels, their noise, the camera's sharpening, its JPEG, and only then the size of the view. The steps
    of `distort` work on the size of the view, where a reader never finds them when the display was small.
    """
    h, w = image.shape[:2]
    factor = float(np.exp(rng.uniform(np.log(0.2), np.log(0.6))))
    small = cv2.resize(image, (max(4, round(w * factor)), max(4, round(h * factor))), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.6:
        small = cv2.GaussianBlur(small, (0, 0), float(rng.uniform(0.3, 0.9)))
    if rng.random() < 0.5:
        small = grain(small, rng)
    if rng.random() < 0.4:
        soft = cv2.GaussianBlur(small, (0, 0), float(rng.uniform(0.7, 1.5)))
        more = float(rng.uniform(0.3, 1.5))
        small = cv2.addWeighted(small, 1 + more, soft, -more, 0)
    if rng.random() < 0.5:
        small = squeeze(small, rng)
    return cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_CUBIC)


def fade(image: UInt8, rng: Rng) -> UInt8:
    """An old LCD, a dusty window, a flash in the glass: little is left of the contrast, under the sensor's noise."""
    left = float(np.exp(rng.uniform(np.log(0.15), np.log(0.6))))
    left = max(left, min(1.0, _LEAST_CONTRAST / max(float(image.std()), 1.0)))
    tone = np.clip(image.mean((0, 1)) * rng.uniform(0.6, 1.3) + rng.normal(0, 15), 40, 220)
    noise = rng.standard_normal((*image.shape[:2], 1), dtype=np.float32) * rng.uniform(0.3, 1.5)
    return np.clip(image * left + tone * (1 - left) + noise, 0, 255).astype(np.uint8)


def grain(image: UInt8, rng: Rng) -> UInt8:
    """Sensor noise, no stronger than leaves what a faint picture shows."""
    most = 3 + 0.15 * float(image[::4, ::4].std())
    noise = rng.standard_normal((image.shape[0], image.shape[1]), dtype=np.float32)[..., None]
    if rng.random() < 0.5:
        noise = rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(image + noise * rng.uniform(1, most), 0, 255).astype(np.uint8)


def squeeze(image: UInt8, rng: Rng) -> UInt8:
    """JPEG at a low quality."""
    return through_jpeg(image, int(rng.integers(25, 85)))


def _levels(x: np.ndarray) -> UInt8:
    return np.clip(x * 255, 0, 255).astype(np.uint8)
