"""Chinese licence plates as cameras at gates and in hands see them: the plate, the car around it, the crop."""

from __future__ import annotations

import cv2
import numpy as np

from reader.image import through_jpeg
from reader.types import UInt8
from synthesis.lines import degrade
from synthesis.lines.glyphs import glyph, lay
from synthesis.lines.plate_glyphs import STYLES, plate_glyph
from synthesis.lines.plate_text import KINDS, PlateKind, is_red, random_kind, random_text
from synthesis.paint import smooth_noise
from synthesis.textures import texture

Rng = np.random.Generator

#: Millimetres of the standard: height of plate and characters, first character's place, widths and steps.
_HIGH, _CHARACTER, _FIRST = 140, 90, 15.5
_WIDE = {False: 440, True: 480}
#: Sizes (w, h) in px at which sets of crops are often stored, all stretched.
_STORED = ((94, 24), (136, 36), (160, 40), (128, 32))


def make_plate(rng: Rng) -> tuple[UInt8, str]:
    """Draws one crop with a plate.

    Returns:
        (H, W, 3) uint8 RGB, from about 20 x 75 to 140 x 360, and its characters.
    """
    kind = KINDS[name := random_kind(rng)]
    text = random_text(rng, name)
    wide = float(np.exp(rng.uniform(np.log(75), np.log(300))))  # of the plate in the camera's pixels
    plate = _plate(rng, kind, text, (0.25 if wide < 100 else 0.5) if wide < 200 else 1.0)
    image = _photographed(rng, plate, wide)
    if rng.random() < 0.45:
        size = _STORED[int(rng.choice(len(_STORED), p=(0.6, 0.2, 0.1, 0.1)))]
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if image.shape[1] > size[0] else cv2.INTER_LINEAR)
    if rng.random() < 0.8:
        image = through_jpeg(image, int(rng.integers(35, 97)))
    return image, text


def _lefts(kind: PlateKind, text: str) -> list[tuple[float, float]]:
    """Left edge and width of each character in mm."""
    if not kind.wide:
        return [(_FIRST + 57 * i + (22 if i > 1 else 0), 45.0) for i in range(len(text))]
    return [(_FIRST, 45.0), (69.5, 43.0), *((161.5 + 52 * i, 43.0) for i in range(len(text) - 2))]


def _plate(rng: Rng, kind: PlateKind, text: str, scale: float) -> UInt8:
    """The plate seen straight, (140 * scale, 440 or 480 * scale, 3) uint8 RGB."""
    h, w = round(_HIGH * scale), round(_WIDE[kind.wide] * scale)
    style, province_style = int(rng.integers(STYLES)), int(rng.integers(STYLES))
    ink, red = np.zeros((h, w), np.uint8), np.zeros((h, w), np.uint8)
    # Few sizes, so that the masks are made once. The province is often smaller than the rest.
    fit, size = float(rng.choice((0.8, 0.87, 0.94, 1.0))), float(rng.choice((0.98, 1.0, 1.0, 1.02)))
    for i, (c, (left, wide)) in enumerate(zip(text, _lefts(kind, text), strict=True)):
        tall, broad = _CHARACTER * size * scale, wide * size * scale
        if i == 0:
            tall = tall * fit
        mask = plate_glyph(c, style if c.isascii() else province_style, round(broad), round(tall))
        x = (left + wide / 2 + rng.normal(0, 0.6)) * scale - mask.shape[1] / 2
        lay(red if is_red(c) else ink, mask, round(x), round((h - mask.shape[0]) / 2 + rng.normal(0, 0.8) * scale))
    _marks(rng, ink, kind, scale)
    paint, faded = (np.array(each, np.float32) for each in (kind.paint, kind.faded or kind.paint))
    base = (paint + (faded - paint) * np.float32(rng.random())) * np.float32(np.exp(rng.normal(0, 0.14)))
    base += rng.normal(0, 12, 3).astype(np.float32)
    top = base if kind.fade is None else np.array(kind.fade, np.float32)
    down = np.linspace(0, 1, h, dtype=np.float32)[:, None, None]
    paint = np.broadcast_to(top * (1 - down) + base * down, (h, w, 3))
    paint = paint * (1 + np.float32(0.05) * texture(rng, "mottle", h, w))[..., None]
    for mask, colour in ((ink, kind.ink), (red, (190.0, 30.0, 30.0))):
        if mask is red and not red.any():
            continue
        # Worn paint lets the plate's colour through the characters.
        worn = mask.astype(np.float32) * np.float32(rng.uniform(0.78, 1.0) / 255)
        if rng.random() < 0.2:
            worn *= 1 - np.clip(texture(rng, "blotch", h, w) - 0.5, 0, 0.6)
        paint = paint + (np.array(colour, np.float32) - paint) * worn[..., None]
    if rng.random() < 0.5:
        # Embossed: the side away from the light is dark.
        edge = cv2.subtract(ink, cv2.warpAffine(ink, np.float32([[1, 0, scale * 2], [0, 1, scale * 2]]), (w, h)))
        paint = paint * (1 - edge.astype(np.float32) / 255 * np.float32(rng.uniform(0.05, 0.3)))[..., None]
    out = np.ascontiguousarray(np.clip(paint, 0, 255), np.uint8)
    _screws(rng, out, scale)
    return degrade.dirt(out, rng) if rng.random() < 0.2 else out


