"""Files that several tests share."""

import json
import os
from pathlib import Path

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
    "test_points.py",
    "test_workers.py",
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
