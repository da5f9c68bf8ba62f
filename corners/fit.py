"""Trains the corner network: what is particular to it, given to the common loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from corners.config import CornersConfig
from corners.losses import UNTOLD, OffsetsLoss, ShownLoss
from corners.model import build
from corners.release import load
from corners.views import CornersView, corners_view, height_of, wrong_views
from reader.corners import moved_by
from reader.geometry import quad_iou
from training.datasets import Stage1Sample
from training.loop import Example, Feed, RunConfig, fingerprint, fit, prepare, write_json_atomic
from training.run import Weighted, chances
from training.widening import take_over

#: Of the lookalikes so many are refused that hardly a display is: at the logit which all but this share of them reach.
_LOST = 0.005
#: What the share of refused lookalikes counts beside the corners' overlap.
_JUDGING = 0.1


def fit_corners(
    sets: Sequence[Weighted],
    validation: Sequence[Stage1Sample],
    run: RunConfig,
    config: CornersConfig | None = None,
    resume: bool = False,
    initial: Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 1,
    lookalikes: Sequence[Weighted] = (),
    unseen_lookalikes: Sequence[Stage1Sample] = (),
) -> keras.callbacks.History:
    """Trains on `sets`, displays with their surroundings; keeps the weights with the least error on `validation`.

    Args:
        sets: displays, see `corners.views.surroundings`.
        validation: displays that are not trained on.
        run: how.
        config: the network's; with `judged` channels it also learns what is no display.
        resume: go on from the checkpoint.
        initial: weights to start from, of the same network or of one that does not judge yet.
        callbacks: further ones.
        verbose: as Keras has it.
        lookalikes: what is no display, drawn with the displays.
        unseen_lookalikes: such that are not trained on.

    Raises:
        ValueError: initial weights of another network, or lookalikes for a network that does not judge.
    """
    config = config or CornersConfig()
    if lookalikes and not config.judged:
        raise ValueError('--lookalikes wants a network that judges: "judged" channels of at least 1; 0 came')
    samples = [s for w in sets for s in w.samples]
    others = [s for w in lookalikes for s in w.samples]

    def create() -> keras.Model:
        network = build(config)
        if initial is not None:
            _begin_from(network, config, initial)
        return network

    losses: dict[str, keras.losses.Loss] = {"offsets": OffsetsLoss()}
    if config.judged:
        losses["shown"] = ShownLoss()
    model, state = prepare(create, losses, run, resume)
    write_json_atomic(run.logs / "config.json", {"network": config.to_dict()})
    feed = Feed(examples(samples, config, others), chances([*sets, *lookalikes]), run, int(state.get("epoch", 0)))
    wrong, unseen = wrong_views(validation, config), wrong_views(unseen_lookalikes, config)

    def evaluate(network: keras.Model, epoch: int) -> dict[str, float]:
        return evaluate_corners(network, config, wrong, unseen)

    measured_on = fingerprint([*validation, *unseen_lookalikes])
    return fit(model, feed, run, state, evaluate, "score", callbacks, verbose, measured_on)


def _begin_from(network: keras.Model, config: CornersConfig, path: Path) -> None:
    """Gives a network the weights of a file; what judges may be missing there.

    Raises:
        ReleaseError: a file that holds no corner network.
        ValueError: a network of another configuration.
    """
    source, came = load(path)
    if came != config and came != replace(config, judged=0):
        raise ValueError(f"--initial_weights: {path} has a network of {came}; {config} wanted")
    take_over(source, network, lambda layer, old, new: old)


def examples(
    samples: Sequence[Stage1Sample], config: CornersConfig, lookalikes: Sequence[Stage1Sample] = ()
) -> Callable[[int, np.random.Generator], Example]:
    """What `training.loop.Feed` makes batches of: displays, and behind them what is none."""

    def make(index: int, rng: np.random.Generator) -> Example:
        shown = index < len(samples)
        view = corners_view(samples[index] if shown else lookalikes[index - len(samples)], config, rng)
        offsets = view.offsets.reshape(8) if shown else np.full(8, UNTOLD)
        targets = {"offsets": offsets.astype(np.float32)}
        if config.judged:
            targets["shown"] = np.array([shown], np.float32)
        return view.picture, targets

    return make


def evaluate_corners(
    network: keras.Model,
    config: CornersConfig,
    views: Sequence[CornersView],
    lookalikes: Sequence[CornersView] = (),
) -> dict[str, float]:
    """Mean overlap (IoU) with the true displays, and the corners' mean distance in heights; `score` decides.

    "before" are those of the corners that the network was to put right. "refused" is the share of the lookalikes that
    have a lower logit than all but the least 0.5 % of the displays.
    """
    if not views:
        return {"score": 0.0}
    answers = _answers(network, views)
    told = answers["offsets"]
    measures = []
    for view, offsets in zip(views, np.asarray(told, np.float64), strict=True):
        sharp = moved_by(offsets, view.corners, config.input_size, config.margin)
        for corners in (view.corners, sharp):
            distance = np.linalg.norm(corners - view.truth, axis=1).mean() / height_of(view.truth)
            measures.append((quad_iou(corners, view.truth), distance))
    means = np.mean(np.reshape(measures, (-1, 4)), axis=0)
    names = ("iou_before", "distance_before", "iou", "distance")
    values = {**dict(zip(names, means.tolist(), strict=True)), "score": float(means[2])}
    if lookalikes and config.judged:
        least = np.quantile(answers["shown"], _LOST)
        values["refused"] = float((_answers(network, lookalikes)["shown"] < least).mean())
        values["score"] += _JUDGING * values["refused"]
    return values


def _answers(network: keras.Model, views: Sequence[CornersView]) -> dict[str, np.ndarray]:
    return dict(network.predict(np.stack([view.picture for view in views]), batch_size=64, verbose=0))
