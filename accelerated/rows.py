"""Rows of single digits' pictures, put together on the accelerator: each bent anew, millions of them. JAX."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import random

from accelerated.views import sample

Array = Any

#: Digits in a row, at most.
MOST = 8
#: Waves that bend a digit, along either axis.
_WAVES = 3
#: Standard deviations of a digit's turn (radians), slant, scale (logarithm) and place (pixels).
_TURN, _SLANT, _SCALE, _PLACE = 0.11, 0.12, 0.09, 0.5
#: Bends of a digit in pixels, at most about.
_BEND = 1.35
#: How far whole rows differ, and how often.
_LEVELS, _OFTEN = (0.0, 0.5, 1.0), (0.35, 0.35, 0.3)


def digit_rows(key: Array, digits: Array, labels: Array, count: int, size: tuple[int, int]) -> tuple[Array, Array]:
    """Rows of one to `MOST` digits, as `benchmarks/lines.py` and forms have them, in an input padded around them.

    Args:
        key: source of chance.
        digits: (N, side, side) uint8 ink on 0.
        labels: (N,) int32, 0 to 9.
        count: rows.
        size: (height, width) of the input.

    Returns:
        (count, height, width, 3) float32, 0 to 255; and the digits + 1, 0 behind the last, (count, MOST) int32.
    """
    digits, labels = jnp.asarray(digits), jnp.asarray(labels)
    return jax.vmap(lambda key: _row(key, digits, labels, size))(random.split(key, count))


def _row(key: Array, digits: Array, labels: Array, size: tuple[int, int]) -> tuple[Array, Array]:
    keys = iter(random.split(key, 12))
    side = digits.shape[1]
    longer = 1 + random.choice(next(keys), MOST, p=jnp.arange(1, MOST + 1) / (MOST * (MOST + 1) / 2))
    count = jnp.where(random.uniform(next(keys)) < 0.5, random.randint(next(keys), (), 1, MOST + 1), longer)
    chosen = random.randint(next(keys), (MOST,), 0, len(digits))
    there = jnp.arange(MOST) < count
    lefts, tops = _places(next(keys), side)
    x, y = _coordinates(next(keys), size, lefts[count - 1] + side, side)
    bent = random.uniform(next(keys)) < 0.8  # the other rows show the pictures as they are
    drawn = jax.vmap(lambda key, left, top, index: _digit(key, bent, digits[index], x - left, y - top))
    ink = drawn(random.split(next(keys), MOST), lefts, tops, chosen)  # (MOST, height, width)
    ink = jnp.where(there[:, None, None], ink, 0).max(0) / 255
    ink = _thickness(next(keys), jnp.clip(ink, 0, 1))
    text = jnp.where(there, labels[chosen] + 1, 0).astype(jnp.int32)
    return _coloured(next(keys), ink), text


def _places(key: Array, side: int) -> tuple[Array, Array]:
    """Where the digits stand, in pixels: evenly, or as it comes; a part of the rows goes up and down."""
    keys = random.split(key, 5)
    even = random.uniform(keys[0], minval=0.54 * side, maxval=1.04 * side) + random.normal(keys[1], (MOST - 1,)) * 0.8
    loose = random.uniform(keys[2], (MOST - 1,), minval=0.68 * side, maxval=1.04 * side)
    gaps = jnp.where(random.uniform(keys[3]) < 0.4, even, loose)
    lefts = jnp.round(jnp.concatenate([jnp.zeros(1), jnp.cumsum(gaps)]))
    dance, heights = random.split(keys[4])
    tops = random.randint(heights, (MOST,), -2, 3) * (random.uniform(dance) < 0.3)
    return lefts, tops.astype(jnp.float32)


def _coordinates(key: Array, size: tuple[int, int], length: Array, side: int) -> tuple[Array, Array]:
    """Places in the row, (height, width) each, that the input's pixels show: padded, and turned, slanted, waved."""
    keys, (height, width) = iter(random.split(key, 9)), size
    level = random.choice(next(keys), jnp.array(_LEVELS), p=jnp.array(_OFTEN))
    angle, slant = random.normal(next(keys)) * 0.044 * level, random.normal(next(keys)) * 0.18 * level
    # Smaller rather than larger: what is cut off cannot be read.
    scale = jnp.exp(0.03 * level - jnp.abs(random.normal(next(keys), (2,))) * 0.14 * level)
    shift = random.normal(next(keys), (2,)) * 0.05 * height * level
    turned = jnp.array([[jnp.cos(angle), -jnp.sin(angle)], [jnp.sin(angle), jnp.cos(angle)]])
    back = jnp.linalg.inv(turned @ jnp.array([[1.0, slant], [0.0, 1.0]]) * scale)
    yy, xx = jnp.mgrid[:height, :width]
    wave = random.normal(next(keys)) * 0.04 * height * level
    periods, phase = random.uniform(next(keys), minval=0.5, maxval=3.0), random.uniform(next(keys)) * 2 * jnp.pi
    x = xx + 0.5 - width / 2 - shift[0]
    y = yy + 0.5 - height / 2 - shift[1] + wave * jnp.sin(phase + periods * 2 * jnp.pi * xx / width)
    fit = jnp.minimum(height / side, width / length)
    return (back[0, 0] * x + back[0, 1] * y) / fit + length / 2, (back[1, 0] * x + back[1, 1] * y) / fit + side / 2


