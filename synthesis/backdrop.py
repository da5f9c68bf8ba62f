"""What lies behind a meter: walls of all kinds, the inside of shafts and cupboards, the open air."""

from __future__ import annotations

import cv2
import numpy as np

from synthesis.paint import Colour, blend, disc, jitter, multiply, outline, polygon, shade, smooth_noise, white_noise

_WALLS: tuple[Colour, ...] = (
    (170, 165, 155), (120, 116, 110), (205, 198, 185), (90, 120, 105), (110, 140, 150), (150, 130, 105), (80, 78, 76),
    (190, 175, 140), (40, 38, 36), (225, 222, 216), (60, 110, 85), (140, 100, 80), (28, 28, 32), (95, 85, 72),
)  # fmt: skip
PIPE_COLOURS: tuple[Colour, ...] = (
    (225, 224, 220), (200, 200, 196), (150, 112, 62), (176, 140, 80), (120, 70, 45), (95, 96, 98), (60, 58, 56),
    (160, 162, 165), (45, 44, 46), (105, 130, 115), (130, 95, 60),
)  # fmt: skip


def background(rng: np.random.Generator, h: int, w: int) -> np.ndarray:
    """Paint a wall or what else lies behind a meter: uint8 (h, w, 3) RGB, evenly lit.

    It is painted at half the size and enlarged: what lies behind a meter is rarely quite in focus.
    """
    sh, sw = (h + 1) // 2, (w + 1) // 2
    img = np.zeros((sh, sw, 3), np.uint8)
    img[:] = jitter(rng, _WALLS[int(rng.integers(len(_WALLS)))], 15)
    form = rng.choice(6, p=(0.36, 0.18, 0.1, 0.12, 0.08, 0.16))
    if form == 1:
        _courses(img, rng, brick=False)
    elif form == 2:
        _courses(img, rng, brick=True)
    elif form == 3:
        _planks(img, rng)
    elif form == 4:
        _foliage(img, rng)
    elif form == 5:
        img[:] = (img * rng.uniform(0.1, 0.5)).astype(np.uint8)
    if rng.random() < 0.55:
        _stain(img, rng)
    _weather(img, rng)
    for _ in range(int(rng.choice((0, 0, 0, 1, 1, 2, 3)))):
        _stray_shape(img, rng)
    if rng.random() < 0.6:
        _clutter(img, rng)
    blur = rng.choice((0.0, 0.7, 1.6, 3.0), p=(0.45, 0.2, 0.2, 0.15))
    if blur:
        img = cv2.GaussianBlur(img, (0, 0), blur * rng.uniform(0.6, 1.3))
    img = cv2.resize(img, (w, h), interpolation=cv2.INTER_LINEAR)
    if blur < 1:  # in focus: grit as fine as the pixels
        multiply(img, 1 + np.float32(rng.uniform(0, 0.09)) * white_noise(rng, h, w))
    return img


def _weather(img: np.ndarray, rng: np.random.Generator) -> None:
    """Roughness at all scales, as plaster, concrete and dirt have: the coarser, the stronger."""
    h, w = img.shape[:2]
    factor = np.ones((h, w), np.float32)
    strength = rng.uniform(0.02, 0.1)
    for cell in (2.0, 5.0, 14.0, 45.0, 130.0):
        factor += np.float32(strength * rng.uniform(0.3, 1.2)) * smooth_noise(rng, h, w, cell)
        strength *= 1.2
    multiply(img, factor + np.float32(rng.uniform(0, 0.06)) * white_noise(rng, h, w))


def _stain(img: np.ndarray, rng: np.random.Generator) -> None:
    """A second colour in ragged patches: damp, rust, old paint, cement."""
    h, w = img.shape[:2]
    patches = smooth_noise(rng, h, w, 70.0) + 0.5 * smooth_noise(rng, h, w, 20.0) + 0.25 * smooth_noise(rng, h, w, 6.0)
    hard = rng.uniform(40, 400)
    mask = np.clip((patches - rng.uniform(0.0, 1.2)) * hard + 128, 0, 255).astype(np.uint8)
    tone = [(150, 95, 55), (90, 85, 80), (200, 195, 188), (60, 55, 50), (170, 150, 120), (100, 120, 110)]
    blend(img, mask, jitter(rng, tone[int(rng.integers(len(tone)))], 20), alpha=float(rng.uniform(0.2, 0.9)))


