"""benchmarks/folds.py: photos of one meter stay together, every photo is tested once."""

import json

import pytest

from benchmarks import folds
from benchmarks.folds import divide, meters, splits
from training.splits import read_split_file


@pytest.mark.parametrize(
    ("readings", "near", "groups", "why"),
    [
        ({"a": 100, "b": 150, "c": 300}, 100, [["a", "b"], ["c"]], "a month apart, and another meter"),
        ({"a": 100, "c": 260, "b": 180}, 100, [["a", "b", "c"]], "over a reading between them"),
        ({"a": 5, "b": 5}, 1, [["a", "b"]], "two photos of one reading"),
        ({"a": 0, "b": 100}, 100, [["a"], ["b"]], "near is less than"),
        ({}, 10, [], "nothing"),
    ],
)
def test_near_readings_are_of_one_meter(readings, near, groups, why):
    assert meters(readings, near) == groups, why


def test_folds_are_nearly_equal_and_no_meter_is_divided():
    groups = [["a1", "a2", "a3"], ["b1"], ["c1", "c2"], ["d1"], ["e1"]]
    made = divide(groups, 3)
    assert sorted(map(len, made)) == [2, 3, 3]
    assert all(
        len({name[0] for name in fold} & {other[0] for other in rest}) == 0
        for fold in made
        for rest in made
        if rest is not fold
    )
    with pytest.raises(ValueError, match="5 meters cannot be divided into 6 folds"):
        divide(groups, 6)


def test_each_fold_is_tested_once_and_crops_follow_their_photos():
    made = [splits([["a.jpg"], ["b.c.jpg"], ["d.jpg"], ["e.jpg"]], number) for number in range(4)]
    for name in ("a.jpg", "b.c.jpg", "d.jpg", "e.jpg"):
        stem, dot, suffix = name.rpartition(".")
        asked = [split[name] for split in made]
        assert sorted(asked) == ["test", "train", "train", "validation"]
        assert asked == [split[f"{stem}-crop{dot}{suffix}"] for split in made]


@pytest.fixture
def manifest(tmp_path):
    rows = [{"image": f"images/{n}.jpg", "reading": f"{1000 * (n // 2)}.5", "kind": "full_photo"} for n in range(8)]
    rows.append(
        {"image": "images/rolling.jpg", "reading": None, "digits": ["6", "0", "0", "NaN"], "kind": "full_photo"}
    )
    rows.append({"image": "crops/0.jpg", "reading": "0.5", "kind": "display_crop"})
    path = tmp_path / "manifest.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_the_command(manifest, tmp_path, capsys):
    out = tmp_path / "folds"
    assert folds.main(["--manifest", str(manifest), "--folds", "3", "--near", "10", "--out", str(out)]) == 0
    assert capsys.readouterr().out == "5 meters, 9 photos, by fold: 4 3 2\n"
    tested = [set((out / f"fold_{number}.txt").read_text().split()) for number in range(3)]
    assert set().union(*tested) == {*map(str, range(8)), "rolling"} and sum(map(len, tested)) == 9
    assert all(
        ({str(n), str(n + 1)} <= names) or not ({str(n), str(n + 1)} & names) for n in (0, 2, 4, 6) for names in tested
    )
    for number, names in enumerate(tested):  # as make_dataset.py reads it
        given = read_split_file(out / f"fold_{number}.json")
        assert {name for name, split in given.items() if split == "test"} == names | {f"{name}-crop" for name in names}


@pytest.mark.parametrize(
    ("row", "message"),
    [({"image": "images/x.jpg", "reading": None, "kind": "full_photo"}, "x.jpg has neither"), (None, "manifest.jsonl")],
)
def test_faults_are_one_line(row, message, manifest, tmp_path, capsys):
    if row is None:
        manifest.unlink()
    else:
        manifest.write_text(json.dumps(row))
    assert folds.main(["--manifest", str(manifest), "--out", str(tmp_path / "folds")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("folds.py: ") and message in said and len(said.strip().splitlines()) == 1
    assert not (tmp_path / "folds").exists()


def test_two_folds_are_too_few(manifest, tmp_path, capsys):
    with pytest.raises(SystemExit):
        folds.main(["--manifest", str(manifest), "--folds", "2", "--out", str(tmp_path / "folds")])
    assert "at least 3 folds" in capsys.readouterr().err
