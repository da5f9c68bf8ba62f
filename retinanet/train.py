"""From a training script's flags to a trained stage: loads the sets, shows or trains."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np

from reader.symbols import STAGE1_CLASSES, STAGE2_CLASSES
from training.datasets import DatasetError, load_stage1, load_stage2
from training.flags import run_config


def main(stage: int, args: argparse.Namespace) -> int:
    """Runs a training script; the exit code. Faults of the input are one line on stderr."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return _train(stage, args)
    except (DatasetError, FileNotFoundError, ValueError, OSError) as error:
        print(f"train_stage{stage}.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\ninterrupted; go on with --resume_training (checkpoint in {args.checkpoints})", file=sys.stderr)
        return 130


def _train(stage: int, args: argparse.Namespace) -> int:
    load = load_stage1 if stage == 1 else load_stage2
    if args.mix and len(args.mix) != len(args.dataset_path):
        raise ValueError(f"--mix: {len(args.dataset_path)} numbers wanted, one a set; {len(args.mix)} came")
    sets = [load([path], "train", max_side=args.max_side) for path in args.dataset_path]
    for path, samples in zip(args.dataset_path, sets, strict=True):
        print(f"{path}: {len(samples)} training pictures")
        if not samples:
            raise DatasetError(f"{path}: the split 'train' is empty")
    validation = [s for path in args.dataset_path for s in load([path], "validation", max_side=args.max_side)]
    print(f"{len(validation)} validation pictures")
    # Evenly over all sets, the same ones in every epoch and run.
    validation = validation[:: -(-len(validation) // args.max_validation) or 1]
    if args.preview:
        return _preview(stage, [s for one in sets for s in one], args)
    from retinanet import fit  # TensorFlow, seconds to import: only when there is something to train on

    weights = args.mix or [float(len(s)) for s in sets]
    weighted = [fit.Weighted(s, w) for s, w in zip(sets, weights, strict=True)]
    run = run_config(args, f"stage{stage}", sum(len(s) for s in sets))
    train = fit.fit_stage1 if stage == 1 else fit.fit_stage2
    train(
        weighted,  # type: ignore[arg-type]
        validation,  # type: ignore[arg-type]
        run,
        resume=args.resume_training,
        initial=args.initial_weights,
        verbose=2 if args.quiet else 1,
    )
    print(f"best weights: {run.output}; curves: tensorboard --logdir {run.logs}")
    return 0


def _preview(stage: int, samples: list, args: argparse.Namespace) -> int:
    """A sheet of augmented samples: what the network would see, with its labels."""
    import cv2

    from reader.image import write_atomic
    from retinanet.config import Stage1Config, Stage2Config
    from training.augment import DigitPool, Stage1Augmentation, Stage2Augmentation, stage1_view, stage2_view

    rng = np.random.default_rng(args.seed)
    tiles = []
    pool = DigitPool.collect(samples) if stage == 2 else None
    for index in rng.integers(len(samples), size=48 if stage == 1 else 80):
        if stage == 1:
            view, corners, labels = stage1_view(samples[index], Stage1Config().input_size, rng, Stage1Augmentation())
            for quad, label in zip(corners, labels, strict=True):
                cv2.polylines(view, [np.round(quad).astype(np.int32)], True, (0, 255, 0), 1)
                cv2.circle(view, [int(v) for v in quad[0]], 3, (255, 0, 0), -1)
                cv2.putText(view, STAGE1_CLASSES[label], (2, 12), 0, 0.4, (255, 255, 0), 1)
        else:
            view, boxes, labels = stage2_view(
                samples[index], Stage2Config().input_size, rng, Stage2Augmentation(), pool
            )
            text = np.zeros((14, view.shape[1], 3), np.uint8)
            for (x1, y1, x2, y2), label in zip(boxes.astype(int).tolist(), labels, strict=True):
                colour = (255, 80, 80) if label > 9 else (0, 255, 0)
                cv2.rectangle(view, (x1, y1), (x2, y2), colour, 1)
                if label < 14:
                    cv2.putText(text, STAGE2_CLASSES[label], (x1, 11), 0, 0.4, (255, 255, 0), 1)
            view = np.concatenate([view, text])
        tiles.append(view)
    columns = 8 if stage == 1 else 5
    rows = [np.concatenate(tiles[i : i + columns], axis=1) for i in range(0, len(tiles), columns)]
    ok, data = cv2.imencode(".png", np.concatenate(rows)[..., ::-1])
    if not ok:
        raise OSError(f"{args.preview}: the sheet could not be encoded")
    write_atomic(Path(args.preview), data.tobytes())
    print(f"augmented samples: {args.preview}")
    return 0
