"""Trains a line reader: what is particular to it, given to the common loop. Tuning calls the same function."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np

from crnn.config import LineConfig
from crnn.losses import NOT_KNOWN, CtcLoss
from crnn.model import build, heard
from crnn.release import embedded_config, load
from reader.line_image import prepare
from reader.metrics import align
from reader.types import UInt8
from training.augment import CORNERS_PUT_RIGHT, DigitPool, plain_display, stage2_view
from training.datasets import Stage2Sample
from training.display_texts import WHOLE, digit_row, display_text
from training.line_augment import augmentation_of, line_view
from training.line_sets import DrawnLines, LineSample
from training.loop import Example, Feed, RunConfig, fingerprint, fit, write_json_atomic
from training.loop import prepare as prepare_run
from training.run import Weighted, chances

Stored = LineSample | Stage2Sample
Sample = Stored | DrawnLines
#: The part of a configuration that weights depend on; the classes, by the alphabet, can be taken over one by one.
_SHAPE = ("input_size", "channels", "fine", "column", "context", "rnn", "units", "layers")
#: More exchanged drums than stage 2 learns from: rows of digits must not be learnt by heart. And displays upside down,
#: on which the network sees no text: that is how the reader finds out that it cut one out so.
DISPLAY_AUGMENTATION = dataclasses.replace(CORNERS_PUT_RIGHT, exchange=0.6, turned=0.08)

#: Share of displays that a network which sees twice the pixels (`LineConfig.fine`) is shown in half of them, as most
#: photos have no more; blur, shake and noise of their views are in such pixels too.
COARSE = 0.5

#: Of drawn lines, whose characters differ already: the strength of their views against those of stored pictures.
DRAWN_AUGMENTATION = 0.6

#: In widths of a digit: how far from its middle steps show it, and how far at least steps beside it show nothing.
MIDDLE, EDGE = 0.2, 0.4


def fit_lines(
    sets: Sequence[Weighted],
    validation: Sequence[Stored],
    run: RunConfig,
    config: LineConfig,
    strength: float = 1.0,
    resume: bool = False,
    initial: Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 1,
    singles: Sequence[tuple[int, UInt8]] = (),
) -> keras.callbacks.History:
    """Trains on `sets`; keeps the weights that read the most whole lines of `validation`.

    `strength`: of the augmentation, 1 as usual. `singles`: single digits to exchange those of displays for.

    Raises:
        ValueError: lines that the network cannot have, or initial weights of another network.
    """
    samples = [s for w in sets for s in w.samples]
    check_lines([*samples, *validation], config)

    def create() -> keras.Model:
        network = build(config)
        if initial is not None:
            source, came = load(initial)
            check_same(came, config, f"--initial_weights: {initial}", _shared_keys(came, config))
            take_over(network, config, source, came)
        return network

    model, state = prepare_run(create, {"logits": CtcLoss()}, run, resume)
    if resume:
        check_same(embedded_config(model), config, f"--resume_training: {run.checkpoints}", (*_SHAPE, "alphabet"))
    displays = bool(samples) and isinstance(samples[0], Stage2Sample)
    shown: Any = DISPLAY_AUGMENTATION.scaled(strength) if displays else augmentation_of(config.task, strength)
    write_json_atomic(run.logs / "config.json", {"network": config.to_dict(), "augmentation": shown})
    make = examples(samples, config, strength, run.seed, singles)
    feed = Feed(make, chances(sets), run, int(state.get("epoch", 0)))

    def evaluate(network: keras.Model, epoch: int) -> dict[str, float]:
        return evaluate_lines(network, config, validation)

    return fit(model, feed, run, state, evaluate, "score", callbacks, verbose, fingerprint(validation))


def examples(
    samples: Sequence[Sample],
    config: LineConfig,
    strength: float,
    seed: int,
    singles: Sequence[tuple[int, UInt8]] = (),
) -> Callable[[int, np.random.Generator], Example]:
    """What `training.loop.Feed` makes batches of: a view of a line and its classes.

    `strength` is the augmentation's; `seed` draws exchanged digits.
    """
    displays = [s for s in samples if isinstance(s, Stage2Sample)]
    pool = DigitPool.collect(displays, seed=seed, singles=singles) if displays else None
    augmentation, of_displays = augmentation_of(config.task, strength), DISPLAY_AUGMENTATION.scaled(strength)
    gentle = augmentation.scaled(DRAWN_AUGMENTATION)

    def make(index: int, rng: np.random.Generator) -> Example:
        sample = samples[index]
        if isinstance(sample, LineSample):
            image = line_view(sample.image, config.input_size, config.fit, rng, augmentation)
            return image, {"logits": encode(sample.text, config)}
        if isinstance(sample, DrawnLines):
            drawn, text = sample.draw(rng)
            return line_view(drawn, config.input_size, config.fit, rng, gentle), {"logits": encode(text, config)}
        coarse = config.fine and rng.random() < COARSE
        size = config.map_size if coarse else config.input_size
        image, boxes, labels = stage2_view(sample, size, rng, of_displays, pool)
        if coarse:
            image, boxes = cv2.resize(image, config.input_size[::-1]), boxes * 2
        steps = step_labels(boxes, labels, config)
        return image, {"logits": encode(display_text(boxes, labels, config.alphabet), config, steps)}

    return make


def augmented_views(
    samples: Sequence[Sample], config: LineConfig, count: int, seed: int = 0, strength: float = 1.0
) -> list[tuple[UInt8, str]]:
    """Random training views with their texts, as the network sees them; `strength` of the augmentation."""
    make = examples(samples, config, strength, seed)
    rng = np.random.default_rng(seed)
    made = [make(int(i), rng) for i in rng.integers(len(samples), size=count)]
    texts = [targets["logits"][: config.max_length] for _, targets in made]
    return [
        (view, "".join(config.alphabet[c - 1] for c in text if c)) for (view, _), text in zip(made, texts, strict=True)
    ]


def plain_view(sample: Stored, config: LineConfig) -> tuple[UInt8, str]:
    """A sample as the reader shows it to the network, and its text."""
    if isinstance(sample, LineSample):
        return prepare(sample.image, config.input_size, config.fit), sample.text
    view, boxes = plain_display(sample, config.input_size)
    return view, display_text(boxes, sample.labels, config.alphabet)


def encode(text: str, config: LineConfig, steps: np.ndarray | None = None) -> np.ndarray:
    """(max_length + steps,) int32 as `CtcLoss` wants it: class ids, zeros after the last; then what each step shows."""
    labels = np.zeros(config.max_length, np.int32)
    labels[: len(text)] = [config.alphabet.index(c) + 1 for c in text]
    return np.concatenate([labels, np.full(config.steps, NOT_KNOWN, np.int32) if steps is None else steps])


def step_labels(boxes: np.ndarray, labels: np.ndarray, config: LineConfig) -> np.ndarray:
    """(T,) int32: which digit stands at each step, 0 beside the digits, `NOT_KNOWN` at their edges.

    Args:
        boxes: (n, 4) xyxy in input pixels.
        labels: (n,) class ids of stage 2.
        config: of the network.
    """
    x = (np.arange(config.steps) + 0.5) * config.input_size[1] / config.steps
    known = np.zeros(config.steps, np.int32)
    row, _ = digit_row(boxes, labels)
    characters = display_text(boxes, labels, config.alphabet)
    for ((left, _, right, _), _), character in zip(row, characters, strict=True):
        away = np.abs(x - (left + right) / 2) / max(right - left, 1.0)  # in widths of the digit
        known[away < EDGE] = NOT_KNOWN
        known[away < MIDDLE] = config.alphabet.index(character) + 1
    return known


def decode(logits: np.ndarray, alphabet: str) -> str:
    """The greedy reading of (T, C) logits; the reader's own decoding is in `reader.ctc`."""
    best = logits.argmax(-1)
    kept = best[np.insert(best[1:] != best[:-1], 0, True)]
    return "".join(alphabet[c - 1] for c in kept if c)


