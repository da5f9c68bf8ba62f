"""One rectified counter display, drawn with exact labels: drums (analog) or an LCD / 7-segment row (digital)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthesis.drums import draw_drums
from synthesis.lcd import draw_lcd

Box = tuple[float, float, float, float, str]

KINDS = ("analog", "digital")


@dataclass(frozen=True)
class DisplayArt:
    """A drawn display and everything that is to be read in it.

    Attributes:
        image: uint8 (h, w, 3) RGB, the rectified display from edge to edge, h about 90 to 140 px.
        boxes: x1, y1, x2, y2 in pixels of `image`, and the class as in `reader.symbols.STAGE2_CLASSES`.
        reading: what a person reads, e.g. "00123.456".
        kind: "analog" or "digital".
    """

    image: np.ndarray
    boxes: tuple[Box, ...]
    reading: str
    kind: str

    @property
    def digits(self) -> np.ndarray:
        """(n, 4) float64: the digits' boxes, from left to right."""
        return np.array(sorted(box[:4] for box in self.boxes if box[4].isdigit()), np.float64).reshape(-1, 4)


def draw_display(rng: np.random.Generator, kind: str | None = None) -> DisplayArt:
    """Draw a random display.

    Args:
        rng: the only source of chance: the same state draws the same bytes.
        kind: "analog" or "digital"; None chooses (digital in one of four).

    Returns:
        The display with its labels.

    Raises:
        ValueError: an unknown kind.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"unknown kind of display {kind!r}: wanted one of {', '.join(KINDS)} or None")
    if kind is None:
        kind = "digital" if rng.random() < 0.25 else "analog"
    image, boxes, reading = draw_lcd(rng) if kind == "digital" else draw_drums(rng)
    return DisplayArt(image, boxes, reading, kind)
