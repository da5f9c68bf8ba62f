"""Training sets in one file that is read without TensorFlow: a zip of WebP pictures and one index.

Use: python -m accelerated.packs stage1 --dataset_path datasets/mine datasets/made --mix 2 1 --out stage1.zip
"""

from __future__ import annotations

import argparse
import json
import sys
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from training.datasets import Stage1Sample, Stage2Sample, load_stage1, load_stage2
from training.flags import check_mix, positive, rate
from training.labelstudio import DatasetError
from training.line_sets import LineSample, load_lines
from training.run import Weighted
from training.single_digits import load_digits

KINDS = ("stage1", "displays", "lines")
_INDEX = "index.json"
_FORMAT = 1

EXAMPLES = """examples:
  python -m accelerated.packs stage1 --dataset_path datasets/mine datasets/made --mix 2 1 --out stage1.zip
  python -m accelerated.packs displays --dataset_path datasets/mine --digits digits/manifest.jsonl --out displays.zip
  python -m accelerated.packs lines --dataset_path datasets/numbers --out numbers.zip
"""


def write_pack(
    path: Path, kind: str, sets: Sequence[Weighted], digits: Iterable[tuple[int, np.ndarray]] = (), quality: int = 88
) -> None:
    """Writes a pack whole or not at all.

    Args:
        path: the file.
        kind: one of `KINDS`; says what the samples are.
        sets: samples, and how often each set is drawn.
        digits: single digits to exchange those of displays for.
        quality: of WebP, 1 to 100.
    """
    index: dict[str, Any] = {"format": _FORMAT, "kind": kind, "sets": [], "digits": []}
    partial = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            for number, one in enumerate(sets):
                told = []
                for place, sample in enumerate(
                    tqdm(one.samples, desc=f"set {number + 1} of {len(sets)}", disable=None)
                ):
                    name = f"{number}/{place}.webp"
                    archive.writestr(name, _encoded(sample.image, quality))
                    told.append({"picture": name, "name": sample.name, **_labels(sample)})
                index["sets"].append({"weight": one.weight, "samples": told})
            for place, (digit, picture) in enumerate(digits):
                archive.writestr(f"digits/{place}.webp", _encoded(picture, 95))
                index["digits"].append([f"digits/{place}.webp", int(digit)])
            archive.writestr(zipfile.ZipInfo(_INDEX), json.dumps(index), zipfile.ZIP_DEFLATED)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_pack(path: Path, kind: str) -> tuple[list[Weighted], list[tuple[int, np.ndarray]]]:
    """The sets and the single digits of a pack.

    Raises:
        DatasetError: no such file, no pack, or one of another kind.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            index = json.loads(archive.read(_INDEX))
            if index["format"] != _FORMAT or index["kind"] != kind:
                raise DatasetError(f"{path}: a pack of {kind} wanted; {index['kind']} (format {index['format']}) came")
            sets = [
                Weighted(
                    [_sample(kind, told, _decoded(archive, told["picture"])) for told in one["samples"]], one["weight"]
                )
                for one in index["sets"]
            ]
            return sets, [(digit, _decoded(archive, name)) for name, digit in index["digits"]]
    except DatasetError:
        raise
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path}: a pack of {kind} wanted ({error})") from error


def _labels(sample: Any) -> dict[str, Any]:
    if isinstance(sample, LineSample):
        return {"text": sample.text}
    places = sample.corners if isinstance(sample, Stage1Sample) else sample.boxes
    return {"places": np.round(places, 3).tolist(), "labels": np.asarray(sample.labels).tolist()}


def _sample(kind: str, told: dict[str, Any], image: np.ndarray) -> Any:
    if kind == "lines":
        return LineSample(image, str(told["text"]), str(told["name"]))
    labels = np.array(told["labels"], np.int64)
    shape = (-1, 4, 2) if kind == "stage1" else (-1, 4)
    places = np.array(told["places"], np.float32).reshape(shape)
    return (Stage1Sample if kind == "stage1" else Stage2Sample)(image, places, labels, str(told["name"]))


def _encoded(image: np.ndarray, quality: int) -> bytes:
    done, data = cv2.imencode(".webp", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, quality])
    if not done:
        raise DatasetError(f"a picture of {image.shape} cannot be written as WebP")
    return bytes(data)


def _decoded(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f"{name} is no picture")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def main(arguments: list[str] | None = None) -> int:
    """Flags, then one call; the exit code."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("accelerated.packs", description=__doc__, epilog=EXAMPLES, formatter_class=form)
    add = parser.add_argument
    add("kind", choices=KINDS, help="photos, rectified displays, or lines of characters")
    add("--dataset_path", nargs="+", type=Path, required=True, metavar="PATH", help="TFDS sets; their split train")
    add("--mix", nargs="+", type=rate, metavar="W", help="how often each set is drawn (default: by its size)")
    add("--digits", nargs="+", type=Path, default=[], metavar="JSONL", help="single digits, with displays")
    add("--max_side", type=positive, help="pictures are kept no larger (default: 512 photos, 400 displays, 96 lines)")
    add("--out", type=Path, required=True, metavar="FILE")
    args = parser.parse_args(arguments)
    try:
        check_mix(args)
        loads: dict[str, Any] = {
            "stage1": lambda path: load_stage1([path], "train", args.max_side or 512),
            "displays": lambda path: load_stage2([path], "train", args.max_side or 400),
            "lines": lambda path: load_lines([path], "train", args.max_side or 96),
        }
        found = [loads[args.kind](path) for path in args.dataset_path]
        for path, samples in zip(args.dataset_path, found, strict=True):
            if not samples:
                raise DatasetError(f"{path}: the split 'train' is empty")
        weights = args.mix or [float(len(samples)) for samples in found]
        sets = [Weighted(samples, weight) for samples, weight in zip(found, weights, strict=True)]
        write_pack(args.out, args.kind, sets, load_digits(args.digits))
    except (OSError, ValueError) as error:  # DatasetError is a ValueError
        print(f"accelerated.packs: {error}", file=sys.stderr)
        return 1
    print(f"{args.out}: {sum(len(samples) for samples in found)} pictures, {args.out.stat().st_size / 2**20:.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
