"""A point network that sees gaps in more pixels, or has more channels, begun from one that is trained.

From nothing it would need every view again. A network that only gets more channels answers as before; one that gets
more pixels does so roughly, since its kernels see other sizes, and has to be trained further.

Use: python -m points.enlarge IN.keras OUT.keras --network '{"input_size": [72, 120], "display_size": [96, 480]}'
"""

from __future__ import annotations

import os
import sys

import cv2
import keras
import numpy as np

from points.config import PointConfig
from points.model import DEEPER, build
from points.release import load
from training.widening import block_places, check_wider, command, placed, take_over

#: What may become larger; everything else stays what it is.
SIZES = ("input_size", "display_size", "channels", "residuals", "units")

EXAMPLES = """examples:
  python -m points.enlarge points/point.keras larger.keras --network '{"input_size": [72, 120]}'
  python train_point.py --network '{"input_size": [72, 120]}' --initial_weights larger.keras --learning_rate 1e-3 \\
      --dataset_path datasets/my_meters
"""


def enlarge(network: keras.Model, config: PointConfig, large: PointConfig, seed: int = 0) -> keras.Model:
    """A network of the shape `large` that goes on from `network`.

    Args:
        network: as `build(config)` makes it.
        config: its shape.
        large: the same but for `SIZES`, none of which is smaller.
        seed: of the new channels' and units' weights.

    Returns:
        The larger network, float32: what is old in it sees only what is old, each place of the last map what the same
        part of the picture gave before.

    Raises:
        ValueError: `large` is smaller somewhere, or differs in something else.
    """
    check_wider(config, large, SIZES)
    keras.utils.set_random_seed(seed)

    def weights(layer: keras.Layer, old: list[np.ndarray], new: list[np.ndarray]) -> list[np.ndarray]:
        ins, outs = _places(layer.name, config, large)
        if layer.name == "seen":
            old = [_spread(old[0], config, large), *old[1:]]
        return [placed(a, b, ins if a.ndim > 1 else None, outs) for a, b in zip(old, new, strict=True)]

    larger = build(large)
    for index in range(config.residuals, large.residuals):
        # A new block adds nothing until it has learned to: its last normalisation multiplies by 0.
        scale = larger.get_layer(f"residual{index}_last_bn").gamma
        scale.assign(np.zeros(scale.shape))
    return take_over(network, larger, weights)


def _places(name: str, config: PointConfig, large: PointConfig) -> tuple[np.ndarray, np.ndarray]:
    """Where a layer's old inputs and outputs stand in the large network."""
    if name.startswith("block"):
        return block_places(name, config.channels)
    if name.startswith("residual"):
        return (np.arange(config.channels[DEEPER]),) * 2
    if name == "seen":
        rows, columns = _map(large)
        each = np.arange(rows * columns)[:, None] * large.channels[-1]  # all channels of a place stand together
        return (each + np.arange(config.channels[-1])).ravel(), np.arange(config.units)
    return np.arange(config.units), np.arange(1)


def _map(config: PointConfig) -> tuple[int, int]:
    """Height and width of the last map."""
    return config.input_size[0] // 8, config.input_size[1] // 8


def _spread(kernel: np.ndarray, config: PointConfig, large: PointConfig) -> np.ndarray:
    """The kernel behind a flat map, spread over a map of more places so that it weighs the same in all."""
    (before, after), channels = (_map(config), _map(large)), config.channels[-1]
    maps = kernel.reshape(*before, -1)
    # OpenCV resizes four channels at most when it interpolates by area, any number when linearly.
    spread = np.stack(
        [cv2.resize(each, after[::-1], interpolation=cv2.INTER_LINEAR) for each in np.moveaxis(maps, 2, 0)]
    )
    share = (before[0] * before[1]) / (after[0] * after[1])
    return np.asarray(np.moveaxis(spread, 0, 2) * share, np.float32).reshape(after[0] * after[1] * channels, -1)


def main(arguments: list[str] | None = None) -> int:
    """The command line; the exit code."""
    return command(arguments, "points.enlarge", SIZES, EXAMPLES, load, enlarge)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
