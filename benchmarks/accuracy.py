"""Measures the reader on labelled photos: corners, class, digits and readings, stage by stage and end to end.

Sets are folders with a manifest.jsonl (see `make_dataset.py labelstudio --help`). Only records of the asked split are
measured, by default "test". Readings count as numbers: zeros in front and zeros behind the last decimal do not matter.
Every photo is read from the photo alone, from its true corners, from the upright crop around the corners that were
found (without rectification), and, where the bundle has a line reader for displays, by the detector alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.accuracy_report import figures, report, write_json, write_report
from benchmarks.error_pages import INDEX, write_error_pages
from benchmarks.measured import Measured, SetResult, straight_crop
from benchmarks.records import records
from reader.draw import panel
from reader.image import ImageError, encode_jpeg, write_atomic
from reader.photo import Photo, open_photo
from reader.pipeline import Found, MeterReader, ReadDisplay, photo_digits
from reader.symbols import STAGE1_CLASSES, UNKNOWN
from reader.types import UNKNOWN_DIGIT, Display, Result
from training.flags import positive

EXAMPLES = """examples:
  python benchmarks/accuracy.py --data meters --out out/accuracy
      prints the tables and writes accuracy.md, accuracy.json, risk_coverage.png, reliability.png and errors/
  python benchmarks/accuracy.py --data meters --sets toloka_water --failures out/failures --json out/accuracy.json
  python benchmarks/accuracy.py --data meters --stage1 retinanet/stage1.keras --stage2 retinanet/stage2.keras
  python benchmarks/accuracy.py --data meters --sets jorvkve_electric --split train --names fold_0.txt --models fold_0
