"""Pictures of single digits, for exchanging those of displays: many more typefaces than whole displays have."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from reader.image import ImageError, load_image
from reader.types import UInt8
from training.jsonl_records import manifest_lines
from training.labelstudio import DatasetError

#: Tenths up to which a rolling drum is called by its lower digit. Beyond, people call it by either.
_ROLLED = 5


def load_digits(manifests: Sequence[Path]) -> list[tuple[int, UInt8]]:
    """The single digits of the split "train", in our JSONL form.

    One JSON object a line: `image`, `split`, and `reading`: a digit, or a drum's position in tenths such as "3.4".
    Readings of null and drums that are more than half way to the next digit are left out.

    Args:
        manifests: the JSONL files.

    Returns:
        Pairs of the digit, 0 to 9, and its picture (h, w, 3) uint8 RGB.

    Raises:
        DatasetError: a manifest or a picture that cannot be read, another reading, or no digit at all.
    """
    found = [digit for manifest in manifests for digit in _read(manifest)]
    if manifests and not found:
        raise DatasetError(f"{', '.join(map(str, manifests))}: no single digits of the split 'train'")
    return found


def _read(manifest: Path) -> Iterator[tuple[int, UInt8]]:
    for number, line in manifest_lines(manifest):
        place = f"{manifest}: line {number}"
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise DatasetError(f"{place}: a JSON object wanted ({error})") from error
        if not isinstance(record, dict) or not isinstance(record.get("image"), str):
            raise DatasetError(f"{place}: an object with the path of an image wanted")
        digit = _digit(record.get("reading"), place)
        if record.get("split") == "train" and digit is not None:
            try:
                yield digit, load_image(manifest.parent / record["image"])
            except ImageError as error:
                raise DatasetError(f"{place}: {error}") from error


def _digit(reading: Any, place: str) -> int | None:
    """The digit that a reading names; None for none and for drums that have rolled too far."""
    if reading is None:
        return None
    whole, _, tenths = reading.partition(".") if isinstance(reading, str) else ("", "", "")
    if not (whole.isdecimal() and len(whole) == 1) or len(tenths) > 1 or not (tenths or "0").isdecimal():
        raise DatasetError(f'{place}: a digit or a position such as "3.4" wanted; {reading!r} came')
    return int(whole) if int(tenths or 0) <= _ROLLED else None
