"""The way from photo to reading, with networks that see painted blocks instead of trained ones."""

import dataclasses
import json
import math

import numpy as np
import pytest
from fake_networks import SIZE, FakeLine, FakeStage1, FakeStage2, bundle, photo_of, save_fixed_bundle

from reader import MeterReader
from reader.bundle import Bundle, BundleError, load_bundle, save_bundle
from reader.confidence import Calibration
from reader.displays import displays_from_outputs
from reader.image import ImageError, encode_png
from reader.joint import JointRules
from reader.line_settings import LineSettings
from reader.lines import LineReader
from reader.pipeline import Found, _turned_back
from reader.places import Rules
from reader.runtime import OnnxNetwork
from reader.types import REASONS, Display, Result

UPRIGHT = np.array([[170, 200], [470, 200], [470, 260], [170, 260]], float)


def turned(corners, degrees, centre=(320, 240)):
    angle = math.radians(degrees)
    matrix = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return (np.asarray(corners) - np.array(centre)) @ matrix.T + np.array(centre)


def meter_reader(stage1=None, stage2=None, min_confidence=0.0, **stage1_settings):
    return MeterReader(stage1 or FakeStage1(), stage2 or FakeStage2(), bundle(**stage1_settings), min_confidence)


@pytest.mark.parametrize(
    ("corners", "size", "reason"),
    [
        (UPRIGHT, (480, 640), "straight"),
        (turned(UPRIGHT, 90), (480, 640), "read downwards"),
        (turned(UPRIGHT, 180), (480, 640), "upside down"),
        (turned(UPRIGHT, -90), (480, 640), "read upwards"),
        (turned(UPRIGHT, 33), (480, 640), "tilted"),
        ([[160, 180], [480, 220], [470, 300], [165, 236]], (480, 640), "in perspective"),
        (UPRIGHT * 4, (1920, 2560), "a large photo"),
        (turned(UPRIGHT, 200) * 4, (1920, 2560), "large and turned"),
        (UPRIGHT - [0, 100], (200, 640), "a wide photo"),
        (UPRIGHT - [150, 0], (640, 340), "a high photo"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_display_reads_the_same_wherever_it_lies(corners, size, reason):
    photo, quads = photo_of("0012345", corners, size)
    result = meter_reader(stage2=FakeStage2(decimals=3)).read(photo)
    assert (result.success, result.text) == (True, "0012.345"), reason
    width = np.linalg.norm(np.subtract(corners[1], corners[0]))
    assert np.abs(result.corners - corners).max() < 0.01 * width + 0.5, reason
    # The digits' boxes come back to where they were painted, in the display's own order of corners.
    boxes = np.array([digit.box for digit in result.digits])
    middles = np.linalg.norm(boxes.mean(axis=1) - quads.mean(axis=1), axis=1)
    assert middles.max() < 0.015 * width, reason
    reading_direction, truth = boxes[:, 1] - boxes[:, 0], quads[:, 1] - quads[:, 0]
    assert (np.sum(reading_direction * truth, axis=1) > 0).all(), reason
    assert [digit.decimal for digit in result.digits] == [False] * 4 + [True] * 3
    assert result.counter_class == "analog" and result.counter_score == pytest.approx(0.9)
    assert result.reason is None and result.error is None and 0.5 < result.confidence < 1
    assert result.original_image_shape == (*size, 3)


def test_the_second_look_sharpens_the_corners():
    corners = turned(UPRIGHT, 17) * 6.1
    photo, _ = photo_of("0012345", corners, (2900, 3900))
    errors = []
    for looks in (0, 1):
        result = meter_reader(extra_looks=looks).read(photo)
        errors.append(np.abs(result.corners - corners).max())
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.parametrize("looks", [0, 1, 2])
def test_number_of_looks(looks):
    photo, _ = photo_of("123", turned(UPRIGHT, 70))
    stage1 = FakeStage1()
    meter_reader(stage1, extra_looks=looks).read(photo)
    assert len(stage1.batches) == 1 + looks


@pytest.mark.parametrize(("settled", "looks"), [(1.0, 3), (0.5, 2)])
def test_a_look_that_sees_what_the_last_one_saw_is_the_last(settled, looks):
    photo, _ = photo_of("123", turned(UPRIGHT, 70))
    stage1 = FakeStage1()
    found = meter_reader(stage1, extra_looks=2, settled=settled).find_display(photo)
    assert len(stage1.batches) == looks and found.agreement > 0.5


@pytest.mark.parametrize(("believed", "reason"), [(0.5, None), (0.7, "no_display")])
def test_a_display_that_no_look_is_sure_of_is_none(believed, reason):
    photo, _ = photo_of("123", UPRIGHT)
    result = meter_reader(FakeStage1((0.6, 0, 0, 0)), believed=believed).read(photo)
    assert result.reason == reason and result.success == (reason is None)


def test_in_doubt_the_turned_photo_is_looked_at_too():
    photo, _ = photo_of("123", UPRIGHT)
    # Unsure upright and from close by; a quarter turned it convinces.
    stage1 = FakeStage1((0.5, 0, 0, 0), (0.5, 0, 0, 0), (0.9, 0, 0, 0))
    result = meter_reader(stage1, extra_looks=1).read(photo)
    assert len(stage1.batches) == 4
    assert result.counter_score == pytest.approx(0.9) and result.text == "123"
    np.testing.assert_allclose(result.corners, UPRIGHT, atol=2)


class ShortSighted(FakeStage1):
    """Sees no display that is less than `least` pixels wide on what it is shown."""

    def __init__(self, *scores, least=30.0):
        super().__init__(*scores)
        self.least = least

    def __call__(self, batch):
        outputs = super().__call__(batch)
        if np.linalg.norm(outputs["corners"][0, 1, 1] - outputs["corners"][0, 1, 0]) < self.least:
            outputs["probabilities"][:] = 0.001
        return outputs


FAR_AWAY = UPRIGHT * 0.6 + [1010, 300]  # 180 of 2560 pixels: 18 of the 256 that the whole photo is shown in


@pytest.mark.parametrize("degrees", [0, 12, 90, -90])
def test_a_display_far_away_is_found_through_windows(degrees):
    corners = turned(FAR_AWAY, degrees, FAR_AWAY.mean(0))
    photo, _ = photo_of("0012345", corners, (1920, 2560))
    result = meter_reader(ShortSighted()).read(photo)
    assert result.text == "0012345"
    assert np.abs(result.corners - corners).max() < 2
    assert meter_reader(ShortSighted(), window=1.0).read(photo).reason == "no_display"


def test_windows_are_for_photos_that_show_nothing_as_a_whole():
    photo, _ = photo_of("123", UPRIGHT * 4, (1920, 2560))
    stage1 = ShortSighted()
    meter_reader(stage1).read(photo)
    assert len(stage1.batches) == 3, "one look and two from close by"
    small = ShortSighted()
    photo, _ = photo_of("123", FAR_AWAY / 5, (384, 512))
    assert meter_reader(small).read(photo).reason == "no_display"
    assert len(small.batches) == 3, "upright and turned: a window of a small photo shows nothing more"


def test_through_windows_nothing_doubtful_or_illegible_is_found():
    photo, _ = photo_of("123", FAR_AWAY, (1920, 2560))
    assert meter_reader(ShortSighted((0.7, 0, 0, 0))).read(photo).reason == "no_display"
    assert meter_reader(FakeStage1((0.7, 0, 0, 0))).read(photo).text == "123"
    assert meter_reader(ShortSighted((0.1, 0, 0.9, 0))).read(photo).reason == "no_display"
    assert meter_reader(FakeStage1((0.1, 0, 0.9, 0))).read(photo).reason == "illegible"


def test_the_second_look_is_upright_and_enlarged():
    photo, _ = photo_of("123", turned(UPRIGHT, 70))
    stage1 = FakeStage1()
    meter_reader(stage1).read(photo)
    seen = FakeStage1()(stage1.batches[1])["corners"][0, 1]
    height = 0.62 * 256 / 5
    np.testing.assert_allclose(seen[:, 0], 128 + 0.31 * 256 * np.array([-1, 1, 1, -1]), atol=2)
    np.testing.assert_allclose(seen[:, 1], 128 + height / 2 * np.array([-1, -1, 1, 1]), atol=2)


@pytest.mark.parametrize(
    ("first", "second", "score", "counter_class", "reason"),
    [
        ((0.6, 0.1, 0, 0), (0.9, 0.1, 0, 0), 0.9, "analog", "a better look gives score and class"),
        ((0.9, 0.1, 0, 0), (0.1, 0.6, 0, 0), 0.9, "analog", "a weaker one that is good enough gives only the corners"),
        ((0.5, 0.1, 0, 0), (0.1, 0.8, 0, 0), 0.8, "digital", "the class too"),
        ((0.9, 0.1, 0, 0), (0.35, 0, 0, 0), 0.9, "analog", "a poor one gives nothing"),
        ((0.9, 0.1, 0, 0), (0.01, 0, 0, 0), 0.9, "analog", "one that finds nothing neither"),
    ],
)
def test_which_look_counts(first, second, score, counter_class, reason):
    photo, _ = photo_of("0012345", UPRIGHT)
    result = meter_reader(FakeStage1(first, second)).read(photo)
    assert result.counter_score == pytest.approx(score), reason
    assert result.counter_class == counter_class, reason
    assert result.text == "0012345", reason


@pytest.mark.parametrize(
    ("digits", "scores", "options", "expected", "why"),
    [
        ("123", (0.9, 0, 0, 0), {}, {"success": True, "text": "123", "reason": None}, "a reading"),
        ("12 4", (0.9, 0, 0, 0), {}, {"text": "12x4", "reason": "unknown_digit", "confidence": 0}, "an unseen digit"),
        ("   ", (0.9, 0, 0, 0), {}, {"text": "", "reason": "unknown_digit", "digits": ()}, "no digit at all"),
        ("123", (0.1, 0.2, 0, 0), {}, {"text": "", "reason": "no_display", "corners": None}, "below the threshold"),
        ("123", (0.1, 0, 0.7, 0.1), {}, {"text": "", "reason": "illegible"}, "illegible, analog"),
        ("123", (0.1, 0.1, 0.1, 0.7), {}, {"reason": "illegible", "counter_class": "digital_illegible"}, "digital"),
        ("123", (0.4, 0, 0.35, 0.35), {}, {"reason": "illegible", "counter_class": "analog_illegible"},
         "no single class wins, but together illegible is likelier"),
        ("123", (0.4, 0, 0.35, 0.35), {"illegible_threshold": 0.8}, {"success": True, "counter_class": "analog"},
         "the bundle's threshold decides"),
        ("123", (0.9, 0, 0, 0), {"min_confidence": 0.99},
         {"text": "", "rejected_text": "123", "reason": "low_confidence"}, "rejected: does not look like a reading"),
        ("12 4", (0.9, 0, 0, 0), {"min_confidence": 0.99}, {"text": "12x4", "reason": "unknown_digit"},
         "an unknown digit is named first"),
    ],
)  # fmt: skip
def test_success_and_reasons(digits, scores, options, expected, why):
    photo, _ = photo_of(digits, UPRIGHT)
    result = meter_reader(FakeStage1(scores), **options).read(photo)
    expected = {"success": False, **expected}
    assert {key: getattr(result, key) for key in expected} == expected, why
    assert result.reason is None or result.reason in REASONS
    assert (result.reason is None) == result.success


def test_a_photo_without_a_meter():
    result = meter_reader().read(np.full((300, 400, 3), 77, np.uint8))
    assert result == dataclasses.replace(
        Result("", reason="no_display", original_image_shape=(300, 400, 3)), time=result.time, times=result.times
    )


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 900, 3), (900, 1, 3)])
def test_tiny_photos(shape):
    assert meter_reader().read(np.zeros(shape, np.uint8)).reason == "no_display"


