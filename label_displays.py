"""Cuts the displays out of photos whose corners and readings are known, and labels their digits with boxes."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from retinanet.autolabel import LabelError, label_displays

EXAMPLES = """examples:
  python label_displays.py --manifest toloka_water/manifest.jsonl --out displays/toloka
      a first guess: the display divided evenly among its drums
  python label_displays.py --manifest toloka_water/manifest.jsonl --out displays/toloka2 --model retinanet/stage2.keras
      the network's boxes where its digits agree with the reading; the rest is listed in disagreements.jsonl

The folder gets crops and a manifest.jsonl that make_dataset.py labelstudio takes.
"""


def main() -> int:
    """Flags, then one call."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--manifest", type=Path, required=True, help="JSONL set with readings and corners")
    parser.add_argument("--out", type=Path, required=True, help="new folder for the labelled displays")
    parser.add_argument("--model", type=Path, help="stage 2 .keras file; without it displays are divided evenly")
    parser.add_argument("--exact", action="store_true", help="readings stand on the display as they are, no zeros lost")
    parser.add_argument("--drums", type=int, help="number of drums, where every display has the same")
    parser.add_argument("--tolerated", type=int, default=1, help="disagreeing digits still trusted (default: 1)")
    parser.add_argument("--splits", nargs="+", default=["train"], help="splits to take (default: train)")
    parser.add_argument(
        "--kinds",
        nargs="+",
        choices=("full_photo", "display_crop"),
        default=["full_photo"],
        help="records to take (default: full_photo)",
    )
    parser.add_argument("--corners", type=Path, help="JSON of corners by image, for records that have none")
    parser.add_argument("--boxes", type=Path, help="JSON of boxes by image, drawn by hand: they win over all others")
    parser.add_argument("--readings", type=Path, help="JSON of corrected readings by image: they win over the set's")
    args = parser.parse_args()
    try:
        summary = label_displays(
            args.manifest,
            args.out,
            args.model,
            args.exact,
            args.drums,
            args.tolerated,
            tuple(args.splits),
            tuple(args.kinds),
            args.corners,
            args.boxes,
            args.readings,
        )
    except (LabelError, OSError, ValueError) as error:
        print(f"label_displays.py: {error}", file=sys.stderr)
        return 1
    print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
