"""What every training script does around its training: faults of the input as one line, and what it says in the end."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from training.datasets import DatasetError
from training.precision import prepare_tensorflow

if TYPE_CHECKING:
    import keras


def run_script(name: str, args: argparse.Namespace, work: Callable[[], int]) -> int:
    """Runs a training script; the exit code. Faults of the input are one line on stderr.

    Args:
        name: of the script.
        args: its flags.
        work: checks these and trains; gives the exit code.
    """
    prepare_tensorflow()
    try:
        return work()
    except (DatasetError, FileNotFoundError, ValueError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\ninterrupted; go on with --resume_training (checkpoint in {args.checkpoints})", file=sys.stderr)
        return 130


def finished(args: argparse.Namespace, history: keras.callbacks.History) -> int:
    """Says where the weights of a training are; the exit code.

    Raises:
        ValueError: the loss became no number.
    """
    losses = history.history.get("loss", [])
    if losses and not math.isfinite(losses[-1]):
        raise ValueError(f"the loss became {losses[-1]}; a smaller --learning_rate is wanted")
    print(f"best weights: {args.output}; curves: tensorboard --logdir {args.logs}")
    return 0
