"""Both stages exported, compared and described in one bundle: what deploy/prepare_model.py does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from reader.bundle import (
    FILE_NAME,
    Bundle,
    BundleError,
    Stage1Settings,
    Stage2Settings,
    load_bundle,
    save_bundle,
)
from reader.corners import CornerSharpener, DisplayJudge
from reader.gaps import PointReader
from reader.image import load_image, resize
from reader.lines import LineReader
from reader.metrics import same_number
from reader.pipeline import MeterReader
from reader.runtime import Network, OnnxNetwork, Outputs
from reader.types import UInt8
from retinanet.config import NetworkConfig, Stage1Config, Stage2Config
from retinanet.export import quantize_onnx, save_onnx
from retinanet.model import detector
from retinanet.release import ReleaseError, load
from training.export import (
    MismatchError,
    largest_difference,
    milliseconds,
    save_savedmodel,
    savedmodel_network,
    sha256,
    versions,
)
from training.steadiness import Readings, conclude, moved, verdict

STAGES: dict[str, type[NetworkConfig]] = {"stage1": Stage1Config, "stage2": Stage2Config}
#: Exports in float32 differ from Keras by no more: pixels of the network's input for places, 1 for probabilities.
TOLERANCE = 1e-3
#: Places with a smaller probability are nobody's boxes. What is decoded there may lie thousands of pixels off, where
#: float32 has no thousandths left.
FAINT = 0.01
#: Made pictures from which the ranges of int8 are taken; more change nothing any more.
CALIBRATION_PHOTOS, CALIBRATION_DISPLAYS, MOST_CALIBRATION = 60, 60, 150
#: Photos on which the exports are compared with Keras.
COMPARED = 8
CALIBRATION_SEED, VALIDATION_SEED = 7001, 7002
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
PACKAGES = ("tensorflow", "keras", "numpy", "onnx", "onnxruntime")

Made = Callable[[np.random.Generator], UInt8]
#: A photo, and what it should read, "" for nothing; None where nobody knows.
Known = tuple[UInt8, str | None]
MadePhoto = Callable[[np.random.Generator], Known]


@dataclass(frozen=True)
class Wish:
    """What to export.

    Attributes:
        sources: .keras file by stage.
        formats: of "savedmodel", "onnx", "onnx_int8".
        settings: the bundle whose thresholds and calibration are taken over, see `known_settings`.
        calibration: folder of photos for the ranges of int8; None makes some.
        validation: folder of photos to compare readings on; None makes some.
        photos: number of made photos to compare readings on.
        agreement: int8 is used where at least this share of the readings stays the same, 0 to 1; None for as many as
            stay the same in float32 when the photos are moved by a pixel.
        int8: stages that may be int8.
        line: reads displays as lines beside stage 2 where readings are compared; None for stage 2 alone.
        points: looks for the decimal point beside it.
        sharpener: puts the corners right that stage 1 finds, where readings are compared; None for nothing.
        judge: tells displays from what looks like one there; None for nothing.
    """

    sources: Mapping[str, Path]
    formats: tuple[str, ...]
    settings: Bundle | None = None
    calibration: Path | None = None
    validation: Path | None = None
    photos: int = 200
    agreement: float | None = None
    int8: tuple[str, ...] = tuple(STAGES)
    line: LineReader | None = None
    points: PointReader | None = None
    sharpener: CornerSharpener | None = None
    judge: DisplayJudge | None = None


class _Recorder:
    """A network that keeps what it was shown."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.seen: list[UInt8] = []

    def __call__(self, batch: UInt8) -> Outputs:
        self.seen.extend(batch)
        return self.network(batch)


