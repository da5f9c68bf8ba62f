"""One run: photos listed, read by workers, finished in parts, merged into one file, reported."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from time import perf_counter

import pyarrow as pa
from tqdm import tqdm

from archive.cluster import cluster, quiet, readings
from archive.journal import Journal, JournalError, Settings
from archive.previous import METER_PATTERN, Judge, compile_pattern, load_previous
from archive.report import Report, write_report
from archive.rows import INDEX, VERDICT_COLUMNS
from archive.sources import list_photos
from archive.storage import shown
from archive.worker import model_files, model_hash

#: Photos that a worker takes at once, at most; fewer of a small archive, so that all workers have some.
_BATCH = 32
#: Photos whose list is in memory at once.
_WAVE = 100_000


@dataclass(frozen=True)
class Job:
    """What to read, and how.

    Attributes:
        source: see `archive.sources.list_photos`.
        out: the file of rows, .parquet or .csv.
        models: the bundle's folder; None takes the shipped one.
        decimals: of the meters, where known.
        min_confidence: readings below are rejected; None takes the models' threshold.
        limit: at most so many photos; None for all.
        workers: processes that read; None takes one a core.
        address: of a Ray cluster; None reads on this machine.
        overwrite: replace an `out` that is there, and an unfinished run with other settings.
        previous: CSV of previous readings; None adds no verdicts.
        meter_pattern: see `archive.previous.Judge`.
        max_per_day: the greatest plausible increase, where `previous` gives none.
        reading_date: of photos that name none; None takes today's.
    """

    source: str
    out: Path
    models: Path | None = None
    decimals: int | None = None
    min_confidence: float | None = None
    limit: int | None = None
    workers: int | None = None
    address: str | None = None
    overwrite: bool = False
    previous: Path | None = None
    meter_pattern: str | None = None
    max_per_day: str | None = None
    reading_date: date | None = None


def run(job: Job) -> Report:
    """Read the archive, or go on where an earlier run was killed.

    Raises:
        SourceError, JournalError, PreviousError, ClusterError, BundleError, OSError: nothing or not all was read; what
            was, is kept for the next run.
    """
    files = model_files(job.models)
    model = model_hash(files)
    previous = load_previous(job.previous, job.max_per_day) if job.previous else None
    pattern = (job.meter_pattern or METER_PATTERN) if job.previous else ""
    if previous is not None:
        compile_pattern(pattern)
    settings = Settings(
        source=shown(job.source),
        limit=job.limit,
        decimals=job.decimals,
        min_confidence=job.min_confidence,
        model=model,
        previous=hashlib.sha256(job.previous.read_bytes()).hexdigest() if job.previous else "",
        meter_pattern=pattern,
        max_per_day=job.max_per_day,
        reading_date=job.reading_date.isoformat() if job.reading_date else None,
    )
    with Journal(job.out) as journal:
        _open(journal, settings, job)
        judge = None if previous is None else Judge(previous, pattern, date.fromisoformat(journal.day))
        start, done = perf_counter(), journal.finished()
        before = sum(journal.size(part) for part in done)
        workers = 0
        if len(done) < journal.parts:
            workers = _read_parts(journal, job, files, model, judge, done)
        seconds = perf_counter() - start
        report = write_report(journal, journal.count - before, seconds, workers)
        journal.merge()
        journal.remove()
    return report


def _open(journal: Journal, settings: Settings, job: Job) -> None:
    """Begin, or go on with an unfinished run of the same settings."""
    try:
        if journal.begun(settings):
            return
    except JournalError:
        if not job.overwrite:
            raise
    if job.out.exists() and not job.overwrite:
        raise JournalError(f"{job.out}: already there; --overwrite replaces it")
    day = job.reading_date or datetime.now(UTC).date()
    photos = tqdm(list_photos(job.source, job.limit), desc="listing", unit=" photos", leave=False)
    journal.begin(settings, photos, day.isoformat())


def _read_parts(
    journal: Journal, job: Job, files: dict[str, bytes], model: str, judge: Judge | None, done: set[int]
) -> int:
    """Read all parts that are not done; the number of workers."""
    missing = [part for part in range(journal.parts) if part not in done]
    left = sum(journal.size(part) for part in missing)
    with (
        quiet(journal.folder / "ray.log") as screen,
        cluster(job.address, job.workers, journal.folder / "ray.folder") as workers,
        tqdm(total=journal.count, initial=journal.count - left, unit=" photos", desc="reading", file=screen) as bar,
    ):
        workers = min(workers, left)
        size = max(1, min(_BATCH, left // (4 * workers)))
        step = max(1, _WAVE // journal.part_size)
        for place in range(0, len(missing), step):
            batches = [batch for part in missing[place : place + step] for batch in _batches(journal, part, size)]
            rows = readings(batches, workers, files, model, job.decimals, job.min_confidence)
            _finish(journal, rows, judge, bar)
    return workers


def _batches(journal: Journal, part: int, size: int) -> Iterator[pa.Table]:
    """The photos of a part, with their places in the list, in tables of `size` or less."""
    photos = journal.photos(part)
    first = part * journal.part_size
    photos = photos.append_column(INDEX, pa.array(range(first, first + photos.num_rows), INDEX.type))
    for offset in range(0, photos.num_rows, size):
        yield photos.slice(offset, size).combine_chunks()


def _finish(journal: Journal, tables: Iterator[pa.Table], judge: Judge | None, bar: tqdm) -> None:
    """Collect rows until a part is whole, then write it."""
    open_parts: dict[int, list[pa.Table]] = {}
    for table in tables:
        if not table.num_rows:
            continue
        bar.update(table.num_rows)
        part = table.column(INDEX.name)[0].as_py() // journal.part_size
        collected = open_parts.setdefault(part, [])
        collected.append(table)
        if sum(each.num_rows for each in collected) < journal.size(part):
            continue
        rows = pa.concat_tables(open_parts.pop(part)).sort_by(INDEX.name).drop_columns(INDEX.name)
        journal.write_part(part, rows if judge is None else _judged(rows, journal.photos(part), judge))
    if open_parts:
        raise JournalError(f"{journal.out}: Ray lost rows of part {min(open_parts)}; the same command reads them again")


def _judged(rows: pa.Table, photos: pa.Table, judge: Judge) -> pa.Table:
    """The rows with `VERDICT_COLUMNS`; the readings stay as they are."""
    verdicts = []
    for success, text, photo in zip(
        rows.column("success").to_pylist(), rows.column("text").to_pylist(), photos.to_pylist(), strict=True
    ):
        verdict = judge.judge(photo["path"], photo["meter"], photo["date"], text if success else None)
        verdicts.append(vars(verdict))
    added = pa.Table.from_pylist(verdicts, VERDICT_COLUMNS)
    for field in VERDICT_COLUMNS:
        rows = rows.append_column(field, added.column(field.name))
    return rows
