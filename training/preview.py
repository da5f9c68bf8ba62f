"""Contact sheets of labelled samples: what the network is going to see, with its labels drawn in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reader.image import encode_png, resize, write_atomic
from reader.types import UInt8

#: A colour per class (RGB), distinct on grey and white dials; reused in a circle.
COLOURS = ((60, 220, 60), (70, 160, 255), (255, 160, 40), (255, 70, 70), (220, 90, 255), (60, 230, 230), (240, 230, 60))
_GAP = 6
_CAPTION = 18
_WORLD_SIZE = 12


@dataclass(frozen=True)
class Tile:
    """One sample of a sheet.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        shapes: (N, 4, 2) corners or (N, 4) xyxy, in pixels of `image`.
        class_ids: (N,) for the colours.
        texts: (N,) what is written at each shape.
        caption: the line below the picture.
    """

    image: UInt8
    shapes: npt.NDArray[np.floating]
    class_ids: npt.NDArray[np.int64]
    texts: Sequence[str]
    caption: str


def plain_tile(image: UInt8, caption: str) -> Tile:
    """A sample with nothing drawn into it."""
    return Tile(image, np.zeros((0, 4), np.float32), np.zeros(0, np.int64), [], caption)


def contact_sheet(tiles: Sequence[Tile], columns: int = 6, cell: tuple[int, int] = (240, 240)) -> UInt8:
    """Draws samples side by side.

    Args:
        tiles: the samples, row by row.
        columns: how many stand in a row.
        cell: height and width of the room for a picture in pixels; pictures are fitted in.

    Returns:
        (H, W, 3) uint8 RGB; one empty cell if there are no samples.
    """
    columns = max(1, min(columns, len(tiles)))
    rows = max(1, math.ceil(len(tiles) / columns))
    height, width = cell
    step_y, step_x = height + _CAPTION + _GAP, width + _GAP
    sheet = np.full((rows * step_y + _GAP, columns * step_x + _GAP, 3), 40, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = number // columns * step_y + _GAP, number % columns * step_x + _GAP
        picture = _drawn(tile, height, width)
        y, x = top + (height - picture.shape[0]) // 2, left + (width - picture.shape[1]) // 2
        sheet[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
        # A caption that is too long shows its end: names of photos differ there.
        caption = tile.caption if len(tile.caption) <= width // 7 else "..." + tile.caption[3 - width // 7 :]
        write_text(sheet, caption, (left, top + height + 13), (220, 220, 220))
    return sheet


def write_sheet(path: Path, tiles: Sequence[Tile], columns: int = 6, cell: tuple[int, int] = (240, 240)) -> None:
    """Writes a contact sheet as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, encode_png(contact_sheet(tiles, columns, cell)))


def evenly(samples: list[Any], most: int) -> list[Any]:
    """At most so many of the samples, spread over all of them."""
    if len(samples) <= most:
        return samples
    return [samples[int(place)] for place in np.linspace(0, len(samples) - 1, most)]


def _drawn(tile: Tile, height: int, width: int) -> UInt8:
    """The picture of a tile, fitted into the cell, with its shapes."""
    scale = min(height / tile.image.shape[0], width / tile.image.shape[1])
    size = max(1, round(tile.image.shape[0] * scale)), max(1, round(tile.image.shape[1] * scale))
    picture = resize(tile.image, size).copy()
    for shape, class_id, text in zip(tile.shapes, tile.class_ids, tile.texts, strict=True):
        colour = COLOURS[int(class_id) % len(COLOURS)]
        if shape.shape == (4,):
            left, top, right, bottom = shape
            shape = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        points = np.round(shape * scale).astype(np.int32)
        cv2.polylines(picture, [points], True, colour, 1, cv2.LINE_AA)
        if tile.shapes.ndim == 3:  # corners carry the orientation: mark the display's own top-left
            cv2.circle(picture, points[0].tolist(), 4, colour, -1, cv2.LINE_AA)
        x, y = points[:, 0].min(), points[:, 1].min() - 3
        write_text(picture, text, (int(max(0, x)), int(max(10, y))), colour)
    return picture


def write_text(picture: UInt8, text: str, place: tuple[int, int], colour: tuple[int, int, int]) -> None:
    """Writes into a picture, dark behind it; `place` is the x of the text's left end and the y of its baseline."""
    if not text:
        return
    if text.isascii():
        (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 1)
    else:
        _, top, width, height = cv2.getTextSize((0, 0), text, (0, 0), _world_font(), _WORLD_SIZE)
        height, below = max(height, _WORLD_SIZE), max(0, top + height)
    x, y = place
    cv2.rectangle(picture, (x, y - height - 1), (x + width, y + below - 2), (40, 40, 40), -1)
    if text.isascii():
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)
    else:
        cv2.putText(picture, text, place, colour, _world_font(), _WORLD_SIZE)


@lru_cache(maxsize=1)
def _world_font() -> cv2.FontFace:
    """OpenCV's font with Chinese and Cyrillic signs; the smaller one is sharper where it is enough."""
    return cv2.FontFace("uni")
