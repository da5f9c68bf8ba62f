"""Meters seen straight from the front: a body, a face full of print, and a display let into it.

Every maker of a face draws in the face's own pixels and returns a `Face`; the camera puts it into a photo. Layouts are
drawn by chance from parts rather than copied from models: networks must read meters that nobody drew.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from synthesis import markings
from synthesis.layout import Box, Layout, electric_works, print_on, unit_beside, works
from synthesis.markings import BLACK, RED
from synthesis.paint import Colour, blend, disc, jitter, multiply, outline, polygon, rounded_box, shade, smooth_noise
from synthesis.shells import Shell, box_shell, round_shell, stripes


@dataclass(frozen=True)
class Face:
    """A meter from the front.

    Attributes:
        image: uint8 (h, w, 3) RGB.
        mask: uint8 (h, w), 255 where the meter covers what is behind it, less where it is clear.
        quad: (4, 2) float32, the display's corners in face pixels, clockwise from its own top-left.
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
    quad: np.ndarray
    body: np.ndarray
    centre: tuple[float, float]
    radius: float
    depth: float
    side: Colour
    glass: np.ndarray
    piped: bool


_PLATES: tuple[Colour, ...] = (
    (236, 236, 232), (236, 236, 232), (222, 222, 220), (240, 236, 220),
    (205, 208, 208), (192, 196, 198), (226, 222, 196), (214, 226, 232),
)  # fmt: skip


@dataclass(frozen=True)
class _Window:
    """Where the display goes: its own box, the box with its frame, and how the frame looks."""

    box: tuple[int, int, int, int]
    outer: Box
    frame: float

    @classmethod
    def choose(cls, rng: np.random.Generator, art: np.ndarray, cx: float, cy: float, width: float) -> _Window:
        w = max(8, round(width))
        h = max(4, round(width * art.shape[0] / art.shape[1]))
        x, y = round(cx - w / 2), round(cy - h / 2)
        frame = h * rng.uniform(0.0, 0.28)
        left, right = frame * rng.uniform(0.5, 2.2, 2)
        return cls((x, y, x + w, y + h), (x - left, y - frame, x + w + right, y + h + frame), frame)


def _insert_display(
    img: np.ndarray, rng: np.random.Generator, art: np.ndarray, window: _Window, kind: str
) -> np.ndarray:
    """Let the display into the face, a little deeper than it; returns its corners (4, 2) in face pixels."""
    x1, y1, x2, y2 = window.box
    h, w = y2 - y1, x2 - x1
    if window.frame > 1.5:
        light = jitter(rng, (225, 225, 222), 12)
        grounds = [(35, 36, 40), (70, 74, 78), (200, 202, 204), (20, 40, 60)]
        tinted = jitter(rng, grounds[int(rng.integers(4))], 10)
        fill = (jitter(rng, (30, 30, 32), 10), light, tinted, None)[int(rng.integers(4)) if kind == "analog" else 2]
        shape = rounded_box(window.outer, h * rng.uniform(0, 0.3))
        if fill is not None:
            polygon(img, shape, fill)
        if rng.random() < 0.5:
            line = jitter(rng, (60, 60, 60) if rng.random() < 0.7 else RED, 25)
            outline(img, shape, line, max(1.0, h * 0.04))
    img[y1:y2, x1:x2] = cv2.resize(art, (w, h), interpolation=cv2.INTER_AREA if w < art.shape[1] else cv2.INTER_LINEAR)
    # the upper edge, or the edge away from the light, throws a shadow on the deeper display
    depth = max(1, round(h * rng.uniform(0.03, 0.16)))
    ramp = 1.0 - rng.uniform(0.0, 0.45) * np.linspace(1, 0, depth, dtype=np.float32)
    img[y1 : y1 + depth, x1:x2] = (img[y1 : y1 + depth, x1:x2] * ramp[:, None, None]).astype(np.uint8)
    if rng.random() < 0.5:
        left = rng.random() < 0.5
        side = img[y1:y2, x1 : x1 + depth] if left else img[y1:y2, x2 - depth : x2][:, ::-1]
        side[:] = (side * ramp[None, : side.shape[1], None]).astype(np.uint8)
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float32)


