"""Photos and pictures of lines to measure speed on: the same content at several sizes, from one seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from reader.image import encode_jpeg, load_image
from reader.types import UInt8
from synthesis.crops import make_display
from synthesis.lines import MAKERS, make_line
from synthesis.meter import make_photo

#: As phones save them.
QUALITY = 90
_LONG_SIDE = 1632
#: Standard deviation of the noise that an enlarged photo gets: a smooth one would be decoded faster than a real one.
_NOISE = 3.0


def photo_files(
    folder: Path, megapixels: Sequence[float], count: int, seed: int, source: Path | None = None
) -> dict[float, list[Path]]:
    """Writes the same photos at several sizes.

    Args:
        folder: where to.
        megapixels: the sizes.
        count: how many photos.
        seed: of made photos; those with a reading are taken.
        source: a folder of photos to take instead of made ones, the first ones by name.

    Returns:
        The files by size.

    Raises:
        FileNotFoundError: no photos in `source`.
        ImageError: one of them cannot be read.
    """
    photos = [load_image(path) for path in _taken(source, count)] if source else _made(count, seed)
    files: dict[float, list[Path]] = {}
    for size in megapixels:
        files[size] = []
        for number, photo in enumerate(tqdm(photos, desc=f"{size:g} megapixels", unit="photo", disable=None)):
            path = folder / f"{size:g}_{number}.jpg"
            path.write_bytes(encode_jpeg(resized(photo, size, np.random.default_rng([seed, number])), QUALITY))
            files[size].append(path)
    return files


def resized(photo: UInt8, megapixels: float, rng: np.random.Generator) -> UInt8:
    """The photo (H, W, 3) with so many pixels, in its shape; an enlarged one with a sensor's noise."""
    height, width = photo.shape[:2]
    scale = float(np.sqrt(megapixels * 1e6 / (height * width)))
    shrinks = scale <= 1
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    made = cv2.resize(photo, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    if not shrinks:
        noise = (_NOISE * rng.standard_normal((*made.shape[:2], 1), np.float32)).astype(np.int16)
        made = np.clip(made + noise, 0, 255)
    return np.asarray(made, np.uint8)


def digit_files(folder: Path, count: int, seed: int) -> dict[int, list[Path]]:
    """Writes made photos of meters; returns the files by the number of digits on the display."""
    files: dict[int, list[Path]] = {}
    for number, photo in enumerate(tqdm(range(count), desc="displays", unit="photo", disable=None)):
        made = make_photo(np.random.default_rng([seed, 1, photo]))
        if made.reading is not None:
            path = folder / f"digits_{number}.jpg"
            path.write_bytes(encode_jpeg(made.image, QUALITY))
            files.setdefault(sum(each.isdigit() for each in made.reading), []).append(path)
    return dict(sorted(files.items()))


def line_file(folder: Path, task: str, count: int, seed: int) -> Path | None:
    """Writes made pictures of a task's lines into an .npz; None for a task of which none can be made."""
    if task != "display" and task not in MAKERS:
        return None
    pictures = {}
    for number in tqdm(range(count), desc=f"{task} lines", unit="line", disable=None):
        rng = np.random.default_rng([seed, 2, number])
        pictures[f"{number:04}"] = make_display(rng).image if task == "display" else make_line(task, rng)[0]
    path = folder / f"{task}.npz"
    np.savez(path, **pictures)
    return path


def _made(count: int, seed: int) -> list[UInt8]:
    found: list[UInt8] = []
    number = 0
    with tqdm(total=count, desc="made photos", unit="photo", disable=None) as progress:
        while len(found) < count:
            photo = make_photo(np.random.default_rng([seed, number]), _LONG_SIDE)
            number += 1
            if photo.reading is not None:
                found.append(photo.image)
                progress.update()
    return found


def _taken(folder: Path, count: int) -> list[Path]:
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not paths:
        raise FileNotFoundError(f"{folder}: no folder with JPEG or PNG photos")
    return paths[:count]
