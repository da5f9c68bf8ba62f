"""What surrounds a meter: walls, pipes, valves, cables, lids, a second meter, the stamp of the phone."""

from __future__ import annotations

import cv2
import numpy as np

from synthesis.camera import Pose
from synthesis.inscriptions import digits, small_print
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
    shade,
    smooth_noise,
    white_noise,
)

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

    It is painted at half the size and enlarged: what lies behind a meter is never in focus.
    """
    sh, sw = (h + 1) // 2, (w + 1) // 2
    img = np.zeros((sh, sw, 3), np.uint8)
    img[:] = jitter(rng, _WALLS[int(rng.integers(len(_WALLS)))], 15)
    form = rng.choice(6, p=(0.3, 0.16, 0.1, 0.12, 0.12, 0.2))
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
    rough = rng.uniform(0.02, 0.12)
    factor = (
        1
        + rough * smooth_noise(rng, sh, sw, rng.uniform(2, 6))
        + rough * smooth_noise(rng, sh, sw, rng.uniform(15, 60))
    )
    multiply(img, factor + np.float32(rng.uniform(0, 0.06)) * white_noise(rng, sh, sw))
    for _ in range(int(rng.choice((0, 0, 0, 1, 1, 2, 3)))):
        _stray_shape(img, rng)
    blur = rng.choice((0.0, 1.2, 3.0))
    if blur:
        img = cv2.GaussianBlur(img, (0, 0), blur * rng.uniform(0.6, 1.3))
    return cv2.resize(img, (w, h), interpolation=cv2.INTER_LINEAR)


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
    polygon(img, box, colour)


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


def plumbing(
    img: np.ndarray, rng: np.random.Generator, pose: Pose, centre: tuple[float, float], radius: float, depth: float
) -> None:
    """Lead a pipe through the meter: two stubs with nuts, then pipes to the edge of the photo and beyond."""
    upright = rng.random() < 0.5
    axis = np.array([0.0, 1.0]) if upright else np.array([1.0, 0.0])
    middle = np.asarray(centre)
    width = radius * rng.uniform(0.3, 0.75)
    colour = jitter(rng, PIPE_COLOURS[int(rng.integers(len(PIPE_COLOURS)))], 12)
    fitting = jitter(rng, PIPE_COLOURS[int(rng.integers(len(PIPE_COLOURS)))], 12)
    for sign in (-1, 1):
        reach = middle + sign * axis * radius * rng.uniform(3, 9)
        bend = rng.normal(0, 0.12) * radius * 4
        points = pose.project(np.array([middle, reach + axis[::-1] * bend]), depth)
        scale = _local_scale(pose, middle, depth)
        pipe(img, rng, points[0], points[1], width * scale * rng.uniform(0.8, 1.1), colour)
        for _ in range(int(rng.integers(1, 4))):
            a = radius * rng.uniform(0.9, 1.9)
            nut = pose.project(
                np.array([middle + sign * axis * a, middle + sign * axis * (a + radius * rng.uniform(0.15, 0.6))]),
                depth,
            )
            pipe(img, rng, nut[0], nut[1], width * scale * rng.uniform(1.1, 1.7), fitting)


def _local_scale(pose: Pose, point: np.ndarray, depth: float) -> float:
    pair = pose.project(np.array([point, point + np.array([10, 0])]), depth)
    return float(np.hypot(*(pair[1] - pair[0])) / 10)


def stray_pipes(img: np.ndarray, rng: np.random.Generator) -> None:
    """Pipes, hoses and valves that run past."""
    h, w = img.shape[:2]
    for _ in range(int(rng.choice((0, 0, 1, 1, 2, 3)))):
        upright = rng.random() < 0.6
        if upright:
            x = rng.uniform(0, w)
            start, end = np.array([x, -20.0]), np.array([x + rng.normal(0, w * 0.1), h + 20.0])
        else:
            y = rng.uniform(0, h)
            start, end = np.array([-20.0, y]), np.array([w + 20.0, y + rng.normal(0, h * 0.1)])
        colour = jitter(rng, PIPE_COLOURS[int(rng.integers(len(PIPE_COLOURS)))], 12)
        pipe(img, rng, start, end, w * rng.uniform(0.02, 0.14), shade(colour, rng.uniform(0.4, 1.0)))
    if rng.random() < 0.2:
        valve(img, rng, (rng.uniform(0, w), rng.uniform(0, h)), w * rng.uniform(0.05, 0.15))


def valve(img: np.ndarray, rng: np.random.Generator, centre: tuple[float, float], size: float) -> None:
    """A ball valve with a lever or a butterfly handle, red or blue."""
    cx, cy = centre
    colour = jitter(rng, [(200, 35, 35), (30, 70, 190), (210, 120, 30), (20, 20, 22)][int(rng.integers(4))], 15)
    disc(img, centre, size * 0.55, jitter(rng, (165, 160, 150), 20))
    a = rng.uniform(0, 2 * np.pi)
    d, n = np.array([np.cos(a), np.sin(a)]), np.array([-np.sin(a), np.cos(a)])
    long = size * rng.uniform(1.2, 3.0)
    thick = size * rng.uniform(0.25, 0.4)
    body = np.array([n * thick * 0.7, d * long + n * thick, d * long - n * thick, -n * thick * 0.7])
    body += np.array([cx, cy])
    polygon(img, body + np.array([2, 3]), shade(colour, 0.3))
    polygon(img, body, colour)
    disc(img, centre, size * 0.22, (90, 88, 84))


def cable(img: np.ndarray, rng: np.random.Generator, through: tuple[float, float], width: float) -> None:
    """A loose cable or seal wire: one smooth bow."""
    h, w = img.shape[:2]
    ends = rng.uniform(-0.2, 1.2, (2, 2)) * (w, h)
    t = np.linspace(0, 1, 28)[:, None]
    middle = np.asarray(through) * 2 - ends.mean(0)
    path = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * middle + t**2 * ends[1]
    colour = jitter(
        rng, [(30, 30, 32), (225, 225, 222), (150, 150, 155), (120, 80, 50), (190, 160, 40)][int(rng.integers(5))], 15
    )
    outline(img, path + np.array([1.5, 2.5]), shade(colour, 0.3), width, closed=False)
    outline(img, path, colour, width, closed=False)
    if width > 4:
        outline(img, path - 0.2 * width, shade(colour, 1.4), width * 0.3, closed=False)


def lid(
    img: np.ndarray, rng: np.random.Generator, pose: Pose, centre: tuple[float, float], radius: float, colour: Colour
) -> None:
    """An open lid, hinged at the rim of the meter and tipped towards or away from the camera."""
    around = rng.choice((-90.0, -90.0, rng.uniform(0, 360)))
    out = np.array([np.cos(np.radians(around)), np.sin(np.radians(around))])
    along = np.array([-out[1], out[0]])
    tip = np.radians(rng.uniform(-70, 50))
    angles = np.linspace(0, 2 * np.pi, 40)[:-1]
    for size, tone in ((1.0, 1.0), (0.88, rng.uniform(0.6, 1.4)), (0.8, rng.uniform(0.8, 1.1))):
        u = (1 + size * np.cos(angles)) * radius + (1 - size) * 0
        points = (
            np.asarray(centre)
            + out * radius
            + np.outer(u * np.cos(tip), out)
            + np.outer(size * radius * np.sin(angles), along)
        )
        polygon(img, pose.project(points, u * np.sin(tip)), shade(colour, tone))
    if rng.random() < 0.4:
        at = pose.project((np.asarray(centre) + out * radius * (1 + np.cos(tip)))[None], radius * np.sin(tip))[0]
        put_text(
            img,
            digits(rng, int(rng.integers(3, 9))),
            (at[0], at[1]),
            radius * 0.12 * _local_scale(pose, np.asarray(centre), 0),
            shade(colour, 1.8),
            int(rng.integers(60)),
            float(rng.uniform(-40, 40)),
        )


def neighbour(img: np.ndarray, rng: np.random.Generator, avoid: np.ndarray) -> None:
    """A second meter cut off by the edge of the photo, so far that its display cannot be seen."""
    h, w = img.shape[:2]
    r = w * rng.uniform(0.15, 0.3)
    side = rng.integers(4)
    cx, cy = (
        (-r * 0.55, rng.uniform(0, h)),
        (w + r * 0.55, rng.uniform(0, h)),
        (rng.uniform(0, w), -r * 0.55),
        (rng.uniform(0, w), h + r * 0.55),
    )[side]
    if np.hypot(avoid[:, 0] - cx, avoid[:, 1] - cy).min() < r * 1.25:
        return
    colour = jitter(rng, [(190, 40, 40), (40, 80, 170), (130, 132, 135)][int(rng.integers(3))], 15)
    disc(img, (cx, cy), r * 1.12, colour)
    disc(img, (cx, cy), r, jitter(rng, (225, 225, 222), 12))
    disc(img, (cx, cy), r * 0.97, shade(colour, 0.8), 2)
    for _ in range(5):
        a, d = rng.uniform(0, 2 * np.pi), r * rng.uniform(0.5, 0.8)
        put_text(
            img,
            small_print(rng),
            (cx + d * np.cos(a), cy + d * np.sin(a)),
            r * 0.09,
            (40, 40, 42),
            int(rng.integers(60)),
        )


def date_stamp(img: np.ndarray, rng: np.random.Generator, avoid: np.ndarray | None) -> None:
    """The date or the maker's line that a phone prints into a corner of the photo, clear of the corners `avoid`."""
    h, w = img.shape[:2]
    n = rng.integers
    stamp = f"{n(2012, 2026)}-{n(1, 13):02d}-{n(1, 29):02d} {n(0, 24):02d}:{n(0, 60):02d}:{n(0, 60):02d}"
    text = (
        stamp,
        stamp[:10],
        stamp[:16].replace("-", "/"),
        "SHOT ON MI A2",
        f"honor {n(6, 20)} lite",
        f"{n(0, 24):02d}:{n(0, 60):02d}",
    )[int(n(6))]
    height = max(6.0, w * rng.uniform(0.016, 0.03))
    colour: Colour = [(255, 255, 255), (255, 160, 30), (240, 60, 40), (255, 230, 60)][int(n(4))]
    font = int(n(60))
    half = len(text) * height * 0.42
    at = ((half + 8, h - height * 2), (w - half - 8, h - height * 2), (half + 8, height * 2))[int(n(3))]
    if avoid is not None:
        low, high = avoid.min(0) - height * 1.5, avoid.max(0) + height * 1.5
        if low[0] < at[0] + half and high[0] > at[0] - half and low[1] < at[1] and high[1] > at[1]:
            return
    if rng.random() < 0.25:
        rectangle(img, (at[0] - half * 1.05, at[1] - height, at[0] + half * 1.05, at[1] + height), (245, 245, 245))
        colour = (190, 40, 40)
    put_text(img, text, at, height, colour, font)
