"""Things that carry numbers and are no meters: the networks must find no display on them."""

from __future__ import annotations

import numpy as np

from synthesis import markings
from synthesis.inscriptions import brand_name, digits, serial_number, small_print
from synthesis.paint import Colour, disc, jitter, outline, polygon, put_text, rectangle, rounded_box, shade
from synthesis.printed_things import PRINTED


def object_with_numbers(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a thing that carries numbers and is no meter: uint8 (h, w, 3) RGB and its uint8 (h, w) mask."""
    forms = (_house_number, _price_tag, _package, _clock, _gauge, _closed_meter, *PRINTED)
    return forms[int(rng.integers(len(forms)))](rng, size)


def _blank(size: int, colour: Colour) -> tuple[np.ndarray, np.ndarray]:
    img = np.zeros((size, size, 3), np.uint8)
    img[:] = colour
    return img, np.zeros((size, size), np.uint8)


def _house_number(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    plate = jitter(
        rng, [(30, 60, 140), (240, 240, 238), (30, 30, 32), (180, 30, 30), (60, 90, 60)][int(rng.integers(5))], 12
    )
    img, mask = _blank(size, plate)
    half = size * rng.uniform(0.22, 0.46)
    box = (4, size / 2 - half, size - 4, size / 2 + half)
    polygon(mask, rounded_box(box, size * rng.uniform(0, 0.1)), (255, 255, 255))
    ink = (245, 245, 240) if sum(plate) < 400 else (30, 30, 60)
    outline(img, rounded_box((box[0] + 8, box[1] + 8, box[2] - 8, box[3] - 8), size * 0.04), ink, size * 0.012)
    put_text(
        img,
        digits(rng, int(rng.integers(1, 4))) + str(rng.choice(("", "", "A", "B"))),
        (size / 2, size / 2),
        half * 0.95,
        ink,
        int(rng.integers(60)),
    )
    return img, mask


def _price_tag(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    paper = jitter(rng, [(250, 250, 248), (250, 225, 60), (250, 250, 248), (240, 90, 60)][int(rng.integers(4))], 6)
    img, mask = _blank(size, paper)
    half = size * rng.uniform(0.22, 0.35)
    rectangle(mask, (3, size / 2 - half, size - 3, size / 2 + half), (255, 255, 255))
    font = int(rng.integers(60))
    put_text(
        img,
        brand_name(rng) + " " + digits(rng, 3),
        (size * 0.45, size / 2 - half * 0.7),
        half * 0.18,
        (20, 20, 20),
        font,
    )
    put_text(img, f"{rng.integers(1, 2000)}", (size * 0.5, size / 2 + half * 0.05), half * 0.7, (15, 15, 15), font + 3)
    put_text(img, f"{rng.integers(0, 100):02d}", (size * 0.86, size / 2 - half * 0.15), half * 0.3, (15, 15, 15), font)
    markings.barcode(img, rng, (size * 0.08, size / 2 + half * 0.62, size * 0.5, size / 2 + half * 0.9), (20, 20, 20))
    return img, mask


def _package(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    card = jitter(
        rng, [(190, 150, 100), (235, 235, 232), (60, 100, 160), (200, 60, 50), (90, 150, 80)][int(rng.integers(5))], 15
    )
    img, mask = _blank(size, card)
    polygon(
        mask,
        rounded_box((3, size * rng.uniform(0.02, 0.25), size - 3, size * rng.uniform(0.75, 0.98)), 4),
        (255, 255, 255),
    )
    ink = (30, 30, 30) if sum(card) > 350 else (240, 240, 240)
    for i in range(int(rng.integers(4, 10))):
        text = small_print(rng) if i else brand_name(rng)
        put_text(
            img,
            text,
            (size * rng.uniform(0.25, 0.75), size * rng.uniform(0.25, 0.75)),
            size * (0.12 if i == 0 else rng.uniform(0.02, 0.05)),
            ink,
            int(rng.integers(60)),
        )
    markings.barcode(img, rng, (size * 0.55, size * 0.6, size * 0.9, size * 0.72), ink)
    return img, mask


def _clock(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    img, mask = _blank(size, jitter(rng, (60, 60, 64), 40))
    c = size / 2
    disc(mask, (c, c), c - 3, (255, 255, 255))
    disc(img, (c, c), c * rng.uniform(0.85, 0.95), jitter(rng, (240, 240, 236), 8))
    font = int(rng.integers(60))
    for hour in range(1, 13):
        a = np.radians(hour * 30 - 90)
        put_text(img, str(hour), (c + c * 0.7 * np.cos(a), c + c * 0.7 * np.sin(a)), c * 0.13, (25, 25, 28), font)
    for length, pen in ((0.45, 0.05), (0.65, 0.03)):
        a = rng.uniform(0, 2 * np.pi)
        outline(
            img, [(c, c), (c + c * length * np.cos(a), c + c * length * np.sin(a))], (20, 20, 22), c * pen, closed=False
        )
    return img, mask


def _gauge(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A pressure gauge or thermometer: the thing most like a meter that has no display."""
    img, mask = _blank(
        size, jitter(rng, [(40, 40, 44), (180, 150, 80), (170, 172, 175), (180, 40, 40)][int(rng.integers(4))], 15)
    )
    c = size / 2
    disc(mask, (c, c), c - 3, (255, 255, 255))
    disc(img, (c, c), c * 0.88, jitter(rng, (238, 238, 235), 8))
    font, top = int(rng.integers(60)), int(rng.choice((4, 6, 10, 16, 120)))
    for i in range(31):
        a = np.radians(135 + i * 9)
        inner = 0.62 if i % 5 == 0 else 0.7
        outline(
            img,
            [
                (c + c * inner * np.cos(a), c + c * inner * np.sin(a)),
                (c + c * 0.78 * np.cos(a), c + c * 0.78 * np.sin(a)),
            ],
            (25, 25, 28),
            c * 0.015,
            closed=False,
        )
        if i % 5 == 0:
            value = f"{top * i / 30:g}" if top > 16 else f"{top * i / 30:.1f}"
            put_text(img, value, (c + c * 0.48 * np.cos(a), c + c * 0.48 * np.sin(a)), c * 0.09, (25, 25, 28), font)
    put_text(img, str(rng.choice(("bar", "MPa", "°C", "kgf/cm²"))), (c, c * 1.45), c * 0.11, (25, 25, 28), font)
    a = np.radians(135 + rng.uniform(0, 270))
    outline(
        img,
        [(c, c), (c + c * 0.66 * np.cos(a), c + c * 0.66 * np.sin(a))],
        (30, 30, 32) if rng.random() < 0.6 else (200, 40, 40),
        c * 0.03,
        closed=False,
    )
    disc(img, (c, c), c * 0.08, (60, 60, 62))
    return img, mask


def _closed_meter(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A meter with its lid shut."""
    colour = jitter(
        rng,
        [(40, 80, 165), (45, 48, 52), (120, 124, 128), (176, 144, 84), (185, 40, 38), (60, 110, 80)][
            int(rng.integers(6))
        ],
        12,
    )
    img, mask = _blank(size, colour)
    c = size / 2
    disc(mask, (c, c), c - 3, (255, 255, 255))
    for share in (0.85, 0.8, rng.uniform(0.3, 0.7)):
        disc(img, (c, c), c * share, shade(colour, rng.uniform(0.75, 1.25)), 0 if share > 0.82 else 2)
    put_text(
        img,
        brand_name(rng),
        (c, c * rng.uniform(0.7, 1.1)),
        c * 0.16,
        shade(colour, rng.choice((0.6, 1.6))),
        int(rng.integers(60)),
    )
    put_text(
        img,
        serial_number(rng),
        (c, c * 1.35),
        c * 0.09,
        shade(colour, rng.choice((0.6, 1.6))),
        int(rng.integers(60)),
    )
    return img, mask