def test_drums_roll_on_analog_displays_only():
    class Between(FakeStage2):
        def __call__(self, batch):
            outputs = super().__call__(batch)
            outputs["probabilities"][0, 2, [3, 4]] = 0.5, 0.6
            return outputs

    photo, _ = photo_of("123", UPRIGHT)
    analog = meter_reader(FakeStage1((0.9, 0, 0, 0)), Between()).read(photo)
    digital = meter_reader(FakeStage1((0, 0.9, 0, 0)), Between()).read(photo)
    assert (analog.text, analog.digits[2].alternative) == ("123", "4")
    assert (digital.text, digital.digits[2].alternative) == ("124", None)


def test_decimals_given_by_the_caller():
    photo, _ = photo_of("0012345", UPRIGHT)
    assert meter_reader(stage2=FakeStage2(decimals=3)).read(photo, decimals=1).text == "001234.5"


def test_json_keys_are_those_of_the_interface(tmp_path):
    photo, _ = photo_of("123", UPRIGHT)
    path = tmp_path / "meter.png"
    path.write_bytes(encode_png(photo))
    values = json.loads(json.dumps(meter_reader(stage2=FakeStage2(decimals=1)).read(path).to_dict()))
    assert list(values) == [
        "image", "success", "text", "confidence", "reason", "counter_class", "counter_score", "corners", "digits",
        "original_image_shape", "time", "times", "error", "rejected_text",
    ]  # fmt: skip
    assert values["image"] == str(path)
    assert (values["success"], values["text"], values["counter_class"]) == (True, "12.3", "analog")
    assert np.shape(values["corners"]) == (4, 2)
    assert [set(digit) for digit in values["digits"]] == [{"text", "confidence", "box", "decimal", "alternative"}] * 3
    assert np.shape(values["digits"][2]["box"]) == (4, 2)
    assert values["digits"][2]["decimal"] is True
    assert values["original_image_shape"] == [480, 640, 3]
    assert set(values["times"]) == {"load", "stage1", "stage2"} and values["time"] > 0


