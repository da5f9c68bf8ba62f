"""synthesize.py: the exports on disk, their form, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

import synthesize
from reader.geometry import rectify
from reader.symbols import STAGE1_CLASSES, STAGE2_CLASSES


def run(out: Path, *flags: str) -> int:
    return synthesize.main(["meters", "--count", "10", "--seed", "3", "--size", "256", "--out", str(out), *flags])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synthesize") / "made"
    assert run(out, "--workers", "1", "--preview", str(out.parent / "sheet.png")) == 0
    return out


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_meters_of_one_kind_alone(tmp_path: Path) -> None:
    assert run(tmp_path / "lcds", "--kind", "digital") == 0
    labels = (tmp_path / "lcds/stage1/labels.json").read_text()
    assert "Digital" in labels and "Analog" not in labels


def test_same_bytes_for_any_number_of_workers(made: Path, tmp_path: Path) -> None:
    assert run(tmp_path / "again", "--workers", "2") == 0
    assert content(tmp_path / "again") == content(made)


def test_preview_is_a_picture(made: Path) -> None:
    sheet = cv2.imread(str(made.parent / "sheet.png"))
    assert sheet is not None and sheet.shape[0] > 300


def test_stage1_export(made: Path) -> None:
    tasks = json.loads((made / "stage1" / "labels.json").read_text())
    assert [task["id"] for task in tasks] == list(range(1, 11))
    for task in tasks:
        prefix, name = task["file_upload"].split("-", 1)
        assert len(prefix) == 8 and task["data"]["image"].endswith(task["file_upload"])
        image = cv2.imread(str(made / "stage1" / "images" / name))
        (annotation,) = task["annotations"]
        assert annotation["was_cancelled"] is False
        assert len(annotation["result"]) <= 1, "a photo without a meter has an empty result"
        for result in annotation["result"]:
            assert (result["original_height"], result["original_width"]) == image.shape[:2]
            assert result["type"] == "polygonlabels" and result["from_name"] == "label" and len(result["id"]) == 10
            assert len(result["value"]["points"]) == 4 and result["value"]["closed"] is True
            assert np.ravel(result["value"]["points"]).min() >= -1 and np.ravel(result["value"]["points"]).max() <= 101
            assert result["value"]["polygonlabels"][0].lower() in STAGE1_CLASSES
            assert result["value"]["polygonlabels"][0][0].isupper()
    assert len(list((made / "stage1" / "images").iterdir())) == 10


def test_stage2_export_is_cut_from_the_photos(made: Path) -> None:
    photos = {
        task["file_upload"].split("-", 1)[1]: task for task in json.loads((made / "stage1/labels.json").read_text())
    }
    tasks = json.loads((made / "stage2" / "labels.json").read_text())
    assert tasks
    allowed = {name.upper() for name in STAGE2_CLASSES}
    for task in tasks:
        name = task["file_upload"].split("-", 1)[1]
        assert name.startswith("cropped_")
        crop = cv2.imread(str(made / "stage2" / "images" / name))
        source = photos[name.removeprefix("cropped_")]["annotations"][0]["result"][0]
        assert not source["value"]["polygonlabels"][0].endswith("illegible"), "only what can be read"
        photo = cv2.imread(str(made / "stage1" / "images" / name.removeprefix("cropped_")))
        corners = np.array(source["value"]["points"]) / 100 * (photo.shape[1], photo.shape[0])
        expected, _ = rectify(photo, corners, 0.15)
        assert expected.shape == crop.shape
        assert np.abs(expected.astype(int) - crop).mean() < 12, "differs by JPEG only"
        for result in task["annotations"][0]["result"]:
            value = result["value"]
            assert value["rectanglelabels"][0] in allowed
            assert value["x"] >= 0 and value["y"] >= 0 and value["width"] > 0 and value["height"] > 0
            assert value["x"] + value["width"] <= 100.001 and value["y"] + value["height"] <= 100.001
            assert (result["original_height"], result["original_width"]) == crop.shape[:2]


def test_summary_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "new", "--count", "2", "--workers", "1") == 0
    assert "2 pictures: analog" in capsys.readouterr().out


def test_refuses_a_filled_folder_unless_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    flags = ("--count", "2", "--workers", "1")
    assert run(out, *flags) == 0
    before = content(out)
    assert run(out, *flags, "--seed", "4") == 1
    assert "--overwrite" in capsys.readouterr().err and content(out) == before
    assert run(out, *flags, "--seed", "4", "--overwrite") == 0
    assert content(out) != before and [path.name for path in tmp_path.iterdir()] == ["out"], "no temporary folder stays"


def test_overwrite_never_deletes_what_it_did_not_make(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"mine")
    assert run(tmp_path, "--overwrite") == 1
    assert "holiday.jpg" in capsys.readouterr().err and (tmp_path / "holiday.jpg").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (("--count", "0"), "--count 0"),
        (("--count", "-5"), "--count -5"),
        (("--workers", "0"), "--workers 0"),
        (("--size", "20"), "--size 20"),
        (("--seed", "-1"), "--seed -1"),
    ],
)
def test_wishes_out_of_range(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, str], word: str
) -> None:
    assert run(tmp_path / "out", *flags) == 1
    error = capsys.readouterr().err
    assert word in error and error.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("synthesis.export._make", full)
    assert run(tmp_path / "out", "--workers", "1") == 1
    assert list(tmp_path.iterdir()) == []


def test_displays_alone(tmp_path):
    out = tmp_path / "displays"
    assert synthesize.main(["displays", "--count", "6", "--out", str(out), "--seed", "4", "--workers", "1"]) == 0
    first = {p.name: p.read_bytes() for p in (out / "stage2" / "images").iterdir()}
    tasks = json.loads((out / "stage2" / "labels.json").read_text())
    assert len(first) == len(tasks) == 6
    assert all(task["annotations"][0]["result"] for task in tasks)
    assert (
        synthesize.main(["displays", "--count", "6", "--out", str(out), "--seed", "4", "--workers", "2", "--overwrite"])
        == 0
    )
    assert first == {p.name: p.read_bytes() for p in (out / "stage2" / "images").iterdir()}  # same seed, same bytes
