"""TFDS sets in: found by path, checked, loaded as arrays for training.

The sets may be ours or made by others: of any picture size, stored as JPEG or PNG, given by their own folder or by the
data_dir above it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from reader.image import resize
from reader.symbols import STAGE1_CLASSES, STAGE2_CLASSES
from reader.types import Float32, UInt8
from training.labelstudio import DatasetError
from training.tfds_writer import set_name

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

#: Coordinates a little outside 0 to 1 come from rounding and are clipped; more is a fault.
_TOLERANCE = 0.01
#: JPEG noise in a black bar beside a bright photo stays below this.
_BLACK = 24
#: Of coordinates stored as float32, in pixels.
_ROUNDING = 1e-3
_DECODERS = 2
_BATCH = 64

#: Picture (H, W, 3) uint8; bbox (N, 12 | 4) float64 relative, y before x; labels (N,) int64; file name.
Example = tuple[UInt8, npt.NDArray[np.float64], npt.NDArray[np.int64], str]


@dataclass(frozen=True)
class Stage1Sample:
    """A photo with the corners of its displays.

    Attributes:
        image: (H, W, 3) uint8 RGB, without the black bars of letterboxing.
        corners: (N, 4, 2) float32, x and y in pixels of `image`, clockwise from the display's own top-left.
        labels: (N,) int64, indices into STAGE1_CLASSES.
        name: file name of the photo.
    """

    image: UInt8
    corners: Float32
    labels: npt.NDArray[np.int64]
    name: str


@dataclass(frozen=True)
class Stage2Sample:
    """A rectified display with the boxes of its digits.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        boxes: (N, 4) float32, left, top, right, bottom in pixels of `image`.
        labels: (N,) int64, indices into STAGE2_CLASSES.
        name: file name of the display.
    """

    image: UInt8
    boxes: Float32
    labels: npt.NDArray[np.int64]
    name: str


def stage1_samples(paths: Sequence[str | Path], split: str, max_side: int = 640) -> Iterator[Stage1Sample]:
    """One split of stage 1 sets, one photo after the other.

    The black bars of letterboxing are cut off and larger pictures are shrunk, once, here. A photo of 4:3 then takes
    2.25 * max_side**2 bytes: 5000 take 4.6 GB at 640, 2.9 GB at 512.

    Args:
        paths: folders of sets, or data_dirs above them.
        split: "train", "validation" or "test".
        max_side: the longer side of the pictures in pixels, at most; smaller ones stay as they are.

    Yields:
        The samples of all sets, in the order stored; a set without this split gives none.
            Their pictures differ in size.

    Raises:
        DatasetError: no set there, an empty set, a wrong schema, labels or coordinates out of range.
    """
    for image, bbox, labels, name in _read_all(paths, split, 1, max_side):
        height, width = image.shape[:2]
        corners = bbox[:, 4:].reshape(-1, 4, 2)[:, :, ::-1] * (width, height)  # (N, 4, 2) yx -> xy pixels
        yield Stage1Sample(image, corners.astype(np.float32), labels, name)


def stage2_samples(paths: Sequence[str | Path], split: str, max_side: int = 512) -> Iterator[Stage2Sample]:
    """One split of stage 2 sets, one display after the other; see `stage1_samples`."""
    for image, bbox, labels, name in _read_all(paths, split, 2, max_side):
        height, width = image.shape[:2]
        boxes = bbox[:, [1, 0, 3, 2]] * (width, height, width, height)  # (N, 4) yxyx -> xyxy pixels
        yield Stage2Sample(image, boxes.astype(np.float32), labels, name)


def load_stage1(paths: Sequence[str | Path], split: str, max_side: int = 640) -> list[Stage1Sample]:
    """One split of stage 1 sets in memory; see `stage1_samples`."""
    return list(stage1_samples(paths, split, max_side))


def load_stage2(paths: Sequence[str | Path], split: str, max_side: int = 512) -> list[Stage2Sample]:
    """One split of stage 2 sets in memory; see `stage1_samples`."""
    return list(stage2_samples(paths, split, max_side))


def load_sets(
    load: Callable[[Path, str], Sequence[Any]], paths: Sequence[Path], most_validation: int
) -> tuple[list[list[Any]], list[Any]]:
    """The training samples of each set, and the validation samples of all; says how many there are.

    Args:
        load: path of a set and split -> its samples.
        paths: of the sets.
        most_validation: validation samples at most, evenly over all sets, the same ones in every epoch and run.

    Raises:
        DatasetError: a set that cannot be read or has no training pictures.
    """
    sets = [list(load(path, "train")) for path in paths]
    for path, samples in zip(paths, sets, strict=True):
        print(f"{path}: {len(samples)} training pictures")
        if not samples:
            raise DatasetError(f"{path}: the split 'train' is empty")
    validation = [s for path in paths for s in load(path, "validation")]
    told = "" if validation else ": the weights of the last epoch will count as the best"
    print(f"{len(validation)} validation pictures{told}")
    return sets, validation[:: -(-len(validation) // most_validation) or 1]


def find_builder(path: str | Path, name: str) -> tfds.core.DatasetBuilder:
    """Finds a TFDS set on disk.

    Args:
        path: the folder with the set's files, a folder above it, or the data_dir that holds it.
        name: name of the set, such as "meter_values_dataset_stage1".

    Returns:
        A builder to read it with; of several versions the newest.

    Raises:
        DatasetError: there is no such set, or it cannot be read.
    """
    path = Path(path)
    if not path.is_dir():
        raise DatasetError(f"{path} is not a folder; one with the set {name} was wanted")
    found = _stored_sets(path)
    folders = [folder for folder, stored in found if stored == name]
    if not folders:
        there = ", ".join(sorted({stored for _, stored in found})) or "no TFDS set"
        raise DatasetError(f"{path} holds {there}; the set {name} was wanted")
    if len({folder.parent for folder in folders}) > 1:
        raise DatasetError(f"{path} holds {name} several times: {', '.join(map(str, folders))}; name one of them")
    folder = max(folders, key=_version)
    import tensorflow_datasets as tfds  # seconds to import, with TensorFlow

    try:
        return tfds.builder_from_directory(str(folder))
    except Exception as error:  # TFDS raises many kinds on damaged files
        raise DatasetError(f"the set in {folder} cannot be read: {_first_line(error)}") from error


def count_stored(path: str | Path, name: str, split: str) -> int:
    """How many examples a set has in a split; 0 where there is no such split. See `find_builder`."""
    splits = find_builder(path, name).info.splits
    return int(splits[split].num_examples) if split in splits else 0


def check(builder: tfds.core.DatasetBuilder, stage: int) -> None:
    """Checks what a set says of itself.

    Raises:
        DatasetError: it is empty, or its schema is not that of the stage.
    """
    where = builder.data_path
    features = builder.info.features
    fields = set(features or {})
    if not {"image", "image/filename", "objects"} <= fields:
        raise DatasetError(f"{where}: fields image, image/filename, objects wanted, {', '.join(sorted(fields))} came")
    objects = getattr(features["objects"], "feature", {})
    if not {"bbox", "label"} <= set(objects):
        raise DatasetError(f"{where}: objects with bbox and label wanted, {', '.join(sorted(objects)) or 'none'} came")
    wanted, came = (12 if stage == 1 else 4), tuple(objects["bbox"].shape)
    if came != (wanted,):
        raise DatasetError(f"{where}: boxes of {wanted} numbers wanted for stage {stage}, shape {came} came")
    classes = STAGE1_CLASSES if stage == 1 else STAGE2_CLASSES
    count = getattr(objects["label"], "num_classes", None)
    if count != len(classes):
        raise DatasetError(f"{where}: {len(classes)} classes wanted for stage {stage}, {count} came")
    names = [name.lower() for name in objects["label"].names]
    if sorted(names) == sorted(classes) and names != list(classes):
        raise DatasetError(f"{where}: classes in the order {', '.join(classes)} wanted, {', '.join(names)} came")
    if not sum(split.num_examples or 0 for split in builder.info.splits.values() if split.num_shards):
        raise DatasetError(f"{where}: the set is empty")


def shrunk(image: UInt8, side: int) -> UInt8:
    """The picture (H, W, 3), its longer side at most `side` pixels; a smaller one as it is."""
    scale = side / max(image.shape[:2])
    if scale >= 1:
        return image
    return resize(image, (max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale))))


def _stored_sets(path: Path) -> list[tuple[Path, str]]:
    """Folders with a dataset_info.json, at most name/config/version below `path`, and the names of their sets."""
    found = []
    for pattern in ("", "*/", "*/*/", "*/*/*/"):
        for file in sorted(path.glob(f"{pattern}dataset_info.json")):
            if any(part.startswith(".") for part in file.relative_to(path).parts):
                continue  # a set that is being written
            try:
                name = str(json.loads(file.read_text(encoding="utf-8"))["name"])
            except (OSError, ValueError, KeyError, TypeError):
                name = f"an unreadable {file.relative_to(path)}"
            found.append((file.parent, name))
    return found


def _version(folder: Path) -> list[int]:
    return [int(part) for part in folder.name.split(".") if part.isdigit()]


def _read_all(paths: Sequence[str | Path], split: str, stage: int, max_side: int) -> Iterator[Example]:
    """Examples of one split of all sets; every set is checked before any is read."""
    builders = [find_builder(path, set_name(stage)) for path in paths]
    for builder in builders:
        check(builder, stage)
    empty = True
    for builder in builders:
        for example in _read(builder, split, stage, max_side):
            empty = False
            yield example
    if empty and split == "train":
        raise DatasetError(f"nothing to train on: no train split in {', '.join(map(str, paths)) or 'no set'}")


def _read(builder: tfds.core.DatasetBuilder, split: str, stage: int, max_side: int) -> Iterator[Example]:
    import tensorflow_datasets as tfds

    if split not in builder.info.splits or not builder.info.splits[split].num_shards:
        return
    # Decoded here and not by TensorFlow: the same decoder as in serving, and of two decoders the JPEG pixels differ.
    stored = builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()}, shuffle_files=False)
    examples = iter(tfds.as_numpy(stored))
    classes = len(STAGE1_CLASSES if stage == 1 else STAGE2_CLASSES)
    with ThreadPoolExecutor(_DECODERS) as pool:
        while batch := list(islice(examples, _BATCH)):
            images = pool.map(lambda example: decode_stored(example["image"]), batch)
            for example, image in zip(batch, images, strict=True):
                name = example["image/filename"].decode("utf-8", "replace")
                bbox, labels = (np.asarray(example["objects"][key]) for key in ("bbox", "label"))
                if image is None:
                    raise DatasetError(f"{builder.data_path}: the picture of {name} cannot be decoded")
                _check_objects(bbox, labels, classes, f"{builder.data_path}: {name}")
                bbox = np.clip(bbox.astype(np.float64), 0, 1)
                if stage == 1:
                    image, bbox = _without_bars(image, bbox)
                yield shrunk(image, max_side), bbox, labels.astype(np.int64), name


def _check_objects(bbox: npt.NDArray[Any], labels: npt.NDArray[Any], classes: int, where: str) -> None:
    wrong = labels[(labels < 0) | (labels >= classes)]
    if wrong.size:
        raise DatasetError(f"{where}: label {int(wrong[0])}, 0 to {classes - 1} wanted")
    if bbox.size and not (bbox.min() >= -_TOLERANCE and bbox.max() <= 1 + _TOLERANCE):  # also catches NaN
        raise DatasetError(f"{where}: coordinates from {bbox.min():g} to {bbox.max():g}, 0 to 1 wanted")


def decode_stored(data: bytes) -> UInt8 | None:
    """A stored picture as (H, W, 3) RGB, or None where it is broken."""
    # An EXIF rotation is ignored, as TensorFlow ignores it: the labels of a set belong to the stored pixels.
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    return None if image is None else np.asarray(image, np.uint8)


def _without_bars(image: UInt8, bbox: npt.NDArray[np.float64]) -> tuple[UInt8, npt.NDArray[np.float64]]:
    """The photo without the black bars of letterboxing, a quarter or more of the pixels, and its boxes.

    Args:
        image: (H, W, 3) uint8.
        bbox: (N, 12) relative, y before x.
    """
    height, width = image.shape[:2]
    bounds = []
    for axis, side in ((1, height), (0, width)):
        lit = np.flatnonzero(image.max(axis=(axis, 2)) > _BLACK)
        used = bbox.reshape(-1, 2)[:, 1 - axis] * side  # never cut into a labelled display
        first = min([lit[0] if lit.size else 0, *np.floor(used + _ROUNDING)])
        last = max([lit[-1] + 1 if lit.size else side, *np.ceil(used - _ROUNDING)])
        bounds.append((int(first), int(last)))
    (top, bottom), (left, right) = bounds
    moved = (bbox.reshape(-1, 2) * (height, width) - (top, left)) / (bottom - top, right - left)
    return np.ascontiguousarray(image[top:bottom, left:right]), moved.reshape(-1, 12)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