def _clutter(img: np.ndarray, rng: np.random.Generator) -> None:
    """The inside of a shaft, a cupboard or a cellar: pipes, laths, wires, boxes in a few tones, one over the other."""
    h, w = img.shape[:2]
    tones = [jitter(rng, PIPE_COLOURS[int(rng.integers(len(PIPE_COLOURS)))], 20) for _ in range(3)]
    tones += [jitter(rng, _WALLS[int(rng.integers(len(_WALLS)))], 20) for _ in range(2)]
    lean = rng.normal(0, 0.15)
    for _ in range(int(rng.integers(3, 16))):
        tone = shade(tones[int(rng.integers(len(tones)))], rng.uniform(0.25, 1.1))
        x, y = rng.uniform(0, w), rng.uniform(0, h)
        kind = rng.random()
        if kind < 0.5:
            a = lean + rng.normal(0, 0.06) + (np.pi / 2 if rng.random() < 0.6 else 0.0)
            reach = max(h, w) * rng.uniform(0.15, 1.2)
            along = np.array([np.cos(a), np.sin(a)]) * reach
            pipe(img, rng, np.array([x, y]) - along, np.array([x, y]) + along, w * rng.uniform(0.01, 0.14), tone)
        elif kind < 0.75:
            _stray_shape(img, rng)
        elif kind < 0.9:
            disc(img, (x, y), w * rng.uniform(0.02, 0.1), tone)
            disc(img, (x - 1, y - 1), w * rng.uniform(0.01, 0.05), shade(tone, 1.4))
        else:
            points = np.array([x, y]) + np.cumsum(rng.normal(0, w * 0.08, (6, 2)), 0)
            outline(img, points, tone, rng.uniform(1, 4), closed=False)