def prepare(wish: Wish, folder: Path, make_photo: MadePhoto, make_display: Made) -> Bundle:
    """Exports both stages into an empty folder and checks them.

    Args:
        wish: what to export.
        folder: where to; exists.
        make_photo: a generator -> (H, W, 3) uint8 RGB photo of a meter and what it should read, "" for nothing.
        make_display: a generator -> (h, w, 3) uint8 RGB rectified display.

    Returns:
        The bundle, as it was written to the folder.

    Raises:
        ReleaseError: a source that is no network of its stage.
        ExportError: a layer that the ONNX export does not know.
        MismatchError: an export that answers otherwise than Keras.
        OSError: a folder without photos, a full disk.
    """
    settings = wish.settings
    detectors: dict[str, keras.Model] = {}
    configs: dict[str, NetworkConfig] = {}
    for stage, path in wish.sources.items():
        network, configs[stage] = load(path)
        if not isinstance(configs[stage], STAGES[stage]):
            raise ReleaseError(f"{path}: holds {network.name}; wanted {stage}")
        detectors[stage] = detector(network, configs[stage])
        print(f"{stage}: {path}")
    bundle = _describe(wish, settings, configs)
    for stage, model in detectors.items():
        # Also where only a SavedModel was asked for: the comparison of readings goes by ONNX, which is fast.
        save_onnx(model, folder / f"{stage}.onnx")
        if "savedmodel" in wish.formats:
            save_savedmodel(model, folder / stage / "1")
    # One thread, here and for int8: their times can be compared, also where other work is going on.
    float32 = {stage: OnnxNetwork(folder / f"{stage}.onnx", threads=1) for stage in STAGES}
    inputs = _inputs(wish, bundle, float32, make_photo, make_display)
    checks = {}
    for stage, model in detectors.items():
        saved = folder if "savedmodel" in wish.formats else None
        checks[stage] = _compare(stage, model, float32[stage], inputs[stage], saved)
    _compare_readings(detectors, float32, bundle, wish, make_photo)
    if "onnx_int8" in wish.formats:
        for stage, verdict in _quantized(wish, bundle, folder, float32, inputs, make_photo).items():
            checks[stage]["onnx_int8"] = verdict
    if set(wish.formats) == {"savedmodel"}:
        for stage in STAGES:
            (folder / f"{stage}.onnx").unlink()
    bundle = _named(bundle, folder, checks)
    save_bundle(bundle, folder)
    return bundle


def photos_in(folder: Path) -> Iterator[UInt8]:
    """The photos of a folder by name, (H, W, 3) uint8 RGB.

    Raises:
        FileNotFoundError: no such folder, or no photos in it.
        ImageError: one that cannot be read.
    """
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not paths:
        raise FileNotFoundError(f"{folder}: no photos there; wanted a folder of {', '.join(sorted(SUFFIXES))}")
    return (load_image(path) for path in paths)


def known_settings(path: Path | None) -> Bundle | None:
    """The bundle whose settings are taken over: of a bundle.json or a folder with one; None where there is none.

    Raises:
        BundleError: a bundle.json that is not there, or cannot be used.
    """
    if path is None or (path.is_dir() and not (path / FILE_NAME).is_file()) or not path.exists():
        if path is not None and path.suffix == ".json":
            raise BundleError(f"{path}: no such file; wanted a bundle.json")
        return None
    return load_bundle(path if path.is_dir() else path.parent)


def _describe(wish: Wish, settings: Bundle | None, configs: Mapping[str, NetworkConfig]) -> Bundle:
    first, second = configs["stage1"], configs["stage2"]
    assert isinstance(first, Stage1Config) and isinstance(second, Stage2Config)
    hashes = {stage: sha256(path) for stage, path in wish.sources.items()}
    if first.input_size[0] != first.input_size[1]:
        raise ReleaseError(f"stage 1 takes {first.input_size} pixels; the reader gives it squares")
    start = settings or Bundle(Stage1Settings(first.input_size[0], {}), Stage2Settings(second.input_size, {}))
    before = (start.stage1.source_sha256, start.stage2.source_sha256)
    if settings is None:
        print("thresholds and calibration: the defaults")
    elif before != tuple(hashes.values()):
        print("thresholds and calibration: taken over from other weights; calibrate again")
    return replace(
        start,
        stage1=replace(start.stage1, input_size=first.input_size[0], files={}, source_sha256=hashes["stage1"]),
        stage2=replace(
            start.stage2,
            input_size=second.input_size,
            files={},
            source_sha256=hashes["stage2"],
            margin=second.margin,
        ),
        versions=versions(PACKAGES),
    )


