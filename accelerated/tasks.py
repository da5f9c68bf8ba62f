"""What is trained: the networks of a task, what its base views hold, and how a batch is made of those."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import keras
import numpy as np
from jax import random

from accelerated import makers, targets, views
from accelerated.line_makers import fields
from accelerated.networks import Trained
from accelerated.rings import Fields
from accelerated.rows import MOST, digit_rows
from crnn import model as line_model
from crnn import release as line_release
from crnn.config import LineConfig, task_config
from crnn.fit import DISPLAY_AUGMENTATION
from crnn.fit import check_same as check_same_line
from crnn.losses import NOT_KNOWN, CtcLoss
from retinanet import release as stage_release
from retinanet.config import NetworkConfig, Stage1Config, Stage2Config
from retinanet.fit import check_same, losses
from retinanet.model import build
from synthesis.lines.digits import DigitBank

Array = Any
Batch = tuple[Array, dict[str, Array]]

#: Share of a batch of handwritten numbers that are rows of single digits, where those are given.
_ROWS = 9 / 16


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        networks: that are trained, on the same base views.
        fields: of a base view.
        batches: source of chance, arrays of base views (B, ...) -> a batch for each network.
        size: base views in a batch.
        kept: base views that the accelerator keeps.
    """

    networks: Sequence[Trained]
    fields: Fields
    batches: Callable[[Array, dict[str, Array]], list[Batch]]
    size: int
    kept: int


@dataclass(frozen=True)
class Wish:
    """What the flags ask of a task.

    Attributes:
        initial: .keras files to start from, by network; those not named start from nothing.
        changes: of the networks' configuration.
        rate: peak of the learning rate.
        size: of a batch; None for the task's own.
        kept: base views that the accelerator keeps; None for the task's own.
    """

    initial: dict[str, Path]
    changes: dict[str, Any]
    rate: float
    size: int | None = None
    kept: int | None = None


def stage1(wish: Wish) -> Task:
    """Photos: finds the display."""
    config = Stage1Config.from_dict(wish.changes)
    _fixed("input_size", config.input_size, makers.STAGE1_SIZE)
    made = targets.stage1_targets(config)

    def batches(key: Array, base: dict[str, Array]) -> list[Batch]:
        keys = random.split(key)
        images, linear, offset = views.moved(
            keys[0], base["image"], makers.STAGE1_SIZE, makers.STAGE1_ROOM, turn=0.03, scale=0.025, shift=(4.0, 4.0)
        )
        corners = jnp.einsum("bij,bncj->bnci", linear, base["corners"]) + offset[:, None, None]
        return [(_bytes(views.distorted(keys[1], images)), made(corners, base["labels"]))]

    network = Trained("stage1", _stage("stage1", config, wish), losses(config), wish.rate)
    return Task([network], makers.STAGE1_FIELDS, batches, wish.size or 192, wish.kept or 16384)


def displays(wish: Wish) -> Task:
    """Rectified displays: stage 2, and the line reader beside it, on the same base views."""
    config, line = Stage2Config.from_dict(wish.changes), task_config("display")
    _fixed("input_size", config.input_size, makers.DISPLAY_SIZE)
    made = targets.stage2_targets(config)

    def view(key: Array, base: dict[str, Array], out: tuple[int, int]) -> tuple[Array, Array]:
        keys = random.split(key)
        images, linear, offset = views.moved(
            keys[0], base["image"], makers.DISPLAY_SIZE, makers.DISPLAY_ROOM, 0.008, 0.02, (3.0, 1.2), out
        )
        boxes = views.moved_boxes(base["boxes"], linear, offset, makers.DISPLAY_SIZE)
        scale = jnp.array([out[1] / makers.DISPLAY_SIZE[1], out[0] / makers.DISPLAY_SIZE[0]] * 2)
        return views.distorted(keys[1], images, fade=0.1), boxes * scale

    def batches(key: Array, base: dict[str, Array]) -> list[Batch]:
        keys = random.split(key, 3)
        images, boxes = view(keys[0], base, makers.DISPLAY_SIZE)
        lines, places = view(keys[1], base, line.input_size)
        known = targets.step_labels(places, base["text"], base["count"], line.input_size[1], line.steps)
        turned = random.uniform(keys[2], (len(lines),)) < DISPLAY_AUGMENTATION.turned
        lines = jnp.where(turned[:, None, None, None], lines[:, ::-1, ::-1], lines)
        text = jnp.where(turned[:, None], 0, jnp.concatenate([base["text"], known], axis=1))
        return [(_bytes(images), made(boxes, base["labels"])), (_bytes(lines), {"logits": text})]

    networks = [
        Trained("stage2", _stage("stage2", config, wish), losses(config), wish.rate),
        Trained("display", _line("display", line, wish), {"logits": CtcLoss()}, wish.rate),
    ]
    return Task(networks, makers.DISPLAY_FIELDS, batches, wish.size or 256, wish.kept or 40960)


def lines(config: LineConfig, wish: Wish, digits: DigitBank | None = None) -> Task:
    """Lines of characters; with `digits` also rows of those, made on the accelerator."""
    size = wish.size or 512
    rows = round(size * _ROWS) if digits is not None else 0
    bank = None if digits is None else (jnp.asarray(digits.images), jnp.asarray(_labels(digits)))

    def batches(key: Array, base: dict[str, Array]) -> list[Batch]:
        keys = random.split(key, 3)
        count = size - rows
        images = views.distorted(keys[0], base["image"][:count].astype(jnp.float32), strength=0.4, glare=0.05)
        text = base["text"][:count]
        if bank is not None:
            made, numbers = digit_rows(keys[1], *bank, rows, config.input_size)
            images = jnp.concatenate([images, views.distorted(keys[2], made, strength=0.25, glare=0.0)])
            text = jnp.concatenate([text, jnp.pad(numbers, ((0, 0), (0, config.max_length - MOST)))])
        known = jnp.full((size, config.steps), NOT_KNOWN, jnp.int32)
        return [(_bytes(images), {"logits": jnp.concatenate([text, known], axis=1)})]

    network = Trained(config.task, _line(config.task, config, wish), {"logits": CtcLoss()}, wish.rate)
    return Task([network], fields(config), batches, size, wish.kept or 49152)


def _stage(name: str, config: NetworkConfig, wish: Wish) -> keras.Model:
    return _begun(name, build(config), config, wish, stage_release.load, check_same)


def _line(name: str, config: LineConfig, wish: Wish) -> keras.Model:
    return _begun(name, line_model.build(config), config, wish, line_release.load, check_same_line)


def _begun(name: str, network: keras.Model, config: Any, wish: Wish, load: Any, check: Any) -> keras.Model:
    """The network with the weights that the wish names for it, if any."""
    path = wish.initial.get(name)
    if path is not None:
        source, came = load(path)
        check(came, config, f"--initial_weights: {path}")
        network.set_weights(source.get_weights())
    return network


def _fixed(name: str, came: Any, wanted: Any) -> None:
    if came != wanted:
        raise ValueError(f"--network: {name} {wanted} wanted, base views are drawn for it; {came} came")


def _labels(digits: DigitBank) -> np.ndarray:
    labels = np.zeros(len(digits.images), np.int32)
    for digit, places in enumerate(digits.places):
        labels[places] = digit
    return labels


def _bytes(images: Array) -> Array:
    return images.astype(jnp.uint8)
