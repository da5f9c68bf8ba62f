"""From the flags of test_lines.py to its report: printed, as JSON, as a folder of tables and pictures."""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from crnn.evaluate_lines import LineAnswer, LinesResult, describe, evaluate
from crnn.line_causes import QUALITIES
from crnn.sheets import LAYOUT
from reader.bundle import DEFAULT_FOLDER
from reader.confidence import reliability, risk_coverage
from reader.image import write_atomic
from reader.line_pattern import LinePattern
from reader.runtime import RUNTIMES
from training.datasets import DatasetError
from training.flags import positive
from training.line_sets import LineSample, load_lines
from training.plots import confidence_plot, share_bars
from training.preview import Tile, write_sheet

if TYPE_CHECKING:
    from reader.lines import LineReader

EXAMPLES = """examples:
  python test_lines.py --task plate --dataset_path datasets/plates --out out/plates
  python test_lines.py --task captcha --dataset_path datasets/captchas --model crnn/captcha.keras --greedy
  python test_lines.py --task price --dataset_path datasets/prices --pattern '\\d{1,6}' --min_confidence 0.9
  python test_lines.py --task handwritten --dataset_path datasets/numbers --out out/numbers --doubtful 0.8
"""
_WORST = 60


def parser() -> argparse.ArgumentParser:
    """The flags of test_lines.py."""
    made = argparse.ArgumentParser(
        description="Tests a line reader on sets: whole lines, characters, confidence, and what went wrong.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("--task", required=True, help="price, plate, captcha, handwritten, or a task of one's own")
    add("--dataset_path", nargs="+", required=True, metavar="SET", help="TFDS set(s): own folder or data_dir above it")
    add("--split", default="test", choices=("train", "validation", "test"), help="(default: %(default)s)")
    add(
        "--model",
        type=Path,
        default=DEFAULT_FOLDER,
        metavar="PATH",
        help="folder of exported models, or a .keras file (default: deploy/models)",
    )
    add("--runtime", default="auto", choices=("auto", *RUNTIMES), help="of exported models (default: %(default)s)")
    way = made.add_mutually_exclusive_group()
    way.add_argument("--beam", type=positive, metavar="N", help="width of the beam search (default: as the reader has)")
    way.add_argument("--greedy", action="store_true", help="the best class of each step, without pattern and lengths")
    add("--pattern", help="what a line looks like, such as '[A-Z]\\d{3}'; '' for anything (default: as the reader has)")
    add("--min_confidence", type=share, help="refuse readings below (default: as the reader has)")
    add(
        "--doubtful", type=share, default=0.9, help="a label is doubtful from this confidence on (default: %(default)s)"
    )
    add("--out", type=Path, metavar="DIR", help="write the error report: text, tables and pictures")
    add("--json", type=Path, metavar="FILE", help="write all figures")
    return made


def share(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"a number from 0 to 1 wanted, {text!r} came")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs test_lines.py; the exit code."""
    made = parser()
    args = made.parse_args(arguments)
    if args.greedy and args.pattern:
        made.error("--greedy knows no pattern; --beam 1 follows one")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        if args.pattern:
            LinePattern.parse(args.pattern)
        reader = open_reader(args.model, args.task, args.runtime)
        samples = load_lines(args.dataset_path, args.split)
        if not samples:
            raise DatasetError(f"{', '.join(args.dataset_path)}: the split {args.split!r} is empty")
        result = evaluate(
            reader,
            samples,
            1 if args.greedy else args.beam,
            "" if args.greedy else args.pattern,
            args.min_confidence,
            lambda all_samples: tqdm(all_samples, desc="lines", unit="line", disable=None),
        )
        print(describe(result, args.doubtful))
        if args.json:
            args.json.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(args.json, (json.dumps(to_json(result, args.doubtful), indent=1) + "\n").encode())
        if args.out:
            write_report(args.out, result, samples, args.doubtful)
            print(f"report: {args.out}")
    except (OSError, ValueError) as error:
        print(f"test_lines.py: {error}", file=sys.stderr)
        return 1
    return 0


def open_reader(model: Path, task: str, runtime: str = "auto") -> LineReader:
    """The reader of a bundle's folder or of a .keras file.

    Raises:
        ValueError: neither of them, or of another task.
    """
    if model.suffix == ".keras":
        from crnn.runtime import line_reader  # Keras: only for its own files

        return line_reader(model, task)
    from reader.lines import LineReader

    return LineReader.load(task, model, runtime)


def to_json(result: LinesResult, doubtful: float) -> dict[str, Any]:
    """The summary and every line, as JSON values."""
    lines = [dict(zip(_COLUMNS, row, strict=True)) for row in _rows(result, result.answers)]
    return {**result.summary(doubtful), "lines_in_detail": lines}


def write_report(folder: Path, result: LinesResult, samples: Sequence[LineSample], doubtful: float) -> None:
    """Writes the error report.

    report.txt is what is printed; lines.csv has every line, the worst first; doubtful.csv those whose labels may be
    wrong; confusions.csv the confused characters; worst_by_loss.png and worst_by_cer.png show lines with truth and
    reading; accuracy_by.png and confidence.png are drawn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "report.txt", (describe(result, doubtful) + "\n").encode())
    _write_csv(folder / "lines.csv", _COLUMNS, _rows(result, result.worst_by_loss()))
    _write_csv(folder / "doubtful.csv", _COLUMNS, _rows(result, result.doubtful(doubtful)))
    confusions = result.measures.characters.confusions()
    _write_csv(folder / "confusions.csv", ("truth", "read", "times"), confusions)
    pictures = {id(answer): sample for answer, sample in zip(result.answers, samples, strict=True)}
    for name, worst in (("loss", result.worst_by_loss()), ("cer", result.worst_by_cer())):
        tiles = [_tile(answer, pictures[id(answer)]) for answer in worst[:_WORST]]
        write_sheet(folder / f"worst_by_{name}.png", tiles, *LAYOUT)
    panels = {f"{name}, {unit}": [(b.name, b.right) for b in result.bins(name)] for name, unit in QUALITIES.items()}
    share_bars(folder / "accuracy_by.png", panels)
    confidences = [answer.confidence for answer in result.answers]
    rejected = np.linspace(0, 0.5, 51).tolist()
    confidence_plot(
        folder / "confidence.png",
        reliability(confidences, result.right),
        risk_coverage(confidences, result.right, rejected),
    )