def _photos(folder: Path | None, make: MadePhoto, seed: int, count: int) -> Iterator[Known]:
    if folder is not None:
        return ((photo, None) for photo in photos_in(folder))
    return (make(np.random.default_rng([seed, index])) for index in range(count))


def _inputs(
    wish: Wish, bundle: Bundle, networks: Mapping[str, Network], make_photo: MadePhoto, make_display: Made
) -> dict[str, list[UInt8]]:
    """What both networks are shown when photos are read, and made displays; (H, W, 3) uint8, shuffled."""
    recorders = {stage: _Recorder(network) for stage, network in networks.items()}
    reader = MeterReader(recorders["stage1"], recorders["stage2"], bundle)
    count = CALIBRATION_PHOTOS if "onnx_int8" in wish.formats else COMPARED
    total = count if wish.calibration is None else None
    for photo, _ in tqdm(
        _photos(wish.calibration, make_photo, CALIBRATION_SEED, count), total=total, desc="calibration", unit="photo"
    ):
        reader.read(photo)
    rng = np.random.default_rng(CALIBRATION_SEED)
    # An untrained or timid stage 1 shows stage 2 nothing; ranges need pictures all the same.
    displays = CALIBRATION_DISPLAYS if wish.calibration is None or not recorders["stage2"].seen else 0
    recorders["stage2"].seen += [resize(make_display(rng), bundle.stage2.input_size) for _ in range(displays)]
    found = {}
    for stage, recorder in recorders.items():
        order = rng.permutation(len(recorder.seen))[:MOST_CALIBRATION]
        found[stage] = [recorder.seen[i] for i in order]
    return found


def _compare(
    stage: str, model: keras.Model, onnx: Network, inputs: Sequence[UInt8], folder: Path | None
) -> dict[str, str]:
    """Proves that the exports answer as Keras does; how near they come, by kind of file."""
    checks = {}
    batch = np.stack(inputs[:COMPARED])  # more than one: exports that only take single pictures fail here
    truth = model.predict_on_batch(batch)
    answers = {"onnx_float32": onnx(batch)}
    if folder is not None:
        answers["savedmodel"] = savedmodel_network(folder / stage / "1")(batch)
    for name, answer in answers.items():
        difference = largest_difference(boxes_only(truth, truth), boxes_only(answer, truth))
        print(f"{stage} {name}: at most {difference:.1e} from Keras")
        if not difference <= TOLERANCE:  # NaN is no agreement
            raise MismatchError(f"{stage} as {name} differs from Keras by {difference:.2g}; at most {TOLERANCE} wanted")
        checks[name] = f"used: at most {difference:.1e} from Keras"
    return checks


