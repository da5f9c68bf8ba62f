"""How well a stage 1 network finds displays on a set's photos, measured the way the reader uses it: both looks.

A photo is the unit: the reader reads one display a photo. Of several labelled displays the one that the answer
overlaps most is the truth. An answer that overlaps no labelled display by `MIN_IOU` found something else: the display
was missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from reader.geometry import quad_iou
from reader.metrics import CornerAccuracy, share_of
from reader.pipeline import MeterReader
from reader.symbols import STAGE1_CLASSES
from reader.types import Float32
from training.datasets import Stage1Sample

#: An answer with less overlap is about something else (the customary bound, PASCAL VOC).
MIN_IOU = 0.5
NONE = "none"
_PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True)
class Answer:
    """What stage 1 said about one photo.

    Attributes:
        name: of the photo.
        truth: index into the classes; the last one, "none", for a photo without a display.
        answer: the same; "none" for a missed display.
        corners: (4, 2) float32 photo pixels, None where nothing was found.
        iou: overlap with the labelled display; 0 without one.
        error: mean distance of the corners in widths of the display; NaN where there was nothing to compare.
        score: of the answer, 0 without one.
    """

    name: str
    truth: int
    answer: int
    corners: Float32 | None
    iou: float
    error: float
    score: float


@dataclass
class Stage1Result:
    """The answers to all photos, and what they add up to.

    Attributes:
        classes: names, "none" last.
        answers: one a photo.
    """

    classes: tuple[str, ...]
    answers: list[Answer] = field(default_factory=list)

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """(C, C) photos: rows are the truth, columns the answers; "none" is the last of both."""
        counts = np.zeros((len(self.classes), len(self.classes)), np.int64)
        for answer in self.answers:
            counts[answer.truth, answer.answer] += 1
        return counts

    def elements(self) -> dict[str, dict[str, int]]:
        """TP, FP, FN and TN of each class against all others, over all photos."""
        counts = self.counts
        found = {}
        for index, name in enumerate(self.classes[:-1]):
            tp = int(counts[index, index])
            fp, fn = int(counts[:, index].sum()) - tp, int(counts[index].sum()) - tp
            found[name] = {"TP": tp, "FP": fp, "FN": fn, "TN": int(counts.sum()) - tp - fp - fn}
        return found

    def with_display(self) -> list[Answer]:
        """The answers to photos that have a labelled display."""
        return [answer for answer in self.answers if answer.truth < len(self.classes) - 1]

    def summary(self) -> dict[str, Any]:
        """Everything as JSON values; shares as [hits, total]."""
        shown = self.with_display()
        none = len(self.classes) - 1
        placed = [a for a in shown if a.answer != none]
        ious, errors = [a.iou for a in shown], [a.error for a in placed]
        return {
            "photos": len(self.answers),
            "classes": list(self.classes),
            "confusion_matrix": self.counts.tolist(),
            "elements": self.elements(),
            "class_right": [sum(a.answer == a.truth for a in self.answers), len(self.answers)],
            "missed": [a.name for a in shown if a.answer == none and a.corners is None],
            "found_elsewhere": [a.name for a in shown if a.answer == none and a.corners is not None],
            "found_where_none_is": [a.name for a in self.answers if a.truth == none and a.answer != none],
            "turned": [a.name for a in placed if a.error >= 0.5],
            "iou_over_0.75": [sum(iou > 0.75 for iou in ious), len(ious)],
            "iou_over_0.9": [sum(iou > 0.9 for iou in ious), len(ious)],
            "iou_mean": float(np.mean(ious)) if ious else None,
            # Low percentiles of the overlap and high ones of the error are the bad ones.
            "iou_percentiles": {str(p): float(np.percentile(ious, 100 - p)) for p in _PERCENTILES} if ious else {},
            "error_percentiles": {str(p): float(np.percentile(errors, p)) for p in _PERCENTILES} if errors else {},
        }


def evaluate(reader: MeterReader, samples: Sequence[Stage1Sample], binary: bool, progress: Any = None) -> Stage1Result:
    """Finds the display on every photo.

    Args:
        reader: only its first network is used.
        samples: the photos.
        binary: whether classes are analog and digital only; an illegible display then counts by its kind.
        progress: wraps the samples, as tqdm does.
    """
    classes = STAGE1_CLASSES[:2] if binary else STAGE1_CLASSES
    result = Stage1Result((*classes, NONE))
    for sample in progress(samples) if progress else samples:
        result.answers.append(_answer(reader, sample, len(classes)))
    return result


def _answer(reader: MeterReader, sample: Stage1Sample, classes: int) -> Answer:
    # The ids of the illegible classes follow those of the legible ones in the same order.
    labels = sample.labels % classes
    found = reader.find_display(sample.image)
    if found is None:
        truth = int(labels[0]) if len(labels) else classes
        return Answer(sample.name, truth, classes, None, 0.0, float("nan"), 0.0)
    display = found.display
    first = 2 if reader.is_illegible(display) else 0
    told = (first + int(display.class_probabilities[first : first + 2].argmax())) % classes
    if not len(labels):
        return Answer(sample.name, classes, told, display.corners, 0.0, float("nan"), display.score)
    ious = [quad_iou(display.corners, corners) for corners in sample.corners]
    best = int(np.argmax(ious))
    accuracy = CornerAccuracy()
    accuracy.update(display.corners, sample.corners[best])
    answer = told if ious[best] >= MIN_IOU else classes
    return Answer(
        sample.name, int(labels[best]), answer, display.corners, ious[best], accuracy.errors[0], display.score
    )


def describe(result: Stage1Result) -> str:
    """The result as text."""
    summary = result.summary()
    names = [name.replace("_", " ") for name in result.classes]
    width = max(map(len, names)) + 2
    lines = ["confusion matrix (rows: truth, columns: answer)"]
    lines.append(" " * width + "".join(name.rjust(width + 6) for name in names))
    for name, row in zip(names, result.counts, strict=True):
        lines.append(name.ljust(width) + "".join(str(count).rjust(width + 6) for count in row))
    lines.append("")
    lines.append("class".ljust(width) + "".join(name.rjust(8) for name in ("TP", "FP", "FN", "TN")))
    for name, elements in summary["elements"].items():
        lines.append(name.replace("_", " ").ljust(width) + "".join(str(value).rjust(8) for value in elements.values()))
    lines.append("")
    for told, key in (("class right", "class_right"), ("IoU > 0.75", "iou_over_0.75"), ("IoU > 0.9", "iou_over_0.9")):
        hits, total = summary[key]
        lines.append(f"{told}: {hits} of {total}, {share_of(hits, total)}")
    if summary["iou_percentiles"]:
        ious = ", ".join(f"{p} % of photos over {value:.3f}" for p, value in summary["iou_percentiles"].items())
        lines.append(f"corner IoU: mean {summary['iou_mean']:.3f}; {ious}")
    if summary["error_percentiles"]:
        errors = ", ".join(f"{p} %: {100 * value:.1f} %" for p, value in summary["error_percentiles"].items())
        lines.append(f"corner error in display widths (mean of the four corners): {errors}")
    for told, key in (
        ("missed displays", "missed"),
        ("found elsewhere (display missed)", "found_elsewhere"),
        ("found where no display is", "found_where_none_is"),
        ("found, but turned", "turned"),
    ):
        lines.append(f"{told}: {len(summary[key])}" + "".join(f"\n  {name}" for name in summary[key][:20]))
    return "\n".join(lines)
