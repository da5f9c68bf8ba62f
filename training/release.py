"""From a training's .keras file to one that is given away: float32, without optimizer, its configuration inside.

Knows no architecture: `retinanet.release` and `crnn.release` say what networks there are.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np

from training.loop import save_atomic
from training.normalization import Normalization255

Config = TypeVar("Config")


class ReleaseError(ValueError):
    """A file that holds no network of this project. The message is one line and says what came."""


def load_network(
    path: str | Path,
    configurations: Mapping[str, Callable[[keras.Model], Config]],
    build: Callable[[Config], keras.Model],
) -> tuple[keras.Model, Config]:
    """The network of a .keras file and its configuration.

    Args:
        path: a file that training or `release` saved, under whatever dtype policy.
        configurations: for each name that a model can have, what reads its configuration.
        build: makes the network of a configuration.

    Returns:
        The network as `build` makes it, computing in float32, and its configuration.

    Raises:
        ReleaseError: missing or broken file, another network, or weights that do not fit the configuration.
    """
    path = Path(path)
    if not path.is_file():
        raise ReleaseError(f"{path}: no such file; training writes it (train_stage1.py and the like)")
    try:
        saved = keras.models.load_model(path, compile=False)
    except Exception as error:  # keras, h5py and zipfile raise kinds of their own
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ReleaseError(f"{path}: not a .keras file that can be loaded ({first})") from error
    if saved.name not in configurations:
        raise ReleaseError(f"{path}: holds a model named {saved.name!r}; wanted one of {sorted(configurations)}")
    try:
        config = configurations[saved.name](saved)
        with _float32():
            network = build(config)
        network.set_weights(saved.get_weights())
    except (ValueError, TypeError) as error:
        first = str(error).splitlines()[0]
        raise ReleaseError(f"{path}: the weights do not fit their configuration ({first})") from error
    return network, config


def take_weights(
    network: keras.Model, config: Config, path: Path, load: Callable[[str | Path], tuple[keras.Model, Config]]
) -> None:
    """Gives a network, to be trained on, the weights of a file.

    Raises:
        ReleaseError: a file that `load` does not know.
        ValueError: a network of another configuration.
    """
    source, came = load(path)
    if came != config:
        raise ValueError(f"--initial_weights: {path} has a network of {came}; {config} wanted")
    network.set_weights(source.get_weights())


def embedded_values(network: keras.Model) -> dict[str, Any] | None:
    """The configuration that a network carries, as plain values; None in files from before they were carried."""
    for layer in network.layers:
        if isinstance(layer, Normalization255) and layer.network is not None:
            return dict(layer.network)
    return None


def carried_values(network: keras.Model) -> dict[str, Any]:
    """The configuration that a network carries, as plain values.

    Raises:
        ValueError: none.
    """
    values = embedded_values(network)
    if values is None:
        raise ValueError("the network carries no configuration")
    return values


@contextlib.contextmanager
def _float32() -> Iterator[None]:
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def release(
    load: Callable[[str | Path], tuple[keras.Model, Config]],
    source: str | Path,
    target: str | Path,
    others: Sequence[str | Path] = (),
) -> Config:
    """Writes the network of `source` without what only training needs; returns its configuration.

    Args:
        load: the package's reader of .keras files.
        source: what training saved.
        target: what to write.
        others: networks of the same configuration whose weights are averaged with those of `source`. Of a network and
            what it became by further training the average is often better than either ("model soups", Wortsman et al.
            2022); networks that were trained apart from the beginning cannot be averaged.

    Raises:
        ReleaseError: `source` is no network that `load` knows, or one of the others has another configuration.
        OSError: `target` cannot be written; what stood there is as it was.
    """
    network, config = load(source)
    if others:
        sums = [np.asarray(weights, np.float64) for weights in network.get_weights()]
        for path in others:
            other, its_config = load(path)
            if its_config != config:
                raise ReleaseError(f"{path}: another network than {source}; only weights of the same can be averaged")
            sums = [total + weights for total, weights in zip(sums, other.get_weights(), strict=True)]
        network.set_weights([(total / (1 + len(others))).astype(np.float32) for total in sums])
    save_atomic(network, Path(target))
    return config


def run(
    prog: str, examples: str, load: Callable[[str | Path], tuple[keras.Model, Any]], arguments: list[str] | None
) -> int:
    """The command line of a package's release module: IN.keras OUT.keras; the exit code."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {prog}",
        description="Writes a training's .keras file without what only training needs.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, metavar="IN.keras", help="what training saved")
    parser.add_argument("target", type=Path, metavar="OUT.keras", help="what to write; may be the same file")
    parser.add_argument(
        "--average_with",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="average the weights with those of these: the network before further training, say",
    )
    args = parser.parse_args(arguments)
    try:
        config = release(load, args.source, args.target, args.average_with)
    except (ReleaseError, OSError) as error:
        print(f"release.py: {error}", file=sys.stderr)
        return 1
    size = args.target.stat().st_size / 1e6
    print(f"{args.target}: {type(config).__name__}, input {config.input_size}, {size:.1f} MB")
    return 0
