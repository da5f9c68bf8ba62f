"""The line reader's network: its task and its shape, frozen. Saved inside the weights' file; refuses unknown keys."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from reader.line_settings import ALPHABETS, FITS, check_alphabet

RNNS = ("lstm", "gru")


@dataclass(frozen=True)
class LineConfig:
    """One network design; each task has its alphabet and size.

    Attributes:
        task: what is read; names the files.
        alphabet: class i + 1 is alphabet[i]; class 0 is the CTC blank.
        input_size: (height, width) of the uint8 RGB picture that the network takes, in pixels: the height a multiple
            of 8, the width of 4; of twice as much with `fine`.
        fit: "stretch" pictures to the input, or "pad" them.
        max_length: of the longest line, in characters.
        pattern: what a line looks like, see `reader.line_pattern`; None for anything.
        channels: of the six convolutions; the height halves after the first, second, fourth, the width after the first
            and second.
        fine: channels of a convolution that sees the picture at its full size, where the six see half of it and what
            this one found: a decimal point is lost in half the pixels. 0: the six see the picture as it is.
        column: channels of a column of the last map, all its height together.
        context: columns that a convolution along the line looks at together, an odd number, so that a character is seen
            whole before it is named; 0 for no such convolution.
        rnn: "lstm" or "gru".
        units: of each direction of a recurrent layer.
        layers: recurrent layers, one upon another; 0 for none.
        dropout: before each recurrent layer and before the classes.
    """

    task: str
    alphabet: str
    input_size: tuple[int, int]
    fit: str = "stretch"
    max_length: int = 8
    pattern: str | None = None
    channels: tuple[int, ...] = (24, 48, 96, 96, 128, 128)
    fine: int = 0
    column: int = 160
    context: int = 0
    rnn: str = "lstm"
    units: int = 128
    layers: int = 2
    dropout: float = 0.2

    def __post_init__(self) -> None:
        check_alphabet(self.alphabet)
        if self.fit not in FITS:
            raise ValueError(f"fit: one of {list(FITS)} wanted; {self.fit!r} came")
        if self.rnn not in RNNS:
            raise ValueError(f"rnn: one of {list(RNNS)} wanted; {self.rnn!r} came")
        for name, least in (("fine", 0), ("column", 1), ("units", 1), ("layers", 0), ("max_length", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: at least {least} wanted; {getattr(self, name)} came")
        height, width = self.input_size
        rows, columns = (16, 8) if self.fine else (8, 4)
        if height < 2 * rows or height % rows or width < 4 * columns or width % columns:
            wanted = f"a height in steps of {rows}, a width in steps of {columns}"
            raise ValueError(f"input_size: {wanted} wanted; {height, width} came")
        if len(self.channels) != 6 or min(self.channels) < 1:
            raise ValueError(f"channels: 6 whole numbers of at least 1 wanted; {self.channels} came")
        if self.max_length > self.steps:
            raise ValueError(f"max_length: at most {self.steps}, the network's steps; {self.max_length} came")
        if self.context < 0 or (self.context and self.context % 2 == 0):
            raise ValueError(f"context: 0 or an odd number wanted; {self.context} came")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: from 0 to below 1 wanted; {self.dropout} came")

    @property
    def map_size(self) -> tuple[int, int]:
        """(height, width) of what the first of the six convolutions sees."""
        height, width = self.input_size
        return (height // 2, width // 2) if self.fine else (height, width)

    @property
    def steps(self) -> int:
        """Time steps of the output, T."""
        return self.map_size[1] // 4

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON takes them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> LineConfig:
        """The configuration of `values`.

        Raises:
            ValueError: a key that is not known or missing, or a value that makes no network.
        """
        if not isinstance(values, dict):
            raise ValueError(f"LineConfig: names and values wanted, {type(values).__name__} came")
        known = {f.name for f in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"LineConfig: unknown keys {unknown}; known are {sorted(known)}")
        try:
            return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
        except TypeError as error:
            raise ValueError(f"LineConfig: {error}") from error


#: For lines that vary more than most print.
_WIDER: dict[str, Any] = {"channels": (32, 64, 128, 128, 160, 160), "column": 192, "units": 144}

#: One configuration per task. Sizes follow the pictures: plates are small, captchas large, displays wide. What varies
#: more than captchas do is read better by wider networks (resources/MODEL_CARD.md).
TASKS: dict[str, dict[str, Any]] = {
    "plate": {"input_size": (32, 128), "max_length": 8, **_WIDER},
    "captcha": {"input_size": (48, 192), "max_length": 6},
    "price": {
        "input_size": (48, 160),
        "fit": "pad",
        "max_length": 9,
        "channels": (32, 64, 128, 128, 176, 176),
        "column": 224,
        "units": 176,
    },
    "handwritten": {"input_size": (40, 192), "fit": "pad", "max_length": 10, **_WIDER},
    "display": {
        "input_size": (48, 256),
        "max_length": 10,
        "channels": (40, 80, 160, 160, 224, 224),
        "column": 272,
        "units": 208,
    },
}


def task_config(task: str, changes: dict[str, Any] | None = None) -> LineConfig:
    """The configuration of a task, with changes.

    Raises:
        ValueError: an unknown task without an alphabet and a size of its own, or an unknown key.
    """
    changes = changes or {}
    if task not in TASKS and not {"alphabet", "input_size"} <= set(changes):
        raise ValueError(f"task {task!r} is unknown; there are {sorted(TASKS)}, or give alphabet and input_size")
    known: dict[str, Any] = {"task": task, **TASKS.get(task, {})}
    if task in ALPHABETS:
        known["alphabet"] = ALPHABETS[task]
    return LineConfig.from_dict({**known, **changes})
