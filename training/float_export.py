"""Small networks exported in float32 alone and compared with Keras: those for the decimal point and for the corners."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import keras

from reader.runtime import OnnxNetwork
from reader.types import UInt8
from training import export
from training.export import MismatchError
from training.onnx_graph import to_onnx


def export_float32(
    name: str, network: keras.Model, batch: UInt8, formats: Collection[str], folder: Path, tolerance: float
) -> tuple[dict[str, str], dict[str, str]]:
    """Writes the files that `formats` ask for; int8 gains nothing on so few weights, so that float32 stands for it.

    Args:
        name: of the files.
        network: one picture in, a dictionary of outputs out.
        batch: (N, H, W, 3) pictures to compare on.
        formats: of "savedmodel", "onnx", "onnx_int8".
        folder: where to; exists.
        tolerance: by which exports may differ from Keras, in units of the outputs.

    Returns:
        File names by runtime, and what the comparison found by kind of file, as the bundle takes them.

    Raises:
        ExportError: a layer that the ONNX export does not know.
        MismatchError: an export that answers otherwise than Keras.
        OSError: a full disk.
    """
    truth = network.predict_on_batch(batch)
    files, checks = {}, {}

    def check(kind: str, answer: export.Outputs) -> None:
        difference = export.largest_difference(truth, answer)
        print(f"{name} {kind}: at most {difference:.1e} from Keras")
        if not difference <= tolerance:  # NaN is no agreement
            raise MismatchError(f"{name} as {kind} differs from Keras by {difference:.2g}; at most {tolerance} wanted")
        checks[kind] = f"used: at most {difference:.1e} from Keras"

    if set(formats) != {"savedmodel"}:
        path = folder / f"{name}.onnx"
        path.write_bytes(to_onnx(network).SerializeToString())
        files |= {"onnx": path.name, "onnx_float32": path.name}
        check("onnx_float32", OnnxNetwork(path, threads=1)(batch))
    if "savedmodel" in formats:
        saved = folder / name / "1"
        export.save_savedmodel(network, saved)
        files["savedmodel"] = f"{name}/1"
        check("savedmodel", export.savedmodel_network(saved)(batch))
    return files, checks
