"""The script that trains on an accelerator, run as people run it, on a CPU and with tiny networks."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

import train_on_accelerator
from accelerated.packs import write_pack
from accelerated.workshop import Workshop
from training.datasets import Stage1Sample
from training.line_sets import LineSample
from training.run import Weighted

# Not importorskip: JAX's threads would not survive the forks of other tests in this process.
pytestmark = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="requirements-jax.txt is not installed")

ROOT = Path(__file__).resolve().parent.parent
TINY_STAGE = {"channels": [4, 8, 8, 8, 8], "blocks": [0, 0, 0, 0], "fpn_channels": 8, "head_convs": 0}
TINY_LINE = {"channels": [4, 4, 8, 8, 8, 8], "column": 8, "units": 8, "layers": 1}
#: Reads a .keras file as TensorFlow sees it.
LOAD = "import sys\nfrom {} import load\nnetwork, config = load(sys.argv[1])\nprint(network.count_params(), config)"


def run(*arguments, code=None):
    # Compiled in a third of the time; three steps need not be fast.
    quick = {"XLA_FLAGS": "--xla_backend_optimization_level=0", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment = {**os.environ, **quick, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, *(("-c", code) if code else ()), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=500)


def photos():
    image = np.full((90, 120, 3), 128, np.uint8)
    image[30:50, 30:90] = 20
    return [Stage1Sample(image, np.float32([[[30, 30], [90, 30], [90, 50], [30, 50]]]), np.array([0]), "photo.jpg")]


def numbers():
    return [LineSample(np.full((30, 80, 3), 220, np.uint8), text, f"{text}.png") for text in ("12", "345")]


def train(tmp_path, task, kind, samples, network):
    write_pack(tmp_path / "sets.zip", kind, [Weighted(samples, 1.0)])
    wanted = ["--pack", tmp_path / "sets.zip", "--minutes", 5, "--output", tmp_path / "out", "--processes", 1]
    small = ["--network", json.dumps(network), "--batch_size", 4, "--kept", 16, "--steps", 3, "--real", 0.9]
    done = run("train_on_accelerator.py", task, *wanted, *small, "--precision", "float32")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(tmp_path / "out" / f"{task}.keras")
    course = [json.loads(line) for line in (tmp_path / "out" / "course.jsonl").read_text().splitlines()]
    assert course[-1]["steps"] == 3 and course[-1]["views"] == 12 and course[-1]["base_views"] >= 16
    assert all(np.isfinite(list(losses.values())).all() for losses in course[-1]["loss"].values())
    assert json.loads((tmp_path / "out" / "run.json").read_text())["task"] == task


def test_a_few_steps_give_a_stage_that_tensorflow_loads(tmp_path):
    train(tmp_path, "stage1", "stage1", photos(), TINY_STAGE)
    loaded = run(tmp_path / "out" / "stage1.keras", code=LOAD.format("retinanet.release"))
    assert loaded.returncode == 0, loaded.stderr
    assert str(tuple(TINY_STAGE["channels"])) in loaded.stdout


def test_a_workshop_draws_although_opencv_has_used_threads():
    cv2.setNumThreads(4)
    cv2.GaussianBlur(np.zeros((1500, 1500, 3), np.uint8), (0, 0), 4)

    def source(rng):
        for number in itertools.count():
            cv2.resize(np.zeros((900, 900, 3), np.uint8), (500, 500))
            yield {"count": number}

    with Workshop(source, {"count": ((), np.int64)}, processes=2, slots=10) as workshop:
        until = time.monotonic() + 60
        while workshop.ring.waiting() < workshop.ring.capacity and time.monotonic() < until:
            time.sleep(0.05)
        workshop.check()
        assert sorted(workshop.ring.take(100)["count"].tolist()) == sorted([*range(7), *range(7)])


def test_a_workshop_where_nobody_draws_any_more_says_so():
    with Workshop(lambda rng: iter(()), {"count": ((), np.int64)}, processes=1, slots=10) as workshop:
        until = time.monotonic() + 60
        with pytest.raises(RuntimeError, match="all processes that draw views have ended"):
            while time.monotonic() < until:
                workshop.check()
                time.sleep(0.05)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["stage1", "--pack", "none.zip", "--minutes", "1"], "none.zip: a pack of stage1 wanted"),
        (["stage1", "--pack", "none.zip", "--minutes", "1", "--initial_weights", "x.keras"], "stage1.keras wanted"),
        (["displays", "--pack", "none.zip", "--minutes", "1", "--network", '{"a"'], "--network: a JSON object"),
        (["price", "--pack", "none.zip", "--minutes", "1", "--network", '{"wrong": 1}'], "unknown keys ['wrong']"),
    ],
)
def test_bad_input_is_one_line(capsys, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", "tensorflow"))
    assert train_on_accelerator.main(arguments) == 1
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir()), "nothing is half made"


@pytest.mark.parametrize(
    "arguments",
    [
        ["stage1", "--pack", "x.zip"],
        ["stage1", "--pack", "x.zip", "--minutes", "0"],
        ["stage1", "--pack", "x.zip", "--minutes", "1", "--real", "1.5"],
        ["plate", "--pack", "x.zip", "--minutes", "1", "--digits", "mnist"],
        ["stage3", "--pack", "x.zip", "--minutes", "1"],
    ],
)
def test_wrong_flags(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        train_on_accelerator.parse(arguments)
    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err
