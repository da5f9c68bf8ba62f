"""Views of a labelled picture: geometry that moves picture and labels together, then light (training/photometric.py).

Stage 1 sees what the reader will show it: whole photos (the first look) and uprighted, enlarged surroundings of a
display (the second look). Stage 2 sees displays cut out a little wrong, as stage 1 will cut them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import cv2
import numpy as np

from reader.colours import cut
from reader.geometry import warp, warp_boxes, warp_points
from reader.image import letterbox
from reader.symbols import DIGITS, FLOATP_ID
from reader.types import Float32, UInt8
from training.datasets import Stage1Sample, Stage2Sample
from training.moved_point import move_point
from training.photometric import distort, fade, far_away
from training.recolour import recoloured

Rng = np.random.Generator


@dataclass(frozen=True)
class Stage1Augmentation:
    """How stage 1's training views are drawn.

    Attributes:
        second_look: share of views that are second looks.
        background: share of views that are moved off the display.
        any_angle: share of first looks turned by any angle; the others by a few degrees.
        fill: width of the display in a second look, in input widths, as the reader asks for it.
        flip_second_look: share of second looks that are upside down. A first look can be; of few such views the
            network would learn that they are not.
        cut_out: share of photos of which little more than a display is left, as people crop before they send (0: no
            gain on whole photos, see the model card).
    """

    second_look: float = 0.45
    background: float = 0.05
    any_angle: float = 0.3
    fill: float = 0.62
    flip_second_look: float = 0.35
    cut_out: float = 0.0


def _similarity(source: Float32, target: Float32, scale: float, degrees: float) -> np.ndarray:
    """3x3 that turns by `degrees` (clockwise on the picture), scales, and moves `source` to `target`."""
    a = np.deg2rad(degrees)
    rotation = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) * scale
    matrix = np.eye(3)
    matrix[:2, :2] = rotation
    matrix[:2, 2] = np.asarray(target) - rotation @ np.asarray(source)
    return matrix


def _tilt(size: tuple[int, int], rng: Rng, amount: float) -> np.ndarray:
    """3x3 perspective that moves each corner of a (h, w) view by up to `amount` of its sides."""
    h, w = size
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    moved = corners + rng.uniform(-amount, amount, (4, 2)).astype(np.float32) * (w, h)
    return cv2.getPerspectiveTransform(corners, moved.astype(np.float32))


def _warp(image: UInt8, matrix: np.ndarray, size: tuple[int, int], scale: float, border: int) -> UInt8:
    """Warps, with a prior reduction where the view shrinks the picture, so that nothing aliases.

    `reader.geometry.warp` does the same by drawing a finer picture first, which takes several times as long.

    Args:
        image: (H, W, 3) uint8.
        matrix: (3, 3), picture to view, in continuous coordinates as everywhere.
        size: (height, width) of the view.
        scale: view pixels per picture pixel, about.
        border: of OpenCV's borders, what stands outside the picture.
    """
    if scale < 0.6:
        factor = max(scale * 1.2, 0.05)
        h, w = image.shape[:2]
        image = cv2.resize(image, (max(1, round(w * factor)), max(1, round(h * factor))), interpolation=cv2.INTER_AREA)
        matrix = matrix @ np.diag([w / image.shape[1], h / image.shape[0], 1.0])
    # OpenCV counts pixel centres as whole numbers, we count pixel edges.
    matrix = _move(-0.5) @ matrix @ _move(0.5)
    return cv2.warpPerspective(image, matrix, (size[1], size[0]), flags=cv2.INTER_LINEAR, borderMode=border)


def _move(distance: float) -> np.ndarray:
    return _shift((distance, distance))


def _shift(by: tuple[float, float]) -> np.ndarray:
    """3x3 that moves down and to the right."""
    return np.array([[1, 0, by[1]], [0, 1, by[0]], [0, 0, 1.0]])


def grown(size: tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    """A view's (h, w) with the room above and below, and on the left and the right."""
    return size[0] + 2 * room[0], size[1] + 2 * room[1]


