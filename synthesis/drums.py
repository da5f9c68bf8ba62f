"""Pictures of drum counters with exact labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from synthesis.counter import drum_positions, drum_reading, random_units
from synthesis.drum_style import DrumStyle, random_style
from synthesis.fonts import BASE, PAD, TEXT_FONTS, fit_digits, font_digits, stroke_digits, text_mask
from synthesis.textures import texture

Box = tuple[float, float, float, float, str]

#: A digit at most this far from its place is boxed by itself; a drum further on its way by its window.
_RESTS = 0.25
#: Most play of a drum, in digits.
_PLAY = 0.14


@dataclass(frozen=True)
class _Layout:
    """Geometry of one counter in px; the drums' axis is horizontal, `u` is the distance along the circumference."""

    height: int
    width: int
    x0: float  # left edge of the first pitch
    pitch: float  # from drum to drum
    face: float  # width of the printed face of a drum
    offset: float  # from the left edge of the pitch to the face
    digit: float  # height of a digit
    step: float  # from digit to digit along the circumference
    radius: float
    middle: float  # row of the axis
    top: float  # visible rows of the drums
    bottom: float
    first: int  # drum of the decimals
    wall: float  # width of the plate before it

    def face_x(self, i: int) -> float:
        return self.x0 + i * self.pitch + self.offset + (self.wall if i >= self.first else 0.0)

    def row(self, u: float) -> float:
        """Row at which the point `u` px along the circumference is seen."""
        return self.middle + self.radius * math.sin(max(-1.5, min(1.5, u / self.radius)))


def _layout(rng: np.random.Generator, style: DrumStyle, count: int) -> _Layout:
    height = int(rng.integers(88, 126))
    pitch = height * style.pitch
    left, right = style.margin_left * pitch, style.margin_right * pitch
    gap, wall = pitch * (1 - style.face), pitch * style.wall
    width = round(left + pitch * count - gap * 0.7 + wall + right)
    digit = height * style.digit
    step = digit * style.spacing
    middle = height * (0.5 + style.middle)
    radius = max(10 * step / (2 * math.pi), max(middle, height - middle) * 1.06)
    margin = height * style.window_margin if style.plate else 0.0
    top = max(margin, height * style.edge_top)
    bottom = height - max(margin * style.window_uneven, height * style.edge_bottom)
    left += style.side_left * pitch
    width += round((style.side_left + style.side_right) * pitch)
    return _Layout(
        height,
        max(width, height),
        left - gap * 0.35,
        pitch,
        pitch * style.face,
        gap / 2,
        digit,
        step,
        radius,
        middle,
        top,
        bottom,
        count - style.decimals,
        wall,
    )


def _paint(
    surface: np.ndarray, mask: np.ndarray, x: float, y: float, colour: np.ndarray, strength: float | np.ndarray = 1.0
) -> None:
    """Lay ink of one colour on a surface (H, W, 3), uint8 or float32, with the mask's top-left at x, y (rounded).

    The mask is clipped at the edges; `strength`, a number or (H, W), weakens the ink.
    """
    x0, y0 = round(x), round(y)
    h, w = mask.shape
    ax, ay, bx, by = max(0, x0), max(0, y0), min(surface.shape[1], x0 + w), min(surface.shape[0], y0 + h)
    if ax >= bx or ay >= by:
        return
    part = surface[ay:by, ax:bx]
    alpha = mask[ay - y0 : by - y0, ax - x0 : bx - x0]
    alpha = alpha * (strength[ay:by, ax:bx] if isinstance(strength, np.ndarray) else np.float32(strength))
    part[:] = part + alpha[..., None] * (np.clip(colour, 0, 255).astype(np.float32) - part)


def _bar(surface: np.ndarray, x0: float, y0: float, x1: float, y1: float, colour: np.ndarray | tuple) -> None:
    if x1 - x0 > 0.3 and y1 - y0 > 0.3:
        cv2.rectangle(surface, (round(x0), round(y0)), (round(x1) - 1, round(y1) - 1), [float(v) for v in colour], -1)


