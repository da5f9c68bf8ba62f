"""What stands where on a meter's face: free room on a grid, and the filling of it with print and small parts."""

from __future__ import annotations

import cv2
import numpy as np

from synthesis import markings
from synthesis.inscriptions import digits, serial_number, small_print, unit
from synthesis.markings import BLACK, RED
from synthesis.paint import Colour, blend, disc, jitter, outline, put_text, rectangle, shade

Box = tuple[float, float, float, float]


class Layout:
    """Which parts of a face are still free, on a coarse grid.

    Args:
        inside: uint8 (h, w), 255 where print may stand.
        cell: side of a grid cell in pixels.
    """

    def __init__(self, inside: np.ndarray, cell: float) -> None:
        size = max(8, round(inside.shape[1] / cell)), max(8, round(inside.shape[0] / cell))
        small = cv2.resize(inside, size, interpolation=cv2.INTER_AREA)
        self.free = small > 250
        self.sx, self.sy = inside.shape[1] / small.shape[1], inside.shape[0] / small.shape[0]

    def take(self, box: Box, margin: float = 0.0) -> None:
        """Mark a box and `margin` pixels around it as taken."""
        x1, y1, x2, y2 = box[0] - margin, box[1] - margin, box[2] + margin, box[3] + margin
        rows = slice(max(0, int(y1 / self.sy)), int(y2 / self.sy) + 1)
        self.free[rows, max(0, int(x1 / self.sx)) : int(x2 / self.sx) + 1] = False

    def claim(self, centre: tuple[float, float], w: float, h: float) -> bool:
        """Take a box of w x h pixels around `centre` if all of it is free; returns whether it was."""
        x1, y1 = int((centre[0] - w / 2) / self.sx), int((centre[1] - h / 2) / self.sy)
        x2, y2 = int((centre[0] + w / 2) / self.sx) + 1, int((centre[1] + h / 2) / self.sy) + 1
        room = self.free[max(0, y1) : y2, max(0, x1) : x2]
        if x1 < 0 or y1 < 0 or room.shape != (y2 - y1, x2 - x1) or not room.all():
            return False
        room[:] = False
        return True

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


def print_on(img: np.ndarray, rng: np.random.Generator, layout: Layout, r: float, ink: Colour, busy: float) -> None:
    """Fill the free room of a face with print.

    Args:
        img: the face, changed in place.
        rng: source of chance.
        layout: the free room.
        r: half the face's size in pixels.
        ink: colour of the print.
        busy: how full the face gets, about 0.3 to 1.6.
    """
    font = int(rng.integers(60))
    height = r * rng.uniform(0.042, 0.085)
    _emblems(img, rng, layout, r, ink, font)
    for _ in range(int(rng.integers(0, 3))):
        w, h = r * rng.uniform(0.35, 0.7), r * rng.uniform(0.08, 0.2)
        at = layout.place(rng, w, h * 2.1)
        if at:
            markings.barcode(img, rng, (at[0] - w / 2, at[1] - h, at[0] + w / 2, at[1]), ink)
            number = digits(rng, int(rng.integers(6, 11)))
            put_text(img, number, (at[0], at[1] + h * 0.5), min(height, h * 0.5), ink, font)
    if rng.random() < 0.65:
        _paragraph(img, rng, layout, height, ink, font)
    for _ in range(int(busy * rng.uniform(5, 13))):
        text = small_print(rng)
        size = height * rng.uniform(0.7, 1.15)
        stretch = float(rng.uniform(0.7, 1.1))
        at = layout.place(rng, min(len(text) * size * 0.95 * stretch, 1.5 * r), size * 1.7)
        if at:
            colour = ink if rng.random() < 0.85 else jitter(rng, RED, 20)
            put_text(img, text, at, size, colour, font, stretch=stretch)
    _marks(img, rng, layout, r, ink, height)


