"""Trains stage 1: finds the display's corners and class on a photo."""

import sys

from retinanet.train import main
from training.flags import training_parser

EXAMPLES = """examples:
  python train_stage1.py --dataset_path datasets/my_meters
  python train_stage1.py --dataset_path datasets/my_meters datasets/made --mix 3 1 --epochs 60
  python train_stage1.py --dataset_path datasets/my_meters --initial_weights retinanet/stage1.keras --output mine.keras
  python train_stage1.py --dataset_path datasets/my_meters --resume_training
  python train_stage1.py --dataset_path datasets/my_meters --preview augmented.png
"""

if __name__ == "__main__":
    parser = training_parser("stage1", "Trains stage 1: finds the display's corners and class on a photo.", EXAMPLES)
    parser.set_defaults(max_side=640)
    sys.exit(main(1, parser.parse_args()))
