"""Trains a stage: what is particular to the RetinaNets, given to the common loop. Tuning calls the same functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from reader.displays import best_display
from reader.geometry import inverse, quad_iou, second_look, warp, warp_points
from reader.image import letterbox
from reader.symbols import FLOATP_ID
from reader.types import Float32, UInt8
from retinanet.anchors import OrientedAnchors, box_anchors, box_iou, decode_boxes, oriented_anchors
from retinanet.config import NetworkConfig, Stage1Config, Stage2Config
from retinanet.losses import ScaledSmoothL1, WeightedFocalLoss
from retinanet.model import build
from retinanet.release import embedded_config, load
from retinanet.targets import Stage1Targets, Stage2Targets
from training.augment import (
    CORNERS_PUT_RIGHT,
    DigitPool,
    Stage1Augmentation,
    Stage2Augmentation,
    plain_display,
    stage1_view,
    stage2_view,
)
from training.datasets import Stage1Sample, Stage2Sample
from training.loop import Example, Feed, RunConfig, fingerprint, fit, prepare, write_json_atomic
from training.run import Weighted, chances

#: Weight of an anchor's own class against the others (focal loss's alpha). With the usual 0.25 rare classes were
#: learned many times more slowly: after eight epochs no display of the validation photos was called digital.
CLASS_BALANCE = 0.5
#: How much the corners weigh against the classes; both losses are then about equal after a few epochs.
CORNER_WEIGHT = 4.0


def losses(config: NetworkConfig) -> dict[str, keras.losses.Loss]:
    """What a stage's network is trained with, by output."""
    regression, weight = ("corners", CORNER_WEIGHT) if isinstance(config, Stage1Config) else ("boxes", 1.0)
    return {"classes": WeightedFocalLoss(alpha=CLASS_BALANCE), regression: ScaledSmoothL1(weight)}


def examples_stage1(
    samples: Sequence[Stage1Sample], config: Stage1Config, augmentation: Stage1Augmentation
) -> Callable[[int, np.random.Generator], Example]:
    """What `training.loop.Feed` makes batches of: a view of a photo and its targets."""
    targets = Stage1Targets(config)

    def make(index: int, rng: np.random.Generator) -> Example:
        image, corners, labels = stage1_view(samples[index], config.input_size, rng, augmentation)
        return image, targets(corners, labels)

    return make


def examples_stage2(
    samples: Sequence[Stage2Sample],
    config: Stage2Config,
    augmentation: Stage2Augmentation,
    seed: int,
    singles: Sequence[tuple[int, UInt8]] = (),
) -> Callable[[int, np.random.Generator], Example]:
    """The same of displays; `seed` chooses the digits that are exchanged, of other displays and of `singles`."""
    targets = Stage2Targets(config)
    pool = DigitPool.collect(samples, seed=seed, singles=singles)

    def make(index: int, rng: np.random.Generator) -> Example:
        image, boxes, labels = stage2_view(samples[index], config.input_size, rng, augmentation, pool)
        return image, targets(boxes, labels)

    return make


def _model(
    config: NetworkConfig, run: RunConfig, resume: bool, initial: Path | None
) -> tuple[keras.Model, dict[str, Any]]:
    def create() -> keras.Model:
        network = build(config)
        if initial is not None:
            source, came = load(initial)
            check_same(came, config, f"--initial_weights: {initial}")
            network.set_weights(source.get_weights())
        return network

    model, state = prepare(create, losses(config), run, resume)
    if resume:
        check_same(embedded_config(model), config, f"--resume_training: {run.checkpoints}")
    return model, state


def check_same(came: NetworkConfig, wanted: NetworkConfig, what: str) -> None:
    """Raises ValueError where a file's weights belong to another network."""
    if type(came) is not type(wanted):
        raise ValueError(f"{what} has a network of {type(came).__name__}; {type(wanted).__name__} wanted")
    one, other = came.to_dict(), wanted.to_dict()
    for key in (
        "input_size",
        "backbone",
        "channels",
        "blocks",
        "fpn_channels",
        "head_convs",
        "orientations",
        "anchors",
    ):
        if one.get(key) != other.get(key):
            raise ValueError(f"{what} has a network with {key} {one[key]}; {other[key]} wanted")


