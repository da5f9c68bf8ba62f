"""The network's shape, frozen. Saved inside the weights' file; refuses unknown keys."""

from __future__ import annotations

from dataclasses import dataclass

from reader.line_settings import ALPHABETS, check_alphabet
from training.frozen_config import FrozenConfig

#: Blocks of two convolutions; each halves the map.
BLOCKS = 3


@dataclass(frozen=True)
class CharactersConfig(FrozenConfig):
    """One network design.

    Attributes:
        task: of the line reader beside which it looks.
        alphabet: class i is alphabet[i].
        input_size: (height, width) of the window that the network takes, in pixels: both multiples of 8.
        line_height: as many of its pixels are the height of the line's picture.
        channels: of the six convolutions, two in each block.
        units: of the layer before the answer.
        dropout: after each block; before the answer two and a half times as much, at most 0.9.
    """

    task: str
    alphabet: str
    input_size: tuple[int, int] = (32, 32)
    line_height: int = 28
    channels: tuple[int, ...] = (20, 28, 48, 48, 96, 96)
    units: int = 160
    dropout: float = 0.15

    def __post_init__(self) -> None:
        check_alphabet(self.alphabet)
        if any(side < 16 or side % 8 for side in self.input_size):
            raise ValueError(f"input_size: a height and a width in steps of 8 wanted; {self.input_size} came")
        if not 8 <= self.line_height <= 2 * self.input_size[0]:
            raise ValueError(f"line_height: from 8 to {2 * self.input_size[0]} wanted; {self.line_height} came")
        if len(self.channels) != 2 * BLOCKS or min(self.channels) < 1:
            raise ValueError(f"channels: {2 * BLOCKS} whole numbers of at least 1 wanted; {self.channels} came")
        if self.units < 1:
            raise ValueError(f"units: at least 1 wanted; {self.units} came")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: from 0 to below 1 wanted; {self.dropout} came")


def characters_config(task: str, changes: dict[str, object]) -> CharactersConfig:
    """The configuration of a task, with changes.

    Raises:
        ValueError: an unknown task without an alphabet of its own, or an unknown key.
    """
    if task not in ALPHABETS and "alphabet" not in changes:
        raise ValueError(f"task {task!r} is unknown; there are {sorted(ALPHABETS)}, or give alphabet with --network")
    return CharactersConfig.from_dict({"task": task, "alphabet": ALPHABETS.get(task, ""), **changes})
