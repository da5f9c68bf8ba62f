"""A photo decoded at part of its size: every place and every reading is that of the whole photo."""

import struct

import cv2
import numpy as np
import pytest
from fake_networks import FakeStage1, FakeStage2, bundle, photo_of

from reader import MeterReader, photo
from reader.geometry import rectify, warp
from reader.image import ImageError, encode_jpeg, encode_png, load_image, resize
from reader.photo import Photo, coarsest, open_photo


def stored_as(picture, orientation):
    """The pixels that a camera stores so that undoing `orientation` gives the picture."""
    return {
        1: picture,
        2: picture[:, ::-1],
        3: picture[::-1, ::-1],
        4: picture[::-1],
        5: picture.transpose(1, 0, 2),
        6: np.rot90(picture, 1),
        7: picture[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(picture, -1),
    }[orientation]


def jpeg(picture, orientation=1, quality=95):
    """A JPEG whose viewer sees `picture`, held by the camera in that orientation."""
    data = encode_jpeg(np.ascontiguousarray(stored_as(picture, orientation)), quality)
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    body = b"Exif\0\0II*\x00" + struct.pack("<IH", 8, 1) + entry + b"\0\0\0\0"
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def blob(shape, x, y, spread=9.0):
    """A soft white mark on black, (H, W, 3), its middle at x, y."""
    rows = np.exp(-((np.arange(shape[0]) + 0.5 - y) ** 2) / (2 * spread**2))
    columns = np.exp(-((np.arange(shape[1]) + 0.5 - x) ** 2) / (2 * spread**2))
    return np.repeat(np.round(255 * rows[:, None] * columns)[:, :, None], 3, axis=2).astype(np.uint8)


def middle_of(pixels):
    """The centre of brightness, x and y in continuous pixels."""
    weights = pixels[:, :, 0].astype(float)
    weights[weights < 3] = 0  # what JPEG adds far from the mark
    ys, xs = np.indices(weights.shape) + 0.5
    return np.array([(xs * weights).sum(), (ys * weights).sum()]) / weights.sum()


@pytest.mark.parametrize(
    ("shape", "by", "reason"),
    [
        ((480, 640, 3), 1, "a small photo is decoded whole"),
        ((2000, 3071, 3), 1, "one pixel short of being halved"),
        ((2000, 3072, 3), 2, "half of it is enough"),
        ((4000, 3000, 3), 2, "12 megapixels, held upright"),
        ((6048, 8064, 3), 4, "48 megapixels"),
        ((200, 12288, 3), 8, "a strip of a panorama"),
        ((200, 60000, 3), 8, "libjpeg goes no further"),
    ],
)
def test_the_coarse_picture_keeps_enough_pixels(shape, by, reason):
    assert coarsest(shape) == by, reason


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extra", range(8))
@pytest.mark.parametrize("overview", [8, 50], ids=["all decoded", "1/4 and 1/8 averaged"])
def test_places_are_exact_in_every_orientation_and_at_every_rounding(monkeypatch, orientation, extra, overview):
    monkeypatch.setattr(photo, "OVERVIEW", overview)
    height, width = 96 + extra, 120 + (3 * extra) % 8
    picture = blob((height, width), 61.3, 49.8)
    opened = open_photo(jpeg(picture, orientation))
    assert opened.shape == (height, width, 3)
    for by in (1, 2, 4, 8):
        level = opened.level(by)
        assert level.pixels.shape == (-(-height // by), -(-width // by), 3)
        place = level.to_photo @ [*middle_of(level.pixels), 1]
        np.testing.assert_allclose(place[:2], [61.3, 49.8], atol=0.1, err_msg=f"at 1/{by}")


def soft_picture(shape, seed=0):
    """Colours that change slowly, (H, W, 3)."""
    small = np.random.default_rng(seed).integers(0, 256, (shape[0] // 16, shape[1] // 16, 3), np.uint8)
    return cv2.resize(small, shape[::-1], interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("by", [2, 4, 8])
def test_a_level_is_the_mean_of_the_photos_pixels(monkeypatch, by):
    monkeypatch.setattr(photo, "OVERVIEW", 8)
    data = jpeg(soft_picture((160, 240)))
    whole = load_image(data)
    means = whole.reshape(160 // by, by, 240 // by, by, 3).mean(axis=(1, 3))
    assert np.abs(open_photo(data).level(by).pixels - means).mean() < 1.5, "decoded at that size"
    assert np.abs(Photo.of(whole).level(by).pixels - means).max() <= 1.5, "averaged in steps, rounded at each"


def test_a_part_of_a_pixel_at_the_edge_of_an_array_takes_the_edges_colour():
    picture = np.zeros((5, 7, 3), np.uint8)
    picture[4:], picture[:, 6:] = 200, 100
    expected = [[0, 0, 0, 100], [0, 0, 0, 100], [200, 200, 200, 100]]
    np.testing.assert_array_equal(Photo.of(picture).level(2).pixels[:, :, 0], expected)


def test_a_grey_jpeg_has_three_equal_channels_at_every_level(monkeypatch):
    monkeypatch.setattr(photo, "OVERVIEW", 8)
    done, data = cv2.imencode(".jpg", soft_picture((64, 96))[:, :, 0])
    opened = open_photo(data.tobytes())
    for by in (1, 2, 4, 8):
        pixels = opened.level(by).pixels
        assert done and pixels.shape[2] == 3 and (pixels == pixels[:, :, :1]).all()


@pytest.mark.parametrize("encode", [encode_png, jpeg, np.asarray])
def test_the_whole_photo_is_what_load_image_gives(monkeypatch, encode):
    monkeypatch.setattr(photo, "OVERVIEW", 8)
    source = encode(soft_picture((67, 99)))
    np.testing.assert_array_equal(open_photo(source).pixels, load_image(source))


class Decodings(list):
    """The parts of their size at which pictures were decoded."""

    def __init__(self, monkeypatch):
        super().__init__()
        decode = photo.decode_image

        def watched(data, name, max_pixels=0, reduce=1):
            self.append(reduce)
            return decode(data, name, max_pixels, reduce)

        monkeypatch.setattr(photo, "decode_image", watched)


@pytest.mark.parametrize(
    ("scale", "decoded", "reason"),
    [
        (1 / 16, [4], "much smaller: the coarse picture is fine enough"),
        (1 / (4 * photo.ENOUGH) - 1e-9, [4], "just"),
        (1 / (4 * photo.ENOUGH) + 1e-3, [4, 2], "just not"),
        (1 / (2 * photo.ENOUGH) + 1e-3, [4, 1], "what would lose pixels is drawn from the whole photo"),
        (1.7, [4, 1], "what is enlarged too"),
    ],
)
def test_a_picture_is_decoded_as_finely_as_it_is_drawn(monkeypatch, scale, decoded, reason):
    monkeypatch.setattr(photo, "OVERVIEW", 60)
    data = jpeg(soft_picture((201, 299)), 6)
    decodings = Decodings(monkeypatch)
    opened = open_photo(data)
    homography = np.diag([scale, scale, 1.0])
    size = (max(1, int(201 * scale)), max(1, int(299 * scale)))
    drawn = opened.warp(homography, size)
    opened.warp(homography, size)
    assert decodings == decoded, reason
    expected = Photo.of(load_image(data)).level(1).pixels
    expected = rectify(expected, np.array([[0, 0], [size[1], 0], size[::-1], [0, size[0]]]) / scale, 0.0, size)[0]
    assert np.abs(drawn.astype(int) - expected).mean() < 3, reason


def test_a_small_photo_is_always_drawn_from_its_own_pixels():
    picture = soft_picture((480, 640))
    homography = np.array([[0.05, 0.01, 1], [-0.01, 0.05, 4], [0, 0, 1]])
    np.testing.assert_array_equal(Photo.of(picture).warp(homography, (30, 40)), warp(picture, homography, (30, 40)))
    np.testing.assert_array_equal(Photo.of(picture).overview(200)[0], resize(picture, (150, 200)))


def test_the_overview_of_a_photo_that_is_halved_first_is_nearly_the_same():
    picture = soft_picture((960, 1280))
    small, to_photo = Photo.of(picture).overview(128)
    wanted = resize(picture, (96, 128))
    assert small.shape == wanted.shape
    assert np.abs(small.astype(int) - wanted).mean() < 2
    np.testing.assert_allclose(to_photo, np.diag([10, 10, 1]), atol=1e-9)


LARGE = np.array([[700, 800], [2500, 860], [2490, 1220], [690, 1150]], float)
SMALL = (LARGE - 700) / 4 + [1900, 1300]


@pytest.mark.parametrize(
    ("corners", "orientation", "decoded"),
    [(LARGE, 1, [2]), (LARGE, 6, [2]), (LARGE, 7, [2]), (SMALL, 1, [2, 1]), (SMALL, 3, [2, 1])],
)
def test_a_large_jpeg_is_read_in_pixels_of_the_whole_photo(monkeypatch, corners, orientation, decoded):
    picture, quads = photo_of("0012345", corners, (2003, 3201))
    data = jpeg(picture, orientation, 85)
    decodings = Decodings(monkeypatch)
    result = MeterReader(FakeStage1(), FakeStage2(decimals=3), bundle()).read(data)
    assert decodings == decoded
    assert (result.text, result.success, result.original_image_shape) == ("0012.345", True, (2003, 3201, 3))
    width = np.linalg.norm(corners[1] - corners[0])
    assert np.abs(result.corners - corners).max() < 0.01 * width
    boxes = np.array([digit.box for digit in result.digits])
    assert np.linalg.norm(boxes.mean(axis=1) - quads.mean(axis=1), axis=1).max() < 0.015 * width


def test_bytes_array_and_opened_photo_read_the_same():
    picture, _ = photo_of("0471", LARGE, (2003, 3201))
    reader = MeterReader(FakeStage1(), FakeStage2(), bundle())
    sources = [encode_png(picture), picture, open_photo(picture)]
    answers = [{**reader.read(source).to_dict(), "time": 0, "times": {}} for source in sources]
    assert answers[0] == answers[1] == answers[2] and answers[0]["text"] == "0471"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda data: data[:-2000], "end of the JPEG file is missing"),
        (lambda data: data[:40], "broken"),
        (lambda data: b"", "empty"),
        (lambda data: b"no picture", "not a picture"),
    ],
)
def test_what_is_no_picture_is_refused_when_it_is_opened(monkeypatch, tmp_path, spoil, words):
    monkeypatch.setattr(photo, "OVERVIEW", 8)
    path = tmp_path / "meter.jpg"
    path.write_bytes(spoil(jpeg(soft_picture((120, 240)))))
    with pytest.raises(ImageError, match=words) as raised:
        open_photo(path)
    assert "meter.jpg" in str(raised.value) and "\n" not in str(raised.value)


def test_too_many_pixels_are_refused_before_decoding(monkeypatch):
    monkeypatch.setattr(photo, "OVERVIEW", 8)
    with pytest.raises(ImageError, match="at most"):
        open_photo(jpeg(soft_picture((120, 240))), max_pixels=28_000)
