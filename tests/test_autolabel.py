"""Boxes for displays of which the reading is known: even division, boxes drawn by hand, and what is refused."""

import json

import cv2
import numpy as np
import pytest

from label_displays import main
from reader.geometry import MARGIN
from retinanet.autolabel import LabelError, label_displays
from training.labelstudio import DatasetError

CORNERS = [[100, 50], [400, 50], [400, 110], [100, 110]]


@pytest.fixture
def folder(tmp_path):
    """A photo whose display is known, its crop, a test photo, and one without corners."""
    photo = np.random.default_rng(0).integers(0, 255, (200, 500, 3), np.uint8)
    for name in ("a", "t", "n"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), photo)
    cv2.imwrite(str(tmp_path / "crop.png"), photo[50:110, 100:400])
    records = [
        {"image": "a.png", "split": "train", "kind": "full_photo", "reading": "00123", "corners": CORNERS},
        {"image": "crop.png", "split": "train", "kind": "display_crop", "reading": "0012.3"},
        {"image": "t.png", "split": "test", "kind": "full_photo", "reading": "00123", "corners": CORNERS},
        {"image": "n.png", "split": "train", "kind": "full_photo", "reading": "00123", "corners": None},
    ]
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return tmp_path


def records_of(out):
    return {record["image"]: record for record in map(json.loads, (out / "manifest.jsonl").read_text().splitlines())}


def test_even_division_of_train_displays_only(folder):
    counts = label_displays(folder / "manifest.jsonl", folder / "out", exact=True)
    records = records_of(folder / "out")
    assert counts == {"labelled": 2} and set(records) == {"crops/a.jpg", "crops/crop.jpg"}
    boxes = records["crops/a.jpg"]["boxes"]
    assert "".join(box[4] for box in boxes) == "00123"
    room = MARGIN * 60
    for place, (x1, _, x2, _, _) in enumerate(boxes):  # 300 pixels of display, five drums of 60
        assert (x1 + x2) / 2 == pytest.approx(room + 60 * place + 30, abs=3)
    assert [box[4] for box in records["crops/crop.jpg"]["boxes"]] == [*"00123", "floatp"]


@pytest.mark.parametrize("image", ["a.png", "crop.png"])
def test_boxes_drawn_by_hand_win_and_lie_where_they_were_drawn(folder, image):
    left, top = (100, 50) if image == "a.png" else (0, 0)
    drawn = [[left + 60 * i + 5, top + 10, left + 60 * i + 50, top + 50, digit] for i, digit in enumerate("00123")]
    (folder / "boxes.json").write_text(json.dumps({image: drawn[::-1]}))
    out = folder / "out"
    counts = label_displays(folder / "manifest.jsonl", out, exact=True, boxes=folder / "boxes.json")
    assert counts == {"labelled": 2, "labelled by hand": 1}
    record = records_of(out)[f"crops/{image[:-4]}.jpg"]
    digits = [box for box in record["boxes"] if box[4] != "floatp"]
    assert "".join(box[4] for box in digits) == "00123"
    room = MARGIN * 60
    for place, (x1, y1, x2, y2, _) in enumerate(digits):
        assert [x1, y1, x2, y2] == pytest.approx(
            [room + 60 * place + 5, room + 10, room + 60 * place + 50, room + 50], abs=1.5
        )
    areas = [box for box in record["boxes"] if box[4] == "floatp"]
    assert len(areas) == ("." in record["reading"])
    assert all(digits[3][2] < area[0] < digits[4][0] < digits[4][2] < area[2] for area in areas)


def test_corrected_readings_win(folder, monkeypatch, capsys):
    (folder / "readings.json").write_text(json.dumps({"a.png": "0045.6", "n.png": "1"}))
    words = ["--manifest", "manifest.jsonl", "--out", "out", "--exact", "--readings", "readings.json"]
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["label_displays.py", *words])
    assert main() == 0 and json.loads(capsys.readouterr().out) == {"labelled": 1}
    record = records_of(folder / "out")["crops/a.jpg"]
    assert record["reading"] == "0045.6"
    assert [box[4] for box in record["boxes"]] == [*"00456", "floatp"]


def test_readings_that_are_none_are_one_line(folder, monkeypatch, capsys):
    (folder / "readings.json").write_text('{"a.png": 12}')
    words = ["--manifest", "manifest.jsonl", "--out", "out", "--readings", "readings.json"]
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["label_displays.py", *words])
    assert main() == 1
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1 and "readings such as" in said and not (folder / "out").exists()


@pytest.mark.parametrize(
    "content",
    ["[", "[]", '{"a.png": []}', '{"a.png": [[1, 2, 3, 4]]}', '{"a.png": [[1, 2, 3, 4, "x"]]}',
     '{"a.png": [[5, 2, 3, 4, "1"]]}', '{"a.png": [["1", 2, 3, 4, "1"]]}', '{"a.png": [[1, 2, NaN, 4, "1"]]}'],
)  # fmt: skip
def test_a_file_of_boxes_that_is_none(folder, content):
    (folder / "boxes.json").write_text(content)
    with pytest.raises(DatasetError, match=r"boxes\.json"):
        label_displays(folder / "manifest.jsonl", folder / "out", boxes=folder / "boxes.json")
    assert not (folder / "out").exists()


def test_nothing_to_label_and_a_folder_that_exists(folder):
    with pytest.raises(LabelError, match="no record"):
        label_displays(folder / "manifest.jsonl", folder / "out", splits=("validation",))
    (folder / "out").mkdir()
    with pytest.raises(LabelError, match="exists"):
        label_displays(folder / "manifest.jsonl", folder / "out")


def test_the_command_says_what_is_wrong_in_a_line(folder, monkeypatch, capsys):
    missing = folder / "none.json"
    flags = ["--manifest", str(folder / "manifest.jsonl"), "--out", str(folder / "out"), "--boxes", str(missing)]
    monkeypatch.setattr("sys.argv", ["label_displays.py", *flags])
    assert main() == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "none.json" in error
