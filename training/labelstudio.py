"""Reading and checking Label Studio JSON exports: tasks in, labelled images and a list of faults out.

label-studio-converter reads the annotations. It drops the ids of the regions, the name of the uploaded file and,
without a word, cancelled annotations; those are read from the raw JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reader.symbols import STAGE1_CLASSES, STAGE2_CLASSES
from training.image_files import ImageFolder, ImageLookupError

Json = dict[str, Any]
Float64 = npt.NDArray[np.float64]

SPLITS: tuple[str, ...] = ("train", "validation", "test")

#: Corners and boxes drawn at the very edge come out a little over it; up to this much (percent of the side) is clipped.
EDGE_TOLERANCE = 0.5

#: Older exports know one illegible class only; it meant analog displays.
_OLD_LABELS = {"illegible": "analog_illegible"}


class DatasetError(ValueError):
    """Labels or a data set that cannot be used; the message is one line for the user."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with one task, for the report."""

    file: str
    task: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}: task {self.task}: {self.text}"


@dataclass(frozen=True)
class LabelledImage:
    """One usable task of an export.

    Attributes:
        file: the export it comes from.
        task: the task's id there.
        path: the image file.
        split: "train", "validation" or "test" where the task's `data.split` says so, else None.
        shapes: float64, in percent of the picture's sides, x before y. Stage 1: (N, 4, 2) corners, clockwise from the
            display's own top-left. Stage 2: (N, 4) left, top, right, bottom.
        class_ids: (N,) int64, indices into STAGE1_CLASSES or STAGE2_CLASSES.
        labelled_size: width and height in pixels of the picture that the labels were drawn on, None if not told.
    """

    file: str
    task: str
    path: Path
    split: str | None
    shapes: Float64
    class_ids: npt.NDArray[np.int64]
    labelled_size: tuple[int, int] | None


def read_export(labels: Path, images: Path, stage: int) -> tuple[list[LabelledImage], list[Fault]]:
    """Reads one Label Studio export.

    Args:
        labels: the JSON export.
        images: the folder that holds its images, at any depth.
        stage: 1 (polygons around displays) or 2 (rectangles around digits).

    Returns:
        The usable tasks, and every fault of the others. No task is in neither.

    Raises:
        DatasetError: the file is not a Label Studio JSON export at all, or the folder does not exist.
    """
    tasks = _load_tasks(labels)
    if not images.is_dir():
        raise DatasetError(f"{images} is not a folder; the images of {labels} were wanted there")
    folder = ImageFolder(images)
    good: list[LabelledImage] = []
    faults: list[Fault] = []
    for number, task in enumerate(tasks):
        task_id = str(task.get("id", f"number {number + 1} (no id)"))
        found: list[str] = []
        image = _read_task(task, stage, folder, str(labels), task_id, found)
        faults.extend(Fault(str(labels), task_id, text) for text in found)
        if image is not None and not found:
            good.append(image)
    return good, faults


def _load_tasks(labels: Path) -> list[Json]:
    try:
        tasks = json.loads(labels.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"cannot read {labels}: {error.strerror}") from error
    except ValueError as error:
        raise DatasetError(f"{labels} is not JSON: {error}") from error
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise DatasetError(f"{labels} is not a Label Studio JSON export: a list of tasks was wanted")
    if not tasks:
        raise DatasetError(f"{labels} holds no tasks")
    if not any("annotations" in task or "completions" in task for task in tasks):
        raise DatasetError(
            f'{labels}: no task has "annotations" (JSON-MIN?); export as "JSON" from Label Studio, nothing else'
        )
    return tasks


def _read_task(
    task: Json, stage: int, folder: ImageFolder, file: str, task_id: str, found: list[str]
) -> LabelledImage | None:
    """One task; appends what is wrong with it to `found`."""
    data = task.get("data")
    if not isinstance(data, dict):
        found.append("no data")
        return None
    path: Path | None = None
    try:
        path = folder.find(task.get("file_upload"), data.get("image"))
    except ImageLookupError as error:
        found.append(str(error))
    split = data.get("split")
    if split is not None and split not in SPLITS:
        found.append(f"unknown split {split!r} (wanted one of {', '.join(SPLITS)})")
    annotation = _only_annotation(task, found)
    if annotation is None:
        return None
    regions = _converted_regions(task, annotation, found)
    if stage == 2 and not regions and not found:
        found.append("empty annotation: no boxes")
    read = _read_polygon if stage == 1 else _read_rectangle
    shapes, class_ids = [], []
    for region in regions:
        name = f"region {region.id}: "
        try:
            shapes.append(_inside(read(region), stage))
            class_ids.append(_class_id(region.value, stage))
        except _RegionError as fault:
            found.append(name + str(fault))
    if path is None or found:
        return None
    width, height = (regions[0].value.get(f"original_{side}") for side in ("width", "height")) if regions else (0, 0)
    return LabelledImage(
        file=file,
        task=task_id,
        path=path,
        split=split,
        shapes=np.array(shapes, np.float64).reshape((-1, 4, 2) if stage == 1 else (-1, 4)),
        class_ids=np.array(class_ids, np.int64),
        labelled_size=(int(width), int(height)) if width and height else None,
    )


def _only_annotation(task: Json, found: list[str]) -> Json | None:
    """The task's one annotation; there must be exactly one, and not a cancelled one."""
    annotations = task.get("annotations", task.get("completions")) or []
    cancelled = sum(bool(a.get("was_cancelled") or a.get("skipped")) for a in annotations)
    if not annotations:
        found.append("not annotated")
    elif len(annotations) > 1:
        found.append(f"{len(annotations)} annotations ({cancelled} cancelled), 1 wanted")
    elif cancelled:
        found.append("annotation cancelled")
    elif not isinstance(annotations[0].get("result"), list):
        found.append("annotation without a result list")
    else:
        return annotations[0]
    return None


