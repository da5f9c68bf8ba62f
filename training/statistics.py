"""What a set holds, in numbers: pictures, classes, sizes, digits and reading lengths, split by split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from reader.geometry import display_size, orientation
from reader.symbols import DIGITS, FLOATP_ID, STAGE1_CLASSES, STAGE2_CLASSES
from training.datasets import Stage1Sample, Stage2Sample

_PERCENTILES = (1, 10, 50, 90, 99)


def stage1_statistics(samples: Sequence[Stage1Sample]) -> dict[str, Any]:
    """Counts and sizes of the displays on photos.

    Returns:
        "pictures", "displays_per_picture" and "classes" as counts; "values", the numbers behind the percentiles: the
        display's width as a part of the photo's longer side, its width over its height, and how far it is turned, in
        degrees from -180 to 180, clockwise.
    """
    widths, aspects, angles = [], [], []
    for sample in samples:
        longer = max(sample.image.shape[:2])
        for corners in sample.corners:
            height, width = display_size(corners)
            widths.append(width / longer)
            aspects.append(width / max(height, 1e-9))
            angles.append(float(orientation(corners)))
    labels = Counter(int(label) for sample in samples for label in sample.labels)
    return {
        "pictures": len(samples),
        "displays_per_picture": _counts(len(sample.corners) for sample in samples),
        "classes": {name: labels[index] for index, name in enumerate(STAGE1_CLASSES)},
        "values": {"display_width": widths, "display_aspect": aspects, "display_angle": angles},
    }


def stage2_statistics(samples: Sequence[Stage2Sample]) -> dict[str, Any]:
    """Counts and sizes of what stands on rectified displays.

    Returns:
        "pictures"; "classes", "digits_per_display", "decimals_per_display" (those whose middle lies in the decimal
        area) as counts; "places", for each digit how often it stands at each place from the left; "values": widths of
        displays over their heights, digits' heights and widths as parts of the display's.
    """
    heights, widths, aspects = [], [], []
    lengths, decimals, places = [], [], Counter[tuple[int, int]]()
    for sample in samples:
        picture_height, picture_width = sample.image.shape[:2]
        aspects.append(picture_width / picture_height)
        is_digit = sample.labels < len(DIGITS)
        boxes, labels = sample.boxes[is_digit], sample.labels[is_digit]
        heights += ((boxes[:, 3] - boxes[:, 1]) / picture_height).tolist()
        widths += ((boxes[:, 2] - boxes[:, 0]) / picture_width).tolist()
        middles = (boxes[:, 0] + boxes[:, 2]) / 2
        areas = sample.boxes[sample.labels == FLOATP_ID]
        lengths.append(len(boxes))
        decimals.append(int(((middles >= areas[0, 0]) & (middles <= areas[0, 2])).sum()) if len(areas) else 0)
        for place, label in enumerate(labels[np.argsort(middles)]):
            places[int(label), place] += 1
    labels_of_all = Counter(int(label) for sample in samples for label in sample.labels)
    return {
        "pictures": len(samples),
        "classes": {name: labels_of_all[index] for index, name in enumerate(STAGE2_CLASSES)},
        "digits_per_display": _counts(lengths),
        "decimals_per_display": _counts(decimals),
        "places": {
            digit: [places[index, place] for place in range(max(lengths, default=0))]
            for index, digit in enumerate(DIGITS)
        },
        "values": {"display_aspect": aspects, "digit_height": heights, "digit_width": widths},
    }


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """The 1st, 10th, 50th, 90th and 99th percentile by name; empty without values."""
    return {str(p): float(np.percentile(values, p)) for p in _PERCENTILES} if len(values) else {}


def describe(statistics: dict[str, Any]) -> str:
    """The statistics of one split as text."""
    lines = [f"  pictures: {statistics['pictures']}"]
    for key in ("displays_per_picture", "classes", "digits_per_display", "decimals_per_display"):
        if key in statistics:
            told = ", ".join(f"{name}: {count}" for name, count in statistics[key].items())
            lines.append(f"  {key.replace('_', ' ')}: {told or 'none'}")
    for key, values in statistics["values"].items():
        told = ", ".join(f"{percent} %: {value:.3g}" for percent, value in percentiles(values).items())
        lines.append(f"  {key.replace('_', ' ')}: {told or 'none'}")
    if "places" in statistics:
        lines.append("  how often each digit stands at each place from the left:")
        lines += [f"    {d}  " + " ".join(f"{count:6d}" for count in row) for d, row in statistics["places"].items()]
    return "\n".join(lines)


def _counts(values: Any) -> dict[str, int]:
    """How often each value comes, sorted by value."""
    return {str(value): count for value, count in sorted(Counter(values).items())}
