"""The weights in the repository: the exports belong to the .keras files, and the sample photos are read right."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from reader import MeterReader
from reader.bundle import load_bundle
from reader.geometry import quad_iou
from reader.line_settings import LINE_TASKS
from reader.lines import LineReader
from reader.runtime import OnnxNetwork
from synthesis.lines import make_line

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "deploy" / "models"
SAMPLES = ROOT / "resources" / "samples"


@pytest.fixture(scope="module")
def reader():
    return MeterReader.load()


@pytest.mark.parametrize("sample", json.loads((SAMPLES / "samples.json").read_text()), ids=lambda s: s["image"])
def test_samples_are_read_right(reader, sample):
    result = reader.read(SAMPLES / sample["image"])
    if sample["reading"] is None:
        assert not result.success and result.reason in ("no_display", "illegible", "unknown_digit")
        return
    assert (result.success, result.text) == (True, sample["reading"])
    assert quad_iou(result.corners, sample["corners"]) > 0.6


def test_every_sample_is_there():
    named = {sample["image"] for sample in json.loads((SAMPLES / "samples.json").read_text())}
    assert named == {path.name for path in SAMPLES.glob("*.jpg")}


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_the_exports_are_made_from_the_keras_files(stage):
    settings = getattr(load_bundle(MODELS), stage)
    source = ROOT / "retinanet" / f"{stage}.keras"
    assert settings.source_sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    from retinanet.model import detector
    from retinanet.release import load

    network, config = load(source)
    batch = np.random.default_rng(0).integers(0, 255, (2, *config.input_size, 3), dtype=np.uint8)
    wanted = detector(network, config).predict_on_batch(batch)
    came = OnnxNetwork(MODELS / settings.files["onnx_float32"])(batch)
    assert set(came) == set(wanted)
    for name, values in wanted.items():
        scale = 1.0 if name == "probabilities" else float(max(config.input_size))
        np.testing.assert_allclose(came[name] / scale, np.asarray(values) / scale, atol=1e-3)


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_files_stay_small(stage):
    assert (ROOT / "retinanet" / f"{stage}.keras").stat().st_size < 15e6


@pytest.mark.parametrize("task", [*LINE_TASKS, "display"])
def test_line_readers_come_from_the_committed_keras_files(task):
    settings = load_bundle().lines[task]
    source = (ROOT / "crnn" / f"{task}.keras").read_bytes()
    assert settings.source_sha256 == hashlib.sha256(source).hexdigest()


@pytest.mark.parametrize(("name", "package"), [("point", "points"), ("corners", "corners"), ("judge", "corners")])
def test_small_networks_come_from_the_committed_keras_files(name, package):
    source = (ROOT / package / f"{name}.keras").read_bytes()
    assert getattr(load_bundle(), name).source_sha256 == hashlib.sha256(source).hexdigest()


def test_second_looks_come_from_the_committed_keras_files():
    bundle = load_bundle()
    assert set(bundle.characters) == {"handwritten"} and set(bundle.characters) <= set(bundle.lines)
    for task, settings in bundle.characters.items():
        source = (ROOT / "characters" / f"{task}_characters.keras").read_bytes()
        assert settings.source_sha256 == hashlib.sha256(source).hexdigest()
        assert LineReader.load(task, threads=1).look is not None


@pytest.mark.parametrize(("task", "least"), [("price", 0.7), ("plate", 0.6), ("captcha", 0.8), ("handwritten", 0.6)])
def test_made_lines_are_read(task, least):
    """Lines that no training saw. The shares are low on purpose: made lines are harder than real ones."""
    reader = LineReader.load(task, threads=1)
    lines = [make_line(task, np.random.default_rng([9, number])) for number in range(40)]
    right = sum(reader.read(picture).text == text for picture, text in lines)
    assert right >= least * len(lines), f"{right} of {len(lines)}"
