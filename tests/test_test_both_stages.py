import http.server
import json
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from fake_networks import FakeStage1, FakeStage2, bundle, flat_display, photo_of
from small_sets import CORNERS, write_stage2

from reader.image import encode_png
from reader.pipeline import MeterReader
from reader.symbols import STAGE2_CLASSES
from reader.types import Result
from retinanet.evaluate_both import STAGE1, STAGE2, BothResult, _lost, describe
from retinanet.labelled_photos import gather, true_reading
from retinanet.report_both import main
from training.labelstudio import LabelledImage
from training.labelstudio_tasks import polygon_task, rectangle_task

SIZE = (480, 640)


def polygon(number, name, classes=("analog",), corners=None):
    shapes = [CORNERS] * len(classes) if corners is None else corners
    return {"id": number, "file_upload": f"0123abcd-{name}", "data": {}, **polygon_task(SIZE, shapes, classes)}


def rectangles(number, name, digits, decimals=1):
    picture, boxes = flat_display(digits)
    area = [boxes[-decimals, 0] - 2, 20, boxes[-1, 2] + 2, 76]
    task = rectangle_task(picture.shape[:2], [*boxes, area], [*digits, "floatp"])
    return {"id": number, "data": {"image": f"s3://bucket/cropped_{name}"}, **task}


@pytest.fixture
def photos(tmp_path):
    """Photos, both exports and the set. Of the test split four analog and one digital photo can be read."""
    (tmp_path / "images").mkdir()
    shown = {
        "right.png": ("12345", CORNERS),
        "wrong.png": ("12945", CORNERS),  # shows 9 where the label says 3
        "lost.png": ("54321", CORNERS),  # its corners are hidden
        "digital.png": ("11111", CORNERS),
        "train.png": ("22222", CORNERS),
        "stray.png": ("33333", CORNERS),
    }
    for name, (digits, corners) in shown.items():
        picture, _ = photo_of(digits, corners)
        if name == "lost.png":
            for x, y in CORNERS.astype(int):
                picture[max(0, y - 20) : y + 20, x - 20 : x + 20] = 60
        (tmp_path / "images" / name).write_bytes(encode_png(picture))
    labelled = {"right.png": "12345", "wrong.png": "12345", "lost.png": "54321", "digital.png": "11111"}
    names = [*shown, "gone.png", "gone_train.png"]
    first = [polygon(i, name, ("digital",) if name == "digital.png" else ("analog",)) for i, name in enumerate(names)]
    first += [polygon(20, "unread.png"), polygon(21, "gap.png")]
    second = [rectangles(i, name, labelled.get(name, "22222")) for i, name in enumerate(names)]
    second += [rectangles(21, "gap.png", "12345"), {"id": 30, "data": {"image": "x.png"}, "annotations": []}]
    second[-2]["annotations"][0]["result"].pop(2)  # the third of five digits is not labelled
    for name in ("unread.png", "gap.png"):
        (tmp_path / "images" / name).write_bytes(encode_png(photo_of("12345", CORNERS)[0]))
    for stage, tasks in ((1, first), (2, second)):
        (tmp_path / f"labels{stage}.json").write_text(json.dumps(tasks))
    test = ["right.png", "wrong.png", "lost.png", "digital.png", "gone.png", "unread.png", "gap.png", "nowhere.png"]
    splits = [("test", f"cropped_{name}", "12345") for name in test]
    write_stage2(tmp_path, [*splits, *(("train", f"cropped_{n}", "12345") for n in ("train.png", "gone_train.png"))])
    return tmp_path


def flags(photos, *more):
    return [
        *("--images", str(photos / "images"), "--labels_stage1", str(photos / "labels1.json")),
        *("--labels_stage2", str(photos / "labels2.json"), "--dataset", str(photos), *more),
    ]


@pytest.fixture
def fake_reader(monkeypatch):
    from retinanet import runtime

    reader = MeterReader(FakeStage1(), FakeStage2(decimals=1), bundle())
    monkeypatch.setattr(runtime, "keras_reader", lambda stage1, stage2: reader)
    return reader


