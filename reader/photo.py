"""A photo that is decoded as finely as it is looked at.

Phones take 12 megapixels and more, and the networks see a small part of them. A JPEG can be decoded at a half, a
quarter or an eighth of its size for a fraction of the time (its blocks are shrunk in the frequency domain, libjpeg's
DCT scaling). So the whole photo is looked at in such a coarse picture; what is cut out is drawn from it too, unless it
is so small on the photo that details would be lost. All coordinates are those of the whole photo.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from reader.geometry import shrinking, warp
from reader.header import Header, read_header
from reader.image import MAX_PIXELS, Source, decode_image, encoded_source, load_image, mirrored, resize
from reader.types import UInt8

#: The longer side of the coarse picture has at least this many pixels: large enough for nearly all displays to be read
#: from, since decoding twice is what takes time.
OVERVIEW = 1536
#: A picture is fine enough to be drawn from when it has so many pixels, along each axis, for a pixel of the result: of
#: 244 made displays at least as many were read right with 1, 1.25, 1.5 and 2 as from the whole photo.
ENOUGH = 1.0
#: The whole photo is halved before it is shrunk to the overview, again and again while along each axis half as many
#: pixels as this are left for a pixel of the overview.
_HALVED = 4.0
#: The coarsest level there is: libjpeg goes no further.
_COARSEST = 8


@dataclass(frozen=True)
class Level:
    """A photo at a whole fraction of its size.

    Attributes:
        pixels: (h, w, 3) uint8 RGB, h = H / by and w = W / by rounded up.
        by: photo pixels per pixel, 1, 2, 4 or 8.
        left: x of the level's left edge in photo pixels: not 0 where a mirrored photo has a part of a pixel there.
        top: y of its upper edge in photo pixels.
    """

    pixels: UInt8
    by: int
    left: int = 0
    top: int = 0

    @property
    def to_photo(self) -> npt.NDArray[np.float64]:
        """(3, 3), pixels of the level to photo pixels."""
        return np.array([[self.by, 0, self.left], [0, self.by, self.top], [0, 0, 1]], np.float64)


class Photo:
    """A photo (H, W, 3) uint8 RGB, upright, whose pixels are made when they are asked for.

    Attributes:
        shape: (H, W, 3) of the whole photo.
    """

    def __init__(self, shape: tuple[int, int, int], decode: Callable[[int], Level], decoded: int) -> None:
        """A photo that is still to be decoded.

        Args:
            shape: (H, W, 3) of the whole photo.
            decode: gives the level 1 / by of its size.
            decoded: levels coarser than this one are averaged from it, which takes less time than decoding.
        """
        self.shape = shape
        self._decode = decode
        self._decoded = decoded
        self._levels: dict[int, Level] = {}

    @classmethod
    def of(cls, photo: UInt8 | Photo) -> Photo:
        """A photo (H, W, 3) uint8 RGB that is decoded already; a `Photo` stays what it is."""
        if isinstance(photo, Photo):
            return photo
        height, width = photo.shape[:2]
        whole = Level(photo, 1)
        return cls((height, width, 3), lambda by: whole, 1)

    @property
    def pixels(self) -> UInt8:
        """The whole photo, (H, W, 3) uint8 RGB.

        Raises:
            ImageError: it cannot be decoded.
        """
        return self.level(1).pixels

    def level(self, by: int) -> Level:
        """The photo at 1 / `by` of its size; by is 1, 2, 4 or 8."""
        if by not in self._levels:
            if by > self._decoded:
                finer = self.level(by // 2)
                self._levels[by] = replace(finer, pixels=_halved(finer.pixels), by=by)
            else:
                self._levels[by] = self._decode(by)
        return self._levels[by]

    def overview(self, size: int) -> tuple[UInt8, npt.NDArray[np.float64]]:
        """The whole photo with its longer side stretched or shrunk to `size` pixels, and the (3, 3) way back."""
        shrinks = max(self.shape) / size
        by = self._fine_enough(shrinks)
        # Halving is fast, averaging over other areas is not: the overview of 2 megapixels takes 1.9 instead of 4.3 ms.
        while by < _COARSEST and shrinks >= _HALVED * by:
            by *= 2
        level = self.level(by)
        height, width = level.pixels.shape[:2]
        scale = size / max(height, width)
        small = resize(level.pixels, (max(1, round(height * scale)), max(1, round(width * scale))))
        return small, level.to_photo @ np.diag([width / small.shape[1], height / small.shape[0], 1.0])

    def warp(self, homography: npt.NDArray[np.float64], size: tuple[int, int]) -> UInt8:
        """The photo drawn through a homography from photo pixels; see `reader.geometry.warp`."""
        level = self.level(self._fine_enough(shrinking(homography, size)))
        return warp(level.pixels, homography @ level.to_photo, size)

    def _fine_enough(self, shrinks: float) -> int:
        """The coarsest level for a result that has one pixel for `shrinks` photo pixels; small photos have but one."""
        by = _COARSEST if coarsest(self.shape) > 1 else 1
        while by > 1 and shrinks < ENOUGH * by:
            by //= 2
        return by


def open_photo(source: Source, max_pixels: int = MAX_PIXELS) -> Photo:
    """A photo from any source that `reader.image.load_image` takes.

    A large JPEG is decoded coarsely, so that a broken one is found here; anything else is decoded whole.

    Raises:
        ImageError: no readable picture.
    """
    if isinstance(source, np.ndarray):
        return Photo.of(load_image(source, max_pixels))
    data, name = encoded_source(source)
    header = _jpeg_header(data)
    if header is None or coarsest((header.height, header.width)) == 1:
        return Photo.of(decode_image(data, name, max_pixels))
    turned = header.orientation >= 5
    height, width = (header.width, header.height) if turned else (header.height, header.width)
    mirror_x, mirror_y = mirrored(header.orientation)

    def decode(by: int) -> Level:
        pixels = decode_image(data, name, max_pixels, by)
        # libjpeg rounds sizes up: the last pixels of a stored row and column cover more than is there.
        left = width - by * pixels.shape[1] if mirror_x else 0
        top = height - by * pixels.shape[0] if mirror_y else 0
        return Level(pixels, by, left, top)

    overview = coarsest((height, width))
    photo = Photo((height, width, 3), decode, overview)
    photo.level(overview)
    return photo


def coarsest(shape: tuple[int, ...]) -> int:
    """The largest part, of 1, 2, 4 and 8, in which a photo (H, W, ...) keeps enough pixels."""
    by = _COARSEST
    while by > 1 and max(shape[:2]) < OVERVIEW * by:
        by //= 2
    return by


def _jpeg_header(data: bytes) -> Header | None:
    """The header of a JPEG; None for anything else, and for what is broken."""
    try:
        header = read_header(data)
    except ValueError:
        return None
    return header if header is not None and header.format == "jpeg" else None


def _halved(pixels: UInt8) -> UInt8:
    """Means of 2 x 2 pixels; those that reach over the edge take its pixels again."""
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        pixels = np.asarray(cv2.copyMakeBorder(pixels, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE), np.uint8)
    return resize(pixels, ((height + 1) // 2, (width + 1) // 2))
