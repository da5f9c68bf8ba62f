"""Trains the corner network, which looks at a display that stage 1 found from close by and puts its corners right."""

from __future__ import annotations

import sys
from pathlib import Path

from corners import train
from training.flags import training_parser

EXAMPLES = """examples:
  python train_corners.py --dataset_path datasets/my_meters datasets/made --mix 1 2    (stage 1 sets, of large pictures)
  python train_corners.py --dataset_path datasets/my_meters --resume_training
  python train_corners.py --dataset_path datasets/my_meters --preview cuts.png
"""


def main(arguments: list[str] | None = None) -> int:
    """Flags, then one call; the exit code."""
    parser = training_parser("corners", __doc__, EXAMPLES, without=("--digits",))
    parser.set_defaults(
        batch_size=64, max_validation=600, max_side=1280, ema=0.99, output=Path("corners") / "corners.keras"
    )
    return train.main(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
