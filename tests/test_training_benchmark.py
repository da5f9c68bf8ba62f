"""The training benchmark: its rates are those of the pipeline and of the step, and its table says which one waits."""

import os
import time
from pathlib import Path

import pytest

from benchmarks import training
from benchmarks.training import Rates, Task, measure, pipeline_seconds, table
from training.run import RunConfig


class Batches:
    """Eight batches, each of which takes so many seconds to make."""

    def __init__(self, seconds):
        self.seconds, self.made = seconds, []

    def __len__(self):
        return 8

    def __getitem__(self, index):
        time.sleep(self.seconds)
        self.made.append(index)


def test_the_pipeline_makes_every_batch_once_with_all_workers():
    feed = Batches(0.05)
    seconds = pipeline_seconds(feed, 4)
    assert sorted(feed.made) == [0, *range(8)], "one more before the clock starts"
    assert seconds >= 2 * 0.05
    assert pipeline_seconds(Batches(0.05), 1) >= 8 * 0.05


def test_rates_of_a_tiny_network(tmp_path):
    """Each of its samples takes 4 ms to make: two threads make no more than 500 a second."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import test_loop

    def make(index, rng):
        time.sleep(0.004)
        return test_loop.make(index, rng)

    task = Task("tiny", test_loop.network, {"answer": keras.losses.MeanSquaredError()}, make, 3, 0.5)
    run = RunConfig("tiny", tmp_path / "a", tmp_path / "b", tmp_path / "c", steps_per_epoch=4, batch_size=8)
    rates = measure(task, run)
    keras.config.set_dtype_policy("float32")
    assert (rates.what, rates.pictures, rates.loading) == ("tiny", 3, 6)
    assert 0 < rates.pipeline <= 500 and 0 < rates.both <= 500 and rates.step > 0
    assert list(Path(tmp_path).iterdir()) == [], "nothing is saved"


@pytest.mark.parametrize(
    "pipeline,step,waits",
    [(150, 100, "the pipeline"), (120, 100, "each at times"), (60, 100, "the network")],
)
def test_the_table_says_which_one_waits(pipeline, step, waits):
    line = table([Rates("stage 1", 900, 800.4, pipeline, step, 55.55)]).splitlines()[-1]
    wanted = f"| stage 1 | 900 | 800 | {pipeline} | {step:.1f} | {pipeline / step:.1f} | 55.5 | {waits} |"
    assert line == wanted.replace("55.5", f"{55.55:.1f}")


@pytest.mark.parametrize(
    "flags,code,message",
    [
        ([], 2, "--stage1, --stage2 or --lines with sets wanted"),
        (["--stage1", "nowhere"], 1, "nowhere is not a folder"),
        (["--lines", "nowhere", "--task", "plate"], 1, "nowhere is not a folder"),
    ],
)
def test_bad_input_is_one_line(flags, code, message, capsys):
    cpus = os.sched_getaffinity(0)
    assert training.main([*flags, "--cpus", str(len(cpus))]) == code
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