def test_path_bytes_and_array_read_the_same(tmp_path):
    photo, _ = photo_of("4711", turned(UPRIGHT, 10))
    path = tmp_path / "meter.png"
    path.write_bytes(encode_png(photo))
    results = [meter_reader().read(source) for source in (path, str(path), path.read_bytes(), photo)]
    assert [result.text for result in results] == ["4711"] * 4
    assert [result.image for result in results] == [str(path), str(path), "", ""]
    assert meter_reader().read(photo, name="cellar").image == "cellar"


def test_read_many_goes_on_after_a_broken_photo(tmp_path):
    photo, _ = photo_of("123", UPRIGHT)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"nothing")
    first, second, third = meter_reader().read_many([photo, broken, photo])
    assert (first.text, third.text) == ("123", "123")
    assert second.image == str(broken) and "broken.jpg" in second.error and not second.success
    with pytest.raises(ImageError):
        meter_reader().read(broken)


def test_errors_of_a_network_are_not_turned_into_no_display():
    def wrong(batch):
        return {"corners": np.zeros((1, 5, 8)), "probabilities": np.zeros((1, 5, 4))}

    with pytest.raises(ValueError, match=r"\(K, 4, 2\)"):
        meter_reader(wrong).read(np.zeros((9, 9, 3), np.uint8))


