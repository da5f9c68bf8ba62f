"""What the first bytes of a picture file tell: its format, its size and how the camera was held.

Read before decoding, so that a small file that unpacks to gigabytes is refused, and so that pictures are turned
upright whichever way they are decoded afterwards.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_ORIENTATION_TAG = 0x0112
_WIDTH_TAG = 0x0100
_HEIGHT_TAG = 0x0101
#: Markers that carry a JPEG's size: the start-of-frame markers C0-CF without DHT (C4), JPG (C8) and DAC (CC).
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1", b"avif")


@dataclass(frozen=True)
class Header:
    """What is known of a picture before it is decoded.

    Attributes:
        format: "jpeg", "png", "webp", "bmp", "gif", "tiff" or "heif".
        width: pixels in a stored row (before the picture is turned upright); 0 for "heif", whose decoder tells it.
        height: stored rows; 0 for "heif".
        orientation: the EXIF orientation that is left to be undone after decoding, 1 to 8; 1 is upright.
        complete: False when the end of the file is missing.
    """

    format: str
    width: int
    height: int
    orientation: int = 1
    complete: bool = True


def read_header(data: bytes) -> Header | None:
    """Format, size and orientation of an encoded picture.

    Returns:
        The header, or None where the bytes begin like no format known here.

    Raises:
        ValueError: the bytes begin like a known format, but its header is broken or cut off.
    """
    try:
        if data[:2] == b"\xff\xd8":
            return _jpeg(data)
        if data[:8] == b"\x89PNG\r\n\x1a\n":
            return _png(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
        if data[:2] == b"BM":
            width, height = struct.unpack_from("<ii", data, 18)
            return Header("bmp", abs(width), abs(height))
        if data[:6] in (b"GIF87a", b"GIF89a"):
            width, height = struct.unpack_from("<HH", data, 6)
            return Header("gif", width, height)
        if data[:4] in (b"II*\x00", b"MM\x00*"):
            tags = _tiff_tags(data)
            # OpenCV turns a TIFF upright whatever it is asked; not to be done twice.
            return Header("tiff", tags.get(_WIDTH_TAG, 0), tags.get(_HEIGHT_TAG, 0))
        if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
            return Header("heif", 0, 0)
    except (struct.error, IndexError) as error:
        raise ValueError("the header is cut off") from error
    return None


def _orientation(tags: dict[int, int]) -> int:
    value = tags.get(_ORIENTATION_TAG, 1)
    return value if 1 <= value <= 8 else 1


def _exif_orientation(tiff: bytes) -> int:
    """Orientation from an EXIF block, which is a small TIFF; a broken block means upright, as in every viewer."""
    try:
        return _orientation(_tiff_tags(tiff))
    except (struct.error, IndexError):
        return 1


def _tiff_tags(data: bytes) -> dict[int, int]:
    """Whole numbers of the first image file directory (TIFF 6.0, section 2), by tag."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return {}
    (offset,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, offset)
    tags = {}
    for index in range(count):
        entry = offset + 2 + 12 * index
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        if kind == 3:
            tags[tag] = struct.unpack_from(order + "H", data, entry + 8)[0]
        elif kind == 4:
            tags[tag] = struct.unpack_from(order + "I", data, entry + 8)[0]
    return tags


def _jpeg(data: bytes) -> Header:
    width = height = 0
    orientation = 1
    position = 2
    while True:
        if data[position] != 0xFF:
            raise ValueError("the JPEG's segments are broken")
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a length
            position += 2
            continue
        if marker in (0xD9, 0xDA):
            break
        (length,) = struct.unpack_from(">H", data, position + 2)
        body = position + 4
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, body + 1)
        elif marker == 0xE1 and data[body : body + 6] == b"Exif\x00\x00":
            orientation = _exif_orientation(data[body + 6 : body + length - 2])
        position += 2 + length
    # After the scan begins, the end marker must follow; a thumbnail's own one stands before it.
    return Header("jpeg", width, height, orientation, complete=data.rfind(b"\xff\xd9") >= position)


def _png(data: bytes) -> Header:
    width, height = struct.unpack_from(">II", data, 16)
    orientation = 1
    complete = False
    position = 8
    while position + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        kind = data[position + 4 : position + 8]
        if kind == b"eXIf":
            orientation = _exif_orientation(data[position + 8 : position + 8 + length])
        if kind == b"IEND":
            complete = True
            break
        position += 12 + length
    return Header("png", width, height, orientation, complete)


def _webp(data: bytes) -> Header:
    width = height = 0
    orientation = 1
    position = 12
    while position + 8 <= len(data):
        kind = data[position : position + 4]
        (length,) = struct.unpack_from("<I", data, position + 4)
        body = position + 8
        if kind == b"VP8X":
            width = 1 + int.from_bytes(data[body + 4 : body + 7], "little")
            height = 1 + int.from_bytes(data[body + 7 : body + 10], "little")
        elif kind == b"VP8 " and not width:
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, body + 6))
        elif kind == b"VP8L" and not width:
            (bits,) = struct.unpack_from("<I", data, body + 1)
            width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        elif kind == b"EXIF":
            block = data[body : body + length]
            orientation = _exif_orientation(block.removeprefix(b"Exif\x00\x00"))
        position = body + length + (length & 1)
    return Header("webp", width, height, orientation, complete=position <= len(data))
