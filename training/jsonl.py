"""From our simple JSONL form of labelled pictures to Label Studio exports for both stages.

One JSON object a line: `image` (path below the manifest's folder), `split` (train or test), `kind` (full_photo,
display_crop, digit_crop), `corners` (4 x [x, y] in pixels of the stored image, clockwise from the display's own
top-left; null: not labelled; []: no display on the photo), `boxes` ([x1, y1, x2, y2, class], or null), and where known
`cls` (a stage 1 class), `legible` and `reading`.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from reader.geometry import MARGIN, box_corners, rectify, warp_points
from reader.header import read_header
from reader.image import ImageError, encode_jpeg, encode_png, load_image, resize
from reader.symbols import STAGE1_CLASSES, STAGE2_CLASSES
from reader.types import UInt8
from training.labelstudio import DatasetError, Fault, photo_name
from training.labelstudio_tasks import label_config, local_file, polygon_task, rectangle_task
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
        validation: part of the train records that becomes the validation split; test records stay test.
        seed: another seed puts other photos into the validation split.
    """

    kinds: tuple[str, ...] = KINDS
    margin: float = MARGIN
    size_limit: int | None = None
    default_class: str = "analog"
    validation: float = 0.1
    seed: int = 0


@dataclass
class JsonlResult:
    """What came of it: tasks of both stages, what was not taken and why, what is wrong."""

    stage1: list[Record] = field(default_factory=list)
    stage2: list[Record] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)


def convert(manifest: Path, out: Path, options: JsonlOptions, skip_faulty: bool) -> JsonlResult:
    """Turns a JSONL set into two Label Studio exports with their images.

    Args:
        manifest: the JSONL file; paths in it are relative to its folder.
        out: folder for stage1/ and stage2/, each with images/, labels.json and label_config.xml.
        options: what is taken and how.
        skip_faulty: leave out single boxes of unknown classes instead of counting the record as faulty.

    Returns:
        The tasks written, and the faults. Records with faults have no tasks.

    Raises:
        DatasetError: the manifest cannot be read.
    """
    result = JsonlResult()
    rule = SplitRule((1 - options.validation, options.validation, 0), options.seed)
    records = list(_read_manifest(manifest, result))
    for stage in (1, 2):
        (out / f"stage{stage}" / "images").mkdir(parents=True, exist_ok=True)
    for line, record in tqdm(records, desc=manifest.parent.name or str(manifest), unit="image"):
        try:
            _convert_record(record, manifest, out, options, rule, skip_faulty, result, str(line))
        except (ImageError, _RecordError, ValueError) as error:
            result.faults.append(Fault(str(manifest), f"line {line}", str(error)))
    for stage, tasks in ((1, result.stage1), (2, result.stage2)):
        folder = out / f"stage{stage}"
        (folder / "labels.json").write_text(json.dumps(tasks, indent=1, ensure_ascii=False), encoding="utf-8")
        (folder / "label_config.xml").write_text(label_config(stage), encoding="utf-8")
    return result


class _RecordError(Exception):
    """What is wrong with one record."""


def _read_manifest(manifest: Path, result: JsonlResult) -> Iterator[tuple[int, Record]]:
    try:
        lines = manifest.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read {manifest}: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            record, reason = None, f"not JSON: {error}"
        else:
            reason = "a JSON object with `image` was wanted"
        if isinstance(record, dict) and isinstance(record.get("image"), str):
            yield number, record
        else:
            result.faults.append(Fault(str(manifest), f"line {number}", reason))


def _convert_record(
    record: Record,
    manifest: Path,
    out: Path,
    options: JsonlOptions,
    rule: SplitRule,
    skip_faulty: bool,
    result: JsonlResult,
    line: str,
) -> None:
    kind = record.get("kind", "full_photo")
    if kind not in options.kinds:
        result.left_out[f"kind {kind}"] += 1
        return
    corners, boxes = record.get("corners"), record.get("boxes")
    if corners is None:
        result.left_out["no corners: not in stage 1"] += 1
    if not boxes or (kind == "full_photo" and not corners):
        result.left_out["no boxes (or a photo without corners): not in stage 2"] += 1
    source = manifest.parent / record["image"]
    if corners is None and not boxes:
        return
    photo, upright = _load_stored(source)
    # A photo and its crop often have the same file name; one of them needs another.
    name = source.name if kind == "full_photo" else f"{source.stem}-crop{source.suffix}"
    split = _split(record, rule, photo_name(source.name))
    data = {"split": split, "reading": record.get("reading")}
    stage1 = stage2 = None
    if corners is not None:
        stage1 = _stage1_task(photo, corners, _class_of(record, options.default_class))
    if boxes and (corners or kind == "display_crop"):
        boxes = _known_boxes(boxes, skip_faulty, result, f"{manifest}", line)
        display, xyxy = _display(photo, corners, boxes, options.margin)
        stage2 = rectangle_task(display.shape[:2], xyxy, [box[4] for box in boxes])
    # Written only now, so that a faulty record leaves nothing behind.
    if stage1 is not None:
        path = _fresh(out / "stage1" / "images" / name)
        _store(photo, source if upright else None, path, options.size_limit)
        result.stage1.append(_finish(stage1, len(result.stage1) + 1, "stage1", path.name, data))
    if stage2 is not None:
        path = _fresh(out / "stage2" / "images" / f"cropped_{name}")
        _store(display, source if upright and not corners else None, path, None)
        result.stage2.append(_finish(stage2, len(result.stage2) + 1, "stage2", path.name, data))


