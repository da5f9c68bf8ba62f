"""Writes made photos as two Label Studio exports: stage 1 on the photos, stage 2 on the rectified displays."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from reader.image import encode_jpeg, resize
from reader.symbols import STAGE1_CLASSES
from synthesis.batch import SynthesisError, check_folder, in_order, replacing
from synthesis.crops import MadeDisplay, cut_out, make_display, shrunk
from synthesis.meter import MeterPhoto, make_photo, photo_without_meter
from training.labelstudio_tasks import polygon_task, rectangle_task
from training.preview import Tile, write_sheet

#: What stands for "no meter on the photo" in counts.
NO_METER = "no meter"
_PREVIEW_PHOTOS = 48
_PREVIEW_SIDE = 260
_DATE = "2024-01-01T00:00:00.000000Z"  # made pictures have no hour of labelling; a real one would change the bytes

Task = dict[str, Any]


@dataclass(frozen=True)
class MeterOptions:
    """What to make.

    Attributes:
        count: number of photos.
        seed: same seed, same bytes, for any number of workers.
        size: longest side of a photo in pixels.
        workers: processes that draw.
        overwrite: replace a set that was made before.
        preview: where to write a contact sheet; None for none.
        scenes: photos without a meter alone, for stage 1.
        kind: of displays, "analog" or "digital"; None for both.
    """

    count: int
    seed: int = 0
    size: int = 640
    workers: int = 1
    overwrite: bool = False
    preview: Path | None = None
    scenes: bool = False
    kind: str | None = None


#: A picture to make: what was asked for, and its number.
_Job = tuple[MeterOptions, int]


@dataclass(frozen=True)
class _Made:
    """One photo as it goes to disk: JPEG bytes and the annotations of both stages, and a tile for the preview."""

    name: str
    counter_class: str
    photo: bytes
    stage1: Task
    crop: bytes | None
    stage2: Task | None
    tile: Tile | None


def write_meters(out: Path, options: MeterOptions) -> Counter[str]:
    """Make photos of meters and write them with their labels.

    `out` gets stage1/images/*.jpg, stage1/labels.json, stage2/images/*.jpg (legible displays only) and
    stage2/labels.json; of scenes stage1 alone. It appears under its name only when it is whole.

    Args:
        out: folder to make; must not exist, or be empty, or be an earlier set when `options.overwrite`.
        options: what to make.

    Returns:
        How many photos there are per stage 1 class and without a meter.

    Raises:
        SynthesisError: a wish out of range, or a folder in the way.
    """
    out = out.absolute()  # "." has no name to put a temporary folder beside
    _check(out, options)
    counts: Counter[str] = Counter(dict.fromkeys((*STAGE1_CLASSES, NO_METER), 0))
    stage1: list[Task] = []
    stage2: list[Task] = []
    tiles: list[Tile] = []
    stages = {"stage1": stage1} if options.scenes else {"stage1": stage1, "stage2": stage2}
    with replacing(out) as folder:
        for stage in stages:
            (folder / stage / "images").mkdir(parents=True)
        for made in tqdm(
            _make_all(options), total=options.count, unit="photo", desc="scenes" if options.scenes else "meters"
        ):
            counts[made.counter_class] += 1
            (folder / "stage1" / "images" / made.name).write_bytes(made.photo)
            stage1.append(_task(len(stage1) + 1, 1, made.name, made.stage1))
            if made.stage2 is not None and made.crop is not None:
                name = f"cropped_{made.name}"
                (folder / "stage2" / "images" / name).write_bytes(made.crop)
                stage2.append(_task(len(stage2) + 1, 2, name, made.stage2))
            if made.tile is not None:
                tiles.append(made.tile)
        for stage, tasks in stages.items():
            (folder / stage / "labels.json").write_text(json.dumps(tasks, indent=1), encoding="utf-8")
    if options.preview is not None:
        write_sheet(options.preview, tiles, columns=6, cell=(_PREVIEW_SIDE, _PREVIEW_SIDE))
    return counts


def write_displays(out: Path, options: MeterOptions) -> Counter[str]:
    """Make rectified displays without photos around them: ten times as many in the same time, for stage 2 alone.

    `out` gets stage2/images/*.jpg and stage2/labels.json. It appears under its name only when it is whole.

    Args:
        out: see `write_meters`.
        options: what to make; `size` is the greatest height of a display in pixels.

    Returns:
        How many displays there are of each kind, "analog" and "digital".

    Raises:
        SynthesisError: a wish out of range, or a folder in the way.
    """
    out = out.absolute()
    _check(out, options, least_size=24)
    counts: Counter[str] = Counter({"analog": 0, "digital": 0})
    tasks: list[Task] = []
    tiles: list[Tile] = []
    with replacing(out) as folder:
        (folder / "stage2" / "images").mkdir(parents=True)
        for kind, name, data, task, tile in tqdm(
            in_order(_make_display, _jobs(options), options.workers),
            total=options.count,
            unit="display",
            desc="displays",
        ):
            counts[kind] += 1
            (folder / "stage2" / "images" / name).write_bytes(data)
            tasks.append(_task(len(tasks) + 1, 2, name, task))
            if tile is not None:
                tiles.append(tile)
        (folder / "stage2" / "labels.json").write_text(json.dumps(tasks, indent=1), encoding="utf-8")
    if options.preview is not None:
        write_sheet(options.preview, tiles, columns=6, cell=(_PREVIEW_SIDE, _PREVIEW_SIDE // 3))
    return counts


def _jobs(options: MeterOptions) -> list[_Job]:
    return [(options, index) for index in range(options.count)]


def _has_tile(job: _Job) -> bool:
    options, index = job
    return index < _PREVIEW_PHOTOS and options.preview is not None


def _make_display(job: _Job) -> tuple[str, str, bytes, Task, Tile | None]:
    options, index = job
    made = shrunk(make_display(np.random.default_rng([options.seed, index]), options.kind), options.size)
    name = f"display_{options.seed}_{index:06d}.jpg"
    tile = None
    if _has_tile(job):
        tile = Tile(made.image, np.zeros((0, 4, 2)), np.zeros(0, np.int64), (), made.reading)
    return made.kind, name, encode_jpeg(made.image, 93), _rectangles(made), tile


def summary(counts: Counter[str]) -> str:
    """One line: how many pictures there are, and how many of each class."""
    return f"{counts.total()} pictures: " + ", ".join(f"{name} {count}" for name, count in counts.items())


def _check(out: Path, options: MeterOptions, least_size: int = 160) -> None:
    for name, value, least in (
        ("--count", options.count, 1),
        ("--workers", options.workers, 1),
        ("--seed", options.seed, 0),
        ("--size", options.size, least_size),
    ):
        if value < least:
            raise SynthesisError(f"{name} {value} is too small: wanted at least {least}")
    check_folder(out, options.overwrite, {"stage1", "stage2"})


def _make_all(options: MeterOptions) -> Iterator[_Made]:
    """Make the photos in order. Each has its own generator, so that it does not matter which process draws it."""
    yield from in_order(_make, _jobs(options), options.workers)


def _make(job: _Job) -> _Made:
    options, index = job
    rng = np.random.default_rng([options.seed, index])
    scenes = options.scenes
    photo = photo_without_meter(rng, options.size) if scenes else make_photo(rng, options.size, options.kind)
    name = f"{'scene' if scenes else 'meter'}_{options.seed}_{index:06d}.jpg"
    shape = (photo.image.shape[0], photo.image.shape[1])
    found = photo.corners is not None
    corners = photo.corners[None] if photo.corners is not None else np.zeros((0, 4, 2), np.float32)
    classes = [photo.counter_class] if photo.counter_class is not None else []
    display = cut_out(photo) if found and photo.reading is not None else None
    return _Made(
        name=name,
        counter_class=photo.counter_class or NO_METER,
        photo=encode_jpeg(photo.image),
        stage1=polygon_task(shape, corners, classes),
        crop=None if display is None else encode_jpeg(display.image, 95),
        stage2=None if display is None else _rectangles(display),
        tile=_tile(photo, name) if _has_tile(job) else None,
    )


def _rectangles(made: MadeDisplay) -> Task:
    boxes = np.array([box[:4] for box in made.boxes], np.float64).reshape(-1, 4)
    return rectangle_task(made.image.shape[:2], boxes, [box[4] for box in made.boxes])


def _task(number: int, stage: int, name: str, annotated: Task) -> Task:
    """Make of annotations a whole task as Label Studio exports it."""
    upload = f"{hashlib.sha256(name.encode()).hexdigest()[:8]}-{name}"
    stamps = {"created_at": _DATE, "updated_at": _DATE}
    who = {"completed_by": 1, "updated_by": 1, "task": number, "project": stage, "last_created_by": None}
    origin = {
        "lead_time": 0.0,
        "prediction": {},
        "result_count": 0,
        "parent_prediction": None,
        "parent_annotation": None,
    }
    annotations = [{"id": number, **part, **who, **origin, **stamps} for part in annotated["annotations"]]
    return {
        "id": number,
        "annotations": annotations,
        "file_upload": upload,
        "drafts": [],
        "predictions": [],
        "data": {"image": f"/data/upload/{stage}/{upload}"},
        "meta": {},
        **stamps,
        "inner_id": number,
        "total_annotations": 1,
        "cancelled_annotations": 0,
        "total_predictions": 0,
        "comment_count": 0,
        "unresolved_comment_count": 0,
        "last_comment_updated_at": None,
        "project": stage,
        "updated_by": 1,
        "comment_authors": [],
    }


def _tile(photo: MeterPhoto, name: str) -> Tile:
    scale = _PREVIEW_SIDE / max(photo.image.shape[:2])
    small = resize(
        photo.image, (max(1, round(photo.image.shape[0] * scale)), max(1, round(photo.image.shape[1] * scale)))
    )
    if photo.corners is None or photo.counter_class is None:
        return Tile(small, np.zeros((0, 4, 2)), np.zeros(0, np.int64), (), f"{name[-10:-4]} {NO_METER}")
    class_id = STAGE1_CLASSES.index(photo.counter_class)
    caption = f"{name[-10:-4]} {photo.counter_class}"
    return Tile(small, photo.corners[None] * scale, np.array([class_id]), (photo.reading or "?",), caption)