def _courses(img: np.ndarray, rng: np.random.Generator, brick: bool) -> None:
    """Lay tiles or bricks, a little askew, each in its own tone."""
    h, w = img.shape[:2]
    base: Colour = jitter(rng, (150, 80, 60), 20) if brick else tuple(int(v) for v in img[0, 0])  # type: ignore[assignment]
    tile_h = h * rng.uniform(0.08, 0.2) if brick else h * rng.uniform(0.2, 0.6)
    tile_w = tile_h * (rng.uniform(2, 3) if brick else rng.uniform(0.7, 1.6))
    rows, cols = int(h * 1.6 / tile_h) + 2, int(w * 1.6 / tile_w) + 2
    flat = np.zeros((rows * 12, cols * 24, 3), np.uint8)
    flat[:] = jitter(rng, (190, 185, 175) if brick or rng.random() < 0.5 else (70, 68, 64), 15)
    for row in range(rows):
        for col in range(cols):
            x = col * 24 + (12 if brick and row % 2 else 0)
            flat[row * 12 : row * 12 + 11, x : x + 23] = jitter(rng, base, 14 if brick else 4)
    angle = rng.normal(0, 12)
    matrix = cv2.getRotationMatrix2D((cols * 12.0, rows * 6.0), float(angle), 1.0)
    sx, sy = tile_w / 24, tile_h / 12
    matrix = np.diag([sx, sy]) @ matrix
    matrix[:, 2] += (w / 2 - cols * 12 * sx, h / 2 - rows * 6 * sy)
    img[:] = cv2.warpAffine(flat, matrix, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _planks(img: np.ndarray, rng: np.random.Generator) -> None:
    """Wood or sheet metal: long streaks and joints along one direction."""
    h, w = img.shape[:2]
    img[:] = jitter(rng, [(150, 110, 70), (120, 84, 52), (190, 190, 188), (105, 110, 116)][int(rng.integers(4))], 15)
    streak = cv2.resize(
        np.ascontiguousarray(white_noise(rng, h if h > 2 else 3, max(2, w // 60))),
        (w, h),
        interpolation=cv2.INTER_CUBIC,
    )
    multiply(img, 1 + np.float32(rng.uniform(0.03, 0.12)) * streak)
    for y in np.arange(rng.uniform(0, 40), h, rng.uniform(30, 120)):
        cv2.line(img, (0, int(y)), (w, int(y + rng.normal(0, 4))), (40, 34, 28), 1, cv2.LINE_AA)
    if rng.random() < 0.6:
        turned = cv2.rotate(img, cv2.ROTATE_90_CLOCKWISE)
        img[:] = cv2.resize(turned, (w, h))


def _foliage(img: np.ndarray, rng: np.random.Generator) -> None:
    """Out of doors: blobs of leaves, earth or stones, perhaps a strip of sky."""
    h, w = img.shape[:2]
    tone = jitter(rng, [(70, 95, 50), (110, 92, 70), (120, 120, 112)][int(rng.integers(3))], 20)
    img[:] = tone
    multiply(img, 1 + 0.35 * smooth_noise(rng, h, w, rng.uniform(4, 12)) + 0.2 * smooth_noise(rng, h, w, 40))
    if rng.random() < 0.4:
        edge = int(h * rng.uniform(0.1, 0.5))
        img[:edge] = cv2.addWeighted(img[:edge], 0.15, np.full_like(img[:edge], 235), 0.85, 0)


def _stray_shape(img: np.ndarray, rng: np.random.Generator) -> None:
    """A box, door, sill or lath that happens to stand there."""
    h, w = img.shape[:2]
    cx, cy = rng.uniform(0, w), rng.uniform(0, h)
    sx, sy = w * rng.uniform(0.05, 0.5), h * rng.uniform(0.05, 0.5)
    a = rng.normal(0, 0.25)
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    box = np.array([[-sx, -sy], [sx, -sy], [sx, sy], [-sx, sy]]) @ turn.T + (cx, cy)
    colour = jitter(rng, _WALLS[int(rng.integers(len(_WALLS)))], 25)
    polygon(img, box + np.array([2, 3]), shade(colour, 0.4))
    mask = np.zeros((h, w), np.uint8)
    polygon(mask, box, (255, 255, 255))
    ramp = np.linspace(rng.uniform(0.5, 1.0), rng.uniform(0.7, 1.2), h if rng.random() < 0.5 else w, dtype=np.float32)
    ramp = ramp[:, None] if len(ramp) == h else ramp[None]
    patch = np.clip(np.asarray(colour, np.float32) * np.broadcast_to(ramp, (h, w))[..., None], 0, 255).astype(np.uint8)
    blend(img, mask, patch)


def pipe(
    img: np.ndarray, rng: np.random.Generator, start: np.ndarray, end: np.ndarray, width: float, colour: Colour
) -> None:
    """Draw a straight round pipe from start to end (photo pixels), shaded across, with dirt along it."""
    direction = np.asarray(end, np.float32) - np.asarray(start, np.float32)
    length = float(np.hypot(*direction))
    if length < 3 or width < 2:
        return
    direction /= length
    normal = np.array([-direction[1], direction[0]], np.float32)
    half = width / 2
    corners = np.array(
        [start + normal * half, end + normal * half, end - normal * half, start - normal * half], np.float32
    )
    x0, y0 = np.floor(np.clip(corners.min(0), 0, (img.shape[1], img.shape[0]))).astype(int)
    x1, y1 = np.ceil(np.clip(corners.max(0), 0, (img.shape[1], img.shape[0]))).astype(int)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    n = max(8, min(96, round(width)))
    across = np.linspace(-1, 1, n, dtype=np.float32)
    light = rng.uniform(-0.6, 0.6)
    profile = (
        0.25
        + 0.75 * np.sqrt(np.clip(1 - across**2, 0, 1))
        + rng.uniform(0, 0.7) * np.exp(-(((across - light) / 0.18) ** 2))
    )
    strip_w = max(8, min(200, round(length / 3)))
    strip = (
        np.asarray(colour, np.float32)[None, None]
        * profile[:, None, None]
        * (1 + rng.uniform(0.02, 0.14) * smooth_noise(rng, n, strip_w, rng.uniform(3, 12)))[..., None]
    )
    if rng.random() < 0.3:  # ribs, threads or the facets of a nut
        waves = np.sin(np.linspace(0, np.pi * rng.uniform(4, 40), strip_w, dtype=np.float32) + rng.uniform(0, 6))
        strip = strip * (1 + np.float32(rng.uniform(0.05, 0.3)) * waves)[None, :, None]
    strip = np.clip(strip, 0, 255).astype(np.uint8)
    source = np.array([[0, n], [strip_w, n], [0, 0]], np.float32)
    matrix = cv2.getAffineTransform(source, (corners[[0, 1, 3]] - (x0, y0)).astype(np.float32))
    size = (int(x1 - x0), int(y1 - y0))
    warped = cv2.warpAffine(strip, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    mask = np.zeros((size[1], size[0]), np.uint8)
    polygon(mask, corners - (x0, y0), (255, 255, 255))
    blend(img, mask, warped, int(x0), int(y0))
