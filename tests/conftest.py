"""Files that several tests share."""

import json
from pathlib import Path

import pytest

from reader.image import encode_png


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
