"""Captchas: the look of Kaptcha, from which the public set captcha_images_v2 comes, and of the package `captcha`."""

from __future__ import annotations

import functools
import itertools
import secrets
import threading
from typing import Any

import captcha.image
import cv2
import numpy as np

from reader.image import through_jpeg
from reader.line_settings import ALPHABETS
from reader.types import UInt8
from synthesis.lines.glyphs import font_path, glyph, lay

LENGTH = 5
_HEIGHT, _WIDTH = 50, 200
_BASELINE = 42

#: Bold faces near the one of the public set, the nearest the most often.
_FACES = ("NotoSans-Bold.ttf", "OpenSans-Bold.ttf", "numeral-l-bold.ttf")
_FACE_SHARES = (0.7, 0.15, 0.15)
#: Where Noto's ink lies too far to the right or left beside the public set's (px at size 40), and how wide it is.
_SHIFT = {"3": -1, "4": -2, "5": 1, "b": 2, "e": -1, "g": -1, "p": 1, "w": -3, "x": -2, "y": -2}
_WIDER = {"2": -1, "3": -1, "4": -1, "5": -1, "6": 1, "7": -2, "8": 1, "b": 2, "c": 2, "d": 2, "f": 1, "g": 1, "m": -2}
_WIDER |= {"n": -1, "p": 2, "w": -1, "y": 1}

Rng = np.random.Generator


def make_captcha(rng: Rng) -> tuple[UInt8, str]:
    """Draws one captcha.

    Returns:
        (50, 200, 3) uint8 RGB, and its five characters.
    """
    text = "".join(rng.choice(list(ALPHABETS["captcha"]), LENGTH))
    return (_package(rng, text) if rng.random() < 0.1 else _kaptcha(rng, text)), text


def _kaptcha(rng: Rng, text: str) -> UInt8:
    """Kaptcha 2.3: a word, bent by WaterRipple, two broken lines by DefaultNoise, on a grey gradient.

    Most are drawn with its standard settings; the others vary what its settings let vary.
    """
    plain = rng.random() < 0.8
    ink = _bent(_word(rng, text), plain, rng)
    lines = np.zeros_like(ink)
    for places in ((0.1, 0.1, 0.25, 0.25), (0.1, 0.25, 0.5, 0.9)):
        _noise_line(lines, rng, places)
    if plain:
        kept = 1 - np.maximum(ink, lines).astype(np.float32) / 255
        picture = np.rint(_gradient() * kept).astype(np.uint8)
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    else:
        light = rng.uniform(150, 255, (2, 3)).astype(np.float32)
        share = ((_gradient() - 192) / 63)[..., None]
        colours = rng.uniform(0, 110, (2, 3)).astype(np.float32) * (rng.random() < 0.6)
        paint = light[0] * (1 - share) + light[1] * share
        for mask, colour in ((ink, colours[0]), (lines, colours[1])):
            cover = (mask.astype(np.float32) / 255)[..., None]
            paint = paint * (1 - cover) + colour * cover
        picture = np.rint(paint).astype(np.uint8)
    return through_jpeg(picture, int(rng.integers(60, 97)))


@functools.cache
def _gradient() -> np.ndarray:
    """(50, 200) float32, light grey to white along the diagonal, as java.awt.GradientPaint does it."""
    y, x = np.mgrid[0:_HEIGHT, 0:_WIDTH].astype(np.float32)
    along = (x * _WIDTH + y * _HEIGHT) / (_WIDTH**2 + _HEIGHT**2)
    return 192 + 63 * along


def _word(rng: Rng, text: str) -> UInt8:
    """(50, 200) uint8 ink of the undistorted word: ink beside ink, as Kaptcha measures characters."""
    name = str(rng.choice(_FACES, p=_FACE_SHARES))
    px = 40 if rng.random() < 0.8 else int(rng.integers(38, 43))
    x = float(rng.integers(31, 34))
    gap, base = rng.normal(0, 0.5), _BASELINE + int(rng.integers(-1, 2)) * (rng.random() < 0.3)
    canvas = np.zeros((_HEIGHT, _WIDTH), np.uint8)
    for c in text:
        drawn = glyph(c, name, px)
        shift, wider = _SHIFT.get(c, 0) + rng.normal(0, 0.5), _WIDER.get(c, 0) + rng.normal(0, 0.5)
        lay(canvas, drawn.mask, round(x + shift), base - drawn.top)
        x += drawn.mask.shape[1] + wider + gap
    return canvas


