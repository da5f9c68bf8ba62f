"""The network's shape, frozen. Saved inside the weights' file; refuses unknown keys."""

from __future__ import annotations

from dataclasses import dataclass

from training.frozen_config import FrozenConfig


@dataclass(frozen=True)
class PointConfig(FrozenConfig):
    """One network design.

    Attributes:
        input_size: (height, width) of the uint8 RGB picture of a gap that the network takes, in pixels: both multiples
            of 8.
        display_size: (height, width) of the rectified display that the gaps are cut out of, in pixels.
        channels: of the four convolutions; the map halves in the first, second and fourth.
        residuals: blocks of two more convolutions after the third, each added to what it sees.
        units: of the layer before the answer.
        dropout: before that layer and after it.
    """

    input_size: tuple[int, int] = (48, 80)
    display_size: tuple[int, int] = (64, 320)
    channels: tuple[int, ...] = (16, 32, 48, 64)
    residuals: int = 0
    units: int = 64
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if any(side < 16 or side % 8 for side in self.input_size):
            raise ValueError(f"input_size: a height and a width in steps of 8 wanted; {self.input_size} came")
        if min(self.display_size) < 16:
            raise ValueError(f"display_size: a height and a width of at least 16 wanted; {self.display_size} came")
        if len(self.channels) != 4 or min(self.channels) < 1:
            raise ValueError(f"channels: 4 whole numbers of at least 1 wanted; {self.channels} came")
        for name, least in (("residuals", 0), ("units", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: at least {least} wanted; {getattr(self, name)} came")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: from 0 to below 1 wanted; {self.dropout} came")
