"""Previous readings, and whether a new reading follows from them."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from reader.plausibility import IMPLAUSIBILITIES, implausibility

#: The file's name up to its first "_" or ".": W1234_2026-05-31.jpg is meter W1234.
METER_PATTERN = r"(?:^|/)(?P<meter>[^/_.]+)[^/]*$"

#: Why there is no verdict.
NO_READING, NO_METER, UNKNOWN_METER, NO_DATE, TOO_EARLY = (
    "no_reading",
    "no_meter",
    "unknown_meter",
    "unreadable_date",
    "before_previous",
)
REASONS: tuple[str, ...] = (*IMPLAUSIBILITIES, NO_READING, NO_METER, UNKNOWN_METER, NO_DATE, TOO_EARLY)


class PreviousError(ValueError):
    """No usable previous readings. The message is one line and says what came and what was wanted."""


@dataclass(frozen=True)
class Previous:
    """The last accepted reading of a meter.

    Attributes:
        reading: such as "00123.4".
        day: when it was read; None if unknown.
        max_per_day: the greatest plausible increase in a day; None sets no bound.
    """

    reading: str
    day: date | None
    max_per_day: str | None


@dataclass(frozen=True)
class Verdict:
    """Whether a reading can follow the previous one; by the names of `archive.rows.VERDICT_COLUMNS`.

    Attributes:
        meter: its id; None where the photo's path tells none.
        previous: the last accepted reading.
        max_increase: the most that can have been used since then; None sets no bound.
        plausible: None where nothing could be compared.
        plausibility: what speaks against it or why there is no verdict, one of `REASONS`; else None.
    """

    meter: str | None = None
    previous: str | None = None
    max_increase: str | None = None
    plausible: bool | None = None
    plausibility: str | None = None


def load_previous(path: Path, max_per_day: str | None = None) -> dict[str, Previous]:
    """Previous readings by meter; of several of a meter the latest counts.

    Args:
        path: CSV with the columns meter and reading, and if wanted date (2026-05-31) and max_per_day.
        max_per_day: where the file gives none.

    Raises:
        PreviousError: unreadable, a column missing, or a value of the wrong kind.
    """
    found: dict[str, Previous] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if not {"meter", "reading"} <= set(rows.fieldnames or []):
                wanted = "meter and reading, and perhaps date and max_per_day"
                raise PreviousError(f"{path}: columns {rows.fieldnames or []}; wanted {wanted}")
            for row in rows:
                values = {key: (value or "").strip() for key, value in row.items() if isinstance(key, str)}
                meter, new = values["meter"], _previous(values, max_per_day, f"{path}, line {rows.line_num}")
                old = found.get(meter)
                if old is None or (new.day or date.min) >= (old.day or date.min):
                    found[meter] = new
    except UnicodeDecodeError as error:
        raise PreviousError(f"{path}: no CSV in UTF-8") from error
    except (OSError, csv.Error) as error:
        raise PreviousError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if not found:
        raise PreviousError(f"{path}: no readings in it")
    return found


def _previous(values: Mapping[str, str], max_per_day: str | None, where: str) -> Previous:
    try:
        if not values["meter"]:
            raise ValueError("no meter")
        most = values.get("max_per_day") or max_per_day
        implausibility("0", values["reading"], most)
        day = values.get("date") or None
        return Previous(values["reading"], date.fromisoformat(day) if day else None, most)
    except ValueError as error:
        raise PreviousError(f"{where}: {error}") from error


class Judge:
    """Compares readings with previous ones."""

    def __init__(self, previous: Mapping[str, Previous], pattern: str, day: date) -> None:
        """Takes the previous readings.

        Args:
            previous: by meter.
            pattern: regular expression with a group `meter`, and if wanted `date`, searched in a photo's path.
            day: of the readings whose photo names none.

        Raises:
            PreviousError: the pattern is none, or has no group `meter`.
        """
        self._previous = previous
        self._pattern = compile_pattern(pattern)
        self._day = day

    def judge(self, path: str, meter: str, taken: str, reading: str | None) -> Verdict:
        """The verdict on one photo.

        Args:
            path: of the photo.
            meter: its id where a list gave it; "" looks for it in the path.
            taken: when, ISO 8601, where a list gave it; else "".
            reading: None where nothing was read.
        """
        match = self._pattern.search(path)
        groups = match.groupdict() if match else {}
        name = meter or groups.get("meter")
        if not name:
            return Verdict(plausibility=NO_METER)
        previous = self._previous.get(name)
        if previous is None:
            return Verdict(name, plausibility=UNKNOWN_METER)
        try:
            text = taken or groups.get("date")
            day = date.fromisoformat(text) if text else self._day
        except ValueError:
            return Verdict(name, previous.reading, plausibility=NO_DATE)
        if previous.day is not None and day < previous.day:
            return Verdict(name, previous.reading, plausibility=TOO_EARLY)
        most = _most(previous, day)
        if reading is None:
            return Verdict(name, previous.reading, most, plausibility=NO_READING)
        try:
            why = implausibility(reading, previous.reading, most)
        except ValueError:  # more digits than any counter has
            return Verdict(name, previous.reading, most, plausibility=NO_READING)
        return Verdict(name, previous.reading, most, why is None, why)


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The pattern of meter ids.

    Raises:
        PreviousError: no regular expression, or without a group `meter`.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise PreviousError(f"--meter_pattern {pattern!r}: no regular expression ({error})") from error
    if "meter" not in compiled.groupindex:
        raise PreviousError(f"--meter_pattern {pattern!r} has no group (?P<meter>...)")
    return compiled


def _most(previous: Previous, day: date) -> str | None:
    """The most that can have been used since; readings of one day may lie a day's use apart."""
    if previous.max_per_day is None or previous.day is None:
        return None
    return format(Decimal(previous.max_per_day) * max(1, (day - previous.day).days), "f")


def excess(reading: str, previous: str, most: str | None) -> float:
    """How far an implausible reading lies outside: in greatest plausible increases, or in previous readings."""
    increase = Decimal(reading) - Decimal(previous)
    beyond = -increase if increase < 0 else increase - Decimal(most or 0)
    return float(beyond / (Decimal(most or 0) or Decimal(previous) or Decimal(1)))
