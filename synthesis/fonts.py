"""The shapes of the digits: masks from the shipped fonts, and digits drawn from strokes as they are engraved in drums.

Every shape is rendered once at `BASE` px height and kept; a display then only resizes ten small masks.
The fonts and their licences are in the folder `fonts/` beside this module.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONT_DIR = Path(__file__).parent / "fonts"

#: Height in px at which the digits are rendered once, before a display resizes them.
BASE = 96
PAD = 8

#: Fonts whose digits resemble the ones printed on drums (lining, of even width).
DRUM_FONTS = (
    "OSP-DIN.ttf",
    "Inter-Medium.otf",
    "B612-Regular.otf",
    "RobotoCondensed-Regular.ttf",
    "RobotoCondensed-Bold.ttf",
    "OpenSans-CondBold.ttf",
    "Roboto-Medium.ttf",
    "numeral-l-regular.ttf",
    "numeral-l-bold.ttf",
    "numeral-r.ttf",
    "numeral-r-narrow.ttf",
    "numeral-p.ttf",
)

#: Fonts for words and units on displays and faces.
TEXT_FONTS = (
    "RobotoCondensed-Regular.ttf",
    "RobotoCondensed-Bold.ttf",
    "OpenSans-Regular.ttf",
    "Roboto-Medium.ttf",
    "numeral-l-regular.ttf",
    "numeral-l-bold.ttf",
    "Inter-Medium.otf",
    "OSP-DIN.ttf",
)

#: Seven-segment fonts.
SEGMENT_FONTS = (
    "DSEG7Classic-Regular.ttf",
    "DSEG7Classic-Bold.ttf",
    "DSEG7Modern-Regular.ttf",
    "DSEG7ClassicMini-Regular.ttf",
    "DSEG7ModernMini-Regular.ttf",
)

#: How many different sets of stroke-drawn digits there are.
STROKE_STYLES = 40

Glyphs = tuple[np.ndarray, ...]


@functools.lru_cache(maxsize=256)
def _font(name: str, px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONT_DIR / name), px, layout_engine=ImageFont.Layout.BASIC)


@functools.lru_cache(maxsize=4096)
def text_mask(text: str, font: str, px: int) -> np.ndarray:
    """Render a line of text.

    Args:
        text: characters of ASCII and a few units (m³, °, ²).
        font: a file name in `FONT_DIR`.
        px: nominal font size.

    Returns:
        uint8 (h, w) ink, 255 = full, cropped to the ink; shared, not to be written to.
    """
    face = _font(font, px)
    left, top, right, bottom = face.getbbox(text)
    image = Image.new("L", (max(1, int(right - left) + 2), max(1, int(bottom - top) + 2)), 0)
    ImageDraw.Draw(image).text((1 - left, 1 - top), text, fill=255, font=face)
    mask = np.asarray(image)
    mask.setflags(write=False)
    return mask


@functools.lru_cache(maxsize=64)
def font_digits(name: str) -> Glyphs:
    """Ten masks uint8 (BASE + 2 pad, w): the digits of a font, of the same height and of their own widths."""
    px = BASE * 4
    face = _font(name, px)
    top, bottom = face.getbbox("8")[1], face.getbbox("8")[3]
    scale = BASE / (bottom - top)
    out = []
    for c in "0123456789":
        left, _, right, _ = face.getbbox(c)
        pad = round(PAD / scale)
        image = Image.new("L", (int(right - left) + 2 * pad, int(bottom - top) + 2 * pad), 0)
        ImageDraw.Draw(image).text((pad - left, pad - top), c, fill=255, font=face)
        mask = np.asarray(image)
        size = (max(4, round(mask.shape[1] * scale)), BASE + 2 * PAD)
        out.append(cv2.resize(mask, size, interpolation=cv2.INTER_AREA))
    return tuple(out)


def _arc(cx: float, cy: float, rx: float, ry: float, start: float, end: float) -> list[tuple[float, float]]:
    """Points on an ellipse; degrees clockwise from the right, y down."""
    n = max(3, int(abs(end - start) / 6))
    steps = (math.radians(start + (end - start) * i / n) for i in range(n + 1))
    return [(cx + rx * math.cos(t), cy + ry * math.sin(t)) for t in steps]


def _digit_strokes(c: int, cap: float, flag: int, square: bool) -> list[list[tuple[float, float]]]:
    """Polylines of a digit in the unit square (x right, y down).

    Args:
        c: the digit.
        cap: height of the round ends of a stadium, as a share of the digit's height.
        flag: bits choosing a variant: 1 = foot under the 1, 2 = flat-topped 3, 4 = open 4, 8 = straight-backed 6 and 9.
        square: bowls are stadiums with straight sides instead of ellipses.
    """

    def bowl(y0: float, y1: float, x0: float = 0.0, x1: float = 1.0) -> list[tuple[float, float]]:
        cx, rx, r = (x0 + x1) / 2, (x1 - x0) / 2, min(cap, (y1 - y0) / 2) if square else (y1 - y0) / 2
        return [*_arc(cx, y0 + r, rx, r, 180, 360), *_arc(cx, y1 - r, rx, r, 0, 180), (x0, y0 + r)]

    if c == 0:
        return [[*_arc(0.5, cap, 0.5, cap, 180, 360), *_arc(0.5, 1 - cap, 0.5, cap, 0, 180), (0.0, cap)]]
    if c == 1:
        stem = [(0.18, 0.2), (0.56, 0.0), (0.56, 1.0)]
        return [stem, [(0.2, 1.0), (0.92, 1.0)]] if flag & 1 else [stem]
    if c == 2:
        r = min(max(cap, 0.27), 0.34)
        return [[*_arc(0.5, r, 0.48, r, 185, 385), (0.0, 1.0), (1.0, 1.0)]]
    if c == 3:
        if flag & 2:
            return [[(0.05, 0.0), (0.95, 0.0), (0.42, 0.4), *_arc(0.48, 0.7, 0.52, 0.3, -80, 155)]]
        return [[*_arc(0.48, 0.235, 0.44, 0.235, -160, 90), *_arc(0.48, 0.735, 0.52, 0.265, -90, 160)]]
    if c == 4:
        if flag & 4:
            return [[(0.42, 0.0), (0.0, 0.72), (1.0, 0.72)], [(0.72, 0.42), (0.72, 1.0)]]
        return [[(1.0, 0.72), (0.0, 0.72), (0.72, 0.0), (0.72, 1.0)]]
    if c == 5:
        return [[(0.92, 0.0), (0.14, 0.0), (0.08, 0.45), *_arc(0.46, 0.68, 0.54, 0.32, -135, 150)]]
    if c == 7:
        bend = [(1.0, 0.0), (0.6, 0.45), (0.4, 1.0)] if flag & 1 else [(1.0, 0.0), (0.36, 1.0)]
        return [[(0.0, 0.0), *bend]]
    if c == 8:
        return [bowl(0.0, 0.46, 0.06, 0.94), bowl(0.46, 1.0)]
    six = [bowl(0.4, 1.0)]
    if flag & 8:
        six.append([(0.02, 0.62), (0.3, 0.25), (0.62, 0.0)])
    else:
        r = max(cap, 0.25)
        six.append([(0.0, 0.7), (0.0, r), *_arc(0.5, r, 0.5, r, 180, 335)])
    return six if c == 6 else [[(1 - x, 1 - y) for x, y in line] for line in six]


@functools.lru_cache(maxsize=STROKE_STYLES)
def stroke_digits(style: int) -> Glyphs:
    """Ten masks like `font_digits`, drawn from strokes; `style` in 0 .. STROKE_STYLES - 1 fixes shape and weight."""
    rng = np.random.default_rng([20, style])
    aspect = rng.uniform(0.42, 0.66)
    weight = rng.uniform(0.07, 0.155)
    cap = min(0.5, aspect * rng.choice([0.5, 0.5, 0.36, 0.8]))
    flag, square = int(rng.integers(0, 16)), bool(rng.random() < 0.4)
    s = 4
    thick = max(1, round(weight * BASE * s))
    high, wide, pad = BASE * s - thick, aspect * BASE * s - thick, PAD * s
    out = []
    for c in range(10):
        canvas = np.zeros(((BASE + 2 * PAD) * s, int(wide + thick + 2 * pad)), np.uint8)
        for line in _digit_strokes(c, cap, flag, square):
            points = np.array(line) * (wide, high) + (pad + thick / 2, pad + thick / 2)
            cv2.polylines(canvas, [np.int32(np.round(points * 16))], False, 255, thick, cv2.LINE_AA, 4)
        columns = np.flatnonzero(canvas.any(axis=0))
        canvas = canvas[:, max(0, columns[0] - pad) : columns[-1] + pad]
        size = (max(4, canvas.shape[1] // s), BASE + 2 * PAD)
        out.append(cv2.resize(canvas, size, interpolation=cv2.INTER_AREA))
    return tuple(out)


@functools.lru_cache(maxsize=256)
def _weighted(glyphs: Callable[..., Glyphs], key: str | int, level: int) -> Glyphs:
    """Ten masks with thickened (level > 0) or thinned strokes, one level being 0.6 % of the digit's height."""
    masks = glyphs(key)
    if level == 0:
        return masks
    # Threshold of a blurred mask moves the edge outward or inward, and rounds the corners as print does.
    reach = max(1.0, abs(level) * 0.006 * BASE * 1.6)
    cut = 128 - math.copysign(62, level)
    soft = (cv2.GaussianBlur(m, (0, 0), reach).astype(np.float32) for m in masks)
    return tuple(np.clip((m - cut) * 4 + 128, 0, 255).astype(np.uint8) for m in soft)


