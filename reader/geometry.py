"""Quadrilaterals and homographies: from the corners of a display to the rectified display and back.

Corners are (4, 2), x and y in pixels, clockwise from the display's OWN top-left corner (clockwise as seen on a screen,
y downwards). Their order carries the orientation of the display, so nothing here sorts them. A homography `H` is a
3x3 float64 matrix between continuous coordinates (see `reader.image`): [x', y', w] = H [x, y, 1].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from reader.types import Float32, UInt8


class Drawable(Protocol):
    """A picture that draws itself through a homography, such as `reader.photo.Photo`."""

    def warp(self, homography: npt.NDArray[np.float64], size: tuple[int, int]) -> UInt8:
        """As the function `warp` of this module."""


Float64 = npt.NDArray[np.float64]
#: A polygon's corners x, y as plain numbers.
Points = Sequence[Sequence[float]]

#: Room around the display on each of its four sides, in heights of the display, when it is cut out for stage 2.
MARGIN = 0.15
#: At most this many samples a pixel and axis when a display is shrunk; bounds the memory for absurd corners.
_MAX_SAMPLES = 16


def _quad(corners: npt.ArrayLike) -> Float64:
    quad = np.asarray(corners, np.float64)
    if quad.shape != (4, 2) or not np.isfinite(quad).all():
        raise ValueError(f"corners are 4 finite x, y pairs, not {quad.shape}: {quad.tolist()}")
    return quad


def _sides(quad: Float64) -> tuple[float, float]:
    """Mean length of the left and right side, and of the top and bottom side."""
    top, right, bottom, left = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
    return float(left + right) / 2, float(top + bottom) / 2


def height_steps(corners: npt.ArrayLike) -> tuple[Float64, Float64]:
    """One height of a display along it and across it, (2,) each: by the mean of opposite sides, as they lie."""
    quad = _quad(corners)
    down = (quad[3] - quad[0] + quad[2] - quad[1]) / 2
    right = (quad[1] - quad[0] + quad[2] - quad[3]) / 2
    return right / max(float(np.hypot(*right)), 1e-9) * float(np.hypot(*down)), down


def signed_area(corners: npt.ArrayLike) -> float:
    """Area in square pixels; negative when the points run counter-clockwise on the screen (shoelace formula)."""
    points = np.asarray(corners, np.float64)
    return _shoelace((points - points.mean(axis=0)).tolist())  # keeps the precision for points far from the origin


def _shoelace(points: Points) -> float:
    """The area of `signed_area`. In plain numbers: for so few points numpy takes ten times as long."""
    following = [*points[1:], *points[:1]]
    return sum(x * after_y - after_x * y for (x, y), (after_x, after_y) in zip(points, following, strict=True)) / 2


def is_clockwise(corners: npt.ArrayLike) -> bool:
    """Whether the points run clockwise as seen on a screen (y downwards)."""
    return signed_area(corners) > 0


def is_convex(corners: npt.ArrayLike) -> bool:
    """Whether four points in this order are a convex quadrilateral of either winding, without crossing or flat ones."""
    return _convex(_quad(corners).tolist())


def _convex(points: Points) -> bool:
    edges = [(points[i][0] - points[i - 1][0], points[i][1] - points[i - 1][1]) for i in range(4)]
    turns = [edges[i - 1][0] * edges[i][1] - edges[i - 1][1] * edges[i][0] for i in range(4)]
    flat = 1e-9 * max(abs(side) for edge in edges for side in edge) ** 2
    return bool(min(turns) > flat or max(turns) < -flat)


def orientation(corners: npt.ArrayLike) -> float:
    """Direction in which the display is read, in degrees (-180, 180]: 0 upright, 90 downwards, 180 upside down."""
    quad = _quad(corners)
    dx, dy = (quad[1] + quad[2] - quad[0] - quad[3]) / 2
    degrees = math.degrees(math.atan2(dy, dx))
    return 180.0 if degrees == -180.0 else degrees


def display_size(corners: npt.ArrayLike) -> tuple[int, int]:
    """Height and width of the display in whole photo pixels (mean of opposite sides, at least 1)."""
    height, width = _sides(_quad(corners))
    return max(1, round(height)), max(1, round(width))


def warp_points(points: npt.ArrayLike, homography: Float64) -> Float64:
    """Points moved by a homography.

    Args:
        points: (..., 2) x, y.
        homography: (3, 3).

    Returns:
        float64 of the same shape as `points`.
    """
    points = np.asarray(points, np.float64)
    moved = np.concatenate([points, np.ones_like(points[..., :1])], axis=-1) @ homography.T
    return np.asarray(moved[..., :2] / moved[..., 2:], np.float64)


def inverse(homography: Float64) -> Float64:
    """The homography back, scaled so that its last number is 1."""
    back = np.linalg.inv(homography)
    return np.asarray(back / back[2, 2], np.float64)


def homography_between(source: npt.ArrayLike, target: npt.ArrayLike) -> Float64:
    """The homography that takes four points to four points.

    Raises:
        ValueError: three of the points lie on one line.
    """
    source, target = _quad(source), _quad(target)
    rows = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    try:
        solved = np.linalg.solve(np.asarray(rows), target.reshape(-1))
    except np.linalg.LinAlgError as error:
        raise ValueError(f"no homography: three corners on one line: {source.tolist()}") from error
    return np.append(solved, 1.0).reshape(3, 3)


def _rectangle(left: float, top: float, right: float, bottom: float) -> Float64:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def box_corners(xyxy: npt.ArrayLike) -> Float64:
    """Boxes (..., 4) left, top, right, bottom as corners (..., 4, 2), clockwise from the top-left."""
    box = np.asarray(xyxy, np.float64)
    return box[..., [0, 1, 2, 1, 2, 3, 0, 3]].reshape(*box.shape[:-1], 4, 2)


def warp_boxes(xyxy: npt.ArrayLike, matrix: Float64) -> Float32:
    """Upright boxes around warped boxes; centre and mean sides, so that a small turn does not inflate them.

    Args:
        xyxy: (N, 4) left, top, right, bottom.
        matrix: (3, 3), as `warp_points` takes it.

    Returns:
        (N, 4) float32.
    """
    q = warp_points(box_corners(np.reshape(xyxy, (-1, 4))), matrix)  # (N, 4, 2)
    left, right = (q[:, 0, 0] + q[:, 3, 0]) / 2, (q[:, 1, 0] + q[:, 2, 0]) / 2
    top, bottom = (q[:, 0, 1] + q[:, 1, 1]) / 2, (q[:, 2, 1] + q[:, 3, 1]) / 2
    return np.stack([left, top, right, bottom], -1).astype(np.float32)


def expand(corners: npt.ArrayLike, margin: float = MARGIN) -> Float32:
    """Corners moved outwards along the display's own axes, in perspective.

    Args:
        corners: (4, 2).
        margin: room on each of the four sides, in heights of the display; negative moves inwards.

    Returns:
        (4, 2) float32.
    """
    quad = _quad(corners)
    height, width = _sides(quad)
    to_display = homography_between(quad, _rectangle(0, 0, width, height))
    room = margin * height
    larger = _rectangle(-room, -room, width + room, height + room)
    return warp_points(larger, inverse(to_display)).astype(np.float32)


def display_homography(corners: npt.ArrayLike, size: tuple[int, int], margin: float = MARGIN) -> Float64:
    """Photo pixels to pixels of the rectified display of size (height, width), with the margin around it.

    Raises:
        ValueError: the corners enclose no area.
    """
    quad = _quad(corners)
    height, width = _sides(quad)
    room = margin * height
    if not is_convex(quad) or height + 2 * room <= 0 or width + 2 * room <= 0:
        raise ValueError(f"not the corners of a display: {quad.round(1).tolist()}")
    scale_x, scale_y = size[1] / (width + 2 * room), size[0] / (height + 2 * room)
    left, top = room * scale_x, room * scale_y
    return homography_between(quad, _rectangle(left, top, size[1] - left, size[0] - top))


def rectify(
    photo: UInt8 | Drawable, corners: npt.ArrayLike, margin: float = MARGIN, size: tuple[int, int] | None = None
) -> tuple[UInt8, Float64]:
    """Cut the display out of the photo, upright and without perspective.

    Args:
        photo: (H, W, C) uint8, or a `reader.photo.Photo`.
        corners: (4, 2) in photo pixels.
        margin: room on each of the four sides, in heights of the display.
        size: (height, width) of the result, to which the display is stretched; None keeps the photo's own resolution.

    Returns:
        The display (height, width, C) uint8, black where the photo does not reach, and the homography from photo
        pixels to display pixels.

    Raises:
        ValueError: the corners enclose no area.
    """
    if size is None:
        height, width = _sides(_quad(corners))
        room = 2 * margin * height
        size = max(1, round(height + room)), max(1, round(width + room))
    homography = display_homography(corners, size, margin)
    return warp(photo, homography, size), homography


def second_look(corners: npt.ArrayLike, size: int, fill: float = 0.62) -> Float64:
    """The similarity that shows a display upright, enlarged and centred in a square: turned and scaled, not sheared.

    Args:
        corners: (4, 2) in photo pixels.
        size: side of the square in pixels.
        fill: the part of the side that the longer side of the display takes.

    Returns:
        (3, 3) float64, photo pixels to pixels of the square.

    Raises:
        ValueError: the corners fall together.
    """
    quad = _quad(corners)
    longer = max(_sides(quad))
    if longer <= 0:
        raise ValueError(f"not the corners of a display: {quad.tolist()}")
    scale = fill * size / longer
    angle = math.radians(orientation(quad))
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    shift = size / 2 - turn @ quad.mean(axis=0)
    return np.vstack([np.column_stack([turn, shift]), [0.0, 0.0, 1.0]])


def warp(photo: UInt8 | Drawable, homography: Float64, size: tuple[int, int]) -> UInt8:
    """Draw the photo through a homography; what shrinks is averaged, so that fine strokes survive.

    Args:
        photo: (H, W, C) uint8, or a `reader.photo.Photo`.
        homography: (3, 3), photo pixels to result pixels.
        size: (height, width) of the result.

    Returns:
        (height, width, C) uint8, black outside the photo.
    """
    if not isinstance(photo, np.ndarray):
        return photo.warp(homography, size)
    height, width = size
    samples_x, samples_y = _samples(homography, size)
    # OpenCV counts pixel centres as whole numbers, we count pixel edges: shift by half a pixel before and after.
    finer = np.diag([samples_x, samples_y, 1.0]) @ homography
    to_cv = _shift(-0.5) @ finer @ _shift(0.5)
    fine = cv2.warpPerspective(photo, to_cv, (width * samples_x, height * samples_y), flags=cv2.INTER_LINEAR)
    if samples_x * samples_y > 1:
        fine = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(fine, np.uint8).reshape(height, width, *photo.shape[2:])


def shrinking(homography: Float64, size: tuple[int, int]) -> float:
    """The least number of photo pixels that a pixel of the result stands for, in any direction, anywhere in it.

    Args:
        homography: (3, 3), photo pixels to result pixels.
        size: (height, width) of the result.

    Returns:
        1 where the result shows the photo's pixels as they are, more where it shrinks the photo; 0 where the result
        reaches over the photo's horizon.
    """
    height, width = size
    back = inverse(homography)
    corners = _rectangle(0, 0, width, height)
    depth = corners @ back[2, :2] + back[2, 2]  # (4,)
    if depth.min() <= 0 < depth.max():
        return 0.0
    points = warp_points(corners, back)
    # The derivative of a homography [u, v, w] -> u / w, v / w; its smallest singular value shrinks least.
    slopes = (back[None, :2, :2] - points[:, :, None] * back[None, 2:, :2]) / depth[:, None, None]  # (4, 2, 2)
    return float(np.linalg.svd(slopes, compute_uv=False).min())


def _shift(distance: float) -> Float64:
    return np.array([[1, 0, distance], [0, 1, distance], [0, 0, 1]], np.float64)


def _samples(homography: Float64, size: tuple[int, int]) -> tuple[int, int]:
    """How many photo pixels a result pixel covers along x and y, at the middle of the result, rounded up."""
    height, width = size
    middle = np.array([width / 2, height / 2])
    around = middle + np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    origin, along_x, along_y = warp_points(around, inverse(homography))
    lengths = np.linalg.norm(along_x - origin), np.linalg.norm(along_y - origin)
    # Up to a fifth of shrinking is left to linear interpolation, which does it well enough at half the cost.
    x, y = (int(np.clip(math.ceil(length / 1.2), 1, _MAX_SAMPLES)) for length in lengths)
    return x, y


def quad_iou(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Intersection over union of two convex quadrilaterals of any winding; 0 where one is degenerate or not convex."""
    quads: list[Points] = [_quad(first).tolist(), _quad(second).tolist()]
    if not all(map(_convex, quads)):
        return 0.0
    (left, top), *_ = quads[0]  # near the origin the precision is kept for places far away
    polygons: list[Points] = []
    areas = []
    for quad in quads:
        points = [(x - left, y - top) for x, y in quad]
        area = _shoelace(points)
        polygons.append(points if area > 0 else points[::-1])
        areas.append(abs(area))
    shared = _intersection_area(*polygons)
    return min(max(shared / (sum(areas) - shared), 0.0), 1.0)


