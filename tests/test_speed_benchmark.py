"""The speed benchmark: its arithmetic is counted exactly, its steps add up, and a whole run gives all its tables."""

import json
import sys
import time

import numpy as np
import pytest
from fake_networks import FakeStage1, FakeStage2, bundle, photo_of, save_fixed_bundle
from onnx import TensorProto, helper, numpy_helper, save

from benchmarks import speed
from benchmarks.multiply_adds import multiply_adds
from benchmarks.speed_engine import STEPS, Timed, available, file_of
from benchmarks.speed_photos import resized
from benchmarks.speed_tables import Arithmetic, Batch, Course, Digits, Lines, Reading, Report, Start, tables
from reader.image import encode_jpeg
from reader.pipeline import MeterReader

CORNERS = [[160, 200], [480, 210], [478, 280], [158, 270]]


def graph(path, nodes, weights, shape, outputs=("y",), kind=TensorProto.FLOAT):
    """An ONNX file with one input "x" of N pictures of this shape."""
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, ["N", *shape])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.zeros(size, np.float32), name) for name, size in weights.items()],
    )
    save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return path


def test_convolutions_and_products_are_counted(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1]),  # (1, 6, 4, 8)
        helper.make_node("Conv", ["a", "d"], ["b"], group=6, pads=[1, 1, 1, 1]),  # one kernel a channel
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Flatten", ["c"], ["f"]),  # (1, 192)
        helper.make_node("MatMul", ["f", "m"], ["y"]),
    ]
    weights = {"w": (6, 3, 3, 3), "d": (6, 1, 3, 3), "m": (192, 10)}
    path = graph(tmp_path / "net.onnx", nodes, weights, (3, 8, 16))
    assert multiply_adds(path) == 6 * 4 * 8 * 27 + 6 * 4 * 8 * 9 + 192 * 10


