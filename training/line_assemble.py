"""From labelled pictures of lines to a set on disk: reads, checks, divides, writes, and reports. All or nothing."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from reader.image import ImageError, load_image
from training.assemble import replacing
from training.labelstudio import SPLITS, DatasetError, Fault
from training.line_sources import LineRecord, Sources, read_sources
from training.line_splits import Line, divide, same_pictures
from training.line_statistics import LineSize, describe, line_statistics, plot, summary
from training.line_texts import GROUPED_BY_TEXT, TextRules
from training.preview import Tile, plain_tile, write_sheet
from training.splits import SplitRule
from training.tfds_writer import LINES_NAME, VERSION, LineSetWriter

_DECODERS = 2
_PREVIEW_TILES = 72
_SHEET_COLUMNS = 4
_SHEET_CELL = (64, 240)


@dataclass(frozen=True)
class LineSetOptions:
    """How a set of lines is made.

    Attributes:
        texts: what the texts may be.
        rule: how lines are divided.
        group_by: "text": lines with the same text stay together; "picture": only the same pictures; None: as the task
            wants it, see `GROUPED_BY_TEXT`.
        skip_faulty: leave faulty lines out instead of failing.
        overwrite: replace a set that is there.
        preview: file for the contact sheet; None: preview.png in the set's folder.
        statistics: print the statistics; they are written beside the set in any case.
    """

    texts: TextRules
    rule: SplitRule = field(default_factory=lambda: SplitRule((0.8, 0.2, 0.0)))
    group_by: str | None = None
    skip_faulty: bool = False
    overwrite: bool = False
    preview: Path | None = None
    statistics: bool = False

    @property
    def by_text(self) -> bool:
        """Whether lines with the same text stay together."""
        return self.group_by == "text" or (self.group_by is None and self.texts.task in GROUPED_BY_TEXT)


def make_line_set(sources: Sequence[Path], out: Path, options: LineSetOptions) -> Path:
    """Makes a TFDS set of lines, prints what is wrong and what came of it.

    Args:
        sources: folders and files, see `read_sources`.
        out: data_dir that the set is written into.
        options: how.

    Returns:
        The set's folder, <out>/lines_dataset/1.0.0.

    Raises:
        DatasetError: there were faults and they are not to be skipped, or what was asked for cannot be done; nothing
            was written.
    """
    target = out / LINES_NAME / VERSION
    if target.exists() and not options.overwrite:
        raise DatasetError(f"{target} exists; --overwrite replaces it")
    found = read_sources(sources)
    divided = _checked(found, options)
    _report(found, options.skip_faulty)
    if not divided:
        raise DatasetError("there is no usable line; nothing was written")
    with replacing(target, options.overwrite) as temporary:
        sizes, tiles = _write_set(temporary, divided)
        statistics = line_statistics(sizes, options.texts.alphabet)
        told = {"task": options.texts.task, "alphabet": options.texts.alphabet, "splits": summary(statistics)}
        text = json.dumps(told, indent=1, ensure_ascii=False)
        (temporary / "statistics.json").write_text(text + "\n", encoding="utf-8")
        plot(temporary, statistics)
        if found.faults or found.notes:
            lines = [*(f"left out: {fault}" for fault in found.faults), *(f"note: {note}" for note in found.notes)]
            (temporary / "report.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        write_sheet(options.preview or temporary / "preview.png", tiles, _SHEET_COLUMNS, _SHEET_CELL)
    _tell(target, statistics, options)
    return target


def _checked(found: Sources, options: LineSetOptions) -> list[tuple[LineRecord, str]]:
    """The usable records with their splits, mixed, the same every time; adds what is wrong to `found`."""
    good: list[tuple[LineRecord, Line]] = []
    digests = _digests([record.path for record in found.records])
    for record, digest in zip(found.records, digests, strict=True):
        text = options.texts.check(record.text)
        faults = [*text.faults, *([digest] if isinstance(digest, str) else [])]
        found.faults += [Fault(record.source, record.place, fault) for fault in faults]
        if not faults and isinstance(digest, bytes):
            found.notes += [Fault(record.source, record.place, note) for note in text.notes]
            line = Line(text.text, digest, record.split, f"{record.source}: {record.place}")
            good.append((replace(record, text=text.text), line))
    wrong, again = same_pictures([line for _, line in good])
    found.faults += [Fault(good[i][0].source, good[i][0].place, reason) for i, reason in wrong.items()]
    found.notes += [Fault(good[i][0].source, good[i][0].place, reason) for i, reason in again.items()]
    good = [pair for i, pair in enumerate(good) if i not in wrong]
    splits, conflicts = divide([line for _, line in good], options.rule, options.by_text)
    found.faults += [Fault(good[i][0].source, good[i][0].place, reason) for i, reason in conflicts.items()]
    order = sorted(set(range(len(good))) - set(conflicts), key=lambda i: (good[i][1].digest, i))
    return [(good[i][0], splits[i]) for i in order]


def _digests(paths: Sequence[Path]) -> list[bytes | str]:
    """The digest of each picture's pixels, or what is wrong with it."""
    with ThreadPoolExecutor(_DECODERS) as pool:
        return list(tqdm(pool.map(_digest, paths), total=len(paths), desc="checking", unit="image"))


def _digest(path: Path) -> bytes | str:
    try:
        image = load_image(path)
    except ImageError as error:
        return str(error)
    return hashlib.sha256(np.array(image.shape, "<i8").tobytes() + image.tobytes()).digest()


def _report(found: Sources, skip_faulty: bool) -> None:
    """Prints what is worth telling and what is wrong; raises if faults are not to be skipped."""
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    for fault in found.faults:
        print(fault, file=sys.stderr)
    count = len({(fault.file, fault.place) for fault in found.faults})
    lines = f"{count} faulty line{'s' if count != 1 else ''}, see above"
    if count and not skip_faulty:
        raise DatasetError(f"{lines}; nothing was written (--skip_faulty leaves them out)")
    if count:
        print(f"{lines}, left out", file=sys.stderr)


def _write_set(folder: Path, divided: Sequence[tuple[LineRecord, str]]) -> tuple[list[LineSize], list[Tile]]:
    """Writes the examples; returns their sizes, and some for the contact sheet."""
    sizes: list[LineSize] = []
    tiles: list[Tile] = []
    every = max(1, len(divided) // _PREVIEW_TILES)
    with LineSetWriter(folder, sorted({split for _, split in divided})) as writer:
        for number, (record, split) in enumerate(tqdm(divided, desc=LINES_NAME, unit="image")):
            try:
                image = load_image(record.path)
            except ImageError as error:  # it was there a moment ago
                raise DatasetError(f"{error}; nothing was written") from error
            writer.add(split, image, record.text, record.name)
            sizes.append(LineSize(split, record.text, *image.shape[:2]))
            if number % every == 0 and len(tiles) < _PREVIEW_TILES:
                tiles.append(plain_tile(image, f"{record.name} {split} {record.text}"))
        writer.close({record.name: split for record, split in divided})
    return sizes, tiles


def _tell(target: Path, statistics: dict[str, dict[str, object]], options: LineSetOptions) -> None:
    """Prints what was written."""
    if options.statistics:
        print(describe(statistics))
    else:
        for split, own in statistics.items():
            print(f"{split}: {own['pictures']} pictures, {own['different_texts']} different texts")
    for split, part in zip(SPLITS, options.rule.fractions, strict=True):
        if part and split not in statistics:
            print(f"warning: {split} is empty; more lines, another --seed or --split is wanted", file=sys.stderr)
    print(f"written: {target}\ncontact sheet: {options.preview or target / 'preview.png'}")
