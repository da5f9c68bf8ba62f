"""Trains the point network, which tells from the gaps between the digits of a display where its decimals begin."""

from __future__ import annotations

import sys
from pathlib import Path

from points import train
from training.flags import training_parser

EXAMPLES = """examples:
  python train_point.py --dataset_path datasets/my_meters datasets/made_displays --mix 1 2    (stage 2 sets)
  python train_point.py --dataset_path datasets/my_meters --resume_training
  python train_point.py --dataset_path datasets/my_meters --preview gaps.png
"""


def main(arguments: list[str] | None = None) -> int:
    """Flags, then one call; the exit code."""
    parser = training_parser("point", __doc__, EXAMPLES)
    parser.set_defaults(batch_size=64, max_validation=1200, max_side=400, output=Path("points") / "point.keras")
    return train.main(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
