"""Trains the network that looks at each character of a line by itself, beside an exported line reader of that task."""

from __future__ import annotations

import sys
from pathlib import Path

from characters import train
from reader.bundle import DEFAULT_FOLDER
from training.flags import positive, training_parser

EXAMPLES = """examples:
  python train_characters.py --task handwritten --dataset_path datasets/numbers datasets/made_numbers --digits mnist \\
      --mix 1 2 4    (rows of MNIST's digits beside, put together when it begins)
  python train_characters.py --task handwritten --dataset_path datasets/numbers --resume_training
  python train_characters.py --task plate --dataset_path datasets/plates --preview characters.png
"""


def main(arguments: list[str] | None = None) -> int:
    """Flags, then one call; the exit code."""
    parser = training_parser("lines", __doc__, EXAMPLES, without=("--augmentation",))
    add = parser.add_argument
    add("--task", required=True, metavar="TASK", help="of the line reader, such as handwritten")
    add("--models", type=Path, default=DEFAULT_FOLDER, metavar="DIR", help="its bundle (default: deploy/models)")
    add("--rows", type=positive, default=30000, metavar="N", help="rows of each of --digits (default: 30000)")
    parser.set_defaults(batch_size=128, max_validation=8000, output=None, logs=None, checkpoints=None)
    return train.main(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
