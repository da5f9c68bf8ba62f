"""The networks of single characters exported, compared and described for the bundle: for deploy/prepare_model.py."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from characters.release import load
from reader.characters import character_windows
from reader.line_settings import CharacterSettings
from reader.types import UInt8
from training.export import MismatchError, sha256
from training.float_export import export_float32

#: Exports differ from Keras by no more, in logits.
TOLERANCE = 1e-3
_COMPARED, _SEED = 8, 7006

#: Task, generator -> (H, W, 3) uint8 RGB picture of a line, and its text.
Made = Callable[[str, np.random.Generator], tuple[UInt8, str | None]]


def name_of(task: str) -> str:
    """What the files of a task's network are called."""
    return f"{task}_characters"


def prepare_characters(
    sources: Mapping[str, Path],
    formats: Collection[str],
    folder: Path,
    make: Made,
    before: Mapping[str, CharacterSettings],
) -> dict[str, CharacterSettings]:
    """Exports the networks into a folder and checks them.

    Args:
        sources: .keras file by task.
        formats: of "savedmodel", "onnx", "onnx_int8"; they are small, so that int8 is not made of them.
        folder: where to; exists.
        make: draws a line.
        before: settings whose trust and certainty are taken over, by task.

    Returns:
        What belongs into the bundle, by task.

    Raises:
        ReleaseError: a source that is no such network.
        ExportError: a layer that the ONNX export does not know.
        MismatchError: an export that answers otherwise than Keras, or a source of another task.
        OSError: a full disk.
    """
    made = {}
    for task, source in sources.items():
        network, config = load(source)
        if config.task != task:
            raise MismatchError(f"{source}: looks at characters of {config.task!r}; wanted {task!r}")
        print(f"{name_of(task)}: {source}")
        pictures = [make(task, np.random.default_rng([_SEED, index]))[0] for index in range(_COMPARED)]
        places = [np.linspace(0, picture.shape[1], 4)[1:-1].tolist() for picture in pictures]
        windows = [
            character_windows(picture, middles, config.input_size, config.line_height)
            for picture, middles in zip(pictures, places, strict=True)
        ]
        batch = np.concatenate(windows)[..., None]
        files, checks = export_float32(name_of(task), network, batch, formats, folder, TOLERANCE)
        made[task] = CharacterSettings(
            config.input_size, config.line_height, config.alphabet, files, sha256(source), checks
        )
        if task in before:
            if before[task].source_sha256 != made[task].source_sha256:
                print(f"{name_of(task)}: trust taken over from other weights; calibrate again")
            made[task] = replace(made[task], trust=before[task].trust, certain=before[task].certain)
    return made
