"""Finding the image file that a Label Studio task means, in the folder the user names."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

#: Label Studio puts eight hexadecimal digits and a dash before the name of an uploaded file.
_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")


class ImageLookupError(LookupError):
    """No file, or more than one, fits the task; the message names the file."""


class ImageFolder:
    """The files below one folder, found by path or by name."""

    def __init__(self, root: Path):
        self.root = root
        self._by_name: dict[str, list[Path]] | None = None

    def find(self, file_upload: object, image: object) -> Path:
        """Finds the image of a task.

        Args:
            file_upload: the task's `file_upload`, such as "25ad14d4-3200831.jpg", or None.
            image: the task's `data.image`: a path, a URL, s3://bucket/name, or None.

        Returns:
            The only file that fits: by its path below the folder first, else by its name at any depth.

        Raises:
            ImageLookupError: none fits, or several files in different folders do.
        """
        candidates = _candidates(file_upload, image)
        if not candidates:
            raise ImageLookupError("names no image (neither file_upload nor data.image)")
        for candidate in candidates:
            path = self.root / candidate
            if path.is_file() and path.resolve().is_relative_to(self.root.resolve()):
                return path
        for candidate in candidates:
            paths = self._named(PurePosixPath(candidate).name)
            if len(paths) > 1:
                raise ImageLookupError(f"image {paths[0].name} is there {len(paths)} times below {self.root}")
            if paths:
                return paths[0]
        raise ImageLookupError(f"missing image {PurePosixPath(candidates[-1]).name} (not below {self.root})")

    def _named(self, name: str) -> list[Path]:
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for path in sorted(self.root.rglob("*")):
                if path.is_file():
                    for key in {path.name, _upload_form(path.name)}:
                        self._by_name[key].append(path)
        return self._by_name.get(name, [])


class NamedImages:
    """Stands in for an `ImageFolder` where only names are wanted: every task has the image that it names."""

    def find(self, file_upload: object, image: object) -> Path:
        """The name of a task's image, without the prefix of an upload.

        Raises:
            ImageLookupError: the task names none.
        """
        candidates = _candidates(file_upload, image)
        if not candidates:
            raise ImageLookupError("names no image (neither file_upload nor data.image)")
        return Path(PurePosixPath(candidates[-1]).name)


def original_name(path: Path, file_upload: object, image: object) -> str:
    """The name of a found file without the prefix of an upload, where it is known to have one.

    Eight hexadecimal digits and a dash also begin other names, such as UUIDs; those stay.
    """
    uploads = [str(file_upload)] if file_upload else []
    if isinstance(image, str) and "/upload/" in image:
        uploads.append(PurePosixPath(unquote(urlsplit(image).path)).name)
    return _UPLOAD_PREFIX.sub("", path.name) if path.name in uploads else path.name


def _candidates(file_upload: object, image: object) -> list[str]:
    """Relative paths to look for, the most exact first, without doubles."""
    candidates: list[str] = []
    if isinstance(image, str) and image:
        parts = urlsplit(image)
        # Local storage: /data/local-files/?d=folder/name.jpg
        local = parse_qs(parts.query).get("d")
        path = local[0] if local else unquote(parts.path)
        candidates += [path.lstrip("/"), PurePosixPath(path).name]
        if not local and not parts.scheme:
            candidates.append(PurePosixPath(image).name)  # a plain path may hold "#", "?" or "%"
        candidates += [_UPLOAD_PREFIX.sub("", name) for name in candidates[1:]]
    if isinstance(file_upload, str) and file_upload:
        name = PurePosixPath(file_upload).name
        candidates += [name, name.split("-", 1)[-1]]
    return [name for name in dict.fromkeys(candidates) if name]


def _upload_form(name: str) -> str:
    """The name that Label Studio gives an uploaded file: spaces become underscores, other special signs are lost."""
    return re.sub(r"[^-\w.]", "", name.strip().replace(" ", "_"))
