"""Larger networks that still answer as the smaller ones they were made from: what the networks' kinds share.

As in "Net2Net" (Chen, Goodfellow and Shlens 2016), but the new channels are fresh ones that nobody listens to yet
instead of copies: copies would have to be told apart by noise first.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from training.flags import network_changes
from training.loop import save_atomic


def placed(old: np.ndarray, new: np.ndarray, ins: np.ndarray | None, outs: np.ndarray) -> np.ndarray:
    """The weights of a wider layer that hold those of a narrow one.

    Args:
        old: of the narrow layer, (..., inputs, outputs) or (..., outputs).
        new: of the wide layer, fresh.
        ins: where the old inputs stand among the wide layer's; None for weights without inputs.
        outs: where the old outputs stand.

    Returns:
        Like `new`: old outputs are as they were and get nothing from new inputs, new outputs stay fresh.
    """
    result = new.copy()
    if ins is None:
        result[..., outs] = old
        return result
    result[..., outs] = 0
    result[..., ins[:, None], outs] = old
    return result


def take_over(network: keras.Model, larger: keras.Model, weights: Callable[[Any, list, list], list]) -> keras.Model:
    """`larger` with what each layer of `network` knows.

    Args:
        network: a trained one.
        larger: of the same layers, fresh.
        weights: (layer of `network`, its weights, the larger layer's fresh ones) -> the larger layer's weights.
    """
    for layer in network.layers:
        old = layer.get_weights()
        if old:
            counterpart = larger.get_layer(layer.name)
            counterpart.set_weights(weights(layer, old, counterpart.get_weights()))
    return larger


def block_places(name: str, channels: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Where the old inputs and outputs of a layer "block<index>..." stand: first, of `channels` before the growth."""
    index = int(name[len("block") :].split("_")[0])
    return np.arange(channels[index - 1] if index else 3), np.arange(channels[index])


def check_wider(config: Any, wide: Any, names: Sequence[str]) -> None:
    """Checks that a configuration is another one made wider.

    Args:
        config: a dataclass with `to_dict`.
        wide: of the same kind.
        names: the fields that may grow: numbers, or as many numbers in both.

    Raises:
        ValueError: something else differs, or one of `names` is smaller.
    """
    kept = {name: getattr(config, name) for name in names}
    if dataclasses.replace(wide, **kept) != config:
        before, after = config.to_dict(), dataclasses.replace(wide, **kept).to_dict()
        changed = sorted(k for k, v in after.items() if v != before[k])
        raise ValueError(f"only {', '.join(names)} can be widened; {', '.join(changed)} would change")
    for name in names:
        before, after = np.atleast_1d(getattr(config, name)), np.atleast_1d(getattr(wide, name))
        if before.shape != after.shape or (after < before).any():
            raise ValueError(f"{name}: at least {getattr(config, name)} wanted; {getattr(wide, name)} came")


def command(
    arguments: list[str] | None,
    module: str,
    names: Sequence[str],
    examples: str,
    load: Callable[[Path], tuple[keras.Model, Any]],
    widen: Callable[[keras.Model, Any, Any], keras.Model],
) -> int:
    """The command line of a module that widens one kind of network; the exit code.

    Args:
        arguments: those of the command line (default: the process's).
        module: its name, for the messages.
        names: the fields of the network's configuration that can grow.
        examples: printed below the help.
        load: a .keras file -> (network, configuration); a ValueError or OSError for any other file.
        widen: (network, configuration, wider configuration) -> wider network.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description="Writes a larger network that goes on from the one it is made from, to be trained further.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, metavar="IN.keras", help="a trained network")
    parser.add_argument("target", type=Path, metavar="OUT.keras", help="what to write")
    parser.add_argument(
        "--network", required=True, metavar="JSON", help=f"what becomes larger, of {', '.join(names)}: a file or text"
    )
    args = parser.parse_args(arguments)
    try:
        network, config = load(args.source)
        wide = type(config).from_dict({**config.to_dict(), **network_changes(args)})
        save_atomic(widen(network, config, wide), args.target)
    except (ValueError, OSError) as error:
        print(f"{module.rpartition('.')[2]}.py: {error}", file=sys.stderr)
        return 1
    print(f"{args.target}: " + ", ".join(f"{name} {_text(getattr(wide, name))}" for name in names))
    return 0


def _text(value: Any) -> str:
    return str(list(value) if isinstance(value, tuple) else value)
