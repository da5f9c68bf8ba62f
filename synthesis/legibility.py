"""Whether a person can still read a display on a made photo, measured against the display as it was drawn."""

from __future__ import annotations

import cv2
import numpy as np

from reader.geometry import rectify
from synthesis.display import DisplayArt

#: Height in pixels at which photo and drawing are compared.
_HEIGHT = 32
#: Grey levels of contrast (standard deviation within a digit) under which print drowns in the dark or in the light.
_FAINT = 7.0
#: Grey levels by which the colours of decimals must differ from those of the other digits to be seen as different.
_COLOURED = 7.0
#: The same for the ground's brightness: light and shadow make smaller differences.
_BRIGHTER = 45.0
#: Score of a decimal point that a person can just see.
_POINT = 0.4


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
    seen, drawn, scale = _beside(photo, corners, art)
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


def decimals_show(photo: np.ndarray, corners: np.ndarray, art: DisplayArt) -> bool:
    """Whether a person can see on the photo where the decimals begin: by a point, smaller digits, or colours.

    Red ink is grey on a picture without colours and black in the dark; what then tells nothing must not be asked for.

    Args:
        photo: uint8 (H, W, 3) RGB.
        corners: (4, 2) display corners in photo pixels.
        art: the display as drawn.

    Returns:
        True also where the display has no decimals.
    """
    decimals = len(art.reading.partition(".")[2])
    digits = sorted(box for box in art.boxes if box[4].isdigit())
    if not decimals:
        return True
    points = np.array([box[:4] for box in art.boxes if box[4] == "point"], np.float64).reshape(-1, 4)
    room = art.image.shape[0] * 0.04 * np.array([-1, -1, 1, 1])
    if len(points) and digit_scores(photo, corners, art.image, points + room).min() >= _POINT:
        return True
    if art.kind == "digital":
        heights = np.array([box[3] - box[1] for box in digits])
        return bool(np.median(heights[-decimals:]) < 0.85 * np.median(heights[:-decimals]))
    seen, drawn, scale = _beside(photo, corners, art.image)
    looks = np.array([_look(seen, drawn, np.array(box[:4]) * scale) for box in digits])
    whole, rest = looks[:-decimals], looks[-decimals:]
    apart = np.abs(whole.mean(0) - rest.mean(0))
    spread = np.sqrt((whole.var(0) * len(whole) + rest.var(0) * len(rest)) / len(looks))
    needed = np.maximum([_COLOURED] * 6 + [_BRIGHTER] * 2, 1.6 * spread)
    return bool((apart > needed).any())


def _beside(photo: np.ndarray, corners: np.ndarray, art: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The display as photographed and as drawn, uint8 (_HEIGHT, w, 3), and their size as a share of `art`."""
    scale = _HEIGHT / art.shape[0]
    size = _HEIGHT, max(4, round(art.shape[1] * scale))
    seen, _ = rectify(photo, corners, 0.0, size)
    return seen, cv2.resize(art, size[::-1], interpolation=cv2.INTER_AREA), scale


def _look(seen: np.ndarray, drawn: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Colours of a digit on the photo, (8,): red and blue less green of ink, ground and frame; brightness of two.

    The brightness is that of the ground, and that of the ink against it. What is ink is taken from the drawing.
    """
    x1, y1, x2, y2 = (max(0, round(value)) for value in box)
    x2, y2 = max(x2, x1 + 1), max(y2, y1 + 1)
    a, b = (part[y1:y2, x1:x2].astype(np.float32).reshape(-1, 3) for part in (drawn, seen))
    far = np.abs(a - np.median(a, 0)).sum(-1)
    is_ink = far > 0.5 * far.max()
    ink, ground = (b[is_ink].mean(0), b[~is_ink].mean(0)) if is_ink.any() else (b.mean(0),) * 2
    beside = max(1, (x2 - x1) // 4)
    around = seen[:, max(0, x1 - beside) : x2 + beside].astype(np.float32)
    frame = np.concatenate([around[:y1].reshape(-1, 3), around[y2:].reshape(-1, 3), around[:, :beside].reshape(-1, 3)])
    colours = [value for part in (ink, ground, frame.mean(0)) for value in (part[0] - part[1], part[2] - part[1])]
    return np.array([*colours, ground.mean(), ink.mean() - ground.mean()])


def _fine(image: np.ndarray) -> np.ndarray:
    """Remove what is wider than a stroke: light, shadow and the tone of the ground. float32 (h, w, 3)."""
    values = image.astype(np.float32)
    return values - cv2.blur(values, (_HEIGHT // 2 + 1, _HEIGHT // 2 + 1))
