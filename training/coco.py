"""Mean average precision by COCO's rules, computed by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: Boxes of one picture: the left, top, right and bottom of each, in pixels.
_Array = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Objects:
    """The objects of one picture, labelled or found.

    Attributes:
        boxes: (N, 4) left, top, right, bottom in pixels.
        labels: (N,) class ids.
        scores: (N,) for found ones; None for labelled ones.
    """

    boxes: _Array
    labels: npt.NDArray[np.integer]
    scores: _Array | None = None


def mean_average_precision(truths: Sequence[Objects], found: Sequence[Objects]) -> dict[str, float]:
    """How well objects are found, from 0 to 1; 1 is perfect.

    Args:
        truths: the labelled objects of each picture.
        found: what was found on the same pictures, in the same order, with scores.

    Returns:
        "map": the mean over the overlaps (IoU) 0.5 to 0.95, COCO's main measure, and "map50" at 0.5; both are the
            mean over the classes that are labelled at least once. NaN where nothing is labelled.

    Raises:
        ValueError: other numbers of pictures, or found objects without scores.
    """
    if len(truths) != len(found):
        raise ValueError(f"{len(truths)} labelled pictures, but answers for {len(found)}")
    if any(objects.scores is None for objects in found):
        raise ValueError("found objects have scores")
    labels = [int(label) for objects in truths for label in objects.labels]
    if not labels:
        return {"map": float("nan"), "map50": float("nan")}
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    annotated = _annotations(truths)
    categories = sorted({*labels, *(int(label) for objects in found for label in objects.labels)})
    coco = COCO()
    coco.dataset = {
        "images": [{"id": number} for number in range(len(truths))],
        "categories": [{"id": label} for label in categories],
        "annotations": annotated,
    }
    answers = _annotations(found)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools talks
        coco.createIndex()
        if not answers:
            return {"map": 0.0, "map50": 0.0}
        evaluation = COCOeval(coco, coco.loadRes(answers), "bbox")
        # Sizes in pixels of a network's input say nothing about meters: one range for all.
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]  # (10 overlaps, 101 recalls, classes); -1: not labelled
    return {"map": _mean(precision), "map50": _mean(precision[:1])}


def _annotations(pictures: Sequence[Objects]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for number, objects in enumerate(pictures):
        scores = np.ones(len(objects.boxes)) if objects.scores is None else objects.scores
        for (left, top, right, bottom), label, score in zip(objects.boxes, objects.labels, scores, strict=True):
            width, height = float(right - left), float(bottom - top)
            rows.append(
                {
                    "id": len(rows) + 1,  # pycocotools takes 0 for "no match"
                    "image_id": number,
                    "category_id": int(label),
                    "bbox": [float(left), float(top), width, height],
                    "area": width * height,
                    "iscrowd": 0,
                    "score": float(score),
                }
            )
    return rows


def _mean(precision: npt.NDArray[np.float64]) -> float:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else float("nan")
