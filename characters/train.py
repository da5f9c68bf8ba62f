"""From the training script's flags to a trained network of single characters: loads the sets, shows or trains."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from characters.config import CharactersConfig, characters_config
from characters.windows import CharacterSample, windows_of
from reader.lines import LineReader
from training import workers
from training.datasets import DatasetError, load_sets
from training.digit_rows import DigitRows
from training.flags import check_mix, network_changes, run_config
from training.idx_digits import DigitError
from training.line_sets import LineSample, load_lines
from training.run import weighted
from training.script import finished, run_script

if TYPE_CHECKING:
    import keras


def main(args: argparse.Namespace) -> int:
    """Runs train_characters.py; the exit code. Faults of the input are one line on stderr."""
    args.output = args.output or Path("characters") / f"{args.task}_characters.keras"
    args.logs = args.logs or Path("logs") / f"{args.task}_characters"
    args.checkpoints = args.checkpoints or Path("checkpoints") / f"{args.task}_characters"
    return run_script("train_characters.py", args, lambda: _train(args))


def network_config(args: argparse.Namespace) -> CharactersConfig:
    """The network that --task and --network describe.

    Raises:
        ValueError: no JSON object, an unknown task or an unknown key.
    """
    return characters_config(args.task, network_changes(args))


def _train(args: argparse.Namespace) -> int:
    check_mix(args, len(args.digits))
    config = network_config(args)
    reader = LineReader.load(args.task, args.models)
    if config.alphabet != reader.settings.alphabet:
        raise ValueError(f"alphabet {config.alphabet!r}: the line reader has {reader.settings.alphabet!r}")
    workers.connect()  # before TensorFlow computes anything
    drawn = [_rows(folder, args.rows, args.seed) for folder in args.digits]

    def load(path: Path, split: str) -> list[CharacterSample]:
        lines = load_lines([path], split)
        return windows_of(lines, reader, config, len(lines))

    sets, validation = load_sets(load, args.dataset_path, args.max_validation)
    sets += [windows_of(lines, reader, config, args.rows) for lines in drawn]
    if not all(sets):
        raise DatasetError("a set in which the line reader finds none of the texts: wanted one it was trained for")
    print(f"{sum(map(len, sets))} characters to train on")
    if args.preview:
        from characters.sheets import write_windows

        write_windows(Path(args.preview), [s for one in sets for s in one], config, args.seed)
        print(f"characters as the network is shown them: {args.preview}")
        return 0
    return finished(args, train(args, config, sets, validation))


def _rows(folder: Path, count: int, seed: int) -> Iterator[LineSample]:
    """Rows of single digits put together by chance; see `training.digit_rows`."""
    try:
        draw = DigitRows.load(folder)
    except DigitError as error:
        raise DatasetError(f"--digits: {error}") from error

    def lines() -> Iterator[LineSample]:
        for index in range(count):
            image, text = draw(np.random.default_rng([seed, index]))
            yield LineSample(image, text, f"row {index}")

    return lines()


def train(
    args: argparse.Namespace, config: CharactersConfig, sets: list[list], validation: list
) -> keras.callbacks.History:
    """Trains as the flags ask.

    Raises:
        FileNotFoundError: nothing to resume from.
        ValueError: initial weights that do not fit.
    """
    from characters import fit  # TensorFlow, seconds to import: only when there is something to train on

    return fit.fit_characters(
        weighted(sets, args.mix),
        validation,
        run_config(args, f"{args.task}_characters", sum(len(s) for s in sets)),
        config,
        resume=args.resume_training,
        initial=args.initial_weights,
        verbose=2 if args.quiet else 1,
    )
