"""The shapes of characters on line pictures: masks from the fonts in `fonts/` beside this module, loaded once."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from synthesis.fonts import FONT_DIR as METER_FONTS

FONT_DIR = Path(__file__).parent / "fonts"

Mask = np.ndarray


@dataclass(frozen=True)
class Glyph:
    """A character as it is put beside others.

    Attributes:
        mask: (h, w) uint8 ink, 255 = full, cut to the ink; shared, not to be written to.
        left: px from the pen's place to the mask's left edge.
        top: px from the baseline up to the mask's top edge.
        advance: px from the pen's place to the next character's.
    """

    mask: Mask
    left: int
    top: int
    advance: float


def font_path(name: str) -> Path:
    """Where a bundled font lies: beside this module, or among the fonts of the meters."""
    path = FONT_DIR / name
    return path if path.exists() else METER_FONTS / name


@functools.lru_cache(maxsize=256)
def face(name: str, px: int) -> ImageFont.FreeTypeFont:
    """A bundled font at a size."""
    return ImageFont.truetype(str(font_path(name)), px, layout_engine=ImageFont.Layout.BASIC)


@functools.lru_cache(maxsize=4096)
def glyph(character: str, name: str, px: int) -> Glyph:
    """One character of a bundled font at a size."""
    font = face(name, px)
    left, top, right, bottom = (int(edge) for edge in font.getbbox(character, anchor="ls"))
    image = Image.new("L", (max(1, right - left) + 2, max(1, bottom - top) + 2), 0)
    ImageDraw.Draw(image).text((1 - left, 1 - top), character, fill=255, font=font, anchor="ls")
    mask = np.asarray(image)
    x, y, w, h = cv2.boundingRect(mask)
    mask = mask[y : y + h, x : x + w] if w and h else np.zeros((1, 1), np.uint8)
    return Glyph(mask, left - 1 + x, 1 - top - y, font.getlength(character))


@functools.lru_cache(maxsize=4096)
def fitted_glyph(character: str, name: str, width: int, height: int, weight: int) -> Mask:
    """One character stretched to a box, with strokes as wide across as along.

    Args:
        character: what to draw.
        name: a bundled font.
        width: of the box in px.
        height: of the box in px.
        weight: px by which the strokes are made wider (> 0) or thinner (< 0) at eight times the size.

    Returns:
        uint8 (height, width) ink, 255 = full; shared, not to be written to.
    """
    drawn = glyph(character, name, 240).mask
    large = cv2.resize(drawn, (width * 4, height * 4), interpolation=cv2.INTER_AREA)
    if weight:
        size = 2 * abs(weight) + 1
        room = cv2.copyMakeBorder(large, size, size, size, size, cv2.BORDER_CONSTANT, value=0)
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        room = cv2.dilate(room, kernel) if weight > 0 else cv2.erode(room, kernel)
        large = room[size:-size, size:-size]
    mask = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
    mask.setflags(write=False)
    return mask


def lay(canvas: Mask, mask: Mask, left: int, top: int) -> None:
    """Add ink to a canvas (h, w) uint8 in place; what falls outside is cut, the stronger ink stays."""
    h, w = mask.shape
    y1, x1 = max(0, top), max(0, left)
    y2, x2 = min(canvas.shape[0], top + h), min(canvas.shape[1], left + w)
    if y1 < y2 and x1 < x2:
        room = canvas[y1:y2, x1:x2]
        np.maximum(room, mask[y1 - top : y2 - top, x1 - left : x2 - left], out=room)
