"""Printed things with rows of characters, which look more like a display than a clock or a box does.

What networks took for displays on photos without a meter: one row of large characters on a plain ground, with a frame.
"""

from __future__ import annotations

import numpy as np

from synthesis import markings
from synthesis.inscriptions import brand_name, digits, serial_number, small_print
from synthesis.paint import Colour, jitter, outline, polygon, put_text, rectangle, rounded_box

_LETTERS = np.array(list("ABCDEFGHKLMNPRSTUVXYZ"))
_BLACK: Colour = (22, 22, 24)
_WHITE: Colour = (245, 245, 242)
_FONTS = 60


def _sheet(size: int, colour: Colour, half: float, corner: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A plate as wide as the picture and `half` pixels high above and below its middle: picture and mask."""
    img = np.full((size, size, 3), colour, np.uint8)
    mask = np.zeros((size, size), np.uint8)
    box = (3.0, size / 2 - half, size - 3.0, size / 2 + half)
    polygon(mask, rounded_box(box, corner), (255, 255, 255))
    return img, mask


def number_label(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A sticker with a long number in one or more rows, often above or under its barcode."""
    half = size * rng.uniform(0.14, 0.45)
    img, mask = _sheet(
        size, jitter(rng, [_WHITE, _WHITE, (240, 220, 80), (190, 195, 200)][int(rng.integers(4))], 8), half
    )
    middle, font = size / 2, int(rng.integers(_FONTS))
    rows = int(rng.integers(1, 4))
    height = 2 * half / (rows + 1)
    for row in range(rows):
        text = digits(rng, int(rng.integers(4, 13))) if rng.random() < 0.6 else serial_number(rng)
        fits = 1.2 * size / max(len(text), 4)
        at = (middle, middle + (row - (rows - 1) / 2) * height * 1.05)
        put_text(img, text, at, min(height * rng.uniform(0.45, 0.75), fits), (20, 20, 22), font)
    if rng.random() < 0.6:
        top = middle + half * 0.72
        markings.barcode(img, rng, (size * 0.1, top, size * 0.9, middle + half * 0.97), (20, 20, 22))
    return img, mask


def vehicle_plate(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A licence plate: letters and digits in one row, framed."""
    ground = [_WHITE, _WHITE, (245, 205, 60), (30, 60, 140), (40, 120, 70)][int(rng.integers(5))]
    half = size * rng.uniform(0.1, 0.18)
    img, mask = _sheet(size, jitter(rng, ground, 8), half, size * 0.03)
    ink = _BLACK if sum(ground) > 450 else _WHITE
    box = (8.0, size / 2 - half + 5, size - 8.0, size / 2 + half - 5)
    outline(img, rounded_box(box, size * 0.02), ink, max(1.0, size * 0.006))
    letters = "".join(rng.choice(_LETTERS, int(rng.integers(1, 4))))
    text = f"{letters} {digits(rng, int(rng.integers(2, 5)))}{rng.choice(_LETTERS) if rng.random() < 0.5 else ''}"
    height = min(half * 1.2, 1.15 * size / len(text))
    put_text(img, text, (size / 2, size / 2), height, ink, int(rng.integers(_FONTS)), stretch=0.85)
    return img, mask


def text_sign(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A door plate or warning: words in large letters, seldom a number among them."""
    ground = [_WHITE, (245, 210, 40), (200, 40, 40), (40, 90, 160), (50, 130, 80), (60, 60, 64)][int(rng.integers(6))]
    half = size * rng.uniform(0.12, 0.48)
    img, mask = _sheet(size, jitter(rng, ground, 10), half, size * rng.uniform(0, 0.06))
    ink = (25, 25, 28) if sum(ground) > 380 else _WHITE
    rows = max(1, round(half / size * rng.uniform(5, 9)))
    font = int(rng.integers(_FONTS))
    for row in range(rows):
        text = brand_name(rng) if rng.random() < 0.6 else small_print(rng)
        height = min(1.3 * half / rows, 1.25 * size / max(len(text), 5))
        put_text(img, text, (size / 2, size / 2 + (row - (rows - 1) / 2) * 1.9 * half / rows), height, ink, font)
    if rng.random() < 0.4:
        box = (8.0, size / 2 - half + 6, size - 8.0, size / 2 + half - 6)
        outline(img, rounded_box(box, size * 0.02), ink, size * 0.008)
    return img, mask


def keypad(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Keys with a digit each, in rows of three or in one."""
    img, mask = _sheet(
        size, jitter(rng, [(60, 60, 66), (200, 200, 198), (90, 95, 105)][int(rng.integers(3))], 12), size / 2 - 3
    )
    columns, rows = (3, 4) if rng.random() < 0.6 else (int(rng.integers(4, 8)), 1)
    key = jitter(rng, [_WHITE, (35, 35, 38), (150, 155, 160)][int(rng.integers(3))], 8)
    ink = (25, 25, 28) if sum(key) > 380 else _WHITE
    cell, font = size * 0.92 / max(columns, rows), int(rng.integers(_FONTS))
    left, top = (size - columns * cell) / 2, (size - rows * cell) / 2
    for index in range(rows * columns):
        x, y = left + index % columns * cell, top + index // columns * cell
        box = (x + cell * 0.1, y + cell * 0.1, x + cell * 0.9, y + cell * 0.9)
        polygon(img, rounded_box(box, cell * 0.12), key)
        text = "123456789*0#"[index % 12]
        put_text(img, text, (x + cell / 2, y + cell / 2), cell * 0.4, ink, font)
    if rows == 1:
        mask[:] = 0
        rectangle(mask, (3, top - cell * 0.15, size - 3, top + cell * 1.15), (255, 255, 255))
    return img, mask


def ruler(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A ruler or measuring tape: a row of numbers that count on, with a mark at each."""
    half = size * rng.uniform(0.06, 0.14)
    img, mask = _sheet(size, jitter(rng, [(240, 205, 60), _WHITE, (215, 180, 130)][int(rng.integers(3))], 10), half)
    ink, first, font = (25, 25, 28), int(rng.integers(0, 90)), int(rng.integers(_FONTS))
    marks = int(rng.integers(5, 11))
    for index in range(marks * 5 + 1):
        x = size * index / (marks * 5)
        long = 0.8 if index % 5 == 0 else 0.4
        outline(
            img, [(x, size / 2 - half), (x, size / 2 - half + half * long)], ink, max(1.0, size * 0.004), closed=False
        )
        if index % 5 == 0:
            number = str(first + index // 5)
            put_text(img, number, (x + size * 0.02, size / 2 + half * 0.35), half * 0.7, ink, font)
    return img, mask


def calendar(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A table of numbers: a calendar's month or a printed list."""
    half = size * rng.uniform(0.3, 0.48)
    img, mask = _sheet(size, jitter(rng, _WHITE, 6), half)
    columns, rows, font = 7, int(rng.integers(3, 7)), int(rng.integers(_FONTS))
    list_of_numbers = rng.random() < 0.4
    for row in range(rows):
        for column in range(columns):
            at = (size * (column + 0.6) / (columns + 0.2), size / 2 + (row - (rows - 1) / 2) * 1.8 * half / rows)
            text = digits(rng, int(rng.integers(1, 4))) if list_of_numbers else str(row * columns + column + 1)
            ink = (200, 40, 40) if column == columns - 1 else (30, 30, 34)
            put_text(img, text, at, size * 0.045, ink, font)
    return img, mask


#: All of them.
PRINTED = (number_label, vehicle_plate, text_sign, keypad, ruler, calendar)