def _digit(key: Array, bent: Array, picture: Array, x: Array, y: Array) -> Array:
    """A digit at (h, w) places of its picture; `bent`: as the hand might have written it another time."""
    keys, side = random.split(key, 7), picture.shape[0]
    angle, slant = (random.normal(keys[i]) * most * bent for i, most in enumerate((_TURN, _SLANT)))
    scale = jnp.exp(random.normal(keys[2], (2,)) * _SCALE * bent)
    place = random.normal(keys[3], (2,)) * _PLACE * bent
    turned = jnp.array([[jnp.cos(angle), -jnp.sin(angle)], [jnp.sin(angle), jnp.cos(angle)]])
    linear = turned @ jnp.array([[1.0, slant], [0.0, 1.0]]) * scale
    x, y = x - side / 2, y - side / 2
    frequency = random.uniform(keys[4], (2, _WAVES, 2), minval=-1.0, maxval=1.0) * 2 * np.pi / 16
    phase, height = random.uniform(keys[5], (2, _WAVES)) * 2 * jnp.pi, random.normal(keys[6], (2, _WAVES + 1))
    most = jnp.abs(height[0, _WAVES]) / 1.6 * _BEND * bent
    bend_x, bend_y = (
        sum(
            height[axis, i] * jnp.sin(frequency[axis, i, 0] * x + frequency[axis, i, 1] * y + phase[axis, i])
            for i in range(_WAVES)
        )
        * most
        / np.sqrt(_WAVES / 2)
        for axis in (0, 1)
    )
    from_x = linear[0, 0] * x + linear[0, 1] * y + place[0] + bend_x + side / 2 - 0.5
    from_y = linear[1, 0] * x + linear[1, 1] * y + place[1] + bend_y + side / 2 - 0.5
    inside = (from_x > -1) & (from_x < side) & (from_y > -1) & (from_y < side)
    return jnp.where(inside, sample(picture[..., None], from_x, from_y)[..., 0], 0.0)


def _thickness(key: Array, ink: Array) -> Array:
    keys = random.split(key)
    return ink ** jnp.where(random.uniform(keys[0]) < 0.4, jnp.exp(random.normal(keys[1]) * 0.45), 1.0)


def _coloured(key: Array, ink: Array) -> Array:
    """(h, w, 3): black on white or the reverse, and in four of ten cases other colours."""
    keys = random.split(key, 4)
    plain = random.uniform(keys[0]) < 0.6
    paper = jnp.where(plain, 255.0, random.uniform(keys[1], (3,), minval=150, maxval=255))
    pen = jnp.where(plain, 0.0, random.uniform(keys[2], (3,), minval=0, maxval=110))
    picture = paper + (pen - paper) * ink[..., None]
    return jnp.where(random.uniform(keys[3]) < 0.5, 255.0 - picture, picture)
