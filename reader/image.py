"""Pictures in and out: any file, bytes or array becomes an upright uint8 RGB photo; a photo becomes a network's input.

This is the one preprocessing that training and serving share. Normalisation belongs to the networks.

Coordinates are continuous everywhere in `reader`: (0, 0) is the outer corner of the first pixel, whose centre lies at
(0.5, 0.5), and (W, H) is the outer corner of the last one. A label in percent of the width is so in pixels by one
multiplication, and scaling a picture scales its points.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reader.header import Header, read_header
from reader.types import UInt8

#: Larger pictures are refused before they are decoded: 100 megapixels are 300 MB as RGB.
MAX_PIXELS = 100_000_000

_REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}

FORMATS = "JPEG, PNG, WebP, BMP, GIF, TIFF or HEIC"

Source = str | os.PathLike[str] | bytes | npt.NDArray[Any]


class ImageError(ValueError):
    """A source that is no readable picture. The message is one line and says what came."""


@dataclass(frozen=True)
class Letterbox:
    """How a picture was placed into a square, bars left and right or above and below.

    Attributes:
        scale_x: square pixels per photo pixel along x.
        scale_y: the same along y; differs from scale_x only by rounding to whole pixels.
        left: x of the photo's left edge in the square.
        top: y of the photo's upper edge in the square.
    """

    scale_x: float
    scale_y: float
    left: int
    top: int

    def forward(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Photo pixels to pixels of the square; (..., 2) xy in, the same shape out."""
        return np.asarray(points, np.float64) * (self.scale_x, self.scale_y) + (self.left, self.top)

    def inverse(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Pixels of the square to photo pixels; (..., 2) xy in, the same shape out."""
        return (np.asarray(points, np.float64) - (self.left, self.top)) / (self.scale_x, self.scale_y)


def load_image(source: Source, max_pixels: int = MAX_PIXELS) -> UInt8:
    """Any picture as an upright photo.

    EXIF rotation is applied, grey becomes RGB, transparency is laid over white, 16 bits become 8, CMYK becomes RGB.
    HEIC is read where the package pillow-heif is installed.

    Args:
        source: a file's path, an encoded file's bytes, or an array (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA
            of whole numbers 0 to 255 (uint16: 0 to 65535).
        max_pixels: the most pixels that are accepted; checked before decoding.

    Returns:
        (H, W, 3) uint8, RGB, contiguous.

    Raises:
        ImageError: missing or unreadable file, unknown format, broken or too large a picture, wrong array.
    """
    if isinstance(source, np.ndarray):
        _check_pixels(source.shape[1] * source.shape[0] if source.ndim >= 2 else 0, max_pixels)
        return _to_rgb(_to_uint8(source), "the array")
    return decode_image(*encoded_source(source), max_pixels)


def encoded_source(source: str | os.PathLike[str] | bytes) -> tuple[bytes, str]:
    """The bytes of an encoded picture and what errors call it.

    Raises:
        ImageError: missing or unreadable file.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), "the bytes"
    path = Path(source)
    try:
        return path.read_bytes(), str(path)
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from error


def letterbox(image: UInt8, size: int) -> tuple[UInt8, Letterbox]:
    """Fit a photo into a square, shape kept, centred, with black bars.

    Args:
        image: (H, W, C) uint8.
        size: side of the square in pixels.

    Returns:
        The square (size, size, C) uint8 and how points move into it and back.
    """
    height, width = image.shape[:2]
    scale = size / max(height, width)
    new_height, new_width = max(1, round(height * scale)), max(1, round(width * scale))
    resized = resize(image, (new_height, new_width))
    left, top = (size - new_width) // 2, (size - new_height) // 2
    square = np.zeros((size, size, image.shape[2]), np.uint8)
    square[top : top + new_height, left : left + new_width] = resized
    return square, Letterbox(new_width / width, new_height / height, left, top)


def resize(image: UInt8, size: tuple[int, int]) -> UInt8:
    """Stretch a picture (H, W, C) uint8 to size = (height, width): averaged when it shrinks, linear when it grows."""
    height, width = size
    if (height, width) == image.shape[:2]:
        return image
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8).reshape(height, width, *image.shape[2:])


def encode_jpeg(image: UInt8, quality: int = 92) -> bytes:
    """A JPEG file of an (H, W, 3) uint8 RGB picture."""
    return _encode(image, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])


def through_jpeg(image: UInt8, quality: int) -> UInt8:
    """A picture (H, W, 3) uint8 RGB as it comes back from a JPEG of that quality."""
    data = np.frombuffer(encode_jpeg(image, quality), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), np.uint8)


def encode_png(image: UInt8) -> bytes:
    """A PNG file of an (H, W, 3) uint8 RGB picture; keeps every pixel."""
    return _encode(image, ".png", [])


