"""What to look at while a stage trains: mean average precision and predictions beside the truth, epoch by epoch.

Everything is measured on the plain first look of stage 1 and on the plain display of stage 2, as the reader takes them.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from reader.displays import displays_from_outputs
from reader.symbols import FLOATP_ID, STAGE1_CLASSES, STAGE2_CLASSES
from reader.types import UInt8
from retinanet.anchors import box_anchors, decode_boxes, oriented_anchors
from retinanet.config import Stage1Config, Stage2Config
from retinanet.fit import digit_detections
from retinanet.targets import Stage1Targets, Stage2Targets
from training.augment import plain_display, plain_view
from training.coco import Objects, mean_average_precision
from training.datasets import Stage1Sample, Stage2Sample
from training.loop import stack
from training.preview import Tile, contact_sheet, evenly
from training.run import RunConfig
from training.tensorboard_log import ConfigurationText, Judge, Watch

#: Watching costs time after every epoch; more pictures tell little more.
MOST_PICTURES = 200
_SHOWN = 24
#: Average precision wants the unsure answers too.
_LOWEST_SCORE = 0.05
#: Places in the list of colours of the sheets: green and red.
_LABELLED, _FOUND = 0, 3


def watchers(
    config: Stage1Config | Stage2Config, validation: Sequence[Stage1Sample] | Sequence[Stage2Sample], run: RunConfig
) -> list[keras.callbacks.Callback]:
    """The callbacks that show a run in TensorBoard; without validation pictures only its configuration."""
    text = ConfigurationText(run, config.to_dict())
    samples = evenly(list(validation), MOST_PICTURES)
    if not samples:
        return [text]
    if isinstance(config, Stage1Config):
        images, targets, judge = _stage1(samples, config)
    else:
        images, targets, judge = _stage2(samples, config)
    return [text, Watch(run.logs, images, targets, run.batch_size, judge)]


def _stage1(samples: list[Stage1Sample], config: Stage1Config) -> tuple[UInt8, dict[str, np.ndarray], Judge]:
    views = [plain_view(sample.image, sample.corners, config.input_size) for sample in samples]
    make = Stage1Targets(config)
    images, targets = stack(
        [(view, make(corners, s.labels)) for (view, corners), s in zip(views, samples, strict=True)]
    )
    anchors = oriented_anchors(config)
    truths = [Objects(_enclosing(corners), s.labels) for (_, corners), s in zip(views, samples, strict=True)]

    def judge(outputs: dict[str, np.ndarray]) -> tuple[dict[str, float], UInt8]:
        found, tiles = [], []
        for index, (logits, offsets) in enumerate(zip(outputs["classes"], outputs["corners"], strict=True)):
            displays = displays_from_outputs(anchors.decode(offsets), _sigmoid(logits), _LOWEST_SCORE)
            quads = np.array([d.corners for d in displays], np.float32).reshape(-1, 4, 2)
            labels, scores = np.array([d.class_id for d in displays], np.int64), np.array([d.score for d in displays])
            found.append(Objects(_enclosing(quads), labels, scores))
            if index < _SHOWN:
                view, corners = views[index]
                told = [f"{STAGE1_CLASSES[d.class_id]} {d.score:.2f}" for d in displays[:1]]
                shapes = np.concatenate([corners, quads[:1]])
                colours = np.array([_LABELLED] * len(corners) + [_FOUND] * len(told))
                tiles.append(Tile(view, shapes, colours, [""] * len(corners) + told, samples[index].name))
        return mean_average_precision(truths, found), contact_sheet(tiles)

    return images, targets, judge


def _stage2(samples: list[Stage2Sample], config: Stage2Config) -> tuple[UInt8, dict[str, np.ndarray], Judge]:
    views = [plain_display(sample, config.input_size) for sample in samples]
    make = Stage2Targets(config)
    images, targets = stack([(view, make(boxes, s.labels)) for (view, boxes), s in zip(views, samples, strict=True)])
    anchors = box_anchors(config)
    truths = []
    for (_, boxes), sample in zip(views, samples, strict=True):
        counted = (sample.labels < 10) | (sample.labels == FLOATP_ID)  # what readings are made of
        truths.append(Objects(boxes[counted], sample.labels[counted]))

    def judge(outputs: dict[str, np.ndarray]) -> tuple[dict[str, float], UInt8]:
        found, tiles = [], []
        for index, (logits, deltas) in enumerate(zip(outputs["classes"], outputs["boxes"], strict=True)):
            objects = _digits_and_area(logits, decode_boxes(deltas, anchors))
            found.append(objects)
            if index < _SHOWN:
                truth = truths[index]
                sure = objects.scores >= 0.3 if objects.scores is not None else np.zeros(0, bool)
                shapes = np.concatenate([truth.boxes, objects.boxes[sure]])
                colours = np.array([_LABELLED] * len(truth.boxes) + [_FOUND] * int(sure.sum()))
                names = [STAGE2_CLASSES[i] if i < 10 else "" for i in objects.labels[sure]]
                texts = [""] * len(truth.boxes) + names
                tiles.append(Tile(views[index][0], shapes, colours, texts, samples[index].name))
        return mean_average_precision(truths, found), contact_sheet(tiles, columns=3, cell=(80, 360))

    return images, targets, judge


def _digits_and_area(logits: np.ndarray, boxes: np.ndarray) -> Objects:
    """The digits of one display, one at each place, and its likeliest decimal area."""
    digits, probabilities = digit_detections(logits, boxes, _LOWEST_SCORE)
    area = int(logits[:, FLOATP_ID].argmax())
    score = _sigmoid(logits[area : area + 1, FLOATP_ID])
    return Objects(
        np.concatenate([digits, boxes[area : area + 1]]),
        np.append(probabilities.argmax(axis=1), FLOATP_ID),
        np.concatenate([probabilities.max(axis=1, initial=0.0), score]),
    )


def _enclosing(quads: np.ndarray) -> np.ndarray:
    """(N, 4, 2) corners -> (N, 4) left, top, right, bottom of the upright boxes around them."""
    return np.concatenate([quads.min(axis=1, initial=np.inf), quads.max(axis=1, initial=-np.inf)], axis=-1)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return (1 / (1 + np.exp(-np.clip(x, -30, 30)))).astype(np.float32)
