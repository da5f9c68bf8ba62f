"""reader/ink.py: numbers drawn anywhere on a canvas, with any pen, are found; photographs stay what they are."""

import cv2
import numpy as np
import pytest
from fake_lines import fake_line_reader

from reader.ink import _boxes, cut_drawing, read_drawing
from reader.line_image import prepare

DIGITS = "10100110"


def canvas(text="101", at=(500, 300), height=80, pen=8, size=(900, 1400), paper=255, ink=0, speck=None):
    """A canvas (H, W, 3) with strokes and rings for 1 and 0, and their left and right ends in pixels."""
    picture = np.full((*size, 3), paper, np.uint8)
    x, ends = at[0], []
    for digit in text:
        wide = round(0.6 * height) if digit == "0" else 0
        middle = (x + wide // 2, at[1] + height // 2)
        if digit == "1":
            cv2.line(picture, (x, at[1]), (x, at[1] + height), (ink,) * 3, pen, cv2.LINE_AA)
        else:
            cv2.ellipse(picture, middle, (wide // 2, height // 2), 0, 0, 360, (ink,) * 3, pen, cv2.LINE_AA)
        ends.append((x, x + wide))
        x += wide + round(0.3 * height) + pen
    if speck:
        cv2.circle(picture, speck, 3, (ink,) * 3, -1)
    return picture, ends


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "in the middle"),
        ({"at": (6, 6)}, "in a corner"),
        ({"at": (1250, 800), "text": "10"}, "in the other corner"),
        ({"height": 24, "pen": 2}, "small"),
        ({"height": 700, "pen": 40, "at": (100, 100), "text": "10"}, "as high as the canvas"),
        ({"height": 600, "pen": 2, "at": (200, 100)}, "with a thin pen, which would fade"),
        ({"pen": 20}, "with a felt pen"),
        ({"paper": 20, "ink": 250}, "chalk on a board"),
        ({"paper": 240, "ink": 120}, "pale ink"),
        ({"speck": (40, 850)}, "with a slip of the pen far away"),
        *[({"text": DIGITS[:n], "at": (100, 300)}, f"{n} digits") for n in range(1, 9)],
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_drawn_number_is_found(options, why):
    picture, ends = canvas(**options)
    before = picture.copy()
    reader = fake_line_reader()
    result = read_drawing(reader, picture, name="drawn")
    text = options.get("text", "101")
    assert (result.success, result.text, result.image) == (True, text, "drawn"), why
    assert result.original_image_shape == picture.shape
    np.testing.assert_array_equal(picture, before)
    pen, top, height = options.get("pen", 8), options.get("at", (500, 300))[1], options.get("height", 80)
    for each, (left, right) in zip(result.characters, ends, strict=True):
        ideal = (left - pen / 2, top - pen / 2, right + pen / 2, top + height + pen / 2)
        box = (*each.box.min(axis=0), *each.box.max(axis=0))
        assert np.abs(np.subtract(box, np.clip(ideal, 0, 9999))).max() <= 3 + 0.04 * height, "around its digit"
    seen = reader.network.batches[-1][0]
    contrast = np.ptp(seen.astype(int), axis=(0, 1)).min()
    assert contrast > 0.5 * abs(options.get("paper", 255) - options.get("ink", 0)), "ink stays ink when it shrinks"


def test_a_cut_looks_as_lines_look_that_were_learned():
    """Wherever and however large a number is drawn, the network gets nearly the same picture."""
    first = cut_drawing(canvas(height=100, pen=10)[0]).pixels
    second = cut_drawing(canvas(at=(30, 500), height=200, pen=20)[0]).pixels
    small = [prepare(each, (40, 192), "pad").astype(int) for each in (first, second)]
    assert np.abs(small[0] - small[1]).mean() < 3
    rows = np.flatnonzero((255 - small[0]).max(axis=(1, 2)) > 60)
    assert 20 <= np.ptp(rows) + 1 <= 34, "the number takes most of the height, with a margin"


def test_touching_digits_share_their_ink():
    ink = np.zeros((30, 90), np.uint8)
    ink[5:25, 10:40] = ink[5:25, 50:80] = 1  # two marks, the first of them two digits that touch
    ink[2:4, 60:63] = 1  # the third digit's loose stroke
    boxes = _boxes(ink, [17.0, 31.0, 68.0])
    np.testing.assert_array_equal(boxes, [[10, 5, 24, 25], [24, 5, 40, 25], [50, 2, 80, 25]])
    assert _boxes(ink, []).shape == (0, 4)
    np.testing.assert_array_equal(_boxes(0 * ink, [20.0]), [[20, 0, 20, 30]])


def test_an_empty_canvas_has_no_text():
    reader = fake_line_reader()
    for paper in (0, 255, 180):
        result = read_drawing(reader, np.full((300, 500, 3), paper, np.uint8))
        assert (result.success, result.text, result.reason) == (False, "", "no_text")
        assert result.original_image_shape == (300, 500, 3)
    assert not reader.network.batches, "nobody is asked about nothing"


def test_what_is_no_drawing_stays_as_it_is():
    rng = np.random.default_rng(3)
    noisy = rng.normal(200, 12, (60, 150, 3)).clip(0, 255).astype(np.uint8)
    cv2.line(noisy, (40, 20), (40, 40), (20, 20, 20), 4)
    gradient = np.repeat(np.linspace(90, 230, 200).astype(np.uint8)[None, :, None], 80, axis=0).repeat(3, axis=2)
    tight, _ = canvas("10", at=(8, 6), height=50, pen=6, size=(62, 70))
    for picture in (noisy, gradient, tight):
        assert cut_drawing(np.ascontiguousarray(picture)) is None
        reader = fake_line_reader()
        read_drawing(reader, picture)
        np.testing.assert_array_equal(reader.network.batches[0][0], prepare(picture, (40, 192), "pad"))


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (3, 3)])
def test_tiny_pictures(size):
    for picture in (np.full((*size, 3), 7, np.uint8), np.eye(*size, dtype=np.uint8)[:, :, None].repeat(3, 2) * 255):
        assert read_drawing(fake_line_reader(), picture).original_image_shape == (*size, 3)
