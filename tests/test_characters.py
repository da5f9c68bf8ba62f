"""characters/ and reader/characters.py: characters are cut out where they stand, learned, and weighed with the line."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from fake_lines import fake_line_reader
from small_sets import short_run

import train_characters
from benchmarks.line_calibration import fit_trust
from characters.config import CharactersConfig, characters_config
from characters.fit import evaluate_characters, fit_characters
from characters.model import build
from characters.preparation import prepare_characters
from characters.release import ReleaseError, load
from characters.sheets import write_windows
from characters.windows import ROOM, CharacterSample, plain_window, window_view, windows_of
from deploy.prepare_model import find_characters
from reader.bundle import Bundle, BundleError, Stage1Settings, Stage2Settings, save_bundle
from reader.characters import CharacterLook, character_windows, ink_of, middles_of, weighed
from reader.ctc import greedy, log_softmax
from reader.image import load_image
from reader.line_settings import CharacterSettings
from reader.lines import LineReader
from training.export import MismatchError
from training.line_sets import LineSample
from training.run import Weighted

SETTINGS = CharacterSettings((32, 32), 28, "0123456789", certain=1.0)
SMALL = CharactersConfig("handwritten", "0123456789", (16, 16), 14, (4, 4, 8, 8, 8, 8), 16, 0.0)


def line(text, height=56, light=False):
    """A line of strokes as `fake_lines` reads them, 1 narrow and 0 wide, dark on light or not; their middles."""
    pitch = height
    picture = np.full((height, pitch * len(text), 3), 30 if light else 225, np.uint8)
    middles = []
    for place, character in enumerate(text):
        half = height // 16 if character == "1" else height // 4
        middle = place * pitch + pitch // 2
        picture[height // 4 : height - height // 4, middle - half : middle + half] = 220 if light else 20
        middles.append(float(middle))
    return picture, middles


class SeesWidth:
    """Logits (N, 10) for windows: a wide stroke in the middle is a 0, a narrow one a 1."""

    def __init__(self, sure=6.0):
        self.sure, self.shapes = sure, []

    def __call__(self, windows):
        self.shapes.append(windows.shape)
        middle = windows[:, windows.shape[1] // 2, :, 0] > 128  # (N, w)
        wide = middle.sum(axis=1) > 0.3 * windows.shape[2]
        logits = np.zeros((len(windows), 10), np.float32)
        logits[np.arange(len(windows)), np.where(wide, 0, 1)] = self.sure
        return {"logits": logits}


@pytest.mark.parametrize("light", [False, True])
def test_ink_is_what_differs_from_the_border_whatever_is_lighter(light):
    picture, _ = line("101", light=light)
    ink = ink_of(picture)
    assert ink.shape == picture.shape[:2] and ink[0, 0] == 0 and ink.max() == 255
    assert set(np.unique(ink)) == {0, 255}


def test_faint_noise_is_no_ink():
    paper = np.full((28, 90, 3), 200, np.uint8)
    paper[::2, ::3] = 202
    assert ink_of(paper).max() < 30


@pytest.mark.parametrize("height", [28, 56, 200])
def test_windows_show_a_character_in_their_middle_whatever_the_pictures_size(height):
    picture, middles = line("1001", height)
    windows = character_windows(picture, middles, (32, 32), 28)
    assert windows.shape == (4, 32, 32) and windows.dtype == np.uint8
    columns = (windows > 128).any(axis=1)  # (4, 32)
    inside = columns[:, 4:28] * np.arange(4, 28)
    assert inside.sum(axis=1) / columns[:, 4:28].sum(axis=1) == pytest.approx([15.5] * 4, abs=0.6)
    assert columns[:, 8:24].sum(axis=1) == pytest.approx([3, 14, 14, 3], abs=1.1), "1 narrow, 0 wide"
    rows = np.flatnonzero((windows[1] > 128).any(axis=1))
    assert (rows[0], rows[-1]) == pytest.approx((9, 22), abs=1), "the picture's height is 28 of 32"


def test_middles_are_found_again_in_the_picture():
    reader = fake_line_reader()
    for text in ("10", "0110101"):
        picture, middles = line(text)
        log_probs = reader.log_probs(picture)
        found = greedy(log_probs, reader.settings.alphabet)
        assert found.text == text
        told = middles_of(found, len(log_probs), picture.shape, reader.settings)
        step = 4 / min(40 / picture.shape[0], 192 / picture.shape[1])
        assert told == pytest.approx(middles, abs=0.51 * step)


def steps_of(*rows):
    return log_softmax(np.log(np.asarray(rows, float)))


def test_both_opinions_are_multiplied_and_what_shows_nothing_stays():
    steps = steps_of([0.1, 0.6, 0.3], [0.98, 0.01, 0.01], [0.2, 0.1, 0.7])
    found = greedy(steps, "ab")
    assert found.text == "ab"
    told = np.log([[0.2, 0.8], [0.5, 0.5]])
    both = np.exp(weighed(steps, found, told, (1.0, 1.0)))
    assert both.sum(axis=1) == pytest.approx([1, 1, 1])
    assert both[:, 0] == pytest.approx([0.1, 0.98, 0.2]), "whether there is a character at all is the line's to say"
    assert both[0, 1:] == pytest.approx([0.9 * 0.12 / 0.36, 0.9 * 0.24 / 0.36])
    assert both[2, 1:] == pytest.approx([0.1, 0.7])
    np.testing.assert_allclose(weighed(steps, found, told, (1.0, 0.0)), steps)
    assert greedy(np.log(both), "ab").text == "bb"
    half = np.exp(weighed(steps, found, told, (0.5, 0.5)))
    assert half[0, 1] / half[0, 2] == pytest.approx((0.6 * 0.2 / (0.3 * 0.8)) ** 0.5)


def test_what_is_certain_is_not_looked_at():
    reader = fake_line_reader()
    network = SeesWidth()
    picture, _ = line("0110")
    log_probs = reader.log_probs(picture)
    sure = CharacterLook(network, replace(SETTINGS, certain=0.99))
    assert sure.opinion(log_probs, picture, reader.settings) is None and not network.shapes
    assert sure.sharpened(log_probs, picture, reader.settings) is log_probs
    first, second = greedy(log_probs, reader.settings.alphabet).characters[:2]
    unsure = log_probs.copy()
    unsure[second.start : second.end] = log_softmax(0.3 * log_probs[second.start : second.end])
    found, told = sure.opinion(unsure, picture, reader.settings)
    assert found.text == "0110" and network.shapes == [(1, 32, 32, 1)]
    assert told.any(axis=1).tolist() == [False, True, False, False]
    both = sure.sharpened(unsure, picture, reader.settings)
    np.testing.assert_allclose(both[: first.end], unsure[: first.end])
    assert both[second.start, 2] > unsure[second.start, 2]


def test_one_network_alone_rules_nothing_out():
    steps = steps_of([0.1, 0.89, 0.01])
    told = np.array([[-500.0, 0.0]])
    both = weighed(steps, greedy(steps, "ab"), told, (1.0, 1.0))
    assert np.isfinite(both).all() and both[0, 1] > -13


def test_a_line_is_read_with_the_second_look():
    reader = fake_line_reader()
    blind = SeesWidth()
    looking = LineReader(reader.network, reader.settings, CharacterLook(blind, SETTINGS))
    picture, _ = line("0110")
    assert looking.read(picture).text == "0110" and blind.shapes == [(4, 32, 32, 1)]

    class Wrong(SeesWidth):  # sees a 7 in every character, and is very sure
        def __call__(self, windows):
            logits = np.zeros((len(windows), 10), np.float32)
            logits[:, 7] = 40
            return {"logits": logits}

    sure = replace(SETTINGS, trust=(0.3, 2.0))
    assert LineReader(reader.network, reader.settings, CharacterLook(Wrong(), sure)).read(picture).text == "7777"
    none = replace(SETTINGS, trust=(1.0, 0.0))
    assert LineReader(reader.network, reader.settings, CharacterLook(Wrong(), none)).read(picture).text == "0110"
    empty = np.full((40, 120, 3), 200, np.uint8)
    assert not looking.read(empty).success and len(blind.shapes) == 1, "nothing found, nothing looked at"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"input_size": (4, 32)}, "input_size"),
        ({"line_height": 0}, "line_height"),
        ({"alphabet": ""}, "alphabet"),
        ({"trust": (0.0, 1.0)}, "trust"),
        ({"trust": (1.0, -1.0)}, "trust"),
        ({"trust": (1.0,)}, "trust"),
        ({"certain": 0.0}, "certain"),
    ],
)
def test_settings_that_make_no_look_are_refused(values, told):
    with pytest.raises(ValueError, match=told):
        CharacterSettings(**{"input_size": (32, 32), "line_height": 28, "alphabet": "01", **values})


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"input_size": [20, 32]}, "input_size"),
        ({"line_height": 7}, "line_height"),
        ({"channels": [8]}, "channels"),
        ({"units": 0}, "units"),
        ({"dropout": 1.0}, "dropout"),
        ({"alphabet": "11"}, "alphabet"),
        ({"colour": 3}, "unknown key 'colour'"),
    ],
)
def test_a_configuration_that_makes_no_network_is_refused(values, told):
    with pytest.raises(ValueError, match=told):
        characters_config("handwritten", values)


def test_a_task_of_ones_own_needs_an_alphabet():
    with pytest.raises(ValueError, match="'code' is unknown"):
        characters_config("code", {})
    assert characters_config("code", {"alphabet": "xyz"}).alphabet == "xyz"


def samples_of(*texts):
    lines = [LineSample(line(text)[0], text, f"{text}.png") for text in texts]
    return windows_of(lines, fake_line_reader(), SMALL)


def test_windows_of_known_lines():
    samples = samples_of("1001", "01")
    assert [s.label for s in samples] == [1, 0, 0, 1, 0, 1] and samples[4].name == "01.png"
    side = SMALL.input_size[0] + 2 * ROOM
    assert all(s.window.shape == (side, side) for s in samples)
    direct = character_windows(line("1001")[0], [28.0, 84.0, 140.0, 196.0], SMALL.input_size, SMALL.line_height)
    for sample, window in zip(samples, direct, strict=False):
        shift = plain_window(sample.window)[..., 0].astype(int) - window
        assert np.abs(shift).mean() < 25, "as the reader cuts them, but for half a step"


def test_lines_whose_text_the_reader_does_not_see_are_left_out():
    known = LineSample(line("10")[0], "10", "a.png")
    assert len(windows_of([known], fake_line_reader(), SMALL)) == 2
    for text in ("", "1x", "7777777"):
        assert windows_of([replace(known, text=text)], fake_line_reader(), SMALL) == []
    assert len(windows_of([replace(known, text="x"), known], fake_line_reader(), SMALL)) == 2


def test_views_differ_and_keep_the_character():
    sample = samples_of("0")[0]
    views = [window_view(sample.window, SMALL.input_size, np.random.default_rng(seed)) for seed in range(20)]
    assert all(view.shape == (16, 16, 1) and view.dtype == np.uint8 for view in views)
    assert len({view.tobytes() for view in views}) == 20
    assert np.mean([view[8, 8, 0] for view in views]) > 150
    again = window_view(sample.window, SMALL.input_size, np.random.default_rng(3))
    np.testing.assert_array_equal(again, views[3])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small network that learned wide and narrow strokes."""
    folder = tmp_path_factory.mktemp("characters")
    samples, unseen = samples_of("1001", "0110", "101", "0011"), samples_of("10110")
    run = short_run("handwritten_characters", folder, epochs=4)
    history = fit_characters([Weighted(samples, 1.0)], unseen, run, SMALL, verbose=0).history
    return folder / "trained.keras", unseen, history


