import json
import math
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from small_sets import TINY_STAGE2, training_sets

from retinanet import tune
from training.tuning import (
    DIED,
    DIVERGED,
    DONE,
    Record,
    Trial,
    TuningError,
    best,
    grid,
    read_records,
    run_trials,
    table,
)

ROOT = Path(__file__).resolve().parent.parent
GOOD = {"loss": [2.0, 1.0], "val_loss": [3.0, 2.0]}

#: A trial's process without a network: what it does depends on the learning rate.
TRIAL = """
import os, sys
from pathlib import Path
from training.tuning import INPUT_FAULT, Trial, run_trial
rate, folder = float(sys.argv[1]), Path(sys.argv[2])
(folder / "started").open("a").write(f"{rate:g} ")
def train():
    if rate == 9: os.kill(os.getpid(), 9)
    if rate == 8: sys.exit("out of memory")
    if rate == 7: print("wrong set"); sys.stdout.flush(); os._exit(INPUT_FAULT)
    return {"loss": [1.0, float("nan")] if rate == 6 else [2.0, rate], "val_loss": [3.0, 2 * rate]}
run_trial(Trial({"learning_rate": rate, "optimizer": "sgd"}), folder, train)
"""


def trials(*rates):
    return grid({"learning_rate": rates, "optimizer": ["sgd"]})


def run(folder, *rates, shared=None, **settings):
    def command(trial):
        return [sys.executable, "-c", TRIAL, str(trial.params["learning_rate"]), str(folder)]

    return run_trials(trials(*rates), folder, shared or {"epochs": 2}, command, **settings)


@pytest.fixture(autouse=True)
def _in_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def hparams(folder):
    """What the event files of a folder say to the HParams plugin, as its own messages."""
    from tensorboard.compat.proto import event_pb2
    from tensorboard.plugins.hparams import plugin_data_pb2

    said = []
    for path in sorted(folder.glob("events.*")):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            event = event_pb2.Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "hparams"
                said.append(plugin_data_pb2.HParamsPluginData.FromString(value.metadata.plugin_data.content))
    return said


def test_a_grid_is_every_combination_once():
    made = grid({"learning_rate": [1e-2, 1e-3, 1e-2], "batch_size": [16, 32]})
    assert [trial.name for trial in made] == ["lr0.01_batch16", "lr0.01_batch32", "lr0.001_batch16", "lr0.001_batch32"]


def test_trials_that_diverge_or_die_are_recorded_and_the_rest_go_on(tmp_path):
    records = run(tmp_path / "t", 0.5, 6, 9, 8, 0.25)
    assert [record.status for record in records] == [DONE, DIVERGED, DIED, DIED, DONE]
    assert records[2].reason.startswith("killed by signal 9")
    assert records[3].reason.startswith("exit status 1")
    assert "out of memory" in (tmp_path / "t" / "lr8_sgd" / "output.txt").read_text()
    assert best(records).params["learning_rate"] == 0.25
    assert read_records(tmp_path / "t").keys() == {record.name for record in records}


def test_resuming_runs_only_what_is_missing_or_died(tmp_path):
    folder = tmp_path / "t"
    run(folder, 0.5, 6, 9)
    (folder / "started").unlink()
    (folder / "lr0.125_sgd").mkdir()  # a trial in whose middle tuning was killed
    (folder / "lr0.125_sgd" / "events.out.tfevents.1.rest").write_bytes(b"")
    records = run(folder, 0.5, 6, 9, 0.125, resume=True)
    assert (folder / "started").read_text().split() == ["9", "0.125"]
    assert [record.status for record in records] == [DONE, DIVERGED, DIED, DONE]
    assert not (folder / "lr0.125_sgd" / "events.out.tfevents.1.rest").exists(), "no second curve"


def test_what_is_there_is_not_mixed_with_something_else(tmp_path):
    folder = tmp_path / "t"
    run(folder, 0.5)
    with pytest.raises(TuningError, match=r"--resume runs what is missing, --overwrite begins anew"):
        run(folder, 0.5)
    with pytest.raises(TuningError, match="made with epochs 2, not 5"):
        run(folder, 0.5, shared={"epochs": 5}, resume=True)
    run(folder, 0.25, overwrite=True)
    assert list(read_records(folder)) == ["lr0.25_sgd"]


def test_a_fault_of_the_input_ends_it_at_once(tmp_path):
    with pytest.raises(TuningError, match=r"^wrong set$"):
        run(tmp_path / "t", 7, 0.5)
    assert (tmp_path / "t" / "started").read_text().split() == ["7"]


def test_the_hparams_plugin_gets_the_grid_the_values_and_the_ends(tmp_path):
    from tensorboard.plugins.hparams import api_pb2

    run(tmp_path / "t", 0.5, 6)
    (experiment,) = hparams(tmp_path / "t")
    infos = {info.name: [v.number_value or v.string_value for v in info.domain_discrete.values]
             for info in experiment.experiment.hparam_infos}  # fmt: skip
    assert infos == {"learning_rate": [0.5, 6], "optimizer": ["sgd"]}
    metrics = [(m.name.group, m.name.tag, m.display_name) for m in experiment.experiment.metric_infos]
    assert metrics == [("train", "epoch_loss", "loss"), ("validation", "epoch_loss", "validation loss")]
    for name, status in (("lr0.5_sgd", api_pb2.STATUS_SUCCESS), ("lr6_sgd", api_pb2.STATUS_FAILURE)):
        start, end = hparams(tmp_path / "t" / name)
        assert start.session_start_info.hparams["optimizer"].string_value == "sgd"
        assert end.session_end_info.status == status


