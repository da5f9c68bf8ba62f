"""Small pictures, and Label Studio tasks in the form that real exports have."""

import numpy as np


def picture(height=60, width=80, colour=(90, 120, 150), seed=0):
    """(H, W, 3) uint8 with a little structure, so that no two seeds give the same bytes."""
    noise = np.random.default_rng(seed).integers(-20, 20, (height, width, 1))
    return np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)


def polygon(points, label="Analog", **changes):
    """A Label Studio region of a stage 1 export; points in percent."""
    value = {"points": points, "closed": True, "polygonlabels": [label]}
    return region("polygonlabels", value, **changes)


def rectangle(x, y, width, height, label="0", rotation=0, **changes):
    """A Label Studio region of a stage 2 export, in percent."""
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": rotation, "rectanglelabels": [label]}
    return region("rectanglelabels", value, **changes)


def region(kind, value, **changes):
    known = {"original_width": 80, "original_height": 60, "image_rotation": 0, "value": value, "id": "xmGVX5tmo3"}
    return {**known, "from_name": "label", "to_name": "image", "type": kind, "origin": "manual", **changes}


def task(number, name, regions, **changes):
    """A task as Label Studio exports it."""
    annotation = {"id": number, "completed_by": 1, "result": regions, "was_cancelled": False, "prediction": {}}
    file = f"25ad14d4-{name}"
    known = {"id": number, "annotations": [annotation], "file_upload": file, "drafts": [], "predictions": []}
    return {**known, "data": {"image": f"/data/upload/1/{file}"}, "meta": {}, "inner_id": number, **changes}


SQUARE = [[20.0, 30.0], [70.0, 30.0], [70.0, 60.0], [20.0, 60.0]]