def test_every_photo_of_the_split_is_a_case_or_listed(photos):
    gathered = gather(photos / "images", photos / "labels1.json", photos / "labels2.json", photos, "test", {"analog"})
    assert {case.name: case.truth for case in gathered.cases} == {
        "right.png": "1234.5",
        "wrong.png": "1234.5",
        "lost.png": "5432.1",
    }
    assert np.allclose(gathered.cases[0].corners * (640, 480), CORNERS)
    assert gathered.left_out == {
        "of the class digital": ["cropped_digital.png"],
        "the picture is missing": ["cropped_gone.png"],
        "without labels for stage 2": ["cropped_unread.png"],
        "without a labelled display for stage 1": ["cropped_nowhere.png"],
        "the labelled boxes give no whole reading": ["cropped_gap.png (12x4.5)"],
        "labelled, but the picture is missing (other splits)": ["gone_train.png"],
        "in no split of the set": ["stray.png"],
        "faulty label of stage 2": ["task 30: not annotated"],
    }


def test_from_the_photos_to_the_figures(photos, fake_reader, capsys):
    out = photos / "out"
    assert main(flags(photos, "--json", str(out / "r.json"), "--failures", str(out / "failures"))) == 0
    told = json.loads((out / "r.json").read_text())
    assert told["recognized"] == [1, 3]
    assert told["integer_part"] == [1, 3]
    assert told["digits"] == [9, 15], "5 of right.png, 4 of wrong.png, none of lost.png"
    assert told["character_error_rate"] == pytest.approx((0 + 1 + 6) / 18)
    assert told["refused"] == {"no_display": 1}
    assert told["wrong"] == 1
    assert told["lost_by"] == {"stage 1": 1, "stage 2": 1}
    assert set(told["milliseconds"]) == {"50", "90", "99"}
    rows = {row["name"]: row for row in told["photos_in_detail"]}
    assert (rows["wrong.png"]["answer"], rows["wrong.png"]["with_true_corners"]) == ("1294.5", "1294.5")
    assert (rows["lost.png"]["lost_by"], rows["lost.png"]["with_true_corners"]) == ("stage 1", "5432.1")
    assert rows["lost.png"]["iou"] is None
    assert sorted(path.name for path in (out / "failures").iterdir()) == ["lost.jpg", "wrong.jpg"]
    assert cv2.imread(str(out / "failures" / "wrong.jpg")).shape[1] == 640
    printed = capsys.readouterr().out
    assert "3 photos to test" in printed
    assert "left out, the picture is missing: 1\n  cropped_gone.png" in printed
    assert "recognition rate (the whole text right): 1 of 3" in printed


def test_digital_displays_are_tested_when_asked_for(photos, fake_reader):
    assert main(flags(photos, "--json", str(photos / "r.json"), "--classes", "analog", "digital")) == 0
    assert json.loads((photos / "r.json").read_text())["recognized"] == [2, 4]


@pytest.mark.parametrize(
    ("answer", "given", "iou", "error", "wanted", "reason"),
    [
        (Result("", reason="no_display"), "1", np.nan, np.nan, STAGE1, "no display found"),
        (Result("", reason="illegible"), "2", 0.9, 0.01, STAGE1, "legible by the labels, refused as illegible"),
        (Result("", True, "2"), "1", 0.9, 0.01, STAGE1, "the true corners would have saved it"),
        (Result("", True, "2"), "2", 0.7, 0.05, STAGE1, "bad corners"),
        (Result("", True, "2"), "2", 0.99, 1.0, STAGE1, "upside down"),
        (Result("", True, "2"), "2", 0.9, 0.01, STAGE2, "good corners, and the true ones do not help"),
        (Result("", reason="unknown_digit"), "x", 0.9, 0.01, STAGE2, "an unknown digit"),
        (Result("", True, "2"), None, 0.9, 0.01, STAGE2, "a server that gives corners"),
        (Result("", True, "2"), None, np.nan, np.nan, "either", "a server that gives none"),
    ],
)
def test_the_stage_that_lost_a_reading(answer, given, iou, error, wanted, reason):
    assert _lost(answer, "1", given, iou, error) == wanted, reason


