"""Sets of lines from the command line on: labelled pictures in, a set out, all or nothing; and the loader."""

import json
import os

import numpy as np
import pytest
from labelled_samples import picture

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import make_dataset
from reader.image import encode_jpeg, encode_png, load_image
from training.labelstudio import DatasetError
from training.line_sets import load_lines
from training.tfds_writer import LINES_NAME, VERSION, LineSetWriter, SetWriter, set_name

SPLITS = ("train", "validation", "test")
PLATES = [f"皖A{number:05d}" for number in range(20)]


def images(folder, named):
    """Writes pictures, {name: array or bytes}."""
    for name, image in named.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(image if isinstance(image, bytes) else encode_png(image))
    return folder


def plates(folder):
    """Twenty plates, two pictures of each; the label after the last "-"."""
    named = {f"{i:04d}-{PLATES[i % 20]}.png": picture(12 + i % 3, 40, seed=i) for i in range(40)}
    return images(folder, named)


def run(source, out, *flags, task="plate"):
    sources = [
        part for path in ([source] if not isinstance(source, list) else source) for part in ("--source", str(path))
    ]
    return make_dataset.main(["lines", "--task", task, *sources, "--out", str(out), *flags])


def by_split(out):
    return {split: samples for split in SPLITS if (samples := load_any(out, split))}


def load_any(out, split):
    told = json.loads((out / LINES_NAME / VERSION / "splits.json").read_text(encoding="utf-8"))
    return load_lines([out], split) if split in told.values() else []


def told_by(capsys):
    return capsys.readouterr().err.replace("\r", "\n").splitlines()


def test_folder_to_set(tmp_path, capsys):
    source = plates(tmp_path / "plates")
    assert run(source, tmp_path / "out", "--stats") == 0
    found = by_split(tmp_path / "out")
    assert list(found) == ["train", "validation"]
    samples = {sample.name: sample for split in found.values() for sample in split}
    assert len(samples) == 40
    for name, sample in samples.items():
        assert sample.text == name.removesuffix(".png").split("-")[1]
        np.testing.assert_array_equal(sample.image, load_image(source / name))  # every pixel
        assert sample.image.dtype == np.uint8
    texts = {split: {sample.text for sample in lines} for split, lines in found.items()}
    assert not texts["train"] & texts["validation"]
    folder = tmp_path / "out" / LINES_NAME / VERSION
    assert {path.name for path in folder.parent.iterdir()} == {VERSION}
    stored = json.loads((folder / "statistics.json").read_text(encoding="utf-8"))
    assert (stored["task"], sum(part["pictures"] for part in stored["splits"].values())) == ("plate", 40)
    assert stored["splits"]["train"]["characters"]["皖"] == len(found["train"])
    for name in ("preview.png", "lengths.png", "sizes.png", "characters.png"):
        assert load_image(folder / name).shape[0] > 100
    told = capsys.readouterr()
    assert f"train: {len(found['train'])} pictures, {len(texts['train'])} different texts" in told.out
    assert "40/40" in told.err  # the progress bar
    assert "warning" not in told.err  # no test was wanted


def test_sets_are_the_same_however_many_pictures_are_handed_over_at_once(tmp_path, monkeypatch):
    files = []
    for count in (1, 3, 7, 200):
        monkeypatch.setattr("training.tfds_writer._EXAMPLES_AT_ONCE", count)
        folder = tmp_path / str(count) / LINES_NAME / VERSION
        with LineSetWriter(folder, ["train", "validation"]) as writer:
            for i in range(7):
                writer.add("validation" if i % 3 == 1 else "train", picture(12, 40, seed=i), f"A{i}", f"{i}.png")
            writer.close({f"{i}.png": "validation" if i % 3 == 1 else "train" for i in range(7)})
        files.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert all(other == files[0] for other in files[1:])
    found = by_split(tmp_path / "3")
    assert [sample.text for sample in found["train"]] == ["A0", "A2", "A3", "A5", "A6"]
    assert [sample.text for sample in found["validation"]] == ["A1", "A4"]


