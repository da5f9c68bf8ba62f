"""Trains the point network: what is particular to it, given to the common loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from points.config import PointConfig
from points.losses import PointLoss
from points.model import build_row
from points.release import load
from reader.gaps import gap_cuts
from reader.types import UInt8
from training.augment import DigitPool, Stage2Augmentation, plain_display, stage2_view
from training.datasets import Stage2Sample
from training.display_texts import digit_row
from training.loop import Example, Feed, RunConfig, fingerprint, fit, prepare, write_json_atomic
from training.release import take_weights
from training.run import Weighted, chances

#: Gaps of a display that a training step looks at; longer rows are looked at in part.
GAPS = 8
#: Standard deviations of the digits' boxes from the true ones, in widths and heights of a digit.
_BOX_ERROR = (0.06, 0.05)
AUGMENTATION = Stage2Augmentation()


def fit_point(
    sets: Sequence[Weighted],
    validation: Sequence[Stage2Sample],
    run: RunConfig,
    config: PointConfig | None = None,
    strength: float = 1.0,
    resume: bool = False,
    initial: Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 1,
    singles: Sequence[tuple[int, UInt8]] = (),
) -> keras.callbacks.History:
    """Trains on `sets`; keeps the weights that place the point right on most displays of `validation`.

    `strength`: of the augmentation, 1 as usual. `singles`: single digits to exchange those of displays for.

    Raises:
        ValueError: initial weights of another network.
    """
    config = config or PointConfig()
    samples = [s for w in sets for s in w.samples]

    def create() -> keras.Model:
        network = build_row(config, GAPS)
        if initial is not None:
            take_weights(network, config, initial, load)
        return network

    model, state = prepare(create, {"logits": PointLoss()}, run, resume)
    shown = {"network": config.to_dict(), "augmentation": AUGMENTATION.scaled(strength)}
    write_json_atomic(run.logs / "config.json", shown)
    feed = Feed(examples(samples, config, strength, run.seed, singles), chances(sets), run, int(state.get("epoch", 0)))

    def evaluate(network: keras.Model, epoch: int) -> dict[str, float]:
        return evaluate_points(network, config, validation)

    return fit(model, feed, run, state, evaluate, "score", callbacks, verbose, fingerprint(validation))


def examples(
    samples: Sequence[Stage2Sample],
    config: PointConfig,
    strength: float,
    seed: int,
    singles: Sequence[tuple[int, UInt8]] = (),
) -> Callable[[int, np.random.Generator], Example]:
    """What `training.loop.Feed` makes batches of: the gaps of a display, and which has the point."""
    settings = AUGMENTATION.scaled(strength)
    pool = DigitPool.collect(samples, seed=seed, singles=singles)

    def make(index: int, rng: np.random.Generator) -> Example:
        view, boxes, labels = stage2_view(samples[index], config.display_size, rng, settings, pool)
        row, decimals = digit_row(boxes, labels)
        digits = np.array([box for box, _ in row], np.float32).reshape(-1, 4)
        if len(digits):
            sides = np.median(digits[:, 2:] - digits[:, :2], axis=0)
            error = rng.normal(0, _BOX_ERROR, (len(digits), 2)) + rng.normal(0, _BOX_ERROR, 2)
            grown = sides * rng.normal(0, 0.06, 2)  # all alike: a network's boxes are all a little wide, or tight
            digits = digits + np.concatenate([error * sides - grown, error * sides + grown], axis=1)
        return row_of_gaps(view, digits, decimals, config)

    return make


def row_of_gaps(view: UInt8, digits: np.ndarray, decimals: int, config: PointConfig) -> Example:
    """A display as the network is trained on it; see `PointLoss`.

    Args:
        view: (h, w, 3) uint8 RGB.
        digits: (n, 4) xyxy, from left to right.
        decimals: how many of them stand after the point.
        config: of the network.

    Returns:
        (GAPS, height, width, 3) uint8, and which of them has the point.
    """
    cuts = gap_cuts(view, digits, config.input_size)
    point = len(digits) - decimals - 1 if decimals else len(cuts)
    if len(cuts) > GAPS:  # the part with the point
        first = min(max(0, point - GAPS // 2), len(cuts) - GAPS)
        cuts, point = cuts[first : first + GAPS], point - first if decimals else GAPS
    count = len(cuts)
    if not count:
        cuts = np.zeros((1, *config.input_size, 3), np.uint8)
    # Places without a gap show one of the others: black ones would spoil the means of batch normalisation.
    filled = cuts[np.arange(GAPS) % len(cuts)]
    return filled, {"logits": np.array([point, count], np.int32)}


def evaluate_points(network: keras.Model, config: PointConfig, samples: Sequence[Stage2Sample]) -> dict[str, float]:
    """Share of displays whose point is found, of those with and of those without one; `score` decides."""
    made = []
    for sample in samples:
        view, boxes = plain_display(sample, config.display_size)
        row, decimals = digit_row(boxes, sample.labels)
        digits = np.array([box for box, _ in row], np.float32).reshape(-1, 4)
        made.append(row_of_gaps(view, digits, decimals, config))
    if not made:
        return {"score": 0.0}
    truth = np.stack([targets["logits"] for _, targets in made])  # (N, 2)
    logits = network.predict(np.stack([gaps for gaps, _ in made]), batch_size=64, verbose=0)["logits"]
    right = np.array([_point(row, count) == point for row, (point, count) in zip(logits, truth, strict=True)])
    with_point = truth[:, 0] < truth[:, 1]
    loss = float(np.mean(keras.ops.convert_to_numpy(PointLoss(reduction=None)(truth, logits))))
    return {
        "right": float(right.mean()),
        "with_point": _mean(right[with_point]),
        "without": _mean(right[~with_point]),
        "cross_entropy": loss,
        "score": float(right.mean()) - 0.1 * loss,
    }


def _point(logits: np.ndarray, count: int) -> int:
    """The gap that is taken for the point's; `count` for none."""
    there = logits[:count]
    return int(there.argmax()) if count and there.max() > 0 else count


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0
