"""What surrounds a meter: its pipes, valves, cables, lid, board and breakers, a second meter, the phone's stamp."""

from __future__ import annotations

import numpy as np

from synthesis.backdrop import PIPE_COLOURS, pipe
from synthesis.camera import Pose
from synthesis.inscriptions import digits, small_print
from synthesis.paint import (
    Colour,
    disc,
    jitter,
    outline,
    polygon,
    put_text,
    rectangle,
    rounded_box,
    shade,
)


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


def board(img: np.ndarray, rng: np.random.Generator, pose: Pose, body: np.ndarray, depth: float) -> None:
    """What electricity meters hang on: a board or a cabinet, conduits above and below, breakers beside."""
    low, high = body.min(0), body.max(0)
    size = high - low
    tone = jitter(
        rng, [(215, 214, 208), (150, 152, 155), (70, 72, 76), (130, 100, 70), (190, 186, 170)][int(rng.integers(5))], 15
    )
    if rng.random() < 0.6:
        grow = size * rng.uniform(0.08, 0.9, 2)
        panel = rounded_box((*(low - grow), *(high + grow)), float(size.min()) * 0.05)
        polygon(img, pose.project(panel, depth * 1.05), shade(tone, 0.5))
        polygon(img, pose.project(panel - size * 0.01, depth), tone)
    middle = (low + high) / 2
    scale = _local_scale(pose, middle, depth)
    for sign in (-1, 1):
        for _ in range(int(rng.choice((0, 1, 1, 2, 4)))):
            x = middle[0] + size[0] * rng.uniform(-0.4, 0.4)
            ends = np.array([[x, middle[1]], [x + size[0] * rng.normal(0, 0.15), middle[1] + sign * size[1] * 3]])
            line = pose.project(ends, depth * 0.8)
            wire: Colour = [(30, 30, 32), (220, 220, 216), (160, 60, 40), (40, 70, 150), (90, 92, 95)][
                int(rng.integers(5))
            ]
            pipe(img, rng, line[0], line[1], size[0] * rng.uniform(0.02, 0.12) * scale, jitter(rng, wire, 15))
    if rng.random() < 0.3:
        _breakers(img, rng, pose, np.array([low[0], high[1] + size[1] * rng.uniform(0.05, 0.4)]), size, depth * 0.6)


def _breakers(
    img: np.ndarray, rng: np.random.Generator, pose: Pose, start: np.ndarray, size: np.ndarray, depth: float
) -> None:
    """A row of automatic breakers with their levers and ratings."""
    wide, high = size[0] * rng.uniform(0.12, 0.2), size[1] * rng.uniform(0.35, 0.6)
    scale = _local_scale(pose, start, depth)
    tone = jitter(rng, (232, 232, 228), 12)
    lever = jitter(rng, [(30, 30, 32), (40, 80, 170), (190, 60, 40)][int(rng.integers(3))], 10)
    for i in range(int(rng.integers(2, 6))):
        x, y = start + np.array([i * wide * 1.04, 0])
        polygon(
            img,
            pose.project(rounded_box((x, y, x + wide, y + high), wide * 0.06), depth),
            shade(tone, rng.uniform(0.9, 1)),
        )
        polygon(
            img,
            pose.project(rounded_box((x + wide * 0.3, y + high * 0.4, x + wide * 0.7, y + high * 0.6), 1), depth),
            lever,
        )
        at = pose.project(np.array([[x + wide / 2, y + high * 0.22]]), depth)[0]
        rating = str(rng.choice(("C16", "C25", "B10", "C32", "C40")))
        put_text(img, rating, (float(at[0]), float(at[1])), wide * 0.22 * scale, (40, 40, 44), int(rng.integers(60)))


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
    at = pose.project((np.asarray(centre) + out * radius * (1 + np.cos(tip)))[None], radius * np.sin(tip))[0]
    height = radius * 0.12 * _local_scale(pose, np.asarray(centre), 0)
    turn = float(around + 90 + rng.choice((0, 180)))
    if rng.random() < 0.3:  # a coloured label inside the lid
        half = radius * rng.uniform(0.15, 0.5, 2)
        u = radius * (1 + rng.uniform(-0.2, 0.2)) + np.array([-1, -1, 1, 1]) * half[0]
        v = np.array([-1, 1, 1, -1]) * half[1]
        points = np.asarray(centre) + out * radius + np.outer(u * np.cos(tip), out) + np.outer(v, along)
        paper = [(235, 215, 60), (60, 150, 70), (240, 240, 236), (70, 120, 200)][int(rng.integers(4))]
        polygon(img, pose.project(points, u * np.sin(tip)), jitter(rng, paper, 12))
        put_text(img, small_print(rng), (float(at[0]), float(at[1])), height, (50, 50, 54), int(rng.integers(60)), turn)
    elif rng.random() < 0.4:
        number = digits(rng, int(rng.integers(3, 9)))
        put_text(img, number, (float(at[0]), float(at[1])), height, shade(colour, 1.8), int(rng.integers(60)), turn)


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