def fit_stage1(
    sets: Sequence[Weighted],
    validation: Sequence[Stage1Sample],
    run: RunConfig,
    config: Stage1Config | None = None,
    augmentation: Stage1Augmentation | None = None,
    resume: bool = False,
    initial: Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 1,
) -> keras.callbacks.History:
    """Trains stage 1 on `sets`; keeps the weights with the best share of displays found on `validation`."""
    config, augmentation = config or Stage1Config(), augmentation or Stage1Augmentation()
    samples = [s for w in sets for s in w.samples]
    model, state = _model(config, run, resume, initial)
    write_json_atomic(run.logs / "config.json", {"network": config.to_dict(), "augmentation": augmentation})
    make = examples_stage1(samples, config, augmentation)
    feed = Feed(make, chances(sets), run, int(state.get("epoch", 0)))

    def evaluate(network: keras.Model, epoch: int) -> dict[str, float]:
        return evaluate_stage1(network, config, validation, augmentation.fill)

    return fit(model, feed, run, state, evaluate, "score", callbacks, verbose, fingerprint(validation))


def evaluate_stage1(
    network: keras.Model, config: Stage1Config, samples: Sequence[Stage1Sample], fill: float
) -> dict[str, float]:
    """Corner IoU of the first and of the second look, share above 0.75, class accuracy, on photos with a display."""
    anchors = oriented_anchors(config)
    with_display = [s for s in samples if len(s.corners)]
    if not with_display:
        return {"score": 0.0}
    views = [letterbox(s.image, config.input_size[0]) for s in with_display]
    first = _predict_corners(network, np.stack([view for view, _ in views]), anchors)
    ious1, ious2, right = [], [], []
    closer, maps = [], []
    for sample, (_, placed), (quad, _) in zip(with_display, views, first, strict=True):
        on_photo = placed.inverse(quad)
        ious1.append(quad_iou(on_photo, sample.corners[0]))
        try:
            again = second_look(on_photo, config.input_size[0], fill)
        except ValueError:  # the first look found no area; look at the whole again
            again = np.array([[placed.scale_x, 0, placed.left], [0, placed.scale_y, placed.top], [0, 0, 1.0]])
        maps.append(again)
        closer.append(warp(sample.image, again, config.input_size))
    for sample, matrix, (quad, label) in zip(
        with_display, maps, _predict_corners(network, np.stack(closer), anchors), strict=True
    ):
        ious2.append(quad_iou(warp_points(quad, inverse(matrix)), sample.corners[0]))
        right.append(label == sample.labels[0])
    good2 = float(np.mean(np.array(ious2) > 0.75))
    return {
        "iou_first": float(np.mean(ious1)),
        "iou": float(np.mean(ious2)),
        "first_over_0.5": float(np.mean(np.array(ious1) > 0.5)),
        "over_0.75": good2,
        "class_accuracy": float(np.mean(right)),
        # The mean breaks ties between epochs that find equally many.
        "score": good2 + 0.5 * float(np.mean(ious2)),
    }


def _predict_corners(network: keras.Model, images: UInt8, anchors: OrientedAnchors) -> list[tuple[Float32, int]]:
    raw = network.predict(images, batch_size=32, verbose=0)
    found = []
    for logits, offsets in zip(raw["classes"], raw["corners"], strict=True):
        display = best_display(anchors.decode(offsets), _sigmoid(logits))
        assert display is not None  # without a threshold there is always a best one
        found.append((display.corners, display.class_id))
    return found


