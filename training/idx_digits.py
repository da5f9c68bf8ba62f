"""Pictures of single digits in idx files, the form of MNIST's."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from reader.types import UInt8

Rng = np.random.Generator

#: Names of the training files; the test files of such a set are for measuring only.
IMAGES_FILE, LABELS_FILE = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


class DigitError(Exception):
    """A folder of idx files cannot be used; the message is one line."""


@dataclass(frozen=True)
class IdxDigits:
    """Pictures of single digits.

    Attributes:
        images: (N, h, w) uint8 ink, 255 = full.
        places: for each digit, the indices of its pictures.
    """

    images: UInt8 = field(repr=False)
    places: tuple[np.ndarray, ...] = field(repr=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads the training files of a set in MNIST's form, packed (.gz) or not.

        Raises:
            DigitError: a file is missing or is not of that form.
        """
        images, labels = read_idx(folder, IMAGES_FILE, 3), read_idx(folder, LABELS_FILE, 1)
        if len(images) != len(labels):
            raise DigitError(f"{folder}: {len(images)} pictures but {len(labels)} labels: wanted as many of both")
        places = tuple(np.flatnonzero(labels == digit) for digit in range(10))
        if any(len(of) == 0 for of in places):
            raise DigitError(f"{folder}: digits without a picture: wanted all of 0 to 9")
        return cls(images, places)

    def tile(self, rng: Rng, digit: int) -> UInt8:
        """A picture of that digit with its margins, (h, w) uint8 ink; not to be written to."""
        return self.images[int(self.places[digit][int(rng.integers(len(self.places[digit])))])]


def read_idx(folder: Path, name: str, axes: int) -> UInt8:
    """An idx file of uint8 with that many axes, packed (.gz) or not.

    Raises:
        DigitError: it is missing or is not of that form.
    """
    path = next((folder / f for f in (name, f"{name}.gz") if (folder / f).is_file()), None)
    if path is None:
        raise DigitError(f"{folder} has no {name} or {name}.gz")
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        magic, *shape = struct.unpack(f">{1 + axes}I", data[: 4 + 4 * axes])
        if magic != 0x800 + axes:
            raise DigitError(f"{path} begins with {magic:#x}: wanted {0x800 + axes:#x}, an idx file of bytes")
        return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)
    except (OSError, EOFError, struct.error, ValueError) as error:
        raise DigitError(f"{path} is no whole idx file: {error}") from error
