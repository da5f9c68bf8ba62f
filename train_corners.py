"""Trains the corner network, which looks at a display that stage 1 found from close by and puts its corners right.

With --lookalikes it trains the judge, a network of the same design, which also tells displays from what only looks like
one; of its answers only that is used.
"""

from __future__ import annotations

import sys
from pathlib import Path

from corners import train
from training.flags import training_parser

EXAMPLES = """examples:
  python train_corners.py --dataset_path datasets/my_meters datasets/made --mix 1 2    (stage 1 sets, of large pictures)
  python train_corners.py --dataset_path datasets/my_meters --resume_training
  python train_corners.py --dataset_path datasets/my_meters --preview cuts.png
  python train_corners.py --dataset_path datasets/my_meters --lookalikes datasets/lookalikes --mix 2 1 \\
      --initial_weights corners/judge.keras --output mine/judge.keras    (a set from python -m corners.lookalikes)
"""


def main(arguments: list[str] | None = None) -> int:
    """Flags, then one call; the exit code."""
    parser = training_parser("corners", __doc__, EXAMPLES, without=("--digits",))
    parser.add_argument(
        "--lookalikes",
        nargs="+",
        type=Path,
        default=[],
        metavar="PATH",
        help="sets of what is no display, from python -m corners.lookalikes; --mix names them after --dataset_path",
    )
    parser.set_defaults(
        batch_size=64, max_validation=600, max_side=1280, ema=0.99, output=Path("corners") / "corners.keras"
    )
    args = parser.parse_args(arguments)
    if args.lookalikes:  # the judge is another network: nothing of the corner network's is written over
        for name, own in (
            ("output", "corners/judge.keras"),
            ("logs", "logs/judge"),
            ("checkpoints", "checkpoints/judge"),
        ):
            if getattr(args, name) == parser.get_default(name):
                setattr(args, name, Path(own))
    return train.main(args)


if __name__ == "__main__":
    sys.exit(main())
