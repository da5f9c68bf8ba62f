"""A detector with more channels that still answers as the one it was made from, to be trained further.

Use: python -m retinanet.widen IN.keras OUT.keras --network '{"channels": [40, 80, 128, 160, 224], "fpn_channels": 80}'
"""

from __future__ import annotations

import os
import sys

import keras
import numpy as np

from retinanet.config import NetworkConfig
from retinanet.model import build
from retinanet.release import load
from training.widening import check_wider, command, placed, take_over

#: What may become larger; everything else stays what it is.
WIDTHS = ("channels", "fpn_channels")

EXAMPLES = """examples:
  python -m retinanet.widen retinanet/stage2.keras wide.keras --network '{"channels": [40, 80, 128, 160, 224]}'
  python train_stage2.py --network '{"channels": [40, 80, 128, 160, 224]}' --learning_rate 1e-3 \\
      --initial_weights wide.keras --dataset_path datasets/my_meters
"""


def widen(network: keras.Model, config: NetworkConfig, wide: NetworkConfig, seed: int = 0) -> keras.Model:
    """A network of the shape `wide` whose answers are those of `network`.

    Args:
        network: as `build(config)` makes it.
        config: its shape.
        wide: the same but for `WIDTHS`, none of which is smaller.
        seed: of the new channels' weights.

    Returns:
        The wider network, float32: what is old in it sees only what is old, the new sees everything.

    Raises:
        ValueError: `wide` is smaller somewhere, differs in something else, or the backbone is not "residual".
    """
    check_wider(config, wide, WIDTHS)
    if config.backbone != "residual":
        # The others join maps side by side, so that old channels would not stay the first ones.
        raise ValueError(f"only a residual backbone can be widened; {config.backbone!r} came")
    keras.utils.set_random_seed(seed)

    def weights(_: keras.Layer, old: list[np.ndarray], new: list[np.ndarray]) -> list[np.ndarray]:
        return [placed(a, b, _first(a, -2), np.arange(a.shape[-1])) for a, b in zip(old, new, strict=True)]

    return take_over(network, build(wide), weights)


def _first(weights: np.ndarray, axis: int) -> np.ndarray | None:
    return np.arange(weights.shape[axis]) if weights.ndim > 1 else None


def main(arguments: list[str] | None = None) -> int:
    """The command line; the exit code."""
    return command(arguments, "retinanet.widen", WIDTHS, EXAMPLES, load, widen)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
