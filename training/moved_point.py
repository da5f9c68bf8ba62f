"""Displays with another number of decimals: where a meter has three of them, counting from the right is never wrong.

A network that counts reads the next maker's meter wrong. Where the decimals have colours of their own, drums of the
other kind are copied over some, so that only the colours tell. They are copied with all that lies above and below them:
what is left of a red drum around a black one would tell another number than the label.
"""

from __future__ import annotations

import cv2
import numpy as np

from reader.colours import cut, ground_and_ink
from reader.symbols import DIGITS, FLOATP_ID
from reader.types import UInt8
from training.datasets import Stage2Sample
from training.display_texts import digit_row

Rng = np.random.Generator

#: Least difference of hue and saturation, in CIE a* and b* of 8 bits, that a person sees at once ...
_CLEAR = 9.0
#: ... and in how far digits of one kind lie from their mean, as light falling differently on them makes them.
_SPREADS = 2.5
#: The same for the lightness of their ground, L* of 8 bits: light and shadow make smaller differences.
_LIGHTER = 60.0
_SMALLEST = 6
#: A drum is copied over one at most so much wider or narrower.
_STRETCH = 1.35


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
    if not _told_apart(colours, first) or (sample.labels[sample.labels >= len(DIGITS)] != FLOATP_ID).any():
        return sample
    cells = _cells(boxes, sample.image.shape[:2])
    if _framed(sample.image, cells, first):
        return sample
    edges = np.clip(cells[:, [0, 2]].round().astype(int), 0, sample.image.shape[1])  # (n, 2) first and last column
    widths = edges[:, 1] - edges[:, 0]
    donors = np.arange(first, len(row)) if new < first else np.arange(first)
    places = np.arange(min(first, new), max(first, new))
    if widths.min() < _SMALLEST or widths[donors].max() > _STRETCH * widths[places].min():
        return sample
    image, digits = sample.image.copy(), [digit for _, digit in row]
    moved = boxes.copy()
    for place in places:
        donor = int(rng.choice(donors))
        image[:, slice(*edges[place])], moved[place] = _copied(sample.image, boxes, edges, donor, int(place))
        digits[place] = row[donor][1]
    return _with_point(sample.name, image, moved, digits, len(row) - new)


def _copied(image: UInt8, boxes: np.ndarray, edges: np.ndarray, donor: int, place: int) -> tuple[UInt8, np.ndarray]:
    """The columns of one drum, from top to bottom, as they look at another's place, and the digit's box there."""
    (start, end), (left, right) = edges[donor], edges[place]
    wide = (right - left) / (end - start)
    columns = cv2.resize(image[:, start:end], (right - left, image.shape[0]), interpolation=cv2.INTER_AREA)
    x1, y1, x2, y2 = boxes[donor]
    return columns, np.array([left + (x1 - start) * wide, y1, left + (x2 - start) * wide, y2], np.float32)


def _with_point(name: str, image: UInt8, boxes: np.ndarray, digits: list[int], decimals: int) -> Stage2Sample:
    labels = np.array(digits)
    if decimals:
        after = boxes[-decimals:]
        area = np.concatenate([after[:, :2].min(0), after[:, 2:].max(0)])
        boxes, labels = np.vstack([boxes, area[None]]), np.append(labels, FLOATP_ID)
    height, width = image.shape[:2]
    boxes = np.clip(boxes, 0, (width, height, width, height))
    return Stage2Sample(image=image, boxes=boxes.astype(np.float32), labels=labels, name=name)


def _told_apart(colours: np.ndarray, first: int) -> bool:
    """Whether the decimals' ground or ink, (n, 2, 3) RGB, differs from other digits' in colour, or in lightness."""
    looks = cv2.cvtColor(np.clip(colours, 0, 255).astype(np.uint8), cv2.COLOR_RGB2LAB).astype(np.float32)
    tints, lightness = looks[..., 1:], looks[:, :1, :1]  # (n, 2, 2) of ground and ink; (n, 1, 1) of the ground
    return _apart(tints, first, _CLEAR) or _apart(lightness, first, _LIGHTER)


def _apart(values: np.ndarray, first: int, least: float) -> bool:
    """Whether the means of any of (n, kinds, channels) before and from `first` differ by `least` and the spread."""
    parts = values[:first], values[first:]
    means = [part.mean(0) for part in parts]  # (kinds, channels) each
    gap = np.linalg.norm(means[1] - means[0], axis=-1)
    off = np.concatenate([part - mean for part, mean in zip(parts, means, strict=True)])
    spread = np.sqrt((off**2).sum(-1).mean(0))
    return bool(((gap >= least) & (gap >= _SPREADS * spread)).any())


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
