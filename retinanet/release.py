"""From a training's .keras file to one that is given away: float32, without optimizer, its configuration inside.

Use: python -m retinanet.release IN.keras OUT.keras
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import keras

from retinanet.config import NetworkConfig, Stage1Config, Stage2Config
from retinanet.model import Normalization255, build
from training.loop import save_atomic

CONFIGS: dict[str, type[NetworkConfig]] = {"stage1": Stage1Config, "stage2": Stage2Config}

EXAMPLES = """examples:
  python -m retinanet.release retinanet/stage1.keras deploy/retinanet/stage1.keras
"""


class ReleaseError(ValueError):
    """A file that holds no network of this project. The message is one line and says what came."""


def load(path: str | Path) -> tuple[keras.Model, NetworkConfig]:
    """The network of a .keras file and its configuration.

    Args:
        path: a file that training or `release` saved, under whatever dtype policy.

    Returns:
        The network as `retinanet.model.build` makes it, computing in float32, and the configuration that the file
        carries; files from before configurations were carried have the defaults.

    Raises:
        ReleaseError: missing or broken file, another network, or weights that do not fit the configuration.
    """
    path = Path(path)
    if not path.is_file():
        raise ReleaseError(f"{path}: no such file; training writes it (train_stage1.py, train_stage2.py)")
    try:
        saved = keras.models.load_model(path, compile=False)
    except Exception as error:  # keras, h5py and zipfile raise kinds of their own
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ReleaseError(f"{path}: not a .keras file that can be loaded ({first})") from error
    if saved.name not in CONFIGS:
        raise ReleaseError(f"{path}: holds a model named {saved.name!r}; wanted one of {sorted(CONFIGS)}")
    try:
        config = embedded_config(saved)
        with _float32():
            network = build(config)
        network.set_weights(saved.get_weights())
    except (ValueError, TypeError) as error:
        first = str(error).splitlines()[0]
        raise ReleaseError(f"{path}: the weights do not fit their configuration ({first})") from error
    return network, config


def embedded_config(network: keras.Model) -> NetworkConfig:
    """The configuration that a network carries, or its stage's defaults.

    Raises:
        ValueError: a configuration with keys that this version does not know.
    """
    kind = CONFIGS[network.name]
    for layer in network.layers:
        if isinstance(layer, Normalization255) and layer.network is not None:
            return kind.from_dict(layer.network)
    return kind()


def release(source: str | Path, target: str | Path) -> NetworkConfig:
    """Writes the network of `source` without what only training needs; returns its configuration.

    Raises:
        ReleaseError: `source` is no network of this project.
        OSError: `target` cannot be written; what stood there is as it was.
    """
    network, config = load(source)
    save_atomic(network, Path(target))
    return config


@contextlib.contextmanager
def _float32() -> Iterator[None]:
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def main(arguments: list[str] | None = None) -> int:
    """Flags, then one call; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m retinanet.release",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, metavar="IN.keras", help="what training saved")
    parser.add_argument("target", type=Path, metavar="OUT.keras", help="what to write; may be the same file")
    args = parser.parse_args(arguments)
    try:
        config = release(args.source, args.target)
    except (ReleaseError, OSError) as error:
        print(f"release.py: {error}", file=sys.stderr)
        return 1
    size = args.target.stat().st_size / 1e6
    print(f"{args.target}: {type(config).__name__}, input {config.input_size}, {size:.1f} MB")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
