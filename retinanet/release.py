"""From a training's .keras file to one that is given away: float32, without optimizer, its configuration inside.

Use: python -m retinanet.release IN.keras OUT.keras
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import keras

from retinanet.config import NetworkConfig, Stage1Config, Stage2Config
from retinanet.model import build
from training import release as given_away
from training.release import ReleaseError as ReleaseError

CONFIGS: dict[str, type[NetworkConfig]] = {"stage1": Stage1Config, "stage2": Stage2Config}

EXAMPLES = """examples:
  python -m retinanet.release retinanet/stage1.keras deploy/retinanet/stage1.keras
  python -m retinanet.release finetuned.keras averaged.keras --average_with retinanet/stage1.keras
"""


def load(path: str | Path) -> tuple[keras.Model, NetworkConfig]:
    """The network of a .keras file and its configuration; see `training.release.load_network`.

    Files from before configurations were carried have the defaults.

    Raises:
        ReleaseError: missing or broken file, another network, or weights that do not fit the configuration.
    """
    return given_away.load_network(path, dict.fromkeys(CONFIGS, embedded_config), build)


def embedded_config(network: keras.Model) -> NetworkConfig:
    """The configuration that a network carries, or its stage's defaults.

    Raises:
        ValueError: a configuration with keys that this version does not know.
    """
    return CONFIGS[network.name].from_dict(given_away.embedded_values(network) or {})


release = partial(given_away.release, load)


def main(arguments: list[str] | None = None) -> int:
    """Flags, then one call; the exit code."""
    return given_away.run("retinanet.release", EXAMPLES, load, arguments)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
