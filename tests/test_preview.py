"""Contact sheets: every sample is there, at its place, with its labels."""

import numpy as np
from labelled_samples import picture

from reader.image import load_image
from training.preview import COLOURS, Tile, contact_sheet, write_sheet

GREY = (100, 100, 100)


def tile(shapes, class_ids, caption="a.jpg", size=(60, 80)):
    image = np.full((*size, 3), 100, np.uint8)
    return Tile(image, np.array(shapes, float), np.array(class_ids, np.int64), [""] * len(class_ids), caption)


def close(pixel, colour):
    return np.abs(pixel.astype(int) - colour).max() < 15  # lines are drawn smoothly


def test_size_follows_from_the_cells():
    tiles = [tile(np.zeros((0, 4, 2)), [])] * 5
    # Two rows of three: cells of 40 x 50, captions of 18 and gaps of 6 pixels.
    assert contact_sheet(tiles, columns=3, cell=(40, 50)).shape == (2 * 64 + 6, 3 * 56 + 6, 3)
    assert contact_sheet(tiles[:1], columns=3, cell=(40, 50)).shape == (64 + 6, 56 + 6, 3)


def test_no_samples():
    sheet = contact_sheet([], cell=(40, 50))
    assert sheet.shape == (70, 62, 3)
    assert (sheet == 40).all()


def test_picture_is_fitted_and_centred():
    sheet = contact_sheet([tile(np.zeros((0, 4, 2)), [], size=(60, 80))], cell=(80, 80))
    rows = np.flatnonzero((sheet[:, 46] == GREY).all(axis=1))
    assert (rows.min(), rows.max()) == (6 + 10, 6 + 69)


def test_boxes_and_corners_are_drawn_in_the_colour_of_their_class():
    box = contact_sheet([tile([[20, 10, 60, 50]], [1])], cell=(60, 80))
    assert close(box[6 + 10, 6 + 40], COLOURS[1])  # the middle of the upper side
    corners = contact_sheet([tile([[[60, 50], [20, 50], [20, 10], [60, 10]]], [2])], cell=(60, 80))
    assert close(corners[6 + 10, 6 + 40], COLOURS[2])
    # A disc marks the display's own top-left: here the lower right corner on the photo, and no other.
    assert close(corners[6 + 48, 6 + 58], COLOURS[2])
    assert close(corners[6 + 12, 6 + 22], GREY)


def test_samples_are_not_changed():
    one = tile([[20, 10, 60, 50]], [1])
    contact_sheet([one], cell=(60, 80))
    assert (one.image == 100).all()


def test_long_and_foreign_names(tmp_path):
    names = ["a" * 300, "счётчик.jpg", ""]
    tiles = [Tile(picture(), np.zeros((0, 4)), np.zeros(0, np.int64), [], name) for name in names]
    write_sheet(tmp_path / "deep" / "sheet.png", tiles)
    assert load_image(tmp_path / "deep" / "sheet.png").shape == contact_sheet(tiles).shape
