"""Writing Label Studio tasks: labelled pictures in, the JSON that Label Studio imports and exports out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from reader.symbols import STAGE1_CLASSES, STAGE2_CLASSES

Task = dict[str, Any]


def polygon_task(size: tuple[int, int], corners: npt.ArrayLike, classes: Sequence[str]) -> Task:
    """The annotations of a stage 1 task.

    Args:
        size: height and width of the picture in pixels.
        corners: (N, 4, 2) x, y in pixels, clockwise from each display's own top-left; N = 0: no display.
        classes: (N,) names out of STAGE1_CLASSES.

    Returns:
        `annotations` of the task; `id` and `data` are the caller's.
    """
    height, width = size
    polygons = np.asarray(corners, np.float64).reshape(-1, 4, 2) / (width, height) * 100
    values = [
        {"points": polygon.tolist(), "closed": True, "polygonlabels": [name.capitalize()]}
        for polygon, name in zip(polygons, classes, strict=True)
    ]
    return _annotated(size, "polygonlabels", values)


def rectangle_task(size: tuple[int, int], xyxy: npt.ArrayLike, classes: Sequence[str]) -> Task:
    """The annotations of a stage 2 task.

    Args:
        size: height and width of the rectified display in pixels.
        xyxy: (N, 4) left, top, right, bottom in pixels.
        classes: (N,) names out of STAGE2_CLASSES.
    """
    height, width = size
    boxes = np.asarray(xyxy, np.float64).reshape(-1, 4) / (width, height, width, height) * 100
    values = [
        {
            "x": float(left),
            "y": float(top),
            "width": float(right - left),
            "height": float(bottom - top),
            "rotation": 0,
            "rectanglelabels": [str(name).upper()],
        }
        for (left, top, right, bottom), name in zip(boxes, classes, strict=True)
    ]
    return _annotated(size, "rectanglelabels", values)


def local_file(path: str) -> str:
    """`data.image` of a file below the document root of Label Studio's local file storage."""
    return f"/data/local-files/?d={quote(path)}"


def label_config(stage: int) -> str:
    """The labelling configuration to paste into a Label Studio project for the stage."""
    tag, classes = ("PolygonLabels", STAGE1_CLASSES) if stage == 1 else ("RectangleLabels", STAGE2_CLASSES)
    names = [name.capitalize() if stage == 1 else name.upper() for name in classes]
    labels = "\n".join(f'    <Label value="{name}"/>' for name in names)
    return (
        f'<View>\n  <Image name="image" value="$image" zoom="true"/>\n  <{tag} name="label" toName="image">\n'
        f"{labels}\n  </{tag}>\n</View>\n"
    )


def _annotated(size: tuple[int, int], kind: str, values: list[Task]) -> Task:
    height, width = size
    result = [
        {
            "original_width": int(width),
            "original_height": int(height),
            "image_rotation": 0,
            "value": value,
            # Ten characters as Label Studio's own; from the content, so that the same labels give the same bytes.
            "id": hashlib.sha256(f"{number} {value}".encode()).hexdigest()[:10],
            "from_name": "label",
            "to_name": "image",
            "type": kind,
            "origin": "manual",
        }
        for number, value in enumerate(values)
    ]
    return {"annotations": [{"result": result, "was_cancelled": False, "ground_truth": False}]}
