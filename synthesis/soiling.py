"""What hides or disturbs a display: dirt, drops, scratches and reflections on the glass; stickers, fingers, mud."""

from __future__ import annotations

import cv2
import numpy as np

from synthesis.camera import add_light, glare_spot, window_reflection
from synthesis.inscriptions import brand_name
from synthesis.paint import Colour, blend, disc, jitter, outline, polygon, put_text, smooth_noise, white_noise

_DUST: tuple[Colour, ...] = ((150, 135, 110), (190, 185, 175), (90, 75, 55), (120, 110, 95), (60, 50, 42))


def soil_glass(img: np.ndarray, rng: np.random.Generator, glass: np.ndarray, r: float) -> None:
    """Put a little of what gathers on a meter's glass on the face; a person can still read through it.

    Args:
        img: uint8 (h, w, 3) RGB face, changed in place.
        rng: source of chance.
        glass: uint8 (h, w), 255 where the glass is.
        r: half the face's size in pixels.
    """
    h, w = glass.shape
    if rng.random() < 0.35:  # a film of dust, thicker here than there
        film = np.clip(smooth_noise(rng, h, w, r * rng.uniform(0.1, 0.5)) * 40 + rng.uniform(10, 70), 0, 140).astype(
            np.uint8
        )
        blend(img, cv2.min(film, glass), jitter(rng, _DUST[int(rng.integers(len(_DUST)))], 12))
    if rng.random() < 0.25:  # specks
        specks = cv2.resize(
            (white_noise(rng, max(2, h // 2), max(2, w // 2)) > rng.uniform(2.6, 3.4)).astype(np.uint8) * 255, (w, h)
        )
        blend(img, cv2.min(specks, glass), jitter(rng, _DUST[int(rng.integers(len(_DUST)))], 20), alpha=0.8)
    if rng.random() < 0.25:  # a veil of light that the glass mirrors
        veil = np.zeros((h // 4 + 1, w // 4 + 1), np.uint8)
        at = (rng.uniform(0, w / 4), rng.uniform(0, h / 4))
        disc(veil, at, r / 4 * rng.uniform(0.3, 1.1), (255, 255, 255))
        veil = cv2.GaussianBlur(veil, (0, 0), max(0.5, r * rng.uniform(0.004, 0.06)))
        veil = cv2.min(cv2.resize(veil, (w, h), interpolation=cv2.INTER_LINEAR), glass)
        blend(img, veil, jitter(rng, (235, 238, 240), 12), alpha=float(rng.uniform(0.08, 0.4)))
    if rng.random() < 0.2:
        _scratches(img, rng, r)
    if rng.random() < 0.12:
        _drops(img, rng, r)


def _scratches(img: np.ndarray, rng: np.random.Generator, r: float) -> None:
    h, w = img.shape[:2]
    layer = np.zeros((h, w), np.uint8)
    angle = rng.uniform(0, np.pi)
    for _ in range(int(rng.integers(2, 25))):
        x, y = rng.uniform(0, w), rng.uniform(0, h)
        a = angle + rng.normal(0, 0.4)
        length = r * rng.uniform(0.05, 0.8)
        outline(
            layer,
            [(x, y), (x + length * np.cos(a), y + length * np.sin(a))],
            (int(rng.integers(40, 150)),) * 3,
            1,
            closed=False,
        )
    blend(img, layer, (235, 235, 235))


def _drops(img: np.ndarray, rng: np.random.Generator, r: float) -> None:
    """Water drops: each shows what is under it bent, with a bright and a dark edge."""
    h, w = img.shape[:2]
    for _ in range(int(rng.integers(3, 22))):
        size = int(max(2, r * rng.uniform(0.015, 0.06)))
        x, y = int(rng.uniform(size, max(size + 1, w - size))), int(rng.uniform(size, max(size + 1, h - size)))
        roi = img[max(0, y - size) : y + size, max(0, x - size) : x + size]
        if roi.size == 0:
            continue
        bent = cv2.resize(roi[::-1, ::-1], (roi.shape[1], roi.shape[0]))
        drop = np.zeros(roi.shape[:2], np.uint8)
        disc(drop, (roi.shape[1] / 2, roi.shape[0] / 2), size * 0.9, (255, 255, 255))
        blend(roi, drop, cv2.GaussianBlur(bent, (0, 0), max(0.5, size * 0.15)), alpha=0.6)
        disc(img, (x - size * 0.3, y - size * 0.35), size * 0.2, (250, 250, 250))
        disc(img, (x, y), size * 0.9, (90, 90, 90), 1)


def reflect(img: np.ndarray, rng: np.random.Generator, quad: np.ndarray, strong: bool = False) -> None:
    """Lay reflections of lamps, flash and windows over the photo near the meter.

    Args:
        img: uint8 (H, W, 3) RGB photo, changed in place.
        rng: source of chance.
        quad: (4, 2) corners of the display on the photo.
        strong: whether they may burn out the digits.
    """
    centre = quad.mean(0)
    side = float(np.hypot(*(quad[1] - quad[0])))
    shape = (img.shape[0], img.shape[1])
    for _ in range(int(rng.choice((1, 1, 2, 4)))):
        reach = side * (0.2 if strong else rng.uniform(0.4, 1.4))
        angle = rng.uniform(0, 2 * np.pi)
        at = (float(centre[0] + reach * np.cos(angle)), float(centre[1] + reach * np.sin(angle)))
        if rng.random() < 0.6:
            size = side * rng.uniform(0.03, 0.16)
            spot = glare_spot(
                shape,
                at,
                (size * rng.uniform(1, 3.5), size),
                float(rng.uniform(0, np.pi)),
                float(rng.uniform(0.4, 1.2)),
            )
        else:
            spot = window_reflection(rng, shape, at, side * rng.uniform(0.2, 0.7), float(rng.uniform(0.08, 0.3)))
        add_light(img, spot, jitter(rng, (245, 245, 240), 10))


def burn_out(img: np.ndarray, rng: np.random.Generator, quad: np.ndarray) -> None:
    """Put so strong a reflection over the display that most of its digits are lost in white."""
    along, down = quad[1] - quad[0], quad[3] - quad[0]
    centre = quad[0] + along * rng.uniform(0.35, 0.65) + down * rng.uniform(0.3, 0.7)
    radii = (float(np.hypot(*along) * rng.uniform(0.5, 0.8)), float(np.hypot(*down) * rng.uniform(1.2, 3.0)))
    angle = float(np.arctan2(along[1], along[0]) + rng.normal(0, 0.15))
    for _ in range(2):
        add_light(
            img,
            glare_spot((img.shape[0], img.shape[1]), (float(centre[0]), float(centre[1])), radii, angle, 1.6),
            (255, 255, 250),
        )


def cover(img: np.ndarray, rng: np.random.Generator, quad: np.ndarray) -> None:
    """Cover most of a display in the photo with a sticker, a finger, mud, tape or a rag."""
    along, down = quad[1] - quad[0], quad[3] - quad[0]
    width, height = float(np.hypot(*along)), float(np.hypot(*down))
    start = rng.uniform(-0.08, 0.12)
    end = rng.uniform(0.8, 1.08)
    form = int(rng.integers(4))
    patch = np.array(
        [
            [start, -rng.uniform(0.1, 0.6)],
            [end, -rng.uniform(0.1, 0.6)],
            [end, 1 + rng.uniform(0.1, 0.6)],
            [start, 1 + rng.uniform(0.1, 0.6)],
        ]
    )
    patch = patch @ np.stack([along, down]) + quad[0]
    if form == 0:
        _paper_over(img, rng, patch, along, height)
    elif form == 1:
        _finger_over(img, rng, quad, width, height)
    elif form == 2:
        _mud_over(img, rng, patch)
    else:  # insulating tape or cloth
        colour = jitter(
            rng, [(25, 25, 28), (40, 60, 150), (200, 200, 195), (180, 40, 40), (120, 110, 95)][int(rng.integers(5))], 15
        )
        polygon(img, patch + np.array([2, 3]), (25, 25, 25))
        polygon(img, patch, colour)


def _paper_over(img: np.ndarray, rng: np.random.Generator, patch: np.ndarray, along: np.ndarray, height: float) -> None:
    polygon(img, patch + np.array([1.5, 2.5]), (40, 38, 36))
    polygon(img, patch, jitter(rng, [(240, 240, 236), (235, 220, 90), (200, 210, 220)][int(rng.integers(3))], 10))
    angle = float(np.degrees(np.arctan2(along[1], along[0])) + rng.normal(0, 3))
    centre = patch.mean(0)
    text = str(rng.choice(("VOID", "SEAL", "ПЛОМБА", "QC PASS", "DO NOT REMOVE", brand_name(rng))))
    put_text(img, text, (float(centre[0]), float(centre[1])), height * 0.3, (40, 40, 90), int(rng.integers(60)), angle)


def _finger_over(img: np.ndarray, rng: np.random.Generator, quad: np.ndarray, width: float, height: float) -> None:
    """One to three fingertips, out of focus because they are nearer than the meter."""
    h, w = img.shape[:2]
    layer = np.zeros((h, w), np.uint8)
    along, down = (quad[1] - quad[0]) / width, (quad[3] - quad[0]) / height
    skin = jitter(rng, [(214, 160, 128), (190, 130, 100), (120, 80, 58), (230, 185, 160)][int(rng.integers(4))], 10)
    thick = max(height * 1.3, width * rng.uniform(0.3, 0.5))
    count = max(2, round(width / thick))
    lean = rng.normal(0, 0.35)
    for i in range(count):
        tip = quad[0] + along * width * (i + 0.5) / count - down * height * rng.uniform(0.1, 0.5)
        away = down + along * lean
        root = tip + away / np.hypot(*away) * width * 3
        outline(layer, [tuple(tip + away * thick / 2), tuple(root)], (255, 255, 255), thick, closed=False)
    soft = cv2.GaussianBlur(layer, (0, 0), max(1.0, height * 0.08))
    shading = cv2.GaussianBlur(layer, (0, 0), max(2.0, thick * 0.25))
    tinted = np.clip(
        np.asarray(skin, np.float32) * (0.55 + 0.5 * shading[..., None].astype(np.float32) / 255), 0, 255
    ).astype(np.uint8)
    blend(img, soft, tinted)


def _mud_over(img: np.ndarray, rng: np.random.Generator, patch: np.ndarray) -> None:
    h, w = img.shape[:2]
    layer = np.zeros((h, w), np.uint8)
    polygon(layer, patch, (255, 255, 255))
    size = float(np.hypot(*(patch[3] - patch[0])))
    ragged = cv2.GaussianBlur(layer, (0, 0), max(1.0, size * 0.12)).astype(np.float32) + 45 * smooth_noise(
        rng, h, w, max(2.0, size * 0.15)
    )
    layer = np.clip((ragged - 70) * 4, 0, 255).astype(np.uint8)
    colour = np.asarray(jitter(rng, _DUST[int(rng.integers(len(_DUST)))], 12), np.float32)
    texture = np.clip(
        colour * (1 + 0.12 * smooth_noise(rng, h, w, 3.0) + 0.12 * white_noise(rng, h, w))[..., None], 0, 255
    ).astype(np.uint8)
    blend(img, layer, texture, alpha=float(rng.uniform(0.97, 1.0)))
