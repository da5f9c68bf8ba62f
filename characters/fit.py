"""Trains the network of single characters: what is particular to it, given to the common loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from characters.config import CharactersConfig
from characters.model import build
from characters.release import load
from characters.windows import CharacterSample, plain_window, window_view
from reader.ctc import log_softmax
from training.loop import Example, Feed, RunConfig, fingerprint, fit, prepare, write_json_atomic
from training.release import take_weights
from training.run import Weighted, chances


def fit_characters(
    sets: Sequence[Weighted],
    validation: Sequence[CharacterSample],
    run: RunConfig,
    config: CharactersConfig,
    resume: bool = False,
    initial: Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 1,
) -> keras.callbacks.History:
    """Trains on `sets` of windows; keeps the weights that tell most characters of `validation`.

    Raises:
        ValueError: initial weights of another network.
    """
    samples = [s for w in sets for s in w.samples]

    def create() -> keras.Model:
        network = build(config)
        if initial is not None:
            take_weights(network, config, initial, load)
        return network

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model, state = prepare(create, {"logits": loss}, run, resume)
    write_json_atomic(run.logs / "config.json", {"network": config.to_dict()})
    feed = Feed(examples(samples, config), chances(sets), run, int(state.get("epoch", 0)))

    def evaluate(network: keras.Model, epoch: int) -> dict[str, float]:
        return evaluate_characters(network, validation)

    return fit(model, feed, run, state, evaluate, "score", callbacks, verbose, fingerprint(validation))


def examples(
    samples: Sequence[CharacterSample], config: CharactersConfig
) -> Callable[[int, np.random.Generator], Example]:
    """What `training.loop.Feed` makes batches of."""

    def make(index: int, rng: np.random.Generator) -> Example:
        sample = samples[index]
        return window_view(sample.window, config.input_size, rng), {"logits": np.int32(sample.label)}

    return make


def evaluate_characters(network: keras.Model, samples: Sequence[CharacterSample]) -> dict[str, float]:
    """Share of characters that are told right, and the mean cross-entropy; `score` decides."""
    if not samples:
        return {"score": 0.0}
    windows = np.stack([plain_window(s.window) for s in samples])
    truth = np.array([s.label for s in samples])
    steps = log_softmax(network.predict(windows, batch_size=256, verbose=0)["logits"])  # (N, characters)
    hits = steps.argmax(axis=1) == truth
    right, loss = float(hits.mean()), float(-steps[np.arange(len(truth)), truth].mean())
    return {
        "right": right,
        "wrong": float(np.sum(~hits)),
        "cross_entropy": loss,
        "score": right - 0.1 * loss,
    }
