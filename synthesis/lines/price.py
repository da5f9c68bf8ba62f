"""Prices on shelf tags: roubles with raised kopecks, yen, decimals; printed, crossed out, photographed.

The text of a price is what stands in its line: the digits, and a point or comma between them. Raised kopecks stand
behind a point when they are wholly in the picture; what a crop leaves of them, signs and words do not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from reader.image import through_jpeg
from reader.types import UInt8
from synthesis.lines import degrade
from synthesis.lines.glyphs import glyph, lay
from synthesis.textures import texture

Rng = np.random.Generator

_BOLD = (
    "numeral-l-bold.ttf", "NotoSans-Bold.ttf", "OpenSans-Bold.ttf", "RobotoCondensed-Bold.ttf", "OpenSans-CondBold.ttf",
    "BarlowSemiCondensed-SemiBold.ttf",
)  # fmt: skip
_PLAIN = ("numeral-l-regular.ttf", "Roboto-Medium.ttf", "NotoSans-Regular.ttf", "Inter-Medium.otf", "OSP-DIN.ttf")
_WORDS = ("ЦЕНА ПО КАРТЕ", "БЕЗ КАРТЫ", "Цена за 1 шт", "РУБ", "АКЦИЯ", "СКИДКА", "税込", "SALE", "PRICE")
#: Paper and ink (RGB) of tags.
_TAGS = (
    ((238, 235, 226), (40, 40, 44)),
    ((250, 250, 250), (18, 18, 18)),
    ((246, 214, 40), (24, 22, 18)),
    ((250, 246, 200), (170, 26, 30)),
    ((248, 248, 248), (200, 24, 34)),
    ((206, 28, 38), (252, 250, 246)),
    ((30, 30, 34), (240, 240, 240)),
)
_TAG_SHARES = (0.46, 0.2, 0.12, 0.04, 0.08, 0.06, 0.04)


@dataclass(frozen=True)
class _Run:
    """A piece of the line: what is written, its size in heights of the line, and how far its top is raised."""

    written: str
    size: float = 1.0
    raised: bool = False
    gap: float = 0.0


@dataclass(frozen=True)
class _Price:
    """What is written, what of it counts, and the share of the last run that the crop leaves."""

    runs: tuple[_Run, ...]
    text: str
    kept: float = 1.0


def make_price(rng: Rng) -> tuple[UInt8, str]:
    """Draws one price.

    Returns:
        (H, W, 3) uint8 RGB, about 18 to 110 px high, and its text of digits, points and commas.
    """
    draw = (_roubles, _kopecks, _yen, _decimal)[int(rng.choice(4, p=(0.52, 0.12, 0.2, 0.16)))]
    price = draw(rng)
    height = int(np.exp(rng.uniform(np.log(20), np.log(84))))  # of a digit in px
    ink, cut = _line(rng, price, height)
    image = _tag(rng, ink, cut, height)
    if rng.random() < 0.85:
        image = through_jpeg(image, int(rng.integers(40, 97)))
    return image, price.text


def _amount(rng: Rng) -> str:
    """Whole units; many prices end in 9."""
    count = int(rng.choice((1, 2, 3, 4, 5, 6), p=(0.04, 0.24, 0.42, 0.2, 0.07, 0.03)))
    digits = [str(digit) for digit in rng.integers(0, 10, count)]
    digits[0] = str(rng.integers(1, 10))
    if count > 1 and rng.random() < 0.4:
        digits[-1] = "9"
    return "".join(digits)


def _grouped(amount: str, mark: str) -> str:
    return f"{amount[:-3]}{mark}{amount[-3:]}" if len(amount) > 3 else amount


def _cents(rng: Rng) -> str:
    return ("99", "90", "50", "00")[int(rng.integers(4))] if rng.random() < 0.5 else f"{rng.integers(0, 100):02d}"


def _roubles(rng: Rng) -> _Price:
    """Whole roubles as they are cut from a tag: alone, before a sign, or with a piece of what follows."""
    amount = _amount(rng)
    written = _grouped(amount, " ") if rng.random() < 0.3 else amount
    way = rng.random()
    if way < 0.45:
        return _Price((_Run(written),), amount)
    if way < 0.6:
        sign = ("₽", "р.", "руб.")[int(rng.integers(3))]
        run = _Run(sign, rng.uniform(0.35, 0.9), rng.random() < 0.3, rng.uniform(0.05, 0.3))
        return _Price((_Run(written), run), amount)
    if way < 0.8:  # a piece of a raised kopeck, too little to be read
        run = _Run(_cents(rng), rng.uniform(0.35, 0.6), rng.random() < 0.8, rng.uniform(0.02, 0.1))
        return _Price((_Run(written), run), amount, rng.uniform(0.03, 0.22))
    return _Price((_Run(written), _Run(rng.choice((",", ".")), 1.0, False, 0.0)), amount, rng.uniform(0.2, 0.75))


def _kopecks(rng: Rng) -> _Price:
    amount, cents = _amount(rng), _cents(rng)
    runs = [_Run(amount), _Run(cents, rng.uniform(0.38, 0.6), True, rng.uniform(0.03, 0.14))]
    if rng.random() < 0.25:
        runs.append(_Run("₽", rng.uniform(0.4, 0.7), False, rng.uniform(0.04, 0.15)))
    return _Price(tuple(runs), f"{amount}.{cents}")


def _yen(rng: Rng) -> _Price:
    amount = _amount(rng)
    written = _grouped(amount, ",") if rng.random() < 0.85 else amount
    runs = [_Run(written)]
    sign = _Run("¥", rng.uniform(0.55, 1.0), rng.random() < 0.2, rng.uniform(0.0, 0.1))
    way = rng.random()
    if way < 0.45:
        runs = [sign, _Run(written, gap=rng.uniform(0.0, 0.12))]
    elif way < 0.85:
        runs.append(_Run("円", rng.uniform(0.4, 0.95), False, rng.uniform(0.03, 0.15)))
    return _Price(tuple(runs), written)


def _decimal(rng: Rng) -> _Price:
    mark = "," if rng.random() < 0.5 else "."
    text = f"{_amount(rng)[:4]}{mark}{_cents(rng)}"
    runs = [_Run(text)]
    if rng.random() < 0.5:
        sign = ("₽", "р.", "руб.")[int(rng.integers(3))]
        runs.append(_Run(sign, rng.uniform(0.4, 0.9), False, rng.uniform(0.05, 0.25)))
    return _Price(tuple(runs), text)


def _font(rng: Rng) -> str:
    names = _BOLD if rng.random() < 0.78 else _PLAIN
    return names[int(rng.integers(len(names)))]


def _face_of(character: str, name: str) -> str:
    """The font for a character: signs that most fonts lack come from Noto."""
    if character in "円税込":
        return "NotoSansSC-Bold.ttf"
    return name if character.isascii() else "NotoSans-Bold.ttf"


def _line(rng: Rng, price: _Price, height: int) -> tuple[UInt8, int]:
    """Ink (h, w) uint8 of the line, as high as its digits, and the column at which the crop may end."""
    name = _font(rng)
    px = round(height / 0.72)
    spacing = rng.normal(0.01, 0.02) * height
    pieces: list[tuple[UInt8, int, int]] = []
    x, last = 0.0, (0, 0)
    for run in price.runs:
        x += run.gap * height
        size = max(6, round(px * run.size))
        start = round(x)
        for c in run.written:
            if c == " ":
                x += 0.22 * height * run.size
                continue
            drawn = glyph(c, _face_of(c, name), size)
            top = height - drawn.top if not run.raised else max(0, round(height * run.size) - drawn.top)
            pieces.append((drawn.mask, round(x + drawn.left), top))
            x += drawn.advance + spacing * run.size
        last = (start, round(x))
    low = max(top + mask.shape[0] for mask, _, top in pieces)
    high = min(0, *(top for _, _, top in pieces))
    right = max(left + mask.shape[1] for mask, left, _ in pieces)
    first = min(left for _, left, _ in pieces)
    ink = np.zeros((max(low, height) - high, right - first), np.uint8)
    for mask, left, top in pieces:
        lay(ink, mask, left - first, top - high)
    cut = ink.shape[1] if price.kept == 1 else round(last[0] - first + price.kept * (last[1] - last[0]))
    stretch = float(np.exp(rng.normal(0.1, 0.17)))
    if rng.random() < 0.1:
        _strike(rng, ink)
    size = (max(4, round(ink.shape[1] * stretch)), ink.shape[0])
    return cv2.resize(ink, size, interpolation=cv2.INTER_LINEAR), max(4, round(cut * stretch))


def _strike(rng: Rng, ink: UInt8) -> None:
    """An old price, struck out once or crosswise by a thin line."""
    h, w = ink.shape
    width = max(1, round(h * rng.uniform(0.02, 0.06)))
    rise = rng.uniform(-0.45, 0.45) * h if rng.random() < 0.7 else 0.0
    ends = [(round(-0.05 * w), round(h / 2 + rise)), (round(1.05 * w), round(h / 2 - rise))]
    cv2.line(ink, *ends, 255, width, cv2.LINE_AA)
    if rng.random() < 0.25:
        cv2.line(ink, (ends[0][0], ends[1][1]), (ends[1][0], ends[0][1]), 255, width, cv2.LINE_AA)


def _tag(rng: Rng, ink: UInt8, cut: int, height: int) -> UInt8:
    """The crop of a photographed tag."""
    pad = round(height * 0.5)
    sheet = cv2.copyMakeBorder(ink, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0)
    _neighbours(rng, sheet, pad, height)
    paper_colour, ink_colour = _TAGS[int(rng.choice(len(_TAGS), p=_TAG_SHARES))]
    h, w = sheet.shape
    paper = np.array(paper_colour, np.float32) + rng.normal(0, 7, 3).astype(np.float32)
    colour = np.array(ink_colour, np.float32) + rng.normal(0, 8, 3).astype(np.float32)
    if rng.random() < 0.3:  # thermal print and electronic paper are grey
        colour = colour + (paper - colour) * np.float32(rng.uniform(0.1, 0.5))
    cover = sheet.astype(np.float32) / 255
    if rng.random() < 0.35:  # the lines of the printing head
        cover = cover * (1 - np.float32(rng.uniform(0.05, 0.3)) * (rng.random((h, 1)) > 0.6))
    image = paper + (colour - paper) * cover[..., None]
    image += texture(rng, "grain", h, w)[..., None] * np.float32(rng.uniform(0, 7))
    out = np.clip(image, 0, 255).astype(np.uint8)
    return _photo(rng, _crop(rng, out, ink.shape, pad, cut, height), height)


def _neighbours(rng: Rng, sheet: UInt8, pad: int, height: int) -> None:
    """Pieces of the rows above and below the price."""
    w = sheet.shape[1]
    for above in (True, False):
        if rng.random() < 0.55:
            continue
        px = max(6, round(height * rng.uniform(0.16, 0.4)))
        away = round(height * rng.uniform(0.08, 0.22))
        x = int(rng.integers(-w // 2, w))
        base = pad - away if above else sheet.shape[0] - pad + away + px
        for c in str(rng.choice(_WORDS)):
            drawn = glyph(c, "NotoSansSC-Bold.ttf" if c in "税込" else "NotoSans-Regular.ttf", px)
            lay(sheet, drawn.mask, x, base - drawn.top)
            x += round(drawn.advance)


def _crop(rng: Rng, image: UInt8, ink: tuple[int, ...], pad: int, cut: int, height: int) -> UInt8:
    """The price with narrow margins, turned a little; a line that is to be cut ends at column `cut` of its ink."""
    margins = np.abs(rng.normal(0, 0.11, 4)) * height - 0.02 * height
    if rng.random() < 0.4:  # with pieces of the rows above or below
        margins[1::2] += rng.uniform(0, 0.3, 2) * height
    left, top = pad - margins[0], pad - margins[1]
    right = pad + (cut if cut < ink[1] else cut + margins[2])
    bottom = pad + ink[0] + margins[3]
    quad = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    middle = quad.mean(axis=0)
    turn = np.radians(rng.normal(0, 1.6))
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shear = rng.normal(0, 0.04)
    away = (quad - middle) @ spin.T
    away[:, 0] += shear * away[:, 1]
    quad = middle + away * (1 + rng.normal(0, 0.012, (4, 2)))
    if cut < ink[1]:
        quad[1:3, 0] = np.minimum(quad[1:3, 0], right)  # what is cut stays cut
    w, h = max(8, round(right - left)), max(8, round(bottom - top))
    to = cv2.getPerspectiveTransform(np.float32(quad), np.float32([[0, 0], [w, 0], [w, h], [0, h]]))
    return cv2.warpPerspective(image, to, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _photo(rng: Rng, image: UInt8, height: int) -> UInt8:
    """Light of a shop, glass and plastic before the tag, a phone's lens."""
    if rng.random() < 0.25:
        image = degrade.glare(image, rng)
    if rng.random() < 0.12:
        image = degrade.band(image, rng)
    for _ in range(int(rng.choice(3, p=(0.82, 0.12, 0.06)))):
        image = degrade.reflection(image, rng)
    image = degrade.light(image, rng, float(rng.uniform(0.1, 0.9)))
    image = degrade.blur(image, rng, height * abs(float(rng.normal(0, 0.025))))
    if rng.random() < 0.25:
        image = degrade.low_resolution(image, rng, int(rng.integers(14, 40)))
    if rng.random() < 0.3:
        image = degrade.sharpen(image, rng)
    return degrade.noise(image, rng, float(abs(rng.normal(0, 4))))