@pytest.mark.parametrize(
    ("rows", "analog", "wanted", "reason"),
    [
        ([(10, "0"), (30, "7"), (50, "3")], True, "073", "in the order of their places, not of the labels"),
        ([(50, "3"), (10, "0"), (30, "7")], True, "073", "whatever order they were drawn in"),
        ([(10, "1"), (30, "2"), (50, "5"), (48, "floatp")], True, "12.5", "the decimal area"),
        ([(10, "1"), (26, "2"), (42, "3"), (74, "5")], True, "123x5", "a place without a label"),
        ([(10, "t"), (30, "4"), (50, "2")], False, "42", "letters are not read"),
        ([], True, "", "no boxes"),
    ],
)
def test_the_true_reading_is_made_as_readings_are(rows, analog, wanted, reason):
    shapes = np.array([(x, 20, x + 12, 80) for x, _ in rows], float).reshape(-1, 4)
    labels = np.array([STAGE2_CLASSES.index(name) for _, name in rows], np.int64)
    labelled = LabelledImage("f", "task 1", Path("n"), "n", None, shapes, labels, (400, 100))
    assert true_reading(labelled, analog) == wanted, reason


def test_without_photos_nothing_breaks():
    assert "0 of 0" in describe(BothResult())


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        (["--dataset", "nowhere"], "nowhere is not a folder"),
        (["--labels_stage1", "nowhere.json"], "cannot read nowhere.json"),
        (["--split", "validation"], "there is no split 'validation'"),
        (["--model_stage1", "nowhere.keras"], "nowhere.keras: no such file"),
        (["--server", "localhost:8080"], "--server: a URL such as"),
        (["--server", "http://127.0.0.1:9"], "http://127.0.0.1:9/recognize cannot be reached"),
    ],
)
def test_faults_are_one_line(photos, capsys, changes, wanted):
    assert main(flags(photos, *changes)) == 1
    error = [line for line in capsys.readouterr().err.splitlines() if line and "photos:" not in line]  # the bar
    assert wanted in error[-1]
    assert error[-1].startswith("test_both_stages.py: ") and len(error) == 1


@pytest.fixture
def server():
    """A server that answers by the contract: what `answers` says, in order, as (status, body)."""
    answers, asked = [], []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, body[:4]))
            status, answer = answers.pop(0)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}", answers, asked
    running.shutdown()
    running.server_close()


def answered(text, success=True, counter_class="analog", **more):
    told = {"original_image_shape": [480, 640, 3], "success": success, "text": text, "counter_class": counter_class}
    return 200, {**told, "counter_score": 0.9, "time": 0.1, **more}


def test_through_a_server(photos, server):
    url, answers, asked = server
    corners = (CORNERS + 1).tolist()
    answers += [
        answered("1234.5", corners=corners, confidence=0.9),
        answered("1294.5", corners=corners),
        answered("", success=False, counter_class=""),
    ]
    assert main(flags(photos, "--server", url, "--json", str(photos / "r.json"))) == 0
    told = json.loads((photos / "r.json").read_text())
    assert told["recognized"] == [1, 3]
    assert told["lost_by"] == {"stage 1": 1, "stage 2": 1}
    assert told["refused"] == {"no_display": 1}
    assert asked == [("/recognize", b"\x89PNG")] * 3


def test_pictures_that_a_server_refuses_are_listed(photos, server, capsys):
    url, answers, _ = server
    answers += [answered("1234.5"), (400, {"error": "no picture"}), answered("5432.1")]
    assert main(flags(photos, "--server", url, "--json", str(photos / "r.json"))) == 0
    told = json.loads((photos / "r.json").read_text())
    assert told["recognized"] == [2, 2]
    assert len(told["unreadable"]) == 1 and "400" in told["unreadable"][0]
    assert "unreadable: wrong.png: " in capsys.readouterr().out


def test_a_server_that_is_not_ready_ends_the_test(photos, server, capsys):
    url, answers, _ = server
    answers.append((503, {"error": "loading"}))
    assert main(flags(photos, "--server", url)) == 1
    assert "answered 503" in capsys.readouterr().err
