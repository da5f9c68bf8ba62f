"""The accuracy benchmark: a reader whose answers are known gives a table that is known."""

import json
from pathlib import Path

import numpy as np
import pytest
from fake_networks import FakeStage1, FakeStage2, bundle, flat_display, photo_of

from benchmarks import accuracy
from benchmarks.accuracy import measure, records, table
from reader.image import encode_png
from reader.pipeline import MeterReader

CORNERS = [[160, 200], [480, 210], [478, 280], [158, 270]]
SHIFTED = [[160, 240], [480, 250], [478, 320], [158, 310]]


def write_set(folder, photos):
    """A set; photos: (name, picture, record)."""
    folder.mkdir(parents=True)
    lines = []
    for name, picture, record in photos:
        (folder / name).write_bytes(encode_png(picture))
        known = {"image": name, "reading": None, "corners": None, "kind": "full_photo", "split": "test"}
        lines.append(json.dumps(known | record))
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def data(tmp_path):
    photo, _ = photo_of("0012345", CORNERS)
    without = np.full((300, 400, 3), 60, np.uint8)
    display, _ = flat_display("987")
    write_set(
        tmp_path / "water",
        [
            # Right, as a number: the zeros in front do not count. The networks here see no decimals.
            ("right.png", photo, {"reading": "12345", "corners": CORNERS, "cls": "analog"}),
            # The reading of the set is another one: stage 2 is to blame, the corners are right.
            ("wrong.png", photo, {"reading": "12349", "corners": CORNERS, "cls": "digital"}),
            # The corners of the set are elsewhere: stage 1 is to blame.
            ("moved.png", photo, {"reading": "99999", "corners": SHIFTED, "cls": "analog"}),
            # Nothing to be found.
            ("none.png", without, {"reading": "1", "corners": CORNERS, "cls": "analog"}),
            # Not measured: another split, no reading.
            ("train.png", photo, {"reading": "12345", "corners": CORNERS, "split": "train"}),
            ("unread.png", photo, {"corners": CORNERS}),
        ],
    )
    # Displays only, and of one there is the photo too.
    write_set(tmp_path / "crops", [("a.png", display, {"reading": "987.0", "kind": "display_crop"})])
    write_set(tmp_path / "train_only", [("a.png", display, {"reading": "987", "split": "train"})])
    return tmp_path


def reader():
    return MeterReader(FakeStage1(), FakeStage2(), bundle())


def test_only_what_can_be_measured_is_measured(data):
    assert [r["image"] for r in records(data / "water", "test")] == ["right.png", "wrong.png", "moved.png", "none.png"]
    assert [r["image"] for r in records(data / "water", "train")] == ["train.png"]
    assert [r["image"] for r in records(data / "water", "test", {"none"})] == ["none.png"]
    assert records(data / "train_only", "test") == []


def test_every_measure(data):
    result = measure(reader(), data / "water", records(data / "water", "test"), None)
    assert result.whole == [True, False, False, False]
    assert result.given[:2] == [True, False] and len(result.given) == 4
    assert result.classes == [True, False, True, False], "analog, but labelled digital; none found"
    assert [iou > 0.75 for iou in result.corners.ious] == [True, True, False, False]
    assert [miss["image"] for miss in result.misses] == ["wrong.png", "moved.png", "none.png"]
    assert [miss["lost by"] for miss in result.misses] == ["stage 2", "stage 1", "stage 1"]
    assert [miss["answer"] for miss in result.misses] == ["0012345", "0012345", ""]
    assert result.misses[2]["reason"] == "no_display" and result.confidences[3] == 0
    # 12345 against 12349 is one edit, against 99999 five; "" against "1" reads as 0: one. Of 5 + 5 + 5 + 1 digits.
    assert result.characters.edits == 7 and result.characters.characters == 16


def test_displays_are_measured_with_their_own_corners(data):
    result = measure(reader(), data / "crops", records(data / "crops", "test"), None)
    assert result.given == [True] and result.whole == [] and result.corners.ious == []


def test_a_photo_without_corners_blames_no_stage(tmp_path):
    photo, _ = photo_of("12", CORNERS)
    folder = write_set(tmp_path / "set", [("a.png", photo, {"reading": "13"})])
    result = measure(reader(), folder, records(folder, "test"), None)
    assert result.given == [] and result.classes == [] and result.corners.ious == []
    assert result.misses[0]["lost by"].startswith("unknown")


def test_a_broken_picture_is_left_out_by_name(tmp_path, capsys):
    photo, _ = photo_of("12", CORNERS)
    folder = write_set(tmp_path / "set", [("a.png", photo, {"reading": "12"}), ("b.png", photo, {"reading": "12"})])
    (folder / "a.png").write_bytes(b"no picture")
    assert measure(reader(), folder, records(folder, "test"), None).whole == [True]
    assert "left out: " in (said := capsys.readouterr().err) and "a.png" in said


def test_table(data):
    results = {name: measure(reader(), data / name, records(data / name, "test"), None) for name in ("water", "crops")}
    lines = table(results).splitlines()
    assert len(lines) == 4 and len({line.count("|") for line in lines}) == 1
    cells = [cell.strip() for cell in lines[2].split("|")[1:-1]]
    # Shares with their 95 % intervals (Wilson): 2 of 4 and 1 of 4.
    assert cells[:3] == ["water", "4", "50.0 % (15.0-85.0)"]
    assert cells[6] == "25.0 % (4.6-69.9)" and cells[7] == "56.2 %", "7 edits of 16 digits"
    cells = [cell.strip() for cell in lines[3].split("|")[1:-1]]
    assert cells[:6] == ["crops", "1", "-", "-", "-", "100.0 % (20.7-100.0)"] and set(cells[6:]) == {"-"}


def test_the_command(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(MeterReader, "load", classmethod(lambda cls, *args: reader()))
    out, failures = tmp_path / "accuracy.json", tmp_path / "failures"
    assert accuracy.main(["--data", str(data), "--json", str(out), "--failures", str(failures)]) == 0
    said = capsys.readouterr().out
    assert "| water | 4 |" in said and "| crops | 1 |" in said and "train_only" not in said
    figures = json.loads(out.read_text())
    assert (figures["water"]["right"], figures["water"]["of"], len(figures["water"]["misses"])) == (1, 4, 3)
    assert sorted(p.name for p in failures.iterdir()) == ["water_moved.jpg", "water_none.jpg", "water_wrong.jpg"]
    (tmp_path / "names.txt").write_text("right\n")
    assert accuracy.main(["--data", str(data), "--sets", "water", "--names", str(tmp_path / "names.txt")]) == 0
    assert "| water | 1 | 100.0 %" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "nowhere"], "no set with readings in the split 'nowhere'"),
        (["--sets", "missing"], "missing"),
        (["--models", "no_folder"], "no_folder"),
    ],
)
def test_faults_are_one_line(arguments, message, data, monkeypatch, capsys):
    if "--models" not in arguments:
        monkeypatch.setattr(MeterReader, "load", classmethod(lambda cls, *args: reader()))
    assert accuracy.main(["--data", str(data), *arguments]) == 1
    said = capsys.readouterr().err
    assert said.startswith("accuracy.py: ") and message in said and len(said.strip().splitlines()) == 1


def test_one_keras_file_alone_is_refused(data, capsys):
    with pytest.raises(SystemExit):
        accuracy.main(["--data", str(data), "--stage1", str(Path("a.keras"))])
    assert "--stage1 and --stage2 belong together" in capsys.readouterr().err
