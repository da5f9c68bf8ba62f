"""Pictures that show why: the display, its digits and the reading drawn on the photo and on the rectified display."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from reader.geometry import MARGIN, display_homography, display_size, rectify, warp_points
from reader.image import resize
from reader.types import Result, UInt8

Colour = tuple[int, int, int]

GREEN: Colour = (40, 190, 70)
AMBER: Colour = (240, 170, 20)
RED: Colour = (230, 50, 50)
BLUE: Colour = (60, 140, 255)
WHITE: Colour = (255, 255, 255)
INK: Colour = (25, 28, 32)

_FONT = cv2.FONT_HERSHEY_DUPLEX


def confidence_colour(confidence: float) -> Colour:
    """Green for 0.9 and more, amber for 0.5 and more, else red."""
    return GREEN if confidence >= 0.9 else AMBER if confidence >= 0.5 else RED


def headline(result: Result) -> str:
    """The reading and its confidence, or why there is none, in one short line."""
    if result.error is not None:
        return result.error
    if result.success:
        return f"{result.text}  {100 * result.confidence:.0f} %"
    shown = result.text or result.rejected_text
    detail = f" ({shown})" if shown else ""
    return f"no reading: {str(result.reason).replace('_', ' ')}{detail}"


def annotate(photo: UInt8, result: Result, banner: bool = True) -> UInt8:
    """The photo with the display's outline, the boxes of the digits and the reading.

    Args:
        photo: (H, W, 3) uint8 RGB, not changed.
        result: of this photo, corners and boxes in its pixels.
        banner: whether the reading is written along the photo's upper edge.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    drawn = photo.copy()
    # Strokes and letters keep their size in the eye of the viewer, whatever the size of the photo.
    unit = max(drawn.shape[:2]) / 600
    if result.corners is not None:
        _outline(drawn, result.corners, BLUE, max(1, round(2 * unit)))
        # A dot on the display's own top-left corner shows its orientation.
        first = tuple(int(value) for value in np.round(result.corners[0]))
        cv2.circle(drawn, first, max(2, round(5 * unit)), BLUE, -1, cv2.LINE_AA)
    for digit in result.digits:
        _outline(drawn, digit.box, confidence_colour(digit.confidence), max(1, round(unit)))
    if banner:
        _banner(drawn, headline(result), unit, GREEN if result.success else RED)
    return drawn


