"""One photo of a meter with exact labels: display, face, surroundings and camera put together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from synthesis import scene, soiling
from synthesis.backdrop import background
from synthesis.camera import Pose, Shot, edge_homography, look_at, random_shot, take
from synthesis.display import DisplayArt, draw_display
from synthesis.faces import Face, draw_face
from synthesis.legibility import decimals_show, digit_scores, digits_show
from synthesis.objects import object_with_numbers
from synthesis.paint import blend, jitter, polygon, shade

#: How often a photo is of each kind; `make_photo` draws from it.
LEGIBLE_SHARE, ILLEGIBLE_SHARE = 0.75, 0.12
DIGITAL_SHARE = 0.3

#: At least half the digits of an illegible display score at most this (see `legibility.digit_scores`).
UNREADABLE = 0.15


@dataclass(frozen=True)
class MeterPhoto:
    """A made photo and everything that is to be found in it.

    Attributes:
        image: uint8 (H, W, 3) RGB.
        corners: (4, 2) float32, display corners in photo pixels (pixel-edge coordinates, x and y), clockwise from the
            display's own top-left; None where the photo shows no display.
        counter_class: one of `reader.symbols.STAGE1_CLASSES`, or None.
        reading: what a person reads; None where there is nothing to read.
        boxes: x1, y1, x2, y2, class on the rectified display of `display_size` pixels; empty where it is illegible.
        display_size: (h, w) of the rectified display that the boxes refer to.
    """

    image: np.ndarray
    corners: np.ndarray | None
    counter_class: str | None
    reading: str | None
    boxes: tuple[tuple[float, float, float, float, str], ...]
    display_size: tuple[int, int]


def make_photo(rng: np.random.Generator, size: int = 640, kind: str | None = None) -> MeterPhoto:
    """Make one photo from the documented mix.

    About 75 % legible displays, 12 % illegible ones, 13 % photos without a meter; seven of ten displays are drums.

    Args:
        rng: the only source of chance: the same state makes the same bytes.
        size: longest side of the photo in pixels.
        kind: of the display, "analog" or "digital"; None for both.
    """
    share = rng.random()
    if share > LEGIBLE_SHARE + ILLEGIBLE_SHARE:
        return photo_without_meter(rng, size)
    drawn = "digital" if rng.random() < DIGITAL_SHARE else "analog"
    return _photo_of_meter(rng, kind or drawn, legible=share < LEGIBLE_SHARE, size=size)


def _photo_shape(rng: np.random.Generator, size: int) -> tuple[int, int]:
    aspect = float(rng.choice((3 / 4, 9 / 16, 1.0), p=(0.65, 0.25, 0.1)))
    short = round(size * aspect)
    return (size, short) if rng.random() < 0.6 else (short, size)


def _roll(rng: np.random.Generator) -> float:
    """Degrees by which the meter is turned on the photo: 30 % at any angle, the others nearly upright."""
    if rng.random() > 0.3:
        return float(np.clip(rng.normal(0, 8), -20, 20))
    if rng.random() < 0.5:
        return float(rng.choice((90, 180, 270)) + rng.normal(0, 7))
    return float(rng.uniform(0, 360))


def _aim(rng: np.random.Generator, face: Face, display_px: float, shape: tuple[int, int]) -> Pose:
    """Choose a camera that shows the whole display, `display_px` wide, and the meter mostly within the photo."""
    h, w = shape
    quad = face.quad
    anchor = quad.mean(0)
    scale = display_px / float(quad[1, 0] - quad[0, 0])
    roll = _roll(rng)
    tilt = float(rng.choice((4.0, 11.0, 20.0), p=(0.4, 0.4, 0.2)))
    yaw, pitch = (float(np.clip(v, -38, 38)) for v in rng.normal(0, tilt, 2))
    focal = max(h, w) * float(rng.uniform(0.9, 2.2))
    # the middle of the meter, not of the display, tends to stand in the middle of the photo
    a = np.radians(roll)
    offset = (anchor - np.asarray(face.centre)) * scale
    offset = np.array([offset[0] * np.cos(a) - offset[1] * np.sin(a), offset[0] * np.sin(a) + offset[1] * np.cos(a)])
    target = np.array([w, h]) * rng.normal(0.5, 0.1, 2) + offset
    pose = look_at(
        (float(anchor[0]), float(anchor[1])), (float(target[0]), float(target[1])), scale, roll, yaw, pitch, focal
    )
    corners = pose.project(quad)
    low, high = corners.min(0), corners.max(0)
    margin = 0.015 * max(h, w)
    room = np.array([w, h]) - 2 * margin
    fit = min(1.0, float((room / (high - low)).min()))
    middle = (low + high) / 2
    half = (high - low) / 2 * fit
    wanted = np.clip(middle, half + margin, np.array([w, h]) - half - margin)
    move = np.array([[fit, 0, wanted[0] - fit * middle[0]], [0, fit, wanted[1] - fit * middle[1]], [0, 0, 1.0]])
    return Pose(move @ pose.matrix)


def _display_width(rng: np.random.Generator, art: DisplayArt, shape: tuple[int, int]) -> float:
    """Draw how wide the display shows on the photo: mostly 20 to 45 % of the width, from 12 to 80 %."""
    # self-lit displays are photographed from nearer: their digits are small beside a drum's
    share = float(np.exp(rng.normal(np.log(0.3 if art.kind == "analog" else 0.36), 0.4)))
    share = float(np.clip(share, 0.12, 0.8))
    width = share * shape[1]
    # digits under 11 pixels high cannot be told apart: such a display is not labelled legible
    return max(width, 12.0 * art.image.shape[1] / art.image.shape[0])


def _compose(rng: np.random.Generator, face: Face, pose: Pose, shape: tuple[int, int]) -> np.ndarray:
    """Paint the scene under even light: wall, pipes, the meter's side, its face, what hangs before it."""
    h, w = shape
    img = background(rng, h, w)
    scene.stray_pipes(img, rng)
    corners = pose.project(face.quad)
    if rng.random() < 0.12:
        scene.neighbour(img, rng, corners)
    if face.piped:
        scene.plumbing(img, rng, pose, face.centre, face.radius, face.depth * 0.7)
    elif rng.random() < 0.7:
        scene.board(img, rng, pose, face.body, face.depth)
    front = pose.project(face.body)
    back = pose.project(face.body, face.depth)
    _cast_shadow(img, rng, back)
    if rng.random() < 0.5:  # a lamp or flash near the meter leaves what is behind it dark
        img[:] = (img * rng.uniform(0.2, 0.85)).astype(np.uint8)
    dark, light = rng.uniform(0.25, 0.7), rng.uniform(0.6, 1.1)
    for share in (1.0, 0.85, 0.7, 0.5, 0.3, 0.12):
        ring = pose.project(face.body, face.depth * share)
        tone = shade(face.side, (dark * share + light * (1 - share)) * rng.uniform(0.9, 1.1))
        polygon(img, cv2.convexHull(np.concatenate([front, ring]))[:, 0], tone)
    if face.piped and rng.random() < 0.22:
        scene.lid(img, rng, pose, face.centre, face.radius, jitter(rng, face.side, 20))
    matrix = edge_homography(pose.homography)
    layers = np.dstack([face.image, face.mask])
    warped = cv2.warpPerspective(layers, matrix, (w, h), flags=cv2.INTER_LINEAR)
    blend(img, np.ascontiguousarray(warped[..., 3]), warped[..., :3])
    return img


