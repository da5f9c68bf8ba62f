"""Fits the confidence of digits and readings on held-out photos, and writes it into the bundle."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.calibration import calibrate, held_out
from reader.bundle import DEFAULT_FOLDER

EXAMPLES = """examples:
  python calibrate.py --data meters --sets toloka_water iaoqian_water --names validation.txt
      photos of the split "train" whose names are in validation.txt: those that training left out
  python calibrate.py --data meters --sets toloka_water --held_out datasets/toloka_water
  python calibrate.py --data mine --sets my_meters --split validation --models deploy/models
"""


def main() -> int:
    """Flags, then one call."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of sets with a manifest.jsonl each")
    parser.add_argument("--sets", nargs="+", required=True, help="names of sets")
    parser.add_argument("--split", default="train", help="split of the records to take (default: %(default)s)")
    parser.add_argument("--names", type=Path, help="file with one photo name a line: only these")
    parser.add_argument("--held_out", type=Path, nargs="+", help="TFDS sets: only photos of their validation split")
    parser.add_argument("--models", type=Path, default=DEFAULT_FOLDER, help="bundle folder (default: deploy/models)")
    parser.add_argument("--dry_run", action="store_true", help="print, write nothing")
    args = parser.parse_args()
    if args.split == "test":
        parser.error("the split 'test' is for measuring; a confidence fitted on it would flatter itself")
    try:
        names = set(args.names.read_text().split()) if args.names else None
        if args.held_out:
            names = held_out(args.held_out) if names is None else names & held_out(args.held_out)
        summary = calibrate(args.data, args.sets, args.split, names, args.models, write=not args.dry_run)
    except (OSError, ValueError) as error:
        print(f"calibrate.py: {error}", file=sys.stderr)
        return 1
    print(json.dumps(summary, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
