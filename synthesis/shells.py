"""The bodies of meters from the front: rings of plastic, metal or clear plastic, boxes, covers; lit and lettered."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from synthesis.inscriptions import digits, serial_number, small_print
from synthesis.markings import BLUE, RED
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

BODIES: tuple[Colour, ...] = (
    (185, 40, 38), (200, 60, 40), (40, 80, 165), (50, 110, 185), (120, 124, 128), (165, 168, 170), (45, 48, 52),
    (176, 144, 84), (196, 168, 96), (150, 112, 66), (210, 212, 210), (70, 120, 80), (225, 120, 40), (30, 45, 70),
)  # fmt: skip
_BRASS: tuple[Colour, ...] = ((176, 144, 84), (196, 168, 96), (150, 112, 66), (170, 165, 155), (140, 142, 145))
_BOXES: tuple[Colour, ...] = (
    (225, 226, 224), (200, 202, 204), (235, 232, 220), (60, 62, 66),
    (30, 32, 35), (150, 156, 160), (212, 208, 190), (120, 100, 80),
)  # fmt: skip


@dataclass(frozen=True)
class Shell:
    """An empty body.

    Attributes:
        image: uint8 (h, w, 3) RGB.
        mask: uint8 (h, w), 255 where the body covers, less where it is clear.
        outline: (n, 2) float32, its edge in pixels.
        colour: of the body, seen from the side too.
        radius: half its size in pixels.
    """

    image: np.ndarray
    mask: np.ndarray
    outline: np.ndarray
    colour: Colour
    radius: float


def circle(c: float, radius: float, steps: int = 48) -> np.ndarray:
    """Return a circle around (c, c) as (steps, 2) float32 points, clockwise."""
    angles = np.arange(steps) * (2 * np.pi / steps)
    return np.stack([c + radius * np.cos(angles), c + radius * np.sin(angles)], 1).astype(np.float32)


def round_shell(rng: np.random.Generator, r: float) -> Shell:
    """Draw the body of a round meter whose dial has the radius `r`: painted plastic, metal, or a clear cap."""
    style = str(rng.choice(("clear", "plastic", "metal"), p=(0.42, 0.33, 0.25)))
    outer = r * (rng.uniform(1.03, 1.16) if style == "clear" else rng.uniform(1.05, 1.45))
    n = int(np.ceil(2 * (outer + 4 + r * 0.12)))
    c = n / 2
    table = _BRASS if style == "metal" else BODIES
    colour = jitter(rng, table[int(rng.integers(len(table)))], 12)
    img = np.zeros((n, n, 3), np.uint8)
    img[:] = colour if style != "clear" else jitter(rng, (188, 190, 188), 18)
    mask = np.zeros((n, n), np.uint8)
    disc(mask, (c, c), outer, (255, 255, 255))
    if rng.random() < 0.3:  # a ridged or many-sided ring
        teeth = int(rng.choice((6, 8, 16, 24, 36, 60)))
        angles = np.arange(teeth * 4) * (2 * np.pi / teeth / 4)
        radii = outer * np.tile([1.03, 1.03, 0.99, 0.99], teeth)
        polygon(mask, np.stack([c + radii * np.cos(angles), c + radii * np.sin(angles)], 1), (255, 255, 255))
    if rng.random() < 0.4:
        _eye(img, mask, rng, c, outer, r, colour)
    _ring_light(img, rng, c, r, outer, style == "metal")
    if style == "clear":
        _clear_ring(img, rng, c, r, outer, colour)
    elif outer > r * 1.18 and rng.random() < 0.5:
        _rim_text(img, rng, c, (r * 1.02 + outer) / 2, (outer - r) * 0.42, colour)
    _arcs_of_light(img, rng, c, r, outer)
    return Shell(img, mask, circle(c, outer), colour, outer)


def _eye(
    img: np.ndarray, mask: np.ndarray, rng: np.random.Generator, c: float, outer: float, r: float, colour: Colour
) -> None:
    """The eye of the lid's hinge or of the seal, at the rim."""
    a = np.radians(rng.choice((-90, -90, 0, 180, rng.uniform(0, 360))))
    x, y = c + outer * np.cos(a), c + outer * np.sin(a)
    size = r * rng.uniform(0.08, 0.2)
    box = (x - size, y - size * 0.7, x + size, y + size * 0.7)
    rectangle(mask, box, (255, 255, 255))
    rectangle(img, box, colour)