def test_it_learns_wide_from_narrow(trained):
    path, unseen, history = trained
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    network, config = load(path)
    assert config == SMALL and network.name == "characters"
    measures = evaluate_characters(network, unseen)
    assert measures["right"] >= 0.8 and measures["wrong"] <= 1, measures
    look = CharacterLook(network.predict_on_batch, replace(SETTINGS, input_size=(16, 16), line_height=14))
    reader = fake_line_reader()
    picture, _ = line("0110")
    found, told = look.opinion(reader.log_probs(picture), picture, reader.settings)
    assert found.text == "0110" and told.shape == (4, 10) and np.exp(told).sum(axis=1) == pytest.approx([1] * 4)
    assert told.argmax(axis=1).tolist() == [0, 1, 1, 0]
    assert evaluate_characters(network, []) == {"score": 0.0}


def test_exports_answer_as_keras_does_and_the_reader_takes_them(trained, tmp_path, capsys):
    path, _, _ = trained

    def make(task, rng):
        return line("".join(rng.choice(["0", "1"], 4)))[0], None

    before = {"handwritten": CharacterSettings((32, 32), 28, "0123456789", trust=(0.5, 0.7), certain=0.9)}
    made = prepare_characters({"handwritten": path}, ("savedmodel", "onnx", "onnx_int8"), tmp_path, make, before)
    assert "trust taken over from other weights" in capsys.readouterr().out
    settings = made["handwritten"]
    prepare_characters({"handwritten": path}, ("onnx",), tmp_path, make, made)
    assert "trust taken over" not in capsys.readouterr().out
    name = "handwritten_characters"
    assert settings.files == {"onnx": f"{name}.onnx", "onnx_float32": f"{name}.onnx", "savedmodel": f"{name}/1"}
    assert (
        (settings.trust, settings.certain) == ((0.5, 0.7), 0.9)
        and settings.line_height == 14
        and len(settings.source_sha256) == 64
    )
    assert set(settings.checks) == {"onnx_float32", "savedmodel"}
    with pytest.raises(MismatchError, match="'plate'"):
        prepare_characters({"plate": path}, ("onnx",), tmp_path, make, {})


