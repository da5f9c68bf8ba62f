"""Any file, bytes or array becomes the same upright uint8 RGB photo; letterboxing has an exact inverse."""

import struct
import zlib

import cv2
import numpy as np
import pytest

from reader.image import (
    ImageError,
    encode_jpeg,
    encode_png,
    letterbox,
    load_image,
    resize,
    write_atomic,
)

# An asymmetric picture, so that a wrong turn or mirror is seen: red top-left, green top-right, blue below.
PICTURE = np.zeros((24, 40, 3), np.uint8)
PICTURE[:12, :20] = (200, 10, 10)
PICTURE[:12, 20:] = (10, 200, 10)
PICTURE[12:] = (10, 10, 200)


def stored_as(orientation):
    """The pixels that a camera stores so that undoing `orientation` gives PICTURE."""
    return {
        1: PICTURE,
        2: PICTURE[:, ::-1],
        3: PICTURE[::-1, ::-1],
        4: PICTURE[::-1],
        5: PICTURE.transpose(1, 0, 2),
        6: np.rot90(PICTURE, 1),
        7: PICTURE[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(PICTURE, -1),
    }[orientation]


def exif(orientation, order="<"):
    header = b"II*\x00" if order == "<" else b"MM\x00*"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return header + struct.pack(order + "IH", 8, 1) + entry + b"\0\0\0\0"


def jpeg_with_exif(orientation, order="<"):
    data = encode_jpeg(np.ascontiguousarray(stored_as(orientation)), 98)
    body = b"Exif\0\0" + exif(orientation, order)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_of_a_jpeg_is_undone(orientation, order):
    photo = load_image(jpeg_with_exif(orientation, order))
    assert photo.shape == PICTURE.shape
    assert np.abs(photo[[3, 3, 20], [3, 36, 20]].astype(int) - PICTURE[[3, 3, 20], [3, 36, 20]]).max() < 12


@pytest.mark.parametrize("orientation", [3, 6])
def test_exif_orientation_of_a_png_is_undone(orientation):
    data = encode_png(np.ascontiguousarray(stored_as(orientation)))
    data = data[:33] + png_chunk(b"eXIf", exif(orientation)) + data[33:]
    np.testing.assert_array_equal(load_image(data), PICTURE)


def test_exif_with_a_nonsense_orientation_means_upright():
    data = encode_png(PICTURE)
    data = data[:33] + png_chunk(b"eXIf", exif(77)) + data[33:]
    np.testing.assert_array_equal(load_image(data), PICTURE)


def encoded(array, extension, options=()):
    done, buffer = cv2.imencode(extension, array, list(options))
    assert done
    return buffer.tobytes()


@pytest.mark.parametrize("extension", [".png", ".bmp", ".tiff", ".webp"])
def test_formats_that_keep_every_pixel(extension):
    options = [cv2.IMWRITE_WEBP_QUALITY, 101] if extension == ".webp" else []
    data = encoded(PICTURE[:, :, ::-1], extension, options)
    np.testing.assert_array_equal(load_image(data), PICTURE)


GREY = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)
GREY_RGB = np.repeat(GREY[:, :, None], 3, axis=2)
RGBA = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 100, 128]]], np.uint8)
RGBA_OVER_WHITE = np.array([[[255, 0, 0], [255, 255, 255], [127, 127, 177]]], np.uint8)


@pytest.mark.parametrize(
    ("source", "expected", "reason"),
    [
        (GREY, GREY_RGB, "a grey array becomes three equal channels"),
        (GREY[:, :, None], GREY_RGB, "the same with an axis for its one channel"),
        (GREY.astype(np.uint16) * 257, GREY_RGB, "16 bits: 65535 is white"),
        (PICTURE.astype(np.int64), PICTURE, "a nested JSON list becomes int64 and is a picture all the same"),
        (PICTURE[::-1, ::-1], PICTURE[::-1, ::-1], "an array with negative strides"),
        (RGBA, RGBA_OVER_WHITE, "transparent places are white, half-transparent ones mixed"),
        (encoded(GREY, ".png"), GREY_RGB, "a grey file"),
        (encoded(GREY.astype(np.uint16) * 257, ".png"), GREY_RGB, "a 16-bit file"),
        (encoded(RGBA[:, :, [2, 1, 0, 3]], ".png"), RGBA_OVER_WHITE, "a file with transparency"),
    ],
)
def test_pixels(source, expected, reason):
    photo = load_image(source)
    assert photo.dtype == np.uint8 and photo.flags.c_contiguous, reason
    np.testing.assert_array_equal(photo, expected, err_msg=reason)