def _paragraph(
    img: np.ndarray,
    rng: np.random.Generator,
    layout: Layout,
    height: float,
    ink: Colour,
    font: int,
    spot: tuple[float, float] | None = None,
) -> None:
    """Several lines under each other, flush left, as technical figures are usually set; at `spot` or anywhere."""
    lines = [small_print(rng) for _ in range(int(rng.integers(3, 7)))]
    stretch = float(rng.uniform(0.65, 1.0))
    step = height * rng.uniform(1.5, 1.9)
    wide, high = max(len(line) for line in lines) * height * 0.85 * stretch, len(lines) * step
    if spot is not None:
        at = spot if layout.claim(spot, wide * 0.8, high) else None
    else:
        at = layout.place(rng, wide, high, tries=25)
    if at:
        for i, line in enumerate(lines):
            y = at[1] + (i - (len(lines) - 1) / 2) * step
            put_text(img, line, (at[0] - wide / 2, y), height, ink, font, stretch=stretch, anchor="left")


def _marks(img: np.ndarray, rng: np.random.Generator, layout: Layout, r: float, ink: Colour, height: float) -> None:
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


def _emblems(img: np.ndarray, rng: np.random.Generator, layout: Layout, r: float, ink: Colour, font: int) -> None:
    """The maker's name, once or twice, and the serial number."""
    for _ in range(1 + (rng.random() < 0.3)):
        size = r * rng.uniform(0.07, 0.16)
        at = layout.place(rng, size * 7, size * 1.7, tries=25)
        if at:
            markings.emblem(img, rng, at, size, font + 1, ink)
    if rng.random() < 0.75:
        size = r * rng.uniform(0.08, 0.13)
        text = serial_number(rng)
        at = layout.place(rng, len(text) * size * 0.9, size * 1.6, tries=25)
        if at and rng.random() < 0.2:
            _number_plate(img, rng, at, text, size)
        elif at:
            colour = ink if rng.random() < 0.7 else shade(ink, 2.5)
            put_text(img, text, at, size, colour, int(rng.integers(60)), stretch=float(rng.uniform(0.8, 1.15)))


def _number_plate(img: np.ndarray, rng: np.random.Generator, at: tuple[float, float], text: str, size: float) -> None:
    """A serial number on a plate of its own, light on dark or in a frame: what is most easily taken for a display."""
    half_w, half_h = len(text) * size * 0.48, size * rng.uniform(0.75, 0.95)
    box = (at[0] - half_w, at[1] - half_h, at[0] + half_w, at[1] + half_h)
    dark = rng.random() < 0.6
    plate, colour = jitter(rng, (30, 30, 34) if dark else (225, 225, 222), 12), (230, 230, 228) if dark else BLACK
    rectangle(img, box, plate)
    rectangle(img, box, shade(plate, 0.6), max(1.0, size * 0.06))
    put_text(img, text, at, size, colour, int(rng.integers(60)), stretch=0.9)


def unit_beside(
    img: np.ndarray, rng: np.random.Generator, layout: Layout, frame: Box, dh: float, ink: Colour, kind: str
) -> None:
    """Write the unit right of the display, or above or under its right end.

    Args:
        img: the face, changed in place.
        rng: source of chance.
        layout: the free room.
        frame: the display with its frame.
        dh: height of the display in pixels.
        ink: colour of the print.
        kind: "analog" or "digital"; chooses among the units.
    """
    text = unit(rng, kind)
    size = dh * rng.uniform(0.2, 0.5)
    x2, middle = frame[2], (frame[1] + frame[3]) / 2
    spots = (
        (x2 + size * 0.4, middle),
        (x2 + size * 0.3, frame[3] - size * 0.3),
        (x2 - size * 2.4, frame[3] + size * 0.9),
        (x2 - size * 2.4, frame[1] - size * 0.9),
    )
    at = spots[int(rng.integers(4))]
    w, h = put_text(img, text, at, size, ink, int(rng.integers(60)), anchor="left")
    layout.take((at[0], at[1] - h / 2, at[0] + w, at[1] + h / 2))


