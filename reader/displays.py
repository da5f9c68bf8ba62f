"""Stage 1's raw detections -> the display: the best place, its neighbours' opinions joined."""

from __future__ import annotations

import numpy as np

from reader.types import Display, Float32

#: Anchors join in when they are at least this sure, as a part of the best one's certainty...
_JOIN_SCORE = 0.3
#: ...and their corners lie this close to the best one's, in widths of the display, on average.
_JOIN_DISTANCE = 0.2


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