def boxes_only(outputs: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All probabilities, and the places of what could be a box by Keras' `truth`; 0 elsewhere, but NaN stays."""
    found = truth["probabilities"].max(-1) > FAINT  # (B, A)
    kept = {}
    for name, value in outputs.items():
        seen = found.reshape(found.shape + (1,) * (value.ndim - 2))
        kept[name] = value if name == "probabilities" else np.where(seen | ~np.isfinite(value), value, 0)
    return kept


def _compare_readings(
    detectors: Mapping[str, keras.Model],
    networks: Mapping[str, Network],
    bundle: Bundle,
    wish: Wish,
    make_photo: MadePhoto,
) -> None:
    """Proves that ONNX reads a few photos as Keras does.

    A reading that both think more likely wrong than right hangs on a digit that two classes share: there a
    difference of 1e-4 in a corner may tip it, and nothing is proved.
    """
    keras_networks = [detectors[stage].predict_on_batch for stage in STAGES]
    readers = [MeterReader(*keras_networks, bundle), MeterReader(networks["stage1"], networks["stage2"], bundle)]
    photos = _photos(wish.validation, make_photo, VALIDATION_SEED, COMPARED)
    for number, (photo, _) in zip(range(COMPARED), photos, strict=False):
        first, second = (reader.read(photo) for reader in readers)
        if first.text != second.text and max(first.confidence, second.confidence) > 0.5:
            raise MismatchError(f"photo {number}: ONNX reads {second.text!r} where Keras reads {first.text!r}")


def _quantized(
    wish: Wish,
    bundle: Bundle,
    folder: Path,
    float32: Mapping[str, Network],
    inputs: Mapping[str, list[UInt8]],
    make_photo: MadePhoto,
) -> dict[str, str]:
    """Writes int8 files and keeps those that read as well as float32 and are faster; the verdict on each, by stage."""
    used = dict(float32)
    verdicts = {}
    photos = list(_photos(wish.validation, make_photo, VALIDATION_SEED, wish.photos))
    before = _readings(bundle, used, photos, "float32", wish)
    truths = None if any(truth is None for _, truth in photos) else [truth or "" for _, truth in photos]
    shifts: list[list[str]] = []
    if wish.agreement is None:
        shifts = [_readings(bundle, used, photos, "float32, moved", wish, way) for way in range(2)]
    for stage in (each for each in STAGES if each in wish.int8):
        path = folder / f"{stage}_int8.onnx"
        quantize_onnx(folder / f"{stage}.onnx", path, inputs[stage])
        candidate = OnnxNetwork(path, threads=1)
        times = [milliseconds(network, inputs[stage][0]) for network in (float32[stage], candidate)]
        answers = _readings(bundle, {**used, stage: candidate}, photos, f"{stage} int8", wish)
        found, against = verdict(Readings(before, answers, shifts, truths), wish.agreement, _right)
        verdicts[stage] = conclude(stage, path, found, against, *times)
        if path.is_file():
            used[stage] = candidate
    return verdicts


def _right(answer: str, truth: str) -> bool:
    return answer == truth or bool(answer and truth and same_number(answer, truth))


def _readings(
    bundle: Bundle,
    networks: Mapping[str, Network],
    photos: Sequence[Known],
    title: str,
    wish: Wish,
    way: int | None = None,
) -> list[str]:
    """The readings of photos, or of them moved one `way`; "" for a photo that is not read, whatever of it was seen."""
    stages = networks["stage1"], networks["stage2"]
    reader = MeterReader(
        *stages, bundle, line=wish.line, points=wish.points, sharpener=wish.sharpener, judge=wish.judge
    )
    shown = (photo for photo, _ in tqdm(photos, desc=title, unit="photo"))
    results = (reader.read(photo if way is None else moved(photo)[way]) for photo in shown)
    return [result.text if result.success else "" for result in results]


def _named(bundle: Bundle, folder: Path, checks: Mapping[str, Mapping[str, str]]) -> Bundle:
    """The bundle with its file names: "onnx" is the one to use, "onnx_float32" and "onnx_int8" are those there are."""
    files: dict[str, dict[str, str]] = {}
    for stage in STAGES:
        files[stage] = {}
        for kind, name in (("float32", f"{stage}.onnx"), ("int8", f"{stage}_int8.onnx")):
            if (folder / name).is_file():
                files[stage] |= {"onnx": name, f"onnx_{kind}": name}
        if (folder / stage).is_dir():
            files[stage]["savedmodel"] = f"{stage}/1"
    stages = {
        stage: {kind: found for kind, found in checks[stage].items() if kind in files[stage] or kind == "onnx_int8"}
        for stage in STAGES
    }
    return replace(
        bundle,
        stage1=replace(bundle.stage1, files=files["stage1"], checks=stages["stage1"]),
        stage2=replace(bundle.stage2, files=files["stage2"], checks=stages["stage2"]),
    )
