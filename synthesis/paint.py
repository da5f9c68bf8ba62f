"""The brushes of the picture synthesis: text, noise textures, blending and colours on uint8 RGB arrays.

All functions paint in place on uint8 (h, w, 3) RGB. Coordinates are pixels with the origin at the top-left edge, so
that the centre of the first pixel is (0.5, 0.5).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Point = tuple[float, float]

_SHIFT = 4  # fractional bits of OpenCV's drawing coordinates
_BANK_SIDE = 1024


@lru_cache(maxsize=1)
def noise_bank() -> np.ndarray:
    """Return (2048, 2048) float32 white noise, mean 0, deviation 1, always the same, of period 1024 both ways.

    Photos take random windows of it: drawing a million fresh normal numbers per photo would cost more than all else.
    """
    bank = np.random.default_rng(20231).standard_normal((_BANK_SIDE, _BANK_SIDE), dtype=np.float32)
    return np.tile(bank, (2, 2))


def white_noise(rng: np.random.Generator, h: int, w: int) -> np.ndarray:
    """Return an (h, w) float32 window of white noise, deviation 1; not to be written to."""
    bank = noise_bank()
    y, x = (int(v) for v in rng.integers(0, _BANK_SIDE, 2))
    if max(h, w) > _BANK_SIDE:
        bank = np.tile(bank, (1 + h // _BANK_SIDE, 1 + w // _BANK_SIDE))
    window = bank[y : y + h, x : x + w]
    return window[:, ::-1] if rng.random() < 0.5 else window


def smooth_noise(rng: np.random.Generator, h: int, w: int, cell: float) -> np.ndarray:
    """Return (h, w) float32 noise that varies over about `cell` pixels, roughly -2 to 2."""
    small_h, small_w = max(2, round(h / cell) + 1), max(2, round(w / cell) + 1)
    small = np.ascontiguousarray(white_noise(rng, small_h, small_w))
    return cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC)


def multiply(img: np.ndarray, factor: np.ndarray) -> None:
    """Multiply a picture in place by a (h, w) or (h, w, 3) float32 factor, with saturation."""
    if factor.ndim == 2:
        factor = cv2.merge([factor, factor, factor])
    cv2.multiply(img, np.ascontiguousarray(factor, dtype=np.float32), dst=img, dtype=cv2.CV_8U)


def blend(
    img: np.ndarray, mask: np.ndarray, colour: Colour | np.ndarray, x: int = 0, y: int = 0, alpha: float = 1.0
) -> None:
    """Paint `colour` through a uint8 mask whose top-left pixel lies at (x, y); what falls outside is cut.

    Args:
        img: uint8 (h, w, 3) RGB, changed in place.
        mask: uint8 (mh, mw), 255 where the colour covers.
        colour: one RGB colour, or a uint8 (mh, mw, 3) picture.
        x: left pixel of the mask in the picture, may be negative.
        y: top pixel of the mask in the picture, may be negative.
        alpha: opacity of the whole, 0 to 1.
    """
    left, top, wide, high = cv2.boundingRect(mask)
    x0, y0 = max(0, x + left), max(0, y + top)
    x1, y1 = min(img.shape[1], x + left + wide), min(img.shape[0], y + top + high)
    if x0 >= x1 or y0 >= y1:
        return
    part = slice(y0 - y, y1 - y), slice(x0 - x, x1 - x)
    weight = mask[part] if alpha >= 1 else cv2.convertScaleAbs(mask[part], alpha=alpha)
    if isinstance(colour, np.ndarray):
        over = cv2.multiply(colour[part], cv2.merge([weight] * 3), scale=1 / 255)
    else:
        over = cv2.merge([cv2.convertScaleAbs(weight, alpha=c / 255) for c in colour])
    roi = img[y0:y1, x0:x1]
    under = cv2.multiply(roi, cv2.merge([cv2.bitwise_not(weight)] * 3), scale=1 / 255)
    cv2.add(over, under, dst=under)
    roi[:] = under


def _fixed(points: np.ndarray | list[Point]) -> np.ndarray:
    # OpenCV's integer coordinates name pixel centres, ours pixel edges: hence the half pixel
    return np.round((np.asarray(points, np.float64) - 0.5) * (1 << _SHIFT)).astype(np.int32)


def polygon(img: np.ndarray, points: np.ndarray | list[Point], colour: Colour) -> None:
    """Fill a polygon with smooth edges."""
    cv2.fillPoly(img, [_fixed(points)], colour, cv2.LINE_AA, _SHIFT)


def outline(
    img: np.ndarray, points: np.ndarray | list[Point], colour: Colour, width: float, closed: bool = True
) -> None:
    """Draw a polyline with smooth edges; widths under one pixel are drawn as one."""
    cv2.polylines(img, [_fixed(points)], closed, colour, max(1, round(width)), cv2.LINE_AA, _SHIFT)


def disc(img: np.ndarray, centre: Point, radius: float, colour: Colour, width: float = 0.0) -> None:
    """Draw a filled circle, or a ring where `width` is given (pixels)."""
    cx, cy = (int(v) for v in _fixed([centre])[0])
    thickness = -1 if width <= 0 else max(1, round(width))
    cv2.circle(img, (cx, cy), max(1, round(radius * (1 << _SHIFT))), colour, thickness, cv2.LINE_AA, _SHIFT)


def rectangle(img: np.ndarray, box: tuple[float, float, float, float], colour: Colour, width: float = 0.0) -> None:
    """Draw a filled box (x1, y1, x2, y2), or its frame where `width` is given (pixels)."""
    x1, y1, x2, y2 = box
    corners: list[Point] = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
    if width <= 0:
        polygon(img, corners, colour)
    else:
        outline(img, corners, colour, width)


def rounded_box(box: tuple[float, float, float, float], radius: float, steps: int = 6) -> np.ndarray:
    """Return the outline (n, 2) of a box (x1, y1, x2, y2) with round corners, clockwise."""
    x1, y1, x2, y2 = box
    radius = min(radius, (x2 - x1) / 2, (y2 - y1) / 2)
    points = []
    for cx, cy, start in (
        (x2 - radius, y1 + radius, -90),
        (x2 - radius, y2 - radius, 0),
        (x1 + radius, y2 - radius, 90),
        (x1 + radius, y1 + radius, 180),
    ):
        for angle in np.radians(np.linspace(start, start + 90, steps)):
            points.append((cx + radius * np.cos(angle), cy + radius * np.sin(angle)))
    return np.array(points, np.float32)


def jitter(rng: np.random.Generator, colour: Colour, amount: float = 12.0) -> Colour:
    """Return a colour near the given one: brightness moves together, the channels a little apart."""
    values = np.asarray(colour) + rng.normal(0, amount) + rng.normal(0, amount / 3, 3)
    r, g, b = (int(v) for v in np.clip(values, 0, 255))
    return r, g, b


def shade(colour: Colour, factor: float) -> Colour:
    """Return the colour made darker (factor under 1) or lighter."""
    r, g, b = (int(min(255, max(0, v * factor))) for v in colour)
    return r, g, b


@lru_cache(maxsize=1)
def fonts() -> tuple[str, ...]:
    """Return the paths of the shipped fonts for print on meters, sorted by file name."""
    folder = Path(__file__).parent / "fonts"
    return tuple(str(path) for path in sorted(folder.glob("*.[to]tf")) if "DSEG" not in path.name)


@lru_cache(maxsize=512)
def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=4)
def _face(name: str) -> cv2.FontFace:
    return cv2.FontFace(name)


def text_mask(text: str, font: int, height: float) -> np.ndarray:
    """Return a uint8 mask of one line of text, cut to its ink.

    Args:
        text: what to write.
        font: any non-negative number; chooses a typeface (taken modulo their number).
        height: height of a capital letter in pixels.
    """
    size = max(5, round(height / 0.72))
    paths = fonts()
    # the shipped fonts are cut down to ASCII and a few units; OpenCV's own variable sans has all, in six weights
    if font % 3 == 0 or not all(ord(char) < 128 or char in "°³²" for char in text):
        weight, slant = 200 + 100 * (font // 3 % 6), "italic" if font % 15 == 3 else "sans"
        canvas = np.zeros((size * 2, int(len(text) * size * 0.95) + 8, 3), np.uint8)
        cv2.putText(canvas, text, (2, round(size * 1.4)), (255, 255, 255), _face(slant), size, weight)
        mask = canvas[..., 0]
    else:
        face = _font(paths[font // 3 % len(paths)], size)
        left, top, right, bottom = face.getbbox(text)
        picture = Image.new("L", (max(1, int(right - left) + 2), max(1, int(bottom - top) + 2)))
        ImageDraw.Draw(picture).text((1 - left, 1 - top), text, fill=255, font=face)
        mask = np.asarray(picture)
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if len(columns) == 0:
        return np.zeros((1, 1), np.uint8)
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def put_text(
    img: np.ndarray,
    text: str,
    centre: Point,
    height: float,
    colour: Colour,
    font: int = 0,
    angle: float = 0.0,
    stretch: float = 1.0,
    alpha: float = 1.0,
    anchor: str = "middle",
) -> tuple[float, float]:
    """Write one line of text and return its width and height in pixels, before turning.

    Args:
        img: picture to write on.
        text: one line.
        centre: middle of the text, or of its left edge for anchor "left".
        height: height of a capital letter in pixels.
        colour: RGB.
        font: see `text_mask`.
        angle: degrees clockwise on the picture.
        stretch: width factor; under 1 is condensed.
        alpha: opacity.
        anchor: "middle" or "left".
    """
    mask = text_mask(text, font, height)
    if abs(stretch - 1) > 0.03:
        mask = cv2.resize(mask, (max(1, round(mask.shape[1] * stretch)), mask.shape[0]), interpolation=cv2.INTER_AREA)
    h, w = mask.shape
    cx, cy = centre
    if anchor == "left":
        turn = np.radians(angle)
        cx, cy = cx + w / 2 * np.cos(turn), cy + w / 2 * np.sin(turn)
    if abs(angle) > 0.3:
        side = int(np.hypot(h, w)) + 3
        matrix = cv2.getRotationMatrix2D((w / 2 - 0.5, h / 2 - 0.5), -angle, 1.0)
        matrix[:, 2] += ((side - w) / 2, (side - h) / 2)
        mask = cv2.warpAffine(mask, matrix, (side, side))
    blend(img, mask, colour, round(cx - mask.shape[1] / 2), round(cy - mask.shape[0] / 2), alpha)
    return float(w), float(h)
