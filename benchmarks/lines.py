"""Measures the line readers on labelled lines, greedy against beam search, with 95 % intervals; prints a table.

Sets are folders with a manifest.jsonl of image, text and split. Composed numbers are put together from the test digits
of MNIST (idx files): one to eight digits in a row, their pictures overlapping by up to a quarter.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from reader.bundle import DEFAULT_FOLDER, load_bundle
from reader.confidence import expected_calibration_error, honest_calibration_error
from reader.image import ImageError, load_image
from reader.line_metrics import LineMeasures
from reader.lines import LineReader
from reader.types import UInt8
from training.idx_digits import DigitError, read_idx

#: Set -> task.
SETS = {
    "captcha_v2": "captcha",
    "plates_lprnet": "plate",
    "plates_ccpd": "plate",
    "prices_rub": "price",
    "handwritten_meza": "handwritten",
}
COMPOSED = "mnist"
WAYS = {"greedy": 1, "beam": 10}
HEADER = (
    "| set | lines | greedy | beam 10 | without the province | CER (beam 10) | ECE (by chance alone) "
    "| ms a line: greedy, beam 10 |"
)

EXAMPLES = """examples:
  python benchmarks/lines.py --data lines
  python benchmarks/lines.py --data lines --sets plates_ccpd --split train --models deploy/models
"""

Line = tuple[UInt8, str]


@dataclass
class Measured:
    """The answers on one set, by the way of decoding."""

    measures: dict[str, LineMeasures]
    seconds: dict[str, list[float]]
    sure: list[float]
    right: list[bool]


def measure(reader: LineReader, lines: Sequence[Line], title: str, plates: bool) -> Measured:
    """Reads every line in both ways."""
    found = Measured({way: LineMeasures(plates) for way in WAYS}, {way: [] for way in WAYS}, [], [])
    for image, text in tqdm(lines, desc=title, unit="line", leave=False, disable=None):
        for way, beam in WAYS.items():
            start = perf_counter()
            result = reader.read(image, beam=beam, min_confidence=0.0)
            found.seconds[way].append(perf_counter() - start)
            found.measures[way].update(result.text, text)
        found.sure.append(result.confidence)
        found.right.append(result.text == text)
    return found


def row(name: str, found: Measured) -> str:
    """One line of the table."""
    greedy, beam = (found.measures[way].summary() for way in WAYS)
    apart = str(beam["lines_without_first"]["accuracy"]) if "lines_without_first" in beam else "-"
    times = ", ".join(f"{1000 * float(np.median(found.seconds[way])):.1f}" for way in WAYS)
    cells = [
        name,
        str(len(found.right)),
        str(greedy["lines"]["accuracy"]),
        str(beam["lines"]["accuracy"]),
        apart,
        str(beam["characters"]["cer"]),
        f"{expected_calibration_error(found.sure, found.right):.3f} ({honest_calibration_error(found.sure):.3f})",
        times,
    ]
    return "| " + " | ".join(cells) + " |"


def lines_of(folder: Path, split: str) -> Iterator[Line]:
    """The lines of a set in the JSONL form; one whose picture is broken is left out with a line on stderr."""
    for text in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(text)
        if record.get("split") != split:
            continue
        try:
            yield load_image(folder / record["image"]), record["text"]
        except ImageError as error:
            print(f"left out: {error}", file=sys.stderr)


def composed(folder: Path, count: int, seed: int = 0) -> Iterator[Line]:
    """Numbers of one to eight of MNIST's test digits, white on black."""
    pictures, labels = read_idx(folder, "t10k-images-idx3-ubyte", 3), read_idx(folder, "t10k-labels-idx1-ubyte", 1)
    rng = np.random.default_rng(seed)
    for _ in range(count):
        chosen = rng.integers(len(labels), size=int(rng.integers(1, 9)))
        steps = np.concatenate([[0], rng.integers(21, 29, len(chosen) - 1)]).cumsum()
        row = np.zeros((28, int(steps[-1]) + 28), np.uint8)
        for left, index in zip(steps, chosen, strict=True):
            row[:, left : left + 28] = np.maximum(row[:, left : left + 28], pictures[index])
        yield np.repeat(row[..., None], 3, axis=2), "".join(str(labels[index]) for index in chosen)


def main(arguments: list[str] | None = None) -> int:
    """Flags, then the table; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of sets with a manifest.jsonl each, and mnist/")
    add("--sets", nargs="+", choices=[*SETS, COMPOSED], default=[*SETS, COMPOSED], help="(default: all)")
    add("--split", default="test", help="(default: %(default)s)")
    add("--composed", type=int, default=500, metavar="N", help="composed numbers (default: %(default)s)")
    add("--models", type=Path, default=DEFAULT_FOLDER, help="bundle folder (default: deploy/models)")
    add("--runtime", default="auto", help="auto, onnx, onnx_float32 or savedmodel (default: auto)")
    add("--threads", type=int, default=1, help="(default: %(default)s)")
    args = parser.parse_args(arguments)
    try:
        known = load_bundle(args.models).lines
        print(f"{HEADER}\n|{'---|' * HEADER.count(' | ')}---|")
        for name in args.sets:
            task = SETS.get(name, "handwritten")
            if task not in known:
                print(f"left out: {name}: no line reader for {task!r} in {args.models}", file=sys.stderr)
                continue
            folder = args.data / name
            lines = list(composed(folder, args.composed) if name == COMPOSED else lines_of(folder, args.split))
            if not lines:
                print(f"left out: {name}: no lines of the split {args.split!r}", file=sys.stderr)
                continue
            reader = LineReader.load(task, args.models, args.runtime, args.threads)
            found = measure(reader, lines, name, task == "plate")
            print(row(f"{name} (composed)" if name == COMPOSED else name, found), flush=True)
    except (OSError, ValueError, DigitError) as error:
        print(f"lines.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
