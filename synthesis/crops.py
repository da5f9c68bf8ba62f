"""Rectified displays made directly, without the photo around them: many and fast, for stage 2."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from reader.geometry import MARGIN, box_corners, homography_between, rectify, warp_boxes, warp_points
from reader.image import resize
from reader.types import UInt8
from synthesis.camera import edge_homography
from synthesis.display import Box, DisplayArt, draw_display
from synthesis.legibility import decimals_show, digits_show
from synthesis.meter import MeterPhoto

#: Share of LCDs cut out close around the digits, as people and detectors cut them, sometimes through the outer ones.
_TIGHT = 0.35
#: Share of LCDs that are turned a little within their cut.
_AS_FOUND = 0.25
#: Least visible share of a point's box; of less nobody could tell.
_SEEN = 0.6


@dataclass(frozen=True)
class MadeDisplay:
    """A display with the margin that a rectified display has.

    Attributes:
        image: (h, w, 3) uint8 RGB.
        boxes: (x1, y1, x2, y2, class name) in pixels of `image`.
        reading: such as "00123.456".
        kind: "analog" or "digital".
    """

    image: UInt8
    boxes: tuple[tuple[float, float, float, float, str], ...]
    reading: str
    kind: str


def make_display(rng: np.random.Generator, kind: str | None = None) -> MadeDisplay:
    """A display and a strip of what is around it: a bezel, the face, or more of the same."""
    while True:
        art = draw_display(rng, kind)
        h, w = art.image.shape[:2]
        edges = box_corners((0, 0, w, h))
        if digits_show(art.image, edges, art) and decimals_show(art.image, edges, art):
            break
    tight = art.kind == "digital" and rng.random() < _TIGHT
    if tight:
        art = _cut_at_digits(art, rng)
        h, w = art.image.shape[:2]
    room = round(MARGIN * h)
    style = 0.0 if tight else rng.random()  # of what is cut out tightly only the edge goes on
    if style < 0.25:
        image = cv2.copyMakeBorder(art.image, room, room, room, room, cv2.BORDER_REPLICATE)
    else:
        face = rng.uniform(20, 240) + rng.normal(0, 12, 3)
        noise = rng.normal(0, rng.uniform(0.5, 6), (h + 2 * room, w + 2 * room, 1))
        image = np.clip(face + noise, 0, 255).astype(np.uint8)
        if style < 0.7:
            frame = int(rng.integers(1, room + 1))
            tone = np.clip(rng.choice([25.0, 60.0, 210.0]) + rng.normal(0, 15, 3), 0, 255)
            cv2.rectangle(
                image, (room - frame, room - frame), (room + w + frame - 1, room + h + frame - 1), tone.tolist(), -1
            )
            image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 2)))
        image[room : room + h, room : room + w] = art.image
    boxes = tuple((x1 + room, y1 + room, x2 + room, y2 + room, c) for x1, y1, x2, y2, c in art.boxes)
    if art.kind == "digital" and rng.random() < _AS_FOUND:
        image, boxes = _as_found(image, boxes, room, rng)
    return MadeDisplay(image, boxes, art.reading, art.kind)


def shrunk(made: MadeDisplay, height: int, width: float = np.inf) -> MadeDisplay:
    """The display no higher and no wider than so many pixels, its shape kept."""
    h, w = made.image.shape[:2]
    scale = min(1.0, height / h, width / w)
    image = resize(made.image, (max(1, round(h * scale)), max(1, round(w * scale)))) if scale < 1 else made.image
    high, wide = image.shape[:2]
    xyxy = np.array([box[:4] for box in made.boxes], np.float64).reshape(-1, 4) * (
        wide / w,
        high / h,
        wide / w,
        high / h,
    )
    return replace(made, image=image, boxes=_named(np.clip(xyxy, 0, (wide, high, wide, high)), made.boxes))


def cut_out(photo: MeterPhoto) -> MadeDisplay:
    """The display of a made photo, rectified along its true corners.

    Raises:
        ValueError: a photo without a display that can be read.
    """
    if photo.corners is None or photo.reading is None or photo.counter_class is None:
        raise ValueError(f"a photo of a display that can be read wanted; {photo.counter_class} came")
    crop, to_crop = rectify(photo.image, photo.corners, MARGIN)
    h, w = photo.display_size
    to_photo = homography_between([[0, 0], [w, 0], [w, h], [0, h]], photo.corners)
    xyxy = np.array([box[:4] for box in photo.boxes], np.float64).reshape(-1, 4)
    quads = warp_points(warp_points(box_corners(xyxy), to_photo), to_crop)
    boxes = np.concatenate([quads.min(axis=-2), quads.max(axis=-2)], axis=-1)
    high, wide = crop.shape[:2]
    boxes = np.clip(boxes, 0, (wide, high, wide, high))
    return MadeDisplay(crop, _named(boxes, photo.boxes), photo.reading, photo.counter_class)


def _named(places: np.ndarray, boxes: tuple[Box, ...]) -> tuple[Box, ...]:
    return tuple((*place, box[4]) for place, box in zip(places.tolist(), boxes, strict=True))


def _as_found(
    image: UInt8, boxes: tuple[Box, ...], room: int, rng: np.random.Generator
) -> tuple[UInt8, tuple[Box, ...]]:
    """A display turned a little within its cut, as an upright box around it has it: its surroundings in the corners."""
    h, w = image.shape[:2]
    corners = box_corners((0, 0, w, h))  # (4, 2)
    rise = rng.normal(0, 0.11) * (h - 2 * room) / 2
    moved = corners + np.array([(0, -rise), (0, rise), (0, rise), (0, -rise)]) + rng.normal(0, 0.03 * h, (4, 2))
    matrix = homography_between(corners, moved)
    tone = rng.choice([15.0, 60.0, 130.0, 230.0]) + rng.normal(0, 15, 3)
    border = cv2.BORDER_REPLICATE if rng.random() < 0.5 else cv2.BORDER_CONSTANT
    view = cv2.warpPerspective(
        image,
        edge_homography(matrix),
        (w, h),
        flags=cv2.INTER_LINEAR,
        borderMode=border,
        borderValue=np.clip(tone, 0, 255).tolist(),
    )
    return view, _named(np.clip(warp_boxes([box[:4] for box in boxes], matrix), 0, (w, h, w, h)), boxes)


def _cut_at_digits(art: DisplayArt, rng: np.random.Generator) -> DisplayArt:
    """What is left of an LCD when little more than the digits is cut out."""
    h, w = art.image.shape[:2]
    digits = art.digits
    wide, high = np.median(digits[:, 2] - digits[:, 0]), digits[:, 3].max() - digits[:, 1].min()
    x1, x2 = digits[:, 0].min() - rng.uniform(-0.25, 0.5) * wide, digits[:, 2].max() + rng.uniform(-0.25, 0.7) * wide
    y1, y2 = digits[:, 1].min() - rng.uniform(-0.05, 0.15) * high, digits[:, 3].max() + rng.uniform(-0.05, 0.15) * high
    left, top, right, bottom = max(0, round(x1)), max(0, round(y1)), min(w, round(x2)), min(h, round(y2))
    boxes = []
    for bx1, by1, bx2, by2, name in art.boxes:
        cx1, cy1, cx2, cy2 = max(bx1, left), max(by1, top), min(bx2, right), min(by2, bottom)
        seen = max(0.0, cx2 - cx1) * max(0.0, cy2 - cy1) / ((bx2 - bx1) * (by2 - by1))
        if name != "point" or seen >= _SEEN:
            boxes.append((cx1 - left, cy1 - top, cx2 - left, cy2 - top, name))
    return DisplayArt(art.image[top:bottom, left:right], tuple(boxes), art.reading, art.kind)