def test_min_confidence_is_checked():
    with pytest.raises(ValueError, match="0 to 1"):
        meter_reader(min_confidence=50)


def test_the_models_say_which_readings_are_too_unsure_where_nobody_else_does():
    photo, _ = photo_of("123", UPRIGHT)
    plain = meter_reader().read(photo)
    assert plain.success and plain.confidence < 0.99
    strict = dataclasses.replace(bundle(), calibration=Calibration(threshold=0.99))
    refused = MeterReader(FakeStage1(), FakeStage2(), strict).read(photo)
    assert (refused.text, refused.rejected_text, refused.reason) == ("", "123", "low_confidence")
    assert MeterReader(FakeStage1(), FakeStage2(), strict, min_confidence=0.0).read(photo).text == "123"
    with pytest.raises(ValueError, match="threshold"):
        Calibration(threshold=1.5)


SQUARE = np.array([[0, 0], [40, 0], [40, 10], [0, 10]], float)


@pytest.mark.parametrize(
    ("corners", "scores", "expected", "reason"),
    [
        ([SQUARE], [0.9], [0], "one"),
        ([SQUARE], [0.2], [], "below the threshold"),
        ([], [], [], "none"),
        ([SQUARE, SQUARE + 100], [0.6, 0.9], [1, 0], "two displays, the better one first"),
        ([SQUARE, SQUARE + 4], [0.9, 0.35], [0], "the same display twice"),
        ([SQUARE, np.roll(SQUARE, 2, axis=0)], [0.9, 0.8], [0], "the same upside down: the better one"),
        ([SQUARE[::-1], SQUARE + 100], [0.9, 0.5], [1], "mirrored: no display"),
        ([SQUARE[[0, 2, 1, 3]], SQUARE + 100], [0.9, 0.5], [1], "crossed: no display"),
        ([SQUARE * np.nan, SQUARE], [0.9, 0.5], [1], "not a number"),
    ],
)
def test_displays_from_outputs(corners, scores, expected, reason):
    probabilities = np.zeros((len(scores), 4))
    probabilities[:, 1] = scores
    displays = displays_from_outputs(np.array(corners).reshape(-1, 4, 2), probabilities, 0.3)
    assert len(displays) == len(expected), reason
    for display, index in zip(displays, expected, strict=True):
        assert display.score == pytest.approx(scores[index]), reason
        assert np.abs(display.corners - corners[index]).max() < 3, reason
        assert display.class_id == 1 and display.class_probabilities.sum() == pytest.approx(1)


