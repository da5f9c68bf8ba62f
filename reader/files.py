"""The pictures that a command line names: files, folders, globs."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import Path

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".heif"}


def find_photos(sources: list[str]) -> Iterator[tuple[Path, str]]:
    """Every photo that files, folders and globs name, in order and once, each with "" or what is wrong with it."""
    seen: set[Path] = set()
    for source in sources:
        path = Path(source)
        if path.is_dir():
            found = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in SUFFIXES and entry.is_file())
            fault = "no photos in this folder"
        elif path.exists() or not glob.has_magic(source):
            found, fault = [path], ""
        else:
            names = glob.glob(source, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute patterns
            found = sorted(Path(name) for name in names if Path(name).is_file())
            fault = "no file has such a name"
        if not found:
            yield path, f"{source}: {fault}"
        for photo in found:
            if photo.resolve() not in seen:
                seen.add(photo.resolve())
                yield photo, ""