def stage1_view(
    sample: Stage1Sample,
    size: tuple[int, int],
    rng: Rng,
    settings: Stage1Augmentation,
    room: tuple[int, int] = (0, 0),
    light: Callable[[UInt8, Rng], UInt8] | None = None,
) -> tuple[UInt8, Float32, np.ndarray]:
    """One training view of a photo.

    Args:
        sample: the photo.
        size: (h, w) of the view.
        rng: source of chance.
        settings: how views differ.
        room: what the picture shows beside the view, above and below, and on the left and the right, in pixels: for
            those who move the view a little later.
        light: changes light, lens and sensor; None for `training.photometric.distort`.

    Returns:
        The picture (h + 2 room, w + 2 room, 3), corners (n, 4, 2) in the view's pixels, labels (n,). A display of which
        more than a sliver is outside the view is left out, and only views that show all or nothing of each display are
        drawn.
    """
    light = light or distort
    if len(sample.corners) and settings.cut_out and rng.random() < settings.cut_out:
        sample = _cut_out(sample, rng)
    for attempt in range(12):
        kind = rng.random()
        if len(sample.corners) and kind < settings.second_look and attempt < 6:
            matrix = _second_look(sample, size, rng, settings)
        elif kind > 1 - settings.background and attempt < 6:
            matrix = _elsewhere(sample, size, rng)
        else:
            matrix = _first_look(sample, size, rng, settings, gentle=attempt > 8)
        corners = warp_points(sample.corners, matrix).astype(np.float32)
        inside = [_visible(c, size) for c in corners]
        # A display cut in two is neither a display nor background: such a view teaches nothing.
        if all(v > 0.97 or v < 0.02 for v in inside):
            break
    keep = np.array([v > 0.5 for v in inside], bool)
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
    border = cv2.BORDER_CONSTANT if rng.random() < 0.7 else cv2.BORDER_REPLICATE
    image = _warp(sample.image, _shift(room) @ matrix, grown(size, room), scale, border)
    return light(image, rng), corners[keep].reshape(-1, 4, 2), sample.labels[keep]


def _cut_out(sample: Stage1Sample, rng: Rng) -> Stage1Sample:
    """The photo cropped to a display and up to its height around it; as it is where that would cut another one."""
    quad = sample.corners[rng.integers(len(sample.corners))]
    height = float(np.hypot(*(quad[3] - quad[0] + quad[2] - quad[1]))) / 2
    h, w = sample.image.shape[:2]
    x1, y1 = np.maximum(0, quad.min(0) - rng.uniform(0, 1, 2) * height).astype(int)
    x2, y2 = np.minimum((w, h), np.ceil(quad.max(0) + rng.uniform(0, 1, 2) * height)).astype(int)
    inside = np.all((sample.corners >= (x1, y1)) & (sample.corners <= (x2, y2)), axis=2)  # (N, 4)
    if min(x2 - x1, y2 - y1) < 8 or not (inside.all(1) | ~inside.any(1)).all():
        return sample
    whole = inside.all(1)
    return Stage1Sample(
        image=sample.image[y1:y2, x1:x2],
        corners=(sample.corners[whole] - np.float32([x1, y1])).astype(np.float32),
        labels=sample.labels[whole],
        name=sample.name,
    )


def plain_view(image: UInt8, corners: Float32, size: tuple[int, int]) -> tuple[UInt8, Float32]:
    """The first look as the reader takes it: the whole photo, letterboxed by the reader's own function.

    Args:
        image: (H, W, 3) uint8 RGB.
        corners: (N, 4, 2) in its pixels.
        size: (height, width) of the view, equal.

    Returns:
        The view (height, width, 3) uint8 and the corners (N, 4, 2) float32 in its pixels.

    Raises:
        ValueError: the view is no square.
    """
    if size[0] != size[1]:
        raise ValueError(f"photos are letterboxed into a square; {size} came")
    view, placed = letterbox(image, size[0])
    return view, placed.forward(corners).astype(np.float32)