def png_of_size(width, height):
    """A small valid-looking file whose header promises a huge picture."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + png_chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + png_chunk(b"IEND", b"")
    )


JPEG = encode_jpeg(PICTURE)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"", "empty"),
        (b"hello, I am a text file", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (JPEG[:4], "broken"),
        (JPEG[:-20], "end of the JPEG file is missing"),
        (encode_png(PICTURE)[:-30], "end of the PNG file is missing"),
        (encode_png(PICTURE)[:10], "broken"),
        (encoded(PICTURE, ".bmp")[:-500], "broken BMP"),
        (encoded(PICTURE, ".tiff")[:-40], "broken"),
        (png_of_size(20_000, 20_000), "400 megapixels; at most 100"),
        (png_of_size(0, 5), "no size"),
        (np.zeros((4, 4, 3)), "float64"),
        (np.full((4, 4, 3), 256), "from 256 to 256"),
        (np.full((4, 4, 3), -1), "from -1 to -1"),
        (np.zeros((0, 4, 3), np.uint8), "shape (0, 4, 3)"),
        (np.zeros((4, 4, 5), np.uint8), "shape (4, 4, 5)"),
        (np.zeros(7, np.uint8), "shape (7,)"),
        ("no/such/photo.jpg", "No such file"),
        (".", "Is a directory"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_line(source, words, capfd):
    with pytest.raises(ImageError) as raised:
        load_image(source)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr().err == "", "the decoder's own messages are kept from the user"


def test_a_path_is_read_and_named_in_errors(tmp_path):
    good, bad = tmp_path / "Zähler 1.png", tmp_path / "bad.jpg"
    good.write_bytes(encode_png(PICTURE))
    bad.write_bytes(b"nothing")
    np.testing.assert_array_equal(load_image(good), PICTURE)
    np.testing.assert_array_equal(load_image(str(good)), PICTURE)
    with pytest.raises(ImageError, match=r"bad\.jpg"):
        load_image(bad)


def test_heic_without_its_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(ImageError, match="pillow-heif"):
        load_image(b"\x00\x00\x00\x18ftypheic" + b"\0" * 32)


@pytest.mark.parametrize(
    ("shape", "size", "content", "reason"),
    [
        ((100, 200), 50, (0, 12, 50, 25), "wide: bars above and below"),
        ((200, 100), 50, (12, 0, 25, 50), "tall: bars left and right"),
        ((64, 64), 64, (0, 0, 64, 64), "already right"),
        ((10, 20), 80, (0, 20, 80, 40), "grows"),
        ((1, 3000), 30, (0, 14, 30, 1), "a line keeps one pixel of height"),
        ((33, 77), 64, (0, 18, 64, 27), "odd sizes are rounded"),
    ],
)
def test_letterbox(shape, size, content, reason):
    image = np.full((*shape, 3), 255, np.uint8)
    square, placed = letterbox(image, size)
    left, top, width, height = content
    expected = np.zeros((size, size, 3), np.uint8)
    expected[top : top + height, left : left + width] = 255
    np.testing.assert_array_equal(square, expected, err_msg=reason)
    corners = [[0, 0], [shape[1], 0], [shape[1], shape[0]], [0, shape[0]]]
    inside = [[left, top], [left + width, top], [left + width, top + height], [left, top + height]]
    np.testing.assert_allclose(placed.forward(corners), inside, atol=1e-9, err_msg=reason)
    np.testing.assert_allclose(placed.inverse(inside), corners, atol=1e-9, err_msg=reason)


def test_letterbox_moves_a_mark_where_forward_says():
    image = np.zeros((300, 400, 3), np.uint8)
    image[120:140, 260:300] = 255
    square, placed = letterbox(image, 128)
    ys, xs = np.nonzero(square[:, :, 0] > 127)
    middle = placed.forward([[280, 130]])[0]
    assert np.abs(middle - [xs.mean() + 0.5, ys.mean() + 0.5]).max() < 0.5


def test_shrinking_averages():
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[:, ::2] = 200
    assert (resize(stripes, (4, 4)) == 100).all()


def test_jpeg_and_png_round_trip():
    assert np.array_equal(load_image(encode_png(PICTURE)), PICTURE)
    flat = np.full((16, 16, 3), (180, 40, 60), np.uint8)
    assert np.abs(load_image(encode_jpeg(flat)).astype(int) - flat).max() <= 3
    with pytest.raises(ValueError, match="uint8 RGB"):
        encode_jpeg(np.zeros((4, 4), np.uint8))


def test_write_atomic_replaces_whole_files_only(tmp_path):
    path = tmp_path / "file.bin"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    with pytest.raises(TypeError):
        write_atomic(path, None)
    assert path.read_bytes() == b"new", "a failed write leaves the old file"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.bin"], "and no temporary one"
    with pytest.raises(OSError):
        write_atomic(tmp_path / "missing" / "file.bin", b"")
