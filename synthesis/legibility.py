"""Whether a person can still read a display on a made photo, measured against the display as it was drawn."""

from __future__ import annotations

import cv2
import numpy as np

from reader.geometry import rectify

#: Height in pixels at which photo and drawing are compared.
_HEIGHT = 32
#: Grey levels of contrast (standard deviation within a digit) under which print drowns in the dark or in the light.
_FAINT = 7.0


def digit_scores(photo: np.ndarray, corners: np.ndarray, art: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Compare every digit on the photo with the drawing.

    Blur, noise, glare and covers all lower the correlation of the fine structure; what a person cannot see because it
    is too faint is lowered in proportion.

    Args:
        photo: uint8 (H, W, 3) RGB.
        corners: (4, 2) display corners in photo pixels.
        art: uint8 (h, w, 3) RGB, the display as drawn.
        boxes: (n, 4) digit boxes x1, y1, x2, y2 in pixels of `art`.

    Returns:
        (n,) float64, about 1 for a perfect digit, about 0 for nothing left.
    """
    scale = _HEIGHT / art.shape[0]
    size = _HEIGHT, max(4, round(art.shape[1] * scale))
    seen, _ = rectify(photo, corners, 0.0, size)
    drawn = cv2.resize(art, size[::-1], interpolation=cv2.INTER_AREA)
    seen_fine, drawn_fine = _fine(seen), _fine(drawn)
    scores = []
    for x1, y1, x2, y2 in np.asarray(boxes, np.float64).reshape(-1, 4) * scale:
        part = slice(max(0, int(y1)), int(np.ceil(y2))), slice(max(0, int(x1)), int(np.ceil(x2)))
        a, b = drawn_fine[part], seen_fine[part]
        a, b = a - a.mean((0, 1)), b - b.mean((0, 1))
        power = float(np.sqrt((a * a).sum() * (b * b).sum())) + 1e-6
        likeness = float((a * b).sum()) / power
        contrast = likeness * float(np.sqrt((b * b).sum(-1).mean() / 3))
        scores.append(max(0.0, likeness) * min(1.0, max(0.0, contrast) / _FAINT))
    return np.array(scores)


def _fine(image: np.ndarray) -> np.ndarray:
    """Remove what is wider than a stroke: light, shadow and the tone of the ground. float32 (h, w, 3)."""
    values = image.astype(np.float32)
    return values - cv2.blur(values, (_HEIGHT // 2 + 1, _HEIGHT // 2 + 1))
