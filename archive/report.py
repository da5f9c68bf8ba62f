"""What came of an archive: counts, a histogram, the photos to look at, a sheet of those that were refused."""

from __future__ import annotations

import csv
import heapq
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from archive.journal import Journal
from archive.previous import excess
from archive.sheet import refused_sheet
from reader.image import encode_jpeg, write_atomic

#: Readings below it are among the photos to look at; green in pictures begins here.
SURE = 0.9
#: More than that nobody looks at.
MOST_TO_CHECK = 100_000
_BINS = 10
_ERROR = "could not be opened"
_REVIEW_COLUMNS = (
    "path", "why", "text", "confidence", "rejected_text", "meter", "previous", "max_increase", "excess", "error",
)  # fmt: skip
#: Columns of the rows that decide whether and where a photo stands on that list.
_JUDGED_BY = ("success", "reason", "plausible", "plausibility")


@dataclass
class Report:
    """Counts over all rows of an archive.

    Attributes:
        photos: how many rows.
        read: photos with a reading.
        reasons: photos without one, by reason; "could not be opened" for errors.
        classes: photos by the display's class.
        histogram: readings by confidence, in ten equal bins from 0 to 1.
        plausible: readings that follow from the previous one; None without previous readings.
        plausibility: photos by what speaks against them or why there is no verdict; None without previous readings.
        seconds_a_photo: a worker's mean time for a photo that could be opened.
        photos_of_this_run: how many of them this run read; others were done before it.
        seconds_of_this_run: from the start of its workers to the last row.
        workers: of this run.
        to_check: length of the list of photos to look at.
    """

    photos: int = 0
    read: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    histogram: list[int] = field(default_factory=lambda: [0] * _BINS)
    plausible: int | None = None
    plausibility: Counter[str] | None = None
    seconds_a_photo: float = 0.0
    photos_of_this_run: int = 0
    seconds_of_this_run: float = 0.0
    workers: int = 0
    to_check: int = 0

    @property
    def errors(self) -> int:
        """Photos that could not be opened."""
        return self.reasons[_ERROR]

    def add(self, rows: pa.Table) -> None:
        """Count the rows of a part."""
        success = rows.column("success").to_numpy(zero_copy_only=False)
        confidence = rows.column("confidence").to_numpy()
        times = rows.column("time").to_numpy()
        opened = times > 0
        before = self.photos - self.errors
        self.reasons[_ERROR] += rows.num_rows - rows.column("error").null_count
        self.reasons += _counts(rows, "reason")
        self.classes += _counts(rows, "class")
        self.photos += rows.num_rows
        self.read += int(success.sum())
        after = self.photos - self.errors
        if after:
            self.seconds_a_photo = (self.seconds_a_photo * before + float(times[opened].sum())) / after
        bins = np.histogram(np.clip(confidence[success], 0, 1), _BINS, (0, 1))[0]
        self.histogram = [old + int(new) for old, new in zip(self.histogram, bins, strict=True)]
        if "plausible" in rows.column_names:
            self.plausible = (self.plausible or 0) + (pc.sum(rows.column("plausible")).as_py() or 0)
            self.plausibility = (self.plausibility or Counter()) + _counts(rows, "plausibility")

    def text(self) -> str:
        """As lines for people."""
        lines = [f"{self.photos} photos", f"  read            {_share(self.read, self.photos)}"]
        lines += [
            f"  {reason.replace('_', ' '):15} {_share(count, self.photos)}"
            for reason, count in self.reasons.most_common()
            if count
        ]
        if self.plausibility is not None:
            lines += [
                "compared with previous readings",
                f"  plausible       {_share(self.plausible or 0, self.photos)}",
            ]
            lines += [
                f"  {why.replace('_', ' '):15} {_share(n, self.photos)}" for why, n in self.plausibility.most_common()
            ]
        lines.append("readings by confidence")
        longest = max(self.histogram) or 1
        for place, count in enumerate(self.histogram):
            bar = "#" * round(40 * count / longest)
            lines.append(f"  {place / _BINS:.1f}-{(place + 1) / _BINS:.1f}  {count:9}  {bar}".rstrip())
        displays = [f"{count} {name}" for name, count in self.classes.most_common()]
        lines.append(f"displays: {', '.join(displays) or 'none'}")
        if self.photos_of_this_run:
            rate = self.photos_of_this_run / max(self.seconds_of_this_run, 1e-9)
            lines.append(
                f"this run: {self.photos_of_this_run} photos in {self.seconds_of_this_run:.0f} s, {rate:.1f} a second "
                f"with {self.workers} worker{'s' * (self.workers != 1)}; {1000 * self.seconds_a_photo:.0f} ms a photo"
            )
        lines.append(f"to look at: {self.to_check}")
        return "\n".join(lines) + "\n"


