"""Divides a set by meters for cross-validation: the same meter is never trained on and measured.

No set says which meter a photo shows. A meter counts slowly, so photos with nearly the same reading are taken for one
meter; different meters that happen to be close stay together too, which does no harm.

For each fold K of N: fold_K.json says "test" for its photos, "validation" for those of the next fold and "train" for
all others, for `make_dataset.py stage1/stage2 --split_file`; fold_K.txt names its photos, for
`accuracy.py --split train --names`. Training, exporting and calibrating on fold_K.json and measuring on fold_K.txt,
N times, measures every photo once, each by networks that never saw its meter.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from reader.image import write_atomic
from training.flags import positive

EXAMPLES = """examples:
  python benchmarks/folds.py --manifest jorvkve_electric/manifest.jsonl --folds 5 --out folds/jorvkve
  python make_dataset.py stage1 --labels labels.json --images images --split_file folds/jorvkve/fold_0.json --out sets/0
  python benchmarks/accuracy.py --data meters --sets jorvkve_electric --split train --names folds/jorvkve/fold_0.txt \\
      --models fold_0/models --json fold_0/accuracy.json
"""


def meters(readings: Mapping[str, float], near: float) -> list[list[str]]:
    """Photos by meter: readings that lie closer together than `near`, directly or over others between them.

    Args:
        readings: by the file name of the photo.
        near: as the readings, whole units.

    Returns:
        Names, in the order of the readings.
    """
    groups: list[list[str]] = []
    last = None
    for name, value in sorted(readings.items(), key=lambda pair: (pair[1], pair[0])):
        if last is None or value - last >= near:
            groups.append([])
        groups[-1].append(name)
        last = value
    return groups


def divide(groups: Sequence[Sequence[str]], folds: int) -> list[list[str]]:
    """Folds of nearly equal size, no group divided.

    Raises:
        ValueError: fewer groups than folds.
    """
    if len(groups) < folds:
        raise ValueError(f"{len(groups)} meters cannot be divided into {folds} folds")
    made: list[list[str]] = [[] for _ in range(folds)]
    for group in sorted(groups, key=lambda each: (-len(each), each[0])):
        min(made, key=len).extend(group)
    return made


def splits(folds: Sequence[Sequence[str]], tested: int) -> dict[str, str]:
    """The split of every photo and its crop when one of the folds is tested; the next one is for validation.

    Args:
        folds: file names of photos.
        tested: number of the fold.

    Returns:
        Splits by file name; crops are called as `make_dataset.py labelstudio` calls them.
    """
    special = {tested: "test", (tested + 1) % len(folds): "validation"}
    made = {}
    for number, fold in enumerate(folds):
        for name in sorted(fold):
            photo = Path(name)
            made[name] = made[f"{photo.stem}-crop{photo.suffix}"] = special.get(number, "train")
    return made


def read_numbers(manifest: Path) -> dict[str, float]:
    """Readings of the photos of a set; where a drum was not labelled ("NaN") it counts as 0.

    Raises:
        ValueError: a photo without a reading: nothing says whose it is.
    """
    found: dict[str, float] = {}
    for line in manifest.read_text(encoding="utf-8").splitlines():
        record: dict[str, Any] = json.loads(line)
        if record["kind"] == "full_photo":
            digits = "".join(digit if digit.isdigit() else "0" for digit in record.get("digits") or ())
            if not (told := record.get("reading") or digits):
                raise ValueError(f"{manifest}: {record['image']} has neither a reading nor digits")
            found[Path(record["image"]).name] = float(told.partition(".")[0])
    return found


def main(arguments: list[str] | None = None) -> int:
    """Flags, then the files of all folds; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--manifest", type=Path, required=True, help="manifest.jsonl of the set")
    parser.add_argument("--folds", type=positive, default=5, metavar="N", help="at least 3 (default: %(default)s)")
    parser.add_argument(
        "--near", type=float, default=100.0, help="closer readings are of the same meter (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    args = parser.parse_args(arguments)
    if args.folds < 3:
        parser.error(f"at least 3 folds wanted, for training, validation and test; {args.folds} came")
    try:
        groups = meters(read_numbers(args.manifest), args.near)
        folds = divide(groups, args.folds)
        args.out.mkdir(parents=True, exist_ok=True)
        for number, fold in enumerate(folds):
            content = json.dumps(splits(folds, number), indent=1, ensure_ascii=False)
            write_atomic(args.out / f"fold_{number}.json", (content + "\n").encode())
            stems = sorted(Path(name).stem for name in fold)
            write_atomic(args.out / f"fold_{number}.txt", ("\n".join(stems) + "\n").encode())
    except (OSError, ValueError, KeyError) as error:
        print(f"folds.py: {error}", file=sys.stderr)
        return 1
    print(f"{len(groups)} meters, {sum(map(len, folds))} photos, by fold: {' '.join(str(len(fold)) for fold in folds)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
