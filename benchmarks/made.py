"""Measures the reader on freshly made photos: legible ones read right, illegible and meterless ones refused."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from reader.metrics import same_number, share_of
from reader.pipeline import MeterReader
from synthesis.meter import make_photo

EXAMPLES = """examples:
  python benchmarks/made.py --count 300 --seed 999
"""


def main(arguments: list[str] | None = None) -> int:
    """Flags, then the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=300, help="photos (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=999, help="one that no training set was made with (default: 999)")
    parser.add_argument("--models", type=Path, help="bundle folder (default: deploy/models)")
    parser.add_argument("--list", action="store_true", help="a line a photo: number, truth, answer, confidence")
    args = parser.parse_args(arguments)
    try:
        reader = MeterReader.load(args.models)
    except (OSError, ValueError) as error:
        print(f"made.py: {error}", file=sys.stderr)
        return 1
    hits: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    for index in tqdm(range(args.count), unit="photo", disable=None):
        photo = make_photo(np.random.default_rng([args.seed, index]))
        answer = reader.read(photo.image)
        if photo.reading is not None:
            kind, good = f"{photo.counter_class}: read right", same_number(answer.text, photo.reading)
            hits["legible: kept"] += answer.reason not in ("illegible", "no_display")
            totals["legible: kept"] += 1
        elif photo.corners is not None:
            kind, good = "illegible: refused", not answer.success
        else:
            kind, good = "without a meter: refused", not answer.success
        hits[kind] += good
        totals[kind] += 1
        if args.list:
            print(index, photo.counter_class, photo.reading, answer.text, answer.reason, round(answer.confidence, 3))
    print("| made photos | share |\n|---|---|")
    for kind in sorted(totals):
        print(f"| {kind} | {share_of(hits[kind], totals[kind])} of {totals[kind]} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