@dataclass(frozen=True)
class _Region:
    """One drawn region: its id and type from the raw JSON, its value from the converter."""

    id: str
    type: str
    value: Json


class _RegionError(Exception):
    """What is wrong with one region."""


def _converted_regions(task: Json, annotation: Json, found: list[str]) -> list[_Region]:
    """The regions of the one good annotation, read by label-studio-converter, with their ids beside them."""
    from label_studio_converter.converter import Converter  # 1.3 s to import

    raw = [region for region in annotation["result"] if isinstance(region, dict)]
    nameless = [r for r in annotation["result"] if not isinstance(r, dict) or not {"from_name", "value"} <= r.keys()]
    if nameless:
        found.append(f"{len(nameless)} results that are no drawn regions (without from_name and value)")
        return []
    # The converter reads only what a labelling configuration names. The export does not hold one, but its regions
    # tell all that the converter needs.
    schema = {
        r["from_name"]: {"type": str(r.get("type")), "inputs": [{"type": "Image", "value": "image"}], "labels": []}
        for r in raw
    }
    converter = Converter(schema, project_dir=None, download_resources=False)
    items = list(converter.annotation_result_from_task({"id": None, "annotations": [annotation], **task}))
    values = {name: iter(group) for name, group in items[0]["output"].items()}
    # The converter keeps the order within one from_name, so the ids can be dealt out again.
    regions = [_Region(str(r.get("id", "?")), str(r.get("type")), next(values[r["from_name"]])) for r in raw]
    turned = {r["image_rotation"] for r in raw if r.get("image_rotation")}
    if turned:
        found.append(f"picture was turned by {turned.pop()} degrees in Label Studio; turn the file itself and label it")
    return regions


def _class_id(value: Json, stage: int) -> int:
    """Class id of a region's only label."""
    labels = value.get("polygonlabels" if stage == 1 else "rectanglelabels")
    if not labels:
        raise _RegionError("no label")
    if len(labels) > 1:
        raise _RegionError(f"{len(labels)} labels ({', '.join(map(str, labels))}), 1 wanted")
    classes = STAGE1_CLASSES if stage == 1 else STAGE2_CLASSES
    name = str(labels[0]).strip().lower()
    if stage == 1:
        name = _OLD_LABELS.get(name, name)
    if name not in classes:
        raise _RegionError(f"unknown label {labels[0]!r} (wanted one of {', '.join(classes)})")
    return classes.index(name)


def _read_polygon(region: _Region) -> Float64:
    """(4, 2) corners in percent of a convex, clockwise quadrilateral."""
    points = region.value.get("points")
    if points is None:
        raise _RegionError(f"type {region.type}, a polygon wanted")
    if len(points) != 4:
        raise _RegionError(f"{len(points)} points, 4 wanted")
    corners = _numbers(points, (4, 2))
    sides = np.roll(corners, -1, axis=0) - corners
    following = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0]  # > 0: clockwise, for y points down
    # Two turns either way: the sides cross. Three against one: a dent.
    if np.abs(turns).max() < 1e-9:
        raise _RegionError("polygon without area")
    clockwise, counter = int((turns > 0).sum()), int((turns < 0).sum())
    if clockwise == counter:
        raise _RegionError("polygon crosses itself")
    if counter > clockwise:
        raise _RegionError("corners run counter-clockwise, clockwise from the display's own top-left wanted")
    if clockwise < 4:
        raise _RegionError("polygon is not convex")
    return corners


def _read_rectangle(region: _Region) -> Float64:
    """(4,) left, top, right, bottom in percent; of a turned rectangle the upright box around it."""
    value = region.value
    if any(value.get(key) is None for key in ("x", "y", "width", "height")):
        raise _RegionError(f"type {region.type}, a rectangle wanted")
    x, y, width, height = _numbers([value[key] for key in ("x", "y", "width", "height")], (4,))
    if width <= 0 or height <= 0:
        raise _RegionError(f"box of no size ({width:g} x {height:g} percent)")
    angle = np.deg2rad(float(value.get("rotation") or 0))
    # Label Studio turns about the top-left corner, in pixels; percent are not square.
    aspect = float(value.get("original_width") or 1) / float(value.get("original_height") or 1)
    along = np.array([np.cos(angle), np.sin(angle) * aspect]) * width
    down = np.array([-np.sin(angle) / aspect, np.cos(angle)]) * height
    corners = np.array([x, y]) + np.stack([0 * along, along, along + down, down])
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)])


def _numbers(values: Sequence[Any], shape: tuple[int, ...]) -> Float64:
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError):
        array = np.full(1, np.nan)
    if array.shape != shape or not np.isfinite(array).all():
        raise _RegionError(f"coordinates {values!r} are not numbers")
    return array


def _inside(shape: Float64, stage: int) -> Float64:
    """The shape, clipped to the picture, if it is not outside by more than the tolerance."""
    over = max(-float(shape.min()), float(shape.max()) - 100)
    if over > EDGE_TOLERANCE:
        raise _RegionError(f"{'corner' if stage == 1 else 'box'} outside the image by {over:.1f} percent")
    return np.clip(shape, 0, 100)


def photo_name(file_name: str) -> str:
    """What identifies the photo in a file name: no folder, upload prefix, `cropped_` or extension.

    A photo of stage 1 and the display cut out of it for stage 2 get the same name.
    """
    stem = re.sub(r"^[0-9a-f]{8}-", "", Path(file_name).stem)
    return re.sub(r"^[0-9a-f]{8}-", "", stem.removeprefix("cropped_"))
