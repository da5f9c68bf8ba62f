"""What is printed and mounted on a meter beside its display: dials, star wheels, codes, emblems, stickers, pen marks.

None of it is the reading; the networks must learn to leave it alone, so it is as varied as real print.
"""

from __future__ import annotations

import cv2
import numpy as np

from synthesis.inscriptions import brand_name, digits, serial_number, small_print
from synthesis.paint import Colour, Point, blend, disc, jitter, outline, polygon, put_text, rectangle, shade

BLACK: Colour = (25, 25, 28)
RED: Colour = (190, 35, 35)
BLUE: Colour = (35, 70, 160)


def pseudo_glyphs(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Return a uint8 mask (size, count * size) of invented square characters, like print in an unknown script."""
    mask = np.zeros((size, count * size), np.uint8)
    pen = max(1, round(size / 11))
    for i in range(count):
        for _ in range(int(rng.integers(4, 8))):
            x1, y1, x2, y2 = (int(v) for v in rng.integers(1, max(2, size - 1), 4))
            straight = rng.integers(3)
            if straight == 0:
                y2 = y1
            elif straight == 1:
                x2 = x1
            cv2.line(mask, (i * size + x1, y1), (i * size + x2, y2), 255, pen, cv2.LINE_AA)
    return mask


def barcode(img: np.ndarray, rng: np.random.Generator, box: tuple[float, float, float, float], ink: Colour) -> None:
    """Draw a striped code into the box (x1, y1, x2, y2)."""
    x1, y1, x2, y2 = (round(v) for v in box)
    if x2 - x1 < 8 or y2 - y1 < 3:
        return
    modules = int(rng.integers(45, 95))
    strip = np.repeat(rng.integers(0, 2, modules).astype(np.uint8) * 255, 4)[None]
    upright = rng.random() < 0.85
    mask = cv2.resize(strip if upright else strip.T, (x2 - x1, y2 - y1), interpolation=cv2.INTER_AREA)
    blend(img, mask, ink, x1, y1)


def matrix_code(img: np.ndarray, rng: np.random.Generator, centre: Point, side: float, ink: Colour) -> None:
    """Draw a square code like a QR code."""
    n = int(rng.integers(14, 26))
    cells = (rng.random((n, n)) < 0.5).astype(np.uint8) * 255
    for y, x in ((0, 0), (0, n - 7), (n - 7, 0)):
        cells[y : y + 7, x : x + 7] = 255
        cells[y + 1 : y + 6, x + 1 : x + 6] = 0
        cells[y + 2 : y + 5, x + 2 : x + 5] = 255
    size = max(4, round(side))
    mask = cv2.resize(cells, (size, size), interpolation=cv2.INTER_AREA if size < n * 3 else cv2.INTER_NEAREST)
    blend(img, mask, ink, round(centre[0] - side / 2), round(centre[1] - side / 2))


def needle_dial(img: np.ndarray, rng: np.random.Generator, centre: Point, radius: float, ink: Colour) -> None:
    """Draw a small round dial with the digits 0 to 9 around and a needle."""
    cx, cy = centre
    dark = rng.random() < 0.25
    ground: Colour = jitter(rng, (30, 30, 32) if dark else (238, 238, 234), 6)
    line = (235, 235, 230) if dark else ink
    if dark or rng.random() < 0.4:
        disc(img, centre, radius, ground)
    if rng.random() < 0.5:
        disc(img, centre, radius * rng.uniform(0.6, 1.0), line, radius * 0.05)
    turn = 1 if rng.random() < 0.8 else -1
    outer = rng.random() < 0.5  # digits outside the ring of ticks, or inside
    digit_at, tick_at = (0.83, 0.62) if outer else (0.62, 0.86)
    font = int(rng.integers(60))
    red_digits = RED if rng.random() < 0.25 else line
    for i in range(20):
        angle = np.radians(i * 18 * turn - 90)
        c, s = np.cos(angle), np.sin(angle)
        length = 0.14 if i % 2 == 0 else 0.07
        outline(
            img,
            [
                (cx + c * radius * (tick_at - length), cy + s * radius * (tick_at - length)),
                (cx + c * radius * tick_at, cy + s * radius * tick_at),
            ],
            line,
            radius * 0.035,
            closed=False,
        )
        if i % 2 == 0 and radius > 11:
            put_text(
                img,
                str(i // 2),
                (cx + c * radius * digit_at, cy + s * radius * digit_at),
                radius * 0.2,
                red_digits,
                font,
            )
    _needle(img, rng, centre, radius * rng.uniform(0.5, 0.75))
    if rng.random() < 0.7:
        factor = str(rng.choice(("x0,1", "x0,01", "x0,001", "x0.0001", "×0,0001", "x1", "l", "0.0001")))
        put_text(img, factor, (cx + rng.uniform(-0.3, 0.9) * radius, cy - radius * 1.15), radius * 0.2, ink, font)


def _needle(img: np.ndarray, rng: np.random.Generator, centre: Point, length: float) -> None:
    cx, cy = centre
    colour = jitter(rng, RED if rng.random() < 0.85 else BLACK, 18)
    angle = rng.uniform(0, 2 * np.pi)
    c, s = np.cos(angle), np.sin(angle)
    hub = length * rng.uniform(0.25, 0.55)
    tail = length * rng.uniform(0, 0.5)
    half = hub * rng.uniform(0.2, 0.7)
    polygon(
        img,
        [
            (cx + c * length, cy + s * length),
            (cx - s * half, cy + c * half),
            (cx - c * tail, cy - s * tail),
            (cx + s * half, cy - c * half),
        ],
        colour,
    )
    disc(img, centre, hub, colour)
    disc(img, (cx - hub * 0.2, cy - hub * 0.25), hub * 0.45, shade(colour, 1.25))


def star_wheel(img: np.ndarray, rng: np.random.Generator, centre: Point, radius: float) -> None:
    """Draw the little wheel that shows the flow: a star, a gear, a three-wing or a disc with spokes."""
    cx, cy = centre
    colour = jitter(rng, [BLACK, BLACK, RED, BLUE, (150, 150, 155)][int(rng.integers(5))], 10)
    if rng.random() < 0.5:
        disc(img, centre, radius * 1.15, jitter(rng, (215, 215, 212), 15))
    points = int(rng.choice((3, 4, 5, 6, 6, 8, 10, 12)))
    inner = rng.uniform(0.3, 0.75)
    start = rng.uniform(0, 2 * np.pi)
    angles = start + np.arange(points * 4) * (np.pi / points / 2)
    blunt = rng.random() < 0.6
    pattern = [1.0, 1.0, inner, inner] if blunt else [1.0, (1 + inner) / 2, inner, (1 + inner) / 2]
    radii = radius * np.tile(pattern, points)
    polygon(img, np.stack([cx + radii * np.cos(angles), cy + radii * np.sin(angles)], 1), colour)
    disc(img, centre, radius * inner * rng.uniform(0.2, 0.7), jitter(rng, (200, 200, 200), 30))


def round_mark(img: np.ndarray, rng: np.random.Generator, centre: Point, radius: float, ink: Colour) -> None:
    """Draw a mark of conformity or a maker's emblem."""
    form = int(rng.integers(5))
    pen = max(1.0, radius * 0.12)
    cx, cy = centre
    if form == 0:
        disc(img, centre, radius, ink, pen)
        put_text(
            img, str(rng.choice(("C", "PC", "M", "EAC", "CE", "IP"))), centre, radius * 0.8, ink, int(rng.integers(60))
        )
    elif form == 1:
        angles = np.arange(5) * 2 * np.pi / 5 - np.pi / 2
        outline(img, np.stack([cx + radius * np.cos(angles), cy + radius * np.sin(angles)], 1), ink, pen)
        disc(img, centre, radius * 0.5, ink, pen)
    elif form == 2:
        put_text(img, str(rng.choice(("CE", "EAC", "UL", "PC"))), centre, radius * 1.1, ink, int(rng.integers(60)))
    elif form == 3:
        rectangle(img, (cx - radius, cy - radius * 0.6, cx + radius, cy + radius * 0.6), ink, pen)
        put_text(img, f"M{rng.integers(5, 26):02d}", centre, radius * 0.6, ink, int(rng.integers(60)))
    else:
        turned = np.radians(rng.uniform(0, 90))
        angles = turned + np.arange(int(rng.integers(3, 7))) * 2 * np.pi / 6
        polygon(img, np.stack([cx + radius * np.cos(angles), cy + radius * np.sin(angles)], 1), ink)


def emblem(img: np.ndarray, rng: np.random.Generator, centre: Point, height: float, font: int, ink: Colour) -> None:
    """Draw an invented maker's name with or without a coloured sign before it."""
    name = brand_name(rng)
    colour = (
        ink if rng.random() < 0.5 else jitter(rng, [RED, BLUE, (20, 110, 70), (210, 110, 20)][int(rng.integers(4))], 14)
    )
    w, _ = put_text(img, name, centre, height, colour, font, stretch=float(rng.uniform(0.75, 1.25)))
    if rng.random() < 0.5:
        round_mark(img, rng, (centre[0] - w / 2 - height * 1.2, centre[1]), height * 0.8, colour)


def sticker(img: np.ndarray, rng: np.random.Generator, centre: Point, size: float) -> None:
    """Stick a label on: a round seal, a strip of paper with a number, a square with a code."""
    angle = float(rng.normal(0, 25))
    side = int(size * 2) + 2
    patch = np.zeros((side, side, 3), np.uint8)
    mask = np.zeros((side, side), np.uint8)
    middle = (side / 2, side / 2)
    paper = jitter(
        rng,
        [(240, 240, 236), (240, 240, 236), (235, 220, 90), (200, 40, 40), (60, 130, 200), (90, 180, 90)][
            int(rng.integers(6))
        ],
        10,
    )
    ink = jitter(rng, [BLACK, RED, BLUE, (200, 150, 60)][int(rng.integers(4))], 10)
    patch[:] = paper
    if rng.random() < 0.45:
        disc(mask, middle, size * 0.9, (255, 255, 255))
        disc(patch, middle, size * 0.8, ink, size * 0.05)
        lines = 2
    else:
        half = size * rng.uniform(0.3, 0.8)
        rectangle(
            mask, (side / 2 - size * 0.97, side / 2 - half, side / 2 + size * 0.97, side / 2 + half), (255, 255, 255)
        )
        lines = 2 if half > size * 0.5 else 1
    for i in range(lines):
        text = serial_number(rng) if rng.random() < 0.5 else small_print(rng)
        put_text(
            patch,
            text,
            (side / 2, side / 2 + size * 0.32 * (i - (lines - 1) / 2)),
            size * 0.17,
            ink,
            int(rng.integers(60)),
            stretch=0.8,
        )
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), angle, 1.0)
    patch = cv2.warpAffine(patch, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpAffine(mask, matrix, (side, side))
    x, y = round(centre[0] - side / 2), round(centre[1] - side / 2)
    shadow = cv2.blur(mask, (max(3, side // 20), max(3, side // 20)))
    blend(img, shadow, (20, 20, 20), x + 1, y + 2, 0.4)
    blend(img, mask, patch, x, y, float(rng.uniform(0.9, 1.0)))


def pen_mark(img: np.ndarray, rng: np.random.Generator, centre: Point, height: float) -> None:
    """Write a flat number or a code by hand with a marker: strokes of OpenCV's script font, slanted."""
    text = str(
        rng.choice(
            (
                digits(rng, int(rng.integers(1, 5))),
                f"P{rng.integers(1, 40)}",
                f"кв {rng.integers(1, 200)}",
                f"{rng.integers(1, 13)}/{rng.integers(55, 70)}",
                f"No {rng.integers(1, 99)}",
            )
        )
    )
    text = text.replace("кв", "KB")
    colour = jitter(rng, [(240, 240, 240), BLACK, RED, (30, 40, 130)][int(rng.integers(4))], 15)
    face = cv2.FONT_HERSHEY_SCRIPT_SIMPLEX if rng.random() < 0.5 else cv2.FONT_HERSHEY_SIMPLEX
    scale = height / 22
    pen = max(1, round(height / 12))
    (w, h), base = cv2.getTextSize(text, face, scale, pen)
    mask = np.zeros((h + base + 8, w + h + 8), np.uint8)
    cv2.putText(mask, text, (4, h + 4), face, scale, 255, pen, cv2.LINE_AA)
    slant = rng.uniform(-0.3, 0.3)
    matrix = np.array([[1, slant, max(0.0, -slant * h)], [rng.uniform(-0.15, 0.15), 1, 0]], np.float32)
    mask = cv2.warpAffine(mask, matrix, (mask.shape[1], mask.shape[0]))
    blend(img, mask, colour, round(centre[0] - mask.shape[1] / 2), round(centre[1] - mask.shape[0] / 2), 0.9)
