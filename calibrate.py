"""Fits on held-out pictures what weighs opinions and what makes confidences, and writes it into the bundle."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from reader.arguments import probability
from reader.bundle import DEFAULT_FOLDER
from training.flags import positive, rate

EXAMPLES = """examples:
  python calibrate.py --data meters --sets toloka_water iaoqian_water --names validation.txt
      photos of the split "train" whose names are in validation.txt: those that training left out
  python calibrate.py --data meters --sets toloka_water --held_out datasets/toloka_water
  python calibrate.py --data meters --sets toloka_water --held_out datasets/toloka_water --made 200
      and photos made here, so that confidence knows meters unlike the real ones
  python calibrate.py --data mine --sets my_meters --split validation --models deploy/models
  python calibrate.py lines --task plate --dataset_path datasets/plates datasets/made_plates
      a line reader's temperature, slope and offset (calibrate.py lines --help); of the task "display" before the meters
  python calibrate.py point --dataset_path datasets/my_meters datasets/made_displays
      what tells the decimals (calibrate.py point --help); before the meters
"""
LINE_EXAMPLES = """examples:
  python calibrate.py lines --task plate --dataset_path datasets/plates --models deploy/models
  python calibrate.py lines --task display --dataset_path datasets/my_meters      (stage 2 sets)
  python calibrate.py lines --task captcha --dataset_path datasets/captchas --limit 500 --dry_run
"""
POINT_EXAMPLES = """examples:
  python calibrate.py point --dataset_path datasets/my_meters datasets/made_displays
  python calibrate.py point --dataset_path datasets/my_meters datasets/made_displays --mix 3 1
  python calibrate.py point --dataset_path datasets/my_meters --limit 500 --dry_run
"""


def parser() -> argparse.ArgumentParser:
    """The flags for meters."""
    made = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--data", type=Path, required=True, help="folder of sets with a manifest.jsonl each")
    made.add_argument("--sets", nargs="+", required=True, help="names of sets")
    made.add_argument("--split", default="train", help="split of the records to take (default: %(default)s)")
    made.add_argument("--names", type=Path, help="file with one photo name a line: only these")
    made.add_argument("--held_out", type=Path, nargs="+", help="TFDS sets: only photos of their validation split")
    made.add_argument(
        "--corrections", type=Path, metavar="FOLDER", help="of corrected readings, SET_readings.json for a set's"
    )
    made.add_argument("--made", type=int, default=0, metavar="N", help="and N photos made here (default: %(default)s)")
    made.add_argument(
        "--threshold",
        type=probability,
        default=0.1,
        metavar="P",
        help="readings below this confidence are rejected unless --min_confidence is given (default: %(default)s)",
    )
    made.add_argument("--seed", type=int, default=31, help="of those; none that was trained on (default: %(default)s)")
    return _with_common(made)


def line_parser() -> argparse.ArgumentParser:
    """The flags for line readers."""
    made = argparse.ArgumentParser(
        prog="calibrate.py lines",
        description="Fits the confidence of a bundle's line reader on held-out lines, and writes it into the bundle.",
        epilog=LINE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--task", required=True, help="one of the bundle's line readers, such as plate")
    made.add_argument("--dataset_path", type=Path, nargs="+", required=True, metavar="SET", help="TFDS set(s) of lines")
    made.add_argument("--split", default="validation", help="split of the sets to take (default: %(default)s)")
    made.add_argument("--limit", type=positive, default=2000, metavar="N", help="at most so many lines (default: 2000)")
    made.add_argument(
        "--trust",
        nargs=2,
        type=float,
        metavar=("LINE", "CHARACTERS"),
        help="exponents of the line's network and of the one of single characters, where there is one, instead of "
        "those that fit best: for lines that one of the two was trained on",
    )
    made.add_argument("--runtime", default="auto", help="of exported models (default: %(default)s)")
    return _with_common(made)


def point_parser() -> argparse.ArgumentParser:
    """The flags for what tells the decimals."""
    made = argparse.ArgumentParser(
        prog="calibrate.py point",
        description="Fits how a bundle weighs what tells the decimals: line reader, detector, colours, sizes, points.",
        epilog=POINT_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--dataset_path", type=Path, nargs="+", required=True, metavar="SET", help="stage 2 TFDS set(s)")
    made.add_argument("--split", default="validation", help="split of the sets to take (default: %(default)s)")
    made.add_argument("--mix", nargs="+", type=rate, metavar="W", help="how much a display of each set counts")
    made.add_argument("--limit", type=positive, default=400, metavar="N", help="at most so many a set (default: 400)")
    return _with_common(made)


def _with_common(made: argparse.ArgumentParser) -> argparse.ArgumentParser:
    made.add_argument("--models", type=Path, default=DEFAULT_FOLDER, help="bundle folder (default: deploy/models)")
    made.add_argument("--dry_run", action="store_true", help="print, write nothing")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Flags, then one call; the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    kinds = {"lines": (line_parser, _lines), "point": (point_parser, _point)}
    named = given[:1] if given and given[0] in kinds else []
    flags_of, fit = kinds[named[0]] if named else (parser, _meters)
    flags = flags_of()
    args = flags.parse_args(given[len(named) :])
    if args.split == "test":
        flags.error("the split 'test' is for measuring; what is fitted on it would flatter itself")
    try:
        summary = fit(args)
    except (OSError, ValueError) as error:
        print(f"calibrate.py: {error}", file=sys.stderr)
        return 1
    print(json.dumps(summary, indent=1))
    return 0


def _meters(args: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.calibration import calibrate, held_out

    names = set(args.names.read_text().split()) if args.names else None
    if args.held_out:
        names = held_out(args.held_out) if names is None else names & held_out(args.held_out)
    if args.made < 0:
        raise ValueError(f"--made: a number of photos, 0 or more, wanted; {args.made} came")
    return calibrate(
        args.data,
        args.sets,
        args.split,
        names,
        args.models,
        write=not args.dry_run,
        made=args.made,
        seed=args.seed,
        threshold=args.threshold,
        corrections=args.corrections,
    )


def _lines(args: argparse.Namespace) -> dict[str, Any]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's own lines would bury ours
    from benchmarks.line_calibration import calibrate_lines

    return calibrate_lines(
        args.task,
        args.dataset_path,
        args.split,
        args.models,
        args.runtime,
        args.limit,
        write=not args.dry_run,
        trust=args.trust and tuple(args.trust),
    )


def _point(args: argparse.Namespace) -> dict[str, Any]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from benchmarks.point_calibration import calibrate_point

    return calibrate_point(args.dataset_path, args.split, args.models, args.mix, args.limit, write=not args.dry_run)


if __name__ == "__main__":
    sys.exit(main())
