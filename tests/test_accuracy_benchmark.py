"""The accuracy benchmark: a reader whose answers are known gives a table that is known."""

import json
from pathlib import Path

import numpy as np
import pytest
from fake_networks import FakeStage1, FakeStage2, bundle, fake_line, flat_display, photo_of

from benchmarks import accuracy
from benchmarks.accuracy import measure, parse
from benchmarks.accuracy_report import cause_table, comparison_table, table
from benchmarks.error_pages import captions, tile_sheet
from benchmarks.measured import Measured, SetResult, by_cause, same_digits, straight_crop
from benchmarks.paired import Paired, comparisons, paired
from benchmarks.records import records
from reader.geometry import is_clockwise
from reader.image import encode_png, load_image
from reader.pipeline import MeterReader
from reader.types import Result

CORNERS = [[160, 200], [480, 210], [478, 280], [158, 270]]
SHIFTED = [[160, 240], [480, 250], [478, 320], [158, 310]]


def write_set(folder, photos):
    """A set; photos: (name, picture, record)."""
    folder.mkdir(parents=True)
    lines = []
    for name, picture, record in photos:
        (folder / name).write_bytes(encode_png(picture))
        known = {"image": name, "reading": None, "corners": None, "kind": "full_photo", "split": "test"}
        lines.append(json.dumps(known | record))
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def data(tmp_path):
    photo, _ = photo_of("0012345", CORNERS)
    without = np.full((300, 400, 3), 60, np.uint8)
    display, _ = flat_display("987")
    write_set(
        tmp_path / "water",
        [
            # Right, as a number: the zeros in front do not count. The networks here see no decimals.
            ("right.png", photo, {"reading": "12345", "corners": CORNERS, "cls": "analog"}),
            # The reading of the set is another one: stage 2 is to blame, the corners are right.
            ("wrong.png", photo, {"reading": "12349", "corners": CORNERS, "cls": "digital"}),
            # The corners of the set are elsewhere: stage 1 is to blame.
            ("moved.png", photo, {"reading": "99999", "corners": SHIFTED, "cls": "analog"}),
            # Nothing to be found.
            ("none.png", without, {"reading": "1", "corners": CORNERS, "cls": "analog"}),
            # Not measured: another split, no reading.
            ("train.png", photo, {"reading": "12345", "corners": CORNERS, "split": "train"}),
            ("unread.png", photo, {"corners": CORNERS}),
        ],
    )
    # Displays only, and of one there is the photo too.
    write_set(tmp_path / "crops", [("a.png", display, {"reading": "987.0", "kind": "display_crop"})])
    write_set(tmp_path / "train_only", [("a.png", display, {"reading": "987", "split": "train"})])
    return tmp_path


def reader():
    return MeterReader(FakeStage1(), FakeStage2(), bundle())


def test_only_what_can_be_measured_is_measured(data):
    assert [r["image"] for r in records(data / "water", "test")] == ["right.png", "wrong.png", "moved.png", "none.png"]
    assert [r["image"] for r in records(data / "water", "train")] == ["train.png"]
    assert [r["image"] for r in records(data / "water", "test", {"none"})] == ["none.png"]
    assert records(data / "train_only", "test") == []


def test_corrected_readings_are_measured_with(data):
    corrections = data / "corrections"
    corrections.mkdir()
    assert [r["reading"] for r in records(data / "train_only", "train", None, corrections)] == ["987"], "none for it"
    (corrections / "train_only_readings.json").write_text('{"a.png": "98.7"}')
    assert [r["reading"] for r in records(data / "train_only", "train", None, corrections)] == ["98.7"]
    assert [r["reading"] for r in records(data / "train_only", "train")] == ["987"]


def test_a_folder_of_corrections_that_is_not_there_is_not_taken_for_an_empty_one(data):
    with pytest.raises(NotADirectoryError, match=r"--corrections: a folder wanted; .*nowhere came"):
        records(data / "water", "train", None, data / "nowhere")


def test_readings_of_the_split_test_cannot_be_corrected(data, capsys):
    with pytest.raises(SystemExit):
        parse(["--data", str(data), "--corrections", str(data)])
    assert "measured with as they are" in capsys.readouterr().err
    assert parse(["--data", str(data), "--corrections", str(data), "--split", "train"]).corrections == data


