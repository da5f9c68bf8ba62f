"""Labelled photos to measure on, from sets in the JSONL form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def records(folder: Path, split: str, names: set[str] | None = None) -> list[dict[str, Any]]:
    """The records of a set that can be measured: a reading, and corners or nothing but a display on the picture.

    Of a photo that is there as a crop too, the photo is taken.
    """
    found: dict[str, dict[str, Any]] = {}
    for line in (folder / "manifest.jsonl").read_text().splitlines():
        record = json.loads(line)
        stem = Path(record["image"]).stem
        photo = record["kind"] == "full_photo"
        if record.get("split") != split or not record.get("reading") or (names is not None and stem not in names):
            continue
        if (photo or record["kind"] == "display_crop") and (stem not in found or photo):
            found[stem] = record
    return list(found.values())
