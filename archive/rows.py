"""The rows of an archive's readings: their columns, made from results, and as text for CSV."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from archive.sources import Photo
from reader.types import PhotoDigit, Result

_POINTS = pa.list_(pa.list_(pa.float32()))
_DIGIT = pa.struct(
    [
        ("text", pa.string()),
        ("confidence", pa.float64()),
        ("box", _POINTS),
        ("decimal", pa.bool_()),
        ("alternative", pa.string()),
    ]
)
_TIMES = pa.struct([("load", pa.float64()), ("stage1", pa.float64()), ("stage2", pa.float64())])

#: What is known of a photo once it was read. Coordinates are pixels of the upright photo, times are seconds.
COLUMNS = pa.schema(
    [
        ("path", pa.string()),
        ("success", pa.bool_()),
        ("text", pa.string()),
        ("confidence", pa.float64()),
        ("reason", pa.string()),
        ("class", pa.string()),
        ("score", pa.float64()),
        ("corners", _POINTS),
        ("digits", pa.list_(_DIGIT)),
        ("rejected_text", pa.string()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("time", pa.float64()),
        ("times", _TIMES),
        ("model", pa.string()),
        ("error", pa.string()),
    ]
)
#: What `--previous` adds.
VERDICT_COLUMNS = pa.schema(
    [
        ("meter", pa.string()),
        ("previous", pa.string()),
        ("max_increase", pa.string()),
        ("plausible", pa.bool_()),
        ("plausibility", pa.string()),
    ]
)
#: Where a row belongs while it is on its way from a worker.
INDEX = pa.field("index", pa.int64())
#: The columns of the list of photos that workers get.
PHOTO_COLUMNS = pa.schema(
    [
        ("path", pa.string()),
        ("location", pa.string()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("meter", pa.string()),
        ("date", pa.string()),
        ("error", pa.string()),
    ]
)


def photos_table(photos: Sequence[Photo]) -> pa.Table:
    """Photos as a table of `PHOTO_COLUMNS`."""
    return pa.Table.from_pylist([vars(photo) for photo in photos], PHOTO_COLUMNS)


def row_of(result: Result, model: str) -> dict[str, Any]:
    """The row of a photo, by the names of `COLUMNS`.

    Args:
        result: what it gave.
        model: hash of the networks that read it.
    """
    values = result.to_dict()
    shape = values["original_image_shape"] or [None, None]
    return {
        **values,
        "path": values["image"],
        "class": values["counter_class"] or None,
        "score": values["counter_score"],
        "height": shape[0],
        "width": shape[1],
        "model": model,
    }


def result_of(row: dict[str, Any]) -> Result:
    """The result behind a row, as far as it can be drawn."""
    digits = tuple(
        PhotoDigit(
            each["text"], each["confidence"], np.array(each["box"], np.float32), each["decimal"], each["alternative"]
        )
        for each in row["digits"] or ()
    )
    return Result(
        row["path"],
        success=row["success"],
        text=row["text"],
        confidence=row["confidence"],
        reason=row["reason"],
        corners=None if row["corners"] is None else np.array(row["corners"], np.float32),
        digits=digits,
        error=row["error"],
        rejected_text=row["rejected_text"],
    )


def csv_values(row: dict[str, Any]) -> list[str]:
    """A row's values as text: nested ones as JSON, numbers rounded as they are known, nothing as ""."""
    return [_text(value) for value in row.values()]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".")
    if isinstance(value, (list, dict)):
        return json.dumps(_rounded(value), ensure_ascii=False, separators=(",", ":"))
    return str(value)


def _rounded(value: Any) -> Any:
    """float32 as the decimal number it was made from: four places, as `Result.to_dict` gives."""
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return round(value, 4) if isinstance(value, float) else value
