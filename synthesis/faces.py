"""Meters seen straight from the front: a body, a face full of print, and a display let into it.

Every maker of a face draws in the face's own pixels and returns a `Face`; the camera puts it into a photo. Layouts are
drawn by chance from parts rather than copied from models: networks must read meters that nobody drew.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from synthesis import markings
from synthesis.markings import BLACK, BLUE, RED
from synthesis.paint import (
    Colour,
    blend,
    disc,
    jitter,
    multiply,
    outline,
    polygon,
    put_text,
    rectangle,
    rounded_box,
    shade,
    smooth_noise,
)


@dataclass(frozen=True)
class Face:
    """A meter from the front.

    Attributes:
        image: uint8 (h, w, 3) RGB.
        mask: uint8 (h, w), 255 where the meter covers what is behind it.
        quad: (4, 2) float32, the display's corners in face pixels, clockwise from its own top-left; None without one.
        body: (n, 2) float32, outline of the body in face pixels.
        centre: middle of the body in face pixels.
        radius: half the body's size in face pixels.
        depth: how far the body reaches back, in face pixels.
        side: colour of the body seen from the side.
        glass: uint8 (h, w), 255 where glass or clear plastic lies over the face.
        piped: whether pipes run into the body (water and gas) or not (electricity).
    """

    image: np.ndarray
    mask: np.ndarray
    quad: np.ndarray | None
    body: np.ndarray
    centre: tuple[float, float]
    radius: float
    depth: float
    side: Colour
    glass: np.ndarray
    piped: bool


_BODIES: tuple[Colour, ...] = (
    (185, 40, 38), (200, 60, 40), (40, 80, 165), (50, 110, 185), (120, 124, 128), (165, 168, 170), (45, 48, 52),
    (176, 144, 84), (196, 168, 96), (150, 112, 66), (210, 212, 210), (70, 120, 80), (225, 120, 40), (30, 45, 70),
)  # fmt: skip
_PLATES: tuple[Colour, ...] = (
    (236, 236, 232),
    (236, 236, 232),
    (222, 222, 220),
    (240, 236, 220),
    (205, 208, 208),
    (192, 196, 198),
    (226, 222, 196),
    (214, 226, 232),
)


class _Layout:
    """Which parts of a face are still free, on a coarse grid."""

    def __init__(self, inside: np.ndarray, cell: float) -> None:
        small = cv2.resize(
            inside,
            (max(8, round(inside.shape[1] / cell)), max(8, round(inside.shape[0] / cell))),
            interpolation=cv2.INTER_AREA,
        )
        self.free = small > 250
        self.sx, self.sy = inside.shape[1] / small.shape[1], inside.shape[0] / small.shape[0]

    def take(self, box: tuple[float, float, float, float]) -> None:
        x1, y1, x2, y2 = box
        self.free[
            max(0, int(y1 / self.sy)) : int(y2 / self.sy) + 1, max(0, int(x1 / self.sx)) : int(x2 / self.sx) + 1
        ] = False

    def place(self, rng: np.random.Generator, w: float, h: float, tries: int = 14) -> tuple[float, float] | None:
        """Find and take room for a box of w x h pixels; returns its middle, or None when the face is full."""
        rows, cols = self.free.shape
        bw, bh = int(np.ceil(w / self.sx)), int(np.ceil(h / self.sy))
        if bw >= cols or bh >= rows:
            return None
        for _ in range(tries):
            x, y = int(rng.integers(0, cols - bw)), int(rng.integers(0, rows - bh))
            if self.free[y : y + bh, x : x + bw].all():
                self.free[y : y + bh, x : x + bw] = False
                return (x + bw / 2) * self.sx, (y + bh / 2) * self.sy
        return None


def _insert_display(
    img: np.ndarray, rng: np.random.Generator, art: np.ndarray, cx: float, cy: float, dw: float, kind: str
) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Let the display into the face; returns its corners and the box that its frame takes."""
    w = max(8, round(dw))
    h = max(4, round(dw * art.shape[0] / art.shape[1]))
    x, y = round(cx - w / 2), round(cy - h / 2)
    shrunk = cv2.resize(art, (w, h), interpolation=cv2.INTER_AREA if w < art.shape[1] else cv2.INTER_LINEAR)
    frame = h * rng.uniform(0.0, 0.28)
    outer = (x - frame * rng.uniform(0.5, 2.2), y - frame, x + w + frame * rng.uniform(0.5, 2.2), y + h + frame)
    style = rng.integers(4) if kind == "analog" else 2
    if frame > 1.5:
        dark, light = jitter(rng, (30, 30, 32), 10), jitter(rng, (225, 225, 222), 12)
        fill = (
            dark,
            light,
            jitter(rng, [(35, 36, 40), (70, 74, 78), (200, 202, 204), (20, 40, 60)][int(rng.integers(4))], 10),
            None,
        )[style]
        shape = rounded_box(outer, h * rng.uniform(0, 0.3))
        if fill is not None:
            polygon(img, shape, fill)
        if rng.random() < 0.5:
            outline(img, shape, jitter(rng, (60, 60, 60) if rng.random() < 0.7 else RED, 25), max(1.0, h * 0.04))
    img[y : y + h, x : x + w] = shrunk
    # the display lies a little deeper than the face: the upper edge, or the edge away from the light, throws a shadow
    depth = max(1, round(h * rng.uniform(0.03, 0.16)))
    strength = rng.uniform(0.0, 0.55)
    ramp = 1.0 - strength * np.linspace(1, 0, depth, dtype=np.float32)
    img[y : y + depth, x : x + w] = (img[y : y + depth, x : x + w] * ramp[:, None, None]).astype(np.uint8)
    if rng.random() < 0.5:
        side = img[y : y + h, x : x + depth] if rng.random() < 0.5 else img[y : y + h, x + w - depth : x + w][:, ::-1]
        side[:] = (side * ramp[None, :, None]).astype(np.uint8)
    quad = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float32)
    return quad, outer