def round_face(rng: np.random.Generator, art: np.ndarray, kind: str, display_width: float) -> Face:
    """Draw a round water meter (or a round heat meter when `kind` is digital).

    Args:
        rng: source of chance.
        art: uint8 (h, w, 3) RGB, the rectified display.
        kind: "analog" or "digital".
        display_width: wanted width of the display in face pixels; sets the scale of everything.
    """
    ratio = rng.uniform(0.42, 0.72) if art.shape[1] > 3.2 * art.shape[0] else rng.uniform(0.35, 0.5)
    r = display_width / ratio / 2
    shell = round_shell(rng, r)
    img, c = shell.image, shell.image.shape[0] / 2
    plate = jitter(rng, _PLATES[int(rng.integers(len(_PLATES)))], 8)
    ink = jitter(rng, BLACK, 15)
    tinted = rng.random()
    if tinted < 0.07:  # the whole cap is one piece of the body's colour, print in white
        plate, ink = shell.colour, (235, 235, 232) if sum(shell.colour) < 480 else BLACK
    elif tinted < 0.12:
        plate, ink = jitter(rng, (50, 52, 56), 12), (225, 225, 225)
    inside = np.zeros(shell.mask.shape, np.uint8)
    disc(inside, (c, c), r, (255, 255, 255))
    blend(img, inside, plate)
    if rng.random() < 0.35:
        stripes(img, rng, inside, r, c)
    dh = display_width * art.shape[0] / art.shape[1]
    reach = float(np.sqrt(max(0.0, (0.93 * r) ** 2 - (display_width / 2) ** 2))) - dh / 2
    low = rng.random() < 0.2
    cy = c + (1 if low else -1) * min(r * rng.uniform(0.1, 0.58), max(0.0, reach))
    window = _Window.choose(rng, art, c + r * float(np.clip(rng.normal(0, 0.04), -0.1, 0.1)), cy, display_width)
    layout = Layout(inside, r / 14)
    layout.take(window.outer, r * 0.03)
    unit_beside(img, rng, layout, window.outer, dh, ink, kind)
    if kind == "analog" or rng.random() < 0.2:
        works(img, rng, layout, r, ink, -1.0 if low else 1.0)
    print_on(img, rng, layout, r, ink, busy=rng.uniform(0.3, 1.4))
    if rng.random() < 0.18:
        a = rng.uniform(0, np.pi)
        at = (c + r * 0.6 * np.cos(a), c + (-1 if low else 1) * r * rng.uniform(0.25, 0.6) * np.sin(a))
        markings.sticker(img, rng, at, r * rng.uniform(0.18, 0.3))
    if rng.random() < 0.06:
        markings.pen_mark(img, rng, (c, c - (cy - c)), r * rng.uniform(0.2, 0.4))
    quad = _insert_display(img, rng, art, window, kind)
    # the cap stands above the dial: a dark line inside the ring, and the dial a little uneven
    disc(img, (c, c), r, shade(plate, rng.uniform(0.35, 0.9)), max(1.0, r * rng.uniform(0.01, 0.05)))
    _finish(img, rng, inside, r)
    return _face(rng, shell, quad, inside, rng.uniform(0.2, 0.9), piped=True)