def draw_display(photo: UInt8, result: Result, height: int = 120) -> UInt8:
    """The rectified display with the boxes of its digits and what each was read as, above and below them.

    Args:
        photo: (H, W, 3) uint8 RGB.
        result: of this photo, with corners.
        height: of the display with its margin, in pixels.

    Returns:
        (height + bands for the letters, W', 3) uint8 RGB; the width follows the display's shape.

    Raises:
        ValueError: the result has no corners.
    """
    if result.corners is None:
        raise ValueError("a result without a display has nothing to draw")
    own_height, own_width = display_size(result.corners)
    ratio = (own_width + 2 * MARGIN * own_height) / (own_height * (1 + 2 * MARGIN))
    size = (height, int(np.clip(round(height * ratio), height // 2, 12 * height)))
    display, _ = rectify(photo, result.corners, MARGIN, size)
    homography = display_homography(result.corners, size, MARGIN)
    band = int(np.clip(round(height * 0.3), 14, 32))
    picture = np.full((height + 2 * band, size[1], 3), INK, np.uint8)
    picture[band : band + height] = display
    for digit in result.digits:
        box = warp_points(digit.box, homography) + np.array([0, band])
        colour = confidence_colour(digit.confidence)
        _outline(picture, box, colour, 2)
        middle = float(box[:, 0].mean())
        name = digit.text if digit.alternative is None else f"{digit.text}/{digit.alternative}"
        _text(picture, name, (middle, band * 0.5), band * 0.55, RED if digit.decimal else WHITE)
        _text(picture, f"{100 * digit.confidence:.0f}", (middle, band * 1.5 + height), band * 0.4, colour)
    return picture


def panel(photo: UInt8, result: Result, width: int = 640) -> UInt8:
    """The reading, the annotated photo and the rectified display, one below another.

    Args:
        photo: (H, W, 3) uint8 RGB.
        result: of this photo.
        width: of the panel in pixels.

    Returns:
        (H', width, 3) uint8 RGB.
    """
    # Drawn after shrinking, so that the strokes stay crisp.
    scale = min(width / photo.shape[1], 1.25 * width / photo.shape[0])
    small = resize(photo, (max(1, round(photo.shape[0] * scale)), max(1, round(photo.shape[1] * scale))))
    factors = np.array([small.shape[1] / photo.shape[1], small.shape[0] / photo.shape[0]])
    title = np.full((max(1, width // 14), width, 3), INK, np.uint8)
    _banner(title, headline(result), width / 640, GREEN if result.success else RED)
    rows = [title, _centred(annotate(small, _scaled(result, factors), banner=False), width)]
    if result.corners is not None:
        height, own_width = display_size(result.corners)
        ratio = (own_width + 2 * MARGIN * height) / (height * (1 + 2 * MARGIN))
        display = draw_display(photo, result, height=max(8, min(round(0.95 * width / ratio), width // 3)))
        if display.shape[1] > width:
            display = resize(display, (max(1, round(display.shape[0] * width / display.shape[1])), width))
        rows.append(_centred(display, width))
    return np.vstack(rows)


def _scaled(result: Result, factors: npt.NDArray[np.float64]) -> Result:
    corners = None if result.corners is None else (result.corners * factors).astype(np.float32)
    digits = tuple(replace(digit, box=(digit.box * factors).astype(np.float32)) for digit in result.digits)
    return replace(result, corners=corners, digits=digits)


def _centred(picture: UInt8, width: int) -> UInt8:
    row = np.full((picture.shape[0], width, 3), INK, np.uint8)
    left = (width - picture.shape[1]) // 2
    row[:, left : left + picture.shape[1]] = picture
    return row


def _outline(picture: UInt8, corners: npt.ArrayLike, colour: Colour, thickness: int) -> None:
    # Sixteenths of a pixel, and pixel centres as OpenCV counts them.
    points = np.round((np.asarray(corners, np.float64) - 0.5) * 16).astype(np.int32)
    cv2.polylines(picture, [points], True, colour, thickness, cv2.LINE_AA, shift=4)


def _banner(picture: UInt8, text: str, unit: float, colour: Colour) -> None:
    """A line of text on a dark band along the upper edge, made to fit the width."""
    scale, thickness = 0.9 * unit, max(1, round(1.2 * unit))
    (wide, high), base = cv2.getTextSize(text, _FONT, scale, thickness)
    room = picture.shape[1] - 16 * unit
    if wide > room > 0:
        scale *= room / wide
        (_, high), base = cv2.getTextSize(text, _FONT, scale, thickness)
    band = min(picture.shape[0], round(high + base + 12 * unit))
    picture[:band] = (picture[:band] * 0.25 + np.array(INK) * 0.75).astype(np.uint8)
    cv2.rectangle(picture, (0, 0), (max(1, round(4 * unit)), band - 1), colour, -1)
    origin = (round(10 * unit), round(high + 6 * unit))
    cv2.putText(picture, text, origin, _FONT, scale, WHITE, thickness, cv2.LINE_AA)


def _text(picture: UInt8, text: str, middle: Sequence[float], height: float, colour: Colour) -> None:
    """Text centred on a point, `height` pixels high."""
    (_, high), _ = cv2.getTextSize(text, _FONT, 1.0, 1)
    scale = height / high
    thickness = max(1, round(scale * 1.6))
    (wide, high), _ = cv2.getTextSize(text, _FONT, scale, thickness)
    origin = (round(middle[0] - wide / 2), round(middle[1] + high / 2))
    cv2.putText(picture, text, origin, _FONT, scale, colour, thickness, cv2.LINE_AA)