def _intersection_area(subject: Points, clip: Points) -> float:
    """Area common to two clockwise convex polygons (Sutherland and Hodgman, Reentrant Polygon Clipping, 1974)."""
    polygon = subject
    for (ax, ay), (bx, by) in zip(clip, [*clip[1:], *clip[:1]], strict=True):
        kept: list[Sequence[float]] = []
        # Positive on the inner side of the edge from a to b.
        sides = [(bx - ax) * (y - ay) - (by - ay) * (x - ax) for x, y in polygon]
        for index, (point, side) in enumerate(zip(polygon, sides, strict=True)):
            before, side_before = polygon[index - 1], sides[index - 1]
            if (side >= 0) != (side_before >= 0):
                part = side_before / (side_before - side)
                kept.append((before[0] + part * (point[0] - before[0]), before[1] + part * (point[1] - before[1])))
            if side >= 0:
                kept.append(point)
        polygon = kept
        if len(polygon) < 3:
            return 0.0
    return max(0.0, _shoelace(polygon))


def windows(width: float, height: float, side: float) -> list[tuple[float, float]]:
    """Left and top of the square windows that cover a picture, row by row; neighbours overlap by at least a third.

    What is no longer than a third of a window is whole in one of them. A window larger than the picture stands over its
    middle.
    """

    def starts(length: float) -> list[float]:
        if length <= side:
            return [(length - side) / 2]
        count = 1 + math.ceil((length - side) / (side * 2 / 3))
        return [i * (length - side) / (count - 1) for i in range(count)]

    return [(left, top) for top in starts(height) for left in starts(width)]
