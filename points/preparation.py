"""The point network exported, compared and described for the bundle: what deploy/prepare_model.py does with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from points.release import load
from reader.bundle import PointSettings
from reader.gaps import gap_cuts
from reader.types import UInt8
from training.export import sha256
from training.float_export import export_float32

NAME = "point"
#: Exports differ from Keras by no more, in logits.
TOLERANCE = 1e-3
_COMPARED, _SEED = 8, 7005

#: Generator -> (h, w, 3) uint8 RGB picture of a display, and (n, 4) xyxy of its digits from left to right.
Made = Callable[[np.random.Generator], tuple[UInt8, np.ndarray]]


@dataclass(frozen=True)
class PointWish:
    """What to export.

    Attributes:
        source: .keras file.
        formats: of "savedmodel", "onnx", "onnx_int8"; it is small, so that int8 is not made of it.
    """

    source: Path
    formats: tuple[str, ...]


def prepare_point(wish: PointWish, folder: Path, make: Made) -> PointSettings:
    """Exports the point network into a folder and checks it.

    Args:
        wish: what to export.
        folder: where to; exists.
        make: draws a display.

    Returns:
        What belongs into the bundle.

    Raises:
        ReleaseError: a source that is no point network.
        ExportError: a layer that the ONNX export does not know.
        MismatchError: an export that answers otherwise than Keras.
        OSError: a full disk.
    """
    network, config = load(wish.source)
    print(f"{NAME}: {wish.source}")
    displays = (make(np.random.default_rng([_SEED, index])) for index in range(_COMPARED))
    batch = np.concatenate([gap_cuts(picture, digits, config.input_size) for picture, digits in displays])
    files, checks = export_float32(NAME, network, batch, wish.formats, folder, TOLERANCE)
    return PointSettings(config.input_size, files, sha256(wish.source), checks, config.display_size)
