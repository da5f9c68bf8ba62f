"""From labels to a set on disk: reads, checks, divides, writes, and reports. All or nothing.

What is written appears under its own name only when it is complete and, unless faulty tasks are skipped, faultless.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from reader.image import ImageError, letterbox, load_image
from reader.symbols import STAGE1_CLASSES, STAGE2_CLASSES
from reader.types import UInt8
from training.jsonl import JsonlOptions, convert
from training.labelstudio import SPLITS, DatasetError, Fault, LabelledImage, read_export
from training.preview import Tile, write_sheet
from training.splits import Photo, SplitRule, assign_splits, read_split_file
from training.tfds_writer import VERSION, SetWriter, set_name

Float64 = npt.NDArray[np.float64]

_PREVIEW_TILES = 36
#: Displays are wide, photos square.
_SHEET: dict[int, dict[str, Any]] = {1: {"columns": 6}, 2: {"columns": 4, "cell": (130, 360)}}
#: Labels drawn on a picture of another shape than the file's mean a rotation, or the wrong file.
_ASPECT_TOLERANCE = 0.02


@dataclass(frozen=True)
class SetOptions:
    """How a TFDS set is made.

    Attributes:
        stage: 1 or 2.
        size: stage 1: side of the stored pictures in pixels.
        rule: how photos are divided.
        skip_faulty: leave faulty tasks out instead of failing.
        overwrite: replace a set that is there.
        preview: file for the contact sheet; None: preview.png in the set's folder.
    """

    stage: int
    size: int | None = None
    rule: SplitRule = field(default_factory=SplitRule)
    skip_faulty: bool = False
    overwrite: bool = False
    preview: Path | None = None


def make_set(labels: Sequence[Path], images: Sequence[Path], out: Path, options: SetOptions) -> Path:
    """Makes a TFDS set out of Label Studio exports, prints what is wrong and what came of it.

    Args:
        labels: JSON exports.
        images: the folder of images of each.
        out: data_dir that the set is written into.
        options: how.

    Returns:
        The set's folder, <out>/meter_values_dataset_stage<N>/1.0.0.

    Raises:
        DatasetError: there were faults and they are not to be skipped, or what was asked for cannot be done; nothing
            was written.
    """
    if len(labels) != len(images):
        raise DatasetError(f"one --images for each --labels wanted; {len(labels)} and {len(images)} came")
    if options.stage == 1 and (options.size is None or options.size < 1):
        raise DatasetError(f"--size must be positive, not {options.size}")
    tasks: list[LabelledImage] = []
    faults: list[Fault] = []
    for file, folder in zip(labels, images, strict=True):
        good, bad = read_export(file, folder, options.stage)
        tasks += good
        faults += bad
    target = out / set_name(options.stage) / VERSION
    rule = _following(options.rule, out / set_name(3 - options.stage) / VERSION / "splits.json")
    with replacing(target, options.overwrite) as temporary:
        divided = _divide(tasks, rule, faults)
        counts, tiles = _write_set(temporary, divided, options, faults)
        _refuse(faults, options.skip_faulty)
        if not counts:
            raise DatasetError("there is no usable task; nothing was written")
        write_sheet(options.preview or temporary / "preview.png", tiles, **_SHEET[options.stage])
    print(_table(counts, STAGE1_CLASSES if options.stage == 1 else STAGE2_CLASSES))
    for split in SPLITS:
        if not counts[split, "images"]:
            print(f"warning: {split} is empty; more photos, another --seed or --split is wanted", file=sys.stderr)
    print(f"written: {target}\ncontact sheet: {options.preview or target / 'preview.png'}")
    return target


def make_exports(manifest: Path, out: Path, options: JsonlOptions, overwrite: bool) -> None:
    """Turns a JSONL set into Label Studio exports for both stages, prints what is wrong and what came of it.

    Raises:
        DatasetError: there were faults and they are not to be skipped, or nothing is labelled; nothing was written.
    """
    if options.size_limit is not None and options.size_limit < 1:
        raise DatasetError(f"--size_limit must be positive, not {options.size_limit}")
    if not 0 <= options.validation < 1:
        raise DatasetError(f"--validation must be from 0 to below 1, not {options.validation:g}")
    with replacing(out, overwrite) as temporary:
        result = convert(manifest, temporary, options)
        _refuse(result.faults, options.skip_faulty)
        if not any(result.tasks.values()) and not any(result.unlabelled.values()):
            reasons = "; ".join(f"{count} x {reason}" for reason, count in result.left_out.items()) or "it is empty"
            raise DatasetError(f"{manifest} holds no labels ({reasons}); --unlabelled makes tasks to be labelled")
    for stage in (1, 2):
        for tasks, file in ((result.tasks[stage], "labels.json"), (result.unlabelled[stage], "unlabelled.json")):
            if tasks:
                splits = Counter(task["data"]["split"] for task in tasks)
                told = ", ".join(f"{split} {splits[split]}" for split in SPLITS)
                print(f"stage {stage}: {len(tasks)} tasks ({told}): {out / f'stage{stage}' / file}")
    for reason, count in result.left_out.items():
        print(f"not taken: {count} records: {reason}")
    print(f"Label Studio: label_config.xml is the labelling setup, {out} the root of local file storage")


def _following(rule: SplitRule, other: Path) -> SplitRule:
    """The rule, after the set of the other stage where there is one: a photo and its display share a split."""
    if not other.exists():
        return rule
    print(f"photos that are in {other.parent} keep their split")
    return replace(rule, followed=read_split_file(other))


def _divide(tasks: Sequence[LabelledImage], rule: SplitRule, faults: list[Fault]) -> list[tuple[LabelledImage, str]]:
    """Tasks with their splits, in an order that mixes the sources and is the same every time."""
    photos, readable = [], []
    for task in tasks:
        try:
            digest = hashlib.sha256(task.path.read_bytes()).digest()
        except OSError as error:
            faults.append(Fault(task.file, task.place, f"unreadable image {task.path.name} ({error.strerror})"))
            continue
        photos.append(Photo(task.name, digest, task.split))
        readable.append(task)
    splits, conflicts = assign_splits(photos, rule)
    faults.extend(Fault(readable[i].file, readable[i].place, reason) for i, reason in conflicts.items())
    order = sorted(set(range(len(readable))) - set(conflicts), key=lambda i: (photos[i].digest, i))
    return [(readable[i], splits[i]) for i in order]


def _write_set(
    folder: Path, divided: Sequence[tuple[LabelledImage, str]], options: SetOptions, faults: list[Fault]
) -> tuple[Counter[tuple[str, str]], list[Tile]]:
    """Writes the examples; counts images and classes by split and keeps some for the contact sheet."""
    classes = STAGE1_CLASSES if options.stage == 1 else STAGE2_CLASSES
    counts: Counter[tuple[str, str]] = Counter()
    tiles: list[Tile] = []
    stored: dict[str, str] = {}
    every = max(1, len(divided) // _PREVIEW_TILES)
    with SetWriter(folder, options.stage, sorted({split for _, split in divided}), options.size) as writer:
        for number, (task, split) in enumerate(tqdm(divided, desc=set_name(options.stage), unit="image")):
            try:
                image, shapes = _picture(task, options)
            except (ImageError, _PictureError) as error:
                faults.append(Fault(task.file, task.place, str(error)))
                continue
            if faults and not options.skip_faulty:
                continue  # nothing will be kept; read on for the report only
            name = stored_name(task.name, options.stage)
            writer.add(split, image, shapes, task.class_ids, name)
            stored[name] = split
            counts[split, "images"] += 1
            counts.update((split, classes[i]) for i in task.class_ids)
            if number % every == 0 and len(tiles) < _PREVIEW_TILES:
                texts = [classes[i] for i in task.class_ids]
                tiles.append(Tile(image, shapes, task.class_ids, texts, f"{split} {name}"))
        writer.close(stored)
    return counts, tiles


class _PictureError(Exception):
    """What is wrong with one task's picture."""


