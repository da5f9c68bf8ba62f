"""Makes pictures with exact labels to train and test on, as Label Studio exports."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from synthesis.export import MeterOptions, SynthesisError, summary, write_meters

EXAMPLES = """examples:
  python synthesize.py meters --count 2000 --out made --seed 1
  python synthesize.py meters --count 48 --out made --preview sheet.png --overwrite
  python make_dataset.py stage1 --labels made/stage1/labels.json --images made/stage1/images --out datasets
"""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The flags."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES, formatter_class=form)
    commands = parser.add_subparsers(dest="command", required=True)
    what = "photos of meters -> stage1/ (photos, corners) and stage2/ (displays, digits), each with labels.json"
    meters = commands.add_parser("meters", help=what, description=what, epilog=EXAMPLES, formatter_class=form)
    meters.add_argument("--count", type=int, required=True, help="how many photos")
    meters.add_argument("--out", type=Path, required=True, help="folder to make")
    meters.add_argument("--seed", type=int, default=0, help="same seed, same bytes (default 0)")
    meters.add_argument("--size", type=int, default=640, help="longest side of a photo in pixels (default 640)")
    meters.add_argument("--workers", type=int, default=2, help="processes that draw (default 2)")
    meters.add_argument("--preview", type=Path, help="contact sheet (PNG) of the first photos with their labels")
    meters.add_argument("--overwrite", action="store_true", help="replace a set made before in --out")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    args = parse(arguments)
    options = MeterOptions(args.count, args.seed, args.size, args.workers, args.overwrite, args.preview)
    try:
        counts = write_meters(args.out, options)
    except (SynthesisError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{args.out}: {summary(counts)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
