"""From the training script's flags to a trained point network: loads the sets, shows or trains."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from points.config import PointConfig
from training import workers
from training.datasets import load_sets, stage2_samples
from training.flags import check_augmentation, check_mix, network_changes, run_config
from training.kept import Keeper
from training.run import weighted
from training.script import finished, run_script
from training.single_digits import load_digits

if TYPE_CHECKING:
    import keras


def main(args: argparse.Namespace) -> int:
    """Runs train_point.py; the exit code. Faults of the input are one line on stderr."""
    return run_script("train_point.py", args, lambda: _train(args))


def network_config(args: argparse.Namespace) -> PointConfig:
    """The network that --network describes.

    Raises:
        ValueError: no JSON object, or an unknown key.
    """
    return PointConfig.from_dict(network_changes(args))


def _train(args: argparse.Namespace) -> int:
    check_mix(args)
    check_augmentation(args)
    config = network_config(args)
    workers.connect()  # before TensorFlow computes anything
    keep = Keeper(args.logs)
    sets, validation = load_sets(
        lambda path, split: keep(stage2_samples([path], split, args.max_side)),
        args.dataset_path,
        args.max_validation,
    )
    if args.preview:
        from points.sheets import write_gaps

        write_gaps(Path(args.preview), [s for one in sets for s in one], config, args.seed, args.augmentation)
        print(f"gaps as the network is shown them: {args.preview}")
        return 0
    return finished(args, train(args, config, sets, validation))


def train(args: argparse.Namespace, config: PointConfig, sets: list[list], validation: list) -> keras.callbacks.History:
    """Trains as the flags ask.

    Raises:
        FileNotFoundError: nothing to resume from.
        ValueError: initial weights that do not fit.
    """
    from points import fit  # TensorFlow, seconds to import: only when there is something to train on

    return fit.fit_point(
        weighted(sets, args.mix),
        validation,
        run_config(args, "point", sum(len(s) for s in sets)),
        config,
        strength=args.augmentation,
        resume=args.resume_training,
        initial=args.initial_weights,
        verbose=2 if args.quiet else 1,
        singles=load_digits(args.digits),
    )
