"""Stage 1's raw detections -> the display: the best place, its neighbours' opinions joined."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from reader.geometry import is_clockwise, is_convex, quad_iou, signed_area
from reader.symbols import STAGE1_CLASSES
from reader.types import Display, Float32

#: Anchors join in when they are at least this sure, as a part of the best one's certainty...
_JOIN_SCORE = 0.3
#: ...and their corners lie this close to the best one's, in widths of the display, on average.
_JOIN_DISTANCE = 0.2
#: Candidates beyond these are weaker copies of the same displays.
_MOST_CANDIDATES = 100


def best_display(corners: Float32, probabilities: Float32, threshold: float = 0.0) -> Display | None:
    """The most certain display of one picture.

    Several anchors around the centre see the same display; the mean of what they say, weighted by how sure they are,
    is closer to the truth than the word of the surest one (weighted boxes fusion, Solovyev et al. 2021).

    Args:
        corners: (K, 4, 2) float32 of all anchors, any unit.
        probabilities: (K, C) float32, each anchor's class scores.
        threshold: a score below this is no display.

    Returns:
        The display in the unit of `corners`, or None.
    """
    if not len(corners):
        return None
    scores = probabilities.max(axis=1)  # (K,)
    top = int(scores.argmax())
    if scores[top] < max(threshold, 1e-9):
        return None
    width = float(np.hypot(*(corners[top, 1] - corners[top, 0]))) + 1e-6
    sure = np.flatnonzero(scores >= _JOIN_SCORE * scores[top])
    distance = np.linalg.norm(corners[sure] - corners[top], axis=-1).mean(-1)  # (S,)
    joined = sure[distance <= _JOIN_DISTANCE * width]
    weight = scores[joined] / scores[joined].sum()
    fused = np.einsum("k,kij->ij", weight, corners[joined]).astype(np.float32)  # (4, 2)
    classes = np.einsum("k,kc->c", weight, probabilities[joined])  # (C,)
    share = (classes / max(float(classes.sum()), 1e-9)).astype(np.float32)
    return Display(fused, int(share.argmax()), float(scores[top]), share)


def displays_from_outputs(
    corners: npt.ArrayLike, probabilities: npt.ArrayLike, threshold: float, most: int = 5, iou: float = 0.3
) -> list[Display]:
    """The displays on one picture, best first, from the raw stage 1 outputs.

    Args:
        corners: (K, 4, 2) x, y in pixels of the network's input.
        probabilities: (K, 4) class scores, each 0 to 1.
        threshold: candidates with a lower best score are dropped.
        most: at most this many displays.
        iou: a candidate that overlaps a better one by more is the same display (non-maximum suppression on the
            quadrilaterals, whatever their classes).

    Returns:
        Displays with corners in pixels of the network's input. Crossed or mirrored quadrilaterals are no displays.

    Raises:
        ValueError: arrays of other shapes.
    """
    corners, probabilities = np.asarray(corners, np.float32), np.asarray(probabilities, np.float32)
    if corners.ndim != 3 or corners.shape[1:] != (4, 2) or probabilities.shape != (len(corners), len(STAGE1_CLASSES)):
        raise ValueError(
            f"stage 1 gives corners (K, 4, 2) and probabilities (K, {len(STAGE1_CLASSES)}), "
            f"not {corners.shape} and {probabilities.shape}"
        )
    scores = functools.reduce(np.maximum, probabilities.T)  # of thousands of anchors: along the rows it takes ten times
    sure = np.flatnonzero((scores >= threshold) & np.isfinite(scores))
    sure = sure[np.isfinite(corners[sure]).all(axis=(1, 2))]
    left = sure[np.argsort(-scores[sure], kind="stable")][:_MOST_CANDIDATES]
    displays: list[Display] = []
    while len(left) and len(displays) < most:
        display = best_display(corners[left], probabilities[left], threshold)
        if display is None:
            break
        if not is_convex(display.corners) or not is_clockwise(display.corners):
            left = left[1:]
            continue
        displays.append(display)
        left = left[1:][_apart(corners[left[1:]], display.corners, iou)]
    return displays


def _apart(quads: Float32, display: Float32, iou: float) -> npt.NDArray[np.bool_]:
    """(N,) whether each of the quads (N, 4, 2) overlaps the display's corners (4, 2) by at most `iou`.

    Nearly all are weaker copies of the display. When each corner lies within d of the display's, the quad contains the
    display less a rim of d (their support functions differ by at most d), so that at least so much is shared.
    """
    area = abs(signed_area(display))
    around = float(np.linalg.norm(np.roll(display, -1, axis=0) - display, axis=1).sum())
    moved = np.linalg.norm(quads - display, axis=-1).max(axis=-1)  # (N,)
    least = (area - around * moved) / (area + around * moved + np.pi * moved**2)
    apart = np.zeros(len(quads), bool)
    for index in np.flatnonzero(least <= iou):
        apart[index] = quad_iou(quads[index], display) <= iou
    return apart
