import csv
import json
import math
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from crnn import report
from crnn.evaluate_lines import describe, evaluate
from crnn.report import main
from reader.line_settings import ALPHABETS, LineSettings
from reader.lines import LineReader
from training.line_sets import LineSample
from training.tfds_writer import LINES_NAME, LineSetWriter

ROOT = Path(__file__).resolve().parent.parent
HEIGHT, WIDTH, STRIPE = 16, 128, 4
SURE, UNSURE = 255, 110


class StripeNetwork:
    """Reads pictures of stripes: red is the class in steps of 3, green how sure the network is of it."""

    def __init__(self, classes):
        self.classes = classes

    def __call__(self, batch):
        steps = batch[:, :, ::STRIPE].mean(axis=1)  # (N, T, 3)
        told = np.round(steps[:, :, 0] / 3).astype(int)
        return {"logits": np.eye(self.classes)[told] * steps[:, :, 1:2] / 12}


def line(text, alphabet, sure=SURE):
    """A picture that the stripe network reads as `text`: a stripe a character, a blank one between."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:, :, 1] = SURE
    for number, character in enumerate(text):
        left = 2 * number * STRIPE
        image[:, left : left + STRIPE] = (3 * (alphabet.index(character) + 1), sure, 0)
    return image


def reader_of(task="plate"):
    alphabet = ALPHABETS[task]
    settings = LineSettings(task, alphabet, (HEIGHT, WIDTH), min_length=0)
    return LineReader(StripeNetwork(len(alphabet) + 1), settings)


#: Label, what the picture shows, how sure the network is, in a test split of plates.
PLATES = [
    ("京A12345", "京A12345", SURE),
    ("沪B67890", "沪B67890", UNSURE),
    ("粤C0D123", "粤CD0123", SURE),
    ("苏E55555", "浙E55555", SURE),
    ("皖O12345", "皖Q12345", SURE),
    ("鲁F88888", "", SURE),
]


def samples():
    alphabet = ALPHABETS["plate"]
    return [LineSample(line(shown, alphabet, sure), text, f"{n}.png") for n, (text, shown, sure) in enumerate(PLATES)]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """The plates as a TFDS set with a test split only."""
    root = tmp_path_factory.mktemp("lines")
    with LineSetWriter(root / LINES_NAME / "1.0.0", ["test"]) as writer:
        for sample in samples():
            writer.add("test", sample.image, sample.text, sample.name)
        writer.close({sample.name: "test" for sample in samples()})
    return root


def test_every_line_is_read_and_measured():
    result = evaluate(reader_of(), samples())
    first, unsure, swapped, province, impossible, nothing = result.answers
    assert [answer.reading for answer in result.answers] == [shown for _, shown, _ in PLATES]
    assert [answer.accepted for answer in result.answers] == [True] * 5 + [False]
    assert [answer.distance for answer in result.answers] == [0, 0, 2, 1, 1, 7]
    assert swapped.cer == pytest.approx(2 / 7)
    assert (first.right, province.right) == (True, False)
    assert math.isinf(impossible.loss), "the letter O is in no plate"
    assert first.loss < 1e-3 < unsure.loss < swapped.loss < nothing.loss < 1000
    # The probability of a reading that is the truth is its loss.
    assert unsure.confidence == pytest.approx(math.exp(-unsure.loss), abs=1e-6)
    assert unsure.qualities["length"] == 7 and unsure.qualities["height"] == HEIGHT


def test_what_the_answers_add_up_to():
    summary = evaluate(reader_of(), samples()).summary(doubtful=0.9)
    assert (summary["right"], summary["wrong"], summary["refused"]) == (2, 3, 1)
    measures = summary["measures"]
    assert measures["lines"]["accuracy"] == [2, 6]
    assert measures["lines"]["precision"] == [2, 5]
    assert measures["lines"]["refused"] == [1, 6]
    assert measures["lines"]["f1"][0] == pytest.approx(4 / 11, abs=1e-6)
    assert measures["lines_without_first"]["accuracy"] == [3, 6]
    assert measures["characters"]["cer"][0] == pytest.approx(11 / 42, abs=1e-6)
    assert measures["characters"]["mean_distance"][0] == pytest.approx(11 / 6, abs=1e-6)
    assert summary["impossible"] == ["4.png"]
    assert ["苏", "浙", 1] in summary["confusions"]
    assert sorted(summary["doubtful"]) == ["2.png", "3.png", "4.png"]
    assert summary["rejecting"][0] == {"rejected": 0.0, "threshold": 0.0, "accuracy": pytest.approx(2 / 6), "kept": 6}
    # Rejecting a fifth takes the one that was not read at all.
    assert summary["rejecting"][-1]["kept"] == 5
    json.dumps(summary, allow_nan=False)


def test_refused_readings_are_not_wrong_and_are_kept_for_the_report():
    result = evaluate(reader_of(), samples(), min_confidence=0.99)
    assert result.measures.lines.counts == {"right": 1, "wrong": 3, "refused": 2}
    unsure = result.answers[1]
    assert (unsure.reading, unsure.accepted, unsure.right) == ("沪B67890", False, True)


def test_beam_and_pattern_reach_the_reader():
    result = evaluate(reader_of(), samples(), beam=5, pattern=r".[A-Z]\d{5}")
    # Where the picture shows a letter the pattern demands a digit; the rest stays as it was.
    assert result.answers[2].reading.startswith("粤C") and result.answers[2].reading[2:].isdigit()
    assert [a.reading for a in result.answers[:2]] == ["京A12345", "沪B67890"]


def test_other_tasks_have_no_province():
    alphabet = ALPHABETS["handwritten"]
    result = evaluate(reader_of("handwritten"), [LineSample(line("407", alphabet), "407", "a")])
    assert list(result.summary(0.9)["measures"]) == ["lines", "characters"]
    assert "province" not in describe(result, 0.9)


def test_without_lines_nothing_breaks():
    result = evaluate(reader_of(), [])
    assert "0 lines" in describe(result, 0.9)
    json.dumps(result.summary(0.9), allow_nan=False)


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_from_the_set_to_the_report(tmp_path, stored, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(report, "open_reader", lambda *given: opened.append(given) or reader_of())
    out, figures = tmp_path / "deep" / "report", tmp_path / "other" / "r.json"
    flags = [
        "--task",
        "plate",
        "--dataset_path",
        str(stored),
        "--model",
        "m",
        "--out",
        str(out),
        "--json",
        str(figures),
    ]
    assert main(flags) == 0
    assert opened == [(Path("m"), "plate", "auto")]
    printed = capsys.readouterr().out
    assert "plate: 6 lines, 2 right, 3 wrong, 1 refused" in printed
    assert "accuracy                  33.3 % (9.7-70.0)" in printed
    assert "whole lines, without the province" in printed
    assert "  苏-浙  1" in printed
    assert "doubtful labels (disagrees with confidence 0.9 or more): 3" in printed
    assert (out / "report.txt").read_text(encoding="utf-8").strip() in printed
    lines = table(out / "lines.csv")
    assert [row["name"] for row in lines][:2] == ["4.png", "5.png"], "what can never be said comes first"
    assert (lines[0]["truth"], lines[0]["reading"], lines[0]["loss"]) == ("皖O12345", "皖Q12345", "")
    assert [row["right"] for row in lines].count("True") == 2
    assert {row["name"] for row in table(out / "doubtful.csv")} == {"2.png", "3.png", "4.png"}
    assert {"truth": "苏", "read": "浙", "times": "1"} in table(out / "confusions.csv")
    for name in ("worst_by_loss", "worst_by_cer", "accuracy_by", "confidence"):
        picture = cv2.imread(str(out / f"{name}.png"))
        assert picture is not None and picture.std() > 5, name
    told = json.loads(figures.read_text())
    assert told["measures"]["lines"]["accuracy"] == [2, 6]
    assert told["lines_in_detail"][4]["loss"] is None and told["lines_in_detail"][0]["reading"] == "京A12345"


def test_flags_choose_how_it_is_decoded(stored, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(report, "open_reader", lambda *given: reader_of())
    monkeypatch.setattr(report, "evaluate", lambda *given: asked.append(given[2:5]) or evaluate(*given))
    base = ["--task", "plate", "--dataset_path", str(stored)]
    for flags in ([], ["--greedy"], ["--beam", "3", "--pattern", ".{7}"], ["--min_confidence", "0.5", "--pattern", ""]):
        assert main([*base, *flags]) == 0
    assert asked == [(None, None, None), (1, "", None), (3, ".{7}", None), (None, "", 0.5)]


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (["--split", "validation"], "the split 'validation' is empty"),
        (["--dataset_path", "nowhere"], "nowhere is not a folder"),
        (["--pattern", "A*"], "pattern 'A*', character 2"),
    ],
)
def test_faults_are_one_line(stored, monkeypatch, capsys, flags, wanted):
    monkeypatch.setattr(report, "open_reader", lambda *given: reader_of())
    assert main(["--task", "plate", "--dataset_path", str(stored), *flags]) == 1
    error = capsys.readouterr().err
    assert wanted in error
    assert error.startswith("test_lines.py: ") and len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (["--model", "not_there.keras"], "not_there.keras: no such file"),
        (["--model", "empty"], "empty"),
    ],
)
def test_a_missing_model_is_one_line(tmp_path, stored, monkeypatch, capsys, flags, wanted):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert main(["--task", "plate", "--dataset_path", str(stored), *flags]) == 1
    error = capsys.readouterr().err
    assert wanted in error and len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (["--greedy", "--pattern", "A"], "--beam 1 follows one"),
        (["--greedy", "--beam", "2"], "not allowed with"),
        (["--beam", "0"], "at least 1 wanted, '0' came"),
        (["--min_confidence", "2"], "from 0 to 1 wanted, '2' came"),
        (["--doubtful", "nan"], "from 0 to 1 wanted, 'nan' came"),
    ],
)
def test_wrong_flags_are_refused(capsys, flags, wanted):
    with pytest.raises(SystemExit) as ended:
        main(["--task", "plate", "--dataset_path", "x", *flags])
    assert ended.value.code == 2
    assert wanted in capsys.readouterr().err


def test_a_trained_network_is_tested_as_a_user_does_it(tmp_path, stored, capsys):
    from crnn.config import task_config
    from crnn.model import build

    tiny = {"channels": (4, 4, 4, 4, 4, 4), "column": 4, "units": 4, "layers": 1}
    build(task_config("plate", tiny)).save(tmp_path / "plate.keras")
    flags = ["--model", "plate.keras", "--dataset_path", str(stored)]
    done = subprocess.run(
        [sys.executable, ROOT / "test_lines.py", *flags, "--task", "plate", "--json", "r.json", "--out", "report"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "r.json").read_text())
    assert told["lines"] == 6 and told["right"] == 0, "an untrained network reads nothing right"
    assert told["mean_loss"] > 5
    assert (tmp_path / "report" / "worst_by_loss.png").is_file()
    flags[1] = str(tmp_path / "plate.keras")
    assert main([*flags, "--task", "captcha"]) == 1
    assert capsys.readouterr().err.endswith("reads 'plate'; a reader of 'captcha' was wanted\n")