def _first_look(
    sample: Stage1Sample, size: tuple[int, int], rng: Rng, settings: Stage1Augmentation, gentle: bool
) -> np.ndarray:
    h, w = sample.image.shape[:2]
    fit = min(size[0] / h, size[1] / w)
    centre = np.array([w / 2, h / 2])
    if gentle:
        return _similarity(centre, (size[1] / 2, size[0] / 2), fit, 0)
    turn = rng.uniform(-180, 180) if rng.random() < settings.any_angle else rng.normal(0, 7)
    scale = fit * float(np.exp(rng.normal(0.05, 0.22)))
    if len(sample.corners) and rng.random() < 0.5:
        # Somewhere near the display, so that enlarged views keep it.
        centre = centre + (sample.corners[0].mean(0) - centre) * rng.uniform(0, 1)
    target = np.array([size[1], size[0]]) * (0.5 + rng.uniform(-0.12, 0.12, 2))
    return _tilt(size, rng, 0.05) @ _similarity(centre, target, scale, turn)


def _second_look(sample: Stage1Sample, size: tuple[int, int], rng: Rng, settings: Stage1Augmentation) -> np.ndarray:
    quad = sample.corners[rng.integers(len(sample.corners))]
    along = (quad[1] - quad[0] + quad[2] - quad[3]) / 2
    angle = np.degrees(np.arctan2(along[1], along[0]))
    width = max(float(np.hypot(*along)), 2.0)
    scale = settings.fill * size[1] / width * float(np.exp(rng.normal(0, 0.17)))
    turn = -angle + rng.normal(0, 6) + (180 if rng.random() < settings.flip_second_look else 0)
    target = np.array([size[1], size[0]]) * (0.5 + rng.normal(0, 0.06, 2))
    return _tilt(size, rng, 0.03) @ _similarity(quad.mean(0), target, scale, turn)


def _elsewhere(sample: Stage1Sample, size: tuple[int, int], rng: Rng) -> np.ndarray:
    h, w = sample.image.shape[:2]
    centre = rng.uniform(0, 1, 2) * (w, h)
    scale = min(size[0] / h, size[1] / w) * rng.uniform(1.5, 4)
    return _similarity(centre, (size[1] / 2, size[0] / 2), scale, rng.uniform(-180, 180))


def _visible(corners: Float32, size: tuple[int, int]) -> float:
    """Share of a quadrilateral's area that lies inside a (h, w) view."""
    h, w = size
    frame = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    area = abs(cv2.contourArea(corners.astype(np.float32)))
    if area < 1:
        return 0.0
    common, _ = cv2.intersectConvexConvex(corners.astype(np.float32), frame)
    return float(common / area)


@dataclass(frozen=True)
class Stage2Augmentation:
    """How stage 2's training views are drawn.

    Attributes:
        jitter: standard deviation of each corner's error, in display heights.
        shift: of the error that all corners share.
        exchange: share of displays some of whose digits are exchanged for digits of other displays.
        negative: share of displays shown as negatives: white on black for black on white.
        turned: share of displays shown upside down, with nothing to read on them: whoever learns that can tell which
            way up a display is.
        moved_point: share of displays with decimals in colours of their own that get another number of them.
        loose: share of displays cut at another place on the left or the right, as where stage 1 has lost a digit.
        loose_by: standard deviation of such a cut's error, in display heights.
        far_away: share of displays of a few pixels' height, see `training.photometric.far_away`.
        fade: share of displays that have lost most of their contrast.
        light: strength of the changes of light, lens and sensor, see `training.photometric.distort`.
    """

    jitter: float = 0.05
    shift: float = 0.05
    exchange: float = 0.4
    negative: float = 0.08
    turned: float = 0.0
    moved_point: float = 0.6
    loose: float = 0.2
    loose_by: float = 0.25
    far_away: float = 0.2
    fade: float = 0.1
    light: float = 1.0

    def scaled(self, strength: float) -> Stage2Augmentation:
        """The same with every change `strength` times as frequent.

        The errors of the corners stay, for the reader's have them too, and so do displays upside down.
        """
        parts = ("exchange", "negative", "moved_point", "loose", "far_away", "fade", "light")
        return replace(self, **{name: strength * getattr(self, name) for name in parts})


