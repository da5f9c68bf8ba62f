"""LCD and LED displays of seven-segment digits, with exact labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from synthesis.fonts import (
    BASE,
    PAD,
    SEGMENT_FONTS,
    SEGMENT_STYLES,
    TEXT_FONTS,
    Glyphs,
    fit_digits,
    segment_digits,
    segment_font_digits,
    text_mask,
)
from synthesis.lcd_wear import faint_ink, lamps, uneven
from synthesis.textures import texture

Box = tuple[float, float, float, float, str]

_UNITS = ("kWh", "kWh", "kWh", "kW h", "CkWh", "m³", "m³", "MWh", "GJ", "kVAh", "kW", "m3", "L/h")
_MARKS = (
    "CUM",
    "BP",
    "T1",
    "T2",
    "T4",
    "L1",
    "L2",
    "L3",
    "Total",
    "MD",
    "V",
    "A",
    "Hz",
    "PF",
    "R",
    "Y",
    "B",
    "1.8.0",
    "OK",
    "P",
)


#: How far a digit's box reaches beyond its strokes, of its height.
_GROWN = 0.04
#: Share of LCDs that are faint, seen from the side or behind shining glass, as real ones are.
_WORN = 0.35


@dataclass(frozen=True)
class _Look:
    """Colours 0..255 RGB of the ground and of lit segments; `glow` for LEDs that shine; `worn` where little is seen."""

    ground: np.ndarray
    ink: np.ndarray
    glow: float
    worn: bool = False


def _look(rng: np.random.Generator) -> _Look:
    """A backlight, the bare grey of an unlit LCD, or bright segments on dark."""
    j = rng.uniform(0.88, 1.1, 3)
    kind = rng.choice(9, p=[0.2, 0.12, 0.1, 0.14, 0.26, 0.05, 0.05, 0.05, 0.03])
    grounds = (
        (rng.uniform(0, 110), rng.uniform(180, 255), rng.uniform(20, 150)),  # green
        (rng.uniform(50, 150), rng.uniform(130, 205), 250),  # blue
        (rng.uniform(225, 255), rng.uniform(130, 190), rng.uniform(0, 70)),  # amber
        (rng.uniform(190, 250),) * 3,  # white
        (rng.uniform(55, 185),) * 3,  # none: the grey-green of the reflector
        (rng.uniform(5, 40), rng.uniform(20, 60), rng.uniform(90, 190)),  # bright on blue
        (rng.uniform(5, 35),) * 3,  # bright on black
        (rng.uniform(20, 60), rng.uniform(5, 20), rng.uniform(5, 20)),  # red LED
        (rng.uniform(0, 15), rng.uniform(10, 40), rng.uniform(5, 20)),  # green LED
    )
    ground = np.clip(np.array(grounds[kind]) * j, 0, 255)
    if kind == 4:
        tint = (rng.uniform(0.94, 1.05), rng.uniform(1.0, 1.09), rng.uniform(0.78, 1.0))
        if rng.random() < 0.35:  # the sky or a hand in the glass
            tint = (rng.uniform(0.8, 1.15), rng.uniform(0.9, 1.0), rng.uniform(0.95, 1.3))
        ground = np.clip(ground * tint, 0, 255)
    if kind < 5 and rng.random() < _WORN:
        return _Look(ground.astype(np.float32), faint_ink(rng, ground).astype(np.float32), 0.0, True)
    if kind < 5:
        depth = rng.uniform(0.05, 0.45) if rng.random() < 0.7 else rng.uniform(0.4, 0.72)
        ink = ground * depth * rng.uniform(0.9, 1.1, 3) + rng.uniform(0, 12, 3)
        if rng.random() < 0.35:
            ink = 0.5 * ink + 0.5 * rng.uniform(0.5, 1) * np.array((20.0, 20.0, 40.0))
        return _Look(ground.astype(np.float32), np.clip(ink, 0, 255).astype(np.float32), 0.0)
    if kind in (5, 6):
        shine = rng.uniform(170, 255) * rng.uniform(0.8, 1.0, 3)
    elif kind == 7:
        shine = np.array((rng.uniform(210, 255), rng.uniform(20, 120), rng.uniform(10, 60)))
    else:
        shine = np.array((rng.uniform(40, 140), rng.uniform(210, 255), rng.uniform(60, 140)))
    return _Look(ground.astype(np.float32), np.clip(shine, 0, 255).astype(np.float32), float(rng.uniform(0.1, 0.6)))


def _lay(layer: np.ndarray, mask: np.ndarray, x: float, y: float, strength: float = 1.0) -> None:
    """Add a mask to an ink layer float32 (h, w); the stronger ink wins; clipped at the edges."""
    x0, y0 = round(x), round(y)
    h, w = mask.shape
    ax, ay, bx, by = max(0, x0), max(0, y0), min(layer.shape[1], x0 + w), min(layer.shape[0], y0 + h)
    if ax < bx and ay < by:
        part = layer[ay:by, ax:bx]
        np.maximum(part, mask[ay - y0 : by - y0, ax - x0 : bx - x0] * strength, out=part)


def _slant(masks: tuple[np.ndarray, ...], slope: float) -> tuple[np.ndarray, ...]:
    """Lean the digits to the right; each mask grows by the overhang."""
    if slope == 0:
        return masks
    out = []
    for mask in masks:
        h, w = mask.shape
        extra = int(np.ceil(slope * h))
        move = np.float32([[1, -slope, slope * h], [0, 1, 0]])
        out.append(cv2.warpAffine(mask, move, (w + extra, h)))
    return tuple(out)


def _text(layer: np.ndarray, rng: np.random.Generator, text: str, x: float, y: float, high: float, font: str) -> float:
    """Write small text with its top-left at x, y and capitals about `high` px; returns its width."""
    mask = text_mask(text, font, max(6, round(high * 1.38)))
    _lay(layer, mask.astype(np.float32) / 255, x, y, float(rng.uniform(0.75, 1.0)))
    return float(mask.shape[1])


@dataclass(frozen=True)
class _Row:
    """The digit row: px of its place and size."""

    left: float
    top: float
    high: float
    wide: float  # of a digit
    pitch: float
    small: float  # size of the decimals, of the others
    count: int
    decimals: int

    def cell(self, i: int) -> tuple[float, float, float, float]:
        """x1, y1, x2, y2 of digit i, without slant."""
        whole = self.count - self.decimals
        if i < whole:
            x = self.left + i * self.pitch
            return x, self.top, x + self.wide, self.top + self.high
        x = self.left + whole * self.pitch + (i - whole) * self.pitch * self.small
        return x, self.top + self.high * (1 - self.small), x + self.wide * self.small, self.top + self.high

    @property
    def right(self) -> float:
        return self.cell(self.count - 1)[2]


def _place(rng: np.random.Generator, count: int, decimals: int, aspect: float) -> tuple[_Row, int, int]:
    """Choose the size of the display and the place of the row: a bare strip, or a panel with text around."""
    height = int(rng.integers(90, 141))
    small = float(rng.uniform(0.45, 0.8)) if decimals and rng.random() < 0.45 else 1.0
    space = rng.uniform(1.22, 1.6) if rng.random() < 0.5 else rng.uniform(1.05, 1.25)
    units = (count - decimals) * space + decimals * space * small
    if rng.random() < 0.5:
        high = height * (rng.uniform(0.58, 0.9) if rng.random() < 0.75 else rng.uniform(0.85, 0.97))
        wide = high * aspect
        row = units * wide * 1.0
        width = row + wide * (rng.uniform(0.1, 0.7) + rng.choice([0.2, 2.2]))
        top = (height - high) * rng.uniform(0.3, 0.7)
        left = wide * rng.uniform(0.12, 0.6)
    else:
        height = int(rng.integers(110, 161))
        high = height * rng.uniform(0.36, 0.7)
        wide = high * aspect
        row = units * wide
        width = max(row + wide * rng.uniform(0.5, 3.0), height * rng.uniform(1.8, 3.2))
        top = (height - high) * rng.uniform(0.2, 0.8)
        left = (width - row) * rng.uniform(0.15, 0.9)
    shrink = min(1.0, 900 / width)
    width, height = int(width * shrink), int(height * shrink)
    row = _Row(left * shrink, top * shrink, high * shrink, wide * shrink, wide * space * shrink, small, count, decimals)
    return row, height, width


def _surroundings(rng: np.random.Generator, ink: np.ndarray, row: _Row, unit_room: float) -> None:
    """Units, icons, arrows, small numbers: what stands on a display and is not the reading."""
    height, width = ink.shape
    font = str(rng.choice(TEXT_FONTS))
    high = row.high * rng.uniform(0.2, 0.4)
    over, under = row.top, height - row.top - row.high
    if unit_room > high * 1.2 and rng.random() < 0.8:
        y = row.top + (row.high - high) * (0.0 if rng.random() < 0.5 else 1.0)
        _text(ink, rng, str(rng.choice(_UNITS)), row.right + row.wide * 0.4, y, high, font)
    elif under > high * 1.5 and rng.random() < 0.8:
        y = row.top + row.high + (under - high) * rng.uniform(0.3, 0.7)
        _text(ink, rng, str(rng.choice(_UNITS)), width * rng.uniform(0.6, 0.85), y, high, font)
    for room, y0 in ((over, 0.0), (under, row.top + row.high)):
        if room < 16 or rng.random() < 0.3:
            continue
        size = min(room * 0.55, row.high * 0.4) * rng.uniform(0.6, 1.0)
        x = width * rng.uniform(0.02, 0.3)
        y = y0 + (room - size) * rng.uniform(0.25, 0.75)
        for _ in range(int(rng.integers(1, 5))):
            x += _mark(rng, ink, x, y, size, font) + size * rng.uniform(0.3, 1.8)
            if x > width * 0.9:
                break


def _mark(rng: np.random.Generator, ink: np.ndarray, x: float, y: float, size: float, font: str) -> float:
    """One small thing beside the reading: a word, small segment digits, an arrow, a framed mark; returns its width."""
    kind = rng.choice(4, p=[0.5, 0.25, 0.15, 0.1])
    if kind == 0:
        return _text(ink, rng, str(rng.choice(_MARKS)), x, y, size, font)
    if kind == 1:
        text = str(rng.choice(["18", "33", "05", "1.8.0", "12:45", "01", "07-11", "2", "0.0.0"]))
        return _text(ink, rng, text, x, y, size * 0.75, SEGMENT_FONTS[0])
    layer = np.zeros(ink.shape, np.uint8)
    s = size
    if kind == 2:
        flip = -1 if rng.random() < 0.5 else 1
        points = np.array(
            [(x, y + s / 2 - flip * s / 2), (x + s, y + s / 2 - flip * s / 2), (x + s / 2, y + s / 2 + flip * s / 2)]
        )
        cv2.fillPoly(layer, [np.int32(points * 16)], 255, cv2.LINE_AA, 4)
    else:
        cv2.rectangle(layer, (int(x), int(y)), (int(x + s * 1.4), int(y + s)), 255, max(1, int(s * 0.1)), cv2.LINE_AA)
        cv2.rectangle(
            layer, (int(x + s * 0.3), int(y + s * 0.3)), (int(x + s * rng.uniform(0.5, 1.1)), int(y + s * 0.7)), 255, -1
        )
    np.maximum(ink, layer.astype(np.float32) / 255, out=ink)
    return s * 1.4


def _ground(rng: np.random.Generator, look: _Look, height: int, width: int) -> np.ndarray:
    """The lit or bare ground with its gradient and bright or dark edges, float32 (h, w, 3)."""
    ys, xs = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)[None]
    light = 1 + rng.normal(0, 0.1) * xs + rng.normal(0, 0.08) * ys - rng.uniform(0, 0.18) * (xs**2 + ys**2)
    if rng.random() < 0.4:
        reach = rng.uniform(0.02, 0.08)
        edge = np.exp(-(1 - np.abs(xs)) / reach) + np.exp(-(1 - np.abs(ys)) / (reach * 3))
        light = light + np.minimum(edge, 1) * rng.uniform(-0.5, 0.35)
    light = light * (1 + rng.uniform(0.02, 0.1) * texture(rng, "smooth", height, width))
    light += 0.012 * texture(rng, "grain", height, width)
    return light[..., None].astype(np.float32) * look.ground


def _number(rng: np.random.Generator, count: int, decimals: int) -> tuple[str, int]:
    """Digits with leading zeros, and how many leading places stay blank."""
    digits = "".join(str(d) for d in rng.integers(0, 10, count))
    if rng.random() < 0.35:
        zeros = int(rng.integers(1, max(2, count - decimals)))
        digits = "0" * zeros + digits[zeros:]
    blank = 0
    if rng.random() < 0.4:
        while blank < count - decimals - 1 and digits[blank] == "0":
            blank += 1
    return digits, blank


def _glyphs(rng: np.random.Generator) -> tuple[Callable[..., Glyphs], str | int]:
    """A function of `synthesis.fonts` that returns ten segment digits, and its argument."""
    if rng.random() < 0.6:
        return segment_digits, int(rng.integers(0, SEGMENT_STYLES))
    return segment_font_digits, str(rng.choice(SEGMENT_FONTS))


def _draw_point(rng: np.random.Generator, ink: np.ndarray, row: _Row) -> Box:
    """The decimal point in the gap before the first decimal; returns its box."""
    size = _point_size(rng, row)
    x, y = _point_middle(rng, row, row.count - row.decimals, size)
    # A small point is blurred away before the strokes beside it are: many look paler than the digits.
    strength = rng.uniform(0.45, 0.9) if rng.random() < 0.35 else 1.0
    layer = np.zeros(ink.shape, np.uint8)
    _dot(layer, x, y, size, bool(rng.random() < 0.5))
    low = y + size / 2
    if rng.random() < 0.15:  # a comma
        low, thick = min(low + size * 0.9, float(ink.shape[0])), max(1, round(size / 3))
        cv2.line(layer, (round(x), round(y)), (round(x - size * 0.4), round(low)), 255, thick, cv2.LINE_AA)
    _lay(ink, layer.astype(np.float32) / 255, 0, 0, float(strength))
    grow = max(1.5, size * 0.3)
    return (x - size / 2 - grow, y - size / 2 - grow, x + size / 2 + grow, min(ink.shape[0], low + grow), "point")


def _ghost_points(rng: np.random.Generator, ghost: np.ndarray, row: _Row) -> None:
    """The points of an LCD that are not lit shimmer like its other segments: one after every digit, or after some."""
    size, square = _point_size(rng, row), bool(rng.random() < 0.5)
    layer = np.zeros(ghost.shape, np.uint8)
    for place in range(int(rng.integers(1, row.count)), row.count):
        _dot(layer, *_point_middle(rng, row, place, size), size, square)
    _lay(ghost, layer.astype(np.float32) / 255, 0, 0)


def _point_size(rng: np.random.Generator, row: _Row) -> float:
    """Width of a point in pixels."""
    size = row.high * (rng.uniform(0.09, 0.15) if rng.random() < 0.7 else rng.uniform(0.06, 0.1))
    gap = row.cell(1)[0] - row.cell(0)[2]
    return max(3.0, min(max(gap * 0.75, row.high * 0.06), size))


def _point_middle(rng: np.random.Generator, row: _Row, place: int, size: float) -> tuple[float, float]:
    """Middle of the point before the digit of this place: between its neighbours' feet, or close behind the first."""
    before, after = row.cell(place - 1)[2], row.cell(place)[0]
    x = (before + after) / 2 if rng.random() < 0.6 else min((before + after) / 2, before + size * rng.uniform(0.4, 0.9))
    return x, row.top + row.high - size * rng.uniform(0.3, 0.5)


