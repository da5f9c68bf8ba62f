"""Trains a task for a given time on base views of a workshop, of which the accelerator keeps the latest."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import random

from accelerated.rings import Ring
from accelerated.tasks import Task
from accelerated.workshop import Workshop

Array = Any

#: Base views that go to the accelerator at a time, at most.
_PORTION = 512
#: Batches' worth of base views that are waited for before the first step.
_FIRST = 3
#: Steps over which the rate rises, and its end as a part of its peak.
_WARMUP, _END = 300, 0.005
#: Steps that are handed to the accelerator before the last one is waited for.
_AHEAD = 4
#: Seconds between two lines about the course, and between two saves.
_TELL, _SAVE = 15.0, 90.0


@dataclass(frozen=True)
class Run:
    """How long and where to.

    Attributes:
        seconds: from the start of the program, with all that takes time before the first step.
        began: `time.time()` at that start.
        output: folder of the .keras files and of course.jsonl.
        seed: of everything.
        steps: stop after so many; None: at the end of the time.
    """

    seconds: float
    began: float
    output: Path
    seed: int = 0
    steps: int | None = None


class _Kept:
    """Base views in the accelerator's memory; the oldest are replaced."""

    def __init__(self, task: Task, ring: Ring):
        self.ring, self.size = ring, task.kept
        self.portion = min(_PORTION, self.size, max(1, ring.capacity // 2))
        self.arrays = {name: jnp.zeros((self.size, *shape), dtype) for name, (shape, dtype) in task.fields.items()}
        self.filled = self.seen = 0
        self._write = jax.jit(
            lambda kept, new, places: {name: kept[name].at[places].set(new[name]) for name in kept}, donate_argnums=0
        )

    def refill(self) -> bool:
        """Takes a portion of what processes have drawn; False where there is none yet."""
        if self.ring.waiting() < self.portion:
            return False
        new = self.ring.take(self.portion)
        places = (self.seen + np.arange(self.portion)) % self.size
        self.arrays = self._write(self.arrays, {name: jnp.asarray(value) for name, value in new.items()}, places)
        self.seen += self.portion
        self.filled = min(self.seen, self.size)
        return True


def learning_rate(steps: int, share: float) -> float:
    """The rate as a part of its peak, after that many steps and that share of the time: warm-up, then a cosine."""
    warm = min(1.0, (steps + 1) / _WARMUP)
    return warm * max(_END, 0.5 * (1 + math.cos(math.pi * min(max(share, 0.0), 1.0))))


def fit(task: Task, workshop: Workshop, run: Run) -> list[Path]:
    """Trains the task's networks on what a workshop draws.

    Args:
        task: see `accelerated.tasks`.
        workshop: at work.
        run: how long and where to.

    Returns:
        The .keras files with the averaged weights.

    Raises:
        RuntimeError: all processes that draw have ended.
    """
    run.output.mkdir(parents=True, exist_ok=True)
    kept = _Kept(task, workshop.ring)
    while kept.filled < min(_FIRST * task.size, kept.size):
        if not kept.refill():
            workshop.check()
            time.sleep(0.05)
    step = jax.jit(_step(task), donate_argnums=0)
    states = [network.start() for network in task.networks]
    key = random.PRNGKey(run.seed)
    first = told = saved = time.time()
    steps = 0
    with (run.output / "course.jsonl").open("w", encoding="utf-8") as course:
        while True:
            now = time.time()
            share = (now - first) / max(run.began + run.seconds - first, 1e-3)
            if share >= 1 or (run.steps is not None and steps >= run.steps):
                break
            workshop.check()
            kept.refill()
            key, own = random.split(key)
            part = learning_rate(steps, share if run.steps is None else steps / run.steps)
            rates = [jnp.float32(part * network.peak) for network in task.networks]
            states, losses = step(states, kept.arrays, kept.filled, own, rates)
            steps += 1
            if steps % _AHEAD == 0:
                jax.block_until_ready(losses)
            if steps == 1 or now - told >= _TELL:
                told = now
                _tell(course, task, run, steps, kept, part, losses)
            if now - saved >= _SAVE:
                saved = now
                _save(task, states, run.output)
        _tell(course, task, run, steps, kept, 0.0, losses if steps else [])
    return _save(task, states, run.output)


def _step(task: Task) -> Callable[..., tuple[list[Any], list[Any]]]:
    def step(states: list[Any], kept: dict[str, Array], filled: Array, key: Array, rates: list[Array]) -> Any:
        chosen, own = random.split(key)
        places = random.randint(chosen, (task.size,), 0, filled)
        batches = task.batches(own, {name: values[places] for name, values in kept.items()})
        done = [
            network.step(state, images, wanted, rate)
            for network, state, (images, wanted), rate in zip(task.networks, states, batches, rates, strict=True)
        ]
        return [state for state, _ in done], [losses for _, losses in done]

    return step


def _tell(course: Any, task: Task, run: Run, steps: int, kept: _Kept, part: float, losses: Sequence[Any]) -> None:
    """A line for people, and one for programs in course.jsonl."""
    found = {
        network.name: {name: round(float(value), 4) for name, value in parts.items()}
        for network, parts in zip(task.networks, losses, strict=False)
    }
    left = max(0.0, run.began + run.seconds - time.time())
    told = {"steps": steps, "views": steps * task.size, "base_views": kept.seen, "rate": round(part, 4), "loss": found}
    course.write(json.dumps(told) + "\n")
    course.flush()
    shown = "  ".join(f"{name} " + " ".join(f"{k} {v:.4f}" for k, v in parts.items()) for name, parts in found.items())
    print(f"step {steps}, {steps * task.size} views of {kept.seen}, {left:.0f} s left: {shown}", flush=True)


def _save(task: Task, states: Sequence[Any], output: Path) -> list[Path]:
    return [network.save(state, output) for network, state in zip(task.networks, states, strict=True)]