def write_atomic(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that a kill or a full disk leaves either the old file or the whole new one.

    Raises:
        OSError: the folder is missing or the disk is full; the file at `path` is as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _encode(image: UInt8, extension: str, options: list[int]) -> bytes:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"a picture to encode is (H, W, 3) uint8 RGB, not {image.shape} {image.dtype}")
    done, buffer = cv2.imencode(extension, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ValueError(f"a picture of shape {image.shape} cannot be written as {extension}")
    return bytes(buffer.tobytes())


def _check_pixels(pixels: int, max_pixels: int, name: str = "the array") -> None:
    if pixels > max_pixels:
        raise ImageError(f"{name}: {pixels / 1e6:.0f} megapixels; at most {max_pixels / 1e6:.0f} are read")


def decode_image(data: bytes, name: str, max_pixels: int = MAX_PIXELS, reduce: int = 1) -> UInt8:
    """A picture file as an upright photo; see `load_image`.

    Args:
        data: the file's bytes.
        name: what errors call it.
        max_pixels: the most pixels that are accepted; checked before decoding.
        reduce: 2, 4 or 8 decodes a JPEG to that part of its size, rounded up.

    Raises:
        ImageError: unknown format, broken or too large a picture.
    """
    if not data:
        raise ImageError(f"{name}: empty; wanted a picture ({FORMATS})")
    try:
        header = read_header(data)
    except ValueError as error:
        raise ImageError(f"{name}: broken picture: {error}") from error
    if header is None:
        raise ImageError(f"{name}: not a picture in a format that is read here ({FORMATS})")
    if header.format == "heif":
        return _decode_heif(data, name, max_pixels)
    if not header.width or not header.height:
        raise ImageError(f"{name}: broken {header.format.upper()} picture: no size in its header")
    _check_pixels(header.width * header.height, max_pixels, name)
    if not header.complete:
        raise ImageError(f"{name}: the end of the {header.format.upper()} file is missing")
    return _upright(_to_rgb(_to_uint8(_decode_pixels(data, header, name, reduce)), name), header.orientation)


def _decode_pixels(data: bytes, header: Header, name: str, reduce: int) -> npt.NDArray[Any]:
    """The stored pixels, (H, W), (H, W, 3) RGB or (H, W, 4) RGBA, of the file's own bit depth, not turned."""
    flags = cv2.IMREAD_UNCHANGED if reduce == 1 else _REDUCED[reduce] | cv2.IMREAD_IGNORE_ORIENTATION
    log = cv2.utils.logging
    level = log.getLogLevel()
    log.setLogLevel(log.LOG_LEVEL_SILENT)  # its pages about a broken file would bury our one line
    try:
        pixels: npt.NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        pixels = None
    finally:
        log.setLogLevel(level)
    if pixels is None:
        raise ImageError(f"{name}: broken {header.format.upper()} picture")
    if header.format == "tiff" and pixels.ndim == 3 and pixels.shape[2] == 4:
        # libtiff hands out colours already multiplied by the opacity: laying them over white is one sum.
        white = np.iinfo(pixels.dtype).max - pixels[:, :, 3:]
        pixels = np.minimum(pixels[:, :, :3].astype(np.uint32) + white, np.iinfo(pixels.dtype).max).astype(pixels.dtype)
    if pixels.ndim == 3 and pixels.shape[2] in (3, 4):
        code = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
        return np.asarray(cv2.cvtColor(pixels, code))
    return pixels


def _decode_heif(data: bytes, name: str, max_pixels: int) -> UInt8:
    try:
        import pillow_heif
    except ImportError as error:
        raise ImageError(f"{name}: a HEIC picture; `pip install pillow-heif` to read it, or save it as JPEG") from error
    try:
        picture = pillow_heif.open_heif(data, convert_hdr_to_8bit=True)
        width, height = picture.size
        _check_pixels(width * height, max_pixels, name)
        pixels = np.asarray(picture)  # decoded here; already upright
    except ImageError:
        raise
    except Exception as error:  # the library raises many kinds on broken files
        raise ImageError(f"{name}: broken HEIC picture") from error
    return _to_rgb(_to_uint8(pixels), name)


def _to_uint8(pixels: npt.NDArray[Any]) -> UInt8:
    """Whole numbers of any depth as uint8, 16 bits divided by 257 so that 65535 becomes 255."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        return np.asarray((pixels.astype(np.uint32) + 128) // 257, np.uint8)
    if not np.issubdtype(pixels.dtype, np.integer):
        raise ImageError(f"the picture holds {pixels.dtype} numbers; wanted whole numbers from 0 to 255")
    if pixels.size and (pixels.min() < 0 or pixels.max() > 255):
        raise ImageError(f"the picture holds numbers from {pixels.min()} to {pixels.max()}; wanted 0 to 255")
    return pixels.astype(np.uint8)


def _to_rgb(pixels: UInt8, name: str) -> UInt8:
    """(H, W[, 1 | 2 | 3 | 4]) uint8 to (H, W, 3); a second or fourth channel is opacity, laid over white."""
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 2, 3, 4) or not pixels.size:
        raise ImageError(f"{name}: shape {pixels.shape}; wanted (height, width, 3)")
    if pixels.shape[2] in (2, 4):
        opacity = pixels[:, :, -1:].astype(np.uint16)
        colours = pixels[:, :, :-1]
        pixels = ((colours * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    return np.ascontiguousarray(pixels)


def mirrored(orientation: int) -> tuple[bool, bool]:
    """Whether an upright picture's x and y run against the stored pixels' (EXIF orientations 1 to 8)."""
    return orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8)


def _upright(image: UInt8, orientation: int) -> UInt8:
    """Undo the camera's rotation: EXIF 2.3, tag 0x0112, orientations 1 to 8."""
    if orientation in (5, 6, 7, 8):
        image = image.transpose(1, 0, 2)
    mirror_x, mirror_y = mirrored(orientation)
    if mirror_x:
        image = image[:, ::-1]
    if mirror_y:
        image = image[::-1]
    return np.ascontiguousarray(image)
