"""calibrate.py: the numbers that turn scores into probabilities are fitted on held-out pictures, into the bundle."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from fake_networks import FakeLine, FakeStage1, FakeStage2, bundle, fake_line, flat_display, photo_of

import calibrate
from benchmarks import line_calibration, point_calibration
from benchmarks.calibration import calibrate as calibrate_meters
from benchmarks.line_calibration import fit_confidence, fit_temperature, mean_loss
from benchmarks.point_calibration import OPINIONS, SLIP, Told, fit_weights, share_right
from reader.bundle import load_bundle, save_bundle
from reader.characters import CharacterLook
from reader.confidence import sigmoid
from reader.ctc import greedy, log_softmax
from reader.image import encode_png
from reader.joint import JointRules
from reader.line_settings import ALPHABETS, CharacterSettings, LineSettings
from reader.lines import LineReader
from reader.pipeline import MeterReader
from reader.signs import SIGNS
from reader.symbols import FLOATP_ID
from training.datasets import Stage2Sample
from training.line_sets import LineSample
from training.tfds_writer import LINES_NAME, LineSetWriter

CORNERS = [[160, 200], [480, 210], [478, 280], [158, 270]]
CODE = LineSettings("code", "ab1", (16, 32), min_length=0)


@pytest.fixture
def models(tmp_path):
    """A bundle's folder; its networks are never loaded from it."""
    folder = tmp_path / "models"
    folder.mkdir()
    save_bundle(bundle(), folder)
    return folder


@pytest.fixture
def meters(tmp_path):
    """A set of ten photos, two of which have a wrong label, and one without a meter."""
    folder = tmp_path / "data" / "water"
    folder.mkdir(parents=True)
    lines = []
    for number in range(10):
        digits = f"{7 * number:02d}{number}1"
        (folder / f"{number}.png").write_bytes(encode_png(photo_of(digits, CORNERS)[0]))
        truth = "9999" if number in (3, 8) else digits
        lines.append({"image": f"{number}.png", "reading": truth, "kind": "full_photo", "split": "train"})
    (folder / "none.png").write_bytes(encode_png(np.full((300, 400, 3), 60, np.uint8)))
    lines.append({"image": "none.png", "reading": "1", "kind": "full_photo", "split": "train"})
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder.parent


def see(monkeypatch, line=None):
    """Makes the bundle's networks the fake ones."""

    def load(cls, path):
        # The fake line reader is as sure of a display that is upside down.
        settings = replace(load_bundle(path), joint=JointRules(upright=-math.inf))
        return MeterReader(FakeStage1(), FakeStage2(), settings, line=line)

    monkeypatch.setattr(MeterReader, "load", classmethod(load))


#: What a meter reading's confidence is computed from, where displays are not read as lines too.
WEIGHTED = {"product", "weakest_digit", "decimal_point", "display", "agreement", "rolled"}