def _marks(rng: Rng, ink: UInt8, kind: PlateKind, scale: float) -> None:
    """The seam along the edge, and the dot behind the letter; green plates have the emblem of electric cars there."""
    h, w = ink.shape
    inset, width = 3.0 * scale, max(1, round(rng.uniform(1.5, 4) * scale))
    corners = (int(16 * inset), int(16 * inset)), (int(16 * (w - 1 - inset)), int(16 * (h - 1 - inset)))
    if rng.random() < 0.85:
        cv2.rectangle(ink, corners[0], corners[1], int(rng.integers(120, 256)), width, cv2.LINE_AA, 4)
    if kind.wide:
        centre = (int(16 * 136 * scale), int(16 * 70 * scale))
        axes = (int(16 * 15 * scale), int(16 * 15 * scale))
        cv2.ellipse(ink, centre, axes, 0, 0, 360, 150, max(1, round(3 * scale)), cv2.LINE_AA, 4)
        cv2.line(ink, (centre[0] - axes[0], centre[1]), (centre[0] + axes[0], centre[1]), 130, 1, cv2.LINE_AA, 4)
    elif rng.random() < 0.93:
        centre = (int(16 * 134 * scale), int(16 * (70 + rng.normal(0, 1)) * scale))
        cv2.circle(ink, centre, int(16 * rng.uniform(4, 6) * scale), 255, -1, cv2.LINE_AA, 4)


def _screws(rng: Rng, image: UInt8, scale: float) -> None:
    """Two or four heads of screws near the upper and lower edge, with or without caps."""
    h, w = image.shape[:2]
    places = [(0.24, 0.1), (0.76, 0.1), (0.24, 0.9), (0.76, 0.9)]
    shade, size = rng.uniform(60, 230), rng.uniform(3.5, 8)
    for x, y in places[: int(rng.choice((0, 2, 4, 4)))]:
        centre = (int(16 * w * (x + rng.normal(0, 0.008))), int(16 * h * (y + rng.normal(0, 0.02))))
        colour = rng.normal(shade, 12, 3).clip(0, 255).tolist()
        cv2.circle(image, centre, int(16 * size * scale), colour, -1, cv2.LINE_AA, 4)
        dark = [value * 0.45 for value in colour]
        cv2.circle(image, (centre[0] + 8, centre[1] + 8), int(16 * size * 0.5 * scale), dark, -1, cv2.LINE_AA, 4)


