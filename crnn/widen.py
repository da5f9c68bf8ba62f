"""A line network with more channels and units that still answers as the one it was made from, to be trained further.

A wider network from nothing needs every view again; this one begins where the narrow one stands (as in "Net2Net", Chen,
Goodfellow and Shlens 2016, but the new channels and units are fresh ones that nobody listens to yet instead of copies:
copies would have to be told apart by noise first).

Use: python -m crnn.widen IN.keras OUT.keras --network '{"channels": [32, 64, 128, 128, 176, 176], "units": 176}'
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from pathlib import Path

import keras
import numpy as np

from crnn.config import LineConfig
from crnn.model import build, heard
from crnn.release import ReleaseError, load
from training.flags import network_changes
from training.loop import save_atomic

#: What may become larger; everything else stays what it is.
WIDTHS = ("channels", "column", "units")

EXAMPLES = """examples:
  python -m crnn.widen crnn/plate.keras wide.keras --network '{"channels": [32, 64, 128, 128, 176, 176]}'
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
        The wider network, float32: what is old in it sees only what is old, the new sees everything.

    Raises:
        ValueError: `wide` is smaller somewhere, or differs in something else.
    """
    _check(config, wide)
    keras.utils.set_random_seed(seed)
    result = build(wide)
    for layer in network.layers:
        old, wider = layer.get_weights(), result.get_layer(layer.name)
        if not old:
            continue
        new = wider.get_weights()
        ins, outs = _places(layer.name, config, wide)
        if isinstance(layer, keras.layers.Bidirectional):
            placed = _recurrent(old, new, ins, config.units, wide.units)
        else:
            placed = [_placed(a, b, ins if a.ndim > 1 else None, outs) for a, b in zip(old, new, strict=True)]
        wider.set_weights(placed)
    return result


def _check(config: LineConfig, wide: LineConfig) -> None:
    kept = {name: getattr(config, name) for name in WIDTHS}
    if dataclasses.replace(wide, **kept) != config:
        names = sorted(k for k, v in dataclasses.replace(wide, **kept).to_dict().items() if v != config.to_dict()[k])
        raise ValueError(f"only {', '.join(WIDTHS)} can be widened; {', '.join(names)} would change")
    for name in WIDTHS:
        before, after = np.atleast_1d(getattr(config, name)), np.atleast_1d(getattr(wide, name))
        if (after < before).any():
            raise ValueError(f"{name}: at least {getattr(config, name)} wanted; {getattr(wide, name)} came")


def _places(name: str, config: LineConfig, wide: LineConfig) -> tuple[np.ndarray, np.ndarray]:
    """Where a layer's old inputs and outputs stand in the wide network."""
    old, new = config.channels, wide.channels
    if name.startswith("block"):
        index = int(name[len("block") :].split("_")[0])
        return np.arange(old[index - 1] if index else 3), np.arange(old[index])
    seen = np.arange(config.column)
    read = np.concatenate([np.arange(config.units), wide.units + np.arange(config.units)])  # of both ways
    if name == "column":
        # The height that is left is part of a column: its rows one after another, each with all channels.
        rows = np.arange(config.input_size[0] // 8)[:, None] * new[-1]
        return (rows + np.arange(old[-1])).ravel(), seen
    if name == "logits":
        parts = [rows.start + (read if part == "read" else seen) for part, rows in heard(wide).items()]
        return np.concatenate(parts), np.arange(len(config.alphabet) + 1)
    if name.startswith("context"):
        return seen, seen
    return (seen if name == "both_ways0" else read), np.arange(config.units)


def _placed(old: np.ndarray, new: np.ndarray, ins: np.ndarray | None, outs: np.ndarray) -> np.ndarray:
    """The weights (..., inputs, outputs) or (..., outputs): old outputs get nothing from new inputs."""
    result = new.copy()
    if ins is None:
        result[..., outs] = old
        return result
    result[..., outs] = 0
    result[..., ins[:, None], outs] = old
    return result


def _recurrent(
    old: list[np.ndarray], new: list[np.ndarray], ins: np.ndarray, before: int, after: int
) -> list[np.ndarray]:
    """Kernel, recurrent kernel and bias of both ways; the gates stand side by side in the last axis."""
    result = []
    for index, (a, b) in enumerate(zip(old, new, strict=True)):
        outs = (np.arange(a.shape[-1] // before)[:, None] * after + np.arange(before)).ravel()
        result.append(_placed(a, b, (ins, np.arange(before), None)[index % 3], outs))
    return result


def main(arguments: list[str] | None = None) -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m crnn.widen",
        description="Writes a wider network that answers as the one it is made from, to be trained further.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, metavar="IN.keras", help="a trained line network")
    parser.add_argument("target", type=Path, metavar="OUT.keras", help="what to write")
    parser.add_argument(
        "--network", required=True, metavar="JSON", help=f"what becomes wider, of {', '.join(WIDTHS)}: a file or text"
    )
    args = parser.parse_args(arguments)
    try:
        network, config = load(args.source)
        wide = LineConfig.from_dict({**config.to_dict(), **network_changes(args)})
        save_atomic(widen(network, config, wide), args.target)
    except (ReleaseError, ValueError, OSError) as error:
        print(f"widen.py: {error}", file=sys.stderr)
        return 1
    print(f"{args.target}: channels {list(wide.channels)}, column {wide.column}, units {wide.units}")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