def test_bundle_round_trip(tmp_path):
    original = dataclasses.replace(
        bundle(extra_looks=2), rules=Rules(gap=1.7), calibration=Calibration(1.5, -0.5), versions={"keras": "3.15.1"}
    )
    save_bundle(original, tmp_path)
    assert load_bundle(tmp_path) == original


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data["stage1"].update(imput_size=3), "stage1: unknown key 'imput_size'"),
        (lambda data: data.update(stage3={}), "bundle: unknown key 'stage3'"),
        (lambda data: data["rules"].update(gab=2), "rules: unknown key 'gab'"),
        (lambda data: data["stage2"].pop("input_size"), "input_size"),
        (lambda data: data.pop("stage1"), "stage1"),
        (lambda data: data.update(format_version=2), "format_version 2; this program reads 1"),
        (lambda data: data["stage1"].update(classes=["a"]), "stage1.classes are ['a']"),
        (lambda data: data["calibration"].update(digit_temperature=0), "digit_temperature"),
        (lambda data: data["calibration"].update(reading_weights={"moon": 1}), "moon"),
        (lambda data: data.update(stage1=[1]), "stage1 is a JSON object, not list"),
    ],
)
def test_a_wrong_bundle_is_refused_by_name(change, words):
    data = json.loads(json.dumps(bundle().to_dict()))
    change(data)
    with pytest.raises(BundleError) as raised:
        Bundle.from_dict(data)
    assert words in str(raised.value) and "\n" not in str(raised.value)


def test_missing_and_broken_bundles(tmp_path):
    with pytest.raises(BundleError, match=r"bundle\.json.*prepare_model"):
        MeterReader.load(tmp_path / "nowhere")
    (tmp_path / "bundle.json").write_text("{")
    with pytest.raises(BundleError, match=r"bundle\.json"):
        MeterReader.load(tmp_path)
    (tmp_path / "bundle.json").write_text("[]")
    with pytest.raises(BundleError, match="JSON object"):
        MeterReader.load(tmp_path)
    save_bundle(bundle(), tmp_path)
    with pytest.raises(BundleError, match=r"stage1\.onnx: no such file"):
        MeterReader.load(tmp_path)
    (tmp_path / "stage1.onnx").write_bytes(b"no model")
    with pytest.raises(BundleError, match=r"stage1\.onnx: not a model"):
        MeterReader.load(tmp_path)


def test_onnx_networks(tmp_path):
    pytest.importorskip("onnx")
    save_fixed_bundle(tmp_path)
    network = OnnxNetwork(tmp_path / "stage1.onnx", threads=1)
    outputs = network(np.zeros((1, 256, 256, 3), np.uint8))
    assert outputs["corners"].shape == (1, 1, 4, 2) and outputs["probabilities"].shape == (1, 1, 4)
    result = MeterReader.load(tmp_path, threads=1).read(np.zeros((480, 640, 3), np.uint8))
    assert result.text == "0012.345" and result.success
    # The square's 160 x 40 pixels around (128, 120) lie around (320, 220) on the photo, 2.5 times as large.
    np.testing.assert_allclose(result.corners, [[120, 170], [520, 170], [520, 270], [120, 270]], atol=1e-3)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_places_on_a_turned_photo_are_found_on_the_photo(turns):
    photo = np.zeros((40, 60, 3), np.uint8)
    photo[7, 51] = 255
    y, x = np.argwhere(np.rot90(photo, turns)[..., 0])[0]
    back = _turned_back(np.array([[x + 0.5, y + 0.5]]), turns, 40, 60)  # the middle of the pixel
    np.testing.assert_allclose(back, [[51.5, 7.5]])


class KnowsUp(FakeLine):
    """Sees digits only where the first of them is a 1: on a display that is upside down it sees none."""

    def __call__(self, batch):
        outputs = super().__call__(batch)
        classes = outputs["logits"][0].argmax(axis=1)
        if classes[classes > 0][0] != 1 + 1:
            outputs["logits"] = self.sure * np.eye(11, dtype=np.float32)[None, classes * 0]
        return outputs


