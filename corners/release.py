"""From a training's .keras file to one that is given away: float32, without optimizer, its configuration inside.

Use: python -m corners.release IN.keras OUT.keras
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import keras

from corners.config import CornersConfig
from corners.model import build
from training import release as given_away
from training.release import ReleaseError as ReleaseError

EXAMPLES = """examples:
  python -m corners.release trained.keras corners/corners.keras
"""


def load(path: str | Path) -> tuple[keras.Model, CornersConfig]:
    """The network in a .keras file and its configuration.

    Raises:
        ReleaseError: missing or broken file, another network, or weights that do not fit the configuration.
    """
    return given_away.load_network(path, {"corners": embedded_config}, build)


def embedded_config(network: keras.Model) -> CornersConfig:
    """The configuration that a network carries.

    Raises:
        ValueError: none, or one with keys that this version does not know.
    """
    return CornersConfig.from_dict(given_away.carried_values(network))


def main(arguments: list[str] | None = None) -> int:
    """Flags, then one call; the exit code."""
    return given_away.run("corners.release", EXAMPLES, load, arguments)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
