"""From a training's .keras file to one that is given away: float32, without optimizer, its configuration inside.

Use: python -m crnn.release IN.keras OUT.keras
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import keras

from crnn.config import LineConfig
from crnn.model import build
from training import release as given_away
from training.release import ReleaseError as ReleaseError

EXAMPLES = """examples:
  python -m crnn.release crnn/plate.keras deploy/crnn/plate.keras
  python -m crnn.release finetuned.keras averaged.keras --average_with crnn/plate.keras
"""


def load(path: str | Path) -> tuple[keras.Model, LineConfig]:
    """The network of a .keras file and its configuration; see `training.release.load_network`.

    Raises:
        ReleaseError: missing or broken file, another network, or weights that do not fit the configuration.
    """
    return given_away.load_network(path, {"line": embedded_config}, build)


def embedded_config(network: keras.Model) -> LineConfig:
    """The configuration that a network carries.

    Raises:
        ValueError: none, or one with keys that this version does not know.
    """
    return LineConfig.from_dict(given_away.carried_values(network))


release = partial(given_away.release, load)


def main(arguments: list[str] | None = None) -> int:
    """Flags, then one call; the exit code."""
    return given_away.run("crnn.release", EXAMPLES, load, arguments)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
