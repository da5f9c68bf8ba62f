"""Files that several tests share."""

import gzip
import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from reader.image import encode_png

if "PYTEST_XDIST_WORKER" in os.environ:
    # The processes share the CPUs already; threads of each on all of them only get in each other's way.
    for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")

#: The files that take longest. They begin first, so that the processes end together instead of one alone with these.
_LONGEST = (
    "test_learning.py",
    "test_read_archive.py",
    "test_tuning.py",
    "test_train_scripts.py",
    "test_prepare_model.py",
    "test_loop.py",
    "test_crnn.py",
    "test_accelerated.py",
    "test_train_on_accelerator.py",
    "test_workers.py",
    "test_points.py",
    "test_corners.py",
    "test_widen.py",
)


def pytest_collection_modifyitems(items):
    """Puts the longest files first; the order is else that of the names (`--no-loadscope-reorder` keeps it)."""
    items.sort(key=lambda item: _LONGEST.index(item.path.name) if item.path.name in _LONGEST else len(_LONGEST))


@pytest.fixture
def export(tmp_path):
    """Writes an export and its images: export(tasks, images={name: array or bytes}) -> (labels, folder)."""

    def write(tasks, images=None, folder="set"):
        root = Path(tmp_path) / folder
        (root / "images").mkdir(parents=True)
        for name, image in (images or {}).items():
            data = image if isinstance(image, bytes) else encode_png(image)
            (root / "images" / name).write_bytes(data)
        labels = root / "labels.json"
        labels.write_text(json.dumps(tasks))
        return labels, root / "images"

    return write


@pytest.fixture(scope="session")
def idx(tmp_path_factory):
    """A folder in MNIST's form: 40 pictures 28 x 28, labels 0 to 9 in turn."""
    import cv2

    from synthesis.lines.digits import pen_digit, random_hand
    from training.idx_digits import IMAGES_FILE, LABELS_FILE

    folder = tmp_path_factory.mktemp("idx")
    images = np.zeros((40, 28, 28), np.uint8)
    for i in range(40):
        rng = np.random.default_rng
        mask = cv2.resize(pen_digit(rng(i), i % 10, random_hand(rng(i)), 40), (14, 20), interpolation=cv2.INTER_AREA)
        images[i, 4:24, 7:21] = mask
    (folder / IMAGES_FILE).write_bytes(struct.pack(">4I", 0x803, *images.shape) + images.tobytes())
    labels = np.arange(40, dtype=np.uint8) % 10
    (folder / f"{LABELS_FILE}.gz").write_bytes(gzip.compress(struct.pack(">2I", 0x801, 40) + labels.tobytes()))
    return folder


@pytest.fixture
def policy():
    """Precision is a setting of the whole process: for tests that train."""
    yield
    import keras  # here: most tests need no framework

    keras.mixed_precision.set_dtype_policy("float32")