def _print_on(
    img: np.ndarray, rng: np.random.Generator, layout: _Layout, r: float, ink: Colour, kind: str, busy: float
) -> None:
    """Fill the free room of a face with print and small parts; `r` is half the face's size, `busy` how full it gets."""
    font = int(rng.integers(60))
    height = r * rng.uniform(0.06, 0.11)
    _print_emblems(img, rng, layout, r, ink, font)
    for _ in range(int(rng.integers(0, 3))):
        w, h = r * rng.uniform(0.35, 0.7), r * rng.uniform(0.08, 0.2)
        at = layout.place(rng, w, h * 1.8)
        if at:
            markings.barcode(img, rng, (at[0] - w / 2, at[1] - h, at[0] + w / 2, at[1]), ink)
            put_text(
                img,
                markings.digits(rng, int(rng.integers(6, 11))),
                (at[0], at[1] + h * 0.5),
                min(height, h * 0.5),
                ink,
                font,
            )
    for _ in range(int(busy * rng.uniform(4, 11))):
        text = markings.small_print(rng)
        size = height * rng.uniform(0.7, 1.15)
        stretch = float(rng.uniform(0.7, 1.1))
        at = layout.place(rng, min(len(text) * size * 0.95 * stretch, 1.5 * r), size * 1.7)
        if at:
            put_text(img, text, at, size, ink if rng.random() < 0.85 else jitter(rng, RED, 20), font, stretch=stretch)
    for _ in range(int(rng.integers(0, 4))):
        size = r * rng.uniform(0.06, 0.11)
        at = layout.place(rng, size * 2.2, size * 2.2)
        if at:
            markings.round_mark(img, rng, at, size, ink)
    if rng.random() < 0.2:
        side = r * rng.uniform(0.22, 0.4)
        at = layout.place(rng, side * 1.1, side * 1.1)
        if at:
            markings.matrix_code(img, rng, at, side, ink)
    if rng.random() < 0.15:
        count = int(rng.integers(3, 9))
        at = layout.place(rng, count * height * 1.3, height * 1.5)
        if at:
            glyphs = markings.pseudo_glyphs(rng, count, max(6, round(height * 1.3)))
            blend(img, glyphs, ink, round(at[0] - glyphs.shape[1] / 2), round(at[1] - glyphs.shape[0] / 2))


