"""What happens to a line between the thing and the picture: light, lens, sensor, dirt, rain, scanner, JPEG."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from reader.types import UInt8
from synthesis.textures import texture

Rng = np.random.Generator


def light(image: UInt8, rng: Rng, strength: float = 1.0) -> UInt8:
    """Uneven light, a shadow's edge, exposure, the camera's tone curve and a cast of colour.

    Args:
        image: (H, W, 3) uint8 RGB.
        rng: draws what happens.
        strength: 0 leaves the picture as it is, 1 is what cameras do in bad light.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    h, w = image.shape[:2]
    gain = np.exp(rng.normal(0, 0.28) * strength) * np.exp(rng.normal(0, 0.09, 3) * strength)
    along = np.linspace(-0.5, 0.5, w, dtype=np.float32)[None] * rng.normal(0, 0.35)
    down = np.linspace(-0.5, 0.5, h, dtype=np.float32)[:, None] * rng.normal(0, 0.3)
    field = 1 + strength * (along + down)
    if rng.random() < 0.35 * strength:
        field = field * (1 + 0.16 * texture(rng, "smooth", h, w))
    if rng.random() < 0.2 * strength:
        field = field * _shadow(rng, h, w)
    out = image.astype(np.float32) * np.maximum(field, 0.1)[..., None] * np.float32(gain)
    gamma = float(np.exp(rng.normal(0, 0.2) * strength))
    if abs(gamma - 1) > 0.03:
        out = 255 * (np.clip(out, 0, 255) / 255) ** gamma
    return np.clip(out, 0, 255).astype(np.uint8)


def _shadow(rng: Rng, h: int, w: int) -> np.ndarray:
    """(h, w) float32: darker on one side of a slanting edge."""
    y, x = np.ogrid[0:h, 0:w]
    edge = (x - rng.uniform(0, w)) * np.float32(rng.normal(0, 1)) + (y - rng.uniform(0, h)) * np.float32(
        rng.normal(0, 1)
    )
    soft = 1 / (1 + np.exp(np.clip(-edge / (h * rng.uniform(0.02, 0.3)), -20, 20)))
    return np.float32(1 - rng.uniform(0.2, 0.6) * soft)


def glare(image: UInt8, rng: Rng) -> UInt8:
    """One soft bright spot, as of a flash or the sun, that lets the ink through."""
    h, w = image.shape[:2]
    y, x = np.ogrid[0:h, 0:w]
    reach = h * rng.uniform(0.25, 1.1)
    spot = np.exp(
        -(((x - rng.uniform(0, w)) / (reach * rng.uniform(0.7, 2.5))) ** 2) - ((y - rng.uniform(0, h)) / reach) ** 2
    )
    strength = np.float32(rng.uniform(0.1, 0.45)) * spot[..., None].astype(np.float32)
    return (image * (1 - strength) + 255 * strength).astype(np.uint8)


def band(image: UInt8, rng: Rng) -> UInt8:
    """A bright strip along the line, as a lamp makes on plastic that lies over it; the ink nearly drowns in it."""
    h, w = image.shape[:2]
    y, x = np.ogrid[0:h, 0:w]
    away = np.abs(y - h * rng.uniform(0.1, 0.9) - (x - w / 2) * np.float32(rng.normal(0, 0.03)))
    half, soft = h * rng.uniform(0.02, 0.2), h * rng.uniform(0.02, 0.12)
    cover = np.float32(rng.uniform(0.3, 0.85)) / (1 + np.exp(np.clip((away - half) / soft, -20, 20)))
    return (image * (1 - cover[..., None]) + 248 * cover[..., None]).astype(np.uint8)


def reflection(image: UInt8, rng: Rng) -> UInt8:
    """Coloured light of things around, mirrored in what lies over the line: windows, screens, shelves."""
    h, w = image.shape[:2]
    hue = np.uint8([[[rng.integers(80, 130) if rng.random() < 0.6 else rng.integers(180), rng.integers(90, 255), 255]]])
    colour = cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float32)
    y, x = np.ogrid[0:h, 0:w]
    edges = (
        (x - rng.uniform(-0.2, 1.2) * w) / (h * rng.uniform(0.3, 2)),
        (y - rng.uniform(0, h)) / (h * rng.uniform(0.2, 1)),
    )
    power = 4 if rng.random() < 0.5 else 2
    spot = np.exp(-(edges[0] ** power) - edges[1] ** power)
    cover = spot * np.clip(0.8 + 0.4 * texture(rng, "blotch", h, w), 0, 1.5) * np.float32(rng.uniform(0.15, 0.7))
    return np.clip(image + (colour - 40) * np.float32(cover)[..., None], 0, 255).astype(np.uint8)


