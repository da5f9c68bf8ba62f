"""Reading and checking Label Studio JSON exports: tasks in, labelled images and a list of faults out.

label-studio-converter reads the annotations. It drops the ids of the regions, the name of the uploaded file and,
without a word, cancelled annotations; those are read from the raw JSON.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training.image_files import ImageFolder, ImageLookupError, NamedImages, original_name
from training.labelstudio_regions import Region, RegionError, class_id, inside, read_polygon, read_rectangle

Json = dict[str, Any]
Float64 = npt.NDArray[np.float64]

SPLITS: tuple[str, ...] = ("train", "validation", "test")


class DatasetError(ValueError):
    """Labels or a data set that cannot be used; the message is one line for the user."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with one task ("task 12") or record ("line 3"), for the report."""

    file: str
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}: {self.place}: {self.text}"


@dataclass(frozen=True)
class LabelledImage:
    """One usable task of an export.

    Attributes:
        file: the export it comes from.
        place: the task there, as "task 12".
        path: the image file.
        name: its name before it was uploaded.
        split: "train", "validation" or "test" where the task's `data.split` says so, else None.
        shapes: float64, in percent of the picture's sides, x before y. Stage 1: (N, 4, 2) corners, clockwise from the
            display's own top-left. Stage 2: (N, 4) left, top, right, bottom.
        class_ids: (N,) int64, indices into STAGE1_CLASSES or STAGE2_CLASSES.
        labelled_size: width and height in pixels of the picture that the labels were drawn on, None if not told.
    """

    file: str
    place: str
    path: Path
    name: str
    split: str | None
    shapes: Float64
    class_ids: npt.NDArray[np.int64]
    labelled_size: tuple[int, int] | None


def read_export(labels: Path, images: Path | None, stage: int) -> tuple[list[LabelledImage], list[Fault]]:
    """Reads one Label Studio export.

    Args:
        labels: the JSON export.
        images: the folder that holds its images, at any depth; None for the labels alone, whose paths are then the
            names that the tasks give.
        stage: 1 (polygons around displays) or 2 (rectangles around digits).

    Returns:
        The usable tasks, and every fault of the others. No task is in neither.

    Raises:
        DatasetError: the file is not a Label Studio JSON export at all, or the folder does not exist.
    """
    tasks = _load_tasks(labels)
    if images is not None and not images.is_dir():
        raise DatasetError(f"{images} is not a folder; the images of {labels} were wanted there")
    folder = ImageFolder(images) if images is not None else NamedImages()
    good: list[LabelledImage] = []
    faults: list[Fault] = []
    for number, task in enumerate(tasks):
        place = f"task {task['id']}" if "id" in task else f"task number {number + 1} (it has no id)"
        found: list[str] = []
        image = _read_task(task, stage, folder, str(labels), place, found)
        faults.extend(Fault(str(labels), place, text) for text in found)
        if image is not None and not found:
            good.append(image)
    return good, faults


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        DatasetError: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise DatasetError(f"{path} is not JSON: {error}") from error


def _load_tasks(labels: Path) -> list[Json]:
    tasks = read_json(labels)
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
    task: Json, stage: int, folder: ImageFolder | NamedImages, file: str, place: str, found: list[str]
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
    read = read_polygon if stage == 1 else read_rectangle
    shapes, class_ids = [], []
    for region in regions:
        name = f"region {region.id}: "
        try:
            shapes.append(inside(read(region), stage))
            class_ids.append(class_id(region.value, stage))
        except RegionError as fault:
            found.append(name + str(fault))
    if path is None or found:
        return None
    width, height = (regions[0].value.get(f"original_{side}") for side in ("width", "height")) if regions else (0, 0)
    return LabelledImage(
        file=file,
        place=place,
        path=path,
        name=original_name(path, task.get("file_upload"), data.get("image")),
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
        only: Json = annotations[0]
        return only
    return None


def _converted_regions(task: Json, annotation: Json, found: list[str]) -> list[Region]:
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
    regions = [Region(str(r.get("id", "?")), str(r.get("type")), next(values[r["from_name"]])) for r in raw]
    turned = {r["image_rotation"] for r in raw if r.get("image_rotation")}
    if turned:
        found.append(f"picture was turned by {turned.pop()} degrees in Label Studio; turn the file itself and label it")
    return regions


def photo_name(file_name: str) -> str:
    """What identifies the photo in a file name: no folder, upload prefix, `cropped_` or extension.

    A photo of stage 1 and the display cut out of it for stage 2 get the same name.
    """
    stem = re.sub(r"^[0-9a-f]{8}-", "", Path(file_name).stem)
    return re.sub(r"^[0-9a-f]{8}-", "", stem.removeprefix("cropped_"))
