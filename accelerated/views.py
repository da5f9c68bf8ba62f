"""Views finished on the accelerator: pictures moved a little and seen in another light. JAX; batches, static shapes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import random

Array = Any

_LUMA = np.array((0.299, 0.587, 0.114), np.float32)
#: Pixels that a blur reaches to either side.
_REACH = 4
#: Grey levels (standard deviation) that fading leaves a picture.
_LEAST_CONTRAST = 6.0


def sample(image: Array, x: Array, y: Array) -> Array:
    """Bilinear samples; the edge goes on outside.

    Args:
        image: (H, W, C).
        x: (h, w), in pixels, 0 the middle of the first one.
        y: likewise.

    Returns:
        (h, w, C) float32.
    """
    height, width, channels = image.shape
    x, y = jnp.clip(x, 0, width - 1.001), jnp.clip(y, 0, height - 1.001)
    left, top = jnp.floor(x).astype(jnp.int32), jnp.floor(y).astype(jnp.int32)
    right, down = (x - left)[..., None], (y - top)[..., None]
    flat = image.reshape(height * width, channels)

    def at(row: int, column: int) -> Array:
        return flat[(top + row) * width + left + column].astype(jnp.float32)

    upper = at(0, 0) * (1 - right) + at(0, 1) * right
    lower = at(1, 0) * (1 - right) + at(1, 1) * right
    return upper * (1 - down) + lower * down


def moved(
    key: Array,
    images: Array,
    size: tuple[int, int],
    room: tuple[int, int],
    turn: float,
    scale: float,
    shift: tuple[float, float],
    out: tuple[int, int] | None = None,
) -> tuple[Array, Array, Array]:
    """Views turned, scaled and shifted by chance around their middles.

    Args:
        key: source of chance.
        images: (B, h + 2 room, w + 2 room, C): the views with what is around them.
        size: (h, w) of a view.
        room: (rows, columns) around it.
        turn: standard deviation of the turn, in radians.
        scale: of the logarithm of either side's scale.
        shift: of the shift along x and y, in pixels.
        out: (height, width) that the views are drawn in; None for `size`.

    Returns:
        (B, *out, C) float32, and by what points of the views moved, in pixels of `size`: (B, 2, 2) and (B, 2).
    """
    height, width = size
    rows, columns = out or size
    yy, xx = jnp.mgrid[:rows, :columns]

    def one(key: Array, image: Array) -> tuple[Array, Array, Array]:
        keys = random.split(key, 3)
        angle = random.normal(keys[0]) * turn
        turned = jnp.array([[jnp.cos(angle), -jnp.sin(angle)], [jnp.sin(angle), jnp.cos(angle)]])
        linear = turned * jnp.exp(random.normal(keys[1], (2,)) * scale)
        middle = jnp.array([width / 2, height / 2])
        offset = middle + random.normal(keys[2], (2,)) * jnp.array(shift) - linear @ middle
        back = jnp.linalg.inv(linear)
        x, y = (xx + 0.5) * (width / columns) - offset[0], (yy + 0.5) * (height / rows) - offset[1]
        from_x = back[0, 0] * x + back[0, 1] * y + room[1] - 0.5
        from_y = back[1, 0] * x + back[1, 1] * y + room[0] - 0.5
        return sample(image, from_x, from_y), linear, offset

    return jax.vmap(one)(random.split(key, images.shape[0]), images)


def moved_boxes(boxes: Array, linear: Array, offset: Array, size: tuple[int, int]) -> Array:
    """Boxes (B, N, 4) xyxy after `moved`, cut at the view's edges; a small turn does not inflate them."""
    middle, sides = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
    middle = jnp.einsum("bij,bnj->bni", linear, middle) + offset[:, None]
    half = sides * jnp.stack([linear[:, 0, 0], linear[:, 1, 1]], -1)[:, None] / 2
    edges = jnp.array([size[1], size[0], size[1], size[0]], jnp.float32)
    return jnp.clip(jnp.concatenate([middle - half, middle + half], -1), 0, edges)


