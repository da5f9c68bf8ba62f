"""From a training script's flags to a trained line reader: loads the sets, shows or trains."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crnn.config import LineConfig, task_config
from training import datasets, workers
from training.datasets import DatasetError, load_stage2
from training.flags import check_mix, network_changes, run_config
from training.line_sets import load_lines
from training.precision import prepare_tensorflow
from training.single_digits import load_digits

if TYPE_CHECKING:
    import keras

#: Pictures are kept no higher than this many inputs: more detail would only be averaged away in every view.
_KEPT_HEIGHTS = 2


def main(args: argparse.Namespace) -> int:
    """Runs train_lines.py; the exit code. Faults of the input are one line on stderr."""
    prepare_tensorflow()
    place_files(args)
    try:
        check_flags(args)
        return _train(args)
    except (DatasetError, FileNotFoundError, ValueError, OSError) as error:
        print(f"train_lines.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\ninterrupted; go on with --resume_training (checkpoint in {args.checkpoints})", file=sys.stderr)
        return 130


def place_files(args: argparse.Namespace) -> None:
    """Names the files that were not named by the task: crnn/plate.keras, logs/plate, checkpoints/plate."""
    args.output = args.output or Path("crnn") / f"{args.task}.keras"
    args.logs = args.logs or Path("logs") / args.task
    args.checkpoints = args.checkpoints or Path("checkpoints") / args.task


def check_flags(args: argparse.Namespace) -> None:
    """Raises ValueError for what is wrong with the flags themselves, before anything is loaded."""
    check_mix(args)
    network_config(args)


def network_config(args: argparse.Namespace) -> LineConfig:
    """The network that --task and --network describe.

    Raises:
        ValueError: no JSON object, an unknown task or key.
    """
    return task_config(args.task, network_changes(args))


def _train(args: argparse.Namespace) -> int:
    if args.preview:
        from crnn.sheets import write_augmented

        sets, _ = load_sets(args)
        write_augmented(Path(args.preview), [s for one in sets for s in one], network_config(args), args.seed)
        print(f"augmented samples: {args.preview}")
        return 0
    losses = train(args).history.get("loss", [])
    if losses and not math.isfinite(losses[-1]):
        raise ValueError(f"the loss became {losses[-1]}; a smaller --learning_rate is wanted")
    print(f"best weights: {args.output}; curves: tensorboard --logdir {args.logs}")
    return 0


def train(args: argparse.Namespace) -> keras.callbacks.History:
    """Loads the sets and trains the line reader as the flags ask; tuning's trials too.

    Raises:
        DatasetError: sets that cannot be trained on.
        FileNotFoundError: nothing to resume from.
        ValueError: lines that the network cannot have, or initial weights that do not fit.
    """
    workers.connect()  # before TensorFlow computes anything
    sets, validation = load_sets(args)
    config = network_config(args)
    from crnn import fit  # TensorFlow, seconds to import: only when there is something to train on
    from crnn.sheets import watchers

    weights = args.mix or [float(len(s)) for s in sets]
    weighted = [fit.WeightedLines(s, w) for s, w in zip(sets, weights, strict=True)]
    run = run_config(args, args.task, sum(len(s) for s in sets))
    return fit.fit_lines(
        weighted,
        validation,
        run,
        config,
        resume=args.resume_training,
        initial=args.initial_weights,
        callbacks=watchers(config, validation, run),
        verbose=2 if args.quiet else 1,
        singles=load_digits(args.digits),
    )


def load_sets(args: argparse.Namespace) -> tuple[list[list], list]:
    """The training samples of each set, and the validation samples of all.

    Sets of the task "display" are stage 2 sets; displays without digits or with other symbols are left out.

    Raises:
        DatasetError: a set that cannot be read or has no training pictures.
    """
    config = network_config(args)
    return datasets.load_sets(
        lambda path, split: load_training(path, split, config), args.dataset_path, args.max_validation
    )


def load_training(path: Path, split: str, config: LineConfig) -> Sequence[Any]:
    """One split of a set, its pictures as large as training wants them; see `load_sets`."""
    if config.task != "display":
        return load_lines([path], split, max_height=_KEPT_HEIGHTS * config.input_size[0])
    return [s for s in load_stage2([path], split, max_side=_KEPT_HEIGHTS * config.input_size[1]) if _plain_digits(s)]


def _plain_digits(sample: Any) -> bool:
    """Whether a display shows digits only; letters beside them (r, t, _) have no place in a line of digits."""
    digits = sum(label < 10 for label in sample.labels)
    return 0 < digits <= 10 and not any(10 <= label < 13 for label in sample.labels)
