"""Tuning a stage: the flags, the trials' processes and the report. A trial calls the function that training calls."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from retinanet.train import check_flags, train
from training.datasets import DatasetError
from training.flags import positive, rate, training_parser
from training.plots import tuning_plot
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
  python tune_hyper_parameters_stage{stage}.py --dataset_path datasets/my_meters
  python tune_hyper_parameters_stage{stage}.py --dataset_path datasets/my_meters --learning_rates 3e-3 1e-3 --epochs 8
  python tune_hyper_parameters_stage{stage}.py --dataset_path datasets/my_meters --optimizer lion sgd --batch_size 16 32
  python tune_hyper_parameters_stage{stage}.py --dataset_path datasets/my_meters --resume
  tensorboard --logdir logs/stage{stage}/hparam_tuning/ --port 6006

Several values of a hyperparameter make a grid: every combination is a trial. Trials that diverge or die are recorded
as such, and the rest go on. --resume keeps the trials that ended (done or diverged) and runs the others."""


def tuning_parser(stage: int, **defaults: object) -> argparse.ArgumentParser:
    """The flags of a tuning script."""
    name = f"stage{stage}"
    parser = training_parser(
        name, f"Trains stage {stage} shortly with each learning rate.", EPILOG.format(stage=stage), without=_WITHOUT
    )
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
    logs = Path("logs") / name / "hparam_tuning"
    add("--logs", type=Path, default=logs, help="for TensorBoard, the table and the plot (default: %(default)s)")
    add("--resume", action="store_true", help="run only the trials that are missing or died")
    add("--overwrite", action="store_true", help="remove the trials of an earlier run")
    add("--trial", help=argparse.SUPPRESS)
    parser.set_defaults(resume_training=False, patience=0, quiet=True, **defaults)
    return parser


def main(stage: int, parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> int:
    """Runs a tuning script; the exit code. In a trial's process runs the trial."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    args = parser.parse_args(arguments)
    script = f"tune_hyper_parameters_stage{stage}.py"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    trials = grid(
        {
            "learning_rate": args.learning_rates,
            "batch_size": args.batch_size,
            "optimizer": args.optimizer,
            "weight_decay": args.weight_decay,
        }
    )
    try:
        check_flags(stage, args)
        if args.trial:
            return _run_trial(stage, args, next(trial for trial in trials if trial.name == args.trial))
        return _tune(stage, args, trials, [sys.executable, sys.argv[0], *arguments])
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


def _run_trial(stage: int, args: argparse.Namespace, trial: Trial) -> int:
    own = args.logs / trial.name
    weights = own / "weights"
    for name, value in trial.params.items():
        setattr(args, name, value)
    folder, args.logs = args.logs, own
    args.output, args.checkpoints = weights / f"stage{stage}.keras", weights
    try:
        run_trial(trial, folder, lambda: train(stage, args).history)
    finally:
        shutil.rmtree(weights, ignore_errors=True)  # of a few epochs; hundreds of megabytes in a large grid
    return 0


def _tune(stage: int, args: argparse.Namespace, trials: list[Trial], command: list[str]) -> int:
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
        print(f"tune_hyper_parameters_stage{stage}.py: no trial came to an end", file=sys.stderr)
        return 1
    print(f"best learning rate: {chosen.params['learning_rate']:g}")
    print(f"train with it: {train_command(stage, args, chosen.params)}")
    return 0


def train_command(stage: int, args: argparse.Namespace, params: dict) -> str:
    """The command that trains with the hyperparameters of a trial, other flags as given to tuning."""
    words = ["python", f"train_stage{stage}.py", "--dataset_path", *args.dataset_path]
    for name, value in params.items():
        words += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
    defaults = tuning_parser(stage)
    for name in ("mix", "network", "initial_weights", "precision", "max_side", "ema", "warmup_steps", "seed"):
        value = getattr(args, name)
        if value != defaults.get_default(name):
            words += [f"--{name}", *(map(str, value) if isinstance(value, list) else [str(value)])]
    return shlex.join(words)
