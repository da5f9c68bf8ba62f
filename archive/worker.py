"""What runs inside a worker: the networks, and photos in, rows out."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from archive.rows import COLUMNS, INDEX, row_of
from archive.storage import read_bytes
from reader.bundle import DEFAULT_FOLDER, FILE_NAME, BundleError
from reader.image import ImageError
from reader.pipeline import MeterReader
from reader.types import Result

#: Photos of a batch whose bytes are fetched at once, while earlier ones are read.
_FETCHERS = 4
#: A photo over which so many workers have died is given up.
MOST_DEATHS = 2


class Ledger:
    """Which batches and photos were begun and not ended: what a worker that dies cannot say itself."""

    def __init__(self) -> None:
        self._begun: dict[tuple[str, int], int] = {}

    def begin(self, kind: str, number: int) -> int:
        """How often it was begun before without an end."""
        before = self._begun.get((kind, number), 0)
        self._begun[kind, number] = before + 1
        return before

    def end(self, kind: str, number: int) -> None:
        """It is done."""
        self._begun.pop((kind, number), None)


class LedgerLike(Protocol):
    """A `Ledger`, here or in another process."""

    def begin(self, kind: str, number: int) -> int:
        """See `Ledger.begin`."""

    def end(self, kind: str, number: int) -> None:
        """See `Ledger.end`."""


class BatchReader:
    """Reads batches of photos with one reader."""

    def __init__(self, reader: MeterReader, model: str, decimals: int | None, ledger: LedgerLike) -> None:
        self._reader = reader
        self._model = model
        self._decimals = decimals
        self._ledger = ledger
        self._pool = ThreadPoolExecutor(_FETCHERS)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """A batch of `PHOTO_COLUMNS` and `INDEX` to one of `COLUMNS` and `INDEX`, a row a photo."""
        photos = batch.to_pylist()
        number = photos[0]["index"]
        # A worker died over this batch: from now on photo by photo, to find out which one kills.
        careful = self._ledger.begin("batch", number) > 0
        rows = [
            {**row_of(self._read(photo, fetched, careful), self._model), "index": photo["index"]}
            for photo, fetched in self._fetched(photos)
        ]
        self._ledger.end("batch", number)
        return pa.Table.from_pylist(rows, COLUMNS.append(INDEX))

    def _fetched(self, photos: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Future[bytes]]]:
        """Photos with their bytes, which are fetched a few photos ahead."""
        waiting: list[Future[bytes]] = []
        for place, photo in enumerate(photos):
            for ahead in photos[place + len(waiting) : place + 2 * _FETCHERS]:
                waiting.append(self._pool.submit(_fetch, ahead))
            yield photo, waiting.pop(0)

    def _read(self, photo: Mapping[str, Any], fetched: Future[bytes], careful: bool) -> Result:
        name, number = photo["path"], photo["index"]
        if photo["error"]:
            return Result(name, error=photo["error"])
        if careful and self._ledger.begin("photo", number) >= MOST_DEATHS:
            self._ledger.end("photo", number)
            return Result(name, error=f"{name}: the worker died {MOST_DEATHS} times while reading this photo")
        try:
            return self._reader.read(fetched.result(), self._decimals, name)
        except ImageError as error:
            # The reader knows only bytes; people know a photo by its name.
            return Result(name, error=str(error).replace("the bytes:", f"{name}:", 1))
        except Exception as error:  # one strange photo among millions must not end the job
            cause = (str(error).splitlines() or [""])[0]
            return Result(name, error=f"{name}: cannot be read ({type(error).__name__}: {cause})")
        finally:
            if careful:
                self._ledger.end("photo", number)


def _fetch(photo: Mapping[str, Any]) -> bytes:
    """A photo's bytes; none where listing found an error already."""
    return b"" if photo["error"] else read_bytes(photo["location"], photo["offset"], photo["size"], photo["path"])


def model_files(folder: Path | None) -> dict[str, bytes]:
    """The files of a bundle that readers need, by name: bundle.json and the files that it names.

    Raises:
        BundleError: the folder is no usable bundle.
    """
    folder = folder or DEFAULT_FOLDER
    MeterReader.load(folder, threads=1)  # says here and in one line what is wrong with it
    try:
        text = (folder / FILE_NAME).read_bytes()
        names = {FILE_NAME, *_names(json.loads(text))}
        return {name: (folder / name).read_bytes() for name in sorted(names) if (folder / name).is_file()}
    except OSError as error:
        raise BundleError(f"{error.filename}: {error.strerror}") from error


def _names(settings: Any) -> Iterator[str]:
    """All file names of a bundle's settings: the values below each key "files"."""
    if isinstance(settings, dict):
        for key, value in settings.items():
            yield from value.values() if key == "files" else _names(value)


def model_hash(files: Mapping[str, bytes]) -> str:
    """16 hexadecimal digits for the networks and their settings: the start of SHA-256 over the files' own SHA-256."""
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{name} {hashlib.sha256(files[name]).hexdigest()}\n".encode())
    return total.hexdigest()[:16]


def load_reader(files: Mapping[str, bytes], min_confidence: float | None) -> MeterReader:
    """A reader on the files of a bundle, on one thread: there is a worker for each core."""
    import cv2

    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="meter-models-") as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        return MeterReader.load(folder, min_confidence=min_confidence, threads=1)
