"""deploy/prepare_model.py: whole or not at all, compared with Keras, described in the bundle."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from deploy.prepare_model import FORMATS, find_source, main, replacing
from reader.bundle import DEFAULT_FOLDER, load_bundle, save_bundle
from reader.pipeline import MeterReader
from retinanet import preparation
from retinanet.config import Stage1Config, Stage2Config
from retinanet.model import build
from training.export import largest_difference
from training.steadiness import verdict

SMALL = {"channels": (4, 4, 4, 4, 4), "blocks": (1, 1, 1, 1), "fpn_channels": 4, "head_convs": 1}
COMMITTED = DEFAULT_FOLDER.parent.parent / "retinanet"


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    keras.utils.set_random_seed(0)  # what an untrained network takes for a display depends on its weights
    build(Stage1Config((64, 64), **SMALL)).save(folder / "stage1.keras")
    build(Stage2Config((32, 96), **SMALL, margin=0.2)).save(folder / "stage2.keras")
    return folder


@pytest.fixture
def call(sources, tmp_path, monkeypatch):
    """Runs the command on small networks and few pictures: call("--formats", ...) -> exit code."""
    for name in ("CALIBRATION_PHOTOS", "CALIBRATION_DISPLAYS", "COMPARED"):
        monkeypatch.setattr(preparation, name, 2)

    def run(*arguments):
        files = [f"--{stage}={sources / f'{stage}.keras'}" for stage in ("stage1", "stage2")]
        return main(
            [
                *files,
                "--out",
                str(tmp_path / "models"),
                "--photos",
                "2",
                "--no_lines",
                "--no_corners",
                "--no_judge",
                *arguments,
            ]
        )

    return run


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_all_formats_and_a_bundle_that_the_reader_takes(call, sources, tmp_path, monkeypatch, capsys):
    times = iter([2, 1, 1, 2])  # stage 1 in float32 and int8, then stage 2
    monkeypatch.setattr(preparation, "milliseconds", lambda network, picture: next(times))
    monkeypatch.setattr(preparation, "_readings", lambda *arguments: ["1234", ""])  # untrained networks read nothing
    assert call("--formats", *FORMATS) == 0
    models = tmp_path / "models"
    assert names(models) == {"stage1", "stage2", "stage1.onnx", "stage1_int8.onnx", "stage2.onnx", "bundle.json"}
    assert "stage2 int8: 1 of 1 readings as in float32" in capsys.readouterr().out
    bundle = load_bundle(models)
    assert bundle.stage1.files == {
        "onnx": "stage1_int8.onnx",
        "onnx_float32": "stage1.onnx",
        "onnx_int8": "stage1_int8.onnx",
        "savedmodel": "stage1/1",
    }
    assert bundle.stage2.files == {"onnx": "stage2.onnx", "onnx_float32": "stage2.onnx", "savedmodel": "stage2/1"}
    assert (bundle.stage1.input_size, bundle.stage2.input_size, bundle.stage2.margin) == (64, (32, 96), 0.2)
    assert bundle.stage1.source_sha256 == preparation.sha256(sources / "stage1.keras")
    assert {"keras", "onnxruntime"} <= set(bundle.versions)
    assert bundle.stage1.checks["onnx_int8"] == (
        "used: 1 of 1 readings as in float32 (float32 itself of photos moved by a pixel: 1 of 1, 1 of 1), "
        "0 instead of 0 right, 1.0 ms instead of 2.0"
    )
    assert bundle.stage2.checks["onnx_int8"].startswith("not used, not faster: 1 of 1 readings")
    for stage in (bundle.stage1, bundle.stage2):
        assert set(stage.checks) == {"onnx_float32", "onnx_int8", "savedmodel"}
        assert "from Keras" in stage.checks["onnx_float32"] and "from Keras" in stage.checks["savedmodel"]
    photo = np.zeros((80, 90, 3), np.uint8)
    answers = [MeterReader.load(models, name).read(photo) for name in ("auto", "onnx", "savedmodel")]
    assert {answer.reason for answer in answers} == {"no_display"}


MANY = [str(number) for number in range(40)]


@pytest.mark.parametrize(
    ("moved", "int8", "reason"),
    [
        (MANY, ["x"] * 5 + MANY[5:], "less steady than float32"),
        (["x"] * 5 + MANY[5:], ["y"] * 5 + MANY[5:], ""),  # photos moved by a pixel are read otherwise too
    ],
)
def test_int8_must_be_as_steady_as_float32(call, tmp_path, monkeypatch, capsys, moved, int8, reason):
    times = iter([2, 1, 2, 1])
    monkeypatch.setattr(preparation, "milliseconds", lambda network, picture: next(times))
    answers = iter([MANY, moved, moved, int8, int8])
    monkeypatch.setattr(preparation, "_readings", lambda *arguments: next(answers))
    monkeypatch.setattr(preparation, "verdict", lambda readings, *rest: verdict(replace(readings, truths=None), *rest))
    assert call("--formats", "onnx_int8") == 0
    out = capsys.readouterr().out
    assert out.count("float32 is used") == (2 if reason else 0) and reason in out
    assert ("stage1_int8.onnx" in names(tmp_path / "models")) == (not reason)


def test_less_agreement_can_be_asked_for(call, tmp_path, monkeypatch, capsys):
    times = iter([2, 1, 2, 1])
    monkeypatch.setattr(preparation, "milliseconds", lambda network, picture: next(times))
    answers = iter([["12", "34"], ["12", "35"], ["12", ""]])
    monkeypatch.setattr(preparation, "_readings", lambda *arguments: next(answers))
    assert call("--formats", "onnx_int8", "--agreement", "0.5") == 0
    assert "1 of 2 readings as in float32" in capsys.readouterr().out
    assert "stage1_int8.onnx" in names(tmp_path / "models")
    with pytest.raises(SystemExit):
        call("--agreement", "1.5")
    assert "not a number from 0 to 1" in capsys.readouterr().err


def test_only_the_networks_that_are_named_become_int8(call, tmp_path, monkeypatch):
    times = iter([2, 1])
    monkeypatch.setattr(preparation, "milliseconds", lambda network, picture: next(times))
    monkeypatch.setattr(preparation, "_readings", lambda *arguments: ["1234", ""])
    assert call("--formats", "onnx_int8", "--int8", "stage2") == 0
    assert names(tmp_path / "models") == {"stage1.onnx", "stage2.onnx", "stage2_int8.onnx", "bundle.json"}
    bundle = load_bundle(tmp_path / "models")
    assert set(bundle.stage1.checks) == {"onnx_float32"} and "onnx_int8" in bundle.stage2.checks


def test_settings_are_taken_over_and_a_failure_changes_nothing(call, tmp_path, monkeypatch, capsys):
    models = tmp_path / "models"
    assert call("--formats", "onnx") == 0
    changed = load_bundle(models)
    save_bundle(replace(changed, stage1=replace(changed.stage1, score_threshold=0.77)), models)
    (models / "lines.onnx").write_bytes(b"of another network")
    assert call("--formats", "onnx") == 0
    assert load_bundle(models).stage1.score_threshold == 0.77
    assert (models / "lines.onnx").read_bytes() == b"of another network"
    before = {path.name: path.read_bytes() for path in models.iterdir()}
    capsys.readouterr()
    monkeypatch.setattr(preparation, "TOLERANCE", -1.0)
    assert call("--formats", "onnx") == 1
    assert "differs from Keras" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in models.iterdir()} == before
    assert names(tmp_path) == {"models"}, "nothing half-written stays"


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--stage1", "none.keras"], "none.keras: no such file"),
        (["--calibration", "nowhere"], "nowhere: no photos there"),
        (["--settings", "nothing.json"], "nothing.json: no such file"),
        (["--int8", "stage1", "stage3"], "--int8 stage3: wanted of stage1, stage2"),
    ],
)
def test_faults_are_one_line(call, capsys, tmp_path, arguments, wanted):
    assert call("--formats", "onnx", *arguments) == 1
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("prepare_model.py")]
    assert len(error) == 1 and wanted in error[0]
    assert not (tmp_path / "models").exists()


def test_stages_given_the_wrong_way_round_are_refused(sources, tmp_path, capsys):
    files = [f"--stage1={sources / 'stage2.keras'}", f"--stage2={sources / 'stage1.keras'}"]
    assert main([*files, "--out", str(tmp_path / "models"), "--formats", "onnx", "--no_lines"]) == 1
    assert "wanted stage1" in capsys.readouterr().err


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    out = tmp_path / "models"
    for content in ("first", "second"):
        with replacing(out) as folder:
            (folder / "bundle.json").write_text(content)
        assert (out / "bundle.json").read_text() == content
    with pytest.raises(KeyboardInterrupt), replacing(out) as folder:
        (folder / "bundle.json").write_text("third")
        raise KeyboardInterrupt
    assert (out / "bundle.json").read_text() == "second"
    assert names(tmp_path) == {"models"}


def test_the_source_is_the_file_put_here_or_the_trained_one():
    assert find_source("stage1").name == "stage1.keras"
    assert find_source("stage1").parent.name == "retinanet"


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_the_shipped_models_are_the_shipped_weights(stage):
    source = COMMITTED / f"{stage}.keras"
    if not source.exists() or not (DEFAULT_FOLDER / "bundle.json").exists():
        pytest.skip(f"no shipped weights yet: {source.name} or deploy/models/bundle.json is missing")
    from reader.runtime import OnnxNetwork
    from retinanet.model import detector
    from retinanet.release import load

    settings = json.loads((DEFAULT_FOLDER / "bundle.json").read_text())[stage]
    assert settings["source_sha256"] == preparation.sha256(source)
    network, config = load(source)
    rng = np.random.default_rng(5)
    batch = rng.integers(0, 256, (2, *config.input_size, 3), np.uint8)
    truth = detector(network, config).predict_on_batch(batch)
    onnx = OnnxNetwork(DEFAULT_FOLDER / settings["files"]["onnx_float32"], 1)(batch)
    assert largest_difference(preparation.boxes_only(truth, truth), preparation.boxes_only(onnx, truth)) < 1e-3
    if "onnx_int8" in settings["files"]:
        near = OnnxNetwork(DEFAULT_FOLDER / settings["files"]["onnx_int8"], 1)(batch)
        assert np.abs(truth["probabilities"] - near["probabilities"]).mean() < 0.01


def test_line_readers_are_exported_beside_the_stages(tmp_path, monkeypatch, capsys):
    from crnn import preparation as lines
    from crnn.config import task_config
    from crnn.model import build

    monkeypatch.setattr(lines, "CALIBRATION_LINES", 2)
    small = {"channels": [8] * 6, "column": 8, "units": 8, "input_size": (16, 64), "alphabet": "01"}
    build(task_config("price", small)).save(tmp_path / "price.keras")
    wish = lines.LineWish({"price": tmp_path / "price.keras"}, ("onnx", "onnx_int8"), {}, lines=2, int8=("price",))

    def draw(task, rng):
        assert task == "price"
        return rng.integers(0, 256, (20, 50, 3), np.uint8), "01"

    found = lines.prepare_lines(wish, tmp_path, draw)["price"]
    assert (found.alphabet, found.input_size, found.fit) == ("01", (16, 64), "pad")
    assert found.files["onnx_float32"] == "price.onnx" and (tmp_path / found.files["onnx"]).is_file()
    assert ("onnx_int8" in found.files) == (tmp_path / "price_int8.onnx").is_file()
    assert "price onnx_float32: at most" in capsys.readouterr().out
    with pytest.raises(ValueError, match="reads 'price'; wanted 'plate'"):
        lines.prepare_lines(replace(wish, sources={"plate": tmp_path / "price.keras"}), tmp_path, draw)


def test_places_that_no_box_can_have_do_not_count() -> None:
    truth = {"probabilities": np.array([[[0.9], [0.001]]]), "corners": np.zeros((1, 2, 4, 2))}

    def difference(place: int, error: float, probability: float = 0.0) -> float:
        answer = {name: value.copy() for name, value in truth.items()}
        answer["corners"][0, place, 0, 0] += error
        answer["probabilities"][0, place, 0] += probability
        return largest_difference(preparation.boxes_only(truth, truth), preparation.boxes_only(answer, truth))

    assert difference(0, 0.5) == 0.5
    assert difference(1, 0.5) == 0
    assert difference(1, 0.0, probability=0.25) == 0.25
    assert np.isnan(difference(1, np.nan))
