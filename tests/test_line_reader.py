"""reader/line_settings.py, line_image.py and lines.py: pictures of lines to texts, with a network that is known."""

import numpy as np
import pytest

from reader.bundle import Bundle, BundleError, Stage1Settings, Stage2Settings, load_bundle, save_bundle
from reader.image import ImageError, encode_png
from reader.line_image import border_colour, content_size, placement, prepare
from reader.line_settings import ALPHABETS, LINE_TASKS, LineSettings
from reader.lines import LineReader

SETTINGS = LineSettings("code", "ab1", (16, 32))


def spelling(*texts, steps=8, sure=8.0):
    """A network that sees these texts, one a picture: a logit of `sure` at each step's class, zeros elsewhere."""
    logits = np.zeros((len(texts), steps, 4), np.float32)
    for row, text in zip(logits, texts, strict=True):
        row[:, 0] = sure
        for place, character in enumerate(text):
            row[2 * place, 0] = 0
            row[2 * place, "ab1".index(character) + 1] = sure

    def network(batch):
        assert batch.dtype == np.uint8 and batch.shape[1:] == (16, 32, 3)
        return {"logits": logits[: len(batch)]}

    return network


def picture(height=20, width=60):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_every_task_has_an_alphabet_without_doubles():
    for task in LINE_TASKS:
        assert len(set(ALPHABETS[task])) == len(ALPHABETS[task])
    assert not set("IO") & set(ALPHABETS["plate"]), "plates have no I and no O"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"alphabet": ""}, "alphabet"),
        ({"alphabet": "aba"}, "alphabet"),
        ({"fit": "squeeze"}, "squeeze"),
        ({"input_size": (4, 32)}, "at least 8"),
        ({"temperature": 0.0}, "temperature"),
        ({"beam": 0}, "beam"),
    ],
)
def test_settings_that_make_no_reader_are_refused(changes, told):
    with pytest.raises(ValueError, match=told):
        LineSettings(**{"task": "code", "alphabet": "ab1", "input_size": (16, 32), **changes})


def test_confidence_is_the_probability_until_it_is_calibrated():
    assert SETTINGS.confidence(0.9) == pytest.approx(0.9)
    steeper = LineSettings("code", "ab1", (16, 32), slope=2.0, offset=-1.0)
    assert steeper.confidence(0.9) == pytest.approx(1 / (1 + np.exp(-(2 * np.log(9) - 1))))


@pytest.mark.parametrize(
    ("shape", "fit", "size"),
    [
        ((20, 60), "stretch", (16, 32)),  # the shape is not kept
        ((20, 20), "pad", (16, 16)),  # as high as the input
        ((10, 80), "pad", (4, 32)),  # as wide as the input
        ((1, 500), "pad", (1, 32)),  # a sliver stays a pixel high
    ],
)
def test_what_a_picture_takes_of_the_input(shape, fit, size):
    assert content_size(shape, (16, 32), fit) == size


def test_a_padded_picture_stands_in_the_middle_of_its_border_colour():
    image = np.full((8, 8, 3), 200, np.uint8)
    image[2:6, 2:6] = 0
    made = prepare(image, (8, 20), "pad")
    assert made.shape == (8, 20, 3)
    assert (made[:, :6] == 200).all() and (made[:, 14:] == 200).all()
    np.testing.assert_array_equal(made[:, 6:14], image)
    assert (border_colour(image) == 200).all()
    assert (placement(image.shape, (8, 20), "pad") @ (0, 0, 1))[:2].tolist() == [6, 0]


def test_a_line_is_read_with_its_characters_where_they_stand():
    result = LineReader(spelling("ab1"), SETTINGS).read(picture())
    assert (result.success, result.text, result.reason, result.error) == (True, "ab1", None, None)
    assert result.original_image_shape == (20, 60, 3)
    assert [each.text for each in result.characters] == ["a", "b", "1"]
    # Steps 0, 2, 4 of 8 over 60 pixels.
    lefts = [float(each.box[:, 0].min()) for each in result.characters]
    assert lefts == pytest.approx([0, 15, 30], abs=1)
    for each in result.characters:
        assert each.box[:, 1].min() == 0 and each.box[:, 1].max() == 20
        assert each.confidence > 0.9
    assert set(result.to_dict()) >= {"task", "text", "confidence", "characters", "alternatives", "time", "error"}


def test_the_next_best_texts_are_told():
    result = LineReader(spelling("ab1", sure=2.0), SETTINGS).read(picture(), n_best=3)
    assert len(result.alternatives) == 2
    assert result.alternatives[0][1] >= result.alternatives[1][1]
    assert "ab1" not in dict(result.alternatives)


def test_a_pattern_forbids_what_it_does_not_describe():
    reader = LineReader(spelling("ab1", sure=3.0), SETTINGS)
    assert reader.read(picture(), pattern="[ab]{3}").text.isalpha()
    assert reader.read(picture(), pattern="1{20}").reason == "no_text"
    with pytest.raises(ValueError, match="pattern"):
        reader.read(picture(), pattern="[ab")


def test_a_rejected_line_never_looks_like_a_reading():
    reader = LineReader(spelling("ab1", sure=1.0), SETTINGS)
    result = reader.read(picture(), min_confidence=0.99)
    assert (result.success, result.text, result.reason) == (False, "", "low_confidence")
    assert result.rejected_text and 0 < result.confidence < 0.99


def test_nothing_seen_is_no_text():
    for beam in (1, 10):
        result = LineReader(spelling(""), SETTINGS).read(picture(), beam=beam)
        assert (result.success, result.text, result.reason) == (False, "", "no_text")


def test_a_broken_picture_among_many_is_a_result_of_its_own():
    results = list(LineReader(spelling("a"), SETTINGS).read_many([b"no picture", encode_png(picture())]))
    assert results[0].error and not results[0].success
    assert results[1].text == "a"
    with pytest.raises(ImageError):
        LineReader(spelling("a"), SETTINGS).read(b"no picture")


def test_the_bundle_carries_line_readers(tmp_path):
    bundle = Bundle(Stage1Settings(256, {}), Stage2Settings((64, 320), {}), lines={"code": SETTINGS})
    save_bundle(bundle, tmp_path)
    assert load_bundle(tmp_path).lines == {"code": SETTINGS}
    with pytest.raises(BundleError, match="no line reader for 'plate'"):
        LineReader.load("plate", tmp_path)
    broken = bundle.to_dict() | {"lines": {"code": {"task": "code", "alphabt": "ab"}}}
    with pytest.raises(BundleError, match=r"lines\.code: unknown key 'alphabt'"):
        Bundle.from_dict(broken)