def _picture(task: LabelledImage, options: SetOptions) -> tuple[UInt8, Float64]:
    """The picture as it is stored, and the task's shapes in its pixels."""
    photo = load_image(task.path)
    height, width = photo.shape[:2]
    if task.labelled_size is not None:
        labelled_width, labelled_height = task.labelled_size
        if abs(np.log(labelled_width / labelled_height * height / width)) > _ASPECT_TOLERANCE + 1 / min(height, width):
            raise _PictureError(
                f"labels were drawn on a picture of {labelled_width} x {labelled_height}, {task.path.name} is "
                f"{width} x {height} (upright)"
            )
    if options.stage == 2:
        return photo, task.shapes / 100 * (width, height, width, height)
    assert options.size is not None
    square, placed = letterbox(photo, options.size)
    return square, placed.forward(task.shapes / 100 * (width, height))


def stored_name(file_name: str, stage: int) -> str:
    """`image/filename` of a picture: in stage 2 the photo's name with `cropped_` before it."""
    return file_name if stage == 1 else f"cropped_{file_name.removeprefix('cropped_')}"


def _refuse(faults: Sequence[Fault], skip_faulty: bool) -> None:
    """Prints the report of faults; raises if they are not to be skipped."""
    for fault in faults:
        print(fault, file=sys.stderr)
    tasks = len({(fault.file, fault.place) for fault in faults})
    if faults and not skip_faulty:
        raise DatasetError(f"{tasks} faulty tasks, see above; nothing was written (--skip_faulty leaves them out)")
    if faults:
        print(f"{tasks} faulty tasks, see above", file=sys.stderr)


def _table(counts: Counter[tuple[str, str]], classes: Sequence[str]) -> str:
    """Images and objects per class, one column a split."""
    lines = [" " * 20 + "".join(f"{text:>12}" for text in (*SPLITS, "all"))]
    for row in ("images", *classes):
        numbers = [counts[split, row] for split in SPLITS]
        lines.append(f"{row:<20}" + "".join(f"{number:>12}" for number in (*numbers, sum(numbers))))
    return "\n".join(lines)


@contextlib.contextmanager
def replacing(target: Path, overwrite: bool) -> Iterator[Path]:
    """A temporary folder beside the target that becomes the target at the end, or is removed after an error."""
    if target.exists() and not overwrite:
        raise DatasetError(f"{target} exists; --overwrite replaces it")
    made = [folder for folder in target.parents if not folder.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    except OSError as error:
        raise DatasetError(f"cannot write into {target.parent}: {error.strerror}") from error
    try:
        temporary.chmod(0o755)  # mkdtemp makes it readable for its owner only
        yield temporary
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".old", dir=target.parent))
            target.rename(old / target.name)
            temporary.rename(target)
            shutil.rmtree(old)
        else:
            temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        with contextlib.suppress(OSError):  # folders that are not empty stay
            for folder in made:
                folder.rmdir()
