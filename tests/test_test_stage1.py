import json
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fake_networks import FakeStage1, bundle, photo_of
from small_sets import CORNERS, TINY_STAGE1, training_sets, write_stage1

from reader.pipeline import Found, MeterReader
from reader.symbols import STAGE1_CLASSES
from reader.types import Display
from retinanet.evaluate_stage1 import describe, evaluate
from retinanet.report_stage1 import main
from training.datasets import Stage1Sample

ROOT = Path(__file__).resolve().parent.parent
SQUARE = np.array([[100, 100], [200, 100], [200, 150], [100, 150]], np.float32)
MOVED = SQUARE + np.float32([10, 0])  # IoU 90 / 110
TURNED = np.roll(SQUARE, 2, axis=0)


class Told:
    """A reader that answers what it is told, in order: (corners, class name) or None."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def find_display(self, photo):
        answer = self.answers.pop(0)
        if answer is None:
            return None
        shares = np.eye(4, dtype=np.float32)[STAGE1_CLASSES.index(answer[1])]
        return Found(Display(np.float32(answer[0]), int(shares.argmax()), 0.9, shares), 1.0)

    is_illegible = MeterReader.is_illegible
    bundle = bundle()


def sample(*displays):
    labels = np.array([STAGE1_CLASSES.index(name) for _, name in displays], np.int64)
    corners = np.array([corners for corners, _ in displays], np.float32).reshape(-1, 4, 2)
    return Stage1Sample(np.zeros((300, 300, 3), np.uint8), corners, labels, f"{len(displays)}.jpg")


#: Truth, answer, then where they stand in the matrix of two and of four classes ("none" is the last).
CASES = [
    ([(SQUARE, "analog")], (SQUARE, "analog"), (0, 0), (0, 0), "right"),
    ([(SQUARE, "analog")], (SQUARE, "digital"), (0, 1), (0, 1), "taken for digital"),
    ([(SQUARE, "analog_illegible")], (SQUARE, "analog"), (0, 0), (2, 0), "its kind is right, legibility is not"),
    ([(SQUARE, "digital")], (SQUARE, "digital_illegible"), (1, 1), (1, 3), "refused as illegible"),
    ([(SQUARE, "digital_illegible")], (SQUARE, "digital_illegible"), (1, 1), (3, 3), "right"),
    ([(SQUARE, "digital")], None, (1, 2), (1, 4), "missed"),
    ([(SQUARE, "digital")], (SQUARE + 150, "digital"), (1, 2), (1, 4), "something else found: missed"),
    ([], None, (2, 2), (4, 4), "no display, none found"),
    ([], (SQUARE, "analog"), (2, 0), (4, 0), "found where none is"),
    (
        [(SQUARE, "digital"), (SQUARE + 100, "analog")],
        (SQUARE + 100, "analog"),
        (0, 0),
        (0, 0),
        "the one that was meant",
    ),
]


@pytest.mark.parametrize(("truth", "answer", "two", "four", "reason"), CASES)
@pytest.mark.parametrize("binary", [True, False])
def test_each_photo_has_its_place_in_the_matrix(truth, answer, two, four, reason, binary):
    result = evaluate(Told(answer), [sample(*truth)], binary)
    assert len(result.classes) == (3 if binary else 5)
    wanted = np.zeros_like(result.counts)
    wanted[two if binary else four] = 1
    assert np.array_equal(result.counts, wanted), reason


def test_elements_of_the_confusion_matrix():
    result = evaluate(Told(*(case[1] for case in CASES)), [sample(*case[0]) for case in CASES], binary=True)
    assert result.counts.tolist() == [[3, 1, 0], [0, 2, 2], [1, 0, 1]]
    assert result.elements() == {
        "analog": {"TP": 3, "FP": 1, "FN": 1, "TN": 5},
        "digital": {"TP": 2, "FP": 1, "FN": 2, "TN": 5},
    }


def test_corners_are_measured_in_overlap_and_in_widths_of_the_display():
    truth = [sample((SQUARE, "analog"))] * 4
    summary = evaluate(
        Told((SQUARE, "analog"), (MOVED, "analog"), (TURNED, "analog"), None), truth, binary=True
    ).summary()
    assert summary["iou_mean"] == pytest.approx((1 + 90 / 110 + 1 + 0) / 4)
    assert summary["iou_over_0.75"] == [3, 4]
    assert summary["iou_over_0.9"] == [2, 4]
    # Errors 0, 0.1 and, turned by half a turn, the diagonal of 100 x 50: 1.118 widths.
    assert summary["error_percentiles"]["50"] == pytest.approx(0.1)
    assert summary["turned"] == ["1.jpg"]
    assert summary["missed"] == ["1.jpg"]


def test_without_photos_nothing_breaks():
    result = evaluate(Told(), [], binary=False)
    assert result.summary()["iou_mean"] is None
    assert "class right: 0 of 0" in describe(result)


@pytest.fixture
def photos(tmp_path):
    """A test split with an analog, a digital and no display, and one whose corner blocks are hidden."""
    shown, _ = photo_of("12345", CORNERS)
    hidden = shown.copy()
    hidden[150:300] = 60
    empty = np.full((480, 640, 3), 60, np.uint8)
    rows = [
        ("a.jpg", shown, [CORNERS], ["analog"]),
        ("b.jpg", shown, [CORNERS], ["digital"]),
        ("c.jpg", hidden, [CORNERS], ["analog"]),
        ("d.jpg", empty, np.zeros((0, 4, 2)), []),
    ]
    return write_stage1(tmp_path, [("test", *row) for row in rows])


def test_from_the_set_to_the_report_with_exact_numbers(tmp_path, photos, monkeypatch, capsys):
    from retinanet import runtime

    seen = []

    def stage1_reader(path, threshold):
        seen.append((path, threshold))
        return MeterReader(FakeStage1((0.9, 0.02, 0.01, 0.01)), None, bundle())

    monkeypatch.setattr(runtime, "stage1_reader", stage1_reader)
    json_file, report = tmp_path / "deep" / "r.json", tmp_path / "report"
    flags = ["--model", "m.keras", "--dataset", str(photos), "--json", str(json_file), "--report", str(report)]
    assert main(flags) == 0
    told = json.loads(json_file.read_text())
    assert seen == [(Path("m.keras"), None)]
    assert told["confusion_matrix"] == [[1, 0, 1], [1, 0, 0], [0, 0, 1]]
    assert told["elements"]["analog"] == {"TP": 1, "FP": 1, "FN": 1, "TN": 1}
    assert told["missed"] == ["c.jpg"]
    assert [row["answer"] for row in told["photos_in_detail"]] == ["analog", "analog", "none", "none"]
    assert told["photos_in_detail"][0]["iou"] > 0.9
    assert told["iou_over_0.75"] == [2, 3]
    printed = capsys.readouterr().out
    assert "class right: 2 of 4" in printed
    assert "missed displays: 1\n  c.jpg" in printed
    for name in ("confusion.png", "corners.png", "worst.png"):
        assert (report / name).read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (["--split", "validation"], "the split 'validation' is empty"),
        (["--model", "not_there.keras"], "not_there.keras: no such file"),
        (["--dataset", "nowhere"], "nowhere is not a folder"),
    ],
)
def test_faults_are_one_line(photos, capsys, flags, wanted):
    assert main(["--dataset", str(photos), *flags]) == 1
    error = capsys.readouterr().err
    assert wanted in error
    assert error.startswith("test_stage1.py: ") and len(error.splitlines()) == 1


def test_a_trained_network_is_tested_as_a_user_does_it(tmp_path):
    from retinanet.config import Stage1Config
    from retinanet.model import build

    training_sets(tmp_path, train=1, others=2)
    build(Stage1Config.from_dict(json.loads(TINY_STAGE1))).save(tmp_path / "stage1.keras")
    done = subprocess.run(
        [sys.executable, ROOT / "test_stage1.py", "--model", "stage1.keras", "--dataset", ".", "--binary", "False",
         "--json", "r.json", "--threshold", "0.9"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "r.json").read_text())
    assert told["classes"] == [*STAGE1_CLASSES, "none"]
    # An untrained network is sure of nothing: both displays are missed.
    assert told["missed"] == ["test0.jpg", "test1.jpg"]
    assert math.isclose(told["iou_mean"], 0)
    assert SimpleNamespace(**told).photos == 2
