"""Handwritten digits: drawn with a pen along their skeletons, or taken from idx files such as MNIST's."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from reader.types import UInt8
from synthesis.lines.strokes import DIGITS, Line
from training.idx_digits import IdxDigits

Rng = np.random.Generator

_SUPER = 2


@dataclass(frozen=True)
class Hand:
    """How one person writes one number.

    Attributes:
        ways: which of the ways in `DIGITS` each digit is written.
        slant: shear to the right, in widths per height.
        width: of a digit in heights.
        pen: width of the line in heights of a digit.
        pressure: how much the line's width varies, 0 to 1.
        shake: size of the bends that no skeleton has, in heights.
        round: whether corners are rounded.
    """

    ways: tuple[int, ...]
    slant: float
    width: float
    pen: float
    pressure: float
    shake: float
    round: bool


def random_hand(rng: Rng) -> Hand:
    """A hand that stays the same over a number."""
    return Hand(
        ways=tuple(int(rng.integers(len(ways))) for ways in DIGITS),
        slant=float(rng.normal(0.12, 0.16)),
        width=float(rng.uniform(0.42, 0.78)),
        pen=float(np.exp(rng.uniform(np.log(0.03), np.log(0.15)))),
        pressure=float(rng.uniform(0, 0.5)),
        shake=float(rng.uniform(0.01, 0.06)),
        round=bool(rng.random() < 0.6),
    )


def pen_digit(rng: Rng, digit: int, hand: Hand, height: int) -> UInt8:
    """One digit in a hand's writing.

    Args:
        rng: draws what differs from one digit to the next.
        digit: 0 to 9.
        hand: how the person writes.
        height: px of the digit without the pen's width.

    Returns:
        (h, w) uint8 ink, 255 = full, cut to the ink.
    """
    way = hand.ways[digit] if rng.random() < 0.9 else int(rng.integers(len(DIGITS[digit])))
    slant, width = hand.slant + rng.normal(0, 0.05), hand.width * float(np.exp(rng.normal(0, 0.1)))
    phases = rng.uniform(0, 2 * np.pi, 4)
    side = height * _SUPER
    lines = []
    for line in DIGITS[digit][way]:
        points = _smooth(line, hand.round)
        x, y = points[:, 0], points[:, 1]
        bend = hand.shake
        x = x + bend * (np.sin(5 * y + phases[0]) + 0.6 * np.sin(9 * x + phases[1]))
        y = y + bend * (np.sin(5 * x + phases[2]) + 0.6 * np.sin(8 * y + phases[3])) + rng.normal(0, 0.015)
        lines.append(np.stack([(x * width + slant * (0.5 - y)) * side, y * side], axis=1))
    pen = max(1.0, hand.pen * side)
    every = np.concatenate(lines)
    origin = every.min(axis=0) - pen - 2
    size = np.ceil(every.max(axis=0) - origin + pen + 2).astype(int)
    canvas = np.zeros((size[1], size[0]), np.uint8)
    for points in lines:
        _draw(canvas, points - origin, pen, hand.pressure, float(phases[0]))
    shape = (max(1, canvas.shape[1] // _SUPER), max(1, canvas.shape[0] // _SUPER))
    return _cut(cv2.resize(canvas, shape, interpolation=cv2.INTER_AREA))


def _smooth(line: Line, round_corners: bool) -> np.ndarray:
    """Points (n, 2) along a skeleton's line, close to each other, its corners rounded as a quick hand rounds them."""
    points = np.array(line, np.float64)
    for _ in range(3 if round_corners else 0):  # Chaikin's corner cutting
        cut = np.empty((2 * len(points), 2))
        cut[0::2], cut[1::2] = points, points
        cut[1:-1:2] = 0.75 * points[:-1] + 0.25 * points[1:]
        cut[2::2] = 0.25 * points[:-1] + 0.75 * points[1:]
        points = cut
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    steps = np.linspace(0, along[-1], max(3, int(along[-1] * 14)))
    return np.stack([np.interp(steps, along, points[:, axis]) for axis in (0, 1)], axis=1)


def _draw(canvas: UInt8, points: np.ndarray, pen: float, pressure: float, phase: float) -> None:
    fixed = np.int32(np.round(points * 16))
    if pressure * pen < 0.6:
        cv2.polylines(canvas, [fixed], False, 255, max(1, round(pen)), cv2.LINE_AA, 4)
        return
    widths = pen * (1 + pressure * np.sin(np.linspace(phase, phase + 5, len(points))))
    for i in range(len(points) - 1):
        cv2.line(canvas, fixed[i], fixed[i + 1], 255, max(1, round(float(widths[i]))), cv2.LINE_AA, 4)


def _cut(mask: UInt8) -> UInt8:
    x, y, w, h = cv2.boundingRect(mask)
    return mask[y : y + h, x : x + w] if w and h else mask


@dataclass(frozen=True)
class DigitBank(IdxDigits):
    """Pictures of single digits that hands write with."""

    def digit(self, rng: Rng, digit: int, hand: Hand, height: int) -> UInt8:
        """A picture of that digit, cut, at a height in px, with a hand's slant and a pen about as wide as its."""
        ink = cv2.copyMakeBorder(_cut(self.tile(rng, digit)), 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=0)
        scale = height / max(12, ink.shape[0] - 4)
        stretch = scale * float(np.exp(rng.normal(0, 0.1)))
        slant = -(hand.slant - 0.12) * 0.6 * scale
        w, h = round(ink.shape[1] * stretch + abs(slant) * ink.shape[0]) + 2, round(ink.shape[0] * scale)
        to = np.float32([[stretch, slant, max(0.0, -slant) * ink.shape[0]], [0, scale, 0]])
        large = cv2.warpAffine(ink, to, (max(1, w), max(1, h)), flags=cv2.INTER_LINEAR)
        change = (hand.pen - 0.09) * height  # MNIST's strokes are about a tenth of the height wide
        if abs(change) > 1:
            kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2, 2) if change > 0 or abs(change) < 2 else (3, 3))
            thinner = cv2.erode(large, kernel)
            large = cv2.dilate(large, kernel) if change > 0 else (thinner if thinner.max() > 150 else large)
        return _cut(large)
