"""Writes made lines as pictures with a table of their texts, in the form that make_dataset.py lines reads."""

from __future__ import annotations

import csv
import functools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from reader.image import encode_png, resize
from synthesis.batch import SynthesisError, check_folder, in_order, replacing
from synthesis.lines import MAKERS, make_line
from synthesis.lines.digits import DigitBank
from training.idx_digits import DigitError
from training.preview import Tile, write_sheet

_LABELS, _IMAGES = "labels.csv", "images"
_PREVIEW_LINES = 60
_PREVIEW_CELL = (70, 220)


@dataclass(frozen=True)
class LineOptions:
    """What to make.

    Attributes:
        task: one of `MAKERS`.
        count: number of pictures.
        seed: same seed, same bytes, for any number of workers.
        size: greatest height of a picture in pixels; None to leave them as they are drawn.
        workers: processes that draw.
        overwrite: replace a set that was made before.
        preview: where to write a contact sheet; None for none.
        digits: folder of idx files that handwritten numbers are put together from; None for pen strokes only.
        rows: share of handwritten numbers that are rows of single digits' pictures, 0 to 1; None for the usual one.
    """

    task: str
    count: int
    seed: int = 0
    size: int | None = None
    workers: int = 1
    overwrite: bool = False
    preview: Path | None = None
    digits: Path | None = None
    rows: float | None = None


_Job = tuple[LineOptions, int]


def write_lines(out: Path, options: LineOptions) -> Counter[int]:
    """Make pictures of lines and write them with their texts.

    `out` gets images/*.png and labels.csv with the columns img_name and text. It appears under its name only when it
    is whole.

    Args:
        out: folder to make; must not exist, or be empty, or be an earlier set when `options.overwrite`.
        options: what to make.

    Returns:
        How many texts there are of each length.

    Raises:
        SynthesisError: a wish out of range, a folder in the way, or digits that cannot be read.
    """
    out = out.absolute()  # "." has no name to put a temporary folder beside
    _check(out, options)
    lengths: Counter[int] = Counter()
    tiles: list[Tile] = []
    jobs = [(options, index) for index in range(options.count)]
    with replacing(out) as folder:
        (folder / _IMAGES).mkdir()
        with (folder / _LABELS).open("w", encoding="utf-8", newline="") as table:
            rows = csv.writer(table, lineterminator="\n")
            rows.writerow(("img_name", "text"))
            made = in_order(_make, jobs, options.workers)
            for name, data, text, tile in tqdm(made, total=options.count, unit="line", desc=options.task):
                (folder / _IMAGES / name).write_bytes(data)
                rows.writerow((f"{_IMAGES}/{name}", text))
                lengths[len(text)] += 1
                if tile is not None:
                    tiles.append(tile)
    if options.preview is not None:
        write_sheet(options.preview, tiles, columns=6, cell=_PREVIEW_CELL)
    return lengths


def summary(lengths: Counter[int]) -> str:
    """One line: how many pictures there are, and how many of each length."""
    return f"{lengths.total()} lines: " + ", ".join(f"{lengths[n]} of {n}" for n in sorted(lengths)) + " characters"


def _check(out: Path, options: LineOptions) -> None:
    for name, value, least in (
        ("--count", options.count, 1),
        ("--workers", options.workers, 1),
        ("--seed", options.seed, 0),
        ("--size", 12 if options.size is None else options.size, 12),
    ):
        if value < least:
            raise SynthesisError(f"{name} {value} is too small: wanted at least {least}")
    if options.task not in MAKERS:
        raise SynthesisError(f"--task {options.task}: wanted one of {', '.join(MAKERS)}")
    if options.digits is not None:
        if options.task != "handwritten":
            raise SynthesisError(f"--digits is for --task handwritten, not for {options.task}")
        try:
            _bank(options.digits)
        except DigitError as error:
            raise SynthesisError(f"--digits {error}") from error
    if options.rows is not None:
        if options.task != "handwritten":
            raise SynthesisError(f"--rows is for --task handwritten, not for {options.task}")
        if not 0 <= options.rows <= 1:
            raise SynthesisError(f"--rows {options.rows}: wanted a share from 0 to 1")
    check_folder(out, options.overwrite, {_LABELS, _IMAGES})


@functools.lru_cache(maxsize=1)
def _bank(folder: Path) -> DigitBank:
    """The digits, once a process."""
    return DigitBank.load(folder)


def _make(job: _Job) -> tuple[str, bytes, str, Tile | None]:
    """One picture: its file name, PNG, text, and a tile for the preview."""
    options, index = job
    digits = None if options.digits is None else _bank(options.digits)
    image, text = make_line(options.task, np.random.default_rng([options.seed, index]), digits, options.rows)
    h, w = image.shape[:2]
    if options.size is not None and h > options.size:
        image = resize(image, (options.size, max(1, round(w * options.size / h))))
    tile = None
    if options.preview is not None and index < _PREVIEW_LINES:
        tile = Tile(image, np.zeros((0, 4, 2)), np.zeros(0, np.int64), (), text)
    return f"{options.task}_{options.seed}_{index:06d}.png", encode_png(image), text, tile
