"""All photos of an archive: those of a folder, a glob, a list file, tar files, or the same in an object store."""

from __future__ import annotations

import csv
import glob
import itertools
import os
import re
import tarfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path, PurePosixPath

from archive.storage import StorageError, is_url, list_files, open_file, shown

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".heif"}
LIST_SUFFIXES = {".txt", ".lst", ".csv"}
_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
_SHARDS_AT_ONCE = 16


class SourceError(ValueError):
    """A source without photos. The message is one line and says what came and what was wanted."""


@dataclass(frozen=True)
class Photo:
    """One photo of an archive.

    Attributes:
        path: what its row is called: the path or URL, for a photo in a tar file the tar file's path, "/", its name.
        location: the absolute path or URL of the file that holds it.
        offset: byte in that file where it begins; -1 when the photo is the file.
        size: bytes, for a photo in a tar file; else -1.
        meter: the meter's id where a list file gives it.
        date: when it was taken, ISO 8601, where a list file gives it.
        error: why it cannot be read, where listing found out.
    """

    path: str
    location: str
    offset: int = -1
    size: int = -1
    meter: str = ""
    date: str = ""
    error: str = ""


def list_photos(source: str, limit: int | None = None) -> Iterator[Photo]:
    """Every photo of a source, once, in an order that does not change.

    Args:
        source: a folder (searched through all its folders), a glob, a list file (.txt, .lst: a path or URL a line;
            .csv: the columns path and, if wanted, meter and date), a tar file, a photo, or a URL of the first two.
        limit: stop after so many.

    Raises:
        SourceError: nothing of this name, nothing in it, or a broken list file.
    """
    seen: set[tuple[str, int]] = set()
    photos = itertools.islice(_once(_expanded(_named(source)), seen), limit)
    yield from photos
    if not seen:
        raise SourceError(
            f"{shown(source)}: no photos in it; wanted pictures, tar files of pictures, or a list of them"
        )


def _once(photos: Iterable[Photo], seen: set[tuple[str, int]]) -> Iterator[Photo]:
    for photo in photos:
        key = (photo.location, photo.offset)
        if key not in seen:
            seen.add(key)
            yield photo


def _named(source: str) -> Iterator[Photo]:
    """The files that a source names; tar files are not opened yet."""
    if source.startswith("file://"):
        source = source.removeprefix("file://")
    if is_url(source):
        return _named_remote(source)
    path = Path(source)
    if path.is_dir():
        return (_local(found) for found in _files_below(path) if _wanted(found))
    if path.suffix.lower() in LIST_SUFFIXES and path.is_file():
        return _listed(path)
    if path.exists():
        return iter([_local(source)])
    if not glob.has_magic(source):
        raise SourceError(f"{source}: no such file or folder")
    names = sorted(glob.glob(source, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute patterns
    return (_local(name) for name in names if _wanted(name) and Path(name).is_file())


def _named_remote(source: str) -> Iterator[Photo]:
    # "?" begins the connection options or is a sign of a glob; `shown` knows which.
    address = shown(source)
    options = source[len(address) :]
    try:
        if not glob.has_magic(address):
            for url, itself in list_files(source):
                if itself or _wanted(shown(url)):
                    yield Photo(shown(url), url)
            return
        base = re.split(r"[*?\[]", address)[0].rpartition("/")[0]
        if "://" not in base:
            raise SourceError(f"{address}: the bucket's name itself cannot be a pattern")
        pattern = re.compile(_glob_pattern(address))
        for url, _ in list_files(base + options):
            if pattern.fullmatch(shown(url)) and _wanted(shown(url)):
                yield Photo(shown(url), url)
    except StorageError as error:
        raise SourceError(str(error)) from error


def _glob_pattern(text: str) -> str:
    """A glob as a regular expression: * and ? within a folder's level, ** across levels, [abc] and [!abc]."""
    parts = []
    for part in re.findall(r"\*\*/|\*\*|\*|\?|\[!?[^\]]+\]|.", text, re.DOTALL):
        if part.startswith("[") and len(part) > 2:
            inside = part[1:-1].replace("\\", r"\\")
            parts.append(f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]")
        else:
            parts.append({"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part)))
    return "".join(parts)


def _files_below(folder: Path) -> Iterator[str]:
    """All files of a folder and its folders, sorted within each; links to folders are not followed."""
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield os.path.join(root, name)  # noqa: PTH118 - strings, since there may be many millions


def _wanted(name: str) -> bool:
    lower = name.lower()
    if PurePosixPath(lower).name.startswith("."):
        return False
    return PurePosixPath(lower).suffix in SUFFIXES | {".tar"} or lower.endswith(_COMPRESSED)


def _local(name: str, meter: str = "", taken: str = "") -> Photo:
    return Photo(name, str(Path(name).absolute()), meter=meter, date=taken)


def _listed(path: Path) -> Iterator[Photo]:
    """The photos of a list file; relative paths start in the current folder, as those that `find` writes."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix.lower() != ".csv":
                for line in file:
                    name = line.rstrip("\r\n")
                    if name.strip() and not name.startswith("#"):
                        yield _entry(name)
                return
            rows = csv.DictReader(file)
            if "path" not in (rows.fieldnames or []):
                raise SourceError(f"{path}: columns {rows.fieldnames or []}; wanted path, and perhaps meter and date")
            for row in rows:
                taken = (row.get("date") or "").strip()
                try:
                    taken = taken and date.fromisoformat(taken).isoformat()
                except ValueError:
                    wrong = f"{path}, line {rows.line_num}: date {taken!r}; wanted one such as 2026-05-31"
                    raise SourceError(wrong) from None
                if row["path"]:
                    yield replace(_entry(row["path"]), meter=(row.get("meter") or "").strip(), date=taken)
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}: not a list in UTF-8") from error
    except (OSError, csv.Error) as error:
        raise SourceError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _entry(name: str) -> Photo:
    name = name.removeprefix("file://")
    return Photo(shown(name), name) if is_url(name) else _local(name)


def _expanded(photos: Iterable[Photo]) -> Iterator[Photo]:
    """Tar files replaced by the photos in them; several are opened at once, since an object store answers slowly."""
    with ThreadPoolExecutor(_SHARDS_AT_ONCE) as pool:
        photos = iter(photos)
        while some := list(itertools.islice(photos, _SHARDS_AT_ONCE * 4)):
            opened = {photo: pool.submit(_members, photo) for photo in some if _is_tar(photo.path)}
            for photo in some:
                yield from opened[photo].result() if photo in opened else [photo]


def _is_tar(path: str) -> bool:
    return path.lower().endswith((".tar", *_COMPRESSED))


def _members(shard: Photo) -> list[Photo]:
    """The photos in a tar file; the last one carries the error of a file that is broken from there on."""
    if shard.path.lower().endswith(_COMPRESSED):
        why = "a compressed tar file; its photos cannot be reached one by one: unpack it to .tar (JPEG gains nothing)"
        return [replace(shard, error=f"{shard.path}: {why}")]
    found: list[Photo] = []
    try:
        with open_file(shard.location) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                if member.isreg() and not member.issparse() and _wanted(member.name) and not _is_tar(member.name):
                    inside = replace(shard, path=f"{shard.path}/{member.name}", offset=member.offset_data)
                    found.append(replace(inside, size=member.size))
    except StorageError as error:
        found.append(replace(shard, error=str(error)))
    except (tarfile.TarError, OSError, EOFError) as error:
        found.append(replace(shard, error=f"{shard.path}: broken tar file: {str(error).splitlines()[0]}"))
    return found
