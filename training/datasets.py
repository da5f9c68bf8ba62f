"""TFDS sets in: found by path, checked, loaded as arrays for training.

The sets may be ours or made by others: of any picture size, stored as JPEG or PNG, given by their own folder or by the
data_dir above it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
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

__all__ = ["DatasetError", "Stage1Sample", "Stage2Sample", "check", "find_builder", "load_stage1", "load_stage2"]

#: Coordinates a little outside 0 to 1 come from rounding and are clipped; more is a fault.
_TOLERANCE = 0.01
_DECODERS = 2
_BATCH = 64


@dataclass(frozen=True)
class Stage1Sample:
    """A photo with the corners of its displays.

    Attributes:
        image: (H, W, 3) uint8 RGB; black bars of a letterboxed photo are part of it.
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


def load_stage1(paths: Sequence[str | Path], split: str, max_side: int = 640) -> list[Stage1Sample]:
    """Loads one split of stage 1 sets into memory.

    Larger pictures are shrunk once, here. A sample takes at most 3 * max_side**2 bytes: 5000 take up to 6.1 GB at 640,
    3.9 GB at 512.

    Args:
        paths: folders of sets, or data_dirs above them.
        split: "train", "validation" or "test".
        max_side: the longer side of the pictures in pixels, at most; smaller ones stay as they are.

    Returns:
        The samples of all sets, in the order stored; a set without this split gives none.

    Raises:
        DatasetError: no set there, an empty set, a wrong schema, labels or coordinates out of range.
    """
    samples = []
    for image, objects, name in _read_all(paths, split, 1, max_side):
        height, width = image.shape[:2]
        corners = objects["bbox"][:, 4:].reshape(-1, 4, 2)[:, :, ::-1] * (width, height)  # (N, 4, 2) yx -> xy pixels
        samples.append(Stage1Sample(image, corners.astype(np.float32), objects["label"], name))
    return samples


def load_stage2(paths: Sequence[str | Path], split: str, max_side: int = 512) -> list[Stage2Sample]:
    """Loads one split of stage 2 sets into memory; see `load_stage1`."""
    samples = []
    for image, objects, name in _read_all(paths, split, 2, max_side):
        height, width = image.shape[:2]
        boxes = objects["bbox"][:, [1, 0, 3, 2]] * (width, height, width, height)  # (N, 4) yxyx -> xyxy pixels
        samples.append(Stage2Sample(image, boxes.astype(np.float32), objects["label"], name))
    return samples


def find_builder(path: str | Path, name: str) -> tfds.core.DatasetBuilder:
    """Finds a TFDS set on disk.

    Args:
        path: the set's version folder, the folder above it, or the data_dir that holds it.
        name: name of the set, such as "meter_values_dataset_stage1".

    Returns:
        A builder to read it with; of several versions the newest.

    Raises:
        DatasetError: there is no such set, or it cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise DatasetError(f"{path} does not exist; a folder with the set {name} was wanted")
    folder = next((found for start in (path, path / name) if (found := _version_folder(start))), None)
    if folder is None:
        raise DatasetError(f"no TFDS set in {path}: neither dataset_info.json nor {name}/<version>/dataset_info.json")
    try:
        stored = json.loads((folder / "dataset_info.json").read_text(encoding="utf-8")).get("name")
    except (OSError, ValueError, AttributeError) as error:
        raise DatasetError(f"{folder / 'dataset_info.json'} cannot be read: {error}") from error
    if stored != name:
        raise DatasetError(f"{folder} holds the set {stored}, {name} was wanted")
    import tensorflow_datasets as tfds  # seconds to import, with TensorFlow

    try:
        return tfds.builder_from_directory(str(folder))
    except Exception as error:  # TFDS raises many kinds on damaged files
        raise DatasetError(f"the set in {folder} cannot be read: {_first_line(error)}") from error


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


def _version_folder(path: Path) -> Path | None:
    """The folder with dataset_info.json: `path` itself or the newest version below it."""
    if (path / "dataset_info.json").is_file():
        return path
    versions = [found.parent for found in path.glob("*/dataset_info.json") if found.parent.name[:1].isdigit()]
    return max(
        versions, key=lambda folder: [int(part) for part in folder.name.split(".") if part.isdigit()], default=None
    )


def _read_all(
    paths: Sequence[str | Path], split: str, stage: int, max_side: int
) -> Iterator[tuple[UInt8, dict[str, Any], str]]:
    for path in paths:
        builder = find_builder(path, set_name(stage))
        check(builder, stage)
        yield from _read(builder, split, stage, max_side)


def _read(
    builder: tfds.core.DatasetBuilder, split: str, stage: int, max_side: int
) -> Iterator[tuple[UInt8, dict[str, Any], str]]:
    """Examples of one split: picture, objects (label (N,) int64, bbox (N, 12 | 4) float64), file name."""
    import tensorflow_datasets as tfds

    if split not in builder.info.splits or not builder.info.splits[split].num_shards:
        return
    # Decoded here and not by TensorFlow: the same decoder as in serving, and of two decoders the JPEG pixels differ.
    stored = builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()}, shuffle_files=False)
    examples = iter(tfds.as_numpy(stored))
    classes = len(STAGE1_CLASSES if stage == 1 else STAGE2_CLASSES)
    with ThreadPoolExecutor(_DECODERS) as pool:
        while batch := list(islice(examples, _BATCH)):
            images = pool.map(lambda example: _decode(example["image"], max_side), batch)
            for example, image in zip(batch, images, strict=True):
                name = example["image/filename"].decode("utf-8", "replace")
                if image is None:
                    raise DatasetError(f"{builder.data_path}: the picture of {name} cannot be decoded")
                objects = {key: np.asarray(example["objects"][key]) for key in ("bbox", "label")}
                _check_objects(objects, classes, f"{builder.data_path}: {name}")
                objects["bbox"] = np.clip(objects["bbox"].astype(np.float64), 0, 1)
                objects["label"] = objects["label"].astype(np.int64)
                yield image, objects, name


def _check_objects(objects: dict[str, Any], classes: int, where: str) -> None:
    labels, boxes = objects["label"], objects["bbox"]
    wrong = labels[(labels < 0) | (labels >= classes)]
    if wrong.size:
        raise DatasetError(f"{where}: label {int(wrong[0])}, 0 to {classes - 1} wanted")
    if boxes.size and not (boxes.min() >= -_TOLERANCE and boxes.max() <= 1 + _TOLERANCE):  # also catches NaN
        raise DatasetError(f"{where}: coordinates from {boxes.min():g} to {boxes.max():g}, 0 to 1 wanted")


def _decode(data: bytes, max_side: int) -> UInt8 | None:
    """Picture of at most `max_side`, or None where it is broken."""
    # An EXIF rotation is ignored, as TensorFlow ignores it: the labels of a set belong to the stored pixels.
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        return None
    image = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
    scale = max_side / max(image.shape[:2])
    if scale >= 1:
        return image
    return resize(image, (max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale))))


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