def _bent(ink: UInt8, plain: bool, rng: Rng) -> UInt8:
    """The word under Kaptcha's two filters, a wave from the middle and a sine along both axes."""
    if plain:
        water, ripple = _maps(1.5, 2.0, 2.6, 1.7, 15.0, 5.0)
    else:
        # A few sets of strengths, so that the maps are made once.
        step = rng.integers(0, 3, 4)
        water, ripple = _maps(
            (0.0, 1.2, 1.8)[step[0]], 2.0 + step[1], (1.8, 2.6, 3.4)[step[1]], (1.0, 1.7, 2.2)[step[2]],
            (12.0, 15.0, 19.0)[step[3]], (4.0, 5.0, 7.0)[step[3]],
        )  # fmt: skip
    return cv2.remap(cv2.remap(ink, *water, cv2.INTER_LINEAR), *ripple, cv2.INTER_LINEAR)


@functools.lru_cache(maxsize=128)
def _maps(
    water: float, length: float, sway_x: float, sway_y: float, length_x: float, length_y: float
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Maps for cv2.remap of JH Labs' WaterFilter and RippleFilter, which Kaptcha uses."""
    y, x = np.mgrid[0:_HEIGHT, 0:_WIDTH].astype(np.float32)
    dx, dy = x - _WIDTH / 2, y - _HEIGHT / 2
    far = np.hypot(dx, dy)
    amount = water * np.sin(far / length * 2 * np.pi - 10) * (1 - far / 50) * length / np.maximum(far, 1e-6)
    amount[far > 50] = 0
    waved = (np.float32(x + dx * amount), np.float32(y + dy * amount))
    return waved, (np.float32(x + sway_x * np.sin(y / length_x)), np.float32(y + sway_y * np.sin(x / length_y)))


def _noise_line(canvas: UInt8, rng: Rng, places: tuple[float, ...]) -> None:
    """A cubic curve with corners at those parts of the width, drawn in few straight pieces that get thinner."""
    corners = [complex(place * _WIDTH, y * _HEIGHT) for place, y in zip(places, rng.random(4).tolist(), strict=True)]
    points = [complex(int(point.real), int(point.imag)) for point in _flattened(corners)]
    for number, (a, b) in enumerate(itertools.pairwise(points)):
        # OpenCV's smooth polygons are wider than their corners say, Java's are not.
        half = 0.45 * (4 - min(number, 2)) - 0.5
        if a == b:
            continue
        ahead = (b - a) / abs(b - a) * half  # square ends reach beyond the points
        quad = (a - ahead - ahead * 1j, a - ahead + ahead * 1j, b + ahead + ahead * 1j, b + ahead - ahead * 1j)
        fixed = np.array([(round(16 * corner.real), round(16 * corner.imag)) for corner in quad], np.int32)
        cv2.fillConvexPoly(canvas, fixed, 255, cv2.LINE_AA, 4)


def _flattened(corners: list[complex], flatness: float = 2.0, depth: int = 0) -> list[complex]:
    """Points x + iy on a cubic curve: halved until its inner corners lie within `flatness` px of the chord."""
    first, second, third, last = corners
    chord = last - first
    length2 = abs(chord) ** 2
    off = 0.0
    for inner in (second, third):
        t = min(1.0, max(0.0, ((inner - first) * chord.conjugate()).real / length2)) if length2 else 0.0
        off = max(off, abs(inner - first - t * chord))
    if off <= flatness or depth == 10:
        return [first, last]
    a, b, c = (first + second) / 2, (second + third) / 2, (third + last) / 2
    ab, bc = (a + b) / 2, (b + c) / 2
    middle = (ab + bc) / 2
    left = _flattened([first, a, ab, middle], flatness, depth + 1)
    return left + _flattened([middle, bc, c, last], flatness, depth + 1)[1:]


class _Draws(threading.local):
    """Stands for the module `secrets` in the package `captcha`, so that a seed decides there too.

    Each thread has its own generator; without one the draws are those of `secrets`, for others who use the package.
    """

    rng: Rng | None = None

    def randbelow(self, limit: int) -> int:
        return int(self.rng.integers(limit)) if self.rng is not None else secrets.randbelow(limit)

    def randbits(self, bits: int) -> int:
        return int(self.rng.integers(1 << bits)) if self.rng is not None else secrets.randbits(bits)

    def choice(self, of: Any) -> Any:
        return of[self.randbelow(len(of))]


_DRAWS = _Draws()
captcha.image.secrets = _DRAWS  # type: ignore[attr-defined]


@functools.cache
def _generator() -> captcha.image.ImageCaptcha:
    fonts = [str(font_path(name)) for name in (*_FACES, "Roboto-Medium.ttf", "OpenSans-CondBold.ttf")]
    return captcha.image.ImageCaptcha(_WIDTH, _HEIGHT, fonts, (30, 34, 38))


def _package(rng: Rng, text: str) -> UInt8:
    _DRAWS.rng = rng
    try:
        return np.asarray(_generator().generate_image(text).convert("RGB")).copy()
    finally:
        _DRAWS.rng = None