def _photographed(rng: Rng, plate: UInt8, wide: float) -> UInt8:
    """The crop that a detector or a person cuts out, with the plate `wide` px wide in it."""
    tall = wide * plate.shape[0] / plate.shape[1] * float(np.exp(rng.normal(0.02, 0.12)))
    quad = _corners(rng, wide, tall)
    # Margins as shares of the plate's size; a few crops lose the seam and a little of the outer characters.
    tight = rng.random() < 0.5
    margins = rng.uniform(-0.03, 0.03, 4) if tight else rng.exponential(0.05, 4)
    low, high = quad.min(axis=0), quad.max(axis=0)
    left, right = low[0] - margins[0] * wide, high[0] + margins[1] * wide
    top, bottom = low[1] - margins[2] * tall * 1.5, high[1] + margins[3] * tall * 1.5
    if rng.random() < 0.5:  # a crop around the straight plate: the corners of a tilted one stand out a little
        ys = np.sort(quad[:, 1])
        top, bottom = max(top, ys[1] - 0.18 * tall), min(bottom, ys[2] + 0.18 * tall)
    ink = _inner(quad, 0.93, 0.64)
    left, right = min(left, ink[:, 0].min()), max(right, ink[:, 0].max())
    top, bottom = min(top, ink[:, 1].min() + 0.02 * tall), max(bottom, ink[:, 1].max() - 0.02 * tall)
    size = (max(24, round(right - left)), max(10, round(bottom - top)))
    image = _car(rng, size[1], size[0], tall)
    _frame(rng, image, quad - (left, top), tall)
    source = np.float32([[0, 0], [plate.shape[1], 0], [plate.shape[1], plate.shape[0]], [0, plate.shape[0]]]) - 0.5
    to_image = cv2.getPerspectiveTransform(source, np.float32(quad - (left, top)) - 0.5)
    shrink = plate.shape[1] / wide
    if shrink > 1.4:
        plate = cv2.GaussianBlur(plate, (0, 0), 0.35 * shrink)
    warped = cv2.warpPerspective(plate, to_image, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover = np.zeros(image.shape[:2], np.uint8)
    cv2.fillConvexPoly(cover, np.int32(np.round((quad - (left, top) - 0.5) * 16)), 255, cv2.LINE_AA, 4)
    share = (cover.astype(np.float32) / 255)[..., None]
    image = (image * (1 - share) + warped * share).astype(np.uint8)
    return _camera(rng, image, tall)


def _corners(rng: Rng, wide: float, tall: float) -> np.ndarray:
    """(4, 2) corners of the plate, clockwise from its own top-left, around (0, 0)."""
    strong = float(rng.choice((1.0, 2.2, 3.0), p=(0.6, 0.3, 0.1)))
    quad = np.array([[-wide, -tall], [wide, -tall], [wide, tall], [-wide, tall]]) / 2
    quad[:, 1] *= 1 + np.sign(quad[:, 0]) * rng.normal(0, 0.035) * strong  # one end is nearer
    quad[:, 0] *= 1 + np.sign(quad[:, 1]) * rng.normal(0, 0.012) * strong
    shear, slant = rng.normal(0, 0.1) * strong, rng.normal(0, 0.045) * strong
    x = quad[:, 0] + shear * quad[:, 1]
    return np.stack([x, quad[:, 1] + slant * x], axis=1)


def _inner(quad: np.ndarray, across: float, down: float) -> np.ndarray:
    """(4, 2) corners of the middle of a quadrilateral, as wide and as high as these shares of it."""
    near, far = (1 + across) / 2, (1 - across) / 2
    top = quad[0] * near + quad[1] * far, quad[0] * far + quad[1] * near
    base = quad[3] * near + quad[2] * far, quad[3] * far + quad[2] * near
    near, far = (1 + down) / 2, (1 - down) / 2
    upper = [a * near + b * far for a, b in zip(top, base, strict=True)]
    lower = [a * far + b * near for a, b in zip(top, base, strict=True)]
    return np.array([upper[0], upper[1], lower[1], lower[0]])


def _car(rng: Rng, h: int, w: int, tall: float) -> UInt8:
    """What is around a plate: paint, a bumper's edges, the bars of a grille, shade."""
    choice = rng.random()
    if choice < 0.45:
        colour = rng.normal(rng.choice((28, 70, 120, 200)), 12) + rng.normal(0, 4, 3)
    elif choice < 0.75:
        colour = np.array((238, 238, 238)) + rng.normal(0, 10, 3)
    else:
        colour = rng.uniform(10, 220, 3)
    shades = 1 + 0.2 * smooth_noise(rng, h, w, max(4.0, tall * 0.7))
    image = np.clip(shades[..., None] * colour.astype(np.float32), 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(0, 6))):
        y, slope = rng.uniform(-0.1, 1.1) * h, rng.normal(0, 0.08)
        ends = (0, int(16 * (y - slope * w / 2))), (16 * w, int(16 * (y + slope * w / 2)))
        shade = colour * np.exp(rng.normal(-0.3, 0.7))
        cv2.line(
            image, *ends, shade.clip(0, 255).tolist(), max(1, round(tall * rng.uniform(0.02, 0.2))), cv2.LINE_AA, 4
        )
    return image


