"""training/single_digits.py: single digits for the displays of others."""

import json

import cv2
import numpy as np
import pytest

from training.augment import DigitPool
from training.labelstudio import DatasetError
from training.single_digits import load_digits


def write(folder, readings, split="train"):
    """A manifest with a picture for each reading, as bright as its place."""
    lines = []
    for number, reading in enumerate(readings):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((32, 20, 3), number, np.uint8))
        lines.append(json.dumps({"image": f"{number}.png", "split": split, "reading": reading}))
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "manifest.jsonl"


def test_digits_and_positions_of_drums(tmp_path):
    manifest = write(tmp_path, ["7", "3.4", "3.5", "3.6", "9.9", None, "0.0"])
    found = load_digits([manifest])
    assert [(digit, int(picture[0, 0, 0])) for digit, picture in found] == [(7, 0), (3, 1), (3, 2), (0, 6)]
    assert found[0][1].shape == (32, 20, 3) and found[0][1].dtype == np.uint8


def test_test_pictures_are_not_taken(tmp_path):
    with pytest.raises(DatasetError, match="no single digits"):
        load_digits([write(tmp_path, ["7"], split="test")])
    assert load_digits([]) == []


@pytest.mark.parametrize("reading", ["12", "x", "3.45", "", 4, "."])
def test_other_readings_are_named(tmp_path, reading):
    with pytest.raises(DatasetError, match=r"line 2: .*wanted"):
        load_digits([write(tmp_path, ["1", reading])])


def test_unreadable_files_are_named(tmp_path):
    manifest = write(tmp_path, ["1"])
    (tmp_path / "0.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"line 1: .*0\.png"):
        load_digits([manifest])
    manifest.write_text("[]\n")
    with pytest.raises(DatasetError, match="path of an image"):
        load_digits([manifest])
    manifest.write_text("{\n")
    with pytest.raises(DatasetError, match="JSON"):
        load_digits([manifest])
    with pytest.raises(DatasetError, match="cannot read"):
        load_digits([tmp_path / "nothing.jsonl"])


def test_the_pool_takes_them_up_to_its_limit():
    singles = [(4, np.full((32, 20, 3), value, np.uint8)) for value in range(9)]
    singles.append((5, np.zeros((4, 3, 3), np.uint8)))
    pool = DigitPool.collect([], limit=6, singles=singles)
    assert len(pool.patches[4]) == 6 and not pool.patches[5], "too small a picture shows nothing"
