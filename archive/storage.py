"""Files by path or URL: local ones, and those of object stores through pyarrow or fsspec."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pyarrow import fs

from reader.image import ImageError

#: Larger files are no photos; reading one would fill a worker's memory.
MAX_BYTES = 512 * 2**20

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+]*)://(?P<bucket>[^/?]*)(?P<key>.*?)(?P<query>\?[a-z_]+=.*)?", re.DOTALL)


class StorageError(ValueError):
    """A place that cannot be reached. The message is one line and says what came."""


def is_url(location: str) -> bool:
    """Whether it names something in an object store, not a local file."""
    return _URL.fullmatch(location) is not None


def shown(location: str) -> str:
    """The location without connection options such as ?endpoint_override=...; local paths as they are."""
    url = _URL.fullmatch(location)
    return f"{url['scheme']}://{url['bucket']}{url['key']}" if url else location


def list_files(location: str) -> Iterator[tuple[str, bool]]:
    """What lies at a URL: itself, or all files below it, in the order of their names.

    Yields:
        The URL of each file, with the connection options of `location`, and whether it is `location` itself.

    Raises:
        StorageError: unreachable, refused, or nothing there.
    """
    url, files, path = _opened(location)
    try:
        root = files.get_file_info(path)
        if root.type == fs.FileType.File:
            yield location, True
            return
        found = files.get_file_info(fs.FileSelector(path, recursive=True))
    except (OSError, ValueError) as error:
        raise StorageError(f"{shown(location)}: {_cause(error)}") from error
    for info in sorted(found, key=lambda info: info.path):
        if info.type == fs.FileType.File:
            yield f"{url['scheme']}://{info.path}{url['query'] or ''}", False


def open_file(location: str) -> BinaryIO:
    """A local file or one of an object store, to read and seek in.

    Raises:
        StorageError: it cannot be opened.
    """
    try:
        if not is_url(location):
            return Path(location).open("rb")
        _, files, path = _opened(location)
        return files.open_input_file(path)
    except OSError as error:
        raise StorageError(f"{shown(location)}: {_cause(error)}") from error


def read_bytes(location: str, offset: int, size: int, name: str) -> bytes:
    """The bytes of one photo.

    Args:
        location: the file or URL that holds it.
        offset: where in that file it begins; -1 takes the whole file.
        size: its length in bytes where `offset` is given.
        name: what errors call the photo.

    Raises:
        ImageError: it cannot be opened or is not all there.
    """
    try:
        with open_file(location) as file:
            if offset < 0:
                data = file.read(MAX_BYTES + 1)
                if len(data) > MAX_BYTES:
                    raise ImageError(f"{name}: more than {MAX_BYTES >> 20} MB; no photo is as large")
                return data
            file.seek(offset)
            data = file.read(size)
    except StorageError as error:
        raise ImageError(str(error)) from error
    except OSError as error:
        raise ImageError(f"{name}: {_cause(error)}") from error
    if len(data) < size:
        raise ImageError(f"{name}: the tar file ends inside this photo")
    return data


def _opened(location: str) -> tuple[re.Match[str], fs.FileSystem, str]:
    url = _URL.fullmatch(location)
    if url is None or re.search(":.*@", url["bucket"]):
        raise StorageError(f"{location.split('://')[0]}://...: a password in a URL; put it into the environment")
    files = _filesystem(url["scheme"], url["bucket"], url["query"] or "")
    return url, files, (url["bucket"].rpartition("@")[2] + url["key"]).rstrip("/")


@functools.lru_cache(maxsize=64)
def _filesystem(scheme: str, bucket: str, query: str) -> fs.FileSystem:
    """The connection to a bucket, made once in a process."""
    address = f"{scheme}://{bucket}{query}"
    try:
        return fs.FileSystem.from_uri(address)[0]
    except OSError as error:
        raise StorageError(f"{scheme}://{bucket}: {_cause(error)}") from error
    except ValueError as error:
        if "nrecognized filesystem" not in str(error):
            raise StorageError(f"{scheme}://{bucket}: {_cause(error)}") from error
    import fsspec

    try:
        return fs.PyFileSystem(fs.FSSpecHandler(fsspec.filesystem(scheme)))
    except (ImportError, ValueError) as error:
        raise StorageError(f"{scheme}://{bucket}: {_cause(error)}") from error


def _cause(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return text.splitlines()[0]
