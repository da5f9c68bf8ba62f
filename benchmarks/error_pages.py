"""Every photo that was read wrong, on sheets by cause, with an index: what to look at to make the reader better.

The sheets show the photos themselves. Those of other people's sets are for looking at only, never for passing on.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from benchmarks.measured import Measured, SetResult, by_cause
from reader.draw import INK, panel
from reader.image import encode_png, load_image, write_atomic
from reader.types import UInt8
from training.preview import write_text

INDEX = "index.json"
#: What this module calls its sheets; those of an earlier run are removed.
_SHEET = re.compile(r"(refused|decimal_point|stage_1|stage_2|unknown)_\d+\.png")
_COLUMNS, _ROWS = 5, 4
_WIDTH, _GAP, _LINE = 340, 8, 16
_PAPER, _GREY, _PINK = (40, 40, 40), (220, 220, 220), (240, 90, 230)
_LONGEST = 44


def write_error_pages(folder: Path, root: Path, results: Mapping[str, SetResult]) -> dict[str, Any]:
    """Writes the sheets, as CAUSE_NUMBER.png, and index.json.

    Args:
        folder: where to; made where it is missing.
        root: the folder of the sets.
        results: by the name of the set.

    Returns:
        What index.json holds: counts by cause and by set, and for each miss its sheet and its place there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    groups = by_cause((name, miss) for name, result in results.items() for miss in result.misses)
    written, photos = set(), []
    with tqdm(total=sum(map(len, groups.values())), desc="errors", unit="photo", leave=False, disable=None) as progress:
        for cause, group in groups.items():
            pages = [group[start : start + _COLUMNS * _ROWS] for start in range(0, len(group), _COLUMNS * _ROWS)]
            for number, page in enumerate(pages, 1):
                tiles = []
                for name, miss in page:
                    tiles.append(_tile(load_image(root / name / miss.image), name, miss))
                    progress.update()
                title = f"{cause}: {len(group)} of {progress.total} wrong (sheet {number} of {len(pages)})"
                sheet = f"{cause.replace(' ', '_')}_{number}.png"
                write_atomic(folder / sheet, encode_png(tile_sheet(tiles, title)))
                written.add(sheet)
                photos += [
                    {"set": name, "sheet": sheet, "place": place, **miss.to_dict()}
                    for place, (name, miss) in enumerate(page, 1)
                ]
    index = {
        "wrong": len(photos),
        "of": sum(len(result.answers) for result in results.values()),
        "causes": {cause: len(group) for cause, group in groups.items()},
        "refused": dict(Counter(photo["reason"] for photo in photos if photo["reason"])),
        "sets": {name: dict(Counter(m.cause for m in result.misses)) for name, result in results.items()},
        "photos": photos,
    }
    write_atomic(folder / INDEX, (json.dumps(index, indent=1, ensure_ascii=False) + "\n").encode())
    for stale in folder.glob("*.png"):
        if _SHEET.fullmatch(stale.name) and stale.name not in written:
            stale.unlink()
    return index


def tile_sheet(tiles: Sequence[UInt8], title: str, columns: int = _COLUMNS) -> UInt8:
    """Pictures of one width below a title, row by row; a row is as high as its highest picture."""
    columns = max(1, min(columns, len(tiles)))
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    heights = [max(tile.shape[0] for tile in row) for row in rows]
    width = max((tile.shape[1] for tile in tiles), default=_WIDTH)
    head = 2 * _LINE
    sheet = np.full(
        (head + sum(heights) + _GAP * (len(rows) + 1), columns * (width + _GAP) + _GAP, 3), _PAPER, np.uint8
    )
    cv2.putText(sheet, title, (_GAP, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _GREY, 1, cv2.LINE_AA)
    top = head + _GAP
    for row, height in zip(rows, heights, strict=True):
        for column, tile in enumerate(row):
            left = _GAP + column * (width + _GAP)
            sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
        top += height + _GAP
    return sheet


def _tile(photo: UInt8, name: str, miss: Measured) -> UInt8:
    """What was seen, with the true display outlined in pink, above truth and answer in words."""
    if miss.whole and miss.corners is not None:
        photo = photo.copy()
        points = np.round((miss.corners - 0.5) * 16).astype(np.int32)
        thickness = max(1, round(max(photo.shape[:2]) / 400))
        cv2.polylines(photo, [points], True, _PINK, thickness, cv2.LINE_AA, shift=4)
    drawn = panel(photo, miss.result, _WIDTH)
    lines = captions(name, miss)
    words = np.full((_LINE * len(lines) + 4, _WIDTH, 3), INK, np.uint8)
    for number, line in enumerate(lines):
        write_text(words, line, (4, _LINE * (number + 1) - 2), _GREY)
    return np.vstack([drawn, words])


def captions(name: str, miss: Measured) -> list[str]:
    """What stands below a photo: where it is from, the truth, the answer, and what other ways would have read."""
    told = miss.result.text or miss.result.rejected_text or "nothing"
    place = f"{name}/{Path(miss.image).name}"
    lines = [
        place if len(place) <= _LONGEST else f"...{place[3 - _LONGEST :]}",
        f"truth {miss.truth}, read {told}, {100 * miss.result.confidence:.0f} %",
    ]
    details = [] if math.isnan(miss.iou) else [f"IoU {miss.iou:.2f}"]
    if miss.whole and miss.given is not None:
        details.append(f"true corners {miss.given or 'nothing'}")
    if miss.alone is not None:
        details.append(f"alone {miss.alone or 'nothing'}")
    cause = miss.cause if miss.result.reason is None else f"{miss.cause}: {miss.result.reason}"
    return [*lines, ", ".join([str(cause), *details])]
