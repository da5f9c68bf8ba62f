"""The command line of the main job: what it takes, prints, writes and returns."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_networks import FakeStage1, FakeStage2, bundle, photo_of, save_fixed_bundle

import recognize
from reader import MeterReader
from reader.draw import annotate, draw_display, headline, panel
from reader.image import encode_png, load_image
from reader.types import Result

ROOT = Path(__file__).resolve().parent.parent
CORNERS = [[160, 180], [480, 220], [470, 300], [165, 236]]


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs recognize.py with networks that see painted blocks: exit code, lines on stdout, lines on stderr."""

    def load(path=None, runtime="auto", min_confidence=0.0, use_line=True, device="auto"):
        return MeterReader(FakeStage1(), FakeStage2(decimals=2), bundle(), min_confidence)

    monkeypatch.setattr(MeterReader, "load", load)

    def run(*arguments):
        code = recognize.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out.splitlines(), captured.err.splitlines()

    return run


@pytest.fixture
def folder(tmp_path):
    """A folder with two photos, one of them in an odd name, one broken picture, and a text file."""
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a meter [1].png").write_bytes(encode_png(photo_of("00471", CORNERS)[0]))
    (photos / "b.PNG").write_bytes(encode_png(np.full((40, 50, 3), 9, np.uint8)))
    (photos / "c.jpg").write_bytes(b"nothing")
    (photos / "notes.txt").write_text("no photo")
    return photos


def test_a_photo_is_read(run, folder):
    path = folder / "a meter [1].png"
    code, out, err = run(path)
    assert (code, err) == (0, [])
    assert len(out) == 1 and out[0].startswith(f"{path}: 004.71  ") and " %  analog" in out[0]


def test_a_folder_is_read_in_order_and_the_rest_after_a_broken_file(run, folder):
    code, out, err = run(folder)
    assert code == 1
    assert [Path(line.split(": ")[0]).name for line in out] == ["a meter [1].png", "b.PNG"]
    assert out[1].endswith("no reading (no display)")
    assert len(err) == 1 and "c.jpg: not a picture" in err[0]


@pytest.mark.parametrize(
    ("sources", "read", "code", "words"),
    [
        (["photos/*.png"], 1, 0, ""),
        (["photos/*"], 2, 1, "notes.txt"),
        (["**/b.PNG"], 1, 0, ""),
        (["photos/b.PNG", "photos", "photos/b.PNG"], 2, 1, "c.jpg"),
        (["photos/*.gif"], 0, 1, "photos/*.gif: no file has such a name"),
        (["missing.jpg", "photos/b.PNG"], 1, 1, "missing.jpg: No such file"),
        (["photos/a meter [1].png"], 1, 0, ""),
        (["empty"], 0, 1, "empty: no photos in this folder"),
        (["photos/notes.txt"], 0, 1, "notes.txt: not a picture"),
    ],
)
def test_files_folders_and_globs(run, folder, monkeypatch, sources, read, code, words):
    (folder.parent / "empty").mkdir()
    monkeypatch.chdir(folder.parent)
    returned, out, err = run(*sources)
    assert (returned, len(out)) == (code, read)
    assert (words in err[-1]) if words else err == []


def test_json_lines(run, folder):
    code, out, err = run(folder, "--json", "--decimals", 1)
    first, second, third = (json.loads(line) for line in out)
    assert code == 1 and len(err) == 1
    assert (first["success"], first["text"], first["error"]) == (True, "0047.1", None)
    assert (second["success"], second["reason"], second["corners"]) == (False, "no_display", None)
    assert third["image"].endswith("c.jpg") and "not a picture" in third["error"] and third["success"] is False
    assert set(first) == set(third), "every line has the same keys"


def test_a_rejected_reading_does_not_look_like_one(run, folder):
    path = folder / "a meter [1].png"
    _, out, _ = run(path, "--min_confidence", 1)
    assert "no reading (low confidence, 004.71 at" in out[0]
    _, out, _ = run(path, "--min_confidence", 1, "--json")
    values = json.loads(out[0])
    assert (values["success"], values["text"], values["reason"]) == (False, "", "low_confidence")


