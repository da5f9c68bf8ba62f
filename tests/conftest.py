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