def write_report(journal: Journal, photos: int, seconds: float, workers: int) -> Report:
    """Count all parts and write, beside OUT: OUT.report.txt, .report.json, .to_check.csv and .refused.jpg.

    Args:
        journal: with all parts finished.
        photos: how many of the photos this run read.
        seconds: that it took.
        workers: that it used.
    """
    report = Report(photos_of_this_run=photos, seconds_of_this_run=seconds, workers=workers)
    refused: list[int] = []
    for part in range(journal.parts):
        rows = journal.read_part(part)
        report.add(rows)
        shown = rows.column("success").to_numpy(zero_copy_only=False) | rows.column("error").is_valid().to_numpy()
        refused.extend((np.flatnonzero(~shown) + part * journal.part_size).tolist())
    worst = heapq.nsmallest(MOST_TO_CHECK, _to_check(journal), key=lambda row: row["rank"])
    report.to_check = len(worst)
    write_atomic(_beside(journal.out, ".to_check.csv"), _review(worst))
    sheet = _beside(journal.out, ".refused.jpg")
    if refused:
        write_atomic(sheet, encode_jpeg(refused_sheet(journal, refused)))
    else:
        sheet.unlink(missing_ok=True)
    write_atomic(_beside(journal.out, ".report.json"), json.dumps(vars(report), indent=1).encode())
    write_atomic(_beside(journal.out, ".report.txt"), report.text().encode())
    return report


def _to_check(journal: Journal) -> Iterator[dict[str, Any]]:
    """The photos that a person should look at, each with its `rank`, lower for worse, and why.

    First readings that cannot be, farthest out first: they would be billed. Then photos without a reading, since
    somebody must read them, those that cannot be opened first. Then readings that are not sure, least sure first.
    """
    for part in range(journal.parts):
        rows = journal.read_part(part)
        rows = rows.select([name for name in rows.column_names if name in _REVIEW_COLUMNS + _JUDGED_BY])
        rows = rows.append_column("number", pa.array(np.arange(rows.num_rows) + part * journal.part_size))
        doubtful = pc.invert(rows.column("success")) if "plausible" not in rows.column_names else _not_plain(rows)
        doubtful = pc.or_(doubtful, pc.less(rows.column("confidence"), SURE))
        for row in rows.filter(doubtful).to_pylist():
            if row.get("plausible") is False:
                beyond = excess(row["text"], row["previous"], row["max_increase"])
                rank, why = (0, -beyond), row["plausibility"]
                row["excess"] = f"{beyond:.2f}"
            elif not row["success"]:
                rank, why = (1, 0.0 if row["error"] else 1.0), _ERROR if row["error"] else row["reason"]
            else:
                rank, why = (2, row["confidence"]), "unsure"
            yield {**row, "rank": (*rank, row["number"]), "why": why}


def _not_plain(rows: pa.Table) -> pa.ChunkedArray:
    """Rows without a reading, or with one that is implausible."""
    implausible = pc.fill_null(pc.invert(rows.column("plausible")), False)
    return pc.or_(pc.invert(rows.column("success")), implausible)


def _review(rows: list[dict[str, Any]]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, _REVIEW_COLUMNS, extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        writer.writerow({**row, "confidence": f"{row['confidence']:.4f}"})
    return file.getvalue().encode()


def _counts(rows: pa.Table, name: str) -> Counter[str]:
    pairs = rows.column(name).drop_null().value_counts().to_pylist()
    return Counter({pair["values"]: pair["counts"] for pair in pairs})


def _share(count: int, total: int) -> str:
    return f"{count:9}  {100 * count / max(total, 1):5.1f} %"


def _beside(out: Path, ending: str) -> Path:
    return out.with_name(out.name + ending)
