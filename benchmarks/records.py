"""Labelled photos to measure on, from sets in the JSONL form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from training.jsonl_records import read_readings, with_reading


def records(
    folder: Path, split: str, names: set[str] | None = None, corrections: Path | None = None
) -> list[dict[str, Any]]:
    """The records of a set that can be measured: a reading, and corners or nothing but a display on the picture.

    Of a photo that is there as a crop too, the photo is taken.

    Args:
        folder: of the set.
        split: of the records to take.
        names: only photos of these names, without extension; None for all.
        corrections: folder with corrected readings, in <name of the set>_readings.json where there are some; None for
            those of the set alone.

    Raises:
        DatasetError: corrected readings of another form.
        NotADirectoryError: corrections is no folder.
    """
    if corrections is not None and not corrections.is_dir():
        raise NotADirectoryError(f"--corrections: a folder wanted; {corrections} came")
    file = None if corrections is None else corrections / f"{folder.name}_readings.json"
    corrected = read_readings(file if file is not None and file.exists() else None)
    found: dict[str, dict[str, Any]] = {}
    for line in (folder / "manifest.jsonl").read_text().splitlines():
        record = with_reading(json.loads(line), corrected)
        stem = Path(record["image"]).stem
        photo = record["kind"] == "full_photo"
        if record.get("split") != split or not record.get("reading") or (names is not None and stem not in names):
            continue
        if (photo or record["kind"] == "display_crop") and (stem not in found or photo):
            found[stem] = record
    return list(found.values())