def blur(image: UInt8, rng: Rng, sigma: float) -> UInt8:
    """Out of focus or moved, `sigma` pixels wide."""
    if sigma < 0.25:
        return image
    if rng.random() < 0.7:
        return cv2.GaussianBlur(image, (0, 0), sigma)
    # A moved camera: a streak of the same spread, of any direction; along the line it is the more usual.
    angle = rng.normal(0, 0.4) if rng.random() < 0.6 else rng.uniform(0, np.pi)
    return cv2.filter2D(image, -1, _streak(round(sigma * 2.6 * 4) / 4, round(float(angle) * 12) / 12))


@functools.lru_cache(maxsize=1024)
def _streak(length: float, angle: float) -> np.ndarray:
    half = int(np.ceil(length / 2)) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.uint8)
    dx, dy = length / 2 * np.cos(angle), length / 2 * np.sin(angle)
    a, b = ((half - dx, half - dy), (half + dx, half + dy))
    cv2.line(kernel, np.int32(np.multiply(a, 16)), np.int32(np.multiply(b, 16)), 255, 1, cv2.LINE_AA, 4)
    return kernel.astype(np.float32) / kernel.sum()


def noise(image: UInt8, rng: Rng, deviation: float) -> UInt8:
    """Grain of a sensor: `deviation` grey levels, partly coloured."""
    if deviation < 0.5:
        return image
    h, w = image.shape[:2]
    grain = texture(rng, "grain", h, w)[..., None] * np.float32(1.6 * deviation)
    if rng.random() < 0.5:
        grain = grain + np.stack([texture(rng, "mottle", h, w) for _ in range(3)], axis=-1) * np.float32(
            0.8 * deviation
        )
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def low_resolution(image: UInt8, rng: Rng, height: int) -> UInt8:
    """The picture as one of `height` rows enlarged again: what is far away, or was saved small."""
    h, w = image.shape[:2]
    if height >= h:
        return image
    small = cv2.resize(image, (max(4, round(w * height / h)), height), interpolation=cv2.INTER_AREA)
    ways = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)
    return cv2.resize(small, (w, h), interpolation=int(rng.choice(ways, p=(0.5, 0.4, 0.1))))


def sharpen(image: UInt8, rng: Rng) -> UInt8:
    """The bright and dark seams that cameras' sharpening leaves."""
    soft = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.8, 1.6)))
    amount = float(rng.uniform(0.3, 1.5))
    return cv2.addWeighted(image, 1 + amount, soft, -amount, 0)


def rain(image: UInt8, rng: Rng) -> UInt8:
    """Streaks of rain or snow before the thing."""
    h, w = image.shape[:2]
    layer = np.zeros((h, w), np.uint8)
    slope, length = rng.normal(0, 0.3), h * rng.uniform(0.1, 0.5)
    count = int(rng.integers(4, 26))
    starts = rng.random((count, 2)) * (w, h)
    for (x, y), shade in zip(starts, rng.integers(60, 190, count), strict=True):
        end = (int(16 * (x + slope * length)), int(16 * (y + length)))
        cv2.line(layer, (int(16 * x), int(16 * y)), end, int(shade), 1, cv2.LINE_AA, 4)
    cover = (layer.astype(np.float32) / 255)[..., None]
    return (image * (1 - cover) + 225 * cover).astype(np.uint8)


def dirt(image: UInt8, rng: Rng) -> UInt8:
    """Dust, splashes and a film of mud, not so thick that characters are lost."""
    h, w = image.shape[:2]
    mud = rng.uniform((60, 50, 35), (170, 150, 125)).astype(np.float32)
    film = np.clip(texture(rng, "blotch", h, w) - rng.uniform(0.1, 0.8), 0, 1) * np.float32(rng.uniform(0.2, 0.6))
    specks = texture(rng, "specks", h, w) * np.float32(rng.uniform(0.1, 0.7))
    cover = np.minimum(0.75, film + specks)[..., None]
    return (image * (1 - cover) + mud * cover).astype(np.uint8)
