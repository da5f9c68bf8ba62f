"""Makes pictures with exact labels to train and test on, as Label Studio exports."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from synthesis.export import MeterOptions, SynthesisError, summary, write_displays, write_meters

EXAMPLES = """examples:
  python synthesize.py meters --count 2000 --out made --seed 1
  python synthesize.py meters --count 48 --out made --preview sheet.png --overwrite
  python synthesize.py displays --count 6000 --out made_displays --seed 1
  python make_dataset.py stage1 --labels made/stage1/labels.json --images made/stage1/images --out datasets
"""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The flags."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES, formatter_class=form)
    commands = parser.add_subparsers(dest="command", required=True)
    what = "photos of meters -> stage1/ (photos, corners) and stage2/ (displays, digits), each with labels.json"
    meters = commands.add_parser("meters", help=what, description=what, epilog=EXAMPLES, formatter_class=form)
    _add_flags(meters, size=640, what="longest side of a photo in pixels")
    what = "rectified displays alone -> stage2/ with labels.json; many and fast, for stage 2"
    displays = commands.add_parser("displays", help=what, description=what, epilog=EXAMPLES, formatter_class=form)
    _add_flags(displays, size=96, what="greatest height of a display in pixels")
    return parser.parse_args(arguments)


def _add_flags(parser: argparse.ArgumentParser, size: int, what: str) -> None:
    add = parser.add_argument
    add("--count", type=int, required=True, help="how many")
    add("--out", type=Path, required=True, help="folder to make")
    add("--seed", type=int, default=0, help="same seed, same bytes (default 0)")
    add("--size", type=int, default=size, help=f"{what} (default {size})")
    add("--workers", type=int, default=2, help="processes that draw (default 2)")
    add("--preview", type=Path, help="contact sheet (PNG) of the first pictures with their labels")
    add("--overwrite", action="store_true", help="replace a set made before in --out")


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    args = parse(arguments)
    options = MeterOptions(args.count, args.seed, args.size, args.workers, args.overwrite, args.preview)
    try:
        write = write_meters if args.command == "meters" else write_displays
        counts = write(args.out, options)
    except (SynthesisError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{args.out}: {summary(counts)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
