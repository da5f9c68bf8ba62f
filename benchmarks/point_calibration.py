"""Fits how a bundle weighs what tells the decimals: line reader, detector, and what shows on the display.

The weights are those of a softmax over the numbers of decimals (conditional logit, McFadden 1974), fitted on displays
whose digits are read right. No weight may be below 0 but that of "none".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from reader.bundle import load_bundle, save_bundle
from reader.geometry import MARGIN
from reader.joint import JointRules, point_weights
from reader.pipeline import Found, MeterReader
from reader.signs import SIGNS
from reader.symbols import STAGE1_CLASSES
from reader.types import Display
from training.datasets import Stage2Sample, load_stage2
from training.display_texts import digit_row
from training.preview import evenly

Float64 = npt.NDArray[np.float64]

#: Names of the columns of `reader.joint.point_opinions`.
OPINIONS = ("line_point", "boxes_point", *SIGNS)
#: The line reader is worth nothing on so many displays, see `reader.joint.JointRules.point_slip`.
SLIP = 0.03
#: Pull of all weights to 0, in displays: signs that few displays show get no large ones.
_RIDGE = 2.0
#: Standard deviation of the corners' errors, in display heights, and the seed they are drawn with.
_CORNER_ERROR, _SEED = 0.06, 0


@dataclass(frozen=True)
class Told:
    """A display whose digits were read right.

    Attributes:
        opinions: (n, len(OPINIONS)), row k about k decimals.
        decimals: how many there are.
        weight: how much it counts.
    """

    opinions: Float64
    decimals: int
    weight: float = 1.0


def calibrate_point(
    dataset_paths: Sequence[Path],
    split: str,
    models: Path,
    mix: Sequence[float] | None = None,
    limit: int | None = None,
    write: bool = True,
) -> dict[str, Any]:
    """Fits the weights of what tells the decimals; returns them, and how often the point was right before and is now.

    Args:
        dataset_paths: stage 2 sets.
        split: of the sets; not one that was trained on.
        models: the bundle's folder.
        mix: how much a display of each set counts; None: all alike.
        limit: at most so many displays of a set, spread over it.
        write: whether bundle.json gets the weights.

    Raises:
        ValueError: no such set, another number of weights, a bundle without a line reader of displays, or no display
            whose digits are read right.
    """
    weights_of_sets = [1.0] * len(dataset_paths) if mix is None else list(mix)
    if len(weights_of_sets) != len(dataset_paths):
        raise ValueError(f"--mix: {len(dataset_paths)} numbers wanted, one a set; {len(weights_of_sets)} came")
    reader = _looking(MeterReader.load(models))
    if reader.line is None:
        raise ValueError(
            f"{models}: a line reader of displays wanted, beside which the signs are weighed; none is there"
        )
    chosen: list[tuple[Stage2Sample, float]] = []
    for path, weight in zip(dataset_paths, weights_of_sets, strict=True):
        of_set = load_stage2([path], split)
        chosen += [(display, weight) for display in evenly(of_set, limit or len(of_set))]
    known = []
    for number, (display, weight) in enumerate(tqdm(chosen, desc="displays", unit="display", disable=None)):
        told = told_by(reader, display, np.random.default_rng([_SEED, number]))
        if told is not None:
            known.append(replace(told, weight=weight))
    if not known:
        where = ", ".join(map(str, dataset_paths))
        raise ValueError(f"{where}: of {len(chosen)} displays in the split {split!r} the digits of none are read")
    weights = fit_weights(known)
    fitted = replace(
        reader.bundle.joint,
        line_point=weights["line_point"],
        boxes_point=weights["boxes_point"],
        point_slip=SLIP,
        signs={name: weights[name] for name in SIGNS},
    )
    if write:
        save_bundle(replace(load_bundle(models), joint=fitted), models)
    return {
        "displays": len(chosen),
        "digits_right": len(known),
        "weights": weights,
        "point_right": {"before": share_right(known, reader.bundle.joint), "fitted": share_right(known, fitted)},
    }


def told_by(reader: MeterReader, display: Stage2Sample, rng: np.random.Generator) -> Told | None:
    """What each opinion says of a labelled display's decimals, cut out a little wrong as stage 1 cuts it.

    Returns:
        None where its digits are not read right.
    """
    row, decimals = digit_row(display.boxes, display.labels)
    height, width = display.image.shape[:2]
    room = MARGIN * height / (1 + 2 * MARGIN)
    corners = np.array(
        [[room, room], [width - room, room], [width - room, height - room], [room, height - room]], np.float32
    )
    corners += rng.normal(0, _CORNER_ERROR * height, (4, 2)).astype(np.float32)
    shown = Display(corners, 0, 1.0, np.eye(len(STAGE1_CLASSES), dtype=np.float32)[0])
    try:
        reading = reader.read_display(display.image, Found(shown, 1.0)).reading
    except ValueError:  # too small to have corners
        return None
    opinions = reading.point_opinions
    if (
        opinions is None
        or decimals >= len(opinions)
        or [each.text for each in reading.digits] != [str(d) for _, d in row]
    ):
        return None
    return Told(opinions, decimals)


def _looking(reader: MeterReader) -> MeterReader:
    """The reader, made to look at the signs whatever they weigh so far."""
    joint = replace(reader.bundle.joint, point_slip=SLIP, signs={"none": 0.0, **reader.bundle.joint.signs})
    return reader.with_bundle(replace(reader.bundle, joint=joint))


def fit_weights(known: Sequence[Told]) -> dict[str, float]:
    """Weights of the greatest likelihood by name, by Newton's method.

    A weight that comes out below 0, the lowest first, is set to 0 and the others are fitted again.
    """
    used = list(range(len(OPINIONS)))
    while True:
        weights = _newton(known, used)
        wrong = [i for i in used if OPINIONS[i] != "none" and weights[i] < 0]
        if not wrong:
            return {name: float(weight) for name, weight in zip(OPINIONS, weights, strict=True)}
        used.remove(min(wrong, key=lambda i: weights[i]))


def _newton(known: Sequence[Told], used: list[int]) -> Float64:
    weights = np.zeros(len(used))
    for _ in range(100):
        gradient, curvature = _RIDGE * weights, _RIDGE * np.eye(len(used))
        for told in known:
            rows = told.opinions[:, used]
            shares = _shares(rows @ weights)
            mean = shares @ rows
            gradient = gradient + told.weight * (mean - rows[told.decimals])
            curvature = curvature + told.weight * ((rows * shares[:, None]).T @ rows - np.outer(mean, mean))
        step = np.linalg.solve(curvature, gradient)
        step *= min(1.0, 1.0 / max(1e-12, float(np.abs(step).max())))  # Newton may overshoot far from the optimum
        weights -= step
        if np.abs(step).max() < 1e-7:
            break
    whole = np.zeros(len(OPINIONS))
    whole[used] = weights
    return whole


def share_right(known: Sequence[Told], rules: JointRules) -> float:
    """Share of the displays on which the likeliest number of decimals is the true one."""
    weights = point_weights(rules)
    return float(np.mean([int((told.opinions @ weights).argmax()) == told.decimals for told in known]))


def _shares(scores: Float64) -> Float64:
    powers = np.exp(scores - scores.max())
    return np.asarray(powers / powers.sum(), np.float64)
