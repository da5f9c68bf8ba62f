"""Trains the corner network: what is particular to it, given to the common loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from corners.config import CornersConfig
from corners.model import build
from corners.release import load
from corners.views import CornersView, corners_view, height_of, wrong_views
from reader.corners import moved_by
from reader.geometry import quad_iou
from training.datasets import Stage1Sample
from training.loop import Example, Feed, RunConfig, fingerprint, fit, prepare, write_json_atomic
from training.release import take_weights
from training.run import Weighted, chances


def fit_corners(
    sets: Sequence[Weighted],
    validation: Sequence[Stage1Sample],
    run: RunConfig,
    config: CornersConfig | None = None,
    resume: bool = False,
    initial: Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 1,
) -> keras.callbacks.History:
    """Trains on `sets`, displays with their surroundings; keeps the weights with the least error on `validation`.

    Raises:
        ValueError: initial weights of another network.
    """
    config = config or CornersConfig()
    samples = [s for w in sets for s in w.samples]

    def create() -> keras.Model:
        network = build(config)
        if initial is not None:
            take_weights(network, config, initial, load)
        return network

    model, state = prepare(create, {"offsets": keras.losses.MeanAbsoluteError()}, run, resume)
    write_json_atomic(run.logs / "config.json", {"network": config.to_dict()})
    feed = Feed(examples(samples, config), chances(sets), run, int(state.get("epoch", 0)))
    wrong = wrong_views(validation, config)

    def evaluate(network: keras.Model, epoch: int) -> dict[str, float]:
        return evaluate_corners(network, config, wrong)

    return fit(model, feed, run, state, evaluate, "score", callbacks, verbose, fingerprint(validation))


def examples(samples: Sequence[Stage1Sample], config: CornersConfig) -> Callable[[int, np.random.Generator], Example]:
    """What `training.loop.Feed` makes batches of."""

    def make(index: int, rng: np.random.Generator) -> Example:
        view = corners_view(samples[index], config, rng)
        return view.picture, {"offsets": view.offsets.reshape(8).astype(np.float32)}

    return make


def evaluate_corners(network: keras.Model, config: CornersConfig, views: Sequence[CornersView]) -> dict[str, float]:
    """Mean overlap (IoU) with the true displays, and the corners' mean distance in heights; `score` decides.

    "before" are those of the corners that the network was to put right.
    """
    if not views:
        return {"score": 0.0}
    told = network.predict(np.stack([view.picture for view in views]), batch_size=64, verbose=0)["offsets"]
    measures = []
    for view, offsets in zip(views, np.asarray(told, np.float64), strict=True):
        sharp = moved_by(offsets, view.corners, config.input_size, config.margin)
        for corners in (view.corners, sharp):
            distance = np.linalg.norm(corners - view.truth, axis=1).mean() / height_of(view.truth)
            measures.append((quad_iou(corners, view.truth), distance))
    means = np.mean(np.reshape(measures, (-1, 4)), axis=0)
    names = ("iou_before", "distance_before", "iou", "distance")
    return {**dict(zip(names, means.tolist(), strict=True)), "score": float(means[2])}
