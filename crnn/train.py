"""From a training script's flags to a trained line reader: loads the sets, shows or trains."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crnn.config import TASKS, LineConfig, task_config
from training import datasets, workers
from training.datasets import stage2_samples
from training.digit_rows import LONGEST, DigitRows
from training.flags import check_augmentation, check_mix, network_changes, run_config
from training.idx_digits import DigitError
from training.kept import Keeper
from training.labelstudio import DatasetError
from training.line_sets import DrawnLines, LineSample, line_samples
from training.run import Weighted
from training.script import finished, run_script
from training.single_digits import load_digits

if TYPE_CHECKING:
    import keras

#: Pictures are kept no higher than this many inputs: more detail would only be averaged away in every view.
_KEPT_HEIGHTS = 2


def main(args: argparse.Namespace) -> int:
    """Runs train_lines.py; the exit code. Faults of the input are one line on stderr."""
    place_files(args)
    return run_script("train_lines.py", args, lambda: _train(args))


def add_task_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that line readers have beside those of every training and tuning script."""
    parser.add_argument("--task", required=True, metavar="TASK", help=f"one of {', '.join(TASKS)}, or a name of yours")
    parser.add_argument(
        "--balance",
        type=float,
        default=0.0,
        metavar="B",
        help="draw lines with a rare first character (the province of a plate) more often than they occur: "
        "0 each line of a set alike, 1 each first character alike (default: 0)",
    )


def place_files(args: argparse.Namespace) -> None:
    """Names the files that were not named by the task: crnn/plate.keras, logs/plate, checkpoints/plate."""
    args.output = args.output or Path("crnn") / f"{args.task}.keras"
    args.logs = args.logs or Path("logs") / args.task
    args.checkpoints = args.checkpoints or Path("checkpoints") / args.task


def check_flags(args: argparse.Namespace) -> None:
    """Raises ValueError for what is wrong with the flags themselves, before anything is loaded."""
    check_mix(args, 0 if args.task == "display" else len(args.digits))
    check_augmentation(args)
    if not 0 <= args.balance <= 1:
        raise ValueError(f"--balance: a number from 0 to 1 wanted, {args.balance} came")
    if args.balance and args.task == "display":
        raise ValueError("--balance: displays are not balanced; their drums are exchanged instead")
    network_config(args)


def network_config(args: argparse.Namespace) -> LineConfig:
    """The network that --task and --network describe.

    Raises:
        ValueError: no JSON object, an unknown task or key.
    """
    return task_config(args.task, network_changes(args))


def _train(args: argparse.Namespace) -> int:
    check_flags(args)
    if args.preview:
        from crnn.sheets import write_augmented

        samples = [*(s for one in load_sets(args)[0] for s in one), *load_drawn(args)]
        write_augmented(Path(args.preview), samples, network_config(args), args.seed, args.augmentation)
        print(f"augmented samples: {args.preview}")
        return 0
    return finished(args, train(args))


def train(args: argparse.Namespace) -> keras.callbacks.History:
    """Loads the sets and trains the line reader as the flags ask; tuning's trials too.

    Raises:
        DatasetError: sets that cannot be trained on.
        FileNotFoundError: nothing to resume from.
        ValueError: lines that the network cannot have, or initial weights that do not fit.
    """
    workers.connect()  # before TensorFlow computes anything
    sets, validation = load_sets(args)
    drawn = load_drawn(args)
    config = network_config(args)
    from crnn import fit  # TensorFlow, seconds to import: only when there is something to train on
    from crnn.sheets import watchers

    weights = args.mix or [*(float(len(s)) for s in sets), *(float(d.size) for d in drawn)]
    weights, rest = weights[: len(sets)], weights[len(sets) :]
    if args.balance:
        sets, weights = balanced(sets, weights, args.balance)
    sets = [*sets, *([one] for one in drawn)]
    weighted = [Weighted(s, w) for s, w in zip(sets, [*weights, *rest], strict=True)]
    run = run_config(args, args.task, sum(len(s) for s in sets))
    return fit.fit_lines(
        weighted,
        validation,
        run,
        config,
        strength=args.augmentation,
        resume=args.resume_training,
        initial=args.initial_weights,
        callbacks=watchers(config, validation, run),
        verbose=2 if args.quiet else 1,
        singles=load_digits(args.digits) if args.task == "display" else (),
    )


def balanced(
    sets: Sequence[Sequence[LineSample]], weights: Sequence[float], balance: float
) -> tuple[list[list[LineSample]], list[float]]:
    """The sets divided by their lines' first characters, so that rare ones are drawn more often than they occur.

    Of Chinese plates the first character is the province, and nearly all that a set has are often of one.

    Args:
        sets: training samples; an empty line counts as a character of its own.
        weights: how often each set is drawn against the others; a set's parts share its weight.
        balance: 0 draws every line of a set equally often, 1 every first character.

    Returns:
        The parts and their weights.
    """
    parts, shares = [], []
    for samples, weight in zip(sets, weights, strict=True):
        groups: dict[str, list[LineSample]] = {}
        for sample in samples:
            groups.setdefault(sample.text[:1], []).append(sample)
        drawn = [len(group) ** (1 - balance) for group in groups.values()]
        parts += groups.values()
        shares += [weight * part / sum(drawn) for part in drawn]
    return parts, shares


def load_sets(args: argparse.Namespace) -> tuple[list[list], list]:
    """The training samples of each set, and the validation samples of all.

    Sets of the task "display" are stage 2 sets; displays without digits or with other symbols are left out.

    Raises:
        DatasetError: a set that cannot be read or has no training pictures.
    """
    config, keep = network_config(args), Keeper(args.logs)
    return datasets.load_sets(
        lambda path, split: keep(training_samples(path, split, config)),
        args.dataset_path,
        args.max_validation,
    )


def load_drawn(args: argparse.Namespace) -> list[DrawnLines]:
    """Rows of single digits, for each folder of --digits; none for displays, which exchange their drums for digits.

    Raises:
        DatasetError: a folder that is not in MNIST's form.
    """
    if args.task == "display":
        return []
    try:
        return [_rows(folder) for folder in args.digits]
    except DigitError as error:
        raise DatasetError(f"--digits: {error}") from error


def _rows(folder: Path) -> DrawnLines:
    rows = DigitRows.load(folder)
    digits = len(rows.digits.images)
    print(f"{folder}: {digits} digits to draw rows from")
    return DrawnLines(rows, LONGEST, "0123456789", str(folder), size=max(1, digits // LONGEST))


def training_samples(path: Path, split: str, config: LineConfig) -> Iterable[Any]:
    """One split of a set, its pictures as large as training wants them; see `load_sets`."""
    if config.task != "display":
        return line_samples([path], split, max_height=_KEPT_HEIGHTS * config.input_size[0])
    displays = stage2_samples([path], split, max_side=_KEPT_HEIGHTS * config.input_size[1])
    return (display for display in displays if _plain_digits(display))


def _plain_digits(sample: Any) -> bool:
    """Whether a display shows digits only; letters beside them (r, t, _) have no place in a line of digits."""
    digits = sum(label < 10 for label in sample.labels)
    return 0 < digits <= 10 and not any(10 <= label < 13 for label in sample.labels)
