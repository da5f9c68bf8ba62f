"""Line readers exported, compared and described for the bundle: what deploy/prepare_model.py does with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from crnn.config import LineConfig
from crnn.onnx_graph import to_onnx
from crnn.release import load
from reader.line_image import prepare
from reader.line_settings import LineSettings
from reader.lines import LineReader
from reader.runtime import Network, OnnxNetwork
from reader.types import UInt8
from training import export
from training.export import MismatchError
from training.steadiness import Readings, conclude, moved, verdict

#: Exports in float32 differ from Keras by no more, in logits.
TOLERANCE = 1e-3
CALIBRATION_LINES, COMPARED = 150, 8
CALIBRATION_SEED, VALIDATION_SEED = 7003, 7004

#: Task, generator -> (H, W, 3) uint8 RGB picture of a line, and its text; None where nobody knows.
Made = Callable[[str, np.random.Generator], tuple[UInt8, str | None]]


@dataclass(frozen=True)
class LineWish:
    """What to export.

    Attributes:
        sources: .keras file by task.
        formats: of "savedmodel", "onnx", "onnx_int8".
        settings: of the tasks' earlier exports, whose thresholds and calibration are taken over.
        lines: number of made lines to compare readings on.
        agreement: int8 is used where at least this share of the readings stays the same, 0 to 1; None for as many as
            stay the same in float32 when the pictures are moved by a pixel.
        int8: tasks whose networks may be int8. Their recurrent layers stay in float32, so that little is gained.
    """

    sources: Mapping[str, Path]
    formats: tuple[str, ...]
    settings: Mapping[str, LineSettings]
    lines: int = 400
    agreement: float | None = None
    int8: tuple[str, ...] = ()


def prepare_lines(wish: LineWish, folder: Path, make: Made) -> dict[str, LineSettings]:
    """Exports the line readers into a folder and checks them.

    Args:
        wish: what to export.
        folder: where to; exists.
        make: draws a line.

    Returns:
        What belongs into the bundle, by task.

    Raises:
        ReleaseError: a source that is no line reader.
        ExportError: a layer that the ONNX export does not know.
        MismatchError: an export that answers otherwise than Keras, or a source of another task.
        OSError: a full disk.
    """
    return {task: _prepare(task, path, wish, folder, make) for task, path in wish.sources.items()}


def _prepare(task: str, path: Path, wish: LineWish, folder: Path, make: Made) -> LineSettings:
    network, config = load(path)
    if config.task != task:
        raise MismatchError(f"{path}: reads {config.task!r}; wanted {task!r}")
    settings = _describe(config, wish.settings.get(task), export.sha256(path))
    print(f"{task}: {path}")
    exported = folder / f"{task}.onnx"
    exported.write_bytes(to_onnx(network).SerializeToString())
    files = {"onnx": exported.name, "onnx_float32": exported.name}
    saved = None
    if "savedmodel" in wish.formats:
        saved = folder / task / "1"
        export.save_savedmodel(network, saved)
        files["savedmodel"] = f"{task}/1"
    float32 = OnnxNetwork(exported, threads=1)
    drawn, _ = _lines(task, make, CALIBRATION_SEED, CALIBRATION_LINES)
    pictures = [prepare(picture, settings.input_size, settings.fit) for picture in drawn]
    checks = _compare(task, network, float32, saved, pictures[:COMPARED], settings)
    if "onnx_int8" in wish.formats and task in wish.int8:
        checks["onnx_int8"] = _quantized(task, folder, float32, settings, pictures, make, wish)
        if (folder / f"{task}_int8.onnx").is_file():
            files |= {"onnx": f"{task}_int8.onnx", "onnx_int8": f"{task}_int8.onnx"}
    if set(wish.formats) == {"savedmodel"}:
        exported.unlink()
        files = {"savedmodel": files["savedmodel"]}
        del checks["onnx_float32"]
    return replace(settings, files=files, checks=checks)


def _describe(config: LineConfig, before: LineSettings | None, sha256: str) -> LineSettings:
    """The settings of a network: its own shape, thresholds and calibration from before."""
    known = {
        "alphabet": config.alphabet,
        "input_size": config.input_size,
        "fit": config.fit,
        "max_length": config.max_length,
        "source_sha256": sha256,
    }
    if before is not None:
        if before.source_sha256 != sha256:
            print(f"{config.task}: calibration taken over from other weights; calibrate again")
        return replace(before, **known)  # type: ignore[arg-type]
    return LineSettings(task=config.task, pattern=config.pattern, **known)  # type: ignore[arg-type]


def _lines(task: str, make: Made, seed: int, count: int) -> tuple[list[UInt8], list[str] | None]:
    """Made lines and their texts; None where not all are known."""
    drawn = [make(task, np.random.default_rng([seed, index])) for index in range(count)]
    texts = [text for _, text in drawn if text is not None]
    return [picture for picture, _ in drawn], texts if len(texts) == count else None


def _compare(
    task: str, model: keras.Model, onnx: Network, saved: Path | None, pictures: Sequence[UInt8], settings: LineSettings
) -> dict[str, str]:
    """Proves that the exports answer as Keras does; how near they come, by kind of file."""
    checks = {}
    batch = np.stack(pictures)  # more than one: exports that only take single pictures fail here
    truth = model.predict_on_batch(batch)
    answers = {"onnx_float32": onnx(batch)}
    if saved is not None:
        answers["savedmodel"] = export.savedmodel_network(saved)(batch)
    wanted = _texts(truth["logits"], settings)
    for name, answer in answers.items():
        difference = export.largest_difference(truth, answer)
        print(f"{task} {name}: at most {difference:.1e} from Keras")
        if not difference <= TOLERANCE:  # NaN is no agreement
            raise MismatchError(f"{task} as {name} differs from Keras by {difference:.2g}; at most {TOLERANCE} wanted")
        if _texts(answer["logits"], settings) != wanted:
            raise MismatchError(f"{task} as {name} reads other texts than Keras")
        checks[name] = f"used: at most {difference:.1e} from Keras"
    return checks


def _texts(logits: np.ndarray, settings: LineSettings) -> list[str]:
    """The readings of logits (N, T, classes), as the reader makes them."""
    from reader.ctc import log_softmax

    reader = LineReader(lambda batch: {}, settings)
    found = (reader.decode(log_softmax(each, settings.temperature)) for each in logits)
    return [readings[0].text if readings else "" for readings in found]


def _quantized(
    task: str,
    folder: Path,
    float32: Network,
    settings: LineSettings,
    pictures: Sequence[UInt8],
    make: Made,
    wish: LineWish,
) -> str:
    """Writes an int8 file, which stays only if it reads as well as float32 and is faster; the verdict on it."""
    path = folder / f"{task}_int8.onnx"
    # Recurrent layers and the classes stay in float32: there is little to gain, and errors would go through all steps.
    export.quantize_onnx(folder / f"{task}.onnx", path, pictures, ["Conv", "MaxPool"], lambda node: False)
    candidate = OnnxNetwork(path, threads=1)
    before, after = (export.milliseconds(network, pictures[0]) for network in (float32, candidate))
    drawn, truths = _lines(task, make, VALIDATION_SEED, wish.lines)

    def read(network: Network, lines: Sequence[UInt8], title: str) -> list[str]:
        shown = (prepare(line, settings.input_size, settings.fit) for line in tqdm(lines, desc=title, unit="line"))
        return [text for line in shown for text in _texts(network(line[None])["logits"], settings)]

    shifts = []
    if wish.agreement is None:
        shifts = [read(float32, lines, f"{task} float32, moved") for lines in zip(*map(moved, drawn), strict=True)]
    readings = Readings(read(float32, drawn, f"{task} float32"), read(candidate, drawn, f"{task} int8"), shifts, truths)
    return conclude(task, path, *verdict(readings, wish.agreement), before, after)