def works(img: np.ndarray, rng: np.random.Generator, layout: Layout, r: float, ink: Colour, down: float) -> None:
    """Mount the moving parts of a water meter, star wheel and needle dials: as usual, in a row or anywhere.

    Args:
        img: the face, a square picture, changed in place.
        rng: source of chance.
        layout: the free room.
        r: radius of the dial in pixels.
        ink: colour of the print.
        down: 1 where the display stands above the middle, -1 where below.
    """
    c = img.shape[0] / 2
    order = rng.random()
    star, size = r * rng.uniform(0.09, 0.18), r * rng.uniform(0.15, 0.27)
    side = 1 if rng.random() < 0.8 else -1
    if order < 0.4:  # the star in the middle, one dial below and to the side, figures on the other side
        at = (c + r * rng.normal(0, 0.06), c + down * r * rng.uniform(0.0, 0.25))
        if layout.claim(at, star * 2.4, star * 2.4):
            markings.star_wheel(img, rng, at, star)
        at = (c + side * r * rng.uniform(0.3, 0.55), c + down * r * rng.uniform(0.25, 0.5))
        if layout.claim(at, size * 2.0, size * 2.0):
            markings.needle_dial(img, rng, at, size, ink)
        at = (c - side * r * rng.uniform(0.4, 0.55), c + down * r * rng.uniform(0.15, 0.4))
        _paragraph(img, rng, layout, r * rng.uniform(0.045, 0.08), ink, int(rng.integers(60)), at)
        return
    if order < 0.6:  # three or four dials along the lower edge
        count = int(rng.integers(3, 5))
        size = r * rng.uniform(0.14, 0.2)
        for a in np.linspace(rng.uniform(0.0, 0.5), np.pi - rng.uniform(0.0, 0.5), count):
            at = (c + 0.68 * r * np.cos(a), c + down * 0.68 * r * np.sin(a))
            if layout.claim(at, size * 2, size * 2):
                markings.needle_dial(img, rng, at, size, ink)
    elif order < 0.9:
        for _ in range(int(rng.choice((1, 1, 1, 2, 3)))):
            at = layout.place(rng, size * 2.2, size * 2.4, tries=25)
            if at:
                markings.needle_dial(img, rng, at, size, ink)
    if rng.random() < 0.85:
        at = layout.place(rng, star * 2.4, star * 2.4, tries=25)
        if at:
            markings.star_wheel(img, rng, at, star)


def electric_works(
    img: np.ndarray, rng: np.random.Generator, layout: Layout, r: float, kind: str, body: Colour
) -> None:
    """Mount what electricity meters have: the turning disc behind its slot, a pulse lamp, buttons, screws."""
    if kind == "analog" and rng.random() < 0.7:
        w, h = r * rng.uniform(0.8, 1.3), r * rng.uniform(0.1, 0.22)
        at = layout.place(rng, w, h * 1.3, tries=25)
        if at:
            _turning_disc(img, rng, at, w, h)
    if kind == "digital":
        for _ in range(int(rng.integers(0, 3))):
            size = r * rng.uniform(0.06, 0.14)
            at = layout.place(rng, size * 2.3, size * 2.3)
            if at:
                tones = [(60, 60, 64), (190, 190, 190), (40, 90, 170), (200, 60, 50)]
                disc(img, at, size, shade(body, 0.5))
                disc(img, (at[0] - 1, at[1] - 1), size * 0.85, jitter(rng, tones[int(rng.integers(4))], 12))
        size = r * 0.035
        at = layout.place(rng, size * 3, size * 3)
        if at:
            disc(img, at, size, (255, 70, 60) if rng.random() < 0.5 else (120, 20, 20))
    for _ in range(int(rng.choice((0, 0, 2, 4)))):
        size = r * rng.uniform(0.04, 0.08)
        at = layout.place(rng, size * 2.3, size * 2.3)
        if at:
            disc(img, at, size, jitter(rng, (140, 140, 138), 15))
            a = rng.uniform(0, np.pi)
            dx, dy = size * 0.8 * np.cos(a), size * 0.8 * np.sin(a)
            slot = [(at[0] - dx, at[1] - dy), (at[0] + dx, at[1] + dy)]
            outline(img, slot, (60, 60, 60), size * 0.25, closed=False)


def _turning_disc(img: np.ndarray, rng: np.random.Generator, at: tuple[float, float], w: float, h: float) -> None:
    rectangle(img, (at[0] - w / 2, at[1] - h / 2, at[0] + w / 2, at[1] + h / 2), jitter(rng, (40, 40, 42), 10))
    edge = (at[0] - w * 0.46, at[1] - h * 0.12, at[0] + w * 0.46, at[1] + h * 0.12)
    rectangle(img, edge, jitter(rng, (170, 172, 176), 20))
    x = at[0] + w * rng.uniform(-0.4, 0.4)
    rectangle(img, (x, at[1] - h * 0.14, x + w * 0.05, at[1] + h * 0.14), RED if rng.random() < 0.6 else BLACK)
