"""Displays with another number of decimals: where a meter has three of them, counting from the right is never wrong.

A network that counts reads the next maker's meter wrong. Where the decimals have colours of their own, drums are drawn
in the other kind's colours, so that only the colours tell.
"""

from __future__ import annotations

import cv2
import numpy as np

from reader.colours import cut, ground_and_ink
from reader.symbols import FLOATP_ID
from reader.types import UInt8
from training.datasets import Stage2Sample
from training.display_texts import digit_row
from training.recolour import painted

Rng = np.random.Generator

#: Least difference of hue and saturation, in CIE a* and b* of 8 bits, that a person sees at once ...
_CLEAR = 9.0
#: ... and in how far digits of one kind lie from their mean, as light falling differently on them makes them.
_SPREADS = 2.5
_SMALLEST = 6


def move_point(sample: Stage2Sample, rng: Rng) -> Stage2Sample:
    """The display with another number of decimals, sometimes none; as it came where colours don't tell them.

    Args:
        sample: a display with boxes.
        rng: source of chance.
    """
    row, decimals = digit_row(sample.boxes, sample.labels)
    boxes = np.array([box for box, _ in row], np.float32).reshape(-1, 4)
    if not decimals or decimals >= len(row) or (boxes[:, 2:] - boxes[:, :2]).min() < _SMALLEST:
        return sample
    first = len(row) - decimals
    new = len(row) - int(rng.integers(0, min(decimals + 2, len(row))))
    if new == first:
        return sample
    colours = np.array([ground_and_ink(cut(sample.image, box))[1:] for box in boxes], np.float32)  # (n, 2, 3)
    told_by_ground, told_by_ink = _told_apart(colours, first)
    if not (told_by_ground or told_by_ink):
        return sample
    cells = _cells(boxes, sample.image.shape[:2]) if told_by_ground else boxes
    if _framed(sample.image, cells, first):
        return sample
    image = sample.image.copy()
    ground, ink = colours[first if new < first else first - 1]
    for place in range(min(first, new), max(first, new)):
        cell = cut(image, cells[place])
        cell[...] = painted(cell, ground, ink)
    return _with_point(sample, image, boxes[new:])


def _with_point(sample: Stage2Sample, image: UInt8, decimals: np.ndarray) -> Stage2Sample:
    kept = sample.labels != FLOATP_ID
    boxes, labels = sample.boxes[kept], sample.labels[kept]
    if len(decimals):
        area = np.concatenate([decimals[:, :2].min(0), decimals[:, 2:].max(0)])
        boxes, labels = np.vstack([boxes, area[None]]), np.append(labels, FLOATP_ID)
    return Stage2Sample(image=image, boxes=boxes.astype(np.float32), labels=labels, name=sample.name)


def _told_apart(colours: np.ndarray, first: int) -> tuple[bool, bool]:
    """Whether the decimals' ground, and whether their ink, (n, 2, 3) RGB, has another colour than other digits'."""
    tints = cv2.cvtColor(np.clip(colours, 0, 255).astype(np.uint8), cv2.COLOR_RGB2LAB)[..., 1:].astype(np.float32)
    kinds = tints[:first], tints[first:]
    means = [kind.mean(0) for kind in kinds]  # (2, 2) each
    gap = np.linalg.norm(means[1] - means[0], axis=-1)  # (2,)
    off = np.concatenate([kind - mean for kind, mean in zip(kinds, means, strict=True)])
    spread = np.sqrt((off**2).sum(-1).mean(0))
    ground, ink = (gap >= _CLEAR) & (gap >= _SPREADS * spread)
    return bool(ground), bool(ink)


def _framed(image: UInt8, cells: np.ndarray, first: int) -> bool:
    """Whether what lies above and below the digits tells the decimals too, such as a red frame around them."""
    top, bottom = max(int(cells[:, 1].min()), 0), int(np.ceil(cells[:, 3].max()))
    for rows in (image[:top], image[bottom:]):
        if not len(rows):
            continue
        tints = cv2.cvtColor(rows, cv2.COLOR_RGB2LAB)[..., 1:].astype(np.float32)
        columns = [tints[:, max(int(x1), 0) : int(np.ceil(x2))] for x1, x2 in cells[:, [0, 2]]]
        means = np.array([c.mean((0, 1)) if c.size else (128, 128) for c in columns])  # (n, 2)
        if np.linalg.norm(means[first:].mean(0) - means[:first].mean(0)) >= _CLEAR / 2:
            return True
    return False


def _cells(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Boxes grown to the middles between neighbours, and by as much at the ends and a little up and down."""
    cells = boxes.copy()
    half = np.maximum(boxes[1:, 0] - boxes[:-1, 2], 0) / 2
    room = float(np.median(half)) if len(half) else 0.0
    cells[:, 0] -= np.append(room, half)
    cells[:, 2] += np.append(half, room)
    taller = 0.12 * (boxes[:, 3] - boxes[:, 1])
    cells[:, 1], cells[:, 3] = np.maximum(boxes[:, 1] - taller, 0), np.minimum(boxes[:, 3] + taller, size[0])
    return cells