def test_pictures_are_written(run, folder, tmp_path):
    again = tmp_path / "again"
    again.mkdir()
    (again / "b.png").write_bytes(encode_png(photo_of("123", CORNERS)[0]))
    code, _, err = run(
        folder / "b.PNG", again, folder / "a meter [1].png", "--annotate", tmp_path / "x/y", "--crops", tmp_path / "z"
    )
    assert (code, err) == (0, [])
    assert sorted(path.name for path in (tmp_path / "x/y").iterdir()) == ["a meter [1].jpg", "b.jpg", "b_2.jpg"]
    assert sorted(path.name for path in (tmp_path / "z").iterdir()) == ["a meter [1].jpg", "b_2.jpg"], (
        "no display, no crop"
    )
    crop = load_image(tmp_path / "z/b_2.jpg")
    height, width = crop.shape[:2]
    assert 3 < width / height < 5 and 300 < width < 360, "the display's own resolution and shape"


def test_an_unwritable_folder_is_one_line(run, folder, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = run(folder / "b.PNG", "--annotate", tmp_path / "file")
    assert code == 2 and len(err) == 1 and "file" in err[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "PHOTO"),
        (["a.jpg", "--decimals", "-1"], "whole number"),
        (["a.jpg", "--min_confidence", "95"], "from 0 to 1"),
        (["a.jpg", "--min_confidence", "high"], "from 0 to 1"),
        (["a.jpg", "--jason"], "unrecognized"),
    ],
)
def test_wrong_flags(arguments, words, capsys):
    with pytest.raises(SystemExit) as raised:
        recognize.main(arguments)
    assert raised.value.code == 2 and words in capsys.readouterr().err


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit):
        recognize.main(["--help"])
    assert "examples:" in capsys.readouterr().out


def process(*arguments):
    environment = {**os.environ, "PYTHONPATH": ""}
    command = [sys.executable, str(ROOT / "recognize.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_missing_weights_are_one_line(tmp_path):
    done = process("a.jpg", "--models", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and "bundle.json" in done.stderr


def test_the_whole_process_on_onnx_files(tmp_path, folder):
    pytest.importorskip("onnx")
    save_fixed_bundle(tmp_path)
    done = process(folder / "b.PNG", "--models", tmp_path, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["text"] == "0012.345"


def result_of(photo, decimals=2):
    return MeterReader(FakeStage1(), FakeStage2(decimals=decimals), bundle()).read(photo)


def test_annotate_draws_on_a_copy_where_the_display_is():
    photo, _ = photo_of("00471", CORNERS)
    before = photo.copy()
    drawn = annotate(photo, result_of(photo))
    np.testing.assert_array_equal(photo, before)
    changed = (drawn != photo).any(axis=2)
    assert drawn.shape == photo.shape
    assert changed[:40].any(), "the line with the reading"
    assert changed[180:300, 160:480].any(), "the outline"
    assert not changed[320:].any(), "nothing elsewhere"


def test_pictures_of_every_kind_of_result():
    photo, _ = photo_of("00471", CORNERS)
    result = result_of(photo)
    assert panel(photo, result, width=320).shape[1] == 320
    assert draw_display(photo, result).shape[2] == 3
    nothing = Result("", reason="no_display")
    assert panel(photo, nothing).shape[1] == 640
    assert panel(np.zeros((1000, 3, 3), np.uint8), nothing).shape[1] == 640
    with pytest.raises(ValueError, match="without a display"):
        draw_display(photo, nothing)


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (Result("", success=True, text="12.3", confidence=0.987), "12.3  99 %"),
        (Result("", reason="no_display"), "no reading: no display"),
        (Result("", reason="unknown_digit", text="1x"), "no reading: unknown digit (1x)"),
        (Result("", reason="low_confidence", rejected_text="12"), "no reading: low confidence (12)"),
        (Result("", error="a.jpg: empty"), "a.jpg: empty"),
    ],
)
def test_headline(result, line):
    assert headline(result) == line