@pytest.mark.parametrize(
    ("quarters", "line", "turned", "looks", "why"),
    [
        (2, KnowsUp(), True, 2, "upside down there is nothing to read"),
        (0, KnowsUp(), False, 1, "a reading without a doubt is not checked"),
        (2, FakeLine(), False, 1, "one that is as sure upside down neither"),
        (2, None, False, 1, "without a line reader nobody knows"),
    ],
)
def test_a_display_cut_out_upside_down_is_read_the_other_way_up(quarters, line, turned, looks, why):
    corners = np.array([[100, 100], [400, 100], [400, 160], [100, 160]], np.float32)
    photo, _ = photo_of("12345", corners)
    stage2 = FakeStage2(score=0.99)
    settings = LineSettings("display", "0123456789", (48, 256), max_length=10)
    reader = MeterReader(FakeStage1(), stage2, bundle(), line=line and LineReader(line, settings))
    shares = np.array([1, 0, 0, 0], np.float32)
    found = Found(Display(np.roll(corners, quarters, axis=0), 0, 0.9, shares), 1.0)
    upright, read = reader.read_upright(photo, found)
    assert read.reading.text == ("12345" if turned or not quarters else "54321"), why
    np.testing.assert_array_equal(upright.display.corners, corners if turned else found.display.corners)
    assert len(stage2.batches) == looks


#: A label above a display of the same shape, on a photo of 320 x 320.
LABEL = np.array([[60, 40], [260, 40], [260, 80], [60, 80]], np.float32)
SHOWN = LABEL + np.array([0, 180], np.float32)


class TwoPlaces:
    """Sees two places of the same shape on the whole photo, and from close by the one that is looked at."""

    def __init__(self, quads, scores, scale):
        self.quads, self.scores, self.scale = quads, scores, scale
        self.looks = 0

    def __call__(self, batch):
        self.looks += 1
        if self.looks == 1:
            corners, scores = np.stack(self.quads) * self.scale, self.scores
        else:
            half = 0.31 * SIZE * np.array([[-1, -0.2], [1, -0.2], [1, 0.2], [-1, 0.2]])
            corners, scores = (SIZE / 2 + half)[None], [0.9]
        probabilities = np.zeros((len(corners), 4), np.float32)
        probabilities[:, 0] = scores
        return {"corners": corners[None].astype(np.float32), "probabilities": probabilities[None]}


@pytest.mark.parametrize(
    ("line", "elsewhere", "believed", "text", "why"),
    [
        (FakeLine(), -0.6, 0.0, "12345", "nothing is read on the label: the display beside it is read"),
        (FakeLine(), -math.inf, 0.0, "", "not where the bundle does not want it"),
        (FakeLine(), -0.6, 0.92, "", "a place that stage 1 does not believe is none"),
        (None, -0.6, 0.0, "", "without a line reader nobody knows how much sense a reading makes"),
    ],
)
def test_where_a_reading_makes_no_sense_the_next_place_is_read(line, elsewhere, believed, text, why):
    photo, _ = photo_of("12345", SHOWN, (320, 320))
    stage1 = TwoPlaces([LABEL, SHOWN], [0.95, 0.9], SIZE / 320)
    settings = LineSettings("display", "0123456789", (48, 256), max_length=10)
    known = dataclasses.replace(bundle(extra_looks=1, believed=believed), joint=JointRules(elsewhere=elsewhere))
    reader = MeterReader(stage1, FakeStage2(score=0.99), known, line=line and LineReader(line, settings))
    result = reader.read(photo)
    assert result.text == text, why
    assert result.success == bool(text)
    if text:
        np.testing.assert_allclose(result.corners, SHOWN, atol=2)


@pytest.mark.parametrize(("sure", "text"), [(0.85, "12345"), (0.95, "")])
def test_where_no_place_convinces_no_other_is_read(sure, text):
    photo, _ = photo_of("12345", SHOWN, (320, 320))
    settings = LineSettings("display", "0123456789", (48, 256), max_length=10)
    known = dataclasses.replace(bundle(extra_looks=1, sure=sure), joint=JointRules(elsewhere=-0.6))
    stage1 = TwoPlaces([LABEL, SHOWN], [0.99, 0.96], SIZE / 320)
    reader = MeterReader(stage1, FakeStage2(score=0.99), known, line=LineReader(FakeLine(), settings))
    assert reader.read(photo).text == text
