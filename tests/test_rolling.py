"""reader/rolling.py: the last drum between two digits, and what the reading makes of it."""

import cv2
import numpy as np
import pytest

from reader.confidence import READING_FEATURES, Calibration, reading_confidence, reading_features
from reader.decode import decode_views
from reader.pipeline import ReadDisplay, photo_digits
from reader.rolling import half_rolled, shows_two_digits
from reader.types import Boxes, Display

WIDTH, HEIGHT = 30, 48
BOX = np.array([10, 8, 10 + WIDTH, 8 + HEIGHT], np.float32)


def drum(digit, tenths, ink=(20, 20, 20), ground=(230, 225, 220), noise=0.0):
    """A display (64, 60, 3) with one drum's window, `tenths` of the way from `digit` to the next one."""
    step = HEIGHT  # from one digit to the next
    strip = np.full((3 * step, WIDTH, 3), ground, np.uint8)
    for place in range(3):
        at = (2, place * step + step - 7)
        cv2.putText(strip, str((digit + place) % 10), at, cv2.FONT_HERSHEY_SIMPLEX, 1.5, ink, 5, cv2.LINE_AA)
    picture = np.full((64, 60, 3), 120, np.uint8)
    top = round(step * tenths / 10)
    picture[8 : 8 + HEIGHT, 10 : 10 + WIDTH] = strip[top : top + HEIGHT]
    grain = np.random.default_rng(digit).normal(0, noise, picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("digit", range(10))
def test_half_way_is_told_from_a_whole_digit(digit):
    whole = [half_rolled(drum(digit, tenths, noise=3), BOX) for tenths in (0, 1, 2, 8, 9)]
    assert max(whole) < 0.6 < half_rolled(drum(digit, 5, noise=3), BOX)


def test_the_nearer_to_half_way_the_more():
    found = [half_rolled(drum(4, tenths), BOX) for tenths in range(3, 9)]
    assert found[0] < found[1] < found[2] > found[3] > found[4] >= found[5] == 0


def test_white_on_black_and_red_drums():
    for ink, ground in (((240, 240, 240), (30, 30, 30)), ((250, 250, 250), (190, 20, 30))):
        assert half_rolled(drum(3, 5, ink, ground), BOX) > 0.6
        assert half_rolled(drum(3, 0, ink, ground), BOX) < 0.3


def test_nothing_to_see_is_not_half_way():
    assert half_rolled(np.full((64, 60, 3), 90, np.uint8), BOX) == 0.0
    assert half_rolled(drum(3, 5), [0, 0, 5, 5]) == 0.0
    assert half_rolled(drum(3, 5), [100, 8, 130, 56]) == 0.0


def seen(digit, second):
    """What the detector sees: one digit, and a second one that is its likeliest neighbour."""
    probabilities = np.zeros((1, 15), np.float32)
    probabilities[0, digit], probabilities[0, second] = 0.95, 0.1
    return Boxes(BOX[None], np.array([digit]), np.array([0.95], np.float32), probabilities)


def read(tenths, rolls=True, digit=6, second=7):
    return decode_views([seen(digit, second)], (0, 0, 60, 64), rolls=rolls, picture=drum(6, tenths))


def test_a_drum_half_way_tells_both_digits_and_is_less_sure():
    half, whole = read(5), read(0)
    assert (half.text, half.digits[0].alternative) == ("6", "7")
    assert (whole.text, whole.digits[0].alternative) == ("6", None)
    assert half.rolled > 0.6 and whole.rolled < 0.3
    assert read(5, digit=7, second=6).digits[0].alternative == "6"
    display = Display(np.zeros((4, 2), np.float32), 0, 0.9, np.array([1, 0, 0, 0], np.float32))
    weights = Calibration(reading_weights={"product": 1.0, "rolled": -2.0})
    sure = [reading_confidence(each, reading_features(each, display), weights) for each in (half, whole)]
    assert sure[0] < sure[1]
    assert reading_features(half, display)[READING_FEATURES.index("rolled")] == half.rolled


def test_the_digit_on_the_photo_is_no_surer_than_its_drum():
    whole, half = read(0), read(5)
    shown = [
        photo_digits(ReadDisplay(each, np.eye(3), np.zeros(len(READING_FEATURES))))[0].confidence
        for each in (whole, half)
    ]
    assert shown == [whole.digits[0].confidence, 1 - half.rolled / 2]
    assert shown[1] < 0.7 < half.digits[0].confidence


def test_uneven_light_is_not_taken_for_two_digits():
    """A bright upper half and a dark lower half change what counts as ink, but not where the rows are empty."""
    for tenths, two in ((0, False), (5, True)):
        light = np.where(np.arange(64) < 32, 1.0, 0.45)[:, None, None]
        shaded = np.clip(drum(8, tenths, noise=2) * light, 0, 255).astype(np.uint8)
        assert shows_two_digits(shaded, BOX) == two


def test_digits_of_an_lcd_do_not_roll():
    assert (read(5, rolls=False).rolled, read(5, rolls=False).digits[0].alternative) == (0.0, None)
