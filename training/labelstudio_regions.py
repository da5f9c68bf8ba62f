"""One region that a person drew in Label Studio: its label and its shape, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reader.symbols import STAGE1_CLASSES, STAGE2_CLASSES

Json = dict[str, Any]
Float64 = npt.NDArray[np.float64]

#: Corners and boxes drawn at the very edge come out a little over it; up to this much (percent of the side) is clipped.
EDGE_TOLERANCE = 0.5

#: Older exports know one illegible class only; it meant analog displays.
_OLD_LABELS = {"illegible": "analog_illegible"}


@dataclass(frozen=True)
class Region:
    """One drawn region: its id and type from the raw JSON, its value from the converter."""

    id: str
    type: str
    value: Json


class RegionError(ValueError):
    """What is wrong with one region."""


def class_id(value: Json, stage: int) -> int:
    """Class id of a region's only label."""
    labels = value.get("polygonlabels" if stage == 1 else "rectanglelabels")
    if not labels:
        raise RegionError("no label")
    if len(labels) > 1:
        raise RegionError(f"{len(labels)} labels ({', '.join(map(str, labels))}), 1 wanted")
    classes = STAGE1_CLASSES if stage == 1 else STAGE2_CLASSES
    name = str(labels[0]).strip().lower()
    if stage == 1:
        name = _OLD_LABELS.get(name, name)
    if name not in classes:
        raise RegionError(f"unknown label {labels[0]!r} (wanted one of {', '.join(classes)})")
    return classes.index(name)


def read_polygon(region: Region) -> Float64:
    """(4, 2) corners in percent of a convex, clockwise quadrilateral."""
    points = region.value.get("points")
    if points is None:
        raise RegionError(f"type {region.type}, a polygon wanted")
    if len(points) != 4:
        raise RegionError(f"{len(points)} points, 4 wanted")
    corners = _numbers(points, (4, 2))
    sides = np.roll(corners, -1, axis=0) - corners
    following = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0]  # > 0: clockwise, for y points down
    # Two turns either way: the sides cross. Three against one: a dent.
    if np.abs(turns).max() < 1e-9:
        raise RegionError("polygon without area")
    clockwise, counter = int((turns > 0).sum()), int((turns < 0).sum())
    if clockwise == counter:
        raise RegionError("polygon crosses itself")
    if counter > clockwise:
        raise RegionError("corners run counter-clockwise, clockwise from the display's own top-left wanted")
    if clockwise < 4:
        raise RegionError("polygon is not convex")
    return corners


def read_rectangle(region: Region) -> Float64:
    """(4,) left, top, right, bottom in percent; of a turned rectangle the upright box around it."""
    value = region.value
    if any(value.get(key) is None for key in ("x", "y", "width", "height")):
        raise RegionError(f"type {region.type}, a rectangle wanted")
    x, y, width, height = _numbers([value[key] for key in ("x", "y", "width", "height")], (4,))
    if width <= 0 or height <= 0:
        raise RegionError(f"box of no size ({width:g} x {height:g} percent)")
    angle = np.deg2rad(float(value.get("rotation") or 0))
    # Label Studio turns about the top-left corner, in pixels; percent are not square.
    aspect = float(value.get("original_width") or 1) / float(value.get("original_height") or 1)
    along = np.array([np.cos(angle), np.sin(angle) * aspect]) * width
    down = np.array([-np.sin(angle) / aspect, np.cos(angle)]) * height
    corners = np.array([x, y]) + np.stack([0 * along, along, along + down, down])
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)])


def _numbers(values: Sequence[Any], shape: tuple[int, ...]) -> Float64:
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError):
        array = np.full(1, np.nan)
    if array.shape != shape or not np.isfinite(array).all():
        raise RegionError(f"coordinates {values!r} are not numbers")
    return array


def inside(shape: Float64, stage: int) -> Float64:
    """The shape, clipped to the picture, if it is not outside by more than the tolerance."""
    over = max(-float(shape.min()), float(shape.max()) - 100)
    if over > EDGE_TOLERANCE:
        raise RegionError(f"{'corner' if stage == 1 else 'box'} outside the image by {over:.1f} percent")
    return np.clip(shape, 0, 100)
