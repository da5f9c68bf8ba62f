"""From a training script's flags to a trained stage: loads the sets, shows or trains."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retinanet.config import Stage1Config, Stage2Config
from retinanet.sheets import LAYOUT, augmented_tiles
from training import datasets, workers
from training.augment import CORNERS_PUT_RIGHT
from training.datasets import stage1_samples, stage2_samples
from training.flags import check_augmentation, check_mix, network_changes, run_config
from training.kept import Keeper
from training.preview import write_sheet
from training.run import weighted
from training.script import finished, run_script
from training.single_digits import load_digits

if TYPE_CHECKING:
    import keras


def main(stage: int, args: argparse.Namespace) -> int:
    """Runs a training script; the exit code. Faults of the input are one line on stderr."""
    return run_script(f"train_stage{stage}.py", args, lambda: _train(stage, args))


def _train(stage: int, args: argparse.Namespace) -> int:
    check_flags(stage, args)
    if args.preview:
        sets, _ = load_sets(stage, args)
        samples = [s for one in sets for s in one]
        strength = args.augmentation if stage == 2 else 1.0
        tiles = augmented_tiles(samples, _network(stage, args), args.seed, strength)
        write_sheet(Path(args.preview), tiles, *LAYOUT[stage])
        print(f"augmented samples: {args.preview}")
        return 0
    return finished(args, train(stage, args))


def train(stage: int, args: argparse.Namespace) -> keras.callbacks.History:
    """Loads the sets and trains the stage as the flags of `training.flags.training_parser` ask; tuning's trials too.

    Raises:
        DatasetError: sets that cannot be trained on.
        FileNotFoundError: nothing to resume from.
        ValueError: an initial network that does not fit.
    """
    workers.connect()  # before TensorFlow computes anything
    sets, validation = load_sets(stage, args)
    config = _network(stage, args)
    from retinanet import fit  # TensorFlow, seconds to import: only when there is something to train on
    from retinanet.watch import watchers

    run = run_config(args, f"stage{stage}", sum(len(s) for s in sets))
    fit_stage: Any = fit.fit_stage1
    if stage == 2:
        weaker = CORNERS_PUT_RIGHT.scaled(args.augmentation)
        fit_stage = partial(fit.fit_stage2, augmentation=weaker, singles=load_digits(args.digits))
    return fit_stage(
        weighted(sets, args.mix),
        validation,
        run,
        config=config,
        resume=args.resume_training,
        initial=args.initial_weights,
        callbacks=watchers(config, validation, run),  # type: ignore[arg-type]
        verbose=2 if args.quiet else 1,
    )


def check_flags(stage: int, args: argparse.Namespace) -> None:
    """Raises ValueError for what is wrong with the flags themselves, before anything is loaded."""
    check_mix(args)
    if stage == 2:
        check_augmentation(args)
    _network(stage, args)


def load_sets(stage: int, args: argparse.Namespace) -> tuple[list[list], list]:
    """The training samples of each set, and the validation samples of all.

    Raises:
        DatasetError: a set that cannot be read or has no training pictures.
    """
    keep = Keeper(args.logs)
    samples = stage1_samples if stage == 1 else stage2_samples
    return datasets.load_sets(
        lambda path, split: keep(samples([path], split, args.max_side)),
        args.dataset_path,
        args.max_validation,
    )


def _network(stage: int, args: argparse.Namespace) -> Stage1Config | Stage2Config:
    """The network that --network describes.

    Raises:
        ValueError: no JSON object, or a key that is not known.
    """
    kind = Stage1Config if stage == 1 else Stage2Config
    return kind.from_dict(network_changes(args))
