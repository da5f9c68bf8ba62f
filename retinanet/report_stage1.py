"""From the flags of test_stage1.py to its report: printed, as JSON, as pictures."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from reader.image import write_atomic
from retinanet.evaluate_stage1 import Stage1Result, describe, evaluate
from training.datasets import DatasetError, Stage1Sample, load_stage1
from training.flags import boolean, positive
from training.plots import confusion_plot, histograms
from training.preview import Tile, write_sheet

EXAMPLES = """examples:
  python test_stage1.py --model retinanet/stage1.keras --dataset datasets/my_meters
  python test_stage1.py --model retinanet/stage1.keras --dataset datasets/my_meters --binary False --report out/stage1
  python test_stage1.py --dataset datasets/my_meters --split validation --json out/stage1.json
"""
_WORST = 24


def parser() -> argparse.ArgumentParser:
    """The flags of test_stage1.py."""
    made = argparse.ArgumentParser(
        description="Tests stage 1 on a set: which class was taken for which, how well the corners are found.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("--model", type=Path, default=Path("retinanet/stage1.keras"), metavar="FILE", help="(default: %(default)s)")
    add("--dataset", required=True, metavar="PATH", help="TFDS set: its own folder or the data_dir above it")
    add(
        "--binary",
        nargs="?",
        const=True,
        default=True,
        type=boolean,
        metavar="True|False",
        help="True: analog or digital; False: the four classes (default: True)",
    )
    add("--split", default="test", choices=("train", "validation", "test"), help="(default: %(default)s)")
    add("--max_side", type=positive, default=1024, help="photos are kept no larger than this (default: %(default)s)")
    add("--threshold", type=float, help="lowest score of a display (default: as the reader has it)")
    add("--json", type=Path, metavar="FILE", help="write all figures")
    add("--report", type=Path, metavar="DIR", help="write confusion.png, corners.png and worst.png")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs test_stage1.py; the exit code."""
    args = parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        samples = load_stage1([args.dataset], args.split, max_side=args.max_side)
        if not samples:
            raise DatasetError(f"{args.dataset}: the split {args.split!r} is empty")
        from retinanet.runtime import stage1_reader  # TensorFlow: only when there is something to test

        result = evaluate(
            stage1_reader(args.model, args.threshold),
            samples,
            args.binary,
            lambda all_samples: tqdm(all_samples, desc="photos", unit="photo"),
        )
        print(describe(result))
        if args.json:
            args.json.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(args.json, (json.dumps(to_json(result), indent=1) + "\n").encode())
        if args.report:
            write_report(args.report, result, samples)
            print(f"pictures: {args.report}")
    except (OSError, ValueError) as error:
        print(f"test_stage1.py: {error}", file=sys.stderr)
        return 1
    return 0


def to_json(result: Stage1Result) -> dict[str, object]:
    """The summary and every photo, as JSON values."""
    photos = [
        {
            "name": answer.name,
            "truth": result.classes[answer.truth],
            "answer": result.classes[answer.answer],
            "iou": round(answer.iou, 4),
            "error": None if math.isnan(answer.error) else round(answer.error, 4),
            "score": round(answer.score, 4),
        }
        for answer in result.answers
    ]
    return {**result.summary(), "photos_in_detail": photos}


def write_report(folder: Path, result: Stage1Result, samples: Sequence[Stage1Sample]) -> None:
    """Writes the confusion matrix, the histograms of the corners, and the photos with the least overlap."""
    confusion_plot(folder / "confusion.png", result.counts, result.classes, result.classes)
    shown = result.with_display()
    errors = [100 * answer.error for answer in shown if not math.isnan(answer.error)]
    histograms(
        folder / "corners.png",
        {
            "corner IoU, photos": ([answer.iou for answer in shown], (0, 1)),
            "corner error in % of the display's width": (errors, (0, 20)),
        },
    )
    pairs = zip(result.answers, samples, strict=True)
    labelled = [pair for pair in pairs if len(pair[1].corners)]
    worst = sorted(labelled, key=lambda pair: (pair[0].iou, -pair[0].error))[:_WORST]
    tiles = []
    for answer, sample in worst:
        found = [] if answer.corners is None else [answer.corners]
        shapes = np.concatenate([sample.corners, np.reshape(found, (-1, 4, 2))])
        colours = np.array([0] * len(sample.corners) + [3] * len(found))  # green: labelled, red: found
        texts = [""] * len(sample.corners) + [result.classes[answer.answer]] * len(found)
        tiles.append(Tile(sample.image, shapes, colours, texts, f"{answer.iou:.2f} {sample.name}"))
    write_sheet(folder / "worst.png", tiles, columns=6, cell=(256, 256))
