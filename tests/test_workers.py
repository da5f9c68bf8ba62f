"""Training on several machines: two workers learn what one would, and go on after one of them was killed."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from training.workers import Workers, parse

ROOT = Path(__file__).resolve().parent.parent
PAIR = ["10.0.0.1:2222", "10.0.0.2:2222"]


def config(cluster, kind="worker", index=0):
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize(
    "text,wanted",
    [
        ("", Workers(0, 1)),
        (config({"worker": PAIR[:1]}), Workers(0, 1)),
        (config({"worker": PAIR}), Workers(0, 2)),
        (config({"worker": PAIR}, index=1), Workers(1, 2)),
        (config({"chief": PAIR[:1], "worker": PAIR}, "chief"), Workers(0, 3)),
        (config({"chief": PAIR[:1], "worker": PAIR}, index=1), Workers(2, 3)),
    ],
    ids=["alone", "one worker", "first", "second", "chief comes first", "workers come after the chief"],
)
def test_who_is_who(text, wanted):
    assert parse(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "[]",
        "{}",
        json.dumps({"cluster": {"worker": PAIR}}),
        config({"worker": PAIR}, index=2),
        config({"worker": PAIR}, index=-1),
        config({"worker": PAIR}, "chief"),
        config({"worker": PAIR, "ps": PAIR}),
    ],
    ids=["no JSON", "a list", "empty", "no task", "no third", "negative", "no chief", "parameter servers"],
)
def test_what_names_no_workers_is_refused_in_one_line(text):
    with pytest.raises(ValueError, match=r"TF_CONFIG: .* wanted") as told:
        parse(text)
    assert "\n" not in str(told.value)


def test_a_worker_alone_changes_nothing():
    alone = Workers()
    optimizer = type("Optimizer", (), {"apply": len})()
    alone.average_gradients(optimizer)
    assert optimizer.apply is len and alone.begin_alike(None, 7) == 7
    assert alone.means({"loss": 2.0}) == {"loss": 2.0} and alone.decided(True) and not alone.decided(False)


WORKER = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
from training import workers
workers.connect()
import test_workers
test_workers.work({out!r}, {resume})
"""


def train(folder, resume=False, evaluate=None):
    """A tiny network; its batch statistics are kept, but have no effect on what is learned: workers have their own."""
    import keras
    import test_loop

    from training import loop

    def network():
        image = keras.Input((6,), name="image")
        kept = keras.layers.Rescaling(0.0)(keras.layers.BatchNormalization()(image))
        x = keras.layers.ReLU()(keras.layers.Dense(8)(keras.layers.Add()([image, kept])))
        return keras.Model(image, {"answer": keras.layers.Dense(2, name="answer")(x)})

    run = test_loop.run_in(folder, learning_rate=0.02)
    model, state = loop.prepare(network, {"answer": keras.losses.MeanSquaredError()}, run, resume)
    feed = loop.Feed(test_loop.make, [1, 2, 3], run, int(state.get("epoch", 0)))
    evaluate = evaluate or (lambda model, epoch: {"score": float(epoch)})
    history = loop.fit(model, feed, run, state, evaluate, "score", verbose=0)
    return {
        "epochs": history.epoch,
        "loss": history.history.get("loss"),
        "weights": [w.numpy().tolist() for w in model.weights],
    }


def work(out, resume):
    """What a worker process does. The first one kills the second one at the end of the second epoch."""
    from training.workers import current

    folder, index = Path(out), current().index
    (folder / f"pid{index}").write_text(str(os.getpid()))

    def evaluate(model, epoch):
        if epoch == 1 and not resume:
            os.kill(int((folder / "pid1").read_text()), signal.SIGKILL)
        return {"score": float(epoch)}

    try:
        print(json.dumps(train(folder / "run", resume, evaluate)))
    except OSError as error:
        sys.exit(str(error))


def start_two(folder, resume):
    """Both workers, run to their ends: (exit code, stdout, stderr) of each."""
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        places = [f"127.0.0.1:{each.getsockname()[1]}" for each in (one, other)]
    code = WORKER.format(root=str(ROOT), tests=str(ROOT / "tests"), out=str(folder), resume=resume)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_CONFIG": config({"worker": places}, index=index)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in (0, 1)
    ]
    try:
        told = [process.communicate(timeout=400) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, *texts) for process, texts in zip(processes, told, strict=True)]


def test_two_workers_learn_what_one_does_also_after_a_kill(tmp_path):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    whole = train(tmp_path / "one")
    (code, out, err), (killed, _, _) = start_two(tmp_path, resume=False)
    assert (code, killed) == (1, -signal.SIGKILL), err[-3000:]
    assert "another worker is gone" in err.splitlines()[-1] and "--resume_training" in err.splitlines()[-1]
    shown = [float(each) for each in re.findall(r"^epoch \d/4  loss (\S+)", out, re.MULTILINE)]
    assert shown == pytest.approx(whole["loss"][:2], rel=1e-3)

    answers = start_two(tmp_path, resume=True)
    for code, out, err in answers:
        assert code == 0, err[-3000:]
        resumed = json.loads(out.splitlines()[-1])
        assert resumed["epochs"] == [2, 3]
        assert resumed["loss"] == pytest.approx(whole["loss"][2:], rel=1e-4)
        for got, wanted in zip(resumed["weights"], whole["weights"], strict=True):
            # Each worker's variances are those of its half of the batches; all else is the same to the last places.
            np.testing.assert_allclose(got, wanted, rtol=0.1, atol=1e-4)
    first, second = (json.loads(out.splitlines()[-1])["weights"] for _, out, _ in answers)
    assert first == second
