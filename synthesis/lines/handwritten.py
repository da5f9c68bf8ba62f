"""Handwritten numbers: cells of scanned tables, notes on paper, single digits side by side, drawings on a screen."""

from __future__ import annotations

import cv2
import numpy as np

from reader.image import through_jpeg
from reader.types import UInt8
from synthesis.lines import degrade
from synthesis.lines.digits import DigitBank, Hand, pen_digit, random_hand
from synthesis.lines.glyphs import lay
from synthesis.textures import texture
from training.digit_rows import LENGTHS as ROW_LENGTHS
from training.digit_rows import DigitRows

Rng = np.random.Generator

#: Shares of the lengths 1 to 8: people write short numbers more often.
_LENGTHS = (0.1, 0.24, 0.22, 0.13, 0.1, 0.08, 0.06, 0.07)
#: The share of numbers that are rows of single digits' pictures, as forms have them, unless told otherwise.
ROWS = 0.38
#: Inks (RGB): ballpoint blue and black, pencil, red, felt pen.
_INKS = ((38, 52, 130), (25, 25, 30), (90, 90, 95), (160, 40, 45), (15, 15, 15))
#: Printed rules of paper (RGB): blue, grey, red.
_RULES = ((150, 170, 205), (190, 190, 190), (205, 150, 150))


def make_handwritten(rng: Rng, digits: DigitBank | None = None, rows: float | None = None) -> tuple[UInt8, str]:
    """Draws one number.

    Args:
        rng: draws everything.
        digits: pictures of digits to put together; None for pen strokes only.
        rows: the share of numbers that are rows of single digits' pictures, 0 to 1; None for `ROWS`.

    Returns:
        (H, W, 3) uint8 RGB, about 24 to 90 px high, and its one to eight digits.
    """
    way = rng.random()
    row = rng.random() < (ROWS if rows is None else rows)
    count = 1 + int(rng.choice(8, p=ROW_LENGTHS if row else _LENGTHS))
    text = "".join(str(digit) for digit in rng.integers(0, 10, count))
    if row:
        image = _tiles(rng, text, digits)
    elif way < 0.48:
        image = _cell(rng, text, digits)
    elif way < 0.77:
        image = _paper(rng, text, digits)
    else:
        image = _screen(rng, text)
    return image, text


def _number(rng: Rng, text: str, hand: Hand, height: int, digits: DigitBank | None) -> UInt8:
    """(h, w) uint8 ink of a number, cut to it; digits may touch or overlap a little."""
    gap = rng.normal(0.13, 0.12)  # in heights; below zero they touch
    sink, rise = rng.normal(0, 0.03), rng.normal(0, 0.035)
    masks, lefts, tops = [], [], []
    x = 0.0
    for i, c in enumerate(text):
        tall = max(8, round(height * float(np.exp(rng.normal(0, 0.07)))))
        mask = pen_digit(rng, int(c), hand, tall) if digits is None else digits.digit(rng, int(c), hand, tall)
        if i:
            # A thin 1 may not vanish in its neighbour.
            x += max(gap + rng.normal(0, 0.06), -0.3 * min(mask.shape[1], masks[-1].shape[1]) / height) * height
        masks.append(mask)
        lefts.append(round(x))
        tops.append(round((rng.normal(0, 0.04) + rise * i + sink) * height) + (height - mask.shape[0]))
        x += mask.shape[1]
    top = min(tops)
    bottom = max(y + mask.shape[0] for y, mask in zip(tops, masks, strict=True))
    right = max(left + mask.shape[1] for left, mask in zip(lefts, masks, strict=True))
    left = min(lefts)
    canvas = np.zeros((bottom - top, right - left), np.uint8)
    for mask, at, y in zip(masks, lefts, tops, strict=True):
        lay(canvas, mask, at - left, y - top)
    return canvas


def _source(rng: Rng, digits: DigitBank | None, share: float = 0.6) -> DigitBank | None:
    return digits if digits is not None and rng.random() < share else None


def _on(paper: np.ndarray, ink: UInt8, left: int, top: int, colour: np.ndarray, depth: float) -> np.ndarray:
    """The paper (H, W, 3) float32 with the ink laid over it; what falls outside is cut."""
    mask = np.zeros(paper.shape[:2], np.uint8)
    lay(mask, ink, left, top)
    cover = mask.astype(np.float32) * np.float32(depth / 255)
    return paper + (colour - paper) * cover[..., None]


