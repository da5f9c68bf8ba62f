"""Photos of meters in, their readings out, on the shipped weights."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from reader.arguments import probability, whole
from reader.files import find_photos

if TYPE_CHECKING:
    from reader.photo import Photo
    from reader.pipeline import MeterReader
    from reader.types import Result

EXAMPLES = """examples:
  python recognize.py meter.jpg
  python recognize.py photos/ "cellar/*.png" --annotate out/annotated
  python recognize.py meter.jpg --json --decimals 3
  python recognize.py photos/ --min_confidence 0.9      reject what is less sure

The exit code is 0 when every photo could be opened (with a reading or a reason why there is none), 1 when one
could not, 2 when nothing could be read at all: wrong flags, missing weights."""


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="a file, a folder of photos, or a glob in quotes")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line instead of text")
    parser.add_argument("--annotate", type=Path, metavar="DIR", help="save each photo with what was seen on it")
    parser.add_argument("--crops", type=Path, metavar="DIR", help="save each display, cut out and rectified")
    parser.add_argument("--models", type=Path, metavar="DIR", help="another folder of weights than deploy/models")
    parser.add_argument("--decimals", type=whole, metavar="N", help="the meter's number of decimals, where you know it")
    parser.add_argument(
        "--min_confidence",
        type=probability,
        metavar="P",
        help="reject readings below it, 0 to 1 (default: the models' threshold)",
    )
    parser.add_argument(
        "--runtime",
        choices=("auto", "onnx", "onnx_float32", "savedmodel"),
        default="auto",
        help="what runs the networks; auto: the fastest that is there (default); onnx: int8 where that is as good",
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu", "gpu"), default="auto", help="auto takes a GPU where the runtime has one"
    )
    parser.add_argument("--no_line", action="store_true", help="do not read the display as a line too")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Reads every photo; returns the exit code."""
    flags = parse_arguments(arguments)
    from reader.bundle import BundleError
    from reader.image import ImageError
    from reader.photo import open_photo
    from reader.pipeline import MeterReader

    try:
        reader = MeterReader.load(
            flags.models, flags.runtime, flags.min_confidence, use_line=not flags.no_line, device=flags.device
        )
        for folder in (flags.annotate, flags.crops):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
    except (BundleError, OSError) as error:
        print(f"recognize.py: {error}", file=sys.stderr)
        return 2
    failed = False
    names: set[str] = set()
    for path, fault in find_photos(flags.photos):
        try:
            if fault:
                raise ImageError(fault)
            photo = open_photo(path)
            result = reader.read(photo, decimals=flags.decimals, name=str(path))
        except ImageError as error:
            failed = True
            print(f"recognize.py: {error}", file=sys.stderr)
            if flags.json:
                print_unread(path, str(error))
            continue
        print(json.dumps(result.to_dict(), ensure_ascii=False) if flags.json else describe(result), flush=True)
        if not save_pictures(photo, result, reader, flags, _unused_name(path, names)):
            failed = True
    return 1 if failed else 0


def describe(result: Result) -> str:
    """One line of text for a result."""
    if result.success:
        between = [f"{digit.text} or {digit.alternative}" for digit in result.digits if digit.alternative]
        note = f"  (between two digits: {', '.join(between)})" if between else ""
        return f"{result.image}: {result.text}  {100 * result.confidence:.1f} %  {result.counter_class}{note}"
    reason = (result.reason or "").replace("_", " ")
    if result.rejected_text is not None:
        reason += f", {result.rejected_text} at {100 * result.confidence:.1f} %"
    elif result.text:
        reason += f", {result.text}"
    return f"{result.image}: no reading ({reason})"


def print_unread(path: Path, error: str) -> None:
    """The JSON line of a photo that could not be opened."""
    from reader.types import Result

    print(json.dumps(Result(str(path), error=error).to_dict(), ensure_ascii=False), flush=True)


def save_pictures(photo: Photo, result: Result, reader: MeterReader, flags: argparse.Namespace, name: str) -> bool:
    """Write the pictures that were asked for; False, with one line on stderr, when one cannot be written."""
    if flags.annotate is None and flags.crops is None:
        return True
    from reader.draw import panel
    from reader.geometry import rectify
    from reader.image import encode_jpeg, write_atomic

    try:
        if flags.annotate is not None:
            write_atomic(flags.annotate / f"{name}.jpg", encode_jpeg(panel(photo.pixels, result)))
        if flags.crops is not None and result.corners is not None:
            display, _ = rectify(photo, result.corners, reader.bundle.stage2.margin)
            write_atomic(flags.crops / f"{name}.jpg", encode_jpeg(display, 95))
    except OSError as error:
        print(f"recognize.py: {error.filename}: {error.strerror}", file=sys.stderr)
        return False
    return True


def _unused_name(path: Path, names: set[str]) -> str:
    """The photo's name without its ending; numbered when photos of several folders share it."""
    name, number = path.stem, 1
    while name in names:
        number += 1
        name = f"{path.stem}_{number}"
    names.add(name)
    return name


if __name__ == "__main__":
    sys.exit(main())
