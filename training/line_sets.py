"""Sets of lines in: found by path, checked, loaded as pictures and texts for training. See training/datasets.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reader.image import resize
from reader.types import UInt8
from training.datasets import decode_stored, find_builder
from training.labelstudio import DatasetError
from training.tfds_writer import LINES_NAME

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

_DECODERS = 2
_BATCH = 256


@dataclass(frozen=True)
class LineSample:
    """A picture of one line of characters.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        text: what stands there.
        name: file name of the picture.
    """

    image: UInt8
    text: str
    name: str


@dataclass(frozen=True)
class DrawnLines:
    """Lines that are not stored but drawn: another one in every view.

    Attributes:
        draw: generator -> (H, W, 3) uint8 RGB picture of a line, and its text.
        longest: characters of the longest line.
        alphabet: the characters that occur.
        name: where they are from.
        size: how many stored lines they are worth, where nobody says how often they are to be drawn.
    """

    draw: Callable[[np.random.Generator], tuple[UInt8, str]]
    longest: int
    alphabet: str
    name: str
    size: int = 1


def line_samples(paths: Sequence[str | Path], split: str, max_height: int | None = None) -> Iterator[LineSample]:
    """One split of sets of lines, one picture after the other.

    Args:
        paths: folders of sets, or data_dirs above them.
        split: "train", "validation" or "test".
        max_height: pictures higher than so many pixels are shrunk, their shape kept; None: all stay as they are.

    Yields:
        The samples of all sets, in the order stored; a set without this split gives none. Their pictures differ in
            size.

    Raises:
        DatasetError: no set there, an empty set, a wrong schema, a picture that cannot be decoded, an empty text.
    """
    if max_height is not None and max_height < 1:
        raise DatasetError(f"max_height must be positive, not {max_height}")
    builders = [find_builder(path, LINES_NAME) for path in paths]
    for builder in builders:
        check_lines(builder)
    empty = True
    for builder in builders:
        for sample in _read(builder, split, max_height):
            empty = False
            yield sample
    if empty and split == "train":
        raise DatasetError(f"nothing to train on: no train split in {', '.join(map(str, paths)) or 'no set'}")


def load_lines(paths: Sequence[str | Path], split: str, max_height: int | None = None) -> list[LineSample]:
    """One split of sets of lines in memory; see `line_samples`."""
    return list(line_samples(paths, split, max_height))


def check_lines(builder: tfds.core.DatasetBuilder) -> None:
    """Checks what a set says of itself.

    Raises:
        DatasetError: it is empty, or it is no set of lines.
    """
    where = builder.data_path
    fields = dict(builder.info.features or {})
    if not {"image", "image/filename", "text"} <= set(fields):
        came = ", ".join(sorted(fields)) or "none"
        raise DatasetError(f"{where}: fields image, image/filename, text wanted, {came} came")
    if (kind := type(fields["text"]).__name__) != "Text":
        raise DatasetError(f"{where}: the field text must be a Text, not a {kind}")
    if not sum(split.num_examples or 0 for split in builder.info.splits.values() if split.num_shards):
        raise DatasetError(f"{where}: the set is empty")


def _read(builder: tfds.core.DatasetBuilder, split: str, max_height: int | None) -> Iterator[LineSample]:
    import tensorflow_datasets as tfds

    if split not in builder.info.splits or not builder.info.splits[split].num_shards:
        return
    # Decoded here and not by TensorFlow, as in training/datasets.py.
    stored = builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()}, shuffle_files=False)
    examples = iter(tfds.as_numpy(stored))
    with ThreadPoolExecutor(_DECODERS) as pool:
        while batch := list(islice(examples, _BATCH)):
            images = pool.map(lambda example: _decoded(example["image"], max_height), batch)
            for example, image in zip(batch, images, strict=True):
                name = example["image/filename"].decode("utf-8", "replace")
                text = example["text"].decode("utf-8", "replace")
                if image is None:
                    raise DatasetError(f"{builder.data_path}: the picture of {name} cannot be decoded")
                if not text:
                    raise DatasetError(f"{builder.data_path}: the text of {name} is empty")
                yield LineSample(image, text, name)


def _decoded(data: bytes, max_height: int | None) -> UInt8 | None:
    """The picture (H, W, 3) RGB, at most so high, or None where it is broken."""
    image = decode_stored(data)
    if image is None or max_height is None or image.shape[0] <= max_height:
        return image
    return resize(image, (max_height, max(1, round(image.shape[1] * max_height / image.shape[0]))))