def _frame(rng: Rng, image: UInt8, quad: np.ndarray, tall: float) -> None:
    """A holder around the plate, or the shade it throws; some holders carry a dealer's words below."""
    if rng.random() < 0.4:
        return
    centre = quad.mean(axis=0)
    grow = np.sign(quad - centre) * tall * rng.uniform(0.02, 0.12, (1, 2))
    words = rng.random() < 0.3
    if words:
        grow[2:, 1] += tall * rng.uniform(0.08, 0.2)
    shade = float(rng.choice((22, 40, 150, 225))) + rng.normal(0, 10)
    colour = (shade + rng.normal(0, 5, 3)).clip(0, 255).tolist()
    cv2.fillConvexPoly(image, np.int32(np.round((quad + grow) * 16)), colour, cv2.LINE_AA, 4)
    if words:
        _words(rng, image, quad, tall * 0.1, 255 - shade)


def _words(rng: Rng, image: UInt8, quad: np.ndarray, high: float, shade: float) -> None:
    """A row of small figures below the plate, such as a dealer's telephone number, along its lower edge."""
    px = max(5, round(high * 1.2))
    start, end = quad[3] + (quad[2] - quad[3]) * rng.uniform(0.1, 0.4), quad[2]
    along = (end - start) / max(1.0, float(np.hypot(*(end - start))))
    pen = start + np.array([0, high * 1.6])
    for c in "".join(rng.choice(list("0123456789-"), int(rng.integers(6, 14)))):
        drawn = glyph(str(c), "NotoSans-Bold.ttf", px)
        canvas = np.zeros(image.shape[:2], np.uint8)
        lay(canvas, drawn.mask, round(pen[0]), round(pen[1]) - drawn.top)
        image[canvas > 110] = np.clip(shade, 0, 255)
        pen = pen + along * (drawn.advance + 1)


def _camera(rng: Rng, image: UInt8, tall: float) -> UInt8:
    """Light, weather, lens and sensor, in that order."""
    if rng.random() < 0.08:
        image = degrade.glare(image, rng)
    if rng.random() < 0.06:
        image = degrade.rain(image, rng)
    image = degrade.light(image, rng, float(rng.uniform(0.3, 1.3)))
    if rng.random() < 0.08:  # at dusk
        image = (image * rng.uniform(0.3, 0.7)).astype(np.uint8)
    # Blur in shares of the plate's height: about 0.06 is where the strokes of a province begin to merge.
    image = degrade.blur(image, rng, tall * abs(rng.normal(0, 0.018)) + (0.4 if rng.random() < 0.5 else 0.0))
    if rng.random() < 0.25:
        image = degrade.low_resolution(image, rng, round(float(rng.uniform(15, 32)) * image.shape[0] / tall))
    if rng.random() < 0.3:
        image = degrade.sharpen(image, rng)
    return degrade.noise(image, rng, float(abs(rng.normal(0, 4))))
