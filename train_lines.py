"""Trains a line reader: prices, licence plates, captchas, handwritten numbers, and meters' displays read as a line."""

from __future__ import annotations

import sys

from crnn import train
from training.flags import training_parser

EXAMPLES = """examples:
  python train_lines.py --task plate --dataset_path datasets/plates datasets/made_plates --mix 2 1
  python train_lines.py --task plate --dataset_path datasets/plates --balance 0.5    (rare provinces more often)
  python train_lines.py --task captcha --dataset_path datasets/captchas --resume_training
  python train_lines.py --task captcha --dataset_path datasets/captchas --initial_weights crnn/captcha.keras \\
      --augmentation 0.4 --learning_rate 3e-4    (last epochs, on views nearer to the pictures)
  python train_lines.py --task price --dataset_path datasets/prices --network '{"rnn": "gru"}' --output gru.keras
  python train_lines.py --task handwritten --dataset_path datasets/numbers --digits mnist --mix 1 2
      (rows of MNIST's digits beside, put together anew in every view)
  python train_lines.py --task display --dataset_path datasets/my_meters    (stage 2 sets)
  python train_lines.py --task code --dataset_path datasets/codes --network code.json    (alphabet, input_size)
  python train_lines.py --task plate --dataset_path datasets/plates --preview augmented.png
"""


def main(arguments: list[str] | None = None) -> int:
    """Flags, then one call; the exit code."""
    parser = training_parser("lines", __doc__, EXAMPLES)
    train.add_task_flags(parser)
    parser.set_defaults(batch_size=64, max_validation=800, output=None, logs=None, checkpoints=None)
    return train.main(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