_COLUMNS = (
    "name",
    "truth",
    "reading",
    "answered",
    "right",
    "confidence",
    "loss",
    "distance",
    "cer",
    "causes",
    *QUALITIES,
)


def _rows(result: LinesResult, answers: Iterable[LineAnswer]) -> list[list[Any]]:
    causes = {id(answer): names for answer, names in zip(result.answers, result.causes, strict=True)}
    return [
        [
            answer.name,
            answer.truth,
            answer.reading,
            answer.accepted,
            answer.right,
            round(answer.confidence, 4),
            None if math.isinf(answer.loss) else round(answer.loss, 4),
            answer.distance,
            round(answer.cer, 4),
            " ".join(causes[id(answer)]),
            *(round(answer.qualities[name], 1) for name in QUALITIES),
        ]
        for answer in answers
    ]


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_atomic(path, text.getvalue().encode("utf-8"))


def _tile(answer: LineAnswer, sample: LineSample) -> Tile:
    loss = "never" if math.isinf(answer.loss) else f"{answer.loss:.1f}"
    caption = f"{answer.truth} = {loss}" if answer.right else f"{answer.truth} > {answer.reading or '-'} {loss}"
    return Tile(sample.image, np.zeros((0, 4), np.float32), np.zeros(0, np.int64), [], caption)