def _cast_shadow(img: np.ndarray, rng: np.random.Generator, outline: np.ndarray) -> None:
    small = np.zeros((img.shape[0] // 4, img.shape[1] // 4), np.uint8)
    size = float(np.ptp(outline, 0).max()) / 4
    polygon(small, outline / 4 + rng.normal(0, 0.06, 2) * size, (255, 255, 255))
    soft = cv2.GaussianBlur(small, (0, 0), max(0.7, size * rng.uniform(0.01, 0.08)))
    mask = cv2.resize(soft, (img.shape[1], img.shape[0]), interpolation=cv2.INTER_LINEAR)
    blend(img, mask, (8, 8, 10), alpha=float(rng.uniform(0.3, 0.85)))


def _foreground(img: np.ndarray, rng: np.random.Generator, corners: np.ndarray) -> None:
    """Hang cables and seal wires before the meter, beside its display rather than over it."""
    h, w = img.shape[:2]
    for _ in range(int(rng.choice((0, 0, 0, 1, 2)))):
        centre = corners.mean(0)
        far = float(np.hypot(*(corners[1] - corners[0])))
        angle = rng.uniform(0, 2 * np.pi)
        through = (centre[0] + far * 1.1 * np.cos(angle), centre[1] + far * 1.1 * np.sin(angle))
        before = img.copy()
        scene.cable(img, rng, through, float(rng.choice((1.2, 2.0, 5.0, 9.0))) * max(h, w) / 640)
        x0, y0 = np.clip(np.floor(corners.min(0)).astype(int), 0, (w, h))
        x1, y1 = np.clip(np.ceil(corners.max(0)).astype(int), 0, (w, h))
        if (before[y0:y1, x0:x1] != img[y0:y1, x0:x1]).any():
            img[:] = before


def _spoil(img: np.ndarray, rng: np.random.Generator, corners: np.ndarray, shot: Shot, digit_height: float) -> Shot:
    """Make the display illegible in one of four ways; returns the settings to photograph with."""
    way = int(rng.choice(4, p=(0.3, 0.18, 0.22, 0.3)))
    if way == 0:
        if rng.random() < 0.6:
            return replace(shot, defocus=digit_height * float(rng.uniform(0.3, 0.55)), sharpen=0.0)
        motion = (digit_height * float(rng.uniform(0.9, 1.6)), float(rng.uniform(0, np.pi)))
        return replace(shot, motion=motion, defocus=digit_height * 0.12)
    if way == 1:  # so dark that the meter shows and its digits do not
        exposure, noise = float(rng.uniform(0.04, 0.08)), float(rng.uniform(6, 10))
        return replace(shot, exposure=exposure, noise=noise, gamma=1.0, sharpen=0.0, falloff=0.3, jpeg=40)
    if way == 2:
        soiling.burn_out(img, rng, corners)
        return replace(
            shot, exposure=max(shot.exposure, 0.9), falloff=0.0, gamma=min(shot.gamma, 1.1), cast=(1.0, 1.0, 0.97)
        )
    soiling.cover(img, rng, corners)
    return shot


def _photo_of_meter(rng: np.random.Generator, kind: str, legible: bool, size: int) -> MeterPhoto:
    """Make photos until one is as legible or illegible as it is to be; nearly all are at the first or second try."""
    while True:
        art = draw_display(rng, kind)
        made = _try_photo(rng, art, legible, size)
        if made is not None:
            photo, corners = made
            break
    return MeterPhoto(
        image=photo,
        corners=corners,
        counter_class=kind if legible else f"{kind}_illegible",
        reading=art.reading if legible else None,
        boxes=tuple(art.boxes) if legible else (),
        display_size=(art.image.shape[0], art.image.shape[1]),
    )


def _evenly_lit(rng: np.random.Generator, art: DisplayArt) -> np.ndarray:
    """Take the dimness out of a drawn display: it was drawn as photographed, and the photo's own light comes later."""
    bright = float(np.percentile(art.image, 95))
    if bright < 90 or rng.random() < 0.2:  # lamps on black, or a display that is dark by itself
        return art.image
    return cv2.convertScaleAbs(art.image, alpha=min(2.2, max(1.0, rng.uniform(185, 250) / bright)))


def _try_photo(
    rng: np.random.Generator, art: DisplayArt, legible: bool, size: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Build one scene and photograph it; None if the photo contradicts its label however it is taken.

    Returns:
        The photo, uint8 (H, W, 3) RGB, and the display's corners on it, (4, 2) float32.
    """
    shape = _photo_shape(rng, size)
    width = _display_width(rng, art, shape)
    face = draw_face(rng, _evenly_lit(rng, art), art.kind, min(width * 1.12, 560.0))
    soiling.soil_glass(face.image, rng, face.glass, face.radius)
    pose = _aim(rng, face, width, shape)
    img = _compose(rng, face, pose, shape)
    corners = pose.project(face.quad)
    _foreground(img, rng, corners)
    digit_height = 0.75 * float(np.hypot(*(corners[3] - corners[0])) + np.hypot(*(corners[2] - corners[1]))) / 2
    if rng.random() < 0.45:
        soiling.reflect(img, rng, corners)
    shot = random_shot(rng, digit_height)
    glow = None
    if not legible:
        shot = _spoil(img, rng, corners, shot, digit_height)
    elif art.kind == "digital" and rng.random() < 0.4:
        glow = np.zeros(shape, np.uint8)
        polygon(glow, corners, (255, 255, 255))
    for _ in range(3):
        photo = take(rng, img, shot, glow)
        if legible and digits_show(photo, corners, art) and decimals_show(photo, corners, art):
            break
        if not legible and np.median(digit_scores(photo, corners, art.image, art.digits)) <= UNREADABLE:
            break
        shot = shot.gentler() if legible else shot.harsher()
    else:
        return None
    if rng.random() < 0.1:
        scene.date_stamp(photo, rng, corners)
    return photo, corners


def photo_without_meter(rng: np.random.Generator, size: int = 640) -> MeterPhoto:
    """Photograph walls, pipes, valves and things with numbers; arguments as of `make_photo`."""
    h, w = _photo_shape(rng, size)
    img = background(rng, h, w)
    scene.stray_pipes(img, rng)
    for _ in range(int(rng.choice((0, 1, 1, 2)))):
        side = int(min(h, w) * rng.uniform(0.3, 1.0))
        thing, mask = object_with_numbers(rng, side)
        target = (float(w * rng.normal(0.5, 0.18)), float(h * rng.normal(0.5, 0.18)))
        yaw, pitch = rng.normal(0, 14, 2)
        pose = look_at((side / 2, side / 2), target, 1.0, _roll(rng), float(yaw), float(pitch), max(h, w) * 1.4)
        _cast_shadow(img, rng, pose.project(np.array([[0, 0], [side, 0], [side, side], [0, side]]) * 0.9 + side * 0.05))
        layers = cv2.warpPerspective(np.dstack([thing, mask]), edge_homography(pose.homography), (w, h))
        blend(img, np.ascontiguousarray(layers[..., 3]), layers[..., :3])
    for _ in range(int(rng.choice((0, 1, 2)))):
        scene.valve(img, rng, (rng.uniform(0, w), rng.uniform(0, h)), w * rng.uniform(0.05, 0.2))
    if rng.random() < 0.4:
        scene.cable(img, rng, (rng.uniform(0, w), rng.uniform(0, h)), float(rng.choice((1.5, 4.0, 9.0))))
    photo = take(rng, img, random_shot(rng, 30.0))
    if rng.random() < 0.1:
        scene.date_stamp(photo, rng, None)
    return MeterPhoto(photo, None, None, None, (), (0, 0))