def blurred(images: Array, sigma: Array) -> Array:
    """(B, H, W, C) blurred by (B,) pixels each; 0 leaves a picture as it is."""
    away = jnp.arange(-_REACH, _REACH + 1, dtype=jnp.float32)
    kernel = jnp.exp(-0.5 * (away[None] / jnp.maximum(sigma[:, None], 1e-2)) ** 2)
    kernel = kernel / kernel.sum(1, keepdims=True)  # (B, taps)
    for axis in (1, 2):
        pads = [(_REACH, _REACH) if i == axis else (0, 0) for i in range(4)]
        framed, count = jnp.pad(images, pads, mode="edge"), images.shape[axis]
        images = sum(
            jax.lax.slice_in_dim(framed, i, i + count, axis=axis) * _each(kernel[:, i]) for i in range(len(away))
        )
    return images


def distorted(key: Array, images: Array, strength: float = 1.0, fade: float = 0.0, glare: float = 0.12) -> Array:
    """What `training.photometric.distort` does to pictures, but for shake, lost pixels and JPEG; then fading.

    Args:
        key: source of chance.
        images: (B, H, W, 3) float32, 0 to 255.
        strength: how often each step is done, 1 as there.
        fade: share of pictures that lose most of their contrast.
        glare: share with spots of light, at a strength of 1.

    Returns:
        The same shape, whole numbers.
    """
    keys = random.split(key, 7)
    values = images / 255
    values = _light(keys[0], values, 0.8 * strength)
    values = _colour(keys[1], values, 0.5 * strength)
    values = _shade(keys[2], values, 0.25 * strength)
    if glare:
        values = _glare(keys[3], values, glare * strength)
    soft, key = random.split(keys[4])
    sigma = random.uniform(key, (len(values),), minval=0.4, maxval=1.8)
    values = blurred(values * 255, jnp.where(_some(soft, len(values), 0.2 * strength), sigma, 0.0))
    values = _grain(keys[5], values, 0.35 * strength)
    return jnp.round(_faded(keys[6], values, fade) if fade else values)


def _each(values: Array) -> Array:
    """(B,) or (B, C) -> (B, 1, 1, 1 or C), to multiply pictures by."""
    return values.reshape(values.shape[0], 1, 1, -1)


def _some(key: Array, count: int, share: float) -> Array:
    return random.uniform(key, (count,)) < share


def _light(key: Array, values: Array, share: float) -> Array:
    """Exposure, contrast and gamma."""
    keys, n = random.split(key, 4), len(values)
    chosen = _some(keys[0], n, share)
    gamma = jnp.where(chosen, jnp.exp(random.normal(keys[1], (n,)) * 0.28), 1.0)
    contrast = jnp.where(chosen, jnp.exp(random.normal(keys[2], (n,)) * 0.25), 1.0)
    bright = jnp.where(chosen, random.normal(keys[3], (n,)) * 0.05, 0.0)
    values = jnp.clip(values, 1e-4, 1) ** _each(gamma)
    return jnp.clip((values - 0.5) * _each(contrast) + 0.5 + _each(bright), 0, 1)


def _colour(key: Array, values: Array, share: float) -> Array:
    """White balance, saturation, sometimes no colour at all."""
    keys, n = random.split(key, 5), len(values)
    chosen, grey = _some(keys[0], n, share), _some(keys[1], n, 0.15)
    gains = jnp.where((chosen & ~grey)[:, None], jnp.exp(random.normal(keys[2], (n, 3)) * 0.12), 1.0)
    values = jnp.clip(values * _each(gains), 0, 1)
    kept = jnp.where(_some(keys[3], n, 0.5), random.uniform(keys[4], (n,), minval=0.2, maxval=1.6), 1.0)
    kept = jnp.where(chosen, jnp.where(grey, 0.0, kept), 1.0)
    level = (values * _LUMA).sum(-1, keepdims=True)
    return jnp.clip(level + (values - level) * _each(kept), 0, 1)


