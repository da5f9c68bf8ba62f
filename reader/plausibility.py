"""Does a reading follow from the last one? A meter counts upwards, and by no more than its user can have used."""

from __future__ import annotations

import re
from decimal import Decimal

DECREASED, TOO_LARGE_INCREASE = "decreased", "too_large_increase"
#: What `implausibility` may find.
IMPLAUSIBILITIES: tuple[str, ...] = (DECREASED, TOO_LARGE_INCREASE)

_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20}", re.ASCII)


def implausibility(text: str, previous: str | float, max_increase: str | float | None = None) -> str | None:
    """Why a reading cannot follow the previous one.

    A counter that has passed its last number begins again at zero: with `max_increase` given, a smaller reading is
    accepted where counting through zero comes to no more than that.

    Args:
        text: the reading, such as "00123.456".
        previous: the last accepted reading.
        max_increase: the most that can have been used since; None sets no bound.

    Returns:
        One of `IMPLAUSIBILITIES`, or None for a plausible reading.

    Raises:
        ValueError: one of the numbers is none; the message names it.
    """
    reading, last = _number(text, "the reading"), _number(previous, "previous")
    most = None if max_increase is None else _number(max_increase, "max_increase")
    increase = reading - last
    if increase < 0 and most is not None:
        through_zero = increase + 10 ** len(text.partition(".")[0])
        if last < 10 ** len(text.partition(".")[0]) and through_zero <= most:
            return None
    if increase < 0:
        return DECREASED
    return TOO_LARGE_INCREASE if most is not None and increase > most else None


def _number(value: str | float, name: str) -> Decimal:
    text = value.strip() if isinstance(value, str) else format(value, "f")
    if isinstance(value, bool) or not _NUMBER.fullmatch(text):
        raise ValueError(f"{name} is a number of 0 or more such as 123.4, not {value!r}")
    return Decimal(text)