def test_the_bundle_carries_it_and_the_reader_loads_it(tmp_path, monkeypatch):
    line_settings = fake_line_reader(files={"onnx": "handwritten.onnx"}).settings
    second = CharacterSettings((32, 32), 28, "0123456789", {"onnx": "second.onnx"})
    bundle = Bundle(
        Stage1Settings(256, {}),
        Stage2Settings((64, 320), {}),
        lines={"handwritten": line_settings},
        characters={"handwritten": second},
    )
    assert Bundle.from_dict(json.loads(json.dumps(bundle.to_dict()))) == bundle
    older = {key: value for key, value in bundle.to_dict().items() if key != "characters"}
    assert Bundle.from_dict(json.loads(json.dumps(older))).characters == {}
    with pytest.raises(BundleError, match=r"characters\.handwritten: unknown key 'size'"):
        Bundle.from_dict({**bundle.to_dict(), "characters": {"handwritten": {"size": 3}}})
    other = {"handwritten": replace(second, alphabet="9876543210")}
    with pytest.raises(
        BundleError, match=r"characters\.handwritten\.alphabet is '9876543210'; that of its line reader"
    ):
        replace(bundle, characters=other)
    loaded = []

    def network(folder, files, *rest):
        loaded.append(files["onnx"])
        return fake_line_reader().network if files["onnx"] == "handwritten.onnx" else SeesWidth()

    monkeypatch.setattr("reader.lines.load_network", network)
    save_bundle(bundle, tmp_path)
    assert LineReader.load("handwritten", tmp_path).read(line("0110")[0]).text == "0110"
    assert loaded == ["handwritten.onnx", "second.onnx"]
    save_bundle(replace(bundle, characters={"handwritten": replace(second, trust=(1.0, 0.0))}), tmp_path)
    assert LineReader.load("handwritten", tmp_path).look is None and len(loaded) == 3


