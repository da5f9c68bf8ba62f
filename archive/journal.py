"""What makes a run go on after a kill: the list of photos, the finished parts, and the lock, in a folder beside OUT.

    OUT.parts/settings.json           what was asked for; written last when a run begins, so it stands for a whole list
    OUT.parts/photos.parquet          the list of photos as it was then; its row group N belongs to part N
    OUT.parts/part-00000N.parquet     the rows of part N, in the list's order

Each file is written under a temporary name and renamed, so a part is there as a whole or not at all. The parts become
OUT at the end, and then the folder goes.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import io
import itertools
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from archive.rows import PHOTO_COLUMNS, csv_values, photos_table
from archive.sources import Photo
from reader.image import write_atomic

#: A part is a thousandth of the archive within these bounds: few files, and little to read again after a kill.
SMALLEST_PART, LARGEST_PART = 32, 4096
_PARTS = 1000
_LIST_CHUNK = 10_000
#: Rows of OUT that are compressed together.
_ROW_GROUP = 16_384


class JournalError(ValueError):
    """A run that cannot begin or go on. The message is one line and says what came and what was wanted."""


@dataclass(frozen=True)
class Settings:
    """What decides the rows. A run goes on only with the same.

    Attributes:
        source: where the photos are.
        limit: at most so many; None for all.
        decimals: of the meters, where known.
        min_confidence: readings below are rejected; None for those below the models' threshold.
        model: hash of the networks' files.
        previous: hash of the file of previous readings; "" without one.
        meter_pattern: finds the meter's id in a photo's path; "" without previous readings.
        max_per_day: the greatest plausible increase, where the file says none.
        reading_date: of photos that name none, ISO 8601; None for the day on which the run began.
    """

    source: str
    limit: int | None
    decimals: int | None
    min_confidence: float | None
    model: str
    previous: str = ""
    meter_pattern: str = ""
    max_per_day: str | None = None
    reading_date: str | None = None


def photos_done(out: Path) -> int:
    """Photos in the finished parts of a run, which may be going on; 0 before its first part and after its end."""
    folder = out.with_name(out.name + ".parts")
    try:
        data = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0
    parts = (int(path.stem.removeprefix("part-")) for path in folder.glob("part-*.parquet"))
    return sum(min(data["part_size"], data["count"] - part * data["part_size"]) for part in parts)


class Journal:
    """The folder of a run. Use it inside `with`, which holds its lock."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = out.with_name(out.name + ".parts")
        self.count = 0
        self.part_size = 1
        self.day = ""
        self._lock = -1

    def __enter__(self) -> Journal:
        path = self.folder / "lock"
        try:
            while True:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # A run that ended in between took the folder away with the lock in it.
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_ino == os.fstat(self._lock).st_ino:
                        break
                os.close(self._lock)
            os.ftruncate(self._lock, 0)
            os.write(self._lock, f"{os.getpid()} on {os.uname().nodename}".encode())
        except BlockingIOError as error:
            owner = os.read(self._lock, 200).decode(errors="replace")
            os.close(self._lock)
            raise JournalError(f"{self.out}: another run writes it (process {owner})") from error
        except OSError as error:
            raise JournalError(f"{self.folder}: {error.strerror}; it holds what a run has done so far") from error
        return self

    def __exit__(self, *_: object) -> None:
        # Nothing was begun: leave no empty folder behind.
        if self.folder.is_dir() and {path.name for path in self.folder.iterdir()} <= {"lock"}:
            self.remove()
        os.close(self._lock)

    def begun(self, settings: Settings) -> bool:
        """Whether a run with these settings was begun here; it is opened then.

        Raises:
            JournalError: one with other settings was.
        """
        for left in self.folder.glob(".*.partial"):
            left.unlink(missing_ok=True)
        try:
            data = json.loads((self.folder / "settings.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        for field in fields(Settings):
            was, now = data["settings"].get(field.name), getattr(settings, field.name)
            if was != now:
                raise JournalError(
                    f"{self.folder}: an unfinished run with {field.name} {was!r}, now {now!r}; "
                    "give the same to go on, or --overwrite to begin anew"
                )
        self.count, self.part_size, self.day = data["count"], data["part_size"], data["day"]
        return True

    def begin(self, settings: Settings, photos: Iterable[Photo], day: str) -> None:
        """Begin anew with a list of photos; what was here goes.

        Args:
            settings: of this run.
            photos: all of them; errors of listing come through, and then nothing was begun.
            day: of the readings, ISO 8601, where a photo names none.
        """
        for path in self.folder.iterdir():
            if path.name != "lock":
                path.unlink()
        photos = iter(photos)
        chunks = []
        while some := list(itertools.islice(photos, _LIST_CHUNK)):
            chunks.append(photos_table(some))
        table = pa.concat_tables(chunks)
        self.count, self.day = table.num_rows, day
        self.part_size = max(SMALLEST_PART, min(LARGEST_PART, self.count // _PARTS))
        temporary = self.folder / ".photos.partial"
        pq.write_table(table, temporary, row_group_size=self.part_size)
        temporary.replace(self.folder / "photos.parquet")
        values = {"settings": asdict(settings), "count": self.count, "part_size": self.part_size, "day": day}
        write_atomic(self.folder / "settings.json", json.dumps(values, indent=1).encode())

    @property
    def parts(self) -> int:
        """How many parts there are, finished or not."""
        return -(-self.count // self.part_size)

    def size(self, part: int) -> int:
        """How many photos belong to a part."""
        return min(self.part_size, self.count - part * self.part_size)

    def photos(self, part: int) -> pa.Table:
        """The photos of a part: a table of `PHOTO_COLUMNS`."""
        if not hasattr(self, "_photos"):
            self._photos = pq.ParquetFile(self.folder / "photos.parquet")
        return self._photos.read_row_group(part).cast(PHOTO_COLUMNS)

    def finished(self) -> set[int]:
        """The parts that are done. A broken one is no part: it is removed, to be read again."""
        done = set()
        for path in self.folder.glob("part-*.parquet"):
            part = int(path.stem.removeprefix("part-"))
            try:
                whole = part < self.parts and pq.read_metadata(path).num_rows == self.size(part)
            except (OSError, pa.ArrowInvalid):
                whole = False
            if whole:
                done.add(part)
            else:
                path.unlink()
        return done

    def write_part(self, part: int, rows: pa.Table) -> None:
        """Finish a part; `rows` are all of its rows in the list's order."""
        if rows.num_rows != self.size(part):
            raise ValueError(f"part {part} has {rows.num_rows} rows; wanted {self.size(part)}")
        buffer = io.BytesIO()
        pq.write_table(rows, buffer, compression="zstd")
        write_atomic(self._path(part), buffer.getvalue())

    def read_part(self, part: int, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of a finished part."""
        return pq.read_table(self._path(part), columns=None if columns is None else list(columns))

    def merge(self) -> None:
        """All parts, in order, as OUT; an older OUT is replaced in one step."""
        temporary = self.folder / ".merged.partial"
        tables = (self.read_part(part) for part in range(self.parts))
        (_write_csv if self.out.suffix.lower() == ".csv" else _write_parquet)(temporary, tables)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(self.out)

    def remove(self) -> None:
        """Take the folder away: OUT is written."""
        # The settings go first: a folder without them is of no use, whenever a kill comes.
        (self.folder / "settings.json").unlink(missing_ok=True)
        shutil.rmtree(self.folder)

    def _path(self, part: int) -> Path:
        return self.folder / f"part-{part:07d}.parquet"


def _write_parquet(path: Path, tables: Iterator[pa.Table]) -> None:
    writer: pq.ParquetWriter | None = None
    waiting: list[pa.Table] = []
    for table in itertools.chain(tables, [None]):
        if table is not None:
            waiting.append(table)
        if waiting and (table is None or sum(each.num_rows for each in waiting) >= _ROW_GROUP):
            together = pa.concat_tables(waiting)
            writer = writer or pq.ParquetWriter(path, together.schema, compression="zstd")
            writer.write_table(together, row_group_size=_ROW_GROUP)
            waiting = []
    if writer is not None:
        writer.close()


def _write_csv(path: Path, tables: Iterator[pa.Table]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for number, table in enumerate(tables):
            if number == 0:
                writer.writerow(table.column_names)
            for row in table.to_pylist():
                writer.writerow(csv_values(row))
