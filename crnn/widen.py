"""A line network with more channels and units that still answers as the one it was made from, to be trained further.

A wider network from nothing needs every view again; this one begins where the narrow one stands.

Use: python -m crnn.widen IN.keras OUT.keras --network '{"channels": [32, 64, 128, 128, 176, 176], "units": 176}'
"""

from __future__ import annotations

import os
import sys

import keras
import numpy as np

from crnn.config import LineConfig
from crnn.model import build, heard
from crnn.release import load
from training.widening import block_places, check_wider, command, placed, take_over

#: What may become larger; everything else stays what it is. The input grows to its double, and only with `fine`.
WIDTHS = ("channels", "column", "units", "fine", "input_size")

EXAMPLES = """examples:
  python -m crnn.widen crnn/plate.keras wide.keras --network '{"channels": [32, 64, 128, 128, 176, 176]}'
  python -m crnn.widen crnn/plate.keras fine.keras --network '{"fine": 24, "input_size": [64, 256]}'
  python train_lines.py --task plate --network '{"channels": [32, 64, 128, 128, 176, 176]}' --learning_rate 1e-3 \\
      --initial_weights wide.keras --dataset_path datasets/plates
"""


def widen(network: keras.Model, config: LineConfig, wide: LineConfig, seed: int = 0) -> keras.Model:
    """A network of the shape `wide` whose answers are those of `network`.

    Args:
        network: as `build(config)` makes it.
        config: its shape.
        wide: the same but for `WIDTHS`, none of which is smaller.
        seed: of the new channels' and units' weights.

    Returns:
        The wider network, float32: what is old in it sees only what is old, the new sees everything. With `fine` where
        there was none it takes pictures of twice as many pixels, and answers what it did for their halves.

    Raises:
        ValueError: `wide` is smaller somewhere, or differs in something else.
    """
    check_wider(config, wide, WIDTHS)
    if config.map_size != wide.map_size:
        size = tuple(side * (2 if wide.fine else 1) for side in config.map_size)
        raise ValueError(f"input_size: {size} wanted with fine {wide.fine}; {wide.input_size} came")
    keras.utils.set_random_seed(seed)

    def weights(layer: keras.Layer, old: list[np.ndarray], new: list[np.ndarray]) -> list[np.ndarray]:
        ins, outs = _places(layer.name, config, wide)
        if isinstance(layer, keras.layers.Bidirectional):
            return _recurrent(old, new, ins, config.units, wide.units)
        return [placed(a, b, ins if a.ndim > 1 else None, outs) for a, b in zip(old, new, strict=True)]

    return take_over(network, build(wide), weights)


def _places(name: str, config: LineConfig, wide: LineConfig) -> tuple[np.ndarray, np.ndarray]:
    """Where a layer's old inputs and outputs stand in the wide network."""
    old, new = config.channels, wide.channels
    if name.startswith("fine"):
        return np.arange(3), np.arange(config.fine)
    if name.startswith("block0"):
        return np.arange(3 + config.fine), np.arange(old[0])
    if name.startswith("block"):
        return block_places(name, old)
    seen = np.arange(config.column)
    read = np.concatenate([np.arange(config.units), wide.units + np.arange(config.units)])  # of both ways
    if name == "column":
        # The height that is left is part of a column: its rows one after another, each with all channels.
        rows = np.arange(config.map_size[0] // 8)[:, None] * new[-1]
        return (rows + np.arange(old[-1])).ravel(), seen
    if name == "logits":
        parts = [rows.start + (read if part == "read" else seen) for part, rows in heard(wide).items()]
        return np.concatenate(parts), np.arange(len(config.alphabet) + 1)
    if name.startswith("context"):
        return seen, seen
    return (seen if name == "both_ways0" else read), np.arange(config.units)


def _recurrent(
    old: list[np.ndarray], new: list[np.ndarray], ins: np.ndarray, before: int, after: int
) -> list[np.ndarray]:
    """Kernel, recurrent kernel and bias of both ways; the gates stand side by side in the last axis."""
    result = []
    for index, (a, b) in enumerate(zip(old, new, strict=True)):
        outs = (np.arange(a.shape[-1] // before)[:, None] * after + np.arange(before)).ravel()
        result.append(placed(a, b, (ins, np.arange(before), None)[index % 3], outs))
    return result


def main(arguments: list[str] | None = None) -> int:
    """The command line; the exit code."""
    return command(arguments, "crnn.widen", WIDTHS, EXAMPLES, load, widen)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
