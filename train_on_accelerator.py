"""Trains for a given time on a GPU that numpy alone cannot feed: Keras on JAX, views finished on the GPU."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from training.flags import network_changes, positive, rate

if TYPE_CHECKING:
    import numpy as np

    from accelerated import makers

#: Base views that wait for each process.
_SLOTS = 400
TASKS = ("stage1", "displays", "handwritten", "plate", "price", "captcha")

EXAMPLES = """examples (pack the sets first, see python -m accelerated.packs --help; training then needs no TensorFlow):
  python train_on_accelerator.py stage1 --pack stage1.zip --minutes 60 --initial_weights retinanet/stage1.keras
  python train_on_accelerator.py displays --pack displays.zip --minutes 60 --processes 8 \\
      --initial_weights retinanet/stage2.keras crnn/display.keras
  python train_on_accelerator.py handwritten --pack numbers.zip --digits mnist --minutes 30 --learning_rate 2e-3 \\
      --network '{"channels": [48, 96, 144, 144, 192, 192], "column": 224, "units": 160}'

several at a time on one GPU, each with its part of the memory:
  XLA_PYTHON_CLIENT_MEM_FRACTION=0.3 python train_on_accelerator.py stage1 ... &
"""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The flags."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES, formatter_class=form)
    add = parser.add_argument
    add("task", choices=TASKS, help="displays: stage 2 and the line reader beside it, on the same views")
    add("--pack", type=Path, required=True, metavar="FILE", help="the sets, as accelerated.packs wrote them")
    add("--minutes", type=rate, required=True, help="of training, with all that comes before the first step")
    add("--output", type=Path, default=Path("accelerated_training"), help="folder (default: %(default)s)")
    add("--initial_weights", nargs="+", type=Path, default=[], metavar="FILE", help=".keras files to start from")
    add("--network", metavar="JSON", help="changes to the network, as a file or text")
    add("--learning_rate", type=rate, default=1.2e-3, help="peak after the warm-up (default: %(default)s)")
    add("--batch_size", type=positive, help="(default: 192 photos, 256 displays, 512 lines)")
    add(
        "--processes", type=positive, default=max(1, (os.cpu_count() or 2) - 1), help="that draw (default: %(default)s)"
    )
    add("--real", type=float, default=0.45, help="share of views of the sets' pictures (default: %(default)s)")
    add("--digits", type=Path, metavar="FOLDER", help="idx files such as MNIST's, for handwritten numbers")
    add("--precision", choices=("mixed_bfloat16", "float32"), default="mixed_bfloat16", help="(default: %(default)s)")
    add("--kept", type=positive, help="base views in the GPU's memory (default: 16384 photos, 40960, 49152)")
    add("--steps", type=positive, help="stop after so many, for a try")
    add("--seed", type=int, default=0, help="(default: %(default)s)")
    args = parser.parse_args(arguments)
    if not 0 <= args.real <= 1:
        parser.error(f"argument --real: a share from 0 to 1 wanted; {args.real} came")
    if args.digits and args.task != "handwritten":
        parser.error(f"--digits are for handwritten numbers; the task is {args.task}")
    return args


def main(arguments: list[str] | None = None) -> int:
    """Flags, then the training; the exit code."""
    began = time.time()
    args = parse(arguments)
    os.environ["KERAS_BACKEND"] = "jax"
    try:
        for path in _train(args, began):
            print(path)
    except ModuleNotFoundError as error:
        print(f"train_on_accelerator.py: {error.name} is missing; pip install -r requirements-jax.txt", file=sys.stderr)
        return 2
    except (OSError, ValueError, RuntimeError) as error:
        print(f"train_on_accelerator.py: {error}", file=sys.stderr)
        return 1
    return 0


def _train(args: argparse.Namespace, began: float) -> list[Path]:
    from accelerated import line_makers, makers
    from accelerated.packs import read_pack
    from accelerated.workshop import Workshop
    from crnn.config import task_config
    from retinanet.config import Stage1Config, Stage2Config
    from synthesis.lines.digits import DigitBank

    initial, changes = _by_network(args), network_changes(args)
    kind = args.task if args.task in ("stage1", "displays") else "lines"
    # Faults of the flags come before minutes of reading and drawing.
    config = task_config(args.task, changes) if kind == "lines" else None
    if config is None:
        (Stage1Config if kind == "stage1" else Stage2Config).from_dict(changes)
    sets, singles = read_pack(args.pack, kind)
    bank = DigitBank.load(args.digits) if args.digits else None
    shares = makers.Shares(real=args.real)

    def source(rng: np.random.Generator) -> Iterator[makers.Entry]:
        if config is not None:
            return line_makers.line_views(sets, config, rng, shares, bank)
        if kind == "stage1":
            return makers.stage1_views(sets, rng, shares)
        return makers.display_views(sets, singles, rng, shares)

    stages = {"stage1": makers.STAGE1_FIELDS, "displays": makers.DISPLAY_FIELDS}
    fields = line_makers.fields(config) if config is not None else stages[kind]
    with Workshop(source, fields, args.processes, _SLOTS, args.seed) as workshop:
        import keras  # and JAX with it: after the processes are started

        keras.config.set_dtype_policy(args.precision)
        from accelerated import tasks
        from accelerated.train import Run, fit
        from training.loop import write_json_atomic

        told = {name: str(value) for name, value in vars(args).items() if value is not None}
        write_json_atomic(args.output / "run.json", told)
        wish = tasks.Wish(initial, changes, args.learning_rate, args.batch_size, args.kept)
        if config is not None:
            task = tasks.lines(config, wish, bank)
        else:
            task = tasks.stage1(wish) if kind == "stage1" else tasks.displays(wish)
        return fit(task, workshop, Run(60 * args.minutes, began, args.output, args.seed, args.steps))


def _by_network(args: argparse.Namespace) -> dict[str, Path]:
    """The initial weights by the network that they are of, known by their file's name."""
    names = {"stage1": ("stage1",), "displays": ("stage2", "display")}.get(args.task, (args.task,))
    found = {}
    for path in args.initial_weights:
        if path.stem not in names:
            wanted = " or ".join(f"{name}.keras" for name in names)
            raise ValueError(f"--initial_weights: {wanted} wanted for {args.task}; {path.name} came")
        found[path.stem] = path
    return found


if __name__ == "__main__":
    sys.exit(main())