def test_meters_are_fitted_and_the_bundle_gets_the_numbers(meters, models, monkeypatch, capsys):
    see(monkeypatch)
    before = load_bundle(models)
    assert calibrate.main(["--data", str(meters), "--sets", "water", "--models", str(models)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["photos"], told["readings_right"]) == (10, 0.8), "without the photo on which nothing is found"
    after = load_bundle(models)
    assert after.calibration.digit_temperature == told["digit_temperature"] != 1
    assert after.calibration.reading_weights == told["reading_weights"]
    assert set(told["reading_weights"]) == WEIGHTED
    assert replace(after, calibration=before.calibration) == before, "nothing else changed"
    assert after.calibration.threshold == 0.1 and told["below_threshold"] == {"right": 0, "wrong": 0}
    # All readings look alike, and eight of ten are right: that is what a confidence can say.
    assert told["calibration_error_on_the_fitted_photos"] < 0.05


def test_a_threshold_of_ones_own(meters, models, monkeypatch, capsys):
    see(monkeypatch)
    flags = ["--data", str(meters), "--sets", "water", "--models", str(models), "--threshold", "0.95"]
    assert calibrate.main(flags) == 0
    # All readings look alike, and eight of ten are right.
    assert json.loads(capsys.readouterr().out)["below_threshold"] == {"right": 8, "wrong": 2}
    assert load_bundle(models).calibration.threshold == 0.95
    with pytest.raises(SystemExit):
        calibrate.main([*flags[:-1], "2"])
    assert "'2' is not a number from 0 to 1" in capsys.readouterr().err


def test_where_displays_are_read_as_lines_that_opinion_gets_a_weight(meters, models, monkeypatch):
    see(monkeypatch, fake_line(sure=3.0))
    fitted = calibrate_meters(meters, ["water"], "train", None, models, write=False)
    assert set(fitted["reading_weights"]) == {*WEIGHTED, "line"}

    class Doubtful:
        """Is unsure of what has a wrong label: of 3s and 8s in third place."""

        def __init__(self):
            self.network = fake_line().network

        def __call__(self, batch):
            logits = self.network(batch)["logits"]
            third = self._text(logits[0])[2]
            return {"logits": logits * (0.6 if third in "38" else 1)}

        def _text(self, logits):
            return greedy(log_softmax(logits), "0123456789").text

    see(monkeypatch, LineReader(Doubtful(), fake_line().settings))
    fitted = calibrate_meters(meters, ["water"], "train", None, models, write=False)
    assert fitted["reading_weights"]["line"] > 0
    assert fitted["reading_weights"]["line"] > abs(fitted["reading_weights"]["display"])


def test_only_photos_that_were_held_out(meters, models, monkeypatch, capsys, tmp_path):
    see(monkeypatch)
    made = tmp_path / "set" / "1.0.0"
    made.mkdir(parents=True)
    splits = {"0.png": "validation", "cropped_1-crop.png": "validation", "2.png": "train"}
    (made / "splits.json").write_text(json.dumps(splits))
    (tmp_path / "names.txt").write_text("1\n2\n3\n")
    base = ["--data", str(meters), "--sets", "water", "--models", str(models), "--held_out", str(made.parent)]
    assert calibrate.main(base) == 0
    assert json.loads(capsys.readouterr().out)["photos"] == 2
    assert calibrate.main([*base, "--names", str(tmp_path / "names.txt")]) == 0
    assert json.loads(capsys.readouterr().out)["photos"] == 1, "those that both name"


def test_a_dry_run_writes_nothing(meters, models, monkeypatch, capsys):
    see(monkeypatch)
    before = (models / "bundle.json").read_bytes()
    assert calibrate.main(["--data", str(meters), "--sets", "water", "--models", str(models), "--dry_run"]) == 0
    assert "digit_temperature" in capsys.readouterr().out and (models / "bundle.json").read_bytes() == before


def logits_of(texts, scale, seed=0, steps=12):
    """Logits (T, 4) of a reader that would be honest at the temperature `scale`, and texts drawn from what it says."""
    rng = np.random.default_rng(seed)
    logits, drawn = [], []
    for text in texts:
        clean = np.zeros((steps, 4))
        for place in range(steps):
            shown = "ab1".index(text[place // 2]) + 1 if place % 2 == 0 and place // 2 < len(text) else 0
            clean[place, shown] = rng.uniform(0.5, 6)
        path = [rng.choice(4, p=np.exp(row)) for row in log_softmax(clean)]
        kept = [c for place, c in enumerate(path) if c and (place == 0 or c != path[place - 1])]
        drawn.append("".join("ab1"[c - 1] for c in kept))
        logits.append(scale * clean)
    return logits, drawn


def sample_logits(count=300, scale=2.5):
    rng = np.random.default_rng(1)
    texts = ["".join(rng.choice(list("ab1"), 5)) for _ in range(count)]
    return logits_of(texts, scale)


def test_the_temperature_of_the_least_loss_is_found_again():
    logits, texts = sample_logits()
    temperature = fit_temperature(logits, texts, "ab1")
    assert temperature == pytest.approx(2.5, rel=0.1)
    fitted = mean_loss(logits, texts, "ab1", temperature)
    assert fitted <= min(mean_loss(logits, texts, "ab1", other) for other in (1.0, 2.0, 3.2))
    # What can never be said teaches nothing.
    assert fit_temperature([*logits, logits[0]], [*texts, "Q"], "ab1") == temperature
    with pytest.raises(ValueError, match="none of 1 texts"):
        fit_temperature(logits[:1], ["Q"], "ab1")


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (0.6, -0.8), (1.4, 1.0)])
def test_slope_and_offset_are_found_again(slope, offset):
    rng = np.random.default_rng(2)
    logit = rng.normal(1, 2, 6000)
    right = rng.random(6000) < sigmoid(slope * logit + offset)
    assert fit_confidence(sigmoid(logit), right) == pytest.approx((slope, offset), abs=0.12)


def test_few_lines_change_little():
    slope, offset = fit_confidence([0.9, 0.95, 0.99], [True, True, True])
    assert 1 < slope < 1.3 and 0 < offset < 0.3
    slope, offset = fit_confidence([1.0] * 500, [True] * 500)
    assert 0 < slope < 2 and abs(offset) < 1, "finite where no reading is wrong"


@pytest.mark.parametrize(
    ("probabilities", "right", "message"),
    [
        ([], [], "not one line"),
        ([0.99] * 50 + [0.2] * 50, [False] * 50 + [True] * 50, "surer readings are not righter"),
    ],
)
def test_what_no_confidence_fits_is_said(probabilities, right, message):
    with pytest.raises(ValueError, match=message):
        fit_confidence(probabilities, right)


@pytest.fixture
def codes(monkeypatch, models):
    """A line reader "code" in the bundle, that sees logits of too sure a network; 300 lines with their texts."""
    logits, texts = sample_logits(200, scale=2.0)
    bundle_before = load_bundle(models)
    save_bundle(replace(bundle_before, lines={"code": CODE, "other": replace(CODE, task="other")}), models)

    def network(batch):
        return {"logits": np.array([logits[256 * int(p[0, 0, 0]) + int(p[0, 0, 1])] for p in batch])}

    def picture(number):
        return np.full((16, 32, 3), (number // 256, number % 256, 0), np.uint8)

    load = classmethod(lambda cls, task, path, runtime="auto": LineReader(network, load_bundle(path).lines[task]))
    monkeypatch.setattr(LineReader, "load", load)
    return [LineSample(picture(n), text, f"{n}.png") for n, text in enumerate(texts) if text]


@pytest.fixture
def code_set(codes, tmp_path):
    """The lines as a TFDS set with a validation split only."""
    root = tmp_path / "codes"
    with LineSetWriter(root / LINES_NAME / "1.0.0", ["validation"]) as writer:
        for sample in codes:
            writer.add("validation", sample.image, sample.text, sample.name)
        writer.close({sample.name: "validation" for sample in codes})
    return root


def test_line_readers_are_fitted(code_set, codes, models, capsys):
    before = load_bundle(models)
    assert calibrate.main(["lines", "--task", "code", "--dataset_path", str(code_set), "--models", str(models)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["lines"] == len(codes) and 0 < told["right"] <= told["read"] <= told["lines"]
    assert told["temperature"] == pytest.approx(2.0, rel=0.12)
    after = load_bundle(models)
    code = after.lines["code"]
    assert (code.temperature, code.slope, code.offset) == (told["temperature"], told["slope"], told["offset"])
    assert replace(after, lines=before.lines) == before and after.lines["other"] == before.lines["other"]
    assert told["mean_loss"]["fitted"] < told["mean_loss"]["plain"]
    errors = told["calibration_error_on_the_fitted_lines"]
    assert errors["fitted"] < errors["plain"]


def test_no_more_lines_than_asked_and_nothing_written_in_a_dry_run(codes, models, monkeypatch, capsys):
    monkeypatch.setattr(line_calibration, "load_lines", lambda paths, split: codes)
    before = load_bundle(models)
    arguments = ["--task", "code", "--dataset_path", "set", "--models", str(models), "--limit", "50", "--dry_run"]
    assert calibrate.main(["lines", *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["lines"] == 50 and load_bundle(models) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "DATA", "--sets", "nowhere"], "nowhere"),
        (["--data", "DATA", "--sets", "water", "--split", "validation"], "no photo of the sets ['water']"),
        (["--data", "DATA", "--sets", "water", "--held_out", "MODELS"], "no splits.json"),
        (["--data", "DATA", "--sets", "water", "--names", "absent.txt"], "absent.txt"),
        (["lines", "--task", "plate", "--dataset_path", "DATA"], "no line reader for 'plate'"),
    ],
)
def test_faults_are_one_line(arguments, message, meters, models, monkeypatch, capsys):
    see(monkeypatch)
    before = (models / "bundle.json").read_bytes()
    named = {"DATA": str(meters), "MODELS": str(models)}
    assert calibrate.main([*(named.get(each, each) for each in arguments), "--models", str(models)]) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("calibrate.py: ") and message in said[-1]
    assert not any("Traceback" in line for line in said) and (models / "bundle.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "d", "--sets", "s", "--split", "test"], "would flatter itself"),
        (["lines", "--task", "plate", "--dataset_path", "d", "--split", "test"], "would flatter itself"),
        (["lines", "--task", "plate"], "--dataset_path"),
        (["lines", "--task", "plate", "--dataset_path", "d", "--limit", "0"], "at least 1"),
        (["--sets", "s"], "--data"),
    ],
)
def test_flags_that_cannot_be_meant_are_refused(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        calibrate.main(arguments)
    assert stopped.value.code == 2 and message in capsys.readouterr().err


def test_how_far_each_network_is_trusted_is_fitted_or_given(codes, code_set, models, capsys, monkeypatch):
    def says_a(windows):
        return {"logits": np.tile(np.array([3.0, 0, 0], np.float32), (len(windows), 1))}

    second = CharacterSettings((16, 16), 14, "ab1", {"onnx": "second.onnx"}, certain=1.0)
    plain = LineReader.load

    def load(task, path, runtime="auto"):
        reader, settings = plain(task, path, runtime), load_bundle(path).characters.get(task)
        reader.look = settings and CharacterLook(says_a, settings)
        return reader

    monkeypatch.setattr(LineReader, "load", load)
    flags = ["lines", "--task", "code", "--dataset_path", str(code_set), "--models", str(models), "--limit", "60"]
    assert calibrate.main([*flags, "--trust", "1", "1"]) == 1
    assert "--trust: no network looks at the single characters of 'code'" in capsys.readouterr().err
    save_bundle(replace(load_bundle(models), characters={"code": second}), models)
    assert calibrate.main(flags) == 0
    told = json.loads(capsys.readouterr().out)
    fitted = load_bundle(models).characters["code"].trust
    assert tuple(told["trust"]) == fitted and fitted[1] == 0.25, "one that always says the same is hardly trusted"
    assert calibrate.main([*flags, "--trust", "0.5", "0.7"]) == 0
    assert load_bundle(models).characters["code"].trust == (0.5, 0.7)


def test_an_empty_split_is_said(codes, models, monkeypatch):
    monkeypatch.setattr(line_calibration, "load_lines", lambda paths, split: [])
    with pytest.raises(ValueError, match="no lines to fit on in the split 'validation'"):
        line_calibration.calibrate_lines("code", ["set"], "validation", models)
    assert math.isnan(mean_loss([], [], "ab1", 1.0))


def test_made_photos_join_and_what_is_read_without_a_meter_is_wrong(meters, models, monkeypatch, capsys):
    see(monkeypatch)
    made = []

    def make(rng):
        number = len(made)
        image = photo_of("1234", CORNERS)[0] if number < 5 else np.full((300, 400, 3), 60, np.uint8)
        made.append(image)
        return SimpleNamespace(image=image, reading=None if number == 4 else "1234")

    monkeypatch.setattr("benchmarks.calibration.make_photo", make)
    flags = ["--data", str(meters), "--sets", "water", "--models", str(models), "--made", "6", "--dry_run"]
    assert calibrate.main(flags) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["photos"], told["of_them_made"]) == (15, 5), "on the sixth nothing is found"
    assert told["readings_right"] == pytest.approx(12 / 15), "8 of 10 real ones and 4 of 5"


def test_a_number_of_made_photos_below_zero(meters, models, capsys):
    flags = ["--data", str(meters), "--sets", "water", "--models", str(models), "--made", "-1"]
    assert calibrate.main(flags) == 1
    assert "--made: a number of photos, 0 or more, wanted; -1 came" in capsys.readouterr().err


def told(decimals, line, ink, count=5):
    """A display with so many decimals, of which the line reader says `line`, and whose ink changes before `ink`."""
    opinions = np.zeros((count, len(OPINIONS)))
    opinions[:, 0] = np.log(0.02)
    opinions[line, 0] = np.log(0.9)
    opinions[ink, OPINIONS.index("ink_tint")] = 4.0 if ink else 0.0
    opinions[0, OPINIONS.index("none")] = 1.0
    return Told(opinions, decimals)


def test_what_tells_the_decimals_gets_the_weight():
    counting = [told(k, 3, k) for k in (1, 2, 3, 4)] * 10  # the line reader always says three; the colour tells
    weights = fit_weights(counting)
    assert weights["ink_tint"] > 0.5 > weights["line_point"]
    assert weights["ground_tint"] == 0, "never seen"
    rules = JointRules(line_point=weights["line_point"], boxes_point=0.0, signs={"ink_tint": weights["ink_tint"]})
    assert share_right(counting, rules) == 1.0 and share_right(counting, JointRules()) == 0.25
    reading = [told(k, k, 3) for k in (1, 2, 3, 4)] * 10  # the other way round
    weights = fit_weights(reading)
    assert weights["line_point"] > 0.5 > weights["ink_tint"]


def test_displays_count_by_their_weight():
    """Where two sets disagree, the one that counts more decides."""
    line, colour = [told(1, 1, 3)] * 10, [told(2, 4, 2)] * 10
    heard = fit_weights([replace(each, weight=9.0) for each in line] + colour)
    seen = fit_weights(line + [replace(each, weight=9.0) for each in colour])
    assert heard["line_point"] > heard["ink_tint"] and seen["line_point"] < seen["ink_tint"]


def test_signs_that_speak_for_the_wrong_number_get_no_weight():
    misled = [told(1, 1, 3)] * 10 + [told(2, 2, 4)] * 10
    assert fit_weights(misled)["ink_tint"] == 0


class TellsDecimals(FakeLine):
    """Knows decimals as classes of their own, and never sees one."""

    def __call__(self, batch):
        logits = super().__call__(batch)["logits"]
        return {"logits": np.concatenate([logits, np.zeros_like(logits[..., 1:])], axis=-1)}


def telling_decimals():
    return LineReader(TellsDecimals(), LineSettings("display", ALPHABETS["display"], (48, 256), max_length=10))


def test_point_is_fitted_on_a_set_and_the_bundle_gets_the_weights(models, monkeypatch, capsys):
    see(monkeypatch, telling_decimals())
    samples = []
    for number in range(6):
        picture, boxes = flat_display(f"{number}48")
        labels = np.array([number, 4, 8, FLOATP_ID])
        area = np.array([[boxes[1, 0], boxes[1, 1], boxes[2, 2], boxes[2, 3]]], np.float32)
        samples.append(Stage2Sample(picture, np.concatenate([boxes, area]), labels, f"{number}.png"))
    monkeypatch.setattr(point_calibration, "load_stage2", lambda paths, split: samples)
    before = load_bundle(models)
    flags = ["point", "--dataset_path", "somewhere", "--models", str(models)]
    assert calibrate.main([*flags, "--dry_run"]) == 0
    assert load_bundle(models) == before, "a dry run writes nothing"
    capsys.readouterr()
    assert calibrate.main(flags) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["displays"], found["digits_right"]) == (6, 6)
    joint = load_bundle(models).joint
    assert joint.line_point == found["weights"]["line_point"]
    assert joint.point_slip == SLIP
    assert dict(joint.signs) == {name: found["weights"][name] for name in SIGNS}


def test_a_weight_for_each_set(models, capsys):
    flags = ["point", "--dataset_path", "one", "two", "--mix", "3", "--models", str(models)]
    assert calibrate.main(flags) == 1
    assert "--mix: 2 numbers wanted, one a set; 1 came" in capsys.readouterr().err


def test_the_point_is_fitted_beside_a_line_reader(models, monkeypatch, capsys):
    see(monkeypatch)
    assert calibrate.main(["point", "--dataset_path", "somewhere", "--models", str(models)]) == 1
    assert "a line reader of displays wanted" in capsys.readouterr().err


def test_displays_that_are_not_read_right_fit_no_point(models, monkeypatch, capsys):
    see(monkeypatch, telling_decimals())
    picture, boxes = flat_display("123")
    wrong = Stage2Sample(picture, boxes, np.array([9, 9, 9]), "wrong.png")
    monkeypatch.setattr(point_calibration, "load_stage2", lambda paths, split: [wrong])
    assert calibrate.main(["point", "--dataset_path", "somewhere", "--models", str(models)]) == 1
    assert "of 1 displays in the split 'validation' the digits of none are read" in capsys.readouterr().err
