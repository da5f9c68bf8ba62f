"""Small TFDS sets of meters made of coloured blocks (see fake_networks.py), and a network small enough for tests."""

import json

import numpy as np
from fake_networks import flat_display, photo_of

from reader.image import letterbox
from reader.symbols import STAGE1_CLASSES, STAGE2_CLASSES
from training.run import RunConfig
from training.tfds_writer import SetWriter, set_name

TINY = {"channels": [4, 8, 8, 8, 8], "blocks": [1, 1, 1, 1], "fpn_channels": 8, "head_convs": 1}
TINY_STAGE1 = json.dumps({"input_size": [64, 64], **TINY})
TINY_STAGE2 = json.dumps({"input_size": [32, 96], **TINY})

CORNERS = np.array([[160, 200], [480, 200], [480, 270], [160, 270]], float)


def write_stage1(data_dir, photos, size=256):
    """A stage 1 set; photos: (split, name, picture, corners (N, 4, 2), class names)."""
    folder = data_dir / set_name(1) / "1.0.0"
    splits = {name: split for split, name, *_ in photos}
    with SetWriter(folder, 1, sorted(set(splits.values())), size) as writer:
        for split, name, picture, corners, classes in photos:
            square, placed = letterbox(picture, size)
            shapes = placed.forward(np.reshape(corners, (-1, 2))).reshape(-1, 4, 2)
            writer.add(split, square, shapes, [STAGE1_CLASSES.index(c) for c in classes], name)
        writer.close(splits)
    return data_dir


def write_stage2(data_dir, displays):
    """A stage 2 set; displays: (split, name, digits) with the last digit in the decimal area."""
    folder = data_dir / set_name(2) / "1.0.0"
    splits = {name: split for split, name, _ in displays}
    with SetWriter(folder, 2, sorted(set(splits.values()))) as writer:
        for split, name, digits in displays:
            picture, boxes = flat_display(digits)
            area = boxes[-1] + (-2, -4, 2, 4)
            labels = [STAGE2_CLASSES.index(c) for c in [*digits, "floatp"]]
            writer.add(split, picture, np.concatenate([boxes, [area]]), labels, name)
        writer.close(splits)
    return data_dir


def training_sets(data_dir, train=6, others=3):
    """Both sets, with all three splits."""
    photos, displays = [], []
    for split, count in (("train", train), ("validation", others), ("test", others)):
        for number in range(count):
            digits = f"{number}{number + 1}{(7 * number) % 10}35"
            picture, _ = photo_of(digits, CORNERS + number * 3)
            classes = [STAGE1_CLASSES[number % 2]]
            photos.append((split, f"{split}{number}.jpg", picture, [CORNERS + number * 3], classes))
            displays.append((split, f"cropped_{split}{number}.jpg", digits))
    write_stage1(data_dir, photos)
    write_stage2(data_dir, displays)
    return data_dir


def short_run(name, folder, epochs):
    """A training run of seconds, in a folder of its own."""
    return RunConfig(
        name,
        folder / "trained.keras",
        folder / "logs",
        folder / "checkpoints",
        epochs=epochs,
        steps_per_epoch=40,
        batch_size=16,
        learning_rate=5e-3,
        warmup_steps=10,
        ema=0.9,
        precision="float32",
    )
