"""A tuning script: the flags, the trials' processes and the report. A trial calls the function that training calls.

Knows no architecture: a `Tuned` says which script, and what training is.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.datasets import DatasetError
from training.flags import positive, rate, training_parser
from training.plots import tuning_plot
from training.precision import prepare_tensorflow
from training.run import OPTIMIZERS
from training.tuning import INPUT_FAULT, Trial, TuningError, best, grid, run_trial, run_trials, table

LEARNING_RATES = (1e-2, 1e-3, 1e-4, 1e-5)
#: Flags of training that tuning sets itself or that make no sense in it.
_WITHOUT = [
    "--resume_training",
    "--output",
    "--logs",
    "--checkpoints",
    "--epochs",
    "--learning_rate",
    "--batch_size",
    "--optimizer",
    "--weight_decay",
    "--patience",
    "--preview",
    "--quiet",
]
#: Flags that the told command repeats where they differ from their defaults; not every training has all of them.
_TOLD = [
    "mix",
    "digits",
    "network",
    "initial_weights",
    "augmentation",
    "precision",
    "max_side",
    "ema",
    "warmup_steps",
    "seed",
]
#: Flags that do not change what comes out.
_NEUTRAL = {
    "workers",
    "learning_rates",
    "batch_size",
    "optimizer",
    "weight_decay",
    "logs",
    "resume",
    "overwrite",
    "trial",
}

EPILOG = """examples:
  python {script} {flags}
  python {script} {flags} --learning_rates 3e-3 1e-3 --epochs 8
  python {script} {flags} --optimizer lion sgd --batch_size 16 32
  python {script} {flags} --resume
  tensorboard --logdir {logs}/ --port 6006

Several values of a hyperparameter make a grid: every combination is a trial. Trials that diverge or die are recorded
as such, and the rest go on. --resume keeps the trials that ended (done or diverged) and runs the others."""


@dataclass(frozen=True)
class Tuned:
    """What is tuned.

    Attributes:
        script: file name of the tuning script, for messages.
        train_script: that of the training script whose command is told in the end.
        check: raises ValueError for what is wrong with the flags, before anything is loaded.
        train: trains as the flags ask; returns the history.
        told: names of flags that the told command repeats where they differ from their defaults.
    """

    script: str
    train_script: str
    check: Callable[[argparse.Namespace], None]
    train: Callable[[argparse.Namespace], Any]
    told: tuple[str, ...] = ()


def tuning_parser(
    script: str, name: str, description: str, flags: str = "--dataset_path datasets/my_meters", **defaults: object
) -> argparse.ArgumentParser:
    """The flags of a tuning script; `name` names the logs, `flags` the examples' set."""
    logs = Path("logs") / name / "hparam_tuning"
    epilog = EPILOG.format(script=script, flags=flags, logs=logs)
    parser = training_parser(name, description, epilog, without=_WITHOUT)
    add = parser.add_argument
    add(
        "--learning_rates",
        nargs="+",
        type=rate,
        default=list(LEARNING_RATES),
        metavar="R",
        help="to try (default: 1e-2 1e-3 1e-4 1e-5)",
    )
    add("--epochs", type=positive, default=5, help="of each trial (default: %(default)s)")
    add("--batch_size", nargs="+", type=positive, default=[32], metavar="N", help="(default: %(default)s)")
    add("--optimizer", nargs="+", choices=sorted(OPTIMIZERS), default=["adamw"], help="(default: %(default)s)")
    add("--weight_decay", nargs="+", type=float, default=[1e-4], metavar="W", help="(default: %(default)s)")
    add("--logs", type=Path, default=logs, help="for TensorBoard, the table and the plot (default: %(default)s)")
    add("--resume", action="store_true", help="run only the trials that are missing or died")
    add("--overwrite", action="store_true", help="remove the trials of an earlier run")
    add("--trial", help=argparse.SUPPRESS)
    parser.set_defaults(resume_training=False, patience=0, quiet=True, **defaults)
    return parser


def main(tuned: Tuned, parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> int:
    """Runs a tuning script; the exit code. In a trial's process runs the trial."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    args = parser.parse_args(arguments)
    script = tuned.script
    prepare_tensorflow()
    trials = grid(
        {
            "learning_rate": args.learning_rates,
            "batch_size": args.batch_size,
            "optimizer": args.optimizer,
            "weight_decay": args.weight_decay,
        }
    )
    try:
        tuned.check(args)
        if args.trial:
            return _run_trial(tuned, args, next(trial for trial in trials if trial.name == args.trial))
        return _tune(tuned, parser, args, trials, [sys.executable, sys.argv[0], *arguments])
    except (DatasetError, TuningError, FileNotFoundError) as error:
        fault = str(error) if str(error).startswith(script) else f"{script}: {error}"
        print(fault, file=sys.stderr, flush=True)
        return INPUT_FAULT if args.trial else 1
    except (OSError, ValueError) as error:
        print(f"{script}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{script}: interrupted; go on with --resume", file=sys.stderr)
        return 130


def _run_trial(tuned: Tuned, args: argparse.Namespace, trial: Trial) -> int:
    own = args.logs / trial.name
    weights = own / "weights"
    for name, value in trial.params.items():
        setattr(args, name, value)
    folder, args.logs = args.logs, own
    args.output, args.checkpoints = weights / "trial.keras", weights
    try:
        run_trial(trial, folder, lambda: tuned.train(args).history)
    finally:
        shutil.rmtree(weights, ignore_errors=True)  # of a few epochs; hundreds of megabytes in a large grid
    return 0


def _tune(
    tuned: Tuned, parser: argparse.ArgumentParser, args: argparse.Namespace, trials: list[Trial], command: list[str]
) -> int:
    shared = {key: value for key, value in vars(args).items() if key not in _NEUTRAL}
    records = run_trials(
        trials,
        args.logs,
        shared,
        lambda trial: [*command, "--trial", trial.name],
        resume=args.resume,
        overwrite=args.overwrite,
    )
    print(f"\n{table(records)}\n")
    plot = args.logs / "learning_rates.png"
    tuning_plot(plot, records)
    print(f"plot: {plot}; table and curves: tensorboard --logdir {args.logs}/ --port 6006")
    chosen = best(records)
    if chosen is None:
        print(f"{tuned.script}: no trial came to an end", file=sys.stderr)
        return 1
    print(f"best learning rate: {chosen.params['learning_rate']:g}")
    print(f"train with it: {train_command(tuned, parser, args, chosen.params)}")
    return 0


def train_command(tuned: Tuned, parser: argparse.ArgumentParser, args: argparse.Namespace, params: dict) -> str:
    """The command that trains with the hyperparameters of a trial, other flags as given to tuning."""
    words = ["python", tuned.train_script, "--dataset_path", *map(str, args.dataset_path)]
    for name, value in params.items():
        words += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
    for name in (*tuned.told, *_TOLD):
        value = getattr(args, name, None)
        if value != parser.get_default(name):
            words += [f"--{name}", *(map(str, value) if isinstance(value, list) else [str(value)])]
    return shlex.join(words)
