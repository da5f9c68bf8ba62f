"""Whether a person can still read a display on a made photo, measured against the display as it was drawn."""

from __future__ import annotations

import cv2
import numpy as np

from reader.geometry import rectify
from synthesis.display import DisplayArt

#: Height in pixels at which photo and drawing are compared.
_HEIGHT = 32
#: Deviation of a blur, in heights of a digit, that leaves a digit's place and loses its strokes: what blur as strong
#: would leave does not tell a 3 from an 8, however like the drawing it is.
_STROKES = 1 / 8
#: Contrast of strokes (standard deviation along the ink's colour, in grey levels) under which print drowns.
_FAINT = 8.0
#: Grey levels by which the colours of decimals must differ from those of the other digits to be seen as different.
_COLOURED = 7.0
#: The same for the ground's brightness: light and shadow make smaller differences.
_BRIGHTER = 45.0
#: Every digit of a legible display scores at least this: what a person can just read.
READABLE = 0.58
#: At least half its digits score at least this: a few digits may be smeared, not all of them.
CLEAR = 0.7
#: A decimal point is seen if it differs from the ground around it by so many grey levels ...
_POINT = 12.0
#: ... and by so many times the deviation of that ground, which noise and the blurred strokes beside it make.
_POINT_APART = 1.7


def digit_scores(photo: np.ndarray, corners: np.ndarray, art: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Compare the strokes of every digit on the photo with those of the drawing.

    Blur, noise, glare and covers all lower the correlation; what a person cannot see because it is too faint is lowered
    in proportion. Photo and drawing are each compared along one colour, so that red on yellow counts like black on
    white.

    Args:
        photo: uint8 (H, W, 3) RGB.
        corners: (4, 2) display corners in photo pixels.
        art: uint8 (h, w, 3) RGB, the display as drawn.
        boxes: (n, 4) digit boxes x1, y1, x2, y2 in pixels of `art`.

    Returns:
        (n,) float64, about 1 for a perfect digit, about 0 for nothing left.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    if not len(boxes):
        return np.zeros(0)
    seen, drawn, scale = _beside(photo, corners, art)
    blur = float(np.median(boxes[:, 3] - boxes[:, 1])) * scale * _STROKES
    seen_fine, drawn_fine = (_fine(image, blur) for image in (seen, drawn))
    scores = []
    for x1, y1, x2, y2 in boxes * scale:
        part = slice(max(0, int(y1)), int(np.ceil(y2))), slice(max(0, int(x1)), int(np.ceil(x2)))
        a, b = (fine[part].reshape(-1, 3) for fine in (drawn_fine, seen_fine))
        a, b = a - a.mean(0), b - b.mean(0)
        ink = a @ np.linalg.eigh(a.T @ a)[1][:, -1]  # along the colour in which the drawing differs most
        ink /= np.linalg.norm(ink) + 1e-6
        colour = ink @ b  # in which the photo differs as the drawing does; its length: by how much
        agreeing = float(np.linalg.norm(colour))
        likeness = agreeing / (float(np.linalg.norm(b @ colour)) / (agreeing + 1e-6) + 1e-6)
        scores.append(likeness * min(1.0, agreeing / np.sqrt(len(ink)) / _FAINT))
    return np.array(scores)


def digits_show(photo: np.ndarray, corners: np.ndarray, art: DisplayArt) -> bool:
    """Whether a person can read every digit on the photo; arguments as of `decimals_show`.

    Of the drawing itself as the photo it tells whether its ink can be seen at all.
    """
    scores = digit_scores(photo, corners, art.image, art.digits)
    return bool(scores.min() >= READABLE and np.median(scores) >= CLEAR)


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
    if not decimals:
        return True
    points = [np.array(box[:4]) for box in art.boxes if box[4] == "point"]
    if points and all(_point_shows(photo, corners, art.image, point) for point in points):
        return True
    if art.kind == "digital":
        heights = art.digits[:, 3] - art.digits[:, 1]
        return bool(np.median(heights[-decimals:]) < 0.85 * np.median(heights[:-decimals]))
    seen, drawn, scale = _beside(photo, corners, art.image)
    looks = np.array([_look(seen, drawn, box) for box in art.digits * scale])
    whole, rest = looks[:-decimals], looks[-decimals:]
    apart = np.abs(whole.mean(0) - rest.mean(0))
    spread = np.sqrt((whole.var(0) * len(whole) + rest.var(0) * len(rest)) / len(looks))
    needed = np.maximum([_COLOURED] * 6 + [_BRIGHTER] * 2, 1.6 * spread)
    return bool((apart > needed).any())


def _point_shows(photo: np.ndarray, corners: np.ndarray, art: np.ndarray, box: np.ndarray) -> bool:
    """Whether a person can see the decimal point in that box, x1, y1, x2, y2 in pixels of `art`, on the photo."""
    seen, drawn, scale = _beside(photo, corners, art, 2 * _HEIGHT)
    x1, y1, x2, y2 = box * scale
    room = max(2.5, 0.7 * max(x2 - x1, y2 - y1))
    left, top = max(0, int(x1 - room)), max(0, int(y1 - room))
    part = slice(top, int(np.ceil(y2 + room))), slice(left, int(np.ceil(x2 + room)))
    a, b = drawn[part].astype(np.float32), seen[part].astype(np.float32)
    y, x = np.mgrid[: a.shape[0], : a.shape[1]] + 0.5
    inside = (x > x1 - left) & (x < x2 - left) & (y > y1 - top) & (y < y2 - top)
    if not inside.any() or inside.all():
        return False
    far = np.linalg.norm(a - np.median(a[~inside], 0), axis=-1)
    farthest = far[inside].max()
    ink, ground = b[inside & (far > 0.6 * farthest)], b[~inside & (far < 0.35 * farthest)]
    if not len(ink) or len(ground) < 4:
        return False
    apart = ink.mean(0) - ground.mean(0)
    contrast = float(np.linalg.norm(apart))
    spread = float((ground @ (apart / (contrast + 1e-6))).std())
    return contrast >= max(_POINT, _POINT_APART * spread)


def _beside(
    photo: np.ndarray, corners: np.ndarray, art: np.ndarray, height: int = _HEIGHT
) -> tuple[np.ndarray, np.ndarray, float]:
    """The display as photographed and as drawn, uint8 (height, w, 3), and their size as a share of `art`."""
    scale = height / art.shape[0]
    size = height, max(4, round(art.shape[1] * scale))
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


def _fine(image: np.ndarray, blur: float) -> np.ndarray:
    """Remove what is wider than a stroke: light, shadow and the tone of the ground. float32 (h, w, 3)."""
    values = image.astype(np.float32)
    return values - cv2.GaussianBlur(values, (0, 0), blur)
