import json

import numpy as np
import pytest
from small_sets import training_sets

from reader.symbols import STAGE2_CLASSES
from retinanet.analyze import main
from training.datasets import Stage1Sample, Stage2Sample
from training.statistics import describe, percentiles, stage1_statistics, stage2_statistics

SQUARE = np.array([[10, 10], [50, 10], [50, 30], [10, 30]], np.float32)


def stage1_sample(*rows):
    corners = np.array([corners for corners, _ in rows], np.float32).reshape(-1, 4, 2)
    return Stage1Sample(np.zeros((60, 80, 3), np.uint8), corners, np.array([c for _, c in rows], np.int64), "a.jpg")


def stage2_sample(*rows):
    """Rows of (left, right, class name) on a display of 100 x 20."""
    boxes = np.array([(left, 5, right, 15) for left, right, _ in rows], np.float32).reshape(-1, 4)
    labels = np.array([STAGE2_CLASSES.index(name) for *_, name in rows], np.int64)
    return Stage2Sample(np.zeros((20, 100, 3), np.uint8), boxes, labels, "cropped_a.jpg")


def test_statistics_of_stage1():
    told = stage1_statistics(
        [stage1_sample((SQUARE, 0), (np.roll(SQUARE, 2, axis=0), 3)), stage1_sample(), stage1_sample((SQUARE, 0))]
    )
    assert told["pictures"] == 3
    assert told["displays_per_picture"] == {"0": 1, "1": 1, "2": 1}
    assert told["classes"] == {"analog": 2, "digital": 0, "analog_illegible": 0, "digital_illegible": 1}
    assert told["values"]["display_width"] == [0.5, 0.5, 0.5], "40 of the longer side's 80 pixels"
    assert told["values"]["display_aspect"] == [2, 2, 2]
    assert told["values"]["display_angle"] == [0, 180, 0], "the second one is upside down"


def test_statistics_of_stage2():
    told = stage2_statistics(
        [
            stage2_sample((30, 40, "7"), (10, 20, "0"), (50, 60, "7"), (48, 62, "floatp")),
            stage2_sample((10, 20, "t"), (30, 40, "5")),
        ]
    )
    assert told["digits_per_display"] == {"1": 1, "3": 1}
    assert told["decimals_per_display"] == {"0": 1, "1": 1}
    assert {name: count for name, count in told["classes"].items() if count} == {
        "0": 1, "5": 1, "7": 2, "t": 1, "floatp": 1,
    }  # fmt: skip
    assert told["places"]["0"] == [1, 0, 0], "the leftmost, though labelled second"
    assert told["places"]["7"] == [0, 1, 1]
    assert told["places"]["5"] == [1, 0, 0]
    assert told["values"]["display_aspect"] == [5, 5]
    assert told["values"]["digit_height"] == pytest.approx([0.5] * 4)
    assert told["values"]["digit_width"] == pytest.approx([0.1] * 4)


@pytest.mark.parametrize("count", [stage1_statistics, stage2_statistics])
def test_an_empty_set_has_statistics_too(count):
    told = count([])
    assert told["pictures"] == 0
    assert "pictures: 0" in describe(told)


def test_percentiles():
    assert percentiles([]) == {}
    assert percentiles(range(101)) == {"1": 1, "10": 10, "50": 50, "90": 90, "99": 99}


def test_a_set_is_shown_in_numbers_and_pictures(tmp_path, capsys):
    training_sets(tmp_path / "sets", train=4, others=2)
    out = tmp_path / "out"
    assert main(["--dataset_path", str(tmp_path / "sets"), "--out", str(out)]) == 0
    first = json.loads((out / "stage1" / "statistics.json").read_text())
    assert {split: told["pictures"] for split, told in first.items()} == {"train": 4, "validation": 2, "test": 2}
    assert first["train"]["classes"]["analog"] == first["train"]["classes"]["digital"] == 2
    assert first["train"]["values"]["display_width"]["50"] == pytest.approx(0.5, abs=0.01)
    second = json.loads((out / "stage2" / "statistics.json").read_text())
    # The readings are 01035, 12735, 23435 and 34135, the last digit a decimal.
    assert second["train"]["digits_per_display"] == {"5": 4}
    assert second["train"]["decimals_per_display"] == {"1": 4}
    assert second["train"]["classes"]["3"] == 6
    for name in ("sizes", "counts", "augmented", "samples_train", "samples_validation", "samples_test"):
        for stage in (1, 2):
            assert (out / f"stage{stage}" / f"{name}.png").read_bytes()[:4] == b"\x89PNG", name
    printed = capsys.readouterr().out
    assert "stage 1, train:\n  pictures: 4" in printed
    assert "digits per display: 5: 4" in printed


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [([], "holds no TFDS set"), (["--stage", "2"], "the set meter_values_dataset_stage2 was wanted")],
)
def test_faults_are_one_line(tmp_path, capsys, flags, wanted):
    assert main(["--dataset_path", str(tmp_path), "--out", str(tmp_path / "out"), *flags]) == 1
    error = capsys.readouterr().err
    assert wanted in error
    assert error.startswith("analyze_dataset.py: ") and len(error.splitlines()) == 1