def _print_emblems(
    img: np.ndarray, rng: np.random.Generator, layout: _Layout, r: float, ink: Colour, font: int
) -> None:
    for _ in range(1 + (rng.random() < 0.3)):
        size = r * rng.uniform(0.09, 0.2)
        at = layout.place(rng, size * 6.5, size * 1.7, tries=25)
        if at:
            markings.emblem(img, rng, at, size, font + 1, ink)
    if rng.random() < 0.75:
        size = r * rng.uniform(0.08, 0.13)
        text = markings.serial_number(rng)
        at = layout.place(rng, len(text) * size * 0.9, size * 1.6, tries=25)
        if at:
            put_text(
                img,
                text,
                at,
                size,
                ink if rng.random() < 0.7 else shade(ink, 2.5),
                int(rng.integers(60)),
                stretch=float(rng.uniform(0.8, 1.15)),
            )


def _stripes(img: np.ndarray, rng: np.random.Generator, inside: np.ndarray, r: float, c: float) -> None:
    """Paint the coloured design of a face: slanted stripes, a band, a tinted half, a printed ring."""
    mask = np.zeros(inside.shape, np.uint8)
    colour = jitter(rng, [RED, RED, BLUE, (40, 140, 190), (230, 130, 30), (60, 130, 80)][int(rng.integers(6))], 15)
    form = rng.integers(4)
    if form == 0:
        width = r * rng.uniform(0.07, 0.14)
        slant = rng.uniform(0.3, 1.2)
        for i in range(int(rng.integers(2, 5))):
            x = c + r * rng.uniform(0.05, 0.2) + i * width * 1.9
            polygon(
                mask,
                [
                    (x, c + r),
                    (x + width, c + r),
                    (x + width + 1.6 * r * slant, c - 0.6 * r),
                    (x + 1.6 * r * slant, c - 0.6 * r),
                ],
                (255, 255, 255),
            )
    elif form == 1:
        half = r * rng.uniform(0.1, 0.25)
        rectangle(mask, (c - half, c + r * rng.uniform(-0.1, 0.3), c + half, c + r), (255, 255, 255))
    elif form == 2:
        y = c + r * rng.uniform(0.3, 0.75)
        rectangle(mask, (0, y, inside.shape[1], y + r * rng.uniform(0.06, 0.5)), (255, 255, 255))
    else:
        disc(mask, (c, c), r * rng.uniform(0.86, 0.96), (255, 255, 255), max(1.0, r * 0.02))
    blend(img, cv2.min(mask, inside), colour, alpha=float(rng.uniform(0.5, 1.0)))


