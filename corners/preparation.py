"""The corner network exported, compared and described for the bundle: what deploy/prepare_model.py does with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from corners.release import load
from reader.bundle import CornersSettings
from reader.geometry import rectify
from reader.types import UInt8
from training.export import sha256
from training.float_export import export_float32

NAME = "corners"
#: Exports differ from Keras by no more, in parts of the room around a display; and in logits of a display being there.
TOLERANCE = 1e-3
_COMPARED, _SEED = 8, 7006
#: What is less likely a display is none, where no settings say otherwise.
_SHOWN = 0.5

#: Generator -> (H, W, 3) uint8 RGB photo, and (4, 2) corners of its display in pixels; None where it shows none.
Made = Callable[[np.random.Generator], tuple[UInt8, np.ndarray | None]]


def prepare_corners(
    source: Path, formats: tuple[str, ...], folder: Path, make: Made, before: CornersSettings | None = None
) -> CornersSettings:
    """Exports the corner network into a folder and checks it.

    Args:
        source: .keras file.
        formats: of "savedmodel", "onnx", "onnx_int8"; it is small, so that int8 is not made of it.
        folder: where to; exists.
        make: draws a photo.
        before: settings to keep: how often the reader is to look, and what it is to believe.

    Returns:
        What belongs into the bundle.

    Raises:
        ReleaseError: a source that is no corner network.
        ExportError: a layer that the ONNX export does not know.
        MismatchError: an export that answers otherwise than Keras.
        OSError: a full disk.
    """
    network, config = load(source)
    print(f"{NAME}: {source}")
    cuts: list[UInt8] = []
    index = 0
    while len(cuts) < _COMPARED:
        photo, corners = make(np.random.default_rng([_SEED, index]))
        index += 1
        if corners is not None:
            cuts.append(rectify(photo, corners, config.margin, config.input_size)[0])
    files, checks = export_float32(NAME, network, np.stack(cuts), formats, folder, TOLERANCE)
    kept = before or CornersSettings(config.input_size, config.margin, files)
    shown = (kept.shown or _SHOWN) if config.judged else 0.0
    return CornersSettings(config.input_size, config.margin, files, kept.looks, shown, sha256(source), checks)