def test_the_one_that_is_right_is_trusted():
    reader = fake_line_reader()
    texts = ["01", "10", "0011", "1101"]
    pictures = [line(text)[0] for text in texts]
    clear = [reader.log_probs(picture) for picture in pictures]
    unsure = [log_softmax(0.3 * steps) for steps in clear]
    good = fit_trust(CharacterLook(SeesWidth(), SETTINGS), unsure, pictures, texts, reader.settings)

    class Mistaken(SeesWidth):
        def __call__(self, windows):
            return {"logits": np.roll(super().__call__(windows)["logits"], 3, axis=1)}

    bad = fit_trust(CharacterLook(Mistaken(), SETTINGS), clear, pictures, texts, reader.settings)
    assert good[1] > bad[1] and bad == (1.0, 0.25), "least of the wrong one that can be"


def test_files_that_hold_no_such_network(tmp_path):
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)], name="other")
    other.save(tmp_path / "other.keras")
    for path in (tmp_path / "other.keras", tmp_path / "none.keras"):
        with pytest.raises(ReleaseError, match=path.name):
            load(path)
    build(SMALL).save(tmp_path / "second.keras")
    assert load(tmp_path / "second.keras")[1] == SMALL


def test_second_looks_are_found_by_task(tmp_path):
    for name in ("handwritten_characters", "plate_characters", "handwritten"):
        (tmp_path / f"{name}.keras").touch()
    wanted = {"handwritten": tmp_path / "handwritten_characters.keras"}
    assert find_characters(tmp_path, ["handwritten", "price"]) == wanted
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="train_characters"):
        find_characters(tmp_path / "empty", ["handwritten"])


def test_a_sheet_of_what_is_trained_on(tmp_path):
    write_windows(
        tmp_path / "windows.png", [CharacterSample(s.window, s.label, s.name) for s in samples_of("10")], SMALL
    )
    assert load_image(tmp_path / "windows.png").shape[1] > 16 * 64


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ([], "none"),
        (["--mix", "1", "2"], "--mix"),
        (["--network", "{}x"], "JSON"),
        (["--network", '{"colour": 3}'], "unknown key"),
        (["--network", '{"alphabet": "ab"}'], "the line reader has"),
        (["--task", "code"], "'code' is unknown"),
        (["--digits", "nowhere"], "--digits"),
    ],
)
def test_faults_of_training_are_one_line(flags, told, tmp_path, capsys, policy):
    assert train_characters.main(["--task", "handwritten", "--dataset_path", str(tmp_path / "none"), *flags]) == 1
    error = capsys.readouterr().err
    assert error.startswith("train_characters.py: ") and told in error and len(error.splitlines()) == 1