def _ring_light(img: np.ndarray, rng: np.random.Generator, c: float, r: float, outer: float, metal: bool) -> None:
    """Shade the ring around a dial: light from one side, turned grooves and streaks where it is of metal."""
    n = img.shape[0]
    grid = np.arange(n, dtype=np.float32) + np.float32(0.5 - c)
    light = rng.uniform(0, 2 * np.pi)
    ramp = grid[None] * np.float32(np.cos(light)) + grid[:, None] * np.float32(np.sin(light))
    factor = 1.0 + ramp * np.float32(rng.uniform(0.05, 0.5) / outer)
    if metal:
        factor = factor + np.float32(rng.uniform(0.05, 0.16)) * smooth_noise(rng, n, n, max(2.0, r * 0.04))
    multiply(img, factor)
    base = tuple(int(v) for v in img[2, n // 2])
    for _ in range(int(rng.integers(1, 4))):
        tone: Colour = shade((base[0], base[1], base[2]), rng.uniform(0.5, 1.4))
        disc(img, (c, c), rng.uniform(r, outer), tone, max(1.0, r * rng.uniform(0.01, 0.04)))


def _clear_ring(img: np.ndarray, rng: np.random.Generator, c: float, r: float, outer: float, colour: Colour) -> None:
    """A clear cap lets the coloured body shine through at its edge, and shows fine moulded steps."""
    if rng.random() < 0.5:
        tint = np.zeros(img.shape[:2], np.uint8)
        disc(tint, (c, c), outer, (255, 255, 255))
        disc(tint, (c, c), r * rng.uniform(1.0, 1.05), (0, 0, 0))
        blend(img, tint, colour, alpha=float(rng.uniform(0.2, 0.8)))
    for share in np.linspace(r, outer, int(rng.integers(2, 6))):
        disc(img, (c, c), share, jitter(rng, (225, 225, 222) if rng.random() < 0.5 else (120, 122, 122), 15), 1)


def _arcs_of_light(img: np.ndarray, rng: np.random.Generator, c: float, r: float, outer: float) -> None:
    """Bright arcs where a lamp is mirrored in the round edge."""
    layer = np.zeros(img.shape[:2], np.uint8)
    for _ in range(int(rng.integers(0, 5))):
        radius = rng.uniform(r, outer)
        start, length = rng.uniform(0, 360), rng.uniform(8, 80)
        centre, axes = (round(c * 16), round(c * 16)), (round(radius * 16), round(radius * 16))
        pen = max(1, round(r * rng.uniform(0.008, 0.04)))
        cv2.ellipse(layer, centre, axes, 0, start, start + length, int(rng.integers(90, 255)), pen, cv2.LINE_AA, 4)
    blend(img, cv2.GaussianBlur(layer, (0, 0), max(0.6, r * 0.008)), (255, 255, 252))


def _rim_text(
    img: np.ndarray, rng: np.random.Generator, c: float, radius: float, height: float, colour: Colour
) -> None:
    """Emboss a number or a year around the ring, letter by letter."""
    choices = (
        serial_number(rng),
        str(rng.integers(1998, 2026)),
        digits(rng, 8),
        small_print(rng),
    )
    text = str(rng.choice(choices))
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


def box_shell(rng: np.random.Generator, w: float, h: float, terminals: float = 0.0) -> tuple[Shell, np.ndarray]:
    """Draw a square or oblong body around a plate of w x h pixels.

    Args:
        rng: source of chance.
        w: width of the plate.
        h: height of the plate.
        terminals: height of the rows of terminals above and under the plate in pixels; 0 for none.

    Returns:
        The body, and the outline (n, 2) of the plate in it.
    """
    clear = terminals == 0 and rng.random() < 0.3  # a clear cover that reaches over the plate on all sides
    rim = w * (rng.uniform(0.1, 0.22) if clear else rng.uniform(0.02, 0.14))
    pad = 4
    n_w, n_h = int(np.ceil(w + 2 * (rim + pad))), int(np.ceil(h + 2 * (rim + pad + terminals)))
    colour = jitter(rng, _BOXES[int(rng.integers(len(_BOXES)))], 10)
    img = np.zeros((n_h, n_w, 3), np.uint8)
    img[:] = colour
    mask = np.zeros((n_h, n_w), np.uint8)
    corner = w * rng.choice((0.01, 0.04, 0.12))
    body = rounded_box((pad, pad, n_w - pad, n_h - pad), max(corner, w * 0.06) if clear else corner)
    polygon(mask, body, (int(rng.integers(120, 235)) if clear else 255,) * 3)
    across = np.linspace(-1, 1, n_w, dtype=np.float32)[None] * np.float32(rng.normal(0, 0.12))
    down = np.linspace(-1, 1, n_h, dtype=np.float32)[:, None] * np.float32(rng.normal(0, 0.12))
    multiply(img, 1.0 + across + down)
    top = pad + rim + terminals
    plate = rounded_box((pad + rim, top, n_w - pad - rim, n_h - top), corner * rng.uniform(0.2, 1.0))
    if terminals > 0:
        _terminals(img, rng, n_w, n_h, terminals, colour)
    if clear:
        polygon(mask, plate, (255, 255, 255))
        for share in (0.15, 0.3, 0.85):
            inset = pad + rim * share
            edge = rounded_box((inset, inset, n_w - inset, n_h - inset), w * 0.07)
            light = rng.random() < 0.6
            outline(img, edge, jitter(rng, (240, 240, 240) if light else (110, 112, 112), 15), max(1.0, w * 0.008))
            outline(mask, edge, (230, 230, 230), max(1.0, w * 0.008))
    return Shell(img, mask, body, colour, max(n_w, n_h) / 2), plate


def _terminals(img: np.ndarray, rng: np.random.Generator, n_w: int, n_h: int, high: float, colour: Colour) -> None:
    """Two rows of screw holes as rail modules have, set off from the body by a step."""
    count = int(rng.integers(2, 9))
    step = n_w / count
    size = min(step * 0.3, high * 0.32)
    for y, edge in ((high * 0.5 + 3, high + 4), (n_h - high * 0.5 - 3, n_h - high - 4)):
        outline(
            img, [(0, edge), (n_w, edge)], shade(colour, rng.uniform(0.4, 0.8)), max(1.0, high * 0.05), closed=False
        )
        for i in range(count):
            at = ((i + 0.5) * step, y)
            disc(img, at, size, shade(colour, 0.45))
            disc(img, at, size * 0.75, jitter(rng, (120, 120, 118), 25))
            outline(img, [(at[0] - size * 0.5, y), (at[0] + size * 0.5, y)], (50, 50, 50), size * 0.25, closed=False)


def stripes(img: np.ndarray, rng: np.random.Generator, inside: np.ndarray, r: float, c: float) -> None:
    """Paint the coloured design of a dial: slanted stripes, a band, a tinted part, a printed ring."""
    mask = np.zeros(inside.shape, np.uint8)
    colour = jitter(rng, [RED, RED, BLUE, (40, 140, 190), (230, 130, 30), (60, 130, 80)][int(rng.integers(6))], 15)
    form = rng.integers(4)
    white = (255, 255, 255)
    if form == 0:
        width = r * rng.uniform(0.07, 0.14)
        lean = 1.6 * r * rng.uniform(0.3, 1.2)
        first = c + r * rng.uniform(0.05, 0.2)
        for i in range(int(rng.integers(2, 5))):
            x = first + i * width * 1.9
            polygon(
                mask, [(x, c + r), (x + width, c + r), (x + width + lean, c - 0.6 * r), (x + lean, c - 0.6 * r)], white
            )
    elif form == 1:
        half = r * rng.uniform(0.1, 0.25)
        rectangle(mask, (c - half, c + r * rng.uniform(-0.1, 0.3), c + half, c + r), white)
    elif form == 2:
        y = c + r * rng.uniform(0.3, 0.75)
        rectangle(mask, (0, y, inside.shape[1], y + r * rng.uniform(0.06, 0.5)), white)
    else:
        disc(mask, (c, c), r * rng.uniform(0.86, 0.96), white, max(1.0, r * 0.02))
    blend(img, cv2.min(mask, inside), colour, alpha=float(rng.uniform(0.5, 1.0)))
