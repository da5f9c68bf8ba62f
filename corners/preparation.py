"""The corner network and the judge exported, compared and described for the bundle, for deploy/prepare_model.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from corners.config import CornersConfig
from corners.release import ReleaseError, load
from reader.bundle import CornersSettings, JudgeSettings
from reader.geometry import rectify
from reader.types import UInt8
from training.export import sha256
from training.float_export import export_float32

NAME = "corners"
JUDGE = "judge"
#: Exports differ from Keras by no more, in parts of the room around a display; and in logits of one being there.
TOLERANCE = 1e-3
_COMPARED, _SEED = 8, 7006

#: Generator -> (H, W, 3) uint8 RGB photo, and (4, 2) corners of its display in pixels; None where it shows none.
Made = Callable[[np.random.Generator], tuple[UInt8, np.ndarray | None]]


def prepare_corners(
    source: Path, formats: tuple[str, ...], folder: Path, make: Made, looks: int = CornersSettings.looks
) -> CornersSettings:
    """Exports the corner network into a folder and checks it.

    Args:
        source: .keras file.
        formats: of "savedmodel", "onnx", "onnx_int8"; it is small, so that int8 is not made of it.
        folder: where to; exists.
        make: draws a photo.
        looks: how often the reader is to look.

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
    files, checks = export_float32(NAME, network, _cuts(config, make), formats, folder, TOLERANCE)
    return CornersSettings(config.input_size, config.margin, files, looks, sha256(source), checks)


def prepare_judge(
    source: Path, formats: tuple[str, ...], folder: Path, make: Made, before: JudgeSettings | None = None
) -> JudgeSettings:
    """Exports what a corner network says about displays being there, without what it says about corners, and checks it.

    Args:
        source: .keras file of a corner network that judges.
        formats: see `prepare_corners`.
        folder: where to; exists.
        make: draws a photo.
        before: settings whose probabilities and confidence are taken over; None for the usual ones.

    Returns:
        What belongs into the bundle.

    Raises:
        ReleaseError: a source that is no corner network, or one that does not judge.
        ExportError: see `prepare_corners`.
        MismatchError: see `prepare_corners`.
        OSError: a full disk.
    """
    network, config = load(source)
    if not config.judged:
        raise ReleaseError(f'{source}: holds a network that does not judge; "judged" channels wanted')
    print(f"{JUDGE}: {source}")
    files, checks = export_float32(JUDGE, judging(network), _cuts(config, make), formats, folder, TOLERANCE)
    size, margin = config.input_size, config.margin
    known = before or JudgeSettings(size, margin, files)
    return replace(known, input_size=size, margin=margin, files=files, source_sha256=sha256(source), checks=checks)


def judging(network: keras.Model) -> keras.Model:
    """A corner network with nothing but its judgement: uint8 (B, H, W, 3) -> {"shown": (B, 1)}."""
    return keras.Model(network.input, {"shown": network.output["shown"]}, name=JUDGE)


def _cuts(config: CornersConfig, make: Made) -> UInt8:
    """Displays of made photos as the network sees them, (N, h, w, 3)."""
    cuts: list[UInt8] = []
    index = 0
    while len(cuts) < _COMPARED:
        photo, corners = make(np.random.default_rng([_SEED, index]))
        index += 1
        if corners is not None:
            cuts.append(rectify(photo, corners, config.margin, config.input_size)[0])
    return np.stack(cuts)