def test_same_command_gives_the_same_set(tmp_path):
    source = plates(tmp_path / "plates")
    for out in ("one", "two"):
        assert run(source, tmp_path / out) == 0
    files = [file.relative_to(tmp_path / "one") for file in (tmp_path / "one").rglob("*") if file.is_file()]
    assert len(files) >= 8
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_jsonl_splits_are_kept(tmp_path):
    images(tmp_path, {f"{i}.png": picture(10, 30, seed=i) for i in range(30)})
    rows = [{"image": f"{i}.png", "text": str(i % 3), "split": "test" if i < 5 else "train"} for i in range(30)]
    (tmp_path / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert run(tmp_path / "manifest.jsonl", tmp_path / "out", task="handwritten") == 0
    found = {split: {sample.name for sample in lines} for split, lines in by_split(tmp_path / "out").items()}
    assert found["test"] == {f"{i}.png" for i in range(5)}
    assert len(found["train"]) + len(found["validation"]) == 25
    assert found["validation"]
    # Asked to keep the same text together, the lines of train that say what the test says cannot stay.
    assert run(tmp_path, tmp_path / "texts", "--group_by", "text", task="handwritten") == 1


FAULTY = {
    "good-皖A12345.png": picture(10, 30, seed=1),
    "slip-皖AO2345.png": picture(10, 30, seed=2),
    "short-皖A1.png": picture(10, 30, seed=3),
    "broken-皖A22222.png": b"no picture",
    "cut-皖A33333.png": encode_png(picture(10, 30))[:60],
    "empty-.png": picture(10, 30, seed=4),
    "one-皖A44444.png": picture(10, 30, seed=5),
    "two-皖A44445.png": picture(10, 30, seed=5),
    "copy-皖A12345.bmp": None,  # the pixels of the good one, in another file
}
FAULTS = {
    "slip-皖AO2345.png": "letter O at place 3 of '皖AO2345' is not in the alphabet, 0 is (--correct_lookalikes makes",
    "short-皖A1.png": "3 characters in '皖A1', 7 to 8 wanted",
    "broken-皖A22222.png": "not a picture",
    "cut-皖A33333.png": "the end of the PNG file is missing",
    "empty-.png": "empty text",
    "one-皖A44444.png": "'皖A44444': same picture as",
    "two-皖A44445.png": "'皖A44445': same picture as",
}


@pytest.fixture
def faulty(tmp_path):
    import cv2

    good = FAULTY["good-皖A12345.png"]
    copy = bytes(cv2.imencode(".bmp", good[:, :, ::-1])[1])
    return images(tmp_path / "faulty", {**FAULTY, "copy-皖A12345.bmp": copy})


def test_faults_are_all_told_and_nothing_is_written(faulty, tmp_path, capsys):
    assert run(faulty, tmp_path / "out") == 1
    told = told_by(capsys)
    for name, fault in FAULTS.items():
        (line,) = [line for line in told if line.startswith(f"{faulty}: {name}: ")]
        assert fault in line
    assert (
        f"note: {faulty}: good-皖A12345.png: '皖A12345': same picture and text as {faulty}: copy-皖A12345.bmp" in told
    )
    assert told[-1] == "error: 7 faulty lines, see above; nothing was written (--skip_faulty leaves them out)"
    assert not (tmp_path / "out").exists()


def test_faulty_lines_are_skipped_or_corrected_when_told_to(faulty, tmp_path, capsys):
    assert run(faulty, tmp_path / "out", "--skip_faulty", "--correct_lookalikes", "--split", "1", "0", "0") == 0
    assert sorted((s.name, s.text) for s in load_lines([tmp_path / "out"], "train")) == [
        ("copy-皖A12345.bmp", "皖A12345"),
        ("good-皖A12345.png", "皖A12345"),
        ("slip-皖AO2345.png", "皖A02345"),
    ]
    told = told_by(capsys)
    assert "6 faulty lines, see above, left out" in told
    assert f"note: {faulty}: slip-皖AO2345.png: '皖AO2345' taken as '皖A02345'" in told
    report = (tmp_path / "out" / LINES_NAME / VERSION / "report.txt").read_text(encoding="utf-8")
    assert report.count("left out: ") == 6
    assert report.count("note: ") == 2


def test_only_faulty_lines(tmp_path, capsys):
    images(tmp_path / "set", {"abc.png": picture(10, 30)})
    assert run(tmp_path / "set", tmp_path / "out", "--skip_faulty", task="handwritten") == 1
    assert told_by(capsys)[-1] == "error: there is no usable line; nothing was written"
    assert not (tmp_path / "out").exists()


def test_existing_set_is_replaced_only_when_told_to(faulty, tmp_path, capsys):
    source, out = plates(tmp_path / "plates"), tmp_path / "out"
    assert run(source, out, "--split", "1", "0", "0") == 0
    assert run(source, out) == 1
    assert "exists; --overwrite replaces it" in told_by(capsys)[-1]
    assert run(faulty, out, "--overwrite") == 1
    assert len(load_lines([out], "train")) == 40  # a failed run leaves the old set
    assert run(faulty, out, "--overwrite", "--skip_faulty", "--split", "1", "0", "0") == 0
    assert len(load_lines([out], "train")) == 2
    assert [path.name for path in (out / LINES_NAME).iterdir()] == [VERSION]


def test_several_sources_and_a_preview_elsewhere(tmp_path, capsys):
    one = images(tmp_path / "one", {"1.png": picture(10, 30, seed=1), "12.png": picture(10, 30, seed=2)})
    two = images(tmp_path / "two", {"1.png": picture(10, 30, seed=3)})
    preview = tmp_path / "sheets" / "lines.png"
    flags = ("--split", "0", "0", "1", "--preview", str(preview))
    assert run([one, two], tmp_path / "out", *flags, task="handwritten") == 0
    names = {sample.name for sample in load_lines([tmp_path / "out"], "test")}
    assert names == {"one/1.png", "one/12.png", "two/1.png"}
    assert load_image(preview).shape[1] > 240
    assert f"contact sheet: {preview}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--split", "0.8", "0.1", "0.2"], "must sum to 1, not 0.8 0.1 0.2"),
        (["--alphabet", "aa"], "--alphabet: an alphabet of different characters wanted"),
        (["--lengths", "7", "5"], "--lengths: the fewest characters, at least 1, and the most wanted; 7 5 came"),
        (["--source", "gone.csv"], "cannot read gone.csv: No such file or directory"),
        (["--source", "gone"], "gone is not there; a folder of pictures"),
    ],
)
def test_wrong_flags(tmp_path, capsys, flags, message):
    source = images(tmp_path / "set", {"皖A12345.png": picture(10, 30)})
    assert run(source, tmp_path / "out", *flags) == 1
    (line,) = told_by(capsys)
    assert line.startswith("error: ")
    assert message in line
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A small set, as make_dataset.py writes them."""
    root = tmp_path_factory.mktemp("data")
    with LineSetWriter(root / LINES_NAME / VERSION, ["train", "test"]) as writer:
        writer.add("train", picture(24, 60), "皖AR003T", "a.png")
        writer.add("train", picture(48, 100, seed=1), "粤BD12345", "b.png")
        writer.add("test", picture(20, 90, seed=2), "1", "c.png")
        writer.close({"a.png": "train", "b.png": "train", "c.png": "test"})
    return root


def test_schema(data_dir):
    import tensorflow_datasets as tfds

    stored = tfds.load("lines_dataset", data_dir=data_dir, split="train")  # by name, as people's own scripts do
    first, second = tfds.as_numpy(stored)
    assert {key: value.dtype for key, value in first.items() if key in ("image", "image/id")} == {
        "image": np.uint8,
        "image/id": np.int64,
    }
    assert set(first) == {"image", "image/filename", "image/id", "text"}
    np.testing.assert_array_equal(first["image"], picture(24, 60))
    assert (first["text"].decode(), first["image/filename"]) == ("皖AR003T", b"a.png")
    assert (first["image/id"], second["image/id"]) == (0, 1)


@pytest.mark.parametrize("below", ["", LINES_NAME, f"{LINES_NAME}/{VERSION}"])
def test_a_set_is_found_from_three_folders(data_dir, below):
    samples = load_lines([data_dir / below], "train")
    assert [(s.text, s.name, s.image.shape) for s in samples] == [
        ("皖AR003T", "a.png", (24, 60, 3)),
        ("粤BD12345", "b.png", (48, 100, 3)),
    ]


def test_high_pictures_are_shrunk_and_low_ones_stay(data_dir):
    shapes = [sample.image.shape for sample in load_lines([data_dir], "train", max_height=32)]
    assert shapes == [(24, 60, 3), (32, 67, 3)]


def test_sets_are_joined_and_a_missing_split_gives_none(data_dir):
    assert len(load_lines([data_dir, data_dir / LINES_NAME], "test")) == 2
    assert load_lines([data_dir], "validation") == []


def _with_text(text):
    def write(root):
        with LineSetWriter(root / LINES_NAME / VERSION, ["train"]) as writer:
            writer.add("train", picture(8, 8), text, "a.png")
            writer.close({})

    return write


def _test_only(root):
    with LineSetWriter(root / LINES_NAME / VERSION, ["test"]) as writer:
        writer.add("test", picture(8, 8), "1", "a.png")
        writer.close({})


def _meters(root):
    with SetWriter(root / set_name(2) / VERSION, 2, ["train"]) as writer:
        writer.add("train", picture(8, 8), np.zeros((0, 4)), [], "a.png")
        writer.close({})


def _empty(root):
    with LineSetWriter(root / LINES_NAME / VERSION, []) as writer:
        writer.close({})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (None, "is not a folder; one with the set lines_dataset was wanted"),
        (lambda root: root.mkdir(), "holds no TFDS set; the set lines_dataset was wanted"),
        (_meters, "holds meter_values_dataset_stage2; the set lines_dataset was wanted"),
        (_empty, "the set is empty"),
        (_test_only, "nothing to train on: no train split in"),
        (_with_text(""), "the text of a.png is empty"),
    ],
)
def test_sets_that_cannot_be_used(tmp_path, make, message):
    root = tmp_path / "set"
    if make is not None:
        make(root)
    with pytest.raises(DatasetError) as raised:
        load_lines([root], "train")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_wrong_schema_and_wrong_height(tmp_path, data_dir):
    import shutil

    wrong = tmp_path / LINES_NAME / VERSION
    shutil.copytree(data_dir / LINES_NAME / VERSION, wrong)
    features = json.loads((wrong / "features.json").read_text())
    fields = features["featuresDict"]["features"]
    fields["label"] = fields.pop("text")
    (wrong / "features.json").write_text(json.dumps(features))
    with pytest.raises(
        DatasetError, match="fields image, image/filename, text wanted, image, image/filename, image/id, label"
    ):
        load_lines([tmp_path], "train")
    with pytest.raises(DatasetError, match="max_height must be positive, not 0"):
        load_lines([data_dir], "train", max_height=0)


def test_photos_are_stored_upright(tmp_path):
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    jpeg = encode_jpeg(picture(20, 50))
    images(tmp_path / "set", {"12.jpg": jpeg[:2] + b"\xff\xe1" + bytes([0, len(exif) + 2]) + exif + jpeg[2:]})
    assert run(tmp_path / "set", tmp_path / "out", "--split", "1", "0", "0", task="price") == 0
    assert load_lines([tmp_path / "out"], "train")[0].image.shape == (50, 20, 3)
