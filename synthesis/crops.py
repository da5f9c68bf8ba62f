"""Rectified displays made directly, without the photo around them: many and fast, for stage 2."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from reader.geometry import MARGIN, box_corners
from reader.types import UInt8
from synthesis.display import draw_display
from synthesis.legibility import decimals_show


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
        if decimals_show(art.image, box_corners((0, 0, w, h)), art):
            break
    room = round(MARGIN * h)
    style = rng.random()
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
    return MadeDisplay(image, boxes, art.reading, art.kind)