def _dot(layer: np.ndarray, x: float, y: float, size: float, square: bool) -> None:
    """Draw a square or round point of this width around x, y into a layer uint8 (h, w)."""
    if square:
        a, b = np.int32(np.round([x - size / 2, y - size / 2])), np.int32(np.round([x + size / 2, y + size / 2]))
        cv2.rectangle(layer, a.tolist(), b.tolist(), 255, -1)
    else:
        cv2.circle(layer, (int(x * 16), int(y * 16)), int(size * 8), 255, -1, cv2.LINE_AA, 4)


def _compose(rng: np.random.Generator, look: _Look, ink: np.ndarray, ghost: np.ndarray) -> np.ndarray:
    """Ground, ghost segments, the shadow or glow of the lit ones, the lit ones, and the surface."""
    height, width = ink.shape
    image = _ground(rng, look, height, width)
    contrast = rng.uniform(0.3, 0.75) if rng.random() < 0.3 else rng.uniform(0.75, 1.0)
    weak = 1 - rng.uniform(0, 0.35) * np.clip(texture(rng, "smooth", height, width) + 0.3, 0, 1)
    alpha = ink * contrast * weak
    if look.worn:
        # The ink is pale already: all of it shows, but not everywhere.
        alpha = uneven(rng, ink) if rng.random() < 0.6 else ink
    faint = float(rng.choice([0.0, rng.uniform(0.02, 0.07), rng.uniform(0.05, 0.18)], p=[0.4, 0.35, 0.25]))
    alpha = np.maximum(alpha, ghost * faint * contrast)
    if look.glow > 0:
        halo = cv2.GaussianBlur(alpha, (0, 0), height * rng.uniform(0.02, 0.06)) * look.glow
        image += halo[..., None] * look.ink * 0.6
    elif rng.random() < 0.5:
        dx, dy = rng.normal(0, height * 0.015), abs(rng.normal(0, height * 0.02))
        soft = cv2.GaussianBlur(alpha, (0, 0), height * rng.uniform(0.008, 0.02))
        soft = cv2.warpAffine(soft, np.float32([[1, 0, dx], [0, 1, dy]]), (width, height))
        image *= 1 - soft[..., None] * rng.uniform(0.1, 0.3)
    image += alpha[..., None] * (look.ink - image)
    if rng.random() < 0.12:
        period = int(rng.integers(2, 5))
        grid = np.ones((height, width), np.float32)
        depth = rng.uniform(0.03, 0.15)
        grid[::period] -= depth
        grid[:, ::period] -= depth
        image *= grid[..., None]
    if rng.random() < 0.25:
        dirt = np.clip(texture(rng, "blotch", height, width), 0, 1) * rng.uniform(0.03, 0.25)
        image += dirt[..., None] * (np.float32(rng.uniform(40, 190)) - image)
    if rng.random() < 0.15:
        image += (texture(rng, "scratches", height, width) * rng.uniform(10, 70))[..., None]
    if rng.random() < (0.45 if look.worn else 0.12):
        image = lamps(rng, image)
    return np.clip(image, 0, 255).astype(np.uint8)