def _gap(rng: np.random.Generator, style: DrumStyle, surface: np.ndarray, lay: _Layout, i: int, phase: float) -> None:
    """The space right of drum i: its teeth, the pinion, lines. `phase` is the drum's turn in px."""
    x0 = lay.face_x(i) + lay.face
    x1 = x0 + lay.pitch - lay.face
    high = surface.shape[0]
    drum = style.drum_colour(i)
    if style.gap == "line":
        w = max(1.0, (x1 - x0) * 0.4)
        _bar(surface, (x0 + x1 - w) / 2, 0, (x0 + x1 + w) / 2, high, style.gap_colour)
        return
    _bar(surface, x0, 0, x1, high, style.gap_colour)
    period = lay.step / style.teeth
    start = (phase % period) - period
    if style.gap in ("gear", "notch"):
        reach = (x1 - x0) * style.tooth_reach
        y = start
        while y < high:
            _bar(surface, x0, y, x0 + reach, y + period * style.tooth_duty, drum * 0.93)
            _bar(surface, x0, y + period * style.tooth_duty, x0 + reach, y + period * style.tooth_duty + 2, drum * 0.45)
            y += period
    if style.gap in ("gear", "pinion"):
        shift = rng.uniform(0, period)
        y = shift - period
        while y < high:
            w = (x1 - x0) * style.pinion_width
            _bar(surface, x1 - w, y, x1, y + period * (1 - style.tooth_duty), style.pinion_colour)
            y += period
    edge = max(1.0, (x1 - x0) * 0.08)
    _bar(surface, x1 - edge, 0, x1, high, style.gap_colour * 0.5)


def _digits(style: DrumStyle, lay: _Layout) -> tuple[tuple[np.ndarray, ...], float]:
    """The ten masks at this counter's size, narrowed to fit the drums, and the width in px of the widest digit."""
    glyphs, key = (stroke_digits, style.strokes) if style.font is None else (font_digits, style.font)
    widest = (max(g.shape[1] for g in glyphs(key)) - 2 * PAD) * lay.digit / BASE
    stretch = min(style.stretch, 0.92 * lay.face / widest)
    return fit_digits(glyphs, key, lay.digit, stretch, style.weight), widest * stretch


