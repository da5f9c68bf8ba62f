"""What one record of a JSONL set says: its picture, its display, its boxes, its class; checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reader.geometry import box_corners, rectify, warp_points
from reader.header import read_header
from reader.image import ImageError, load_image
from reader.symbols import DIGITS, FLOATP_ID, STAGE1_CLASSES, STAGE2_CLASSES
from reader.types import UInt8
from training.labelstudio import DatasetError, read_json
from training.labelstudio_tasks import polygon_task

Record = dict[str, Any]


class RecordError(ValueError):
    """What is wrong with one record."""


def load_stored(path: Path) -> tuple[UInt8, bool]:
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


def manifest_lines(manifest: Path) -> Iterator[tuple[int, str]]:
    """The lines of a JSONL file that are not blank, with their numbers from 1.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        lines = manifest.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read {manifest}: {error}") from error
    yield from ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def read_corners(path: Path | None) -> dict[str, Any]:
    """Corners that were annotated beside a manifest: a JSON object of 4 x [x, y] by the records' `image`.

    Empty without a file.

    Raises:
        DatasetError: no such object.
    """
    return _by_image(path, "four [x, y]", _are_corners)


def read_boxes(path: Path | None) -> dict[str, list[list[Any]]]:
    """Boxes drawn by hand, by image: a JSON object of lists of [x1, y1, x2, y2, "digit"]; none without a file.

    Raises:
        DatasetError: no such object.
    """
    return _by_image(path, 'lists of [x1, y1, x2, y2, "digit"]', _are_boxes)


def read_readings(path: Path | None) -> dict[str, str]:
    """Readings that a person corrected, by image: a JSON object of strings such as "3547.7"; none without a file.

    Raises:
        DatasetError: no such object.
    """
    return _by_image(path, 'readings such as "3547.7"', _is_reading)


def _by_image(path: Path | None, what: str, good: Callable[[Any], bool]) -> dict[str, Any]:
    if path is None:
        return {}
    wanted = f"{path}: a JSON object of {what} by image wanted"
    values = read_json(path)
    if not isinstance(values, dict):
        raise DatasetError(f"{wanted}; {type(values).__name__} came")
    for image, value in values.items():
        if not good(value):
            raise DatasetError(f"{wanted}; {value!r} came for {image}")
    return values


def _is_reading(value: Any) -> bool:
    return isinstance(value, str) and value.replace(".", "", 1).isdecimal()


def _are_corners(value: Any) -> bool:
    try:
        return np.asarray(value, np.float64).shape == (4, 2)
    except (TypeError, ValueError):
        return False


def _are_boxes(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_digit_box(box) for box in value)


def _is_digit_box(box: Any) -> bool:
    return _is_box(box) and bool(box[4] in DIGITS and box[0] < box[2] and box[1] < box[3])


def _is_box(box: Any) -> bool:
    if not (isinstance(box, list) and len(box) == 5):
        return False
    return all(isinstance(value, (int, float)) and bool(np.isfinite(value)) for value in box[:4])


def with_corners(record: Record, noted: Mapping[str, Any]) -> Record:
    """The record with the corners of `read_corners` where it has none of its own."""
    if record.get("corners") is None and record.get("image") in noted:
        return {**record, "corners": noted[record["image"]]}
    return record


def with_reading(record: Record, noted: Mapping[str, str]) -> Record:
    """The record with the reading of `read_readings` instead of its own, and the boxes' digits that only that tells.

    A box whose class is no digit, such as a rolling drum's, gets the reading's digit at its place where there is a box
    for every digit.
    """
    reading = noted.get(str(record.get("image")))
    if reading is None:
        return record
    boxes, corners, digits = record.get("boxes"), record.get("corners"), reading.replace(".", "")
    whole = isinstance(boxes, list) and len(boxes) == len(digits) and all(_is_box(box) for box in boxes)
    if whole and (not corners or _are_corners(corners)):  # what else came is reported where it is used
        order = _in_reading_order(boxes, corners)
        boxes = [box if str(box[4]) in DIGITS else [*box[:4], digit] for box, digit in zip(order, digits, strict=True)]
    return {**record, "reading": reading, "boxes": boxes}


def class_of(record: Record, default: str) -> str:
    """Stage 1 class of a record: what `cls` says, illegible where `legible` is false."""
    name = str(record.get("cls") or default).lower()
    if record.get("legible") is False and not name.endswith("_illegible"):
        name += "_illegible"
    if name not in STAGE1_CLASSES:
        raise RecordError(f"unknown cls {name!r} (wanted one of {', '.join(STAGE1_CLASSES)})")
    return name


def decimal_area(boxes: list[list[Any]], reading: object, corners: list[Any] | None) -> list[list[Any]]:
    """The decimal area as a list of one box, where reading and boxes tell it, else of none."""
    whole, point, decimals = str(reading or "").partition(".")
    digits = [box for box in boxes if str(box[4]).isdigit()]
    if len(boxes) != len(digits) or not point or not decimals or len(digits) != len(whole) + len(decimals):
        return []
    digits = _in_reading_order(digits, corners)
    if "".join(str(box[4]) for box in digits) != whole + decimals:
        return []  # the reading says other digits than the boxes: it does not tell where the point is
    xyxy = np.array([box[:4] for box in digits[len(whole) :]], np.float64)
    return [[*xyxy[:, :2].min(axis=0), *xyxy[:, 2:].max(axis=0), STAGE2_CLASSES[FLOATP_ID]]]


def _in_reading_order(boxes: list[list[Any]], corners: list[Any] | None) -> list[list[Any]]:
    """Sorted in reading direction, which a photo held sideways or upside down turns."""
    along = np.subtract(corners[1], corners[0]) if corners else np.array([1.0, 0.0])
    return sorted(boxes, key=lambda box: along[0] * (box[0] + box[2]) + along[1] * (box[1] + box[3]))


def display(
    photo: UInt8, corners: list[Any] | None, boxes: list[list[Any]], margin: float
) -> tuple[UInt8, npt.NDArray[np.float64]]:
    """The display for stage 2 and its (N, 4) boxes, clipped to it: cut out of the photo, or the crop as it is."""
    xyxy = _numbers([box[:4] for box in boxes], (len(boxes), 4), "boxes") if boxes else np.zeros((0, 4))
    display = photo
    if corners:
        try:
            display, homography = rectify(photo, _numbers(corners, (4, 2), "corners"), margin)
        except ValueError as error:
            raise RecordError(str(error)) from error
        moved = warp_points(box_corners(xyxy), homography)  # (N, 4, 2)
        xyxy = np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1)
    height, width = display.shape[:2]
    return display, np.clip(xyxy, 0, (width, height, width, height))


def stage1_task(photo: UInt8, corners: list[Any], class_name: str) -> Record:
    """The annotations of the photo; of no display where corners is an empty list."""
    if not corners:
        return polygon_task(photo.shape[:2], [], [])  # no display on this photo
    return polygon_task(photo.shape[:2], [_numbers(corners, (4, 2), "corners")], [class_name])


def _numbers(values: Any, shape: tuple[int, ...], what: str) -> npt.NDArray[np.float64]:
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError):
        array = np.full(1, np.nan)
    if array.shape != shape or not np.isfinite(array).all():
        raise RecordError(f"{what} of {' x '.join(map(str, shape))} numbers wanted, {values!r} came")
    return array