#: For networks that read displays whose corners the corner network has put right: smaller errors are left of them.
CORNERS_PUT_RIGHT = Stage2Augmentation(jitter=0.03, shift=0.03, loose=0.08)


@dataclass(frozen=True)
class DigitPool:
    """Pictures of single digits cut from displays, by class, for exchanging.

    Attributes:
        patches: for each of the ten digits, uint8 pictures (h, w, 3) of varying size.
    """

    patches: tuple[list[UInt8], ...] = field(default_factory=lambda: tuple([] for _ in DIGITS))

    @classmethod
    def collect(
        cls,
        samples: Sequence[Stage2Sample],
        limit: int = 400,
        seed: int = 0,
        singles: Sequence[tuple[int, UInt8]] = (),
    ) -> DigitPool:
        """Up to `limit` pictures of each digit from `samples`, chosen at random, and as many from `singles`.

        Args:
            samples: displays with boxes.
            limit: pictures of a digit from either.
            seed: of the choice.
            singles: digits and their pictures (h, w, 3), see `training.single_digits`.
        """
        places = [
            (s, i) for s in samples for i, label in enumerate(s.labels) if label < 10 and s.boxes[i, 3] > s.boxes[i, 1]
        ]
        pool = cls()
        for at in np.random.default_rng(seed).permutation(len(places)):
            sample, i = places[at]
            patches = pool.patches[int(sample.labels[i])]
            patch = cut(sample.image, sample.boxes[i])
            if len(patches) < limit and min(patch.shape[:2]) >= 6:
                patches.append(patch)
        taken = [0] * len(DIGITS)
        for at in np.random.default_rng(seed).permutation(len(singles)):
            digit, picture = singles[at]
            if taken[digit] < limit and min(picture.shape[:2]) >= 6:
                pool.patches[digit].append(picture)
                taken[digit] += 1
        return pool


def exchange_digits(sample: Stage2Sample, pool: DigitPool, rng: Rng) -> Stage2Sample:
    """Puts digits of other displays into a display: leading drums show nearly always 0 otherwise.

    Each digit in turn is replaced with a chance of a half by one of a class drawn evenly. The new one is drawn in the
    old one's colours: red drums are what tells the decimals.
    """
    image, labels = sample.image.copy(), sample.labels.copy()
    for i, label in enumerate(sample.labels):
        if label >= 10 or rng.random() < 0.5:
            continue
        new = int(rng.integers(10))
        if not pool.patches[new]:
            continue
        old = cut(image, sample.boxes[i])
        if min(old.shape[:2]) < 6:
            continue
        patch = pool.patches[new][int(rng.integers(len(pool.patches[new])))]
        patch = cv2.resize(patch, (old.shape[1], old.shape[0]), interpolation=cv2.INTER_AREA)
        old[...] = recoloured(patch, old)
        labels[i] = new
    return Stage2Sample(image=image, boxes=sample.boxes, labels=labels, name=sample.name)