def _load_stored(path: Path) -> tuple[UInt8, bool]:
    """The stored pixels, which the labels belong to, and whether they are the upright picture as well."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"missing image {path.name} ({error.strerror})") from error
    header = read_header(data)
    if header is None or header.orientation == 1:
        return load_image(data), True
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    if stored is None:
        raise ImageError(f"unreadable image {path.name}")
    return np.asarray(stored, np.uint8), False


def _split(record: Record, rule: SplitRule, name: str) -> str:
    split = record.get("split", "train")
    if split == "train":
        return rule.draw(name)
    if split not in ("validation", "test"):
        raise _RecordError(f"unknown split {split!r} (wanted train, validation or test)")
    return str(split)


def _class_of(record: Record, default: str) -> str:
    """Stage 1 class of a record: what `cls` says, illegible where `legible` is false."""
    name = str(record.get("cls") or default).lower()
    if record.get("legible") is False and not name.endswith("_illegible"):
        name += "_illegible"
    if name not in STAGE1_CLASSES:
        raise _RecordError(f"unknown cls {name!r} (wanted one of {', '.join(STAGE1_CLASSES)})")
    return name


def _known_boxes(boxes: list[Any], skip_faulty: bool, result: JsonlResult, file: str, line: str) -> list[list[Any]]:
    """The boxes of known classes. Others are reported; they fail the record unless faulty ones are skipped."""
    known = [box for box in boxes if str(box[4]).lower() in STAGE2_CLASSES]
    unknown = sorted({str(box[4]) for box in boxes} - {str(box[4]) for box in known})
    if unknown:
        text = f"{len(boxes) - len(known)} boxes of unknown class {', '.join(unknown)}"
        if not skip_faulty or not known:
            raise _RecordError(text)
        result.faults.append(Fault(file, f"line {line}", f"{text}: left out"))
    return known


def _display(
    photo: UInt8, corners: list[Any] | None, boxes: list[list[Any]], margin: float
) -> tuple[UInt8, npt.NDArray[np.float64]]:
    """The display for stage 2 and its (N, 4) boxes, clipped to it: cut out of the photo, or the crop as it is."""
    xyxy = np.array([box[:4] for box in boxes], np.float64)
    display = photo
    if corners is not None:
        display, homography = rectify(photo, np.array(corners, np.float64), margin)
        moved = warp_points(box_corners(xyxy), homography)  # (N, 4, 2)
        xyxy = np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1)
    height, width = display.shape[:2]
    return display, np.clip(xyxy, 0, (width, height, width, height))


def _stage1_task(photo: UInt8, corners: list[Any], class_name: str) -> Record:
    if corners and np.array(corners).shape != (4, 2):
        raise _RecordError(f"corners of shape {np.array(corners).shape}, 4 x [x, y] wanted")
    return polygon_task(photo.shape[:2], [corners] if corners else [], [class_name] if corners else [])


def _fresh(path: Path) -> Path:
    """The path, or with a number where two pictures of a set have the same name in different folders."""
    number, fresh = 1, path
    while fresh.exists():
        number += 1
        fresh = path.with_stem(f"{path.stem}-{number}")
    return fresh


def _store(image: UInt8, source: Path | None, path: Path, size_limit: int | None) -> None:
    """Copies the file where it can stay as it is, else encodes the picture."""
    scale = (size_limit or max(image.shape)) / max(image.shape[:2])
    if source is not None and scale >= 1:
        shutil.copyfile(source, path)
        return
    if scale < 1:
        image = resize(image, (max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale))))
    path.write_bytes(encode_png(image) if path.suffix.lower() == ".png" else encode_jpeg(image, _JPEG_QUALITY))


def _finish(task: Record, number: int, folder: str, name: str, data: Record) -> Record:
    """Adds what a task is known by. Local file storage of Label Studio serves the path below its document root."""
    return {"id": number, "data": {"image": local_file(f"{folder}/images/{name}"), **data}, **task}