"""


def measure(reader: MeterReader, folder: Path, chosen: Iterable[dict[str, Any]], failures: Path | None) -> SetResult:
    """Reads every record in every way; a broken picture is left out with a line on stderr."""
    result = SetResult()
    alone = None
    if reader.line is not None:
        alone = MeterReader(
            reader.stage1, reader.stage2, reader.bundle, 0.0, sharpener=reader.sharpener, judge=reader.judge
        )
    for record in tqdm(list(chosen), desc=folder.name, unit="photo", leave=False, disable=None):
        try:
            photo = open_photo(folder / record["image"])
            answer = _measured(reader, alone, folder, record, photo)
        except ImageError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        result.answers.append(answer)
        if failures is not None and answer.whole and not answer.right:
            name = f"{folder.name}_{Path(record['image']).stem}.jpg"
            write_atomic(failures / name, encode_jpeg(panel(photo.pixels, answer.result)))
    return result


def _measured(
    reader: MeterReader, alone: MeterReader | None, folder: Path, record: dict[str, Any], photo: Photo
) -> Measured:
    corners = None if record.get("corners") is None else np.array(record["corners"], np.float32)
    kind = record.get("cls") or "analog"
    if record["kind"] != "full_photo":
        if corners is None:
            height, width = photo.shape[:2]
            corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        read = _read(reader, photo, corners, kind)
        result = _as_result(read, record["image"], photo, corners, kind)
        text = read.reading.text
        other = None if alone is None else _read(alone, photo, corners, kind).reading.text
        return Measured(
            record["image"], record["reading"], result, False, corners, record.get("cls"), text, alone=other
        )
    result = reader.read(folder / record["image"], name=record["image"])
    answer = Measured(record["image"], record["reading"], result, True, corners, record.get("cls"), crop="")
    if corners is not None:
        answer = replace(answer, given=_read(reader, photo, corners, kind).reading.text)
    if alone is not None:
        answer = replace(answer, alone="")
    if result.corners is not None and not result.counter_class.endswith("illegible"):
        crop = _read(reader, photo, straight_crop(result.corners), result.counter_class)
        answer = replace(answer, crop=crop.reading.text)
        if alone is not None:
            answer = replace(answer, alone=_read(alone, photo, result.corners, result.counter_class).reading.text)
    return answer


def _read(reader: MeterReader, photo: Photo, corners: npt.ArrayLike, kind: str) -> ReadDisplay:
    """The display at known corners, of a known class."""
    index = STAGE1_CLASSES.index(kind)
    display = Display(np.asarray(corners, np.float32), index, 1.0, np.eye(4, dtype=np.float32)[index])
    return reader.read_display(photo, Found(display, 1.0))


def _as_result(read: ReadDisplay, name: str, photo: Photo, corners: npt.NDArray[np.float32], kind: str) -> Result:
    """A display that stage 1 did not look for, as the result of a photo."""
    reading = read.reading
    success = bool(reading.text) and UNKNOWN not in reading.text
    return Result(
        name,
        success,
        reading.text,
        reading.confidence,
        None if success else UNKNOWN_DIGIT,
        kind,
        1.0,
        corners,
        photo_digits(read),
        photo.shape,
    )


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of sets (or above a folder 'meters' of sets)")
    add("--sets", nargs="+", help="names of sets (default: all that have records of the split)")
    add("--split", default="test", help="(default: %(default)s)")
    add("--names", type=Path, help="file with one photo name (without extension) a line: only these")
    add(
        "--corrections",
        type=Path,
        metavar="FOLDER",
        help="of corrected readings, SET_readings.json for a set's; not with the split test",
    )
    add("--limit", type=positive, metavar="N", help="at most the first N photos of each set, for a quick try")
    add("--models", type=Path, help="bundle folder (default: deploy/models)")
    add("--stage1", type=Path, help="a .keras file instead of the bundle; with --stage2")
    add("--stage2", type=Path)
    add("--runtime", default="auto")
    add("--threads", type=positive, metavar="N", help="CPU threads (default: all)")
    add("--no_line", action="store_true", help="do not read the displays as lines too")
    add("--out", type=Path, metavar="FOLDER", help="write tables, figures, curves and the error pages there")
    add(
        "--min_count",
        type=positive,
        default=20,
        metavar="N",
        help="sets with fewer photos get no line of their own in the curves (default: %(default)s)",
    )
    add("--failures", type=Path, metavar="DIR", help="annotated pictures of what was read wrong, one each")
    add("--json", type=Path, metavar="FILE", help="the figures and every miss")
    args = parser.parse_args(arguments)
    if bool(args.stage1) != bool(args.stage2):
        parser.error("--stage1 and --stage2 belong together")
    if args.corrections and args.split == "test":
        parser.error("--corrections: the labels of the split 'test' are measured with as they are")
    return args


def main(arguments: list[str] | None = None) -> int:
    """Flags, then the tables; the exit code."""
    args = parse(arguments)
    try:
        if args.stage1:
            from retinanet.runtime import keras_reader

            reader = keras_reader(args.stage1, args.stage2)
        else:
            reader = MeterReader.load(args.models, args.runtime, 0.0, args.threads, use_line=not args.no_line)
        results, root = _run(reader, args)
        print(report(results))
        if args.json:
            write_json(args.json, figures(results))
        if args.out:
            write_report(args.out, results, args.min_count)
            index = write_error_pages(args.out / "errors", root, results)
            print(f"\n{index['wrong']} of {index['of']} wrong, see {args.out / 'errors' / INDEX}", file=sys.stderr)
    except (OSError, ValueError) as error:
        print(f"accuracy.py: {error}", file=sys.stderr)
        return 1
    return 0


def _run(reader: MeterReader, args: argparse.Namespace) -> tuple[dict[str, SetResult], Path]:
    """The results by set, and the folder of the sets."""
    root = args.data / "meters" if (args.data / "meters").is_dir() else args.data
    folders = (
        [root / name for name in args.sets] if args.sets else sorted(p.parent for p in root.glob("*/manifest.jsonl"))
    )
    names = set(args.names.read_text().split()) if args.names else None
    for made in (args.failures, args.out, args.json and args.json.parent):
        if made:
            made.mkdir(parents=True, exist_ok=True)
    results = {}
    for folder in folders:
        chosen = records(folder, args.split, names, args.corrections)[: args.limit]
        if chosen:
            results[folder.name] = measure(reader, folder, chosen, args.failures)
    if not results:
        raise ValueError(f"{root}: no set with readings in the split {args.split!r}")
    return results, root


if __name__ == "__main__":
    sys.exit(main())