def _shade(key: Array, values: Array, share: float) -> Array:
    """A soft slope of light across the picture."""
    keys, (n, height, width, _) = random.split(key), values.shape
    corner = random.uniform(keys[0], (n, 2, 2), minval=0.45, maxval=1.25)
    down, right = jnp.linspace(0, 1, height)[None, :, None], jnp.linspace(0, 1, width)[None, None]
    upper, lower = (
        corner[:, i, 0][:, None, None] * (1 - right) + corner[:, i, 1][:, None, None] * right for i in (0, 1)
    )
    slope = upper * (1 - down) + lower * down
    return jnp.where(_each(_some(keys[1], n, share)), jnp.clip(values * slope[..., None], 0, 1), values)


def _glare(key: Array, values: Array, share: float) -> Array:
    """One or two soft bright spots."""
    n, height, width, _ = values.shape
    yy, xx = jnp.mgrid[:height, :width]
    keys, spots = random.split(key, 3), jnp.zeros((n, height, width))
    for index in (0, 1):
        each = random.uniform(random.fold_in(keys[0], index), (7, n))
        wide, high = (0.02 + 0.1 * each[0]) * width, (0.02 + 0.18 * each[1]) * height
        dx = xx[None] - (each[2] * width)[:, None, None]
        dy = yy[None] - (each[3] * height)[:, None, None]
        cos, sin = jnp.cos(each[4] * jnp.pi)[:, None, None], jnp.sin(each[4] * jnp.pi)[:, None, None]
        along, across = (dx * cos + dy * sin) / wide[:, None, None], (dy * cos - dx * sin) / high[:, None, None]
        shine = jnp.where(each[5] < (1.0, 0.5)[index], (60 + 160 * each[6]) / 255, 0.0)
        spots += shine[:, None, None] * jax.nn.sigmoid((1 - jnp.sqrt(along**2 + across**2)) * 5)
    return jnp.where(_each(_some(keys[1], n, share)), jnp.clip(values + spots[..., None], 0, 1), values)


def _grain(key: Array, values: Array, share: float) -> Array:
    """Sensor noise, no stronger than leaves what a faint picture shows; values 0 to 255."""
    keys, n = random.split(key, 4), len(values)
    most = 2 + 0.15 * values.std((1, 2, 3))
    strength = jnp.where(_some(keys[0], n, share), 1 + random.uniform(keys[1], (n,)) * most, 0.0)
    noise = random.normal(keys[2], values.shape)
    noise = jnp.where(_each(_some(keys[3], n, 0.5)), noise[..., :1], noise)
    return jnp.clip(values + noise * _each(strength), 0, 255)


def _faded(key: Array, values: Array, share: float) -> Array:
    """See `training.photometric.fade`; values 0 to 255."""
    keys, n = random.split(key, 6), len(values)
    left = jnp.exp(random.uniform(keys[0], (n,), minval=np.log(0.15), maxval=np.log(0.6)))
    left = jnp.maximum(left, jnp.minimum(1.0, _LEAST_CONTRAST / jnp.maximum(values.std((1, 2, 3)), 1.0)))
    tone = values.mean((1, 2)) * random.uniform(keys[1], (n, 1), minval=0.6, maxval=1.3)
    tone = jnp.clip(tone + random.normal(keys[2], (n, 1)) * 15, 40, 220)
    noise = random.normal(keys[3], (*values.shape[:3], 1)) * _each(
        random.uniform(keys[4], (n,), minval=0.3, maxval=1.5)
    )
    pale = jnp.clip(values * _each(left) + _each(tone) * (1 - _each(left)) + noise, 0, 255)
    return jnp.where(_each(_some(keys[5], n, share)), pale, values)
