"""The photos on which both stages are tested together: labels of both stages, the picture and the split, put together.

A photo and the display cut out of it belong together by the `cropped_` rule (`training.labelstudio.photo_name`). Every
photo that cannot be tested is listed with the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reader.decode import decode
from reader.geometry import signed_area
from reader.symbols import STAGE1_CLASSES, STAGE2_CLASSES, UNKNOWN
from reader.types import Boxes
from training.datasets import check, find_builder
from training.labelstudio import DatasetError, LabelledImage, photo_name, read_export
from training.tfds_writer import set_name

#: Labels without a size were drawn on a display of this usual shape; only proportions matter.
_USUAL_SIZE = (400, 100)


@dataclass(frozen=True)
class Case:
    """A photo whose reading is known.

    Attributes:
        name: file name of the photo.
        path: of the photo.
        truth: the reading that the labelled boxes give.
        corners: (4, 2) float64, relative to the photo's width and height, x before y.
        counter_class: one of STAGE1_CLASSES.
    """

    name: str
    path: Path
    truth: str
    corners: npt.NDArray[np.float64]
    counter_class: str


@dataclass
class Gathered:
    """What can be tested, and what cannot and why.

    Attributes:
        cases: by name of the photo.
        left_out: by reason, what is left out.
    """

    cases: list[Case] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def leave_out(self, reason: str, name: str) -> None:
        """Lists something that cannot be tested."""
        self.left_out.setdefault(reason, []).append(name)


def gather(
    images: Path, labels_stage1: Path, labels_stage2: Path, dataset: Path, split: str, classes: Collection[str]
) -> Gathered:
    """Puts the labelled photos of one split together.

    Args:
        images: folder of the photos.
        labels_stage1: Label Studio export with the polygons of the photos.
        labels_stage2: Label Studio export with the boxes of the displays; their pictures are not needed.
        dataset: the stage 2 set, whose splits count; its own folder or the data_dir above.
        split: "train", "validation" or "test".
        classes: names of the stage 1 classes to test.

    Raises:
        DatasetError: an export or a set that cannot be read, or a split that is not there.
    """
    gathered = Gathered()
    splits = split_names(dataset)
    if split not in splits:
        raise DatasetError(f"{dataset}: there is no split {split!r}, only {', '.join(splits) or 'none'}")
    stage1 = _by_photo(labels_stage1, 1, gathered)
    stage2 = _by_photo(labels_stage2, 2, gathered)
    present, _ = read_export(labels_stage1, images, 1)  # what is missing is told below
    paths = {photo_name(image.name): image.path for image in present}
    members = {photo_name(name) for names in splits.values() for name in names}
    for name in sorted(stage1.keys() | stage2.keys()):
        label = stage1.get(name) or stage2[name]
        if name not in members:
            gathered.leave_out("in no split of the set", label.name)
        elif name in stage1 and name not in paths and name not in {photo_name(n) for n in splits[split]}:
            gathered.leave_out("labelled, but the picture is missing (other splits)", label.name)
    for file_name in splits[split]:
        _add(photo_name(file_name), file_name, stage1, stage2, paths, classes, gathered)
    return gathered


def split_names(dataset: Path) -> dict[str, list[str]]:
    """The file names in each split of a stage 2 set, in their order.

    Raises:
        DatasetError: no usable set.
    """
    import tensorflow_datasets as tfds

    builder = find_builder(dataset, set_name(2))
    check(builder, 2)
    names = {}
    for split, info in builder.info.splits.items():
        if info.num_shards:
            stored = builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()})
            names[split] = [e["image/filename"].decode("utf-8", "replace") for e in tfds.as_numpy(stored)]
    return names


def true_reading(labelled: LabelledImage, analog: bool) -> str:
    """The reading that labelled boxes give, by the post-processing that detections go through."""
    width, height = labelled.labelled_size or _USUAL_SIZE
    xyxy = (labelled.shapes * np.array([width, height, width, height]) / 100).astype(np.float32)
    probabilities = np.eye(len(STAGE2_CLASSES), dtype=np.float32)[labelled.class_ids]
    boxes = Boxes(xyxy, labelled.class_ids, np.ones(len(xyxy), np.float32), probabilities)
    return decode(boxes, (0, 0, width, height), rolls=analog).text


def _by_photo(labels: Path, stage: int, gathered: Gathered) -> dict[str, LabelledImage]:
    """The labels of an export by photo; faulty and double ones are listed."""
    good, faults = read_export(labels, None, stage)
    for fault in faults:
        gathered.leave_out(f"faulty label of stage {stage}", f"{fault.place}: {fault.text}")
    found: dict[str, LabelledImage] = {}
    for image in good:
        name = photo_name(image.name)
        if name in found:
            gathered.leave_out(f"labelled more than once for stage {stage} (the first counts)", image.name)
        else:
            found[name] = image
    return found


def _add(
    name: str,
    file_name: str,
    stage1: Mapping[str, LabelledImage],
    stage2: Mapping[str, LabelledImage],
    paths: Mapping[str, Path],
    classes: Collection[str],
    gathered: Gathered,
) -> None:
    """Makes a case of a photo of the split, or lists why it is none."""
    if name not in stage1 or not len(stage1[name].shapes):
        gathered.leave_out("without a labelled display for stage 1", file_name)
        return
    polygons = stage1[name]
    # Of several displays the one was cut out that can be read best: the largest.
    largest = int(np.argmax([abs(signed_area(polygon)) for polygon in polygons.shapes]))
    counter_class = STAGE1_CLASSES[polygons.class_ids[largest]]
    if counter_class not in classes:
        gathered.leave_out(f"of the class {counter_class}", file_name)
    elif name not in stage2:
        gathered.leave_out("without labels for stage 2", file_name)
    elif name not in paths:
        gathered.leave_out("the picture is missing", file_name)
    else:
        truth = true_reading(stage2[name], counter_class.startswith("analog"))
        if not truth or UNKNOWN in truth:
            gathered.leave_out("the labelled boxes give no whole reading", f"{file_name} ({truth or 'no digits'})")
            return
        corners = polygons.shapes[largest] / 100
        gathered.cases.append(Case(paths[name].name, paths[name], truth, corners, counter_class))