def fit_digits(
    glyphs: Callable[..., Glyphs], key: str | int, height: float, stretch: float = 1.0, weight: float = 0.0
) -> tuple[np.ndarray, ...]:
    """Ten masks at the size of one display.

    Args:
        glyphs: one of the functions of this module that return ten masks.
        key: its argument, a font or a style.
        height: of a digit in px.
        stretch: factor of the width.
        weight: thickens (> 0) or thins (< 0) the strokes, in shares of the digit's height.

    Returns:
        Ten float32 masks (h, w), 0..1: the ink with a margin of PAD / BASE of the digit's height all around.
    """
    scale = height / BASE
    rows = max(4, round((BASE + 2 * PAD) * scale))
    out = []
    for mask in _weighted(glyphs, key, round(weight / 0.006)):
        size = (max(2, round(mask.shape[1] * scale * stretch)), rows)
        fitted = cv2.resize(mask, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        out.append(fitted.astype(np.float32) / 255)
    return tuple(out)


#: The segments a digit lights: a top, b right upper, c right lower, d bottom, e left lower, f left upper, g middle.
SEGMENTS = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcfgd")

#: How many different sets of self-drawn segment digits there are.
SEGMENT_STYLES = 24


def _segment_polygons(aspect: float, thick: float, gap: float, bevel: float) -> dict[str, np.ndarray]:
    """Corner points of the seven segments, in units of the digit's height: x 0..aspect, y 0..1."""
    c, half, right = thick * bevel, thick / 2, aspect

    def across(y: float, grow: float) -> np.ndarray:
        """A horizontal segment centred on row y; `grow` lengthens its upper (< 0) or lower (> 0) edge."""
        a, b = half + gap, right - half - gap
        up, down = c + min(0, grow) * c, c - max(0, grow) * c
        points = [(a, y), (a + up, y - half), (b - up, y - half), (b, y), (b - down, y + half), (a + down, y + half)]
        return np.array(points)

    def upright(x: float, y0: float, y1: float) -> np.ndarray:
        y0, y1 = y0 + gap, y1 - gap
        sides = [(x, y0), (x + half, y0 + c), (x + half, y1 - c), (x, y1), (x - half, y1 - c), (x - half, y0 + c)]
        return np.array(sides)

    return {
        "a": across(half, -1),
        "d": across(1 - half, 1),
        "g": across(0.5, 0),
        "f": upright(half, half, 0.5),
        "b": upright(right - half, half, 0.5),
        "e": upright(half, 0.5, 1 - half),
        "c": upright(right - half, 0.5, 1 - half),
    }


@functools.lru_cache(maxsize=SEGMENT_STYLES)
def segment_digits(style: int) -> Glyphs:
    """Ten masks like `font_digits`, all of one width, made of seven segments; `style` in 0 .. SEGMENT_STYLES - 1."""
    rng = np.random.default_rng([21, style])
    aspect, thick = rng.uniform(0.45, 0.62), rng.uniform(0.08, 0.16)
    gap, bevel = rng.uniform(0.0, 0.022), rng.uniform(0.15, 0.5)
    tails, hook = rng.random() < 0.75, rng.random() < 0.2
    polygons = _segment_polygons(aspect, thick, gap, bevel)
    s, pad = 4, PAD * 4
    size = (round(aspect * BASE) + 2 * PAD, BASE + 2 * PAD)
    out = []
    for c in range(10):
        lit = SEGMENTS[c] + ("f" if c == 7 and hook else "")
        if not tails and c in (6, 9):
            lit = lit.replace("a" if c == 6 else "d", "")
        canvas = np.zeros((size[1] * s, size[0] * s), np.uint8)
        for name in lit:
            points = np.int32(np.round((polygons[name] * BASE * s + pad) * 16))
            cv2.fillPoly(canvas, [points], 255, cv2.LINE_AA, 4)
        out.append(cv2.resize(canvas, size, interpolation=cv2.INTER_AREA))
    return tuple(out)


@functools.lru_cache(maxsize=16)
def segment_font_digits(name: str) -> Glyphs:
    """Ten masks like `segment_digits`, all of one width, from a seven-segment font."""
    px = BASE * 4
    face = _font(name, px)
    left, top, right, bottom = face.getbbox("8")
    scale = BASE / (bottom - top)
    pad = round(PAD / scale)
    out = []
    for c in "0123456789":
        image = Image.new("L", (int(right - left) + 2 * pad, int(bottom - top) + 2 * pad), 0)
        ImageDraw.Draw(image).text((pad - left, pad - top), c, fill=255, font=face)
        mask = np.asarray(image)
        size = (max(4, round(mask.shape[1] * scale)), BASE + 2 * PAD)
        out.append(cv2.resize(mask, size, interpolation=cv2.INTER_AREA))
    return tuple(out)
