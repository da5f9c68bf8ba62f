"""Trains stage 2: finds the digits and the decimal area on the rectified display."""

import sys

from retinanet.train import main
from training.flags import training_parser

EXAMPLES = """examples:
  python train_stage2.py --dataset_path datasets/my_meters
  python train_stage2.py --dataset_path datasets/my_meters datasets/made --mix 3 1 --epochs 60
  python train_stage2.py --dataset_path datasets/my_meters --initial_weights retinanet/stage2.keras --output mine.keras
  python train_stage2.py --dataset_path datasets/my_meters --resume_training
  python train_stage2.py --dataset_path datasets/my_meters --preview augmented.png
"""

if __name__ == "__main__":
    parser = training_parser(
        "stage2", "Trains stage 2: finds the digits and the decimal area on the rectified display.", EXAMPLES
    )
    parser.set_defaults(max_side=512, batch_size=64)
    sys.exit(main(2, parser.parse_args()))
