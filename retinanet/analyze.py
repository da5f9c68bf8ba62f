"""From the flags of analyze_dataset.py to numbers, plots and sheets of a set: to look at before training on it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reader.image import write_atomic
from retinanet.config import Stage1Config, Stage2Config
from retinanet.sheets import LAYOUT, augmented_tiles, sample_tiles
from training.datasets import DatasetError, Stage1Sample, find_builder, load_stage1, load_stage2
from training.flags import positive
from training.labelstudio import SPLITS
from training.plots import bars, histograms
from training.preview import write_sheet
from training.statistics import describe, percentiles, stage1_statistics, stage2_statistics
from training.tfds_writer import set_name

EXAMPLES = """examples:
  python analyze_dataset.py --dataset_path datasets/my_meters
  python analyze_dataset.py --dataset_path datasets/my_meters --stage 2 --out out/looked_at
"""


def parser() -> argparse.ArgumentParser:
    """The flags of analyze_dataset.py."""
    made = argparse.ArgumentParser(
        description="Shows a TFDS set: counts, sizes, digits, reading lengths, samples, augmented samples.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("--dataset_path", required=True, metavar="PATH", help="TFDS set: its own folder or the data_dir above it")
    add("--stage", type=int, choices=(1, 2), help="(default: those that are there)")
    add("--out", type=Path, default=Path("out/dataset"), metavar="DIR", help="plots, sheets (default: %(default)s)")
    add("--max_side", type=positive, default=512, help="pictures are kept no larger than this (default: %(default)s)")
    add("--seed", type=int, default=0, help="of the augmented samples (default: %(default)s)")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs analyze_dataset.py; the exit code."""
    args = parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        for stage in [args.stage] if args.stage else _stages(args.dataset_path):
            _analyze(stage, args)
    except (OSError, ValueError) as error:
        print(f"analyze_dataset.py: {error}", file=sys.stderr)
        return 1
    return 0


def _stages(path: str) -> list[int]:
    """The stages whose sets are there.

    Raises:
        DatasetError: none is.
    """
    faults, found = [], []
    for stage in (1, 2):
        try:
            find_builder(path, set_name(stage))
            found.append(stage)
        except DatasetError as fault:
            faults.append(fault)
    if not found:
        raise faults[0]
    return found


def _analyze(stage: int, args: argparse.Namespace) -> None:
    out = args.out / f"stage{stage}"
    load, count = (load_stage1, stage1_statistics) if stage == 1 else (load_stage2, stage2_statistics)
    splits: dict[str, Any] = {}
    shown: list[Any] = []
    for split in SPLITS:
        try:
            samples = load([args.dataset_path], split, max_side=args.max_side)
        except DatasetError:
            if split != "train":
                raise
            find_builder(args.dataset_path, set_name(stage))
            samples = []  # a set to test on has no train split
        if samples:
            splits[split] = count(samples)  # type: ignore[arg-type]
            print(f"stage {stage}, {split}:\n{describe(splits[split])}")
            write_sheet(out / f"samples_{split}.png", sample_tiles(samples), *LAYOUT[stage])
            shown = shown or samples
    if not shown:
        raise DatasetError(f"{args.dataset_path}: {set_name(stage)} has no pictures in {', '.join(SPLITS)}")
    _plot(stage, out, splits)
    config = Stage1Config() if isinstance(shown[0], Stage1Sample) else Stage2Config()
    write_sheet(out / "augmented.png", augmented_tiles(shown, config, args.seed), *LAYOUT[stage])
    told = {
        split: {**statistics, "values": {key: percentiles(v) for key, v in statistics["values"].items()}}
        for split, statistics in splits.items()
    }
    write_atomic(out / "statistics.json", (json.dumps(told, indent=1) + "\n").encode())
    print(f"plots, sheets and statistics.json: {out}")


def _plot(stage: int, out: Path, splits: dict[str, Any]) -> None:
    """Plots of all splits together."""
    values = {
        key: np.concatenate([statistics["values"][key] for statistics in splits.values()])
        for key in next(iter(splits.values()))["values"]
    }
    panels = {}
    for key, all_values in values.items():
        fixed = {"display_angle": (-180.0, 180.0), "display_width": (0.0, 1.0)}
        top = float(np.percentile(all_values, 99.5)) * 1.1 if len(all_values) else 1.0
        panels[key.replace("_", " ")] = (all_values, fixed.get(key, (0.0, top)))
    histograms(out / "sizes.png", panels, columns=3)
    keys = ("classes", "displays_per_picture") if stage == 1 else ("classes", "digits_per_display")
    counted = {}
    for key in (*keys, *(("decimals_per_display",) if stage == 2 else ())):
        total: dict[str, int] = {}
        for statistics in splits.values():
            for name, number in statistics[key].items():
                total[name] = total.get(name, 0) + number
        counted[key.replace("_", " ")] = total
    bars(out / "counts.png", counted, columns=len(counted))
