"""Makes the README's pictures with the shipped weights: the steps from photo to reading, and a sheet of made photos."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from reader import MeterReader
from reader.draw import annotate, draw_display
from reader.geometry import second_look, warp
from reader.image import encode_jpeg, encode_png, letterbox, load_image, resize, write_atomic
from reader.types import UInt8
from synthesis.meter import make_photo

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "resources" / "samples"
SIDE = 300


def _titled(picture: UInt8, title: str, width: int = SIDE, height: int = SIDE) -> UInt8:
    """A picture fitted into a white tile with a line of text above it."""
    tile = np.full((height + 26, width, 3), 255, np.uint8)
    scale = min(width / picture.shape[1], height / picture.shape[0])
    small = resize(picture, (round(picture.shape[0] * scale), round(picture.shape[1] * scale)))
    y, x = 26 + (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    tile[y : y + small.shape[0], x : x + small.shape[1]] = small
    cv2.putText(tile, title, (4, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (40, 40, 40), 1, cv2.LINE_AA)
    return tile


def steps(reader: MeterReader, path: Path) -> UInt8:
    """The steps of one reading, side by side."""
    photo = load_image(path)
    result = reader.read(path)
    if result.corners is None:
        raise SystemExit(f"{path}: no display found, so there are no steps to show")
    size = reader.bundle.stage1.input_size
    square, _ = letterbox(photo, size)
    look = warp(photo, second_look(result.corners, size, reader.bundle.stage1.fill), (size, size))
    tiles = [
        _titled(square, "1  first look: where is it?"),
        _titled(look, "2  second look: where exactly?"),
        _titled(draw_display(photo, result), "3  rectified, digits found", 2 * SIDE),
        _titled(annotate(photo, result), "4  the reading"),
    ]
    return np.concatenate(tiles, axis=1)


def made_photos(count: int = 18, columns: int = 6, side: int = 240) -> UInt8:
    """A sheet of photos as synthesize.py makes them."""
    tiles = [_titled(make_photo(np.random.default_rng([5, i])).image, "", side, side)[26:] for i in range(count)]
    rows = [np.concatenate(tiles[i : i + columns], axis=1) for i in range(0, count, columns)]
    return np.concatenate(rows)


def main() -> int:
    """Writes resources/steps.png and resources/made_photos.jpg."""
    sample = Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE / "water_red_decimals.jpg"
    write_atomic(ROOT / "resources" / "steps.png", encode_png(steps(MeterReader.load(), sample)))
    write_atomic(ROOT / "resources" / "made_photos.jpg", encode_jpeg(made_photos(), 85))
    return 0


if __name__ == "__main__":
    sys.exit(main())