def test_every_measure(data):
    result = measure(reader(), data / "water", records(data / "water", "test"), None)
    assert result.whole == [True, False, False, False]
    assert result.given[:2] == [True, False] and len(result.given) == 4
    assert result.classes == [True, False, True, False], "analog, but labelled digital; none found"
    assert [iou > 0.75 for iou in result.corners.ious] == [True, True, False, False]
    assert [miss.image for miss in result.misses] == ["wrong.png", "moved.png", "none.png"]
    assert [miss.cause for miss in result.misses] == ["stage 2", "stage 2", "refused"]
    assert [miss.result.text for miss in result.misses] == ["0012345", "0012345", ""]
    assert result.misses[2].result.reason == "no_display" and result.confidences[3] == 0
    assert result.kept == [True, True, True, False]
    assert [len(values) for values in result.sure] == [3, 3], "a refusal claims nothing"
    # 12345 against 12349 is one edit, against 99999 five; "" against "1" reads as 0: one. Of 5 + 5 + 5 + 1 digits.
    assert result.characters.edits == 7 and result.characters.characters == 16
    assert set(result.median_times()) == {"load", "stage1", "stage2"}
    json.dumps([answer.to_dict() for answer in result.answers], allow_nan=False)


def test_displays_are_measured_with_their_own_corners(data):
    result = measure(reader(), data / "crops", records(data / "crops", "test"), None)
    assert result.given == [True] and result.whole == [] and result.corners.ious == []


def test_a_photo_without_corners_blames_no_stage(tmp_path):
    photo, _ = photo_of("12", CORNERS)
    folder = write_set(tmp_path / "set", [("a.png", photo, {"reading": "23"})])
    result = measure(reader(), folder, records(folder, "test"), None)
    assert result.given == [] and result.classes == [] and result.corners.ious == []
    assert result.misses[0].cause == "unknown" and result.misses[0].to_dict()["iou"] is None


def test_a_broken_picture_is_left_out_by_name(tmp_path, capsys):
    photo, _ = photo_of("12", CORNERS)
    folder = write_set(tmp_path / "set", [("a.png", photo, {"reading": "12"}), ("b.png", photo, {"reading": "12"})])
    (folder / "a.png").write_bytes(b"no picture")
    assert measure(reader(), folder, records(folder, "test"), None).whole == [True]
    assert "left out: " in (said := capsys.readouterr().err) and "a.png" in said


def answer(text, truth="12.5", given=None, whole=True, reason=None, confidence=0.9, **more):
    """What the reader is made to have said about a photo whose display it found."""
    found = np.array(CORNERS, np.float32)
    result = Result("a.png", reason is None, text, confidence, reason, "analog", 0.9, found, times={"load": 0.01})
    return Measured("a.png", truth, result, whole, None if given is None else found, None, given, **more)


@pytest.mark.parametrize(
    ("said", "cause", "why"),
    [
        (answer("0012.500", given="12.5"), None, "right: zeros do not count"),
        (answer("13.5", given="12.5"), "stage 1", "the true corners would have done"),
        (answer("13.5", given="13.6"), "stage 2", "they would not"),
        (answer("13.5", given=""), "stage 2", "nothing is read from the true corners"),
        (answer("13.5"), "unknown", "no corners in the set"),
        (answer("1.25", given="12.5"), "decimal point", "whatever the corners: the digits are right"),
        (answer("00125", given="125"), "decimal point", "a point was wanted"),
        (answer("12.6", given="12.5"), "one off in the last place", "as of a drum between two digits"),
        (answer("12.4"), "one off in the last place", "whatever the corners"),
        (answer("12x5", given="12.5", reason="unknown_digit"), "refused", "a refusal is no wrong reading"),
        (answer("", given="12.5", reason="no_display"), "refused", "nothing was found"),
        (answer("13.5", given="13.5", whole=False), "stage 2", "a display without a photo has only that stage"),
    ],
)
def test_what_lost_a_reading(said, cause, why):
    assert said.cause == cause, why


def test_readings_that_are_nearly_right():
    said = [
        answer("12.5"),
        answer("12.6"),
        answer("12.7"),
        answer("13.5"),
        answer("125"),
        answer("", reason="illegible"),
    ]
    assert SetResult(said).whole == [True, False, False, False, False, False]
    assert SetResult(said).nearly == [True, True, False, False, False, False]


def test_misses_are_grouped_by_cause_the_surest_first():
    wrong = [answer("13.5", given="13.5", confidence=confidence) for confidence in (0.2, 0.8)]
    refused, point = answer("", reason="no_display"), answer("125")
    groups = by_cause([("a", wrong[0]), ("b", refused), ("a", answer("12.5")), ("b", point), ("b", wrong[1])])
    assert list(groups) == ["refused", "decimal point", "stage 2"], "without empty ones, and a right one is none"
    assert groups["stage 2"] == [("b", wrong[1]), ("a", wrong[0])]


