"""Pictures of single lines in, their texts out: prices, licence plates, captchas, handwritten numbers."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from reader.arguments import probability
from reader.files import find_photos
from reader.line_settings import LINE_TASKS

if TYPE_CHECKING:
    from reader.lines import LineResult

EXAMPLES = """examples:
  python read_lines.py --task plate plate.jpg
  python read_lines.py --task captcha captchas/ --json
  python read_lines.py --task price "tags/*.png" --n_best 3 --beam 20
  python read_lines.py --task plate cars/ --pattern "[京津沪渝][A-Z][A-Z0-9]{5}" --min_confidence 0.9

The exit code is 0 when every picture could be opened (with a reading or a reason why there is none), 1 when one
could not, 2 when nothing could be read at all: wrong flags, missing weights."""


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("pictures", nargs="+", metavar="IMAGE", help="a file, a folder of pictures, or a glob in quotes")
    add("--task", required=True, metavar="TASK", help=f"what is read: {', '.join(LINE_TASKS)}, or a task of yours")
    add("--json", action="store_true", help="print one JSON object a line instead of text")
    add("--beam", type=_count, metavar="N", help="width of the beam search, 1: greedy (default: the task's)")
    add("--n_best", type=_count, default=1, metavar="N", help="tell the N likeliest texts (default: 1)")
    add("--pattern", metavar="P", help='what a text looks like, "" for anything (default: the task\'s)')
    add("--min_confidence", type=probability, metavar="P", help="reject readings below it (default: the task's)")
    add("--models", type=Path, metavar="DIR", help="another folder of weights than deploy/models")
    add("--runtime", default="auto", metavar="NAME", help="auto, onnx, onnx_float32 or savedmodel (default: auto)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Reads every picture; returns the exit code."""
    flags = parse_arguments(arguments)
    from reader.bundle import BundleError
    from reader.image import ImageError
    from reader.ink import read_drawing
    from reader.line_pattern import LinePattern
    from reader.lines import LineReader, LineResult

    try:
        if flags.pattern:
            LinePattern.parse(flags.pattern)
        reader = LineReader.load(flags.task, flags.models, flags.runtime)
        # A number may be drawn anywhere on a canvas; other lines fill their pictures.
        read = read_drawing if flags.task == "handwritten" else LineReader.read
    except (BundleError, ValueError) as error:
        print(f"read_lines.py: {error}", file=sys.stderr)
        return 2
    failed = False
    for path, fault in find_photos(flags.pictures):
        try:
            if fault:
                raise ImageError(fault)
            result = read(reader, path, flags.n_best, flags.beam, flags.pattern, flags.min_confidence, str(path))
        except ImageError as error:
            failed = True
            print(f"read_lines.py: {error}", file=sys.stderr)
            result = LineResult(str(path), flags.task, error=str(error))
            if not flags.json:
                continue
        print(json.dumps(result.to_dict(), ensure_ascii=False) if flags.json else describe(result), flush=True)
    return 1 if failed else 0


def describe(result: LineResult) -> str:
    """One line of text for a result, and one for each of the next best texts."""
    others = "".join(f"\n    {text}  {100 * p:.1f} %" for text, p in result.alternatives)
    if result.success:
        return f"{result.image}: {result.text}  {100 * result.confidence:.1f} %{others}"
    reason = (result.reason or "").replace("_", " ")
    if result.rejected_text is not None:
        reason += f", {result.rejected_text} at {100 * result.confidence:.1f} %"
    return f"{result.image}: no reading ({reason}){others}"


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 1000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 1000")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
