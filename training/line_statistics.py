"""What a set of lines holds, in numbers and pictures: lengths, characters, sizes, split by split."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from reader.image import encode_png, write_atomic
from reader.types import UInt8
from training.labelstudio import SPLITS
from training.plots import bars, histograms
from training.preview import write_text
from training.statistics import percentiles

#: Of the chart of characters, in pixels.
_ROW, _COLUMN, _LABEL, _BAR = 20, 300, 24, 200
_ROWS = 24


@dataclass(frozen=True)
class LineSize:
    """A line as the statistics see it: its split, its text, its picture's height and width in pixels."""

    split: str
    text: str
    height: int
    width: int


def line_statistics(lines: Sequence[LineSize], alphabet: str) -> dict[str, Any]:
    """Counts and sizes, by split.

    Returns:
        For every split that has lines: "pictures", "different_texts"; "lengths" and "characters" as counts, with every
            character of the alphabet, also at 0; "values": heights and widths in pixels, widths over heights.
    """
    told: dict[str, Any] = {}
    for split in SPLITS:
        own = [line for line in lines if line.split == split]
        if not own:
            continue
        characters = Counter(c for line in own for c in line.text)
        lengths = Counter(len(line.text) for line in own)
        told[split] = {
            "pictures": len(own),
            "different_texts": len({line.text for line in own}),
            "lengths": {str(length): lengths[length] for length in sorted(lengths)},
            "characters": {c: characters[c] for c in alphabet},
            "values": {
                "height": [line.height for line in own],
                "width": [line.width for line in own],
                "aspect": [line.width / line.height for line in own],
            },
        }
    return told


def summary(statistics: Mapping[str, Any]) -> dict[str, Any]:
    """The statistics with percentiles in place of the values: what is kept beside the set."""
    return {
        split: {**own, "values": {name: percentiles(values) for name, values in own["values"].items()}}
        for split, own in statistics.items()
    }


def describe(statistics: Mapping[str, Any]) -> str:
    """The statistics as text."""
    lines = []
    for split, own in statistics.items():
        lines.append(f"{split}: {own['pictures']} pictures, {own['different_texts']} different texts")
        for key in ("lengths", "characters"):
            lines.append(f"  {key}: " + ", ".join(f"{name}: {count}" for name, count in own[key].items()))
        for name, values in own["values"].items():
            told = ", ".join(f"{percent} %: {value:.3g}" for percent, value in percentiles(values).items())
            lines.append(f"  {name}: {told}")
    return "\n".join(lines)


def plot(folder: Path, statistics: Mapping[str, Any]) -> None:
    """Writes lengths.png, split by split, and sizes.png and characters.png, all splits together, into a folder."""
    values: dict[str, list[float]] = {}
    characters: Counter[str] = Counter()
    for own in statistics.values():
        for name, numbers in own["values"].items():
            values.setdefault(f"{name} of pictures", []).extend(numbers)
        characters.update(own["characters"])
    bars(
        folder / "lengths.png", {f"characters in a line, {split}": own["lengths"] for split, own in statistics.items()}
    )
    # Half a pixel to each side: pictures that are all alike still need a range.
    shown = {name: (numbers, (min(numbers) - 0.5, max(numbers) + 0.5)) for name, numbers in values.items()}
    histograms(folder / "sizes.png", shown, columns=3)
    write_atomic(folder / "characters.png", encode_png(character_chart(characters)))


def character_chart(counts: Mapping[str, int]) -> UInt8:
    """A bar for each character, (H, W, 3) uint8 RGB; drawn here because plots.py has no Chinese font."""
    columns = max(1, math.ceil(len(counts) / _ROWS))
    rows = min(_ROWS, max(1, len(counts)))
    chart = np.full((rows * _ROW + _ROW // 2, columns * _COLUMN, 3), 40, np.uint8)
    most = max([1, *counts.values()])
    for number, (c, count) in enumerate(counts.items()):
        left, base = number // _ROWS * _COLUMN + 8, number % _ROWS * _ROW + _ROW - 2
        write_text(chart, c, (left, base), (220, 220, 220))
        start = left + _LABEL
        end = start + round(_BAR * count / most)
        colour = (90, 160, 240) if count else (240, 80, 80)  # none at all stands out
        cv2.rectangle(chart, (start, base - 11), (max(end, start + 1), base), colour, -1)
        write_text(chart, str(count), (max(end, start + 1) + 4, base), (220, 220, 220) if count else colour)
    return chart
