"""Worn LCDs: what is drawn over them leaves them readable, and their labels where they were."""

from __future__ import annotations

import numpy as np
import pytest

from reader.symbols import DIGITS
from synthesis import crops
from synthesis.crops import make_display
from synthesis.lcd_wear import faint_ink, lamps, uneven


@pytest.mark.parametrize(
    ("ground", "why"),
    [
        ((40, 230, 60), "a green backlight"),
        ((90, 160, 250), "a blue one"),
        ((250, 160, 20), "an amber one"),
        ((245, 245, 245), "white"),
        ((60, 62, 58), "none, in the shade"),
    ],
)
def test_faint_ink_is_seen_and_no_brighter_than_its_ground(ground, why):
    light = np.array((0.299, 0.587, 0.114))
    for seed in range(40):
        ink = faint_ink(np.random.default_rng(seed), np.array(ground, np.float32))
        assert ink.min() >= 0 and ink.max() <= 255, why
        assert np.linalg.norm(ink - ground) >= 25.9 or ink.max() <= 1, why
        assert ink @ light <= 1.12 * (np.array(ground) @ light), why


def test_faint_ink_loses_the_colour_of_the_light():
    ground = np.array((40.0, 230.0, 60.0), np.float32)
    chroma = [np.ptp(faint_ink(np.random.default_rng(seed), ground)) for seed in range(60)]
    assert np.median(chroma) < 0.6 * np.ptp(ground)


def test_uneven_ink_only_fades():
    alpha = np.full((60, 200), 0.9, np.float32)
    for seed in range(20):
        left = uneven(np.random.default_rng(seed), alpha)
        assert left.shape == alpha.shape and left.dtype == np.float32
        assert (left <= alpha + 1e-6).all() and left.min() > 0.05
        assert np.ptp(left) > 0.02
    assert not uneven(np.random.default_rng(0), np.zeros((60, 200), np.float32)).any()


def test_under_lamps_something_shows():
    """Ink and ground stay apart under every reflection: a digit that nobody sees may not keep its label."""
    ground, ink = np.full((60, 200, 3), 60, np.float32), np.full((60, 200, 3), 200, np.float32)
    for seed in range(40):
        one, other = (lamps(np.random.default_rng(seed), image) for image in (ground, ink))
        assert (other - one).min() >= 140 * 0.3**3 - 1e-3
        assert one.max() > 60


def test_a_turned_lcd_keeps_its_digits_in_their_boxes(monkeypatch):
    """The same display with and without the turn: what is inside a box stays the same, about."""
    digits = 0
    for seed in range(12):
        pictures = []
        for share in (0.0, 1.0):
            monkeypatch.setattr(crops, "_AS_FOUND", share)
            pictures.append(make_display(np.random.default_rng([5, seed]), "digital"))
        still, turned = pictures
        assert [box[4] for box in still.boxes] == [box[4] for box in turned.boxes]
        assert still.reading == turned.reading and still.image.shape == turned.image.shape
        h, w = turned.image.shape[:2]
        for (*before, name), (*after, _) in zip(still.boxes, turned.boxes, strict=True):
            assert 0 <= after[0] < after[2] <= w and 0 <= after[1] < after[3] <= h
            if name in DIGITS:
                size = np.subtract(before[2:], before[:2])
                assert np.abs(np.subtract(after[2:], after[:2]) / size - 1).max() < 0.35
                digits += 1
    assert digits > 40