def _finish(img: np.ndarray, rng: np.random.Generator, inside: np.ndarray, r: float) -> None:
    """Let the rim throw its shadow on the deeper plate, and make the whole a little uneven."""
    h, w = inside.shape
    factor = 1.0 + np.float32(0.02) * smooth_noise(rng, h, w, max(3.0, r * 0.2))
    if rng.random() < 0.7:
        shift = rng.normal(0, 0.05 * r, 2)
        lit = cv2.warpAffine(
            inside, np.array([[0.25, 0, shift[0] / 4], [0, 0.25, shift[1] / 4]]), (w // 4 + 1, h // 4 + 1)
        )
        lit = cv2.GaussianBlur(lit, (0, 0), max(0.5, r * rng.uniform(0.003, 0.03)))
        dark = cv2.min(cv2.bitwise_not(cv2.resize(lit, (w, h), interpolation=cv2.INTER_LINEAR)), inside)
        factor -= dark.astype(np.float32) * np.float32(rng.uniform(0.15, 0.7) / 255)
    multiply(img, factor)


def dome_face(rng: np.random.Generator, art: np.ndarray, kind: str, display_width: float) -> Face:
    """Draw an electricity meter under a round glass dome: a name plate in a dark ring (arguments as `round_face`)."""
    dh = display_width * art.shape[0] / art.shape[1]
    w = display_width / rng.uniform(0.5, 0.8)
    h = max(w * rng.uniform(0.8, 1.1), dh * 3)
    r = 0.5 * float(np.hypot(w, h)) * rng.uniform(0.9, 1.1)
    shell = round_shell(rng, r)
    img, c = shell.image, shell.image.shape[0] / 2
    inside = np.zeros(shell.mask.shape, np.uint8)
    disc(inside, (c, c), r, (255, 255, 255))
    blend(img, inside, jitter(rng, (45, 46, 48), 18))
    plate = np.zeros(shell.mask.shape, np.uint8)
    polygon(
        plate, rounded_box((c - w / 2, c - h / 2, c + w / 2, c + h / 2), w * rng.uniform(0.02, 0.3)), (255, 255, 255)
    )
    plate = cv2.min(plate, inside)
    blend(img, plate, jitter(rng, _PLATES[int(rng.integers(len(_PLATES)))], 8))
    cy = c - h * rng.uniform(0.08, 0.28)
    window = _Window.choose(rng, art, c, cy, display_width)
    layout = Layout(plate, r / 14)
    layout.take(window.outer, 2)
    ink = jitter(rng, BLACK, 15)
    unit_beside(img, rng, layout, window.outer, dh, ink, "digital")
    electric_works(img, rng, layout, min(w, h) / 2, kind, shell.colour)
    print_on(img, rng, layout, min(w, h) / 2, ink, busy=rng.uniform(0.6, 1.6))
    if rng.random() < 0.3:
        markings.pen_mark(img, rng, (c, c - h * 0.4), h * rng.uniform(0.08, 0.2))
    quad = _insert_display(img, rng, art, window, kind)
    _finish(img, rng, inside, r)
    return _face(rng, shell, quad, inside, rng.uniform(0.1, 0.5), piped=False)


def box_face(rng: np.random.Generator, art: np.ndarray, kind: str, display_width: float) -> Face:
    """Draw a square or oblong meter: electricity with drums or LCD, DIN-rail modules, heat and gas meters.

    Args: as for `round_face`.
    """
    dh = display_width * art.shape[0] / art.shape[1]
    w = display_width / rng.uniform(0.42, 0.85)
    h = max(w * rng.uniform(0.55, 1.7), dh * 2.2)
    shell, plate_shape = box_shell(rng, w, h, w * rng.uniform(0.12, 0.3) if rng.random() < 0.3 else 0.0)
    img = shell.image
    n_h, n_w = shell.mask.shape
    plate = shell.colour if rng.random() < 0.25 else _PLATES[int(rng.integers(len(_PLATES)))]
    plate = jitter(rng, plate, 8)
    inside = np.zeros(shell.mask.shape, np.uint8)
    polygon(inside, plate_shape, (255, 255, 255))
    blend(img, inside, plate)
    outline(img, plate_shape, shade(plate, rng.uniform(0.4, 0.9)), max(1.0, w * 0.008))
    ink = jitter(rng, BLACK, 15) if sum(plate) > 330 else (225, 225, 225)
    room = max(0.0, (w - display_width) / 2 - w * 0.04)
    cy = (n_h - h) / 2 + dh * 0.75 + (h - dh * 1.5) * float(rng.beta(1.6, 3.2))
    window = _Window.choose(rng, art, n_w / 2 + rng.uniform(-1, 1) * min(room, w * 0.12), cy, display_width)
    half = min(w, h) / 2
    layout = Layout(inside, half / 14)
    layout.take(window.outer, 2)
    unit_beside(img, rng, layout, window.outer, dh, ink, kind)
    electric_works(img, rng, layout, half, kind, shell.colour)
    print_on(img, rng, layout, half, ink, busy=rng.uniform(0.4, 1.6))
    if rng.random() < 0.08:
        at = layout.place(rng, half * 0.5, half * 0.4)
        if at:
            markings.sticker(img, rng, at, half * 0.25)
    if rng.random() < 0.1:
        at = layout.place(rng, half * 0.6, half * 0.3)
        if at:
            markings.pen_mark(img, rng, at, half * 0.3)
    quad = _insert_display(img, rng, art, window, kind)
    _finish(img, rng, inside, half)
    glass = inside if rng.random() < 0.6 else np.zeros_like(inside)
    return _face(rng, shell, quad, glass, rng.uniform(0.1, 0.5), piped=bool(kind == "analog" and rng.random() < 0.25))


def _face(
    rng: np.random.Generator, shell: Shell, quad: np.ndarray, glass: np.ndarray, depth: float, piped: bool
) -> Face:
    h, w = shell.mask.shape
    centre = (w / 2, h / 2)
    return Face(
        shell.image,
        shell.mask,
        quad,
        shell.outline,
        centre,
        shell.radius,
        shell.radius * depth,
        shell.colour,
        glass,
        piped,
    )


def draw_face(rng: np.random.Generator, art: np.ndarray, kind: str, display_width: float) -> Face:
    """Draw a meter of any form around a display (arguments as `round_face`)."""
    shares = (0.7, 0.08, 0.22) if kind == "analog" else (0.16, 0.04, 0.8)
    maker = (round_face, dome_face, box_face)[int(rng.choice(3, p=shares))]
    return maker(rng, art, kind, display_width)
