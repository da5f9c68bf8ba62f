"""Fits the calibration of a bundle's line readers on held-out lines: see `reader.line_settings.LineSettings`.

First the temperature that makes the true texts likeliest (Guo et al. 2017); then, where each character is looked at by
itself too (`reader.characters`), how far either network is trusted; then how often readings of each probability are
right (Platt 1999).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from reader.bundle import Bundle, load_bundle, save_bundle
from reader.characters import CharacterLook, weighed
from reader.confidence import expected_calibration_error, sigmoid
from reader.ctc import log_softmax, text_log_probability
from reader.line_image import prepare
from reader.line_settings import LineSettings
from reader.lines import LineReader
from reader.pipeline import DISPLAY_TASK
from reader.symbols import DIGITS, POINT_ID
from reader.types import UInt8
from training.line_sets import load_lines
from training.preview import evenly

Logits = npt.NDArray[np.floating]

#: Temperatures that are tried, then as many between the neighbours of the best one.
_TEMPERATURES = np.geomspace(0.2, 5.0, 17)
#: A probability is kept so far from 0 and 1, as in `LineSettings.confidence`.
_SMALLEST = 1e-9
#: Exponents that are tried for the line's network and for the one of single characters; see `CharacterSettings.trust`.
_TRUSTS = [(line, character) for line in (0.5, 0.7, 1.0) for character in (0.25, 0.35, 0.5, 0.7, 1.0, 1.4)]
#: Pull of slope and offset to 1 and 0, in readings: where nearly all are right, little is known of the others.
_RIDGE = 1.0


@dataclass(frozen=True)
class LineFit:
    """What was fitted for a line reader.

    Attributes:
        temperature: see `LineSettings`.
        slope: see `LineSettings`.
        offset: see `LineSettings`.
        trust: see `CharacterSettings`; None where no network looks at single characters.
    """

    temperature: float
    slope: float
    offset: float
    trust: tuple[float, float] | None = None

    def put_into(self, settings: LineSettings) -> LineSettings:
        """The settings with these numbers."""
        return replace(settings, temperature=self.temperature, slope=self.slope, offset=self.offset)


def calibrate_lines(
    task: str,
    dataset_paths: Sequence[Path],
    split: str,
    models: Path,
    runtime: str = "auto",
    limit: int | None = None,
    write: bool = True,
    trust: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """Fits a line reader's temperature, slope and offset; returns them and how well they hold.

    Args:
        task: one of the bundle's line readers.
        dataset_paths: sets of lines; of the task "display", stage 2 sets.
        split: of the sets; not one that was trained on.
        models: the bundle's folder.
        runtime: one of `reader.runtime.RUNTIMES`, or "auto".
        limit: at most so many lines, spread over the sets.
        write: whether bundle.json gets the numbers.
        trust: see `CharacterSettings`; None for the one that fits best.

    Raises:
        ValueError: no such reader, no such set, nothing to fit on, a trust without a network of single characters.
    """
    reader = LineReader.load(task, models, runtime)
    settings = reader.settings
    if trust is not None and reader.look is None:
        raise ValueError(f"--trust: no network looks at the single characters of {task!r} in {models}")
    lines = list(_lines(dataset_paths, split, settings, limit))
    if not lines:
        raise ValueError(f"{', '.join(map(str, dataset_paths))}: no lines to fit on in the split {split!r}")
    pictures, texts = [picture for picture, _ in lines], [text for _, text in lines]
    views = (prepare(picture, settings.input_size, settings.fit) for picture in pictures)
    logits = [
        reader.network(view[None])["logits"][0]
        for view in tqdm(views, desc=task, total=len(lines), unit="line", disable=None)
    ]
    temperature = fit_temperature(logits, texts, settings.alphabet)
    warmed = replace(settings, temperature=temperature)
    if reader.look is not None:
        if trust is None:
            steps = [log_softmax(each, temperature) for each in logits]
            trust = fit_trust(reader.look, steps, pictures, texts, warmed)
        reader.look = CharacterLook(reader.look.network, replace(reader.look.settings, trust=trust))
    probabilities, right = _outcomes(reader, warmed, logits, lines)
    fitted = LineFit(temperature, *fit_confidence(probabilities, right), trust)
    if write:
        save_bundle(_with(fitted, load_bundle(models), task), models)
    plain = replace(settings, temperature=1.0, slope=1.0, offset=0.0)
    return {
        "task": task,
        "lines": len(texts),
        "read": len(right),
        "right": int(sum(right)),
        "temperature": fitted.temperature,
        "slope": fitted.slope,
        "offset": fitted.offset,
        "trust": fitted.trust,
        "mean_loss": {
            "plain": mean_loss(logits, texts, plain.alphabet, 1.0),
            "fitted": mean_loss(logits, texts, plain.alphabet, temperature),
        },
        "calibration_error_on_the_fitted_lines": {
            "plain": _error(plain, *_outcomes(reader, plain, logits, lines)),
            "fitted": _error(fitted.put_into(warmed), probabilities, right),
        },
    }


def _with(fitted: LineFit, bundle: Bundle, task: str) -> Bundle:
    lines = {**bundle.lines, task: fitted.put_into(bundle.lines[task])}
    if fitted.trust is None:
        return replace(bundle, lines=lines)
    characters = {**bundle.characters, task: replace(bundle.characters[task], trust=fitted.trust)}
    return replace(bundle, lines=lines, characters=characters)


def mean_loss(logits: Sequence[Logits], texts: Sequence[str], alphabet: str, temperature: float) -> float:
    """Mean -log of the true texts' probabilities; without those that the reader can never say. NaN without any.

    Args:
        logits: (T, C) of each line, raw.
        texts: the truth of each.
        alphabet: class i + 1 is alphabet[i].
        temperature: divides the logits.
    """
    return _mean_loss([log_softmax(each, temperature) for each in logits], texts, alphabet)


def _mean_loss(steps: Sequence[Logits], texts: Sequence[str], alphabet: str) -> float:
    losses = [-text_log_probability(each, alphabet, text) for each, text in zip(steps, texts, strict=True)]
    possible = [loss for loss in losses if math.isfinite(loss)]
    return float(np.mean(possible)) if possible else math.nan


def fit_temperature(logits: Sequence[Logits], texts: Sequence[str], alphabet: str) -> float:
    """The temperature of the least `mean_loss`; arguments as there.

    Raises:
        ValueError: none of the texts can be said.
    """
    if math.isnan(mean_loss(logits, texts, alphabet, 1.0)):
        raise ValueError(f"none of {len(texts)} texts can be read with the alphabet {alphabet!r}")
    tried = _TEMPERATURES
    for _ in range(2):
        losses = [mean_loss(logits, texts, alphabet, float(t)) for t in tqdm(tried, desc="temperature", disable=None)]
        best = int(np.argmin(losses))
        around = tried[max(best - 1, 0)], tried[min(best + 1, len(tried) - 1)]
        found, tried = float(tried[best]), np.geomspace(*around, 9)
    return found


def fit_trust(
    look: CharacterLook,
    steps: Sequence[Logits],
    pictures: Sequence[UInt8],
    texts: Sequence[str],
    line: LineSettings,
) -> tuple[float, float]:
    """How far the line's network and that of single characters are trusted, for the likeliest true texts.

    Args:
        look: with the network of single characters.
        steps: (T, C) calibrated log probabilities of each line.
        pictures: (H, W, 3) uint8 RGB of each line.
        texts: the truth of each.
        line: settings of the line's network.
    """
    opinions = [look.opinion(each, picture, line) for each, picture in zip(steps, pictures, strict=True)]

    def loss(trust: tuple[float, float]) -> float:
        both = [
            each if seen is None else weighed(each, *seen, trust) for each, seen in zip(steps, opinions, strict=True)
        ]
        return _mean_loss(both, texts, line.alphabet)

    return min(tqdm(_TRUSTS, desc="trust", disable=None), key=loss)


def fit_confidence(probabilities: Sequence[float], right: Sequence[bool]) -> tuple[float, float]:
    """Slope and offset of `LineSettings.confidence`, by logistic regression of right on logit(p) (Platt 1999).

    Args:
        probabilities: of the readings, 0 to 1.
        right: whether each reading is the truth.

    Returns:
        Slope, above 0, and offset. They are pulled a little to 1 and 0, which change nothing.

    Raises:
        ValueError: nothing to fit on, or surer readings are not righter.
    """
    if not len(probabilities):
        raise ValueError("not one line was read; nothing to fit a confidence on")
    p = np.clip(np.asarray(probabilities, np.float64), _SMALLEST, 1 - _SMALLEST)
    design = np.column_stack([np.log(p) - np.log1p(-p), np.ones(len(p))])  # (N, 2)
    target, prior = np.asarray(right, np.float64), np.array([1.0, 0.0])
    beta = prior.copy()
    for _ in range(100):
        claimed = sigmoid(design @ beta)
        gradient = design.T @ (claimed - target) + _RIDGE * (beta - prior)
        curvature = design.T @ (design * (claimed * (1 - claimed))[:, None]) + _RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        step *= min(1.0, 1.0 / max(1e-12, float(np.abs(step).max())))  # Newton may overshoot far from the optimum
        beta -= step
        if np.abs(step).max() < 1e-9:
            break
    if beta[0] <= 0:
        raise ValueError(f"surer readings are not righter ({int(target.sum())} of {len(p)} right); no confidence fits")
    return float(beta[0]), float(beta[1])


def _outcomes(
    reader: LineReader, settings: LineSettings, logits: Sequence[Logits], lines: Sequence[tuple[UInt8, str]]
) -> tuple[list[float], list[bool]]:
    """Probability of each reading and whether it is right; without lines on which nothing is read."""
    decoder = LineReader(reader.network, settings, reader.look)
    probabilities, right = [], []
    known = zip(logits, lines, strict=True)
    for each, (picture, text) in tqdm(known, "readings", len(lines), unit="line", leave=False, disable=None):
        readings = decoder.decode(decoder.steps_of(each, picture))
        if readings and readings[0].text:
            probabilities.append(math.exp(min(0.0, readings[0].log_probability)))
            right.append(readings[0].text == text)
    return probabilities, right


def _error(settings: LineSettings, probabilities: Sequence[float], right: Sequence[bool]) -> float:
    return expected_calibration_error([settings.confidence(p) for p in probabilities], right)


def _lines(paths: Sequence[Path], split: str, settings: LineSettings, limit: int | None) -> Iterator[tuple[UInt8, str]]:
    """The pictures of a split's lines, (H, W, 3) uint8 RGB, and their texts; displays in the network's size."""
    if settings.task != DISPLAY_TASK:
        lines = load_lines(paths, split)
        for sample in evenly(lines, limit or len(lines)):
            yield sample.image, sample.text
        return
    from training.augment import plain_display
    from training.datasets import load_stage2
    from training.display_texts import display_text

    displays = load_stage2(paths, split)
    for display in evenly(displays, limit or len(displays)):
        view, boxes = plain_display(display, settings.input_size)
        text = display_text(boxes, display.labels, settings.alphabet)
        letters = (display.labels >= len(DIGITS)) & (display.labels < POINT_ID)
        if text and not letters.any():  # letters beside the digits have no place in a line of digits
            yield view, text
