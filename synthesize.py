"""Makes pictures with exact labels to train and test on: meters as Label Studio exports, lines with a table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from synthesis.batch import SynthesisError
from synthesis.display import KINDS
from synthesis.export import MeterOptions, summary, write_displays, write_meters
from synthesis.lines import MAKERS
from synthesis.lines.export import LineOptions, write_lines
from synthesis.lines.export import summary as summary_of_lines
from synthesis.lines.handwritten import ROWS

EXAMPLES = """examples:
  python synthesize.py meters --count 2000 --out made --seed 1
  python synthesize.py meters --count 48 --out made --preview sheet.png --overwrite
  python synthesize.py scenes --count 1000 --out made_scenes --seed 1
  python synthesize.py displays --count 6000 --out made_displays --seed 1
  python synthesize.py displays --kind digital --count 6000 --out made_lcds --seed 2
  python make_dataset.py stage1 --labels made/stage1/labels.json --images made/stage1/images --out datasets
  python synthesize.py lines --task plate --count 20000 --out made_plates
  python synthesize.py lines --task handwritten --digits mnist --count 20000 --out made_numbers
  python make_dataset.py lines --task plate --source made_plates/labels.csv --out datasets
"""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The flags."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES, formatter_class=form)
    commands = parser.add_subparsers(dest="command", required=True)
    what = "photos of meters -> stage1/ (photos, corners) and stage2/ (displays, digits), each with labels.json"
    meters = commands.add_parser("meters", help=what, description=what, epilog=EXAMPLES, formatter_class=form)
    _add_flags(meters, size=640, what="longest side of a photo in pixels (default 640)")
    meters.add_argument("--kind", choices=KINDS, help="of these displays only (default: seven of ten analog)")
    what = "photos without a meter: walls, pipes, printed numbers -> stage1/ with labels.json; what is refused"
    scenes = commands.add_parser("scenes", help=what, description=what, epilog=EXAMPLES, formatter_class=form)
    _add_flags(scenes, size=640, what="longest side of a photo in pixels (default 640)")
    what = "rectified displays alone -> stage2/ with labels.json; many and fast, for stage 2"
    displays = commands.add_parser("displays", help=what, description=what, epilog=EXAMPLES, formatter_class=form)
    _add_flags(displays, size=96, what="greatest height of a display in pixels (default 96)")
    displays.add_argument("--kind", choices=KINDS, help="of these displays only (default: three analog to one digital)")
    what = "lines of characters -> images/ and labels.csv (img_name,text), for the line reader"
    lines = commands.add_parser("lines", help=what, description=what, epilog=EXAMPLES, formatter_class=form)
    lines.add_argument("--task", choices=sorted(MAKERS), required=True, help="what stands in the lines")
    _add_flags(lines, size=None, what="greatest height of a picture in pixels (default: as drawn)")
    digits = "folder with train-images-idx3-ubyte and train-labels-idx1-ubyte (or .gz), such as MNIST's, that "
    lines.add_argument(
        "--digits", type=Path, help=digits + "handwritten numbers are put together from (default: pen strokes only)"
    )
    lines.add_argument(
        "--rows",
        type=float,
        metavar="SHARE",
        help=f"share of handwritten numbers that are rows of single digits' pictures, as on forms (default {ROWS})",
    )
    return parser.parse_args(arguments)


def _add_flags(parser: argparse.ArgumentParser, size: int | None, what: str) -> None:
    add = parser.add_argument
    add("--count", type=int, required=True, help="how many")
    add("--out", type=Path, required=True, help="folder to make")
    add("--seed", type=int, default=0, help="same seed, same bytes (default 0)")
    add("--size", type=int, default=size, help=what)
    add("--workers", type=int, default=2, help="processes that draw (default 2)")
    add("--preview", type=Path, help="contact sheet (PNG) of the first pictures with their labels")
    add("--overwrite", action="store_true", help="replace a set made before in --out")


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    args = parse(arguments)
    wanted = (args.count, args.seed, args.size, args.workers, args.overwrite, args.preview)
    try:
        if args.command == "lines":
            told = summary_of_lines(write_lines(args.out, LineOptions(args.task, *wanted, args.digits, args.rows)))
        else:
            write = write_displays if args.command == "displays" else write_meters
            kind = getattr(args, "kind", None)
            told = summary(write(args.out, MeterOptions(*wanted, scenes=args.command == "scenes", kind=kind)))
    except (SynthesisError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{args.out}: {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