@pytest.mark.parametrize(
    ("said", "truth", "same"),
    [
        ("00125", "12.5", True),
        ("1.25", "12.5", True),
        ("0012500", "12.5", True),  # zeros behind the decimals were lost in the truth
        ("125", "1250", False),  # no point makes it ten times as much
        ("1250", "125", True),  # 125.0
        ("0.125", "125", True),
        ("126", "12.5", False),
        ("12x", "12.5", False),
        ("", "0", False),
        ("000", "0", True),
    ],
)
def test_same_digits_wherever_the_point_is(said, truth, same):
    assert same_digits(said, truth) == same


@pytest.mark.parametrize(
    ("degrees", "first"),
    [(0, (0, 0)), (30, (0, 0)), (-40, (0, 0)), (60, (1, 0)), (90, (1, 0)), (180, (1, 1)), (-90, (0, 1))],
)
def test_the_upright_crop_is_turned_by_whole_quarters(degrees, first):
    """`first`: whether the display's own top-left is at the crop's right, at its lower edge."""
    turn = np.radians(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    corners = np.array([[-50, -10], [50, -10], [50, 10], [-50, 10]]) @ matrix.T + 100
    crop = straight_crop(corners)
    low, high = corners.min(axis=0), corners.max(axis=0)
    np.testing.assert_allclose(crop[0], np.where(first, high, low), atol=1e-4)
    np.testing.assert_allclose(crop[2], np.where(first, low, high), atol=1e-4)
    assert is_clockwise(crop)


@pytest.mark.parametrize(
    ("outcomes", "counts"),
    [
        ([], (0, 0, 0, 0)),
        ([(True, True), (True, False), (True, False), (False, True), (False, False)], (1, 2, 1, 1)),
    ],
)
def test_paired_counts(outcomes, counts):
    assert paired(outcomes) == Paired(*counts) and paired(outcomes).total == len(outcomes)


@pytest.mark.parametrize(
    ("counts", "gain", "reason"),
    [
        # By hand: Wilson 0.4902-0.9433 and 0.2366-0.7634; no correlation (4 * 1 less 4 * 1): the squares add.
        ((4, 4, 1, 1), (0.3, -0.1066, 0.5999), "uncorrelated"),
        ((36, 12, 2, 0), (0.2, 0.0569, 0.3404), "an example of Newcombe's, table II"),
        ((90, 10, 0, 0), (0.1, None, None), "the same way never loses"),
        ((50, 0, 0, 50), (0.0, None, None), "they agree always"),
        ((0, 30, 0, 0), (1.0, None, 1.0), "the difference is at most 1"),
    ],
)
def test_the_gain_and_its_interval(counts, gain, reason):
    found = Paired(*counts).gain()
    assert found[0] == pytest.approx(gain[0]), reason
    assert found[1] <= found[0] <= found[2] and found[1] >= -1 and found[2] <= 1
    for value, wanted in zip(found[1:], gain[1:], strict=True):
        assert wanted is None or value == pytest.approx(wanted, abs=2e-4), reason
    backwards = Paired(counts[0], counts[2], counts[1], counts[3]).gain()
    assert backwards == pytest.approx((-found[0], -found[2], -found[1])), "the other way round is the mirror image"


def test_paired_outcomes_that_agree_tell_more():
    apart, alike = Paired(45, 25, 15, 15).gain(), Paired(58, 12, 2, 28).gain()
    assert apart[0] == alike[0] == pytest.approx(0.1)
    assert alike[1] > 0 > apart[1], "the same shares of the same photos"
    assert np.isnan(Paired(0, 0, 0, 0).gain()).all()


class Confused(FakeStage2):
    """Takes each 5 for an 8, not quite sure of it."""

    def __call__(self, batch):
        outputs = super().__call__(batch)
        p = outputs["probabilities"]
        fives = p[0, :, 5] > 0.5
        p[0, fives, 5], p[0, fives, 8] = 0.5, 0.6
        return outputs


def test_without_rectification_and_without_the_line_reader(tmp_path):
    tilted, _ = photo_of("12345", np.array([[200, 100], [480, 200], [455, 270], [175, 170]]))
    straight, _ = photo_of("12345", [[160, 200], [480, 200], [480, 270], [160, 270]])
    without = np.full((300, 400, 3), 60, np.uint8)
    photos = [("tilted.png", tilted), ("straight.png", straight), ("without.png", without)]
    folder = write_set(tmp_path / "water", [(name, image, {"reading": "12345"}) for name, image in photos])
    together = MeterReader(FakeStage1(), Confused(), bundle(), line=fake_line())
    result = measure(together, folder, records(folder, "test"), None)
    assert [each.result.text for each in result.answers] == ["12345", "12345", ""]
    assert [each.crop == "12345" for each in result.answers] == [False, True, False]
    assert [each.alone for each in result.answers] == ["12348", "12348", ""]
    rectified, digits, reading = comparisons({"water": result}).values()
    assert rectified == {"water": Paired(1, 1, 0, 1)}
    assert digits == reading == {"water": Paired(0, 2, 0, 1)}
    assert "| water | 3 | 66.7 %" in (told := comparison_table({"water": result})) and "+66.7 (" in told
    # Without a line reader there is nothing to compare it with.
    plain = measure(MeterReader(FakeStage1(), Confused(), bundle()), folder, records(folder, "test"), None)
    assert [each.alone for each in plain.answers] == [None] * 3
    assert list(comparisons({"water": plain})) == ["rectified display against upright crop"]


def test_what_is_left_when_the_least_sure_are_rejected():
    answers = [answer("12.5", confidence=0.5 + number / 100) for number in range(19)]
    result = SetResult([*answers, answer("9.9", confidence=0.1)])
    assert (result.after_rejecting(0.0).hits, result.after_rejecting(0.0).total) == (19, 20)
    assert (result.after_rejecting(0.15).hits, result.after_rejecting(0.15).total) == (17, 17)
    # Mean confidence 0.59 of 19 right ones in two bins, 0.1 of the wrong one.
    assert result.calibration_error == pytest.approx((19 * 0.41 + 0.1) / 20)


def test_table(data):
    results = {name: measure(reader(), data / name, records(data / name, "test"), None) for name in ("water", "crops")}
    lines = table(results).splitlines()
    assert len(lines) == 4 and len({line.count("|") for line in lines}) == 1
    cells = [cell.strip() for cell in lines[2].split("|")[1:-1]]
    # Shares with their 95 % intervals (Wilson): 2 of 4, 1 of 4, 1 of the 3 surest, 3 of 4.
    assert cells[:3] == ["water", "4", "50.0 % (15.0-85.0)"]
    assert [cells[6], *cells[8:10]] == ["25.0 % (4.6-69.9)", "33.3 % (6.1-79.2)", "75.0 % (30.1-95.4)"]
    assert cells[7] == cells[6], "none is wrong by one"
    assert cells[10] == "56.2 %", "7 edits of 16 digits"
    cells = [cell.strip() for cell in lines[3].split("|")[1:-1]]
    assert cells[:6] == ["crops", "1", "-", "-", "-", "100.0 % (20.7-100.0)"] and set(cells[6:]) == {"-"}
    # Several sets with photos: all of them together, too.
    lines = table({"one": results["water"], "two": results["water"], "crops": results["crops"]}).splitlines()
    assert lines[-1].startswith("| all sets | 8 | 50.0 %")
    causes = cause_table(results).splitlines()
    assert causes[2] == "| water | 3 | 0 | 0 | 0 | 2 | 0 | 1 | 0 | 0 | 0 |" and causes[3].startswith("| crops | 0 | 0 ")


def test_the_command(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(MeterReader, "load", classmethod(lambda cls, *args, **options: reader()))
    out, failures = tmp_path / "new" / "accuracy.json", tmp_path / "failures"
    assert accuracy.main(["--data", str(data), "--json", str(out), "--failures", str(failures)]) == 0
    said = capsys.readouterr().out
    assert "| water | 4 |" in said and "| crops | 1 |" in said and "train_only" not in said
    figures = json.loads(out.read_text())
    assert (figures["water"]["right"], figures["water"]["of"], len(figures["water"]["misses"])) == (1, 4, 3)
    assert figures["water"]["lost by"] == {"stage 2": 2, "refused": 1}
    assert sorted(p.name for p in failures.iterdir()) == ["water_moved.jpg", "water_none.jpg", "water_wrong.jpg"]
    (tmp_path / "names.txt").write_text("right\n")
    assert accuracy.main(["--data", str(data), "--sets", "water", "--names", str(tmp_path / "names.txt")]) == 0
    assert "| water | 1 | 100.0 %" in capsys.readouterr().out
    assert accuracy.main(["--data", str(data), "--sets", "water", "--limit", "2"]) == 0
    assert "| water | 2 | 100.0 %" in capsys.readouterr().out


def test_the_report(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(MeterReader, "load", classmethod(lambda cls, *args, **options: reader()))
    out = tmp_path / "report"
    (out / "errors").mkdir(parents=True)
    for old in ("stage_2_2.png", "mine.png"):
        (out / "errors" / old).write_bytes(b"of an earlier run")
    assert accuracy.main(["--data", str(data), "--out", str(out), "--min_count", "2"]) == 0
    assert sorted(p.name for p in out.iterdir()) == [
        "accuracy.json", "accuracy.md", "errors", "reliability.png", "risk_coverage.png",
    ]  # fmt: skip
    assert (out / "accuracy.md").read_text().strip() == capsys.readouterr().out.strip()
    for name in ("reliability.png", "risk_coverage.png"):
        assert load_image(out / name).std() > 5, "something is drawn"
    # Of the stale sheets only those are removed that the command itself once wrote.
    assert sorted(p.name for p in (out / "errors").iterdir()) == [
        "index.json", "mine.png", "refused_1.png", "stage_2_1.png",
    ]  # fmt: skip
    index = json.loads((out / "errors" / "index.json").read_text())
    assert (index["wrong"], index["of"], index["causes"]) == (3, 5, {"refused": 1, "stage 2": 2})
    assert index["refused"] == {"no_display": 1} and index["sets"] == {
        "crops": {},
        "water": {"stage 2": 2, "refused": 1},
    }
    places = {photo["image"]: (photo["sheet"], photo["place"]) for photo in index["photos"]}
    assert places["none.png"] == ("refused_1.png", 1)
    assert {places[name] for name in ("wrong.png", "moved.png")} == {("stage_2_1.png", 1), ("stage_2_1.png", 2)}
    photo = next(photo for photo in index["photos"] if photo["image"] == "wrong.png")
    assert (photo["truth"], photo["answer"], photo["with true corners"]) == ("12349", "0012345", "0012345")
    sheet = load_image(out / "errors" / "stage_2_1.png").astype(int)
    pink = np.abs(sheet - (240, 90, 230)).max(axis=2) < 30
    assert pink.sum() > 300, "the true display is outlined"


def test_a_sheet_is_as_wide_as_its_fullest_row_and_each_row_as_high_as_its_highest_tile():
    tiles = [np.full((height, 100, 3), 200, np.uint8) for height in (50, 80, 30)]
    sheet = tile_sheet(tiles, "three", columns=2)
    assert sheet.shape == (32 + 80 + 30 + 3 * 8, 2 * 108 + 8, 3)
    assert (sheet[40:90, 8:108] == 200).all() and (sheet[128:158, 8:108] == 200).all()
    assert tile_sheet([], "none").shape[2] == 3


def test_captions_tell_truth_answer_and_the_other_ways():
    said = captions("water", answer("13.5", given="12.5", alone="", confidence=0.314))
    assert said == ["water/a.png", "truth 12.5, read 13.5, 31 %", "stage 1, IoU 1.00, true corners 12.5, alone nothing"]
    refused = captions("w" * 60, answer("", reason="no_display", confidence=0.0))
    assert refused[0].startswith("...w") and refused[0].endswith("/a.png") and len(refused[0]) == 44
    assert refused[1:] == ["truth 12.5, read nothing, 0 %", "refused: no_display"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "nowhere"], "no set with readings in the split 'nowhere'"),
        (["--sets", "missing"], "missing"),
        (["--models", "no_folder"], "no_folder"),
        (["--out", "manifest.jsonl"], "manifest.jsonl"),
    ],
)
def test_faults_are_one_line(arguments, message, data, monkeypatch, capsys):
    if "--models" not in arguments:
        monkeypatch.setattr(MeterReader, "load", classmethod(lambda cls, *args, **options: reader()))
    monkeypatch.chdir(data / "water")
    assert accuracy.main(["--data", str(data), *arguments]) == 1
    said = capsys.readouterr().err
    assert said.startswith("accuracy.py: ") and message in said and len(said.strip().splitlines()) == 1


def test_one_keras_file_alone_is_refused(data, capsys):
    with pytest.raises(SystemExit):
        accuracy.main(["--data", str(data), "--stage1", str(Path("a.keras"))])
    assert "--stage1 and --stage2 belong together" in capsys.readouterr().err
