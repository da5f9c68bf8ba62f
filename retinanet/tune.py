"""Tuning a stage: its scripts' names and flags; everything else is in training/tuning_script.py."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

from retinanet.train import check_flags, train
from training import tuning_script
from training.tuning_script import Tuned


def tuning_parser(stage: int, **defaults: object) -> argparse.ArgumentParser:
    """The flags of a stage's tuning script."""
    description = f"Trains stage {stage} shortly with each learning rate."
    return tuning_script.tuning_parser(_tuned(stage).script, f"stage{stage}", description, **defaults)


def main(stage: int, parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> int:
    """Runs a stage's tuning script; the exit code."""
    return tuning_script.main(_tuned(stage), parser, arguments)


def train_command(stage: int, args: argparse.Namespace, params: dict) -> str:
    """The command that trains with the hyperparameters of a trial, other flags as given to tuning."""
    return tuning_script.train_command(_tuned(stage), tuning_parser(stage), args, params)


def _tuned(stage: int) -> Tuned:
    return Tuned(
        script=f"tune_hyper_parameters_stage{stage}.py",
        train_script=f"train_stage{stage}.py",
        check=partial(check_flags, stage),
        train=partial(train, stage),
    )