def draw_lcd(rng: np.random.Generator) -> tuple[np.ndarray, tuple[Box, ...], str]:
    """Draw a random LCD or LED display.

    Args:
        rng: the only source of chance.

    Returns:
        uint8 (h, w, 3) RGB, the boxes (see `synthesis.display.DisplayArt`), the reading with "." before the decimals.
    """
    decimals = int(rng.choice([0, 1, 2, 3], p=[0.4, 0.36, 0.12, 0.12]))
    count = min(9, max(4, int(rng.choice([3, 4, 5, 6], p=[0.1, 0.25, 0.35, 0.3])) + decimals))
    glyphs, key = _glyphs(rng)
    stretch = rng.uniform(0.8, 1.35) if rng.random() < 0.6 else rng.uniform(0.6, 0.9)
    aspect = (glyphs(key)[8].shape[1] - 2 * PAD) / BASE * stretch
    row, height, width = _place(rng, count, decimals, aspect)
    slope = float(rng.choice([0.0, rng.uniform(0.05, 0.2)], p=[0.4, 0.6]))
    # The reader takes boxes that share half of their width for one place: narrow digits close together lean less.
    slope = max(0.0, min(slope, (row.pitch / (1 - 0.45 * row.small) - row.wide) / row.high - 2 * _GROWN))
    digits, blank = _number(rng, count, decimals)
    ink, ghost = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    weight = rng.normal(0, 0.008)
    large = _slant(fit_digits(glyphs, key, row.high, stretch, weight), slope)
    tiny = large if row.small == 1 else _slant(fit_digits(glyphs, key, row.high * row.small, stretch, weight), slope)
    # The tenths of some meters are small and pale.
    pale = float(rng.uniform(0.4, 0.85)) if row.small < 1 and rng.random() < 0.3 else 1.0
    boxes: list[Box] = []
    for i, c in enumerate(digits):
        x1, y1, x2, y2 = row.cell(i)
        masks = tiny if i >= count - decimals else large
        pad = PAD * (y2 - y1) / BASE
        _lay(ghost, masks[8], x1 - pad, y1 - pad)
        if i < blank:
            continue
        _lay(ink, masks[int(c)], x1 - pad, y1 - pad, pale if i >= count - decimals else 1.0)
        lean = slope * (y2 - y1)
        grow = _GROWN * (y2 - y1)
        box = (x1 - grow, y1 - grow, x2 + lean + grow, y2 + grow)
        boxes.append((max(0.0, box[0]), max(0.0, box[1]), min(float(width), box[2]), min(float(height), box[3]), c))
    shown = boxes.copy()
    if decimals:
        if row.small == 1 or rng.random() < 0.6:
            boxes.append(_draw_point(rng, ink, row))
        area = shown[-decimals:]
        top, bottom = min(b[1] for b in area), max(b[3] for b in area)
        boxes.append((area[0][0], top, area[-1][2], bottom, "floatp"))
    if rng.random() < 0.3:
        _ghost_points(rng, ghost, row)
    _surroundings(rng, ink, row, width - row.right - row.wide * 0.4)
    image = _compose(rng, _look(rng), ink, ghost)
    text = digits[blank:]
    return image, tuple(boxes), text if not decimals else f"{text[:-decimals]}.{text[-decimals:]}"
