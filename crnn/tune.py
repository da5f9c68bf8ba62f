"""Tuning a line reader: its script's name and flags; everything else is in training/tuning_script.py."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from crnn.train import add_task_flags, check_flags, train
from training import tuning_script
from training.tuning_script import Tuned

SCRIPT = "tune_hyper_parameters_lines.py"


def tuning_parser() -> argparse.ArgumentParser:
    """The flags of tune_hyper_parameters_lines.py."""
    description = "Trains a line reader shortly with each learning rate."
    example = "--task plate --dataset_path datasets/plates"
    parser = tuning_script.tuning_parser(SCRIPT, "lines", description, example, batch_size=[64], max_validation=800)
    add_task_flags(parser)
    parser.set_defaults(logs=None)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the script; the exit code."""
    return tuning_script.main(
        Tuned(SCRIPT, "train_lines.py", check, train, ("task", "balance")), tuning_parser(), arguments
    )


def check(args: argparse.Namespace) -> None:
    """Names the logs by the task, and raises ValueError for what is wrong with the flags."""
    args.logs = args.logs or Path("logs") / args.task / "hparam_tuning"
    check_flags(args)
