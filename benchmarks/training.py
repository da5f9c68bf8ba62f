"""Measures training: pictures a second of the input pipeline alone, of the step alone, and of both together.

Whichever is slower is what the other one waits for. Sets are loaded and views drawn exactly as the training scripts do.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from reader.image import write_atomic
from training.flags import positive
from training.labelstudio import DatasetError
from training.precision import prepare_tensorflow
from training.run import RunConfig

if TYPE_CHECKING:
    import keras

    from training.loop import Feed

EXAMPLES = """examples:
  python benchmarks/training.py --stage1 datasets/made --stage2 datasets/made datasets/displays
  python benchmarks/training.py --lines datasets/plates --task plate
  python benchmarks/training.py --stage1 datasets/made --cpus 1 --batches 10 --precision float32
"""

#: A pipeline that feeds so many times what the step takes does not hold it up.
ENOUGH = 1.5


@dataclass(frozen=True)
class Rates:
    """Pictures a second.

    Attributes:
        what: which network.
        pictures: in the training sets.
        loading: of the sets into memory, once before training.
        pipeline: views and targets made, nothing else.
        step: learning from one and the same batch, nothing else.
        both: training.
    """

    what: str
    pictures: int
    loading: float
    pipeline: float
    step: float
    both: float

    @property
    def feeds(self) -> float:
        """How many times what the step takes the pipeline gives."""
        return self.pipeline / self.step


@dataclass(frozen=True)
class Task:
    """What is trained: a network, its losses, and what its batches are made of."""

    what: str
    build: Callable[[], keras.Model]
    losses: dict[str, keras.losses.Loss]
    make: Callable[[int, Any], Any]
    pictures: int
    seconds: float


def stage_task(stage: int, paths: Sequence[Path], seed: int) -> Task:
    """A stage's network and the training pictures of its sets, loaded.

    Raises:
        DatasetError: sets that cannot be read.
    """
    from retinanet import fit
    from retinanet.config import Stage1Config, Stage2Config
    from retinanet.model import build
    from training.augment import Stage1Augmentation, Stage2Augmentation
    from training.datasets import load_stage1, load_stage2

    start = perf_counter()
    if stage == 1:
        photos = load_stage1(paths, "train")
        seconds, count = perf_counter() - start, len(photos)
        first = Stage1Config()
        make, network = fit.examples_stage1(photos, first, Stage1Augmentation()), first
        return Task("stage 1", lambda: build(network), fit.losses(network), make, count, seconds)
    displays = load_stage2(paths, "train")
    seconds, count = perf_counter() - start, len(displays)
    second = Stage2Config()
    make = fit.examples_stage2(displays, second, Stage2Augmentation(), seed)
    return Task("stage 2", lambda: build(second), fit.losses(second), make, count, seconds)


def line_task(task: str, paths: Sequence[Path], seed: int) -> Task:
    """A line reader's network and the training pictures of its sets, loaded.

    Raises:
        DatasetError: sets that cannot be read.
        ValueError: a task without a network.
    """
    from crnn import fit
    from crnn.config import task_config
    from crnn.losses import CtcLoss
    from crnn.model import build
    from crnn.train import training_samples

    config = task_config(task, {})
    start = perf_counter()
    samples = [sample for path in paths for sample in training_samples(path, "train", config)]
    seconds = perf_counter() - start
    make = fit.examples(samples, config, 1.0, seed)
    return Task(f"lines: {task}", lambda: build(config), {"logits": CtcLoss()}, make, len(samples), seconds)


def measure(task: Task, run: RunConfig) -> Rates:
    """The rates of one network; `run.steps_per_epoch` batches are measured, after as many as the workers prepare."""
    from training.loop import Feed, prepare

    model, _ = prepare(task.build, task.losses, run, resume=False)
    feed = Feed(task.make, [1.0] * task.pictures, run, 0)
    pictures = run.steps_per_epoch * run.batch_size
    pipeline = pictures / pipeline_seconds(feed, run.workers)
    step = pictures / fit_seconds(model, _repeated(feed), run)
    both = pictures / fit_seconds(model, feed, run)
    return Rates(task.what, task.pictures, task.pictures / task.seconds, pipeline, step, both)


def pipeline_seconds(feed: Feed, workers: int) -> float:
    """Seconds in which the workers make all batches of an epoch."""
    feed[0]
    start = perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(feed.__getitem__, range(len(feed))):
            pass
    return perf_counter() - start


def _repeated(feed: Feed) -> Any:
    """One batch again and again, ready in memory."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensors(feed[0]).cache().repeat(len(feed))


