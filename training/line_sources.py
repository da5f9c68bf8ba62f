"""Where labelled pictures of lines come from: a folder with labels in the file names, a table, or JSONL."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from training.image_files import ImageFolder, ImageLookupError
from training.labelstudio import SPLITS, DatasetError, Fault

MANIFEST = "manifest.jsonl"
#: Names of the columns, ours and those that the records of JSONL sets have.
_IMAGE, _TEXT, _SPLIT = ("img_name", "image"), "text", "split"
_DELIMITERS = (",", "\t", ";")
_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".heif"})


@dataclass(frozen=True)
class LineRecord:
    """One labelled picture.

    Attributes:
        source: the folder or file that names it.
        place: where it stands there, with the name of the picture.
        path: the picture's file.
        name: its path below the source's folder; with several sources that folder's name comes first.
        text: its label, as it was given.
        split: "train", "validation" or "test" where the source says so, else None.
    """

    source: str
    place: str
    path: Path
    name: str
    text: str
    split: str | None = None


@dataclass
class Sources:
    """What sources hold: usable records, what is wrong with the others, and what is worth telling."""

    records: list[LineRecord] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    notes: list[Fault] = field(default_factory=list)


def read_sources(paths: Sequence[Path]) -> Sources:
    """Reads labels; the pictures are not opened yet.

    Args:
        paths: each a folder of pictures, the label in every file name after the last "-"; a folder with a
            manifest.jsonl, which is read instead; a .csv or .tsv with a header `img_name,text` and, if wanted, `split`;
            or a .jsonl with `image`, `text` and, if wanted, `split`. Pictures lie below the folder of the file.

    Returns:
        The records, and every fault of the others. No picture that is named is in neither.

    Raises:
        DatasetError: a source is missing, empty, unreadable, or of another form.
    """
    found = Sources()
    if len({path.resolve() for path in paths}) < len(paths):
        raise DatasetError("a --source is given twice")
    roots = [path if path.is_dir() else path.parent for path in paths]
    names = Counter(root.resolve().name for root in roots)
    for number, (path, root) in enumerate(zip(paths, roots, strict=True)):
        records, faults = len(found.records), len(found.faults)
        _read(path, found)
        if (len(found.records), len(found.faults)) == (records, faults):
            raise DatasetError(f"{path} holds no labelled pictures")
        if len(paths) > 1:
            name = root.resolve().name
            prefix = name if names[name] == 1 else f"{name}_{number + 1}"
            found.records[records:] = [replace(r, name=f"{prefix}/{r.name}") for r in found.records[records:]]
    return found


def _read(path: Path, found: Sources) -> None:
    """One source."""
    if path.is_dir():
        if (path / MANIFEST).is_file():
            found.notes.append(Fault(str(path), MANIFEST, "read instead of the file names"))
            _read_table(path / MANIFEST, str(path), _jsonl_rows(path / MANIFEST), found)
        else:
            _read_folder(path, found)
    elif path.suffix.lower() == ".jsonl":
        _read_table(path, str(path), _jsonl_rows(path), found)
    elif path.suffix.lower() in (".csv", ".tsv"):
        _read_table(path, str(path), _csv_rows(path), found)
    elif path.exists():
        raise DatasetError(f"{path}: a folder of pictures, a .csv, a .tsv or a .jsonl was wanted")
    else:
        raise DatasetError(f"{path} is not there; a folder of pictures, a .csv, a .tsv or a .jsonl was wanted")


def _read_folder(folder: Path, found: Sources) -> None:
    """A folder whose pictures have their labels in their names."""
    others = []
    for path in sorted(folder.rglob("*")):
        below = path.relative_to(folder)
        if any(part.startswith(".") for part in below.parts) or not path.is_file():
            continue
        if path.suffix.lower() not in _PICTURES:
            others.append(below.as_posix())
            continue
        name = below.as_posix()
        text = unicodedata.normalize("NFC", path.stem).rsplit("-", 1)[-1].strip()
        found.records.append(LineRecord(str(folder), name, path, name, text))
    if others:
        told = ", ".join(others[:5]) + (", ..." if len(others) > 5 else "")
        found.notes.append(Fault(str(folder), told, f"{len(others)} files that are no pictures were not taken"))


def _read_table(file: Path, source: str, rows: Iterator[tuple[int, Any]], found: Sources) -> None:
    """Rows of a table or of JSONL: (number of the line, its values by name, or what is wrong with it)."""
    folder = ImageFolder(file.parent)
    with_text = False
    first = len(found.faults)
    for number, row in rows:
        place = f"line {number}"
        if isinstance(row, str):
            found.faults.append(Fault(source, place, row))
            continue
        with_text |= _TEXT in row
        image = next((row[key] for key in _IMAGE if key in row), None)
        if isinstance(image, str) and image:
            image = image.strip().replace("\\", "/")
            place = f"line {number}, {image}"
        try:
            path = _find(folder, image)
            text, split = _label(row)
        except (ImageLookupError, ValueError) as error:
            found.faults.append(Fault(source, place, str(error)))
            continue
        name = path.relative_to(file.parent).as_posix()
        found.records.append(LineRecord(source, place, path, name, text, split))
    if not with_text and len(found.faults) > first:
        raise DatasetError(f'{file}: no line has a text; {{"image": "a.png", "text": "123"}} was wanted in each')


def _find(folder: ImageFolder, image: object) -> Path:
    """The picture that a row names, by its path below the folder or else by its name alone."""
    if not isinstance(image, str) or not image:
        raise ImageLookupError("names no image")
    path = folder.find(None, image)
    if path.name != PurePosixPath(image).name:  # an ImageFolder also looks without the prefix of an upload
        raise ImageLookupError(f"missing image {PurePosixPath(image).name} (not below {folder.root})")
    return path


def _label(row: dict[str, Any]) -> tuple[str, str | None]:
    """The text and the split of a row."""
    text, split = row.get(_TEXT), row.get(_SPLIT) or None
    if text is None:
        raise ValueError("no text")
    if not isinstance(text, str):
        raise ValueError(f'the text is {text!r}; it was wanted in quotes, "{text}", so that zeros in front are kept')
    if split is not None and split not in SPLITS:
        raise ValueError(f"unknown split {split!r} (wanted one of {', '.join(SPLITS)})")
    return unicodedata.normalize("NFC", text).strip(), split


def _jsonl_rows(file: Path) -> Iterator[tuple[int, Any]]:
    """The objects of a JSONL file with the numbers of their lines; blank lines are none."""
    for number, line in enumerate(_text_of(file).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            yield number, f"not JSON: {error}"
            continue
        yield number, row if isinstance(row, dict) else f"an object was wanted, a {type(row).__name__} came"


def _csv_rows(file: Path) -> Iterator[tuple[int, Any]]:
    """The rows of a table by the names in its header, with the numbers of their lines."""
    text = _text_of(file)
    header = text.splitlines()[0] if text.strip() else ""
    wanted = [d for d in _DELIMITERS if _has_columns(next(csv.reader([header], delimiter=d), []))]
    if not wanted:
        came = header[:60] or "nothing"
        raise DatasetError(f"{file}: a header img_name,text (or with tabs, or semicolons) was wanted, {came!r} came")
    # In a table with tabs quotation marks are characters like others.
    quoting = csv.QUOTE_NONE if wanted[0] == "\t" else csv.QUOTE_MINIMAL
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=wanted[0], quoting=quoting)
    names = [name.strip() for name in next(reader)]
    for values in _rows(reader, file):
        if not any(value.strip() for value in values):
            continue
        if len(values) != len(names):
            unquoted = wanted[0] == "," and len(values) > len(names)
            hint = " (a text with a comma needs quotation marks)" if unquoted else ""
            yield reader.line_num, f"{len(values)} fields came, {len(names)} wanted{hint}"
        else:
            yield reader.line_num, dict(zip(names, values, strict=True))


def _rows(reader: Iterator[list[str]], file: Path) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:  # such as a quotation mark that is never closed
        raise DatasetError(f"{file} is no table: {error}") from error


def _has_columns(names: list[str]) -> bool:
    stripped = {name.strip() for name in names}
    return _TEXT in stripped and bool(stripped & set(_IMAGE))


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{file} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
