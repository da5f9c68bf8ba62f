"""The anchors' targets, computed on the accelerator: what `retinanet.targets` computes in numpy. JAX; batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from crnn.fit import EDGE, MIDDLE
from crnn.losses import NOT_KNOWN
from reader.symbols import DIGITS, FLOATP_ID
from retinanet.anchors import BOX_VARIANCE, box_anchors, oriented_anchors
from retinanet.config import Stage1Config, Stage2Config

Array = Any
Targets = dict[str, Array]


def stage1_targets(config: Stage1Config) -> Callable[[Array, Array], Targets]:
    """A function of corners (B, N, 4, 2) and labels (B, N), below 0 for none; see `retinanet.targets.Stage1Targets`."""
    anchors = oriented_anchors(config)
    inverse = jnp.asarray(np.linalg.inv(anchors.frames))
    count, classes = len(anchors.centers), len(config.classes)

    def place(quad: Array, label: Array) -> tuple[Array, Array, Array]:
        """The anchors near a display (A,), those that learn it (A,), and what they learn (A, 9)."""
        along = (quad[1] - quad[0] + quad[2] - quad[3]) / 2
        across = (quad[3] - quad[0] + quad[2] - quad[1]) / 2
        width, height = jnp.hypot(along[0], along[1]), jnp.hypot(across[0], across[1])
        there = (label >= 0) & (jnp.minimum(width, height) >= 2)
        width, height = jnp.maximum(width, 1e-3), jnp.maximum(height, 1e-3)
        octaves = jnp.abs(jnp.log2(width / anchors.widths))
        fits = octaves <= jnp.maximum(config.size_tolerance, octaves.min() + 1e-3)
        turn = jnp.degrees(jnp.arctan2(along[1], along[0]))
        angle = jnp.abs((anchors.angles - turn + 180) % 360 - 180)
        away = anchors.centers - quad.mean(0)
        distance = jnp.hypot(away[:, 0], away[:, 1]) / anchors.strides
        near = there & (distance <= config.ignore_radius) & (octaves <= octaves.min() + 1.25)
        near &= angle <= config.angle_tolerance + 20
        chosen = near & (distance <= config.positive_radius) & fits & (angle <= config.angle_tolerance)
        local = jnp.einsum("nij,ncj->nci", inverse, quad[None] - anchors.centers[:, None]) - anchors.unit
        weight = anchors.widths / jnp.sqrt(width * height)
        return near, chosen, jnp.concatenate([local.reshape(count, 8), weight[:, None]], axis=1)

    def one(corners: Array, labels: Array) -> Targets:
        told, weight, offsets = jnp.zeros((count, classes)), jnp.ones(count), jnp.zeros((count, 9))
        for quad, label in zip(corners, labels, strict=True):
            near, chosen, own = place(quad, label)
            weight = jnp.where(near & (told.sum(1) == 0), 0.0, weight)
            told = jnp.where(chosen[:, None], jax.nn.one_hot(label, classes)[None], told)
            weight = jnp.where(chosen, 1.0, weight)
            offsets = jnp.where(chosen[:, None], own, offsets)
        return {"classes": jnp.concatenate([told, weight[:, None]], axis=1), "corners": offsets}

    return jax.vmap(one)


def stage2_targets(config: Stage2Config) -> Callable[[Array, Array], Targets]:
    """A function of boxes (B, N, 4) xyxy and labels (B, N), below 0 for none; see `retinanet.targets.Stage2Targets`."""
    anchors = box_anchors(config)  # (A, 4)
    count, classes = len(anchors), len(config.classes)
    smallest, area = anchors[:, 2:].min(axis=0), anchors[:, 2:].prod(-1)
    low, high = anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2

    def overlaps(boxes: Array) -> Array:
        """(N, A) intersection over union, boxes grown to the smallest anchor's size."""
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        half = jnp.maximum(boxes[:, 2:] - boxes[:, :2], smallest) / 2
        inter = jnp.minimum((middle + half)[:, None], high) - jnp.maximum((middle - half)[:, None], low)
        common = jnp.clip(inter, 0, None).prod(-1)
        return common / jnp.maximum((2 * half).prod(-1)[:, None] + area - common, 1e-9)

    def one(boxes: Array, labels: Array) -> Targets:
        there = labels >= 0
        iou = jnp.where(there[:, None], overlaps(boxes), -1.0)
        best, overlap = iou.argmax(0), iou.max(0)
        own = jnp.where(there, iou.argmax(1), count)  # outside: dropped
        best = best.at[own].set(jnp.arange(len(labels)), mode="drop")
        positive = (overlap >= config.positive_iou).at[own].set(True, mode="drop")
        weight = jnp.where((overlap >= config.ignore_iou) & ~positive, 0.0, 1.0)
        learned = labels[best]
        told = jax.nn.one_hot(learned, classes) * positive[:, None]
        shared = (iou >= config.positive_iou) & positive[None]  # (N, A)
        areas = (shared & (there & (labels == FLOATP_ID))[:, None]).any(0)
        told = told.at[:, FLOATP_ID].max(areas.astype(told.dtype))
        digits = shared & (there & (labels < len(DIGITS)))[:, None] & (learned == FLOATP_ID)[None]
        told = jnp.maximum(told, jnp.clip(digits.T.astype(told.dtype) @ jax.nn.one_hot(labels, classes), 0, 1))
        box = boxes[best]
        middle, sides = (box[:, :2] + box[:, 2:]) / 2, jnp.maximum(box[:, 2:] - box[:, :2], 1e-3)
        delta = jnp.concatenate([(middle - anchors[:, :2]) / anchors[:, 2:], jnp.log(sides / anchors[:, 2:])], axis=1)
        delta = jnp.where(positive[:, None], delta / BOX_VARIANCE, 0.0)
        return {
            "classes": jnp.concatenate([told, weight[:, None]], axis=1),
            "boxes": jnp.concatenate([delta, positive[:, None].astype(delta.dtype)], axis=1),
        }

    return jax.vmap(one)


def step_labels(boxes: Array, text: Array, count: Array, width: int, steps: int) -> Array:
    """What each step of a display's line reader shows, (B, steps); see `crnn.fit.step_labels`.

    Args:
        boxes: (B, N, 4) xyxy in pixels of the reader's input, the digits first, from left to right.
        text: (B, M) their classes.
        count: (B,) how many digits there are.
        width: of the input.
        steps: of the output.
    """
    x = (jnp.arange(steps) + 0.5) * width / steps
    known = jnp.zeros((len(boxes), steps), jnp.int32)
    for place in range(text.shape[1]):
        left, right = boxes[:, place, 0, None], boxes[:, place, 2, None]
        away = jnp.abs(x[None] - (left + right) / 2) / jnp.maximum(right - left, 1.0)
        there = (place < count)[:, None]
        known = jnp.where(there & (away < EDGE), NOT_KNOWN, known)
        known = jnp.where(there & (away < MIDDLE), text[:, place, None], known)
    return known
