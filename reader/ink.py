"""Drawings on an empty canvas: where the ink is, cut out and as thick as the networks know it.

A number drawn with mouse, pen or finger may stand anywhere on a canvas, small or large, with a pen of any width. The
line readers know lines that fill their picture. Photographs and scans are left as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from reader.geometry import box_corners
from reader.image import Source, load_image
from reader.line_image import border_colour
from reader.lines import NO_TEXT, LineReader, LineResult
from reader.types import UInt8

#: Pixels differ from a canvas by no more than this in any channel, and from ink by at least that.
_SAME, _INK = 8, 48
#: A canvas shows at least this part of a drawing; a photographed paper is never so even.
_LEAST_CANVAS = 0.6
#: Ink that takes more of the picture's height and width than this fills it: nothing is to be cut.
_FILLS = 0.7
#: A mark smaller than this part of the tallest one is a slip of the hand, unless it lies among the others.
_SPECK = 0.15
#: Room around the ink, and the thinnest line, in heights of the ink.
_MARGIN, _THINNEST = 0.2, 0.04


@dataclass(frozen=True)
class Drawing:
    """What was drawn.

    Attributes:
        pixels: (h, w, 3) uint8 RGB, the ink with a little room around it.
        left: x of its left edge in pixels of the whole picture; may lie outside.
        top: y of its upper edge.
    """

    pixels: UInt8
    left: int
    top: int


def cut_drawing(image: UInt8) -> Drawing | None:
    """The drawing on an empty canvas.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        The drawing; of an empty canvas one without pixels, (0, 0, 3); None for a picture that is no drawing, or whose
        ink fills it already.
    """
    canvas = border_colour(image)
    distance = np.abs(image.astype(np.int16) - canvas).max(axis=2)  # (H, W)
    if float((distance <= _SAME).mean()) < _LEAST_CANVAS:
        return None
    ink = (distance >= _INK).astype(np.uint8)
    if not ink.any():
        return Drawing(image[:0, :0], 0, 0)
    left, top, right, bottom = _extent(ink)
    height = bottom - top
    thickened = _thickened(image, ink, height)
    if thickened is image and height > _FILLS * image.shape[0] and right - left > _FILLS * image.shape[1]:
        return None
    room = max(2, round(_MARGIN * height))
    pixels = np.empty((height + 2 * room, right - left + 2 * room, 3), np.uint8)
    pixels[:] = canvas
    # The part of the wanted room that lies on the picture; beyond its edges there is canvas.
    x0, y0 = max(0, left - room), max(0, top - room)
    part = thickened[y0 : bottom + room, x0 : right + room]
    x, y = x0 - (left - room), y0 - (top - room)
    pixels[y : y + part.shape[0], x : x + part.shape[1]] = part
    return Drawing(pixels, left - room, top - room)


def read_drawing(
    reader: LineReader,
    source: Source,
    n_best: int = 1,
    beam: int | None = None,
    pattern: str | None = None,
    min_confidence: float | None = None,
    name: str = "",
) -> LineResult:
    """The reading of a picture that may be a drawing on a large empty canvas; see `LineReader.read`.

    Boxes are in pixels of the whole picture, and of a drawing they lie around the ink of each digit: the network only
    tells about where a digit is. On an empty canvas there is no text.

    Raises:
        ImageError: the source is no readable picture.
        ValueError: a pattern that cannot be understood.
    """
    image = load_image(source)
    drawing = cut_drawing(image)
    if drawing is not None and not drawing.pixels.size:
        height, width = image.shape[:2]
        return LineResult(name, reader.settings.task, reason=NO_TEXT, original_image_shape=(height, width, 3))
    pixels = image if drawing is None else drawing.pixels
    result = reader.read(pixels, n_best, beam, pattern, min_confidence, name)
    if drawing is None:
        return result
    height, width = image.shape[:2]
    boxes = _boxes(_ink(pixels), [float(each.box[:, 0].mean()) for each in result.characters])
    shift = np.array([drawing.left, drawing.top, drawing.left, drawing.top])
    boxes = np.clip(boxes + shift, 0, (width, height, width, height))
    moved = tuple(
        replace(each, box=box_corners(box).astype(np.float32))
        for each, box in zip(result.characters, boxes, strict=True)
    )
    return replace(result, characters=moved, original_image_shape=(height, width, 3))


def _boxes(ink: UInt8, centres: list[float]) -> npt.NDArray[np.float64]:
    """The ink around each of these x, left to right: (N, 4) x0, y0, x1, y1 in pixels of the (H, W) mask.

    A mark belongs to the digit whose middle it is nearest to; marks that several digits share, because they touch,
    are divided half way between their middles.
    """
    height, width = ink.shape
    middles = np.asarray(centres, np.float64)  # (N,)
    owner = np.abs(np.arange(width)[:, None] + 0.5 - middles).argmin(axis=1) if centres else np.zeros(width, int)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    owners = np.broadcast_to(owner, ink.shape).copy()  # (H, W): whose each pixel is
    for label, (x, _, w, _, _) in enumerate(boxes[1:], 1):
        touched = (middles >= x) & (middles <= x + w)
        if touched.sum() <= 1 and centres:
            mine = int(touched.argmax()) if touched.any() else int(np.abs(middles - (x + w / 2)).argmin())
            owners[labels == label] = mine
    found = []
    for number, middle in enumerate(centres):
        rows, columns = np.nonzero((ink > 0) & (owners == number))
        if len(rows):
            found.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
        else:
            found.append((middle, 0, middle, height))
    return np.array(found, np.float64).reshape(-1, 4)


def _ink(image: UInt8) -> UInt8:
    """(H, W) uint8, 1 where an (H, W, 3) picture differs from its border as ink does."""
    distance = np.abs(image.astype(np.int16) - border_colour(image)).max(axis=2)
    return np.asarray(distance >= _INK, np.uint8)


def _extent(ink: UInt8) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the marks of an (H, W) mask; specks apart from the others do not count."""
    _, _, boxes, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    boxes = boxes[1:, :4]  # x, y, width, height; the first is what is not ink
    sides = boxes[:, 2:].max(axis=1)
    kept = boxes[sides >= _SPECK * sides.max()]
    left, top = kept[:, :2].min(axis=0)
    right, bottom = (kept[:, :2] + kept[:, 2:]).max(axis=0)
    return int(left), int(top), int(right), int(bottom)


def _thickened(image: UInt8, ink: UInt8, height: int) -> UInt8:
    """The picture with lines of at least `_THINNEST` heights: thinner ones would fade when the picture shrinks."""
    missing = round(_THINNEST * height - _pen(ink))
    if missing < 1:
        return image
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (missing + 1, missing + 1))
    brighter = float(image[ink > 0].mean()) > float(image[ink == 0].mean())
    grown = cv2.dilate(image, kernel) if brighter else cv2.erode(image, kernel)
    return np.asarray(grown, np.uint8)


def _pen(ink: npt.NDArray[np.uint8]) -> float:
    """The width of the pen in pixels: over a line of width w, distances to its edges have the mean w / 4."""
    distances = cv2.distanceTransform(np.pad(ink, 1), cv2.DIST_L2, 3)
    return 4 * float(distances[distances > 0].mean()) - 1
