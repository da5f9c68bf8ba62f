"""Made pictures of lines with their texts, one function a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from reader.types import UInt8
from synthesis.lines.captcha import make_captcha
from synthesis.lines.digits import DigitBank
from synthesis.lines.handwritten import make_handwritten
from synthesis.lines.plate import make_plate
from synthesis.lines.price import make_price

#: Draws one picture (H, W, 3) uint8 RGB, of its own size, and says what stands there.
Maker = Callable[[np.random.Generator], tuple[UInt8, str]]

MAKERS: Mapping[str, Maker] = {
    "price": make_price,
    "plate": make_plate,
    "captcha": make_captcha,
    "handwritten": make_handwritten,
}


def make_line(
    task: str, rng: np.random.Generator, digits: DigitBank | None = None, rows: float | None = None
) -> tuple[UInt8, str]:
    """Draws one picture of a line.

    Args:
        task: one of `MAKERS`.
        rng: draws everything: the same generator, the same picture.
        digits: pictures of digits that handwritten numbers are put together from; None for pen strokes only.
        rows: share of handwritten numbers that are rows of single digits' pictures; None for the usual one.

    Returns:
        (H, W, 3) uint8 RGB, and its text, in the task's alphabet.

    Raises:
        ValueError: an unknown task.
    """
    if task not in MAKERS:
        raise ValueError(f"there are no made pictures for the task {task!r}: wanted one of {', '.join(MAKERS)}")
    return make_handwritten(rng, digits, rows) if task == "handwritten" else MAKERS[task](rng)
