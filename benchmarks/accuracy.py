"""Measures the reader on labelled photos: corners, class, digits and readings, stage by stage and end to end.

Sets are folders with a manifest.jsonl (see `make_dataset.py labelstudio --help`). Only records of the asked split are
measured, by default "test". Readings count as numbers: zeros in front and zeros behind the last decimal do not matter.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.records import records
from reader.confidence import expected_calibration_error
from reader.draw import panel
from reader.geometry import quad_iou
from reader.image import ImageError, encode_jpeg, load_image, write_atomic
from reader.metrics import CharacterErrorRate, CornerAccuracy, same_number, share_of
from reader.pipeline import Found, MeterReader
from reader.symbols import STAGE1_CLASSES
from reader.types import Display, UInt8

EXAMPLES = """examples:
  python benchmarks/accuracy.py --data meters
  python benchmarks/accuracy.py --data meters --sets toloka_water --failures out/failures --json out/accuracy.json
  python benchmarks/accuracy.py --data meters --stage1 retinanet/stage1.keras --stage2 retinanet/stage2.keras
"""


@dataclass
class SetResult:
    """What was measured on one set.

    Attributes:
        corners: of the photos.
        classes: whether the class was right, of the photos whose display is labelled.
        given: whether each reading was right with the true corners.
        whole: whether each reading was right from the photo alone.
        confidences: of the readings from the photo, 0 where there was none.
        characters: digits of the readings from the photo against the truth.
        times: milliseconds by step, one a photo.
        misses: what went wrong, a line each.
    """

    corners: CornerAccuracy = field(default_factory=CornerAccuracy)
    classes: list[bool] = field(default_factory=list)
    given: list[bool] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    confidences: list[float] = field(default_factory=list)
    characters: CharacterErrorRate = field(default_factory=CharacterErrorRate)
    times: dict[str, list[float]] = field(default_factory=dict)
    misses: list[dict[str, Any]] = field(default_factory=list)


def measure(reader: MeterReader, folder: Path, chosen: Iterable[dict[str, Any]], failures: Path | None) -> SetResult:
    """Reads every record twice: from its true corners and from the picture alone."""
    result = SetResult()
    for record in tqdm(list(chosen), desc=folder.name, unit="photo", leave=False, disable=None):
        try:
            photo = load_image(folder / record["image"])
        except ImageError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        truth = record["reading"]
        corners = record.get("corners")
        if record["kind"] == "display_crop" and corners is None:
            h, w = photo.shape[:2]
            corners = [[0, 0], [w, 0], [w, h], [0, h]]
        given = _given(reader, photo, corners, record) if corners else None
        if given is not None:
            result.given.append(same_number(given, truth))
        if record["kind"] == "full_photo":
            _end_to_end(reader, folder, record, photo, given, result, failures)
    return result


def _given(reader: MeterReader, photo: UInt8, corners: list[list[float]], record: dict[str, Any]) -> str:
    kind = STAGE1_CLASSES.index(record.get("cls") or "analog")
    display = Display(np.array(corners, np.float32), kind, 1.0, np.eye(4, dtype=np.float32)[kind])
    return reader.read_display(photo, Found(display, 1.0)).reading.text


def _end_to_end(
    reader: MeterReader,
    folder: Path,
    record: dict[str, Any],
    photo: UInt8,
    given: str | None,
    result: SetResult,
    failures: Path | None,
) -> None:
    truth = record["reading"]
    answer = reader.read(photo, name=record["image"])
    if record.get("corners"):
        result.corners.update(answer.corners, record["corners"])
    if record.get("cls") or record.get("corners"):  # a labelled display is analog unless it says otherwise
        result.classes.append(answer.counter_class == (record.get("cls") or "analog"))
    right = answer.success and same_number(answer.text, truth)
    result.whole.append(right)
    result.confidences.append(answer.confidence if answer.text else 0.0)
    result.characters.update(_plain(answer.text), _plain(truth))
    for step, seconds in answer.times.items():
        result.times.setdefault(step, []).append(seconds * 1000)
    if right:
        return
    iou, lost = 0.0, "unknown: the set has no corners"
    if record.get("corners"):
        if answer.corners is not None:
            iou = quad_iou(answer.corners, record["corners"])
        lost = "stage 1" if iou < 0.75 or (given is not None and same_number(given, truth)) else "stage 2"
    miss = {
        "image": record["image"],
        "truth": truth,
        "answer": answer.text,
        "with true corners": given,
        "confidence": round(answer.confidence, 3),
        "reason": answer.reason,
        "iou": round(iou, 3),
        "lost by": lost,
    }
    result.misses.append(miss)
    if failures is not None:
        name = f"{folder.name}_{Path(record['image']).stem}.jpg"
        write_atomic(failures / name, encode_jpeg(panel(photo, answer)))


def _plain(reading: str) -> str:
    """Without what does not count: zeros before, zeros after the last decimal."""
    whole, point, part = reading.partition(".")
    part = part.rstrip("0")
    return (whole.lstrip("0") or "0") + (point + part if part else "")


def table(results: dict[str, SetResult]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| set | photos | corner IoU > 0.75 | mean IoU | class | reading, true corners | reading, end to end "
        "| digits right | ECE | ms (50 %): load, stage 1, stage 2 |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, r in results.items():
        corners = r.corners.summary() if r.corners.ious else {}
        times = ", ".join(f"{np.median(v):.0f}" for v in r.times.values())
        digits = f"{100 * (1 - r.characters.summary()['character_error_rate']):.1f} %" if r.whole else "-"
        ece = f"{expected_calibration_error(r.confidences, r.whole):.3f}" if r.whole else "-"
        good = corners["found"] if corners else "-"
        mean = f"{np.mean(r.corners.ious):.3f}" if corners else "-"
        cells = [name, str(max(len(r.whole), len(r.given))), good, mean, _share(r.classes), _share(r.given)]
        lines.append("| " + " | ".join(map(str, [*cells, _share(r.whole), digits, ece, times or "-"])) + " |")
    return "\n".join(lines)


def _share(hits: list[bool]) -> str:
    return str(share_of(sum(hits), len(hits))) if hits else "-"


def main(arguments: list[str] | None = None) -> int:
    """Flags, then the table; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of sets (or above a folder 'meters' of sets)")
    parser.add_argument("--sets", nargs="+", help="names of sets (default: all that have records of the split)")
    parser.add_argument("--split", default="test", help="(default: %(default)s)")
    parser.add_argument("--names", type=Path, help="file with one photo name (without extension) a line: only these")
    parser.add_argument("--models", type=Path, help="bundle folder (default: deploy/models)")
    parser.add_argument("--stage1", type=Path, help="a .keras file instead of the bundle; with --stage2")
    parser.add_argument("--stage2", type=Path)
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--failures", type=Path, metavar="DIR", help="annotated pictures of what was read wrong")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures and every miss")
    args = parser.parse_args(arguments)
    if bool(args.stage1) != bool(args.stage2):
        parser.error("--stage1 and --stage2 belong together")
    try:
        if args.stage1:
            from retinanet.runtime import keras_reader

            reader = keras_reader(args.stage1, args.stage2)
        else:
            reader = MeterReader.load(args.models, args.runtime)
        results = _run(reader, args)
    except (OSError, ValueError) as error:
        print(f"accuracy.py: {error}", file=sys.stderr)
        return 1
    print(table(results))
    return 0


def _run(reader: MeterReader, args: argparse.Namespace) -> dict[str, SetResult]:
    root = args.data / "meters" if (args.data / "meters").is_dir() else args.data
    folders = (
        [root / name for name in args.sets] if args.sets else sorted(p.parent for p in root.glob("*/manifest.jsonl"))
    )
    names = set(args.names.read_text().split()) if args.names else None
    if args.failures:
        args.failures.mkdir(parents=True, exist_ok=True)
    results = {}
    for folder in folders:
        chosen = records(folder, args.split, names)
        if chosen:
            results[folder.name] = measure(reader, folder, chosen, args.failures)
    if not results:
        raise ValueError(f"{root}: no set with readings in the split {args.split!r}")
    if args.json:
        content = {
            name: {"right": sum(r.whole), "of": len(r.whole), "given_right": sum(r.given), "misses": r.misses}
            for name, r in results.items()
        }
        write_atomic(args.json, json.dumps(content, indent=1).encode())
    return results


if __name__ == "__main__":
    sys.exit(main())