def fit_seconds(model: keras.Model, data: Any, run: RunConfig) -> float:
    """Seconds of the second of two epochs: the first one compiles."""
    import keras

    starts: list[float] = []

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            starts.append(perf_counter())

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            starts.append(perf_counter())

    model.fit(data, epochs=2, shuffle=False, verbose=0, callbacks=[Clock()])
    return starts[3] - starts[2]


def table(rates: Sequence[Rates]) -> str:
    """The rates as Markdown."""
    lines = [
        "| network | pictures | loading, a second | pipeline alone | step alone | pipeline / step | together | waits |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for each in rates:
        waits = "the pipeline" if each.feeds >= ENOUGH else "the network" if each.feeds < 1 else "each at times"
        numbers = f"{each.loading:.0f} | {each.pipeline:.0f} | {each.step:.1f} | {each.feeds:.1f} | {each.both:.1f}"
        lines.append(f"| {each.what} | {each.pictures} | {numbers} | {waits} |")
    return "\n".join(lines)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--stage1", type=Path, nargs="+", default=[], metavar="PATH", help="TFDS sets of stage 1")
    add("--stage2", type=Path, nargs="+", default=[], metavar="PATH", help="TFDS sets of stage 2")
    add("--lines", type=Path, nargs="+", default=[], metavar="PATH", help="TFDS sets of lines (display: of stage 2)")
    add("--task", default="plate", help="of the lines (default: %(default)s)")
    add("--cpus", type=positive, default=2, help="that the process may use (default: %(default)s)")
    add("--workers", type=positive, default=2, help="threads that make batches (default: %(default)s)")
    add("--batches", type=positive, default=20, help="that are measured (default: %(default)s)")
    add("--batch_size", type=positive, default=32, help="(default: %(default)s; lines twice that)")
    add("--precision", default="mixed_bfloat16", choices=("float32", "mixed_bfloat16"))
    add("--seed", type=int, default=0, help="(default: %(default)s)")
    add("--json", type=Path, metavar="FILE", help="also write the rates here")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints; returns the exit code."""
    flags = parse_arguments(arguments)
    if not (flags.stage1 or flags.stage2 or flags.lines):
        print("training.py: --stage1, --stage2 or --lines with sets wanted; none came", file=sys.stderr)
        return 2
    if hasattr(os, "sched_setaffinity"):  # before TensorFlow counts CPUs
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: flags.cpus])
    prepare_tensorflow()
    rates: list[Rates] = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name, paths in (("stage1", flags.stage1), ("stage2", flags.stage2), (flags.task, flags.lines)):
                if paths:
                    rates.append(measure(_task(name, paths, flags), _run(name, Path(folder), flags)))
                    print(f"{rates[-1].what}: done", file=sys.stderr)
    except (DatasetError, ValueError, OSError) as error:
        print(f"training.py: {error}", file=sys.stderr)
        return 1
    print(f"{flags.cpus} CPUs, {flags.workers} threads make batches, {flags.precision}; pictures a second\n")
    print(table(rates))
    if flags.json:
        write_atomic(flags.json, json.dumps([asdict(each) for each in rates], indent=1).encode())
    return 0


def _task(name: str, paths: Sequence[Path], flags: argparse.Namespace) -> Task:
    if name in ("stage1", "stage2"):
        return stage_task(int(name[-1]), paths, flags.seed)
    return line_task(name, paths, flags.seed)


def _run(name: str, folder: Path, flags: argparse.Namespace) -> RunConfig:
    return RunConfig(
        name,
        folder / f"{name}.keras",
        folder / "logs",
        folder / "checkpoints",
        steps_per_epoch=flags.batches,
        batch_size=flags.batch_size * (1 if name.startswith("stage") else 2),
        precision=flags.precision,
        workers=flags.workers,
        seed=flags.seed,
    )


if __name__ == "__main__":
    sys.exit(main())
