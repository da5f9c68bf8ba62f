"""From the flags of test_both_stages.py to its report, with networks of this machine or through a server."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from reader.image import write_atomic
from retinanet.evaluate_both import BothResult, describe, evaluate
from retinanet.labelled_photos import Gathered, gather
from retinanet.server_reader import ServerReader

EXAMPLES = """examples:
  python test_both_stages.py --images photos --labels_stage1 labels1.json --labels_stage2 labels2.json \\
      --dataset datasets/my_meters
  python test_both_stages.py ... --classes analog digital --failures out/failures --json out/both.json
  python test_both_stages.py ... --server http://localhost:8080

Tested is every labelled analog photo of the stage 2 set's test split. Photos and cut-out displays belong together by
name: photo.jpg and cropped_photo.jpg. A reading is right when its whole text equals the text that the labelled boxes
give. Stage 1 lost a reading when its corners or its class are wrong, or when the reading would have been right with
the labelled corners; stage 2 lost the others."""
_LISTED = 20


def parser() -> argparse.ArgumentParser:
    """The flags of test_both_stages.py."""
    made = argparse.ArgumentParser(
        description="Tests both stages together: photo in, reading out, compared with the labels.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("--images", type=Path, required=True, metavar="DIR", help="the photos")
    add("--labels_stage1", type=Path, required=True, metavar="JSON", help="Label Studio export: displays on photos")
    add("--labels_stage2", type=Path, required=True, metavar="JSON", help="Label Studio export: digits on displays")
    add("--dataset", type=Path, required=True, metavar="PATH", help="stage 2 set, whose splits count")
    add("--split", default="test", choices=("train", "validation", "test"), help="(default: %(default)s)")
    legible = ("analog", "digital")
    add("--classes", nargs="+", choices=legible, default=["analog"], help="displays to test (default: analog)")
    add("--model_stage1", type=Path, default=Path("retinanet/stage1.keras"), help="(default: %(default)s)")
    add("--model_stage2", type=Path, default=Path("retinanet/stage2.keras"), help="(default: %(default)s)")
    add("--server", metavar="URL", help="read through this server, not with the models, such as http://localhost:8080")
    add("--failures", type=Path, metavar="DIR", help="write an annotated picture of every miss")
    add("--json", type=Path, metavar="FILE", help="write all figures and every photo")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs test_both_stages.py; the exit code."""
    args = parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        gathered = gather(args.images, args.labels_stage1, args.labels_stage2, args.dataset, args.split, args.classes)
        print(told_left_out(gathered))
        if not gathered.cases:
            raise ValueError("no photo to test is left")
        result = _evaluate(args, gathered)
        print(describe(result))
        for name in result.unreadable:
            print(f"unreadable: {name}")
        if args.json:
            args.json.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(args.json, (json.dumps(to_json(result, gathered), indent=1) + "\n").encode())
        if args.failures:
            print(f"{sum(bool(o.lost) for o in result.outcomes)} misses drawn in {args.failures}")
    except (OSError, ValueError) as error:
        print(f"test_both_stages.py: {error}", file=sys.stderr)
        return 1
    return 0


def _evaluate(args: argparse.Namespace, gathered: Gathered) -> BothResult:
    def progress(cases: Any) -> Any:
        return tqdm(cases, desc="photos", unit="photo")

    if args.server:
        server = ServerReader(args.server)
        return evaluate(gathered.cases, server.read, None, args.failures, progress)
    from retinanet.runtime import keras_reader  # TensorFlow: not needed with a server

    reader = keras_reader(args.model_stage1, args.model_stage2)

    def read(path: Path) -> Any:
        return next(iter(reader.read_many([path])))  # an unreadable picture gives a result with its error

    return evaluate(gathered.cases, read, reader, args.failures, progress)


def told_left_out(gathered: Gathered) -> str:
    """What is tested, and what is not and why, as text."""
    lines = [f"{len(gathered.cases)} photos to test"]
    for reason, names in sorted(gathered.left_out.items()):
        lines.append(f"left out, {reason}: {len(names)}")
        lines += [f"  {name}" for name in names[:_LISTED]]
        if len(names) > _LISTED:
            lines.append(f"  ... and {len(names) - _LISTED} more (all in --json)")
    return "\n".join(lines)


def to_json(result: BothResult, gathered: Gathered) -> dict[str, Any]:
    """The summary, what was left out and every photo, as JSON values."""
    photos = [
        {
            "name": o.case.name,
            "truth": o.case.truth,
            "answer": o.result.text,
            "success": o.result.success,
            "reason": o.result.reason,
            "with_true_corners": o.given,
            "confidence": round(o.result.confidence, 4),
            "iou": None if math.isnan(o.iou) else round(o.iou, 4),
            "lost_by": o.lost,
            "milliseconds": round(1000 * o.seconds, 1),
        }
        for o in result.outcomes
    ]
    return {**result.summary(), "left_out": gathered.left_out, "photos_in_detail": photos}
