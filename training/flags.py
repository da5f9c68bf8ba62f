"""Flags that the training and tuning scripts share, and what they mean."""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from training.precision import PRECISIONS
from training.run import OPTIMIZERS, RunConfig

#: Trainings whose views can be drawn weaker or stronger (`--augmentation`).
AUGMENTED = ("stage2", "point", "lines")


def boolean(text: str) -> bool:
    """True/False as existing command lines write it."""
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in known:
        raise argparse.ArgumentTypeError(f"True or False wanted, {text!r} came")
    return known[text.lower()]


def positive(text: str) -> int:
    """A whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"a whole number of at least 1 wanted, {text!r} came")
    return value


def rate(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"a number above 0 wanted, {text!r} came")
    return value


def network_changes(args: argparse.Namespace) -> dict[str, Any]:
    """What --network asks for, of a file or as text; empty without it.

    Raises:
        ValueError: no JSON object.
        OSError: the file cannot be read.
    """
    if not args.network:
        return {}
    try:
        text = args.network if args.network.lstrip().startswith("{") else Path(args.network).read_text()
        changes = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"--network: a JSON object or a file with one wanted ({error})") from error
    if not isinstance(changes, dict):
        raise ValueError(f"--network: a JSON object wanted, {type(changes).__name__} came")
    return changes


def check_mix(args: argparse.Namespace, more: int = 0, of: str = "--digits") -> None:
    """Raises ValueError where --mix has not a number for each set, `more` of the flag `of` beside --dataset_path."""
    wanted = len(args.dataset_path) + more
    if args.mix and len(args.mix) != wanted:
        beside = f" and {more} of {of}" if more else ""
        raise ValueError(f"--mix: {wanted} numbers wanted, one a set{beside}; {len(args.mix)} came")


def check_augmentation(args: argparse.Namespace) -> None:
    """Raises ValueError where --augmentation is no strength."""
    if not 0 <= args.augmentation <= 2:
        raise ValueError(f"--augmentation: a number from 0 to 2 wanted, {args.augmentation} came")


def training_parser(
    name: str, description: str, epilog: str, without: Collection[str] = (), **defaults: object
) -> argparse.ArgumentParser:
    """A parser with all the flags of a training script but those named in `without`."""
    parser = argparse.ArgumentParser(
        description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )

    def add(flag: str, **settings: Any) -> None:
        if flag not in without:
            parser.add_argument(flag, **settings)

    add("--dataset_path", nargs="+", required=True, metavar="PATH", help="TFDS set(s): own folder or data_dir above it")
    add("--mix", nargs="+", type=rate, metavar="W", help="how often each set is drawn (default: by its size)")
    add(
        "--resume_training",
        nargs="?",
        const=True,
        default=False,
        type=boolean,
        metavar="True|False",
        help="go on from the checkpoint of a killed run",
    )
    add("--initial_weights", type=Path, metavar="FILE", help="a .keras file of the same network to start from")
    if name != "stage1":  # sees whole photos
        add(
            "--digits",
            nargs="+",
            type=Path,
            default=[],
            metavar="JSONL" if name != "lines" else "PATH",
            help="single digits that are exchanged with those of displays: manifests with image, split and reading"
            + ("; or, for lines, folders in MNIST's form to draw rows of digits from" if name == "lines" else ""),
        )
    if name in AUGMENTED:
        add(
            "--augmentation",
            type=float,
            default=1.0,
            metavar="S",
            help="how far training views differ from their pictures: 1 as usual, less for the last epochs of a long "
            "training, 0 not at all, but for the errors of displays' corners (default: 1)",
        )
    add("--network", metavar="JSON", help='changes to the network, as a file or text: {"fpn_channels": 96}')
    add("--output", type=Path, default=Path("retinanet") / f"{name}.keras", help="best weights (default: %(default)s)")
    add("--logs", type=Path, default=Path("logs") / name, help="TensorBoard logs (default: %(default)s)")
    add("--checkpoints", type=Path, default=Path("checkpoints") / name, help="for resuming (default: %(default)s)")
    add("--epochs", type=positive, default=40, help="in all, also when resuming (default: %(default)s)")
    add("--steps_per_epoch", type=positive, help="batches an epoch (default: once through the training pictures)")
    add("--batch_size", type=positive, default=32, help="(default: %(default)s)")
    add("--learning_rate", type=rate, default=2e-3, help="peak after the warm-up (default: %(default)s)")
    add("--weight_decay", type=float, default=1e-4, help="(default: %(default)s)")
    add("--optimizer", choices=sorted(OPTIMIZERS), default="adamw", help="(default: %(default)s)")
    add("--ema", type=float, default=0.995, help="momentum of the averaged weights (default: %(default)s)")
    add("--warmup_steps", type=int, default=200, help="batches until the peak (default: %(default)s)")
    add("--patience", type=int, default=0, help="stop after so many epochs without a gain, 0: never (default: 0)")
    add(
        "--precision",
        default="auto",
        choices=PRECISIONS,
        help="auto: bfloat16 where the machine computes in it, else float32 (default: %(default)s)",
    )
    add("--workers", type=positive, default=2, help="threads that make batches (default: %(default)s)")
    add("--max_side", type=positive, default=640, help="pictures are kept no larger than this (default: %(default)s)")
    add("--max_validation", type=positive, default=400, help="validate on so many pictures (default: %(default)s)")
    add("--seed", type=int, default=0, help="(default: %(default)s)")
    add("--preview", type=Path, metavar="PNG", help="write a sheet of augmented samples, train nothing")
    add("--quiet", action="store_true", help="a line an epoch, no progress bar")
    parser.set_defaults(**defaults)
    return parser


def run_config(args: argparse.Namespace, name: str, pictures: int) -> RunConfig:
    """The run that the flags ask for; `pictures`: in the training sets."""
    steps = args.steps_per_epoch or max(1, -(-pictures // args.batch_size))
    return RunConfig(
        name=name,
        output=args.output,
        logs=args.logs,
        checkpoints=args.checkpoints,
        epochs=args.epochs,
        steps_per_epoch=steps,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        weight_decay=args.weight_decay,
        optimizer=args.optimizer,
        ema=args.ema,
        warmup_steps=args.warmup_steps,
        patience=args.patience,
        seed=args.seed,
        precision=args.precision,
        workers=args.workers,
    )
