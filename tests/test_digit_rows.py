"""Rows of single digits' pictures: how they are put together, and how line readers are trained on them."""

import json

import cv2
import keras
import numpy as np
import pytest

import train_lines
from crnn.config import task_config
from crnn.fit import check_lines, examples
from crnn.release import load
from training import digit_rows
from training.digit_rows import DigitRows
from training.idx_digits import IdxDigits
from training.line_sets import DrawnLines
from training.tfds_writer import LINES_NAME

TINY = {"channels": [8, 8, 8, 8, 8, 8], "column": 16, "units": 8, "input_size": [16, 64], "max_length": 8}


def bars():
    """Of digit d one picture of 28 x 28: a bar from column 4 to 24, two rows high, the lower the greater the digit."""
    images = np.zeros((10, 28, 28), np.uint8)
    for digit in range(10):
        images[digit, 4 + 2 * digit : 6 + 2 * digit, 4:24] = 255
    return IdxDigits(images, tuple(np.array([digit]) for digit in range(10)))


def test_digits_stand_side_by_side_in_the_order_of_the_text(monkeypatch):
    monkeypatch.setattr(digit_rows, "_BENT", 0.0)
    for seed in range(40):
        row = DigitRows(bars()).ink(np.random.default_rng(seed), "3071")
        assert 28 <= row.shape[0] <= 31
        drops = row.shape[0] - 28
        # The first column of each bar tells its digit: the row of its ink, less how far the picture was dropped.
        number, _, stats, _ = cv2.connectedComponentsWithStats(row)
        found = sorted((x, y) for x, y, *_ in stats[1:number])
        assert len(found) == 4
        for (_, top), digit in zip(found, (3, 0, 7, 1), strict=True):
            assert 0 <= top - 4 - 2 * digit <= drops
        steps = np.diff([x for x, _ in found])
        assert (steps >= 16).all() and (steps <= 30).all()


def test_rows_differ_and_say_what_they_show():
    rows = DigitRows(bars())
    drawn = [rows(np.random.default_rng(seed)) for seed in range(200)]
    lengths = np.bincount([len(text) for _, text in drawn], minlength=9)
    assert lengths[0] == 0 and len(lengths) == 9 and lengths[8] > lengths[1]
    assert len({text for _, text in drawn}) > 150
    for image, text in drawn:
        assert image.dtype == np.uint8 and image.shape[2] == 3
        height, width = image.shape[:2]
        assert width / height >= 0.45 * len(text), "a digit is missing"
    # White on black mostly, but the reverse too.
    dark = np.mean([np.median(image) < 128 for image, _ in drawn])
    assert 0.5 < dark < 0.8
    again, text = rows(np.random.default_rng(7))
    np.testing.assert_array_equal(again, drawn[7][0])
    assert text == drawn[7][1]


def test_bent_digits_are_never_twice_the_same_but_stay_what_they_are():
    bank = bars()
    views = [DigitRows(bank).ink(np.random.default_rng(seed), "5") for seed in range(30)]
    assert len({view.tobytes() for view in views}) > 15
    for view in views:
        y = np.nonzero(view.max(axis=1) > 100)[0]
        assert abs(float(y.mean()) - 14.5) < 4.5, "the bar left its place"


def test_training_draws_another_row_in_every_view(idx):
    config = task_config("handwritten")
    lines = DrawnLines(DigitRows.load(idx), 8, "0123456789", str(idx))
    check_lines([lines], config)
    make = examples([lines], config, 1.0, seed=0)
    made = [make(0, np.random.default_rng(seed)) for seed in range(20)]
    assert all(view.shape == (*config.input_size, 3) for view, _ in made)
    assert len({targets["logits"].tobytes() for _, targets in made}) > 15
    for fault, changes in (("characters", {"alphabet": "01234567"}), ("max_length", {"max_length": 7})):
        with pytest.raises(ValueError, match=fault):
            check_lines([lines], task_config("handwritten", changes))


@pytest.fixture
def numbers(tmp_path):
    """A set of a few stored numbers."""
    import make_dataset
    import synthesize

    asked = ["lines", "--task", "handwritten", "--count", "12", "--out", str(tmp_path / "made"), "--workers", "1"]
    assert synthesize.main(asked) == 0
    asked = ["lines", "--source", str(tmp_path / "made/labels.csv"), "--task", "handwritten", "--skip_faulty"]
    assert make_dataset.main([*asked, "--out", str(tmp_path / "set"), "--split", "0.8", "0.2", "0"]) == 0
    assert (tmp_path / "set" / LINES_NAME).is_dir()
    yield tmp_path / "set"
    keras.mixed_precision.set_dtype_policy("float32")


def test_a_line_reader_is_trained_on_rows_of_digits(numbers, idx, tmp_path, capsys):
    flags = ["--task", "handwritten", "--dataset_path", str(numbers), "--digits", str(idx), "--quiet"]
    sheet = tmp_path / "views.png"
    assert train_lines.main([*flags, "--preview", str(sheet)]) == 0
    assert cv2.imread(str(sheet)) is not None
    flags += ["--network", json.dumps(TINY), "--epochs", "1", "--steps_per_epoch", "2", "--batch_size", "4"]
    flags += ["--output", str(tmp_path / "hand.keras"), "--logs", str(tmp_path / "logs")]
    flags += ["--checkpoints", str(tmp_path / "checkpoints"), "--precision", "float32"]
    assert train_lines.main([*flags, "--mix", "1", "3"]) == 0
    assert f"{idx}: 40 digits to draw rows from" in capsys.readouterr().out
    assert load(tmp_path / "hand.keras")[1].max_length == 8
    assert train_lines.main([*flags, "--mix", "1"]) == 1
    assert "--mix: 2 numbers wanted, one a set and 1 of --digits; 1 came" in capsys.readouterr().err


def test_a_folder_without_digits_is_one_line(numbers, tmp_path, capsys):
    asked = ["--task", "handwritten", "--dataset_path", str(numbers), "--digits", str(tmp_path)]
    assert train_lines.main(asked) == 1
    error = capsys.readouterr().err
    assert error.startswith("train_lines.py: --digits: ") and "has no train-images-idx3-ubyte" in error
    assert len(error.splitlines()) == 1