def check_lines(samples: Sequence[Sample], config: LineConfig) -> None:
    """Raises ValueError for the first line that the network cannot read: its characters or its length."""
    for sample in samples:
        text = _text(sample, config)
        foreign = sorted(set(sample.alphabet if isinstance(sample, DrawnLines) else text) - set(config.alphabet))
        if foreign:
            raise ValueError(f"{sample.name}: characters {foreign} in {text!r}; the alphabet is {config.alphabet!r}")
        # CTC puts a blank between equal neighbours.
        steps = len(text) + sum(a == b for a, b in itertools.pairwise(text))
        if len(text) > config.max_length or steps > config.steps:
            raise ValueError(
                f"{sample.name}: {len(text)} characters in {text!r}; at most {config.max_length} are read "
                f"(--network '{{\"max_length\": {len(text)}}}')"
            )


def _text(sample: Sample, config: LineConfig) -> str:
    """What a line says; of drawn ones a line as long as the longest."""
    if isinstance(sample, LineSample):
        return sample.text
    if isinstance(sample, DrawnLines):
        return "".join(itertools.islice(itertools.cycle(sample.alphabet), sample.longest))
    return display_text(sample.boxes, sample.labels, config.alphabet)


def evaluate_lines(network: keras.Model, config: LineConfig, samples: Sequence[Stored]) -> dict[str, float]:
    """Share of whole lines right, character error rate; `score` decides which weights are kept."""
    if not samples:
        return {"score": 0.0}
    views = [plain_view(s, config) for s in samples]
    logits = network.predict(np.stack([v for v, _ in views]), batch_size=64, verbose=0)["logits"]
    right = edits = characters = 0
    for (_, truth), each in zip(views, logits, strict=True):
        answer = decode(each, config.alphabet)
        right += answer == truth
        edits += sum(a != b for a, b in align(answer, truth)) if answer != truth else 0
        characters += len(truth)
    lines, cer = right / len(samples), edits / max(characters, 1)
    return {"lines": lines, "cer": cer, "score": lines - 0.1 * cer}