def _roll(
    rng: np.random.Generator, style: DrumStyle, lay: _Layout, masks: Sequence[np.ndarray], positions: list[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Paint all drums unrolled, then project the cylinder.

    Returns:
        float32 (h, w, 3) the drums without plate and shade; float32 (h,) the angle of each row.
    """
    u_max = lay.radius * math.asin(min(0.999, max(lay.middle, lay.height - lay.middle) / lay.radius))
    high = 2 * math.ceil(u_max) + 3
    centre = high / 2
    way = -1.0 if style.downward else 1.0
    surface = np.empty((high, lay.width, 3), np.uint8)
    surface[:] = style.gap_colour.astype(np.uint8)
    for i, position in enumerate(positions):
        x = lay.face_x(i)
        colour = style.drum_colour(i) * rng.normal(1, 0.03)
        _bar(surface, x, 0, x + lay.face, high, colour)
        if style.drum_edge > 0:
            edge = max(1.0, lay.face * 0.03)
            for a in (x, x + lay.face - edge):
                _bar(surface, a, 0, a + edge, high, colour * (1 - style.drum_edge))
        _gap(rng, style, surface, lay, i, -way * position * lay.step)
    if style.softness > 0.3:
        surface = cv2.GaussianBlur(surface, (0, 0), style.softness)
    fresh = style.ink_strength
    if style.wear > 0:
        lost = np.clip(texture(rng, "mottle", high, lay.width) * 2 + style.wear * 3 - 2, 0, 1)
        fresh = style.ink_strength * (1 - lost * min(0.9, style.wear * 1.6))
    for i, position in enumerate(positions):
        x, ink = lay.face_x(i), style.ink_colour(i)
        middle = x + lay.face / 2 + rng.normal(0, 0.012) * lay.face
        for k in range(math.floor(position) - 2, math.floor(position) + 4):
            mask = masks[k % 10]
            y = centre + way * (k - position) * lay.step - mask.shape[0] / 2
            if -mask.shape[0] < y < high:
                _paint(surface, mask, middle - mask.shape[1] / 2, y, ink, fresh)
        if style.scale and i == len(positions) - 1:
            for k in range(-20, 40):
                y = centre + way * (k / 10 - position % 1) * lay.step
                length = lay.face * (0.16 if k % 5 else 0.22)
                _bar(surface, x + lay.face - length, y - 1, x + lay.face - 1, y + lay.height * 0.018, ink)
    rows = np.arange(lay.height, dtype=np.float32) + 0.5 - lay.middle
    angle = np.arcsin(np.clip(rows / lay.radius, -0.999, 0.999))
    source = (angle * lay.radius + centre - 0.5).astype(np.float32)
    map_y = np.repeat(source[:, None], lay.width, axis=1)
    map_x = np.repeat(np.arange(lay.width, dtype=np.float32)[None], lay.height, axis=0)
    seen = cv2.remap(surface, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return seen.astype(np.float32), angle


def _shade(rng: np.random.Generator, style: DrumStyle, lay: _Layout, image: np.ndarray, angle: np.ndarray) -> None:
    """Darken the drums in place where they turn away from the light and lie under the edge of the window."""
    light = style.ambient + (1 - style.ambient) * np.maximum(0, np.cos(angle - style.light)) ** style.falloff
    rows = np.arange(lay.height, dtype=np.float32)
    for strength, distance in ((style.shadow_top, rows - lay.top), (style.shadow_bottom, lay.bottom - rows)):
        light *= 1 - strength * np.exp(-np.maximum(distance, 0) / (lay.height * style.shadow_depth))
    columns = np.ones(lay.width, np.float32)
    for i in range(-1, math.ceil(lay.width / lay.pitch) + 1):
        x = lay.face_x(i) + lay.face + (lay.pitch - lay.face) / 2
        columns *= 1 - style.gap_shadow * np.exp(-(((np.arange(lay.width) - x) / (lay.pitch * 0.10)) ** 2))
    uneven = 1 + np.float32(style.uneven) * texture(rng, "smooth", *image.shape[:2])
    image *= (np.outer(light, columns).astype(np.float32) * uneven)[..., None]
    if style.gloss > 0:
        glow = style.gloss * np.exp(-(((angle - style.gloss_angle) / 0.12) ** 2))
        image += (glow * 255).astype(np.float32)[:, None, None]


def _plate(rng: np.random.Generator, style: DrumStyle, lay: _Layout, image: np.ndarray, count: int) -> np.ndarray:
    """Cover the drums with a plate that has a hole for each, or none; returns the covered picture."""
    if not style.plate:
        return image
    h, w = image.shape[:2]
    holes = np.zeros((h, w), np.uint8)
    cover = np.empty((h, w, 3), np.float32)
    cover[:] = style.plate_colour
    grow = lay.pitch * style.hole_grow
    if style.decimals and style.frame_colour is not None:
        x = lay.face_x(lay.first) - grow - lay.pitch * style.frame_reach
        _bar(cover, x, 0, w, h, style.frame_colour)
        if style.frame_border > 0:
            t = style.frame_border * h
            _bar(cover, x + t, t, w - (t if rng.random() < 0.5 else 0), h - t, style.plate_colour)
    for i in range(count):
        a, b = lay.face_x(i) - grow, lay.face_x(i) + lay.face + grow
        cv2.rectangle(holes, (round(a), round(lay.top)), (round(b) - 1, round(lay.bottom) - 1), 255, -1)
    if style.hole_round > 0:
        # Rounded corners: blur and cut; the threshold keeps straight edges where they are.
        soft = cv2.GaussianBlur(holes, (0, 0), style.hole_round * h)
        holes = cv2.convertScaleAbs(np.clip((soft.astype(np.float32) - 128) * 8 + 128, 0, 255))
    sheen = 1 + (0.06 + style.uneven) * texture(rng, "smooth", h, w) + 0.015 * texture(rng, "grain", h, w)
    rim = cv2.GaussianBlur(holes, (0, 0), 1.2).astype(np.float32) / 255
    cover *= (sheen * (1 + style.rim * rim * (1 - rim) * 4))[..., None]
    soft = cv2.GaussianBlur(holes, (0, 0), max(0.8, style.plate_depth * h))
    dx, dy = style.shadow_shift
    shift = np.float32([[1, 0, dx * h], [0, 1, dy * h]])
    soft = cv2.warpAffine(soft, shift, (w, h), borderMode=cv2.BORDER_REPLICATE).astype(np.float32) / 255
    image *= (1 - style.plate_shadow * (1 - soft))[..., None]
    alpha = holes.astype(np.float32) / 255
    return cv2.blendLinear(image, cover, alpha, 1 - alpha)


def _wall(rng: np.random.Generator, style: DrumStyle, lay: _Layout, image: np.ndarray, count: int) -> np.ndarray:
    """The plate between whole drums and decimals and the frame around these; returns the covered picture."""
    if not style.wall:
        return image
    h, w = image.shape[:2]
    half = (lay.pitch - lay.face) / 2
    x0, x1 = lay.face_x(lay.first - 1) + lay.face + half, lay.face_x(lay.first) - half
    cover, solid = np.zeros((h, w, 3), np.float32), np.zeros((h, w), np.float32)

    def cover_with(colour: np.ndarray, *corners: float) -> None:
        _bar(cover, *corners, colour)
        _bar(solid, *corners, (1.0,))

    cover_with(style.wall_colour, x0, 0, x1, h)
    if style.frame_colour is not None:
        left, end = max(x0, x1 - style.frame_border * h), lay.face_x(count - 1) + lay.face + half
        high = min(style.frame_border * h, 0.55 * (h - lay.digit))  # cuts digits by a little, as real frames do
        closed = rng.random() < 0.6  # or goes on to the edge of the picture
        right = end + style.frame_border * h if closed else w
        cover_with(style.frame_colour, left, 0, x1, h)
        cover_with(style.frame_colour, x1, 0, right, lay.top + high)
        cover_with(style.frame_colour, x1, lay.bottom - high, right, h)
        if closed:
            cover_with(style.frame_colour, end, 0, right, h)
    shade = cv2.GaussianBlur(solid, (0, 0), max(0.8, style.plate_depth * h))
    image *= (1 - 0.6 * style.plate_shadow * shade)[..., None]
    cover *= (1 + (0.06 + style.uneven) * texture(rng, "smooth", h, w))[..., None]
    alpha = cv2.GaussianBlur(solid, (0, 0), 0.7)
    return cv2.blendLinear(image, cover, 1 - alpha, alpha)


def _sides(rng: np.random.Generator, style: DrumStyle, lay: _Layout, image: np.ndarray, count: int) -> None:
    """The plate left and right of the drums with its unit, and the edge of the window above and below, in place."""
    if style.side_left > 0:
        _bar(image, 0, 0, lay.face_x(0) - lay.pitch * 0.1, lay.height, style.side_colour)
    if style.side_right > 0:
        x = lay.face_x(count - 1) + lay.face + lay.pitch * 0.1
        _bar(image, x, 0, lay.width, lay.height, style.side_colour)
        high, text = lay.digit * style.unit_size, str(rng.choice(["kWh", "m³", "kWh", "m3", "kW·h", "x1", "L"]))
        mask = text_mask(text, str(rng.choice(TEXT_FONTS)), max(8, round(high * 1.38))).astype(np.float32) / 255
        bright = style.side_colour.mean() < 110
        ink = np.float32([225, 225, 220] if bright else [35, 35, 38])
        y = lay.height * rng.uniform(0.35, 0.6) - mask.shape[0] / 2
        _paint(image, mask * 0.9, x + lay.pitch * rng.uniform(0.05, 0.25), y, ink)
    if style.edge_top > 0:
        _bar(image, 0, 0, lay.width, lay.height * style.edge_top, style.edge_colour)
    if style.edge_bottom > 0:
        _bar(image, 0, lay.height * (1 - style.edge_bottom), lay.width, lay.height, style.edge_colour)


def _soil(rng: np.random.Generator, style: DrumStyle, image: np.ndarray) -> None:
    """Dirt, scratches and condensation, in place."""
    h, w = image.shape[:2]
    if style.dirt > 0 or style.specks > 0:
        soil = np.clip(texture(rng, "blotch", h, w) * 0.7 + texture(rng, "mottle", h, w) * 0.3, 0, 1) * style.dirt
        soil = np.maximum(soil, texture(rng, "specks", h, w) * style.specks)
        image += soil[..., None] * (style.dirt_colour - image)
    if style.scratches > 0:
        image += (texture(rng, "scratches", h, w) * style.scratches * 255)[..., None]
    if style.haze > 0:
        haze = style.haze * np.clip(0.6 + 0.5 * texture(rng, "smooth", h, w), 0, 1)
        image += haze[..., None] * (style.haze_colour - image)


def _boxes(style: DrumStyle, lay: _Layout, positions: list[float], digits: str, widest: float) -> list[Box]:
    """The labels: the window cell of each drum, cut to the digit's height when it rests, and the decimal area."""
    out: list[Box] = []
    wide = min(lay.pitch * 0.98, max(widest * 1.25, min(lay.face, widest * 1.6)))
    way = -1.0 if style.downward else 1.0
    for i, (position, c) in enumerate(zip(positions, digits, strict=True)):
        off = (int(c) - position + 5) % 10 - 5
        x = lay.face_x(i) + lay.face / 2
        y0, y1 = lay.top, lay.bottom
        if abs(off) <= _RESTS:
            u, half = way * off * lay.step, lay.digit * 0.5 + lay.height * 0.05
            y0, y1 = max(y0, lay.row(u - half)), min(y1, lay.row(u + half))
        x0, x1 = max(0.0, x - wide / 2), min(float(lay.width), x + wide / 2)
        out.append((x0, max(0.0, y0), x1, min(float(lay.height), y1), c))
    if style.decimals:
        area = out[len(digits) - style.decimals :]
        out.append((area[0][0], max(0.0, lay.top), area[-1][2], min(float(lay.height), lay.bottom), "floatp"))
    return out


def _point(style: DrumStyle, lay: _Layout, image: np.ndarray) -> Box | None:
    """Print a comma or point on the space before the first decimal; None where none is printed or it has no room."""
    room = lay.pitch - lay.face
    size = min(room * 0.7, lay.height * 0.14)
    if not style.point or not style.decimals or size < 4:
        return None
    x = lay.face_x(lay.first) - room / 2
    y = lay.bottom - size * 0.9
    mask = text_mask(style.point, "Roboto-Medium.ttf", 64).astype(np.float32) / 255
    scale = size / max(mask.shape)
    mask = cv2.resize(mask, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    high, wide = mask.shape
    _paint(image, mask, x - wide / 2, y - high / 2, style.point_colour)
    return (x - wide / 2 - 2, y - high / 2 - 2, x + wide / 2 + 2, min(float(lay.height), y + high / 2 + 2), "point")


def draw_drums(rng: np.random.Generator) -> tuple[np.ndarray, tuple[Box, ...], str]:
    """Draw a random drum counter.

    Args:
        rng: the only source of chance.

    Returns:
        uint8 (h, w, 3) RGB, the boxes (see `synthesis.display.DisplayArt`), the reading with "." before the decimals.
    """
    style = random_style(rng)
    count, decimals = style.count, style.decimals
    lay = _layout(rng, style, count)
    units, fraction = random_units(rng, count, decimals)
    digits = drum_reading(units, fraction, count)
    true = drum_positions(units, fraction, count)
    slack = np.clip(rng.normal(0, style.slack, count), -_PLAY, _PLAY)
    # Drums that are being turned are held by the pinion: they have less play than those at rest.
    slack *= np.where(np.mod(true, 1) > 0, 0.4, 1.0)
    slack[-1] = 0.0
    positions = [p + s + style.row_offset for p, s in zip(true, slack, strict=True)]
    masks, widest = _digits(style, lay)
    image, angle = _roll(rng, style, lay, masks, positions)
    _shade(rng, style, lay, image, angle)
    image = _plate(rng, style, lay, image, count)
    image = _wall(rng, style, lay, image, count)
    point = _point(style, lay, image)
    _sides(rng, style, lay, image, count)
    _soil(rng, style, image)
    boxes = _boxes(style, lay, positions, digits, widest)
    if point is not None:
        boxes.append(point)
    reading = digits if not decimals else f"{digits[: count - decimals]}.{digits[count - decimals :]}"
    return cv2.LUT(np.clip(image, 0, 255).astype(np.uint8), style.tone), tuple(boxes), reading
