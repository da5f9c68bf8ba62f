"""The network's shape, frozen. Saved inside the weights' file; refuses unknown keys."""

from __future__ import annotations

from dataclasses import dataclass

from training.frozen_config import FrozenConfig

#: Steps that halve the map: the first convolution, and the first of each block.
HALVINGS = 5
#: Channels of the convolution that judges, in a network that is to and does not say how many.
JUDGED = 96


@dataclass(frozen=True)
class CornersConfig(FrozenConfig):
    """One network design.

    Attributes:
        input_size: (height, width) of the uint8 RGB cut of a display that the network takes, in pixels: both multiples
            of 32.
        margin: room around the supposed display in this cut, on each of its sides, in heights of the display.
        channels: of the first convolution and of the four blocks of two after it; each halves the map.
        squeezed: channels that are left of the last map.
        units: of the layer before the answer.
        dropout: before that layer.
        judged: channels of the convolution behind which the network says whether a display is shown at all; 0 for a
            network that does not say so.
    """

    input_size: tuple[int, int] = (96, 352)
    margin: float = 0.5
    channels: tuple[int, ...] = (16, 32, 64, 96, 128)
    squeezed: int = 48
    units: int = 192
    dropout: float = 0.1
    judged: int = 0

    def __post_init__(self) -> None:
        if any(side < 32 or side % 32 for side in self.input_size):
            raise ValueError(f"input_size: a height and a width in steps of 32 wanted; {self.input_size} came")
        if not 0 < self.margin <= 2:
            raise ValueError(f"margin: above 0, at most 2 wanted; {self.margin} came")
        if len(self.channels) != HALVINGS or min(self.channels) < 1:
            raise ValueError(f"channels: {HALVINGS} whole numbers of at least 1 wanted; {self.channels} came")
        if min(self.squeezed, self.units) < 1:
            raise ValueError(f"squeezed, units: at least 1 wanted; {self.squeezed}, {self.units} came")
        if self.judged < 0:
            raise ValueError(f"judged: at least 0 wanted; {self.judged} came")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: from 0 to below 1 wanted; {self.dropout} came")
