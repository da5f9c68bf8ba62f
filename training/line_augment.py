"""Views of a line picture that leave its text what it is: small turns, slants, cuts, then light. Never mirrored."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from reader.line_image import border_colour, placement
from reader.types import UInt8
from training.photometric import distort

Rng = np.random.Generator


@dataclass(frozen=True)
class LineAugmentation:
    """How training views are drawn; lengths are parts of the input's height.

    Attributes:
        turn: standard deviation of the turn, in degrees.
        slant: of the shear along the line, in widths per height.
        scale: of the logarithm of either side's scale.
        shift: of the place.
        corners: of each corner's own place: perspective.
        wave: of the amplitude of a wave along the line, for handwriting; 0 for print.
        light: strength of the changes of light, lens and sensor, 0 to 1.
        negative: share of pictures shown as negatives.
        replicate: share of views whose surroundings continue the picture's edge; the others show its border's colour.
    """

    turn: float = 1.5
    slant: float = 0.06
    scale: float = 0.06
    shift: float = 0.04
    corners: float = 0.03
    wave: float = 0.0
    light: float = 0.7
    negative: float = 0.0
    replicate: float = 0.7

    def scaled(self, strength: float) -> LineAugmentation:
        """The same with every change `strength` times as large or as frequent; 0 changes nothing."""
        parts = ("turn", "slant", "scale", "shift", "corners", "wave", "light", "negative")
        return replace(self, **{name: strength * getattr(self, name) for name in parts})


#: By task; others get `LineAugmentation()`.
AUGMENTATIONS: dict[str, LineAugmentation] = {
    "plate": LineAugmentation(turn=2.5, slant=0.1, scale=0.07, shift=0.05, corners=0.05, light=0.8),
    "captcha": LineAugmentation(turn=1.0, slant=0.05, scale=0.05, shift=0.03, corners=0.02, light=0.3),
    "price": LineAugmentation(turn=3.0, slant=0.12, scale=0.1, shift=0.06, corners=0.04, light=0.9, negative=0.05),
    "handwritten": LineAugmentation(
        turn=2.5, slant=0.18, scale=0.12, shift=0.06, corners=0.04, wave=0.04, light=0.7, negative=0.03
    ),
}


def augmentation_of(task: str, strength: float = 1.0) -> LineAugmentation:
    """How views of a task's lines are drawn; `strength`: see `LineAugmentation.scaled`."""
    return AUGMENTATIONS.get(task, LineAugmentation()).scaled(strength)


def line_view(image: UInt8, size: tuple[int, int], fit: str, rng: Rng, settings: LineAugmentation) -> UInt8:
    """One training view.

    Args:
        image: (H, W, 3) uint8 RGB.
        size: (height, width) of the network's input.
        fit: see `reader.line_image.content_size`.
        rng: source of chance.
        settings: how far views differ.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    matrix = _jitter(size, rng, settings) @ placement(image.shape, size, fit)
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
    if scale < 0.6:  # averaged before it is sampled, or thin strokes would break up
        height, width = image.shape[:2]
        small = (max(1, round(width * scale * 1.2)), max(1, round(height * scale * 1.2)))
        reduced = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        matrix = matrix @ np.diag([width / reduced.shape[1], height / reduced.shape[0], 1.0])
        image = np.asarray(reduced, np.uint8)
    edge = fit == "stretch" and rng.random() < settings.replicate
    view = _sample(image, matrix, size, rng, settings.wave * size[0], edge)
    if rng.random() < settings.negative:
        view = 255 - view
    return distort(np.ascontiguousarray(view), rng, settings.light)


def random_linear(rng: Rng, turn: float, slant: float, scale: float) -> np.ndarray:
    """(2, 2): turned, slanted and scaled by chance.

    Args:
        rng: source of chance.
        turn: standard deviation of the turn, in radians.
        slant: of the shear, in widths per height.
        scale: of the logarithm of either side's scale.
    """
    angle = rng.normal(0, turn)
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    slanted = np.array([[1.0, rng.normal(0, slant)], [0, 1]])
    return turned @ slanted @ np.diag(np.exp(rng.normal(0, scale, 2)))


def _jitter(size: tuple[int, int], rng: Rng, settings: LineAugmentation) -> np.ndarray:
    """(3, 3) within the input's pixels: turned, slanted, scaled, shifted around the middle, corners moved."""
    h, w = size
    linear = random_linear(rng, np.deg2rad(settings.turn), settings.slant, settings.scale)
    middle = np.array([w / 2, h / 2])
    moved = np.eye(3)
    moved[:2, :2] = linear
    moved[:2, 2] = middle - linear @ middle + rng.normal(0, settings.shift, 2) * h
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    places = corners + rng.normal(0, settings.corners, (4, 2)).astype(np.float32) * h
    return cv2.getPerspectiveTransform(corners, places.astype(np.float32)) @ moved


def _sample(image: UInt8, matrix: np.ndarray, size: tuple[int, int], rng: Rng, wave: float, edge: bool) -> UInt8:
    """The picture under a homography; `wave`: deviation, in pixels, of a wave along the line."""
    border = cv2.BORDER_REPLICATE if edge else cv2.BORDER_CONSTANT
    colour = [int(c) for c in border_colour(image)]
    # OpenCV counts pixel centres as whole numbers, we count pixel edges.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    matrix = np.linalg.inv(half) @ matrix @ half
    if wave <= 0:
        view = cv2.warpPerspective(
            image, matrix, (size[1], size[0]), flags=cv2.INTER_LINEAR, borderMode=border, borderValue=colour
        )
        return np.asarray(view, np.uint8)
    x, y = np.arange(size[1], dtype=np.float32), np.arange(size[0], dtype=np.float32)[:, None]
    phase, periods = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 3)
    y = y + np.float32(rng.normal(0, wave)) * np.sin(np.float32(phase) + np.float32(periods * 2 * np.pi / size[1]) * x)
    back = np.linalg.inv(matrix).astype(np.float32)
    u, v, s = (back[i, 0] * x + back[i, 1] * y + back[i, 2] for i in range(3))
    view = cv2.remap(image, u / s, v / s, cv2.INTER_LINEAR, None, border, colour)
    return np.asarray(view, np.uint8)


def bent(rng: Rng, ink: UInt8) -> UInt8:
    """A (h, w) picture of ink bent elastically, as a hand might have written it (Simard, Steinkraus and Platt 2003)."""
    height, width = ink.shape
    # A push every fifth of the height, smoothly between: neighbouring strokes go the same way.
    deviation = rng.uniform(0, 0.03) * height
    pushes = rng.normal(0, deviation, (2, 5, max(4, round(5 * width / height)))).astype(np.float32)
    x, y = (cv2.resize(push, (width, height), interpolation=cv2.INTER_CUBIC) for push in pushes)
    x += np.arange(width, dtype=np.float32)
    y += np.arange(height, dtype=np.float32)[:, None]
    return np.asarray(cv2.remap(ink, x, y, cv2.INTER_LINEAR), np.uint8)
