"""From our simple JSONL form of labelled pictures to Label Studio exports for both stages.

One JSON object a line: `image` (path below the manifest's folder), `split` (train or test), `kind` (full_photo,
display_crop, digit_crop), `corners` (4 x [x, y] in pixels of the stored image, clockwise from the display's own
top-left; null: not labelled; []: no display on the photo), `boxes` ([x1, y1, x2, y2, class], or null), and where known
`cls` (a stage 1 class), `legible` and `reading`. Where the reading has a point and a digit for every box, the decimal
area is the box around the digits after the point.

A box of another class, such as "NaN" for a drum between two digits, gets its digit from a file of corrected readings.
Without it the display is not in stage 2, for a network would learn that there is nothing.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from reader.geometry import MARGIN
from reader.image import ImageError, encode_jpeg, encode_png
from reader.symbols import STAGE2_CLASSES
from reader.types import UInt8
from training.datasets import shrunk
from training.jsonl_records import (
    RecordError,
    class_of,
    decimal_area,
    display,
    load_stored,
    manifest_lines,
    read_corners,
    read_readings,
    stage1_task,
    with_corners,
    with_reading,
)
from training.labelstudio import SPLITS, Fault, photo_name
from training.labelstudio_tasks import label_config, local_file, rectangle_task
from training.splits import SplitRule

Record = dict[str, Any]
KINDS: tuple[str, ...] = ("full_photo", "display_crop")
_JPEG_QUALITY = 95


@dataclass(frozen=True)
class JsonlOptions:
    """What is made of a JSONL set.

    Attributes:
        kinds: the kinds of records that are taken.
        margin: room around a rectified display on every side, in heights of the display.
        size_limit: longer side of stage 1 pictures in pixels, at most; None: as they are. Displays for stage 2 are cut
            out before.
        default_class: stage 1 class of records that tell none.
        unlabelled: make tasks for people of the records without labels, too.
        skip_faulty: leave displays with boxes of unknown classes out of stage 2 instead of calling the record faulty.
        validation: part of the train records that becomes the validation split; test records stay test.
        seed: another seed puts other photos into the validation split.
        corners: file with corners of records that have none, see `read_corners`.
        readings: file with readings that a person corrected, see `read_readings`.
    """

    kinds: tuple[str, ...] = KINDS
    margin: float = MARGIN
    size_limit: int | None = None
    default_class: str = "analog"
    unlabelled: bool = False
    skip_faulty: bool = False
    validation: float = 0.1
    seed: int = 0
    corners: Path | None = None
    readings: Path | None = None


@dataclass
class JsonlResult:
    """What came of it.

    Attributes:
        tasks: labelled tasks by stage.
        unlabelled: tasks by stage that a person has yet to label.
        left_out: number of records that were not taken, by reason.
        faults: what is wrong.
    """

    tasks: dict[int, list[Record]] = field(default_factory=lambda: {1: [], 2: []})
    unlabelled: dict[int, list[Record]] = field(default_factory=lambda: {1: [], 2: []})
    left_out: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)


def convert(manifest: Path, out: Path, options: JsonlOptions) -> JsonlResult:
    """Turns a JSONL set into two Label Studio exports with their images.

    Args:
        manifest: the JSONL file; paths in it are relative to its folder.
        out: folder for stage1/ and stage2/, each with images/, labels.json, label_config.xml and, if asked for,
            unlabelled.json.
        options: what is taken and how.

    Returns:
        The tasks written, and the faults. Records with faults have no tasks.

    Raises:
        DatasetError: the manifest or a file of corners or readings cannot be read.
    """
    conversion = _Conversion(manifest, out, options)
    result = conversion.result
    for stage in (1, 2):
        (out / f"stage{stage}" / "images").mkdir(parents=True, exist_ok=True)
    for number, record in tqdm(list(_read_manifest(manifest, result)), desc=str(manifest.parent), unit="image"):
        try:
            conversion.add(record, f"line {number}")
        except (ImageError, RecordError) as error:
            result.faults.append(Fault(str(manifest), f"line {number}", str(error)))
    for stage in (1, 2):
        folder = out / f"stage{stage}"
        _write_json(folder / "labels.json", result.tasks[stage])
        if options.unlabelled:
            _write_json(folder / "unlabelled.json", result.unlabelled[stage])
        (folder / "label_config.xml").write_text(label_config(stage), encoding="utf-8")
    return result


def _read_manifest(manifest: Path, result: JsonlResult) -> Iterator[tuple[int, Record]]:
    """The records with their line numbers."""
    for number, line in manifest_lines(manifest):
        try:
            record = json.loads(line)
        except ValueError as error:
            result.faults.append(Fault(str(manifest), f"line {number}", f"not JSON: {error}"))
            continue
        if isinstance(record, dict) and isinstance(record.get("image"), str):
            yield number, record
        else:
            result.faults.append(Fault(str(manifest), f"line {number}", 'an object with "image" was wanted'))


@dataclass
class _Conversion:
    """One run over a manifest."""

    manifest: Path
    out: Path
    options: JsonlOptions
    result: JsonlResult = field(default_factory=JsonlResult)

    def __post_init__(self) -> None:
        self.noted = read_corners(self.options.corners)
        self.readings = read_readings(self.options.readings)

    def add(self, record: Record, place: str) -> None:
        """Makes the tasks of one record and stores their pictures."""
        record = with_reading(with_corners(record, self.noted), self.readings)
        kind = record.get("kind", "full_photo")
        if kind not in self.options.kinds:
            self.result.left_out[f"kind {kind}"] += 1
            return
        corners, boxes = record.get("corners"), record.get("boxes")
        is_photo = kind == "full_photo"
        # Of a photo without corners there is no display to cut out, and a crop without corners is one display all over.
        in_stage1 = corners is not None or (is_photo and self.options.unlabelled)
        in_stage2 = bool(corners or not is_photo) and bool(boxes or self.options.unlabelled)
        if not in_stage1:
            self.result.left_out["no corners: not in stage 1"] += 1
        if not in_stage2:
            self.result.left_out["no boxes, or boxes on a photo without corners: not in stage 2"] += 1
        if not in_stage1 and not in_stage2:
            return
        source = self.manifest.parent / record["image"]
        photo, upright = load_stored(source)
        class_name = class_of(record, self.options.default_class)
        task1 = {} if corners is None else stage1_task(photo, corners, class_name)
        if in_stage2 and boxes and not self._known(boxes, place):
            in_stage2 = False
        cut, task2 = self._stage2(record, photo) if in_stage2 else (None, {})
        # Stored only now, so that a faulty record leaves nothing behind. A photo and its crop often have the same file
        # name; the crop gets another.
        name = source.name if is_photo else f"{source.stem}-crop{source.suffix}"
        data = {"split": self._split(record, photo_name(source.name)), "reading": record.get("reading")}
        if in_stage1:
            self._store(1, name, photo, source if upright else None, task1, data)
        if cut is not None:
            whole = source if upright and not corners else None
            self._store(2, f"cropped_{name}", cut, whole, task2, data)

    def _stage2(self, record: Record, photo: UInt8) -> tuple[UInt8, Record]:
        """The display and its annotations, none where the record has no boxes."""
        corners, boxes = record.get("corners"), record.get("boxes")
        if boxes:
            boxes = boxes + decimal_area(boxes, record.get("reading"), corners)
        image, xyxy = display(photo, corners, boxes or [], self.options.margin)
        if not boxes:
            return image, {}
        return image, rectangle_task(image.shape[:2], xyxy, [str(box[4]).lower() for box in boxes])

    def _known(self, boxes: list[Any], place: str) -> bool:
        """Whether all boxes are of known classes. Others fail the record, or are reported where those are skipped."""
        if not all(isinstance(box, list) and len(box) == 5 for box in boxes):
            raise RecordError("boxes of the form [x1, y1, x2, y2, class] wanted")
        unknown = [str(box[4]) for box in boxes if str(box[4]).lower() not in STAGE2_CLASSES]
        if not unknown:
            return True
        text = f"{len(unknown)} boxes of unknown class {', '.join(sorted(set(unknown)))}"
        if not self.options.skip_faulty:
            raise RecordError(text)
        self.result.faults.append(Fault(str(self.manifest), place, f"{text}: not in stage 2"))
        return False

    def _split(self, record: Record, name: str) -> str:
        split = record.get("split", "train")
        if split == "train":
            part = self.options.validation
            return SplitRule((1 - part, part, 0), self.options.seed).draw(name)
        if split not in SPLITS:
            raise RecordError(f"unknown split {split!r} (wanted one of {', '.join(SPLITS)})")
        return str(split)

    def _store(self, stage: int, name: str, image: UInt8, source: Path | None, task: Record, data: Record) -> None:
        """Stores one picture, as the file it was where that can stay, and keeps its task."""
        path = _fresh(self.out / f"stage{stage}" / "images" / name)
        limit = self.options.size_limit if stage == 1 else None
        if source is not None and (limit is None or max(image.shape[:2]) <= limit):
            shutil.copyfile(source, path)
        else:
            image = image if limit is None else shrunk(image, limit)
            path.write_bytes(encode_png(image) if path.suffix.lower() == ".png" else encode_jpeg(image, _JPEG_QUALITY))
        tasks = (self.result.tasks if task else self.result.unlabelled)[stage]
        address = local_file(f"stage{stage}/images/{path.name}")
        tasks.append({"id": len(tasks) + 1, "data": {"image": address, **data}, **task})


def _fresh(path: Path) -> Path:
    """The path, or with a number where two pictures of a set have the same name in different folders."""
    number, fresh = 1, path
    while fresh.exists():
        number += 1
        fresh = path.with_stem(f"{path.stem}-{number}")
    return fresh


def _write_json(path: Path, tasks: list[Record]) -> None:
    path.write_text(json.dumps(tasks, indent=1, ensure_ascii=False), encoding="utf-8")
