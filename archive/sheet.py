"""A sheet of photos that gave no reading, with what was seen on each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from archive.journal import Journal
from archive.rows import result_of
from archive.storage import read_bytes
from reader.draw import INK, WHITE, panel
from reader.image import ImageError, load_image, resize
from reader.types import UInt8

#: Photos on a sheet, at most, and how many in a row.
MOST, _COLUMNS = 36, 6
#: Height and width of a photo's room, and height of the line below it, in pixels.
_CELL = (300, 240)
_CAPTION = 20
_GAP = 6


def refused_sheet(journal: Journal, numbers: Sequence[int]) -> UInt8:
    """Draws photos that gave no reading, spread evenly over all of them.

    Args:
        journal: with all parts finished.
        numbers: places of the refused photos in the list.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    chosen = list(numbers)
    if len(chosen) > MOST:
        chosen = [chosen[int(place)] for place in np.linspace(0, len(chosen) - 1, MOST)]
    cells = [_cell(journal, number) for number in chosen]
    columns = min(_COLUMNS, len(cells))
    height, width = _CELL[0] + _CAPTION + _GAP, _CELL[1] + _GAP
    sheet = np.full((math.ceil(len(cells) / columns) * height + _GAP, columns * width + _GAP, 3), INK, np.uint8)
    for place, cell in enumerate(cells):
        top, left = place // columns * height + _GAP, place % columns * width + _GAP
        sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return sheet


def _cell(journal: Journal, number: int) -> UInt8:
    """One photo with its headline, and its name below: (300 + 20, 240, 3) uint8."""
    part, place = divmod(number, journal.part_size)
    photo = journal.photos(part).slice(place, 1).to_pylist()[0]
    row = journal.read_part(part).slice(place, 1).to_pylist()[0]
    cell = np.full((_CELL[0] + _CAPTION, _CELL[1], 3), INK, np.uint8)
    try:
        data = read_bytes(photo["location"], photo["offset"], photo["size"], photo["path"])
        picture = panel(load_image(data), result_of(row), width=2 * _CELL[1])
    except ImageError:  # it went away after it was read; the cell stays dark
        picture = np.full((_CELL[1], _CELL[1], 3), INK, np.uint8)
    scale = min(_CELL[0] / picture.shape[0], _CELL[1] / picture.shape[1])
    picture = resize(picture, (max(1, int(picture.shape[0] * scale)), max(1, int(picture.shape[1] * scale))))
    left = (_CELL[1] - picture.shape[1]) // 2
    cell[: picture.shape[0], left : left + picture.shape[1]] = picture
    name = photo["path"].encode("ascii", "replace").decode()  # OpenCV's fonts know no more
    name = name if len(name) <= 34 else f"...{name[-31:]}"  # names differ at their end
    cv2.putText(cell, name, (2, _CELL[0] + 14), cv2.FONT_HERSHEY_SIMPLEX, 0.38, WHITE, 1, cv2.LINE_AA)
    return cell