def stage2_view(
    sample: Stage2Sample,
    size: tuple[int, int],
    rng: Rng,
    settings: Stage2Augmentation,
    pool: DigitPool | None = None,
    room: tuple[int, int] = (0, 0),
    light: Callable[[UInt8, Rng], UInt8] | None = None,
) -> tuple[UInt8, Float32, np.ndarray]:
    """One training view of a rectified display; `room` and `light` as in `stage1_view`.

    Returns:
        The picture (h + 2 room, w + 2 room, 3), boxes (n, 4) xyxy in the view's pixels, labels (n,).
    """
    light = light or partial(distort, strength=settings.light)
    if pool is not None and rng.random() < settings.exchange:
        sample = exchange_digits(sample, pool, rng)
    if settings.moved_point and rng.random() < settings.moved_point:
        sample = move_point(sample, rng)
    h, w = sample.image.shape[:2]
    source = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    error = rng.normal(0, settings.jitter, (4, 2)) + rng.normal(0, settings.shift, 2)
    growth = 1 + rng.normal(0, 0.04, 2)
    if settings.loose and rng.random() < settings.loose:
        side = [0, 3] if rng.random() < 0.5 else [1, 2]
        error[side, 0] += rng.normal(0, settings.loose_by)
    cut = (source - source.mean(0)) * growth + source.mean(0) + error * h
    target = np.array([[0, 0], [size[1], 0], [size[1], size[0]], [0, size[0]]], np.float32)
    matrix = cv2.getPerspectiveTransform(cut.astype(np.float32), target)
    border = cv2.BORDER_REPLICATE if rng.random() < 0.8 else cv2.BORDER_REFLECT_101
    view = _warp(sample.image, _shift(room) @ matrix, grown(size, room), size[0] / h, border)
    if rng.random() < settings.negative:
        view = 255 - view
    if settings.far_away and rng.random() < settings.far_away:
        view = far_away(view, rng)
    if settings.turned and rng.random() < settings.turned:
        return light(np.ascontiguousarray(view[::-1, ::-1]), rng), np.zeros((0, 4), np.float32), sample.labels[:0]
    boxes = warp_boxes(sample.boxes, matrix)
    boxes, labels = _clip_boxes(boxes, sample.labels, size)
    view = light(view, rng)
    if settings.fade and rng.random() < settings.fade:  # last: what changes the light would leave nothing of it
        view = fade(view, rng)
    return view, boxes, labels


def plain_display(sample: Stage2Sample, size: tuple[int, int]) -> tuple[UInt8, Float32]:
    """The display as the reader shows it to the network: stretched to the input size by `stretch`.

    Returns:
        The view (height, width, 3) uint8 and the boxes (N, 4) float32 xyxy in its pixels.
    """
    h, w = sample.image.shape[:2]
    return stretch(sample.image, size), (sample.boxes * [size[1] / w, size[0] / h, size[1] / w, size[0] / h]).astype(
        np.float32
    )


def stretch(display: UInt8, size: tuple[int, int]) -> UInt8:
    """A rectified display (h, w, 3) uint8, stretched to (height, width) with the sampling of `reader.geometry.warp`.

    That is how the reader draws a display out of a photo. A photo goes on outside of the display, so the edge is
    continued here; without that the outermost pixels would be mixed with black.
    """
    h, w = display.shape[:2]
    scaled = np.diag([size[1] / w, size[0] / h, 1.0])
    room = 1
    framed = cv2.copyMakeBorder(display, room, room, room, room, cv2.BORDER_REPLICATE)
    return warp(framed, scaled @ _move(-room), size)


def _clip_boxes(boxes: Float32, labels: np.ndarray, size: tuple[int, int]) -> tuple[Float32, np.ndarray]:
    """Boxes inside the view; a digit of which under two fifths is left is no digit any more."""
    clipped = np.clip(boxes, 0, [size[1], size[0], size[1], size[0]]).astype(np.float32)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    left = np.clip(clipped[:, 2:] - clipped[:, :2], 0, None).prod(-1)
    keep = (left > 0.4 * area) & (left > 4)
    keep |= (labels == FLOATP_ID) & (left > 16)
    return clipped[keep], labels[keep]