@pytest.mark.parametrize("kind,gates", [("LSTM", 4), ("GRU", 3)])
def test_recurrent_layers_are_counted(kind, gates, tmp_path):
    """5 steps, both directions, 7 features, 3 units: each gate multiplies input and state."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        helper.make_node(kind, ["t", "w", "r"], ["y"], hidden_size=3, direction="bidirectional"),
    ]
    weights = {"w": (2, gates * 3, 7), "r": (2, gates * 3, 3)}
    assert multiply_adds(graph(tmp_path / "net.onnx", nodes, weights, (5, 7))) == 5 * 2 * gates * 3 * (7 + 3)


def test_unknown_sizes_are_not_counted_as_nothing(tmp_path):
    nodes = [helper.make_node("NonZero", ["x"], ["z"]), helper.make_node("Cast", ["z"], ["f"], to=1)]
    nodes.append(helper.make_node("MatMul", ["w", "f"], ["y"]))
    with pytest.raises(ValueError, match="MatMul"):
        multiply_adds(graph(tmp_path / "net.onnx", nodes, {"w": (4, 2)}, (2,)))


class Slow:
    """A network that takes so many seconds more."""

    def __init__(self, network, seconds):
        self.network, self.seconds = network, seconds

    def __call__(self, batch):
        time.sleep(self.seconds)
        return self.network(batch)


def test_steps_are_where_the_time_goes_and_add_up():
    photo, _ = photo_of("0012345", CORNERS)
    reader = MeterReader(Slow(FakeStage1(), 0.02), Slow(FakeStage2(), 0.05), bundle(extra_looks=2))
    wanted = reader.read(encode_jpeg(photo))
    told = Timed(reader).read(encode_jpeg(photo))
    assert told["text"] == wanted.text == "0012345"
    assert told["looks"] == 3, "the whole photo and two looks at the display"
    assert tuple(told["steps"]) == STEPS
    assert sum(told["steps"].values()) == pytest.approx(told["seconds"])
    assert told["steps"]["stage 1"] >= 0.06 and told["steps"]["stage 2"] >= 0.05 and told["steps"]["line"] == 0
    assert min(told["steps"][step] for step in ("decode", "rectify", "reading")) > 0
    again = Timed(reader).read(encode_jpeg(np.full((300, 400, 3), 60, np.uint8)))
    assert again["text"] == "" and again["steps"]["rectify"] == again["steps"]["stage 2"] == 0


ONLY = {"onnx": "a.onnx", "onnx_float32": "a.onnx"}
BOTH = {"onnx": "a_int8.onnx", "onnx_float32": "a.onnx", "onnx_int8": "a_int8.onnx", "savedmodel": "a/1"}


@pytest.mark.parametrize(
    "engine,files,wanted",
    [
        ("onnx float32", BOTH, "a.onnx"),
        ("onnx float32", {"onnx": "a.onnx"}, "a.onnx"),
        ("onnx float32", {"onnx": "a_int8.onnx", "onnx_int8": "a_int8.onnx"}, None),
        ("onnx int8", BOTH, "a_int8.onnx"),
        ("onnx int8", ONLY, "a.onnx"),
        ("savedmodel", BOTH, "a/1"),
        ("savedmodel", ONLY, None),
    ],
)
def test_which_file_an_engine_runs(engine, files, wanted):
    assert file_of(engine, files) == wanted


@pytest.mark.parametrize(
    "engine,networks,wanted",
    [
        ("onnx int8", [ONLY, ONLY], False),
        ("onnx int8", [ONLY, BOTH], True),
        ("onnx float32", [ONLY, BOTH], True),
        ("savedmodel", [ONLY, BOTH], False),
        ("savedmodel", [BOTH, BOTH], True),
        ("keras", [], True),
    ],
)
def test_which_engines_a_bundle_has(engine, networks, wanted):
    assert available(engine, networks) == wanted


@pytest.mark.parametrize("megapixels,shape", [(0.12, (300, 400)), (0.48, (600, 800)), (0.03, (150, 200))])
def test_photos_are_resized_to_so_many_pixels(megapixels, shape):
    photo = np.full((300, 400, 3), 120, np.uint8)
    made = resized(photo, megapixels, np.random.default_rng(0))
    assert made.shape == (*shape, 3) and made.dtype == np.uint8
    # An enlarged photo is as noisy as a sensor would make it.
    assert (made.std() > 1) == (megapixels > 0.12)


def test_tables():
    steps = dict(zip(STEPS, (2.0, 10.0, 1.0, 5.0, 4.0, 2.5), strict=True))
    report = Report("A CPU", "2 photos, 3 rounds", notes=["keras: left out"])
    report.readings = [
        Reading("onnx int8", 1, 2, 24.5, steps, 3),
        Reading("rapidocr", 1, 2, 980.0),
        Reading("floor", 1, 2, 12.25),
    ]
    report.starts = [Start("onnx int8", 0.512, 101.4, 140.6)]
    report.arithmetic = [Arithmetic("stage1", "onnx int8", 1, 8e8, 10.0, 20.0)]
    report.batches = [
        Batch("stage1", "onnx int8", 1, 10.0),
        Batch("stage1", "onnx int8", 4, 8.5),
        Batch("stage2", "k", 4, 1),
    ]
    report.digits = [Digits(5, 7, 30.2, 2.04)]
    report.lines = [Lines("plate", "onnx int8", 1, 64, 412.3), Lines("plate", "onnx int8", 2, 64, 700.0)]
    report.courses = [Course("onnx int8", 200, 10.0, tuple(range(100, 200)))]
    told = tables(report, STEPS).splitlines()
    for line in (
        "A CPU; 2 photos, 3 rounds; medians.",
        "| onnx int8 | 1 | 2 | 2.0 | 10.0 | 1.0 | 5.0 | 4.0 | 2.5 | 24.5 | 22.5 | 3 | 40.0 | 2.0 |",
        "| rapidocr | 1 | 2 | - | - | - | - | - | - | 980.0 | - | - | - | 80.0 |",
        "| JPEG decoded, nothing else | 1 | 2 | - | - | - | - | - | - | 12.2 | - | - | 80.0 | - |",
        "| onnx int8 | 0.51 | 101 | 141 |",
        "| stage1 | onnx int8 | 1 | 800 | 10.0 | 20.0 | 0.50 |",
        "| stage1 | onnx int8 | 10.00 | 8.50 |",
        "| stage2 | k | - | 1.00 |",
        "| 5 | 7 | 30 | 2.0 |",
        "| plate | onnx int8 | 412 | 700 |",
        "| onnx int8 | 200 | 20.0 | 100 | 110 | 199 | 199 |",
        "* keras: left out",
    ):
        assert line in told


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}.jpg").write_bytes(encode_jpeg(photo_of("0012345", CORNERS)[0]))
    return folder


def test_a_whole_run(photos, tmp_path, capsys):
    save_fixed_bundle(tmp_path)
    flags = ["--models", str(tmp_path), "--photos", str(photos), "--cpus", "1", "--megapixels", "0.1", "0.3"]
    flags += ["--count", "2", "--rounds", "2", "--starts", "1", "--batches", "1", "2", "--line_batches"]
    flags += ["--displays", "0", "--readings", "100", "--calls", "1", "--keras", str(tmp_path)]
    flags += ["--ocr_python", str(tmp_path / "no_python")]
    written = ["--json", str(tmp_path / "speed.json"), "--picture", str(tmp_path / "speed.png")]
    assert speed.main([*flags, *written]) == 0
    out = capsys.readouterr().out
    report = json.loads((tmp_path / "speed.json").read_text())
    read = {(each["engine"], each["megapixels"]): each for each in report["readings"]}
    assert set(read) == {(engine, size) for engine in ("onnx float32", "floor") for size in (0.1, 0.3)}
    one = read["onnx float32", 0.3]
    assert one["whole"] > 0 and one["looks"] == 1 and set(one["steps"]) == set(STEPS)
    assert {(each["network"], each["pictures"]) for each in report["batches"]} == {
        (network, size) for network in ("stage1", "stage2") for size in (1, 2)
    }
    assert [each["multiply_adds"] for each in report["arithmetic"]] == [0, 0], "these networks only answer"
    assert len(report["courses"][0]["memory"]) == 100 and report["starts"][0]["memory"] > 20
    for left_out in ("onnx int8", "savedmodel", "keras", "rapidocr"):
        assert f"* {left_out}: left out" in out
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "flags,code,message",
    [
        (["--models", "nowhere"], 1, "nowhere/bundle.json: No such file"),
        (["--photos", "nowhere"], 1, "nowhere: no folder with JPEG or PNG photos"),
        (["--cpus", "4096"], 2, "--cpus 4096: this process cannot have as many"),
    ],
)
def test_bad_input_is_one_line(flags, code, message, capsys):
    assert speed.main(flags) == code
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


def test_an_engine_that_cannot_start_says_why(tmp_path):
    from benchmarks.speed_processes import Engine, EngineError

    save_fixed_bundle(tmp_path)
    flags = speed.parse_arguments(["--models", str(tmp_path), "--ocr_python", sys.executable])
    with pytest.raises(EngineError, match=r"onnx float32: .*nothing\.jpg"):
        Engine("onnx float32", 1, tmp_path / "nothing.jpg", flags)