def _cell(rng: Rng, text: str, digits: DigitBank | None) -> UInt8:
    """A cell cut from a scanned table: grey, small and soft, with the table's lines at the edges."""
    scale = 2.0  # drawn at twice the size it is stored at
    hand = random_hand(rng)
    high = float(rng.uniform(13, 24))
    ink = _number(rng, text, hand, round(high * scale), _source(rng, digits, 0.45))
    h = max(34.0, ink.shape[0] / scale * rng.uniform(1.0, 1.3)) if rng.random() < 0.8 else high * rng.uniform(1.3, 2.2)
    w = max(float(rng.uniform(46, 66)), ink.shape[1] / scale * rng.uniform(1.05, 1.5))
    H, W = round(h * scale), round(w * scale)
    grey = float(rng.choice((rng.uniform(150, 200), rng.uniform(200, 250), rng.uniform(70, 150)), p=(0.6, 0.32, 0.08)))
    paper = np.full((H, W, 3), grey, np.float32)
    paper += texture(rng, "blotch", H, W)[..., None] * np.float32(rng.uniform(0, 6))
    _rules(rng, paper, grey)
    room = W - ink.shape[1]
    left = round(rng.uniform(-0.02, 1.02) * room) if rng.random() < 0.3 else _middle(rng, room)
    top = _middle(rng, H - ink.shape[0], 0.25)
    dark = np.full(3, max(8.0, grey - rng.uniform(60, 160)), np.float32)
    image = _on(paper, ink, left, top, dark, float(rng.uniform(0.6, 1.0)))
    out = np.clip(image, 0, 255).astype(np.uint8)
    out = cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.6, 1.8)))
    out = cv2.resize(out, (round(w), round(h)), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.3:
        out = degrade.sharpen(out, rng)
    out = degrade.noise(out, rng, float(abs(rng.normal(0, 2))))
    if rng.random() < 0.9:
        out = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return through_jpeg(out, int(rng.integers(50, 98)))


def _middle(rng: Rng, room: int, spread: float = 0.18) -> int:
    """A place near the middle of what room is left (negative where the ink is cut a little)."""
    return round(room * min(1.0, max(0.0, 0.5 + rng.normal(0, spread))))


def _rules(rng: Rng, paper: np.ndarray, grey: float) -> None:
    """Lines of a table at the edges of a cell, whole, broken or beyond the cut."""
    H, W = paper.shape[:2]
    for side in range(4):
        if rng.random() < 0.45:
            continue
        shade = float(max(0.0, grey - rng.uniform(15, 130)))
        width, slope = int(rng.integers(1, 4)), rng.normal(0, 0.012)
        whole = rng.random() < 0.7
        start, end = (0.0, 1.0) if whole else sorted(rng.random(2))
        if side < 2:
            y = rng.uniform(0, 0.14) * H if side == 0 else H * rng.uniform(0.88, 1.0)
            a, b = (start * W, y), (end * W, y + slope * W)
        else:
            away = W * rng.uniform(0, 0.1 if whole else 0.03)  # a piece of a line further in would be a 1
            x = away if side == 2 else W - away
            a, b = (x, start * H), (x + slope * H, end * H)
        ends = [tuple(int(16 * value) for value in point) for point in (a, b)]
        cv2.line(paper, ends[0], ends[1], (shade, shade, shade), width, cv2.LINE_AA, 4)


def _paper(rng: Rng, text: str, digits: DigitBank | None) -> UInt8:
    """A number on white, lined, squared or boxed paper, photographed or scanned in colour."""
    height = int(rng.integers(26, 58))
    hand = random_hand(rng)
    ink = _number(rng, text, hand, height, _source(rng, digits))
    margin = height * rng.uniform(0.1, 0.6, 4)
    H, W = ink.shape[0] + round(margin[0] + margin[1]), ink.shape[1] + round(margin[2] + margin[3])
    tone = np.array((238, 236, 230)) + rng.normal(0, 8) + rng.normal(0, 6, 3)
    paper = np.broadcast_to(tone.astype(np.float32), (H, W, 3)).copy()
    paper += texture(rng, "grain", H, W)[..., None] * np.float32(rng.uniform(0, 5))
    _lined(rng, paper, height)
    colour = np.array(_INKS[int(rng.integers(len(_INKS)))], np.float32) + rng.normal(0, 14, 3).astype(np.float32)
    depth = float(rng.uniform(0.65, 1.0))
    if rng.random() < 0.3:  # a pencil or a dry pen leaves grain
        ink = np.uint8(ink * np.clip(0.85 + 0.5 * texture(rng, "grain", *ink.shape), 0.3, 1))
    image = np.clip(_on(paper, ink, round(margin[2]), round(margin[0]), colour, depth), 0, 255).astype(np.uint8)
    image = degrade.light(image, rng, float(rng.uniform(0, 0.8)))
    image = degrade.blur(image, rng, height * abs(float(rng.normal(0, 0.02))))
    if rng.random() < 0.25:
        image = degrade.low_resolution(image, rng, int(rng.integers(18, 40)))
    image = degrade.noise(image, rng, float(abs(rng.normal(0, 4))))
    return through_jpeg(image, int(rng.integers(50, 98))) if rng.random() < 0.8 else image


def _lined(rng: Rng, paper: np.ndarray, height: int) -> None:
    """Rules, squares, or a box a digit."""
    H, W = paper.shape[:2]
    way = rng.random()
    colour = np.array(_RULES[int(rng.integers(len(_RULES)))]) + rng.normal(0, 12, 3)
    colour = colour.tolist()
    step = height * rng.uniform(0.35, 1.5)
    if way < 0.55:
        for y in np.arange(rng.uniform(0, step), H, step) if way < 0.4 else ():
            cv2.line(paper, (0, round(y)), (W, round(y)), colour, 1, cv2.LINE_AA)
        for x in np.arange(rng.uniform(0, step), W, step) if way < 0.15 else ():
            cv2.line(paper, (round(x), 0), (round(x), H), colour, 1, cv2.LINE_AA)
        if way >= 0.4:
            inset = round(height * rng.uniform(0.02, 0.1))
            cv2.rectangle(paper, (inset, inset), (W - 1 - inset, H - 1 - inset), colour, 1, cv2.LINE_AA)


def _screen(rng: Rng, text: str) -> UInt8:
    """A number drawn with mouse, finger or pen on a canvas: smooth lines of one width on a flat colour."""
    height = int(rng.integers(22, 64))
    hand = random_hand(rng)
    pen = float(np.exp(rng.uniform(np.log(0.02), np.log(0.18))))
    hand = Hand(hand.ways, hand.slant * 0.8, hand.width * 1.1, pen, 0.0, hand.shake * rng.uniform(0.5, 1.6), hand.round)
    ink = _number(rng, text, hand, height, None)
    margin = height * rng.uniform(0.04, 0.5, 4)
    H, W = ink.shape[0] + round(margin[0] + margin[1]), ink.shape[1] + round(margin[2] + margin[3])
    paper = np.full((H, W, 3), 255, np.float32)
    colour = np.zeros(3, np.float32)
    if rng.random() < 0.35:
        colour = rng.uniform(0, 110, 3).astype(np.float32)
    if rng.random() < 0.1:
        paper = np.broadcast_to(rng.uniform(0, 60, 3).astype(np.float32), (H, W, 3))
        colour = rng.uniform(190, 255, 3).astype(np.float32)
    return np.clip(_on(paper, ink, round(margin[2]), round(margin[0]), colour, 1.0), 0, 255).astype(np.uint8)


def _tiles(rng: Rng, text: str, digits: DigitBank | None) -> UInt8:
    """Pictures of single digits with their margins side by side, white on black or the reverse."""
    source = _source(rng, digits, 0.95)
    if source is None:
        ink = _number(rng, text, random_hand(rng), 20, None)
        ink = cv2.copyMakeBorder(ink, *(int(value) for value in rng.integers(2, 7, 4)), cv2.BORDER_CONSTANT, value=0)
    else:
        ink = DigitRows(source).ink(rng, text)
    if rng.random() < 0.3:
        scale = rng.uniform(1.0, 2.0)
        ink = cv2.resize(ink, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    image = cv2.cvtColor(ink if rng.random() < 0.5 else 255 - ink, cv2.COLOR_GRAY2RGB)
    if rng.random() < 0.25:
        image = degrade.noise(image, rng, float(rng.uniform(2, 12)))
    return image
