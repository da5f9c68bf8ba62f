"""train_stage1.py and train_stage2.py as a user runs them, on small made sets."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_sets import TINY_STAGE1, TINY_STAGE2, training_sets, write_stage1

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import train_stage1
import train_stage2
from reader.image import load_image
from training.flags import training_parser
from training.tfds_writer import set_name

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = {1: (train_stage1.main, TINY_STAGE1), 2: (train_stage2.main, TINY_STAGE2)}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    return training_sets(tmp_path_factory.mktemp("sets"), train=4, others=2)


@pytest.fixture(autouse=True)
def policy():
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].config.set_dtype_policy("float32")


def flags(sets, out, *more, network=True, stage=1):
    small = ["--network", SCRIPTS[stage][1]] if network else []
    files = ["--output", out / "best.keras", "--logs", out / "logs", "--checkpoints", out / "checkpoints"]
    size = ["--batch_size", 2, "--steps_per_epoch", 2, "--quiet"]
    return [str(value) for value in ["--dataset_path", sets, *small, *files, *size, *more]]


@pytest.mark.parametrize("stage", [1, 2])
def test_training_and_resuming(stage, sets, tmp_path, capsys):
    run = SCRIPTS[stage][0]
    assert run(flags(sets, tmp_path, "--epochs", 1, stage=stage)) == 0
    said = capsys.readouterr().out
    assert "4 training pictures" in said and "2 validation pictures" in said and "epoch 1/1" in said
    assert f"best weights: {tmp_path / 'best.keras'}" in said
    assert json.loads((tmp_path / "checkpoints" / "latest.json").read_text())["epoch"] == 1
    assert list((tmp_path / "logs").rglob("events.out.*")) and (tmp_path / "logs" / "run.json").exists()

    assert run(flags(sets, tmp_path, "--epochs", 2, "--resume_training", stage=stage)) == 0
    said = capsys.readouterr().out
    assert "epoch 2/2" in said and "epoch 1/2" not in said


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], False),
        (["--resume_training"], True),
        (["--resume_training", "True"], True),
        (["--resume_training", "true"], True),
        (["--resume_training=True"], True),
        (["--resume_training", "False"], False),
        (["--resume_training", "0"], False),
        (["--resume_training", "--quiet"], True),  # the bare flag before another one
    ],
)
def test_both_forms_of_resume_training(words, wanted):
    assert training_parser("stage1", "", "").parse_args(["--dataset_path", "x", *words]).resume_training is wanted


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--resume_training", "perhaps"], "True or False wanted, 'perhaps' came"),
        (["--epochs", "0"], "a whole number of at least 1 wanted, '0' came"),
        (["--batch_size", "two"], "a whole number of at least 1 wanted, 'two' came"),
        (["--learning_rate", "-1"], "a number above 0 wanted, '-1' came"),
        (["--mix", "0"], "a number above 0 wanted, '0' came"),
        (["--precision", "float64"], "float64"),
    ],
)
def test_wrong_flags(words, message, capsys):
    with pytest.raises(SystemExit) as caught:
        training_parser("stage1", "", "").parse_args(["--dataset_path", "x", *words])
    assert caught.value.code == 2 and message in capsys.readouterr().err


@pytest.mark.parametrize("stage", [1, 2])
def test_a_sheet_of_augmented_samples(stage, sets, tmp_path, capsys):
    sheet = tmp_path / "sheet.png"
    assert SCRIPTS[stage][0](flags(sets, tmp_path, "--preview", sheet, network=False, stage=stage)) == 0
    picture = load_image(sheet)
    assert min(picture.shape[:2]) > 300 and picture.std() > 10
    assert f"augmented samples: {sheet}" in capsys.readouterr().out
    assert not (tmp_path / "best.keras").exists() and not (tmp_path / "logs").exists()


def test_views_of_displays_can_be_weaker(sets, tmp_path, capsys):
    pictures = []
    for strength in ("1", "0"):
        sheet = tmp_path / f"{strength}.png"
        words = flags(sets, tmp_path, "--preview", sheet, "--augmentation", strength, network=False, stage=2)
        assert train_stage2.main(words) == 0
        pictures.append(load_image(sheet))
    assert (pictures[0] != pictures[1]).any()
    words = flags(sets, tmp_path, "--augmentation", "3", network=False, stage=2)
    assert train_stage2.main(words) == 1
    assert "--augmentation: a number from 0 to 2 wanted, 3.0 came" in capsys.readouterr().err
    assert not (tmp_path / "best.keras").exists() and not (tmp_path / "logs").exists()


def refused(stage, arguments, capsys):
    assert SCRIPTS[stage][0](arguments) == 1
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1 and said.startswith(f"train_stage{stage}.py: "), said
    return said


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--resume_training"], "there is no checkpoint"),
        (["--mix", "1", "2"], "--mix: 1 numbers wanted, one a set; 2 came"),
        (["--network", "{"], "--network: a JSON object or a file with one wanted"),
        (["--network", '{"chanels": 1}'], "unknown keys ['chanels']"),
        (["--network", '{"input_size": [50, 50]}'], "positive multiples of 32"),
        (["--network", "nowhere.json"], "nowhere.json"),
        (["--initial_weights", "nowhere.keras"], "nowhere.keras: no such file"),
    ],
)
def test_what_cannot_be_done_is_one_line(stage, more, message, sets, tmp_path, capsys):
    assert message in refused(stage, flags(sets, tmp_path, *more, stage=stage), capsys)


def test_bad_sets_are_one_line(sets, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    outside = write_stage1(tmp_path / "outside", [("train", "a.jpg", np.zeros((64, 64, 3), np.uint8), [], [])], 64)
    info = next(outside.rglob("dataset_info.json"))
    cases = [
        (1, tmp_path / "nowhere", "nowhere is not a folder"),
        (1, empty, "holds no TFDS set; the set meter_values_dataset_stage1 was wanted"),
        (2, sets / set_name(1), "holds meter_values_dataset_stage1; the set meter_values_dataset_stage2 was wanted"),
    ]
    for stage, path, message in cases:
        assert message in refused(stage, flags(path, tmp_path, stage=stage), capsys)
    info.write_text("{")
    assert "dataset_info.json" in refused(1, flags(outside, tmp_path), capsys)


def test_labels_out_of_range_are_one_line(tmp_path, capsys):
    picture = np.full((64, 64, 3), 90, np.uint8)
    outside = [[10, 10], [900, 10], [900, 40], [10, 40]]
    folder = write_stage1(tmp_path, [("train", "a.jpg", picture, [outside], ["analog"])], 64)
    assert "a.jpg: coordinates from" in refused(1, flags(folder, tmp_path), capsys)


def test_a_set_without_a_train_split(sets, tmp_path, capsys):
    picture = np.full((64, 64, 3), 90, np.uint8)
    folder = write_stage1(tmp_path, [("test", "a.jpg", picture, [], [])], 64)
    assert "train" in refused(1, flags(folder, tmp_path), capsys)


def test_weights_of_another_shape_are_one_line(sets, tmp_path, capsys):
    from retinanet.config import Stage1Config, Stage2Config
    from retinanet.model import build

    other = json.loads(TINY_STAGE1) | {"fpn_channels": 16}
    build(Stage1Config.from_dict(other)).save(tmp_path / "other.keras")
    said = refused(1, flags(sets, tmp_path, "--initial_weights", tmp_path / "other.keras"), capsys)
    assert "other.keras has a network with fpn_channels 16; 8 wanted" in said
    build(Stage2Config.from_dict(json.loads(TINY_STAGE2))).save(tmp_path / "stage2.keras")
    said = refused(1, flags(sets, tmp_path, "--initial_weights", tmp_path / "stage2.keras"), capsys)
    assert "stage2.keras has a network of Stage2Config; Stage1Config wanted" in said
    (tmp_path / "broken.keras").write_bytes(b"PK")
    assert "broken.keras" in refused(1, flags(sets, tmp_path, "--initial_weights", tmp_path / "broken.keras"), capsys)


def test_help_is_there_without_tensorflow():
    blocked = "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None; import train_stage1; "
    done = subprocess.run(
        [sys.executable, "-c", blocked + "train_stage1.main(['--help'])"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "--resume_training" in done.stdout and "examples:" in done.stdout, done.stderr


def test_a_set_beside_others_does_not_change(sets, tmp_path):
    """Training only reads its sets."""
    copy = tmp_path / "copy"
    shutil.copytree(sets / set_name(2), copy / set_name(2))
    before = {p: p.read_bytes() for p in copy.rglob("*") if p.is_file()}
    assert train_stage2.main(flags(copy, tmp_path, "--preview", tmp_path / "sheet.png", stage=2)) == 0
    assert {p: p.read_bytes() for p in copy.rglob("*") if p.is_file()} == before