def _round_shell(rng: np.random.Generator, r: float) -> tuple[np.ndarray, np.ndarray, float, float, Colour, bool]:
    """Draw the body of a round meter; returns picture, mask, middle, outer radius, body colour, whether of metal."""
    outer = r * rng.uniform(1.05, 1.42)
    pad = 4 + r * 0.12
    n = int(np.ceil(2 * (outer + pad)))
    c = n / 2
    colour = jitter(rng, _BODIES[int(rng.integers(len(_BODIES)))], 12)
    metal = rng.random() < 0.4
    img = np.zeros((n, n, 3), np.uint8)
    img[:] = colour
    mask = np.zeros((n, n), np.uint8)
    disc(mask, (c, c), outer, (255, 255, 255))
    if rng.random() < 0.3:  # a ridged or many-sided ring
        teeth = int(rng.choice((6, 8, 16, 24, 36)))
        angles = np.arange(teeth * 4) * (2 * np.pi / teeth / 4)
        radii = outer * np.tile([1.03, 1.03, 0.99, 0.99], teeth)
        polygon(mask, np.stack([c + radii * np.cos(angles), c + radii * np.sin(angles)], 1), (255, 255, 255))
    if rng.random() < 0.35:  # the eye of the lid's hinge, or of the seal
        angle = rng.choice((-90, -90, 0, 180, rng.uniform(0, 360)))
        a = np.radians(angle)
        x, y = c + outer * np.cos(a), c + outer * np.sin(a)
        size = r * rng.uniform(0.1, 0.22)
        rectangle(mask, (x - size, y - size * 0.7, x + size, y + size * 0.7), (255, 255, 255))
    _ring_light(img, rng, c, r, outer, metal)
    if outer > r * 1.18 and rng.random() < 0.5:
        _rim_text(img, rng, c, (r * 1.02 + outer) / 2, (outer - r) * 0.42, colour)
    return img, mask, c, outer, colour, metal