@pytest.mark.parametrize(
    ("epochs", "status", "objective", "reason"),
    [
        (GOOD, DONE, 2.0, "the validation loss after the last epoch"),
        ({"loss": [2.0, 1.0]}, DONE, 1.0, "without validation pictures the loss"),
        (GOOD, DIVERGED, math.inf, "no result"),
        ({}, DIED, math.inf, "no curve"),
        ({"loss": [1.0], "val_loss": [math.nan]}, DONE, math.inf, "not a number is never the best"),
    ],
)
def test_objective(epochs, status, objective, reason):
    assert Record("r", {}, status, epochs).objective == objective, reason


def test_without_a_result_nothing_is_the_best():
    assert best([]) is None
    assert best([Record("r", {}, DIED)]) is None


def test_the_table_marks_the_best():
    params = {"learning_rate": 0.001, "optimizer": "sgd"}
    records = [Record("a", params, DONE, GOOD, 61.2), Record("b", params, DIED, {}, 3, "exit status 1, see o")]
    assert [re.split(r"\s{2,}", line) for line in table(records).splitlines()] == [
        ["learning_rate", "optimizer", "loss", "validation loss", "status", "seconds"],
        ["0.001", "sgd", "1", "2", "done", "61", "<- best"],
        ["0.001", "sgd", "-", "-", "died: exit status 1, see o", "3"],
    ]


def test_the_train_command_keeps_the_other_flags():
    args = tune.tuning_parser(1).parse_args(["--dataset_path", "a set", "--mix", "1", "--ema", "0.9"])
    assert tune.train_command(1, args, {"learning_rate": 1e-3, "batch_size": 8}) == (
        "python train_stage1.py --dataset_path 'a set' --learning_rate 0.001 --batch_size 8 --mix 1.0 --ema 0.9"
    )
    args = tune.tuning_parser(2).parse_args(["--dataset_path", "set", "--digits", "a", "b", "--augmentation", "0.5"])
    assert tune.train_command(2, args, {"learning_rate": 1e-3}) == (
        "python train_stage2.py --dataset_path set --learning_rate 0.001 --digits a b --augmentation 0.5"
    )


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (["--mix", "1", "2"], "--mix: 1 numbers wanted, one a set; 2 came"),
        (["--network", '{"depth": 3}'], "unknown keys ['depth']"),
        (["--network", "{"], "--network: a JSON object or a file with one wanted"),
    ],
)
def test_wrong_flags_are_one_line_before_any_trial(tmp_path, capsys, flags, wanted):
    arguments = ["--dataset_path", str(tmp_path), "--logs", str(tmp_path / "logs"), *flags]
    assert tune.main(1, tune.tuning_parser(1), arguments) == 1
    error = capsys.readouterr().err
    assert wanted in error
    assert error.startswith("tune_hyper_parameters_stage1.py: ") and len(error.splitlines()) == 1
    assert not (tmp_path / "logs").exists()


def test_tuning_trains_each_rate_and_names_the_best(tmp_path):
    """As a user does it: real networks, one of whose learning rates is so large that it diverges."""
    training_sets(tmp_path, train=4, others=1)
    numbers = {"epochs": 1, "batch_size": 2, "steps_per_epoch": 3, "warmup_steps": 0}
    flags = [word for name, value in numbers.items() for word in (f"--{name}", str(value))]
    done = subprocess.run(
        [sys.executable, ROOT / "tune_hyper_parameters_stage2.py", "--dataset_path", tmp_path, "--network", TINY_STAGE2,
         "--learning_rates", "1e-3", "1e30", "--precision", "float32", "--logs", "logs", *flags],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "best learning rate: 0.001\n" in done.stdout
    assert "train with it: python train_stage2.py --dataset_path" in done.stdout
    records = read_records(tmp_path / "logs")
    good, diverged = records["lr0.001_batch2_adamw_decay0.0001"], records["lr1e+30_batch2_adamw_decay0.0001"]
    assert (good.status, diverged.status) == (DONE, DIVERGED)
    assert len(good.epochs["val_loss"]) == 1 and math.isfinite(good.last("val_map"))
    assert (tmp_path / "logs" / "learning_rates.png").read_bytes()[:4] == b"\x89PNG"
    for curve in ("train", "validation"):
        assert list((tmp_path / "logs" / good.name / curve).glob("events.*"))
    assert not list((tmp_path / "logs").rglob("*.keras")), "trials' weights are not kept"
    assert json.loads((tmp_path / "logs" / "tuning.json").read_text())["epochs"] == 1
    assert isinstance(Trial(good.params).name, str)
