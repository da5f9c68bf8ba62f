"""Writing the TFDS sets `meter_values_dataset_stage1` and `_stage2`, in the schema that existing sets have, and lines.

Stage 1 pictures are stored as JPEG (quality 95): they are photos that were JPEG before, and as PNG a 1024 x 1024 photo
takes 1.5 MB instead of 0.3. Stage 2 pictures and lines are small and hold the strokes that are read, so they are stored
as PNG: no second compression of those pixels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from reader.geometry import signed_area
from reader.image import encode_jpeg, encode_png
from reader.symbols import STAGE1_CLASSES, STAGE2_CLASSES
from reader.types import UInt8

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

VERSION = "1.0.0"
LINES_NAME = "lines_dataset"
JPEG_QUALITY = 95
_DESCRIPTIONS = {
    "meter_values_dataset_stage1": "Photos of utility meters with the corners of their displays.",
    "meter_values_dataset_stage2": (
        "Rectified displays of utility meters with boxes around digits and the decimal area."
    ),
    LINES_NAME: "Pictures of one line of characters each, with what stands there.",
}
_EXAMPLES_PER_SHARD = 1000  # about 250 MB of stage 1 photos
#: TFDS writes what it knows of a set anew at each handing over: 5 ms, longer than a line takes.
_EXAMPLES_AT_ONCE = 200


def set_name(stage: int) -> str:
    """Name of the TFDS set of a stage."""
    return f"meter_values_dataset_stage{stage}"


def features(stage: int, size: int | None = None) -> tfds.features.FeaturesDict:
    """The schema.

    Args:
        stage: 1 or 2.
        size: stage 1: side of the square pictures in pixels. Stage 2 pictures are of any size.
    """
    import tensorflow_datasets as tfds

    if stage == 1:
        image = tfds.features.Image(shape=(size, size, 3), dtype=np.uint8, encoding_format="jpeg")
        box: tfds.features.FeatureConnector = tfds.features.Tensor(shape=(12,), dtype=np.float32)
    else:
        image = tfds.features.Image(shape=(None, None, 3), dtype=np.uint8, encoding_format="png")
        box = tfds.features.BBoxFeature()
    return tfds.features.FeaturesDict(
        {
            "image": image,
            "image/filename": tfds.features.Text(),
            "image/id": np.int64,
            "objects": tfds.features.Sequence(
                {
                    "area": np.int64,
                    "bbox": box,
                    "id": np.int64,
                    "is_crowd": np.bool_,
                    "label": tfds.features.ClassLabel(names=STAGE1_CLASSES if stage == 1 else STAGE2_CLASSES),
                }
            ),
        }
    )


def line_features() -> tfds.features.FeaturesDict:
    """The schema of a set of lines; pictures are of any size."""
    import tensorflow_datasets as tfds

    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, 3), dtype=np.uint8, encoding_format="png"),
            "image/filename": tfds.features.Text(),
            "image/id": np.int64,
            "text": tfds.features.Text(),
        }
    )


class _Writer:
    """Writes one set, example by example, into a folder that is complete once the writer is closed."""

    def __init__(self, folder: Path, name: str, schema: tfds.features.FeaturesDict, splits: Sequence[str]):
        import tensorflow  # noqa: F401  (or the first example would import it, and the time left be told wrongly)
        import tensorflow_datasets as tfds

        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._images = 0
        self._waiting: dict[str, list[dict[str, Any]]] = {}
        info = tfds.core.DatasetInfo(
            builder=tfds.core.DatasetIdentity(
                name=name, version=tfds.core.Version(VERSION), data_dir=str(folder), module_name=""
            ),
            description=_DESCRIPTIONS[name],
            features=schema,
            supervised_keys=None,
        )
        self._writer = tfds.core.SequentialWriter(info, _EXAMPLES_PER_SHARD)
        self._writer.initialize_splits(list(splits))

    def _add(self, split: str, example: dict[str, Any]) -> None:
        """Adds one example, with its number."""
        self._waiting.setdefault(split, []).append({**example, "image/id": self._images})
        self._images += 1
        if self._images % _EXAMPLES_AT_ONCE == 0:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.add_examples(self._waiting)
            self._waiting = {}

    def close(self, splits: Mapping[str, str]) -> None:
        """Finishes the files and writes splits.json beside them, {file name: split}."""
        self._flush()
        self._writer.close_all()
        text = json.dumps(dict(sorted(splits.items())), indent=0, ensure_ascii=False)
        (self._folder / "splits.json").write_text(text, encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._writer.close_all()


class SetWriter(_Writer):
    """Writes one set of meters."""

    def __init__(self, folder: Path, stage: int, splits: Sequence[str], size: int | None = None):
        """Starts a set.

        Args:
            folder: the version folder, empty or new.
            stage: 1 or 2.
            splits: the splits that will get examples; TFDS cannot read a split that is declared and empty.
            size: stage 1: side of the square pictures in pixels.
        """
        super().__init__(folder, set_name(stage), features(stage, size), splits)
        self._stage = stage
        self._objects = 0
        self._box = _stage1_box if stage == 1 else _stage2_box

    def add(
        self, split: str, image: UInt8, shapes: npt.NDArray[np.floating[Any]], class_ids: npt.ArrayLike, name: str
    ) -> None:
        """Adds one picture.

        Args:
            split: "train", "validation" or "test".
            image: (H, W, 3) uint8; stage 1: (S, S, 3), letterboxed.
            shapes: in pixels of `image`. Stage 1: (N, 4, 2) corners, x before y. Stage 2: (N, 4) xyxy.
            class_ids: (N,) class of each.
            name: file name of the photo.
        """
        height, width = image.shape[:2]
        objects = []
        for shape, class_id in zip(shapes, np.asarray(class_ids), strict=True):
            box, area = self._box(shape, height, width)
            objects.append({"area": area, "bbox": box, "id": self._objects, "is_crowd": False, "label": int(class_id)})
            self._objects += 1
        data = encode_jpeg(image, JPEG_QUALITY) if self._stage == 1 else encode_png(image)
        self._add(split, {"image": data, "image/filename": name, "objects": objects})


class LineSetWriter(_Writer):
    """Writes one set of lines."""

    def __init__(self, folder: Path, splits: Sequence[str]):
        """Starts a set; see `SetWriter`."""
        super().__init__(folder, LINES_NAME, line_features(), splits)

    def add(self, split: str, image: UInt8, text: str, name: str) -> None:
        """Adds one picture (H, W, 3) uint8 RGB of a line, what stands in it, and the name of its file."""
        self._add(split, {"image": encode_png(image), "image/filename": name, "text": text})


def _stage1_box(corners: npt.NDArray[np.floating[Any]], height: int, width: int) -> tuple[Any, int]:
    """(4, 2) xy pixels to (12,) float32 ymin, xmin, ymax, xmax, then y, x of the corners, relative; and the area."""
    relative = (np.asarray(corners, np.float64) / (width, height))[:, ::-1]  # (4, 2) yx
    box = np.concatenate([relative.min(axis=0), relative.max(axis=0), relative.reshape(-1)]).astype(np.float32)
    return box, round(abs(signed_area(corners)))


def _stage2_box(xyxy: npt.NDArray[np.floating[Any]], height: int, width: int) -> tuple[Any, int]:
    """(4,) xyxy pixels to a TFDS box, relative; and the area."""
    import tensorflow_datasets as tfds

    left, top, right, bottom = (float(value) for value in xyxy)
    box = tfds.features.BBox(ymin=top / height, xmin=left / width, ymax=bottom / height, xmax=right / width)
    return box, round((right - left) * (bottom - top))