def fit_stage2(
    sets: Sequence[Weighted],
    validation: Sequence[Stage2Sample],
    run: RunConfig,
    config: Stage2Config | None = None,
    augmentation: Stage2Augmentation | None = None,
    resume: bool = False,
    initial: Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 1,
    singles: Sequence[tuple[int, UInt8]] = (),
) -> keras.callbacks.History:
    """Trains stage 2 on `sets`; keeps the weights with the most displays of `validation` wholly right.

    `singles`: single digits to exchange those of displays for.
    """
    config, augmentation = config or Stage2Config(), augmentation or CORNERS_PUT_RIGHT
    samples = [s for w in sets for s in w.samples]
    model, state = _model(config, run, resume, initial)
    write_json_atomic(run.logs / "config.json", {"network": config.to_dict(), "augmentation": augmentation})
    make = examples_stage2(samples, config, augmentation, run.seed, singles)
    feed = Feed(make, chances(sets), run, int(state.get("epoch", 0)))

    def evaluate(network: keras.Model, epoch: int) -> dict[str, float]:
        return evaluate_stage2(network, config, validation)

    return fit(model, feed, run, state, evaluate, "score", callbacks, verbose, fingerprint(validation))


def evaluate_stage2(network: keras.Model, config: Stage2Config, samples: Sequence[Stage2Sample]) -> dict[str, float]:
    """Shares of displays whose digits, and whose decimal places too, are all right; and of digits right."""
    if not samples:
        return {"score": 0.0}
    anchors = box_anchors(config)
    views = [plain_display(s, config.input_size) for s in samples]
    raw = network.predict(np.stack([v[0] for v in views]), batch_size=64, verbose=0)
    rows, points, hits, total = [], [], 0, 0
    for sample, (_, boxes), logits, deltas in zip(samples, views, raw["classes"], raw["boxes"], strict=True):
        wanted, wanted_places = _row(boxes, sample.labels)
        got, got_places = _row(*detections(logits, decode_boxes(deltas, anchors)))
        rows.append(wanted == got)
        points.append(wanted == got and wanted_places == got_places)
        total += len(wanted)
        hits += sum(a == b for a, b in zip(wanted, got, strict=False)) if len(wanted) == len(got) else 0
    return {
        "digits": hits / max(total, 1),
        "rows": float(np.mean(rows)),
        "readings": float(np.mean(points)),
        "score": float(np.mean(points)) + 0.1 * hits / max(total, 1),
    }


def digit_detections(logits: Float32, boxes: Float32, threshold: float = 0.3) -> tuple[Float32, Float32]:
    """The digits of one display, one at each place: boxes (n, 4) xyxy and their ten digits' scores (n, 10).

    Args:
        logits: (A, 15) of all anchors.
        boxes: (A, 4) float32 xyxy.
        threshold: a lower score is no digit.
    """
    probabilities = _sigmoid(logits[:, :10])
    score = probabilities.max(1)
    order = np.argsort(-score)
    kept: list[int] = []
    for i in order[score[order] >= threshold][:100]:
        x1, y1, x2, y2 = boxes[i]
        centred = np.array([[(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]], np.float32)
        if not kept or box_iou(boxes[kept], centred).max() < 0.35:
            kept.append(int(i))
    return boxes[kept].reshape(-1, 4), probabilities[kept].reshape(-1, 10)


def detections(logits: Float32, boxes: Float32, threshold: float = 0.3) -> tuple[Float32, np.ndarray]:
    """Digits and the decimal area of one display: (n, 4) xyxy and (n,) class ids."""
    digits, probabilities = digit_detections(logits, boxes, threshold)
    labels = probabilities.argmax(1)
    area = int(logits[:, FLOATP_ID].argmax())
    if _sigmoid(logits[area, FLOATP_ID]) >= threshold:
        digits, labels = np.concatenate([digits, boxes[area : area + 1]]), np.append(labels, FLOATP_ID)
    return digits, labels.astype(np.int64)


def _row(boxes: Float32, labels: np.ndarray) -> tuple[list[int], int]:
    """Digits from left to right, and how many of them lie in the decimal area."""
    digits = sorted(((b[0] + b[2]) / 2, int(c)) for b, c in zip(boxes, labels, strict=True) if c < 10)
    areas = [b for b, c in zip(boxes, labels, strict=True) if c == FLOATP_ID]
    places = sum(a[0] <= x <= a[2] for x, _ in digits for a in areas[:1])
    return [c for _, c in digits], places


def _sigmoid(x: Float32) -> Float32:
    return (1 / (1 + np.exp(-np.clip(x, -30, 30)))).astype(np.float32)