def _ring_light(img: np.ndarray, rng: np.random.Generator, c: float, r: float, outer: float, metal: bool) -> None:
    """Shade the ring around a dial: light from one side, turned grooves and streaks where it is of metal."""
    n = img.shape[0]
    grid = np.arange(n, dtype=np.float32) + 0.5 - c
    light = rng.uniform(0, 2 * np.pi)
    ramp = (grid[None] * np.float32(np.cos(light)) + grid[:, None] * np.float32(np.sin(light))) * np.float32(
        rng.uniform(0.05, 0.45) / outer
    )
    factor = 1.0 + ramp
    if metal:
        factor = factor + np.float32(rng.uniform(0.05, 0.16)) * smooth_noise(rng, n, n, max(2.0, r * 0.04))
    multiply(img, factor)
    for _ in range(int(rng.integers(1, 4))):
        disc(
            img,
            (c, c),
            rng.uniform(r, outer),
            shade(tuple(int(v) for v in img[2, n // 2]), rng.uniform(0.5, 1.4)),
            max(1.0, r * rng.uniform(0.01, 0.04)),
        )


def _rim_text(
    img: np.ndarray, rng: np.random.Generator, c: float, radius: float, height: float, colour: Colour
) -> None:
    """Emboss a number or a year around the ring, letter by letter."""
    text = str(
        rng.choice(
            (
                markings.serial_number(rng),
                str(rng.integers(1998, 2026)),
                markings.digits(rng, 8),
                markings.small_print(rng),
            )
        )
    )
    height = min(height, radius * 0.14)
    step = np.degrees(height * rng.uniform(0.9, 1.5) / radius)
    start = rng.uniform(0, 360)
    font = int(rng.integers(60))
    dark, light = shade(colour, 0.6), shade(colour, 1.35)
    for i, char in enumerate(text):
        a = np.radians(start + i * step)
        at = (c + radius * np.cos(a), c + radius * np.sin(a))
        turn = float(start + i * step + 90)
        put_text(img, char, (at[0] + 1, at[1] + 1), height, light, font, turn, alpha=0.7)
        put_text(img, char, at, height, dark, font, turn, alpha=0.8)


def water_face(rng: np.random.Generator, art: np.ndarray, kind: str, display_width: float) -> Face:
    """Draw a round water meter (or a round heat or electricity meter when `kind` is digital).

    Args:
        rng: source of chance.
        art: uint8 (h, w, 3) RGB, the rectified display.
        kind: "analog" or "digital".
        display_width: wanted width of the display in face pixels; sets the scale of everything.
    """
    ratio = rng.uniform(0.42, 0.72) if art.shape[1] > 3.2 * art.shape[0] else rng.uniform(0.35, 0.5)
    r = display_width / ratio / 2
    img, mask, c, outer, colour, metal = _round_shell(rng, r)
    plate = jitter(rng, _PLATES[int(rng.integers(len(_PLATES)))], 8)
    ink = jitter(rng, BLACK, 15)
    tinted = rng.random()
    if tinted < 0.07:  # the whole cap is one piece of the body's colour, print in white
        plate, ink = colour, (235, 235, 232) if sum(colour) < 480 else BLACK
    elif tinted < 0.12:
        plate, ink = jitter(rng, (50, 52, 56), 12), (225, 225, 225)
    inside = np.zeros(mask.shape, np.uint8)
    disc(inside, (c, c), r, (255, 255, 255))
    blend(img, inside, plate)
    if rng.random() < 0.35:
        _stripes(img, rng, inside, r, c)
    dh = display_width * art.shape[0] / art.shape[1]
    reach = np.sqrt(max(0.0, (0.93 * r) ** 2 - (display_width / 2) ** 2)) - dh / 2
    low = rng.random() < 0.2
    cy = c + (1 if low else -1) * min(r * rng.uniform(0.1, 0.58), max(0.0, reach))
    cx = c + r * float(np.clip(rng.normal(0, 0.04), -0.1, 0.1))
    quad, frame = _insert_display(img, rng, art, cx, cy, display_width, kind)
    layout = _Layout(inside, r / 14)
    layout.take((frame[0] - r * 0.03, frame[1] - r * 0.03, frame[2] + r * 0.03, frame[3] + r * 0.03))
    _unit_beside(img, rng, layout, frame, dh, ink, kind)
    _works(img, rng, layout, r, ink, kind)
    _print_on(img, rng, layout, r, ink, kind, busy=rng.uniform(0.3, 1.4))
    if rng.random() < 0.18:
        a = rng.uniform(0, np.pi)
        markings.sticker(
            img,
            rng,
            (c + r * 0.6 * np.cos(a), c + (-1 if low else 1) * r * rng.uniform(0.25, 0.6) * np.sin(a)),
            r * rng.uniform(0.18, 0.3),
        )
        img_quad = quad.astype(int)
        x1, y1, x2, y2 = img_quad[0, 0], img_quad[0, 1], img_quad[2, 0], img_quad[2, 1]
        img[y1:y2, x1:x2] = cv2.resize(art, (x2 - x1, y2 - y1), interpolation=cv2.INTER_AREA)
    # the cap stands above the dial: a dark line inside the ring, and the dial a little uneven
    disc(img, (c, c), r, shade(plate, rng.uniform(0.35, 0.9)), max(1.0, r * rng.uniform(0.01, 0.05)))
    multiply(img, 1.0 + np.float32(0.02) * smooth_noise(rng, *mask.shape, max(3.0, r * 0.2)))
    angles = np.linspace(0, 2 * np.pi, 49)[:-1]
    body = np.stack([c + outer * np.cos(angles), c + outer * np.sin(angles)], 1).astype(np.float32)
    return Face(img, mask, quad, body, (c, c), outer, outer * rng.uniform(0.2, 0.9), colour, inside, piped=True)


def _unit_beside(
    img: np.ndarray,
    rng: np.random.Generator,
    layout: _Layout,
    frame: tuple[float, float, float, float],
    dh: float,
    ink: Colour,
    kind: str,
) -> None:
    """Write the unit to the right of the display, or above or under its right end."""
    text = markings.unit(rng, kind)
    size = dh * rng.uniform(0.25, 0.6)
    x2, middle = frame[2], (frame[1] + frame[3]) / 2
    spot = rng.integers(4)
    at = (
        (x2 + size * 1.4, middle),
        (x2 + size * 1.3, frame[3] - size * 0.3),
        (x2 - size * 1.5, frame[3] + size * 0.9),
        (x2 - size * 1.5, frame[1] - size * 0.9),
    )[spot]
    w, h = put_text(img, text, at, size, ink, int(rng.integers(60)))
    layout.take((at[0] - w / 2, at[1] - h / 2, at[0] + w / 2, at[1] + h / 2))


def _works(img: np.ndarray, rng: np.random.Generator, layout: _Layout, r: float, ink: Colour, kind: str) -> None:
    """Mount the moving parts of a water meter: star wheel and needle dials."""
    if kind == "digital" and rng.random() < 0.8:
        return
    if rng.random() < 0.85:
        size = r * rng.uniform(0.08, 0.2)
        at = layout.place(rng, size * 2.4, size * 2.4, tries=25)
        if at:
            markings.star_wheel(img, rng, at, size)
    size = r * rng.uniform(0.14, 0.27)
    for _ in range(int(rng.choice((0, 1, 1, 1, 1, 2, 3, 4)))):
        at = layout.place(rng, size * 2.2, size * 2.4, tries=25)
        if at:
            markings.needle_dial(img, rng, at, size, ink)


def box_face(rng: np.random.Generator, art: np.ndarray, kind: str, display_width: float) -> Face:
    """Draw a square or oblong meter: electricity with drums or LCD, DIN-rail modules, heat and gas meters.

    Args:
        rng: source of chance.
        art: uint8 (h, w, 3) RGB, the rectified display.
        kind: "analog" or "digital".
        display_width: wanted width of the display in face pixels; sets the scale of everything.
    """
    dh = display_width * art.shape[0] / art.shape[1]
    w = display_width / rng.uniform(0.42, 0.85)
    h = max(w * rng.uniform(0.55, 1.7), dh * 2.2)
    rim = w * rng.uniform(0.03, 0.16)
    pad = 4
    full_w, full_h = w + 2 * (rim + pad), h + 2 * (rim + pad)
    n_w, n_h = int(np.ceil(full_w)), int(np.ceil(full_h))
    body_colour = jitter(
        rng,
        [
            (225, 226, 224),
            (200, 202, 204),
            (235, 232, 220),
            (60, 62, 66),
            (30, 32, 35),
            (150, 156, 160),
            (212, 208, 190),
            (120, 100, 80),
        ][int(rng.integers(8))],
        10,
    )
    img = np.zeros((n_h, n_w, 3), np.uint8)
    img[:] = body_colour
    mask = np.zeros((n_h, n_w), np.uint8)
    corner = w * rng.choice((0.01, 0.04, 0.12))
    body = rounded_box((pad, pad, n_w - pad, n_h - pad), corner)
    polygon(mask, body, (255, 255, 255))
    _box_light(img, rng)
    plate_box = (pad + rim, pad + rim, n_w - pad - rim, n_h - pad - rim)
    plate = jitter(rng, _PLATES[int(rng.integers(len(_PLATES)))] if rng.random() < 0.75 else body_colour, 8)
    inside = np.zeros(mask.shape, np.uint8)
    polygon(inside, rounded_box(plate_box, corner * rng.uniform(0.2, 1.0)), (255, 255, 255))
    blend(img, inside, plate)
    outline(img, rounded_box(plate_box, corner * 0.6), shade(plate, rng.uniform(0.4, 0.9)), max(1.0, w * 0.008))
    ink = jitter(rng, BLACK, 15) if sum(plate) > 330 else (225, 225, 225)
    room_x = max(0.0, (w - display_width) / 2 - w * 0.04)
    cx = n_w / 2 + rng.uniform(-1, 1) * min(room_x, w * 0.12)
    cy = pad + rim + dh * 0.75 + (h - dh * 1.5) * float(rng.beta(1.6, 3.2))
    quad, frame = _insert_display(img, rng, art, cx, cy, display_width, kind)
    half = min(w, h) / 2
    layout = _Layout(inside, half / 14)
    layout.take((frame[0] - 2, frame[1] - 2, frame[2] + 2, frame[3] + 2))
    _unit_beside(img, rng, layout, frame, dh, ink, kind)
    _electric_works(img, rng, layout, half, ink, kind, body_colour)
    _print_on(img, rng, layout, half, ink, kind, busy=rng.uniform(0.4, 1.6))
    multiply(img, 1.0 + np.float32(0.02) * smooth_noise(rng, n_h, n_w, max(3.0, w * 0.1)))
    glass = inside if rng.random() < 0.6 else np.zeros_like(inside)
    return Face(
        img,
        mask,
        quad,
        body,
        (n_w / 2, n_h / 2),
        max(n_w, n_h) / 2,
        w * rng.uniform(0.1, 0.6),
        body_colour,
        glass,
        piped=bool(kind == "analog" and rng.random() < 0.25),
    )


def _box_light(img: np.ndarray, rng: np.random.Generator) -> None:
    h, w = img.shape[:2]
    across = np.linspace(-1, 1, w, dtype=np.float32)[None] * np.float32(rng.normal(0, 0.12))
    down = np.linspace(-1, 1, h, dtype=np.float32)[:, None] * np.float32(rng.normal(0, 0.12))
    multiply(img, 1.0 + across + down)


def _electric_works(
    img: np.ndarray, rng: np.random.Generator, layout: _Layout, r: float, ink: Colour, kind: str, body: Colour
) -> None:
    """Mount what electricity meters have: the turning disc behind its slot, a pulse lamp, buttons, screws."""
    if kind == "analog" and rng.random() < 0.7:
        w, h = r * rng.uniform(0.8, 1.3), r * rng.uniform(0.1, 0.22)
        at = layout.place(rng, w, h * 1.3, tries=25)
        if at:
            rectangle(img, (at[0] - w / 2, at[1] - h / 2, at[0] + w / 2, at[1] + h / 2), jitter(rng, (40, 40, 42), 10))
            rectangle(
                img,
                (at[0] - w * 0.46, at[1] - h * 0.12, at[0] + w * 0.46, at[1] + h * 0.12),
                jitter(rng, (170, 172, 176), 20),
            )
            x = at[0] + w * rng.uniform(-0.4, 0.4)
            rectangle(img, (x, at[1] - h * 0.14, x + w * 0.05, at[1] + h * 0.14), RED if rng.random() < 0.6 else BLACK)
    if kind == "digital":
        for _ in range(int(rng.integers(0, 3))):
            size = r * rng.uniform(0.06, 0.14)
            at = layout.place(rng, size * 2.3, size * 2.3)
            if at:
                disc(img, at, size, shade(body, 0.5))
                disc(
                    img,
                    (at[0] - 1, at[1] - 1),
                    size * 0.85,
                    jitter(
                        rng, [(60, 60, 64), (190, 190, 190), (40, 90, 170), (200, 60, 50)][int(rng.integers(4))], 12
                    ),
                )
        size = r * 0.035
        at = layout.place(rng, size * 3, size * 3)
        if at:
            disc(img, at, size, (255, 70, 60) if rng.random() < 0.5 else (120, 20, 20))
    for _ in range(int(rng.choice((0, 0, 2, 4)))):
        size = r * rng.uniform(0.05, 0.1)
        at = layout.place(rng, size * 2.3, size * 2.3)
        if at:
            disc(img, at, size, jitter(rng, (140, 140, 138), 15))
            a = rng.uniform(0, np.pi)
            outline(
                img,
                [
                    (at[0] - size * 0.8 * np.cos(a), at[1] - size * 0.8 * np.sin(a)),
                    (at[0] + size * 0.8 * np.cos(a), at[1] + size * 0.8 * np.sin(a)),
                ],
                (60, 60, 60),
                size * 0.25,
                closed=False,
            )


def draw_face(rng: np.random.Generator, art: np.ndarray, kind: str, display_width: float) -> Face:
    """Draw a meter of any form around a display (see `water_face` and `box_face` for the arguments)."""
    round_share = 0.72 if kind == "analog" else 0.18
    maker = water_face if rng.random() < round_share else box_face
    return maker(rng, art, kind, display_width)
