"""What a training run is asked to do; free of any framework, so that flags are parsed at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Optimizers that a run can ask for, and what beside the learning rate they are given.
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "adamw": ("AdamW", {}),
    "lion": ("Lion", {}),
    "rmsprop": ("RMSprop", {}),
    "sgd": ("SGD", {"momentum": 0.9, "nesterov": True}),
}


@dataclass(frozen=True)
class Weighted:
    """A training set and how often its samples are drawn against those of the others (per set, not per sample)."""

    samples: Sequence[Any]
    weight: float


def weighted(sets: Sequence[Sequence[Any]], mix: Sequence[float] | None) -> list[Weighted]:
    """Sets and how often they are drawn: as `mix` has it, a number for each, or by their sizes."""
    return [Weighted(s, w) for s, w in zip(sets, mix or [float(len(s)) for s in sets], strict=True)]


def chances(sets: Sequence[Weighted]) -> list[float]:
    """How often each sample of all sets is drawn, in any scale."""
    return [s.weight / max(len(s.samples), 1) for s in sets for _ in s.samples]


@dataclass(frozen=True)
class RunConfig:
    """One training run; saved beside the logs.

    Attributes:
        name: "stage1", "stage2"; names the logs and checkpoints.
        output: the .keras file that gets the best weights.
        logs: folder of the TensorBoard logs.
        checkpoints: folder of the file from which a killed run goes on.
        epochs: in all, those before a resume included.
        steps_per_epoch: batches in an epoch.
        batch_size: pictures in a batch.
        learning_rate: peak, reached after the warm-up.
        weight_decay: decoupled from the gradient, as in AdamW (Loshchilov and Hutter 2019), with every optimizer.
        optimizer: one of `OPTIMIZERS`.
        warmup_steps: batches over which the learning rate rises from zero.
        ema: momentum of the moving average of the weights, which is what is validated and saved.
        patience: epochs without a better validation measure before the run stops; 0 never stops it.
        seed: of views, order and initial weights.
        precision: one of `training.precision.PRECISIONS`.
        workers: threads that make batches.
    """

    name: str
    output: Path
    logs: Path
    checkpoints: Path
    epochs: int = 40
    steps_per_epoch: int = 100
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    optimizer: str = "adamw"
    warmup_steps: int = 200
    ema: float = 0.995
    patience: int = 0
    seed: int = 0
    precision: str = "auto"
    workers: int = 2