def check_same(came: LineConfig, wanted: LineConfig, what: str, keys: Sequence[str] = _SHAPE) -> None:
    """Raises ValueError where a file's weights belong to another network: where the configurations differ in a key."""
    one, other = came.to_dict(), wanted.to_dict()
    for key in keys:
        if one[key] != other[key]:
            raise ValueError(f"{what} has a network with {key} {one[key]!r}; {other[key]!r} wanted")


def _shared_keys(came: LineConfig, wanted: LineConfig) -> tuple[str, ...]:
    """What must be the same in two networks: of recurrent layers or of a context nothing, if one network has none."""
    both = {"context": came.context and wanted.context}
    both |= dict.fromkeys(("rnn", "units", "layers"), came.layers and wanted.layers)
    return tuple(key for key in _SHAPE if both.get(key, True))


def take_over(network: keras.Model, config: LineConfig, source: keras.Model, came: LineConfig) -> None:
    """Copies weights from a network of the same shape, though either may be without context or recurrent layers.

    Those that are new begin unheard: the answers stay what they were. Classes go by their characters. New classes stay
    as they are, but decimals begin as the digits that they look like.
    """
    last, before = network.get_layer("logits"), source.get_layer("logits")
    kernel, bias = (np.array(values) for values in last.get_weights())  # (units, classes), (classes,)
    old_kernel, old_bias = before.get_weights()
    known = {layer.name: layer for layer in source.layers}
    for layer in network.layers:
        if layer is not last and layer.name in known:
            layer.set_weights(known[layer.name].get_weights())
    like = {c: c if c in came.alphabet else c.translate(WHOLE) for c in config.alphabet}
    shared = [c for c in config.alphabet if like[c] in came.alphabet]
    to = [0, *(config.alphabet.index(c) + 1 for c in shared)]
    origin = [0, *(came.alphabet.index(like[c]) + 1 for c in shared)]
    bias[to] = old_bias[origin]
    old_parts = heard(came)
    for part, rows in heard(config).items():
        if part in old_parts:
            kernel[rows, to] = old_kernel[old_parts[part]][:, origin]
        else:
            kernel[rows] = 0
    last.set_weights([kernel, bias])
