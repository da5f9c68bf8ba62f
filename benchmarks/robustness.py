"""Measures how reading bears what people do to photos: far away, turned, cropped, small, dark, grey, squeezed.

Every photo is changed in each way, and read again; nothing else differs, so the columns can be compared. Prints a table
of the share that is read right, whole and as a number, and in brackets how many are not found or called illegible.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.records import records
from reader.image import ImageError, load_image, resize, through_jpeg
from reader.metrics import same_number
from reader.pipeline import MeterReader
from reader.types import ILLEGIBLE, NO_DISPLAY, UInt8

EXAMPLES = """examples:
  python benchmarks/robustness.py --data meters
  python benchmarks/robustness.py --data meters --sets mine --changes "as it is" "2 times as far" "half as many pixels"
"""

Change = Callable[[UInt8, np.ndarray], UInt8]


def farther(photo: UInt8, times: float) -> UInt8:
    """The photo as a part of one that is `times` as wide and high, on a plain ground of its median colour."""
    h, w = photo.shape[:2]
    high, wide = round(h * times), round(w * times)
    top, left = (high - h) // 3, (wide - w) // 3  # not the middle, where everything is looked for first
    ground = np.empty((high, wide, 3), np.uint8)
    ground[:] = np.median(photo, (0, 1))
    ground[top : top + h, left : left + w] = photo
    return ground


def turned(photo: UInt8, degrees: float) -> UInt8:
    """The whole photo turned counter-clockwise; what is empty then continues its edge."""
    if degrees % 90 == 0:
        return np.ascontiguousarray(np.rot90(photo, round(degrees / 90)))
    h, w = photo.shape[:2]
    matrix = cv2.getRotationMatrix2D((w / 2, h / 2), degrees, 1)
    cos, sin = abs(matrix[0, 0]), abs(matrix[0, 1])
    wide, high = int(h * sin + w * cos), int(h * cos + w * sin)
    matrix[:, 2] += ((wide - w) / 2, (high - h) / 2)
    return np.asarray(cv2.warpAffine(photo, matrix, (wide, high), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def cropped(photo: UInt8, corners: np.ndarray, room: float) -> UInt8:
    """What is left when people crop: the display and so many of its heights around it."""
    height = float(np.hypot(*(corners[3] - corners[0] + corners[2] - corners[1]))) / 2
    h, w = photo.shape[:2]
    x1, y1 = np.maximum(0, corners.min(0) - room * height).astype(int)
    x2, y2 = np.minimum((w, h), np.ceil(corners.max(0) + room * height)).astype(int)
    return np.ascontiguousarray(photo[y1:y2, x1:x2])


def fewer(photo: UInt8, part: float) -> UInt8:
    """The photo in `part` of its pixels along each axis."""
    return resize(photo, (round(photo.shape[0] * part), round(photo.shape[1] * part)))


def squeezed(photo: UInt8, quality: int) -> UInt8:
    """After JPEG."""
    return through_jpeg(photo, quality)


def grey(photo: UInt8) -> UInt8:
    """Without colours."""
    return np.repeat(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)


CHANGES: dict[str, Change] = {
    "as it is": lambda photo, corners: photo,
    "2 times as far": lambda photo, corners: farther(photo, 2),
    "3 times as far": lambda photo, corners: farther(photo, 3),
    "4 times as far": lambda photo, corners: farther(photo, 4),
    "cropped to the display and half its height": lambda photo, corners: cropped(photo, corners, 0.5),
    "turned by 25 degrees": lambda photo, corners: turned(photo, 25),
    "turned by 90 degrees": lambda photo, corners: turned(photo, 90),
    "upside down": lambda photo, corners: turned(photo, 180),
    "half as many pixels": lambda photo, corners: fewer(photo, 0.5),
    "a third as many pixels": lambda photo, corners: fewer(photo, 1 / 3),
    "a third of the light": lambda photo, corners: (photo // 3).astype(np.uint8),
    "without colours": lambda photo, corners: grey(photo),
    "JPEG of quality 15": lambda photo, corners: squeezed(photo, 15),
}


def measure(
    reader: MeterReader, folder: Path, split: str, changes: list[str]
) -> tuple[int, dict[str, tuple[int, int]]]:
    """How many photos a set has, and by change how many are read right and how many are not found or illegible."""
    found = [r for r in records(folder, split) if r["kind"] == "full_photo" and r.get("corners") is not None]
    right, lost, count = dict.fromkeys(changes, 0), dict.fromkeys(changes, 0), 0
    for record in tqdm(found, desc=folder.name, unit="photo", leave=False, disable=None):
        try:
            photo = load_image(folder / record["image"])
        except ImageError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        count += 1
        for change in changes:
            answer = reader.read(CHANGES[change](photo, np.array(record["corners"], np.float64)))
            right[change] += same_number(answer.text, record["reading"])
            lost[change] += answer.reason in (NO_DISPLAY, ILLEGIBLE)
    return count, {change: (right[change], lost[change]) for change in changes}


def main(arguments: list[str] | None = None) -> int:
    """Flags, then the table; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of sets with a manifest.jsonl each")
    add("--sets", nargs="+", default=["toloka_water", "iaoqian_water"], help="(default: the two of water meters)")
    add("--split", default="test", help="(default: %(default)s)")
    add("--changes", nargs="+", choices=CHANGES, default=list(CHANGES), metavar="NAME", help="(default: all)")
    add("--models", type=Path, help="bundle folder (default: deploy/models)")
    args = parser.parse_args(arguments)
    try:
        reader = MeterReader.load(args.models)
        measured = {name: measure(reader, args.data / name, args.split, args.changes) for name in args.sets}
    except (OSError, ValueError) as error:
        print(f"robustness.py: {error}", file=sys.stderr)
        return 1
    empty = [name for name, (count, _) in measured.items() if not count]
    if empty:
        print(
            f"robustness.py: no photos with corners of the split {args.split!r} in {', '.join(empty)}", file=sys.stderr
        )
        return 1
    titles = [f"{name}, {count} photos" for name, (count, _) in measured.items()]
    print(f"| the photo | {' | '.join(titles)} |\n|{'---|' * (len(titles) + 1)}")
    for change in args.changes:
        cells = [f"{100 * hits[change][0] / count:.1f} % ({hits[change][1]})" for count, hits in measured.values()]
        print(f"| {change} | {' | '.join(cells)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
