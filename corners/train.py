"""From the training script's flags to a trained corner network: loads the sets, shows or trains."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from corners.config import JUDGED, CornersConfig
from corners.lookalikes import SIDE
from training import workers
from training.datasets import load_sets, stage1_samples
from training.flags import check_mix, network_changes, run_config
from training.kept import Keeper
from training.run import weighted
from training.script import finished, run_script

if TYPE_CHECKING:
    import keras


def main(args: argparse.Namespace) -> int:
    """Runs train_corners.py; the exit code. Faults of the input are one line on stderr."""
    return run_script("train_corners.py", args, lambda: _train(args))


def network_config(args: argparse.Namespace) -> CornersConfig:
    """The network that --network describes.

    Raises:
        ValueError: no JSON object, or an unknown key.
    """
    return CornersConfig.from_dict(network_changes(args))


def _train(args: argparse.Namespace) -> int:
    check_mix(args, len(args.lookalikes), "--lookalikes")
    config = network_config(args)
    if args.lookalikes and not config.judged:
        config = replace(config, judged=JUDGED)
    workers.connect()  # before TensorFlow computes anything
    from corners.views import surroundings

    keep = Keeper(args.logs)
    sets, validation = load_sets(
        lambda path, split: keep(surroundings(stage1_samples([path], split, args.max_side))),
        args.dataset_path,
        args.max_validation,
    )
    lookalikes: tuple[list[list], list] = ([], [])
    if args.lookalikes:
        lookalikes = load_sets(
            lambda path, split: keep(surroundings(stage1_samples([path], split, min(args.max_side, SIDE)))),
            args.lookalikes,
            args.max_validation,
        )
    if args.preview:
        from corners.sheets import write_cuts

        write_cuts(Path(args.preview), [s for one in sets + lookalikes[0] for s in one], config, args.seed)
        print(f"displays as the network is shown them: {args.preview}")
        return 0
    return finished(args, train(args, config, sets, validation, *lookalikes))


def train(
    args: argparse.Namespace,
    config: CornersConfig,
    sets: list[list],
    validation: list,
    lookalikes: Sequence[list] = (),
    unseen_lookalikes: Sequence = (),
) -> keras.callbacks.History:
    """Trains as the flags ask.

    Raises:
        FileNotFoundError: nothing to resume from.
        ValueError: initial weights that do not fit.
    """
    from corners import fit  # TensorFlow, seconds to import: only when there is something to train on

    drawn = weighted([*sets, *lookalikes], args.mix)
    return fit.fit_corners(
        drawn[: len(sets)],
        validation,
        run_config(args, "corners", sum(len(s) for s in sets)),
        config,
        resume=args.resume_training,
        initial=args.initial_weights,
        verbose=2 if args.quiet else 1,
        lookalikes=drawn[len(sets) :],
        unseen_lookalikes=unseen_lookalikes,
    )
