"""Trains stage 1: finds the display's corners and class on a photo."""

from __future__ import annotations

import sys

from retinanet import train
from training.flags import training_parser

EXAMPLES = """examples:
  python train_stage1.py --dataset_path datasets/my_meters
  python train_stage1.py --dataset_path datasets/my_meters datasets/made --mix 3 1 --epochs 60
  python train_stage1.py --dataset_path datasets/my_meters --initial_weights retinanet/stage1.keras --output mine.keras
  python train_stage1.py --dataset_path datasets/my_meters --resume_training
  python train_stage1.py --dataset_path datasets/my_meters --preview augmented.png

on several machines, the same on each but for its index (checkpoints are written by the first one):
  TF_CONFIG='{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}' \\
    python train_stage1.py --dataset_path datasets/my_meters
"""


def main(arguments: list[str] | None = None) -> int:
    """Flags, then one call; the exit code."""
    parser = training_parser("stage1", __doc__, EXAMPLES)
    parser.set_defaults(max_side=640)
    return train.main(1, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
