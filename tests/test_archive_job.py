"""An archive from photos to table, journal, verdicts and report; the workers here are functions of this process."""

import csv
import json
import sys
from contextlib import contextmanager
from datetime import date

import numpy as np
import pyarrow.parquet as pq
import pytest
from fake_networks import FakeStage1, FakeStage2, bundle, photo_of, save_fixed_bundle

import read_archive
from archive import job as job_module
from archive import journal as journal_module
from archive.journal import Journal, JournalError
from archive.previous import METER_PATTERN, Judge, Previous, PreviousError, compile_pattern, excess, load_previous
from archive.rows import INDEX, photos_table
from archive.sources import Photo
from archive.worker import BatchReader, Ledger, load_reader, model_files, model_hash
from reader import MeterReader
from reader.image import encode_png, load_image

CORNERS = [[160, 180], [480, 220], [470, 300], [165, 236]]


class Workers:
    """Stands for Ray: reads batches here, last one first, and stops after `stop` of them."""

    def __init__(self):
        self.read = []
        self.stop = None

    def readings(self, batches, workers, files, model, decimals, min_confidence):
        reader = MeterReader(FakeStage1(), FakeStage2(decimals=2), bundle(), min_confidence)
        read = BatchReader(reader, model, decimals, Ledger())
        for batch in batches[::-1]:
            if self.stop == 0:
                raise KeyboardInterrupt
            self.stop = None if self.stop is None else self.stop - 1
            self.read += batch.column("path").to_pylist()
            yield read(batch)


@pytest.fixture
def workers(monkeypatch):
    @contextmanager
    def cluster(address, workers, memo):
        yield workers or 2

    here = Workers()
    monkeypatch.setattr(job_module, "cluster", cluster)
    monkeypatch.setattr(job_module, "readings", here.readings)
    monkeypatch.setattr(journal_module, "SMALLEST_PART", 2)
    return here


@pytest.fixture
def run(tmp_path, workers, monkeypatch, capsys):
    """Runs read_archive.py: exit code, lines on stdout, lines on stderr that are no progress."""
    monkeypatch.chdir(tmp_path)
    models = tmp_path / "models"
    models.mkdir()
    save_fixed_bundle(models)

    def run(*arguments):
        code = read_archive.main([*map(str, arguments), "--models", str(models)])
        captured = capsys.readouterr()
        lines = [line for line in captured.err.splitlines() if line.strip() and not line.startswith("listing:")]
        return code, captured.out.splitlines(), lines

    return run


@pytest.fixture
def photos(tmp_path):
    """Seven photos: five meters, one without, one that is no picture."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, digits in {"W1": "00471", "W2": "00999", "W3": "00001", "W4": "12345", "W5": "00600"}.items():
        (folder / f"{name}_2026-05-31.png").write_bytes(encode_png(photo_of(digits, CORNERS)[0]))
    (folder / "W6_wall.png").write_bytes(encode_png(np.full((40, 50, 3), 9, np.uint8)))
    (folder / "W7.jpg").write_bytes(b"nothing")
    return folder


def table(path):
    return pq.read_table(path).to_pylist()


def test_a_row_a_photo(run, photos, tmp_path):
    code, out, err = run("photos", "out/readings.parquet")
    assert (code, err) == (1, []), "one could not be opened"
    rows = table(tmp_path / "out/readings.parquet")
    assert [(row["path"], row["success"], row["text"], row["reason"]) for row in rows[:6]] == [
        ("photos/W1_2026-05-31.png", True, "004.71", None),
        ("photos/W2_2026-05-31.png", True, "009.99", None),
        ("photos/W3_2026-05-31.png", True, "000.01", None),
        ("photos/W4_2026-05-31.png", True, "123.45", None),
        ("photos/W5_2026-05-31.png", True, "006.00", None),
        ("photos/W6_wall.png", False, "", "no_display"),
    ]
    assert rows[6]["error"].startswith("photos/W7.jpg: not a picture") and rows[6]["class"] is None
    assert (rows[0]["class"], rows[0]["width"], len(rows[0]["digits"])) == ("analog", 640, 5)
    np.testing.assert_allclose(rows[0]["corners"], CORNERS, atol=4)
    assert rows[0]["digits"][4]["decimal"] and rows[0]["times"]["stage1"] > 0
    assert {row["model"] for row in rows} == {model_hash(model_files(tmp_path / "models"))}
    assert "7 photos" in out[0] and out[-1] == "out/readings.parquet: 7 rows"
    beside = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert beside == [
        "readings.parquet" + end for end in ("", ".refused.jpg", ".report.json", ".report.txt", ".to_check.csv")
    ]
    report = json.loads((tmp_path / "out/readings.parquet.report.json").read_text())
    assert (report["photos"], report["read"], sum(report["histogram"])) == (7, 5, 5)
    assert report["reasons"] == {"no_display": 1, "could not be opened": 1}
    sheet = load_image(tmp_path / "out/readings.parquet.refused.jpg")
    assert sheet.shape == (332, 252, 3), "the one that could be opened"


def test_csv_says_the_same(run, photos, tmp_path):
    run("photos", "a.csv", "--decimals", 1)
    run("photos", "a.parquet", "--decimals", 1)
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, same in zip(rows, table(tmp_path / "a.parquet"), strict=True):
        assert row["text"] == same["text"] and row["success"] == str(same["success"]).lower()
        assert (row["error"] or None) == same["error"] and float(row["confidence"]) == same["confidence"]
        assert json.loads(row["corners"] or "null") == (
            same["corners"] and [[round(value, 4) for value in corner] for corner in same["corners"]]
        )
    assert rows[0]["text"] == "0047.1"


@pytest.mark.parametrize("stop", [0, 1, 4, 6])
def test_a_stopped_run_goes_on_and_reads_nothing_twice(run, workers, photos, tmp_path, stop):
    workers.stop = stop
    code, out, err = run("photos", "a.parquet")
    assert (code, out, err) == (130, [], ["read_archive.py: stopped; the same command goes on"])
    assert not (tmp_path / "a.parquet").exists()
    finished = {path.name for path in (tmp_path / "a.parquet.parts").glob("part-*")}
    (photos / "W8.png").write_bytes(b"came later")
    first, workers.read, workers.stop = workers.read, [], None
    code, _, _ = run("photos", "a.parquet")
    assert code == 1 and not (tmp_path / "a.parquet.parts").exists()
    assert len(workers.read) == 7 - sum(2 if name != "part-0000003.parquet" else 1 for name in finished)
    assert set(first) | set(workers.read) == {row["path"] for row in table(tmp_path / "a.parquet")}
    assert [row["path"] for row in table(tmp_path / "a.parquet")] == sorted(
        f"photos/{p.name}" for p in photos.iterdir()
    )[:7]


def test_a_kill_between_the_last_part_and_the_end(run, workers, photos, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "remove", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        assert run("photos", "a.parquet")[0] == 130
    (tmp_path / "a.parquet.parts/.merged.partial").write_bytes(b"half")
    (tmp_path / "a.parquet.parts/part-0000001.parquet").write_bytes(b"broken by the disk")
    workers.read = []
    assert run("photos", "a.parquet")[0] == 1
    assert sorted(workers.read) == ["photos/W3_2026-05-31.png", "photos/W4_2026-05-31.png"]
    assert len(table(tmp_path / "a.parquet")) == 7


def test_what_stands_in_the_way(run, workers, photos, tmp_path):
    assert run("photos", "a.parquet", "--limit", 2)[0] == 0
    code, out, err = run("photos", "a.parquet")
    assert (code, out) == (2, []) and err == ["read_archive.py: a.parquet: already there; --overwrite replaces it"]
    assert not (tmp_path / "a.parquet.parts").exists()
    workers.stop = 1
    assert run("photos", "a.parquet", "--overwrite", "--decimals", 1)[0] == 130
    code, _, err = run("photos", "a.parquet", "--decimals", 2)
    assert code == 2 and len(err) == 1 and "an unfinished run with decimals 1, now 2" in err[0]
    assert len(table(tmp_path / "a.parquet")) == 2, "the old one stands until the new one is whole"
    workers.stop = None
    assert run("photos", "a.parquet", "--overwrite", "--decimals", 2)[0] == 1
    assert [row["text"] for row in table(tmp_path / "a.parquet")][:2] == ["004.71", "009.99"]


def test_two_runs_on_one_output(run, photos, tmp_path):
    with Journal(tmp_path / "a.parquet"):
        code, _, err = run("photos", "a.parquet")
        assert code == 2 and len(err) == 1 and "another run writes it" in err[0]
    assert not (tmp_path / "a.parquet.parts").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gone", "a.parquet"], "gone: no such file or folder"),
        (["photos", "a.parquet", "--previous", "gone.csv"], "gone.csv: No such file"),
        (["photos", "photos/W7.jpg/a.parquet"], "Not a directory"),
    ],
)
def test_bad_input_is_one_line(run, photos, tmp_path, arguments, words):
    code, out, err = run(*arguments)
    assert (code, out, len(err)) == (2, [], 1) and words in err[0]
    assert not list(tmp_path.glob("a.parquet*"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a"], "OUT"),
        (["a", "b.xlsx"], "ends in .parquet or .csv"),
        (["a", "s3://bucket/b.csv"], "no file on this machine"),
        (["a", "b.csv", "--workers", "0"], "1 or more"),
        (["a", "b.csv", "--max_per_day", "2"], "go with --previous"),
        (["a", "b.csv", "--previous", "c", "--max_per_day", "-2"], "such as 2.5"),
        (["a", "b.csv", "--previous", "c", "--reading_date", "May"], "such as 2026-05-31"),
    ],
)
def test_wrong_flags(arguments, words, capsys):
    with pytest.raises(SystemExit) as raised:
        read_archive.main(arguments)
    assert raised.value.code == 2 and words in capsys.readouterr().err


PREVIOUS = """meter,reading,date,max_per_day
W1,4.70,2026-05-01,0.1
W2,10.5,2026-05-01,
W3,0.0,2026-05-30,
W4,1.00,2026-05-01,0.5
W4,2.00,2026-05-11,0.5
W6,7,2026-05-01,
"""


def test_verdicts_never_alter_a_reading_and_the_worst_comes_first(run, photos, tmp_path):
    (tmp_path / "previous.csv").write_text(PREVIOUS)
    run("photos", "plain.parquet")
    run(
        "photos", "a.parquet", "--previous", "previous.csv", "--max_per_day", "0.001",
        "--meter_pattern", r"(?P<meter>W\d+)(_(?P<date>[\d-]{10}))?", "--reading_date", "2026-06-01",
    )  # fmt: skip
    rows = table(tmp_path / "a.parquet")
    for row, plain in zip(rows, table(tmp_path / "plain.parquet"), strict=True):
        assert {key: row[key] for key in plain if "time" not in key} == {
            key: value for key, value in plain.items() if "time" not in key
        }
    assert [(row["meter"], row["max_increase"], row["plausible"], row["plausibility"]) for row in rows] == [
        ("W1", "3.0", True, None),
        ("W2", "0.030", False, "decreased"),
        ("W3", "0.001", False, "too_large_increase"),
        ("W4", "10.0", False, "too_large_increase"),
        ("W5", None, None, "unknown_meter"),
        ("W6", "0.031", None, "no_reading"),
        ("W7", None, None, "unknown_meter"),
    ]
    with (tmp_path / "a.parquet.to_check.csv").open(newline="") as file:
        looked = [(row["path"][7:9], row["why"], row["excess"]) for row in csv.DictReader(file)]
    assert looked[:5] == [
        ("W2", "decreased", "17.00"),
        ("W4", "too_large_increase", "11.14"),
        ("W3", "too_large_increase", "9.00"),
        ("W7", "could not be opened", ""),
        ("W6", "no_display", ""),
    ]
    assert all(why == "unsure" for _, why, _ in looked[5:])
    report = (tmp_path / "a.parquet.report.txt").read_text()
    assert "too large increase" in report and "unknown meter" in report


def test_a_list_says_meter_and_date(run, photos, tmp_path):
    (tmp_path / "previous.csv").write_text("meter,reading,date,max_per_day\ncellar,4.00,2026-05-01,1\n")
    (tmp_path / "list.csv").write_text(
        "path,meter,date\nphotos/W1_2026-05-31.png,cellar,2026-05-02\nphotos/W2_2026-05-31.png,cellar,2026-04-30\n"
    )
    run("list.csv", "a.parquet", "--previous", "previous.csv")
    rows = table(tmp_path / "a.parquet")
    assert [(row["plausible"], row["plausibility"]) for row in rows] == [(True, None), (None, "before_previous")]


@pytest.mark.parametrize(
    ("path", "reading", "wanted", "why"),
    [
        ("a/W1_1.jpg", "105", (True, None), "by the name up to the first _"),
        ("W1.jpg", "110.1", (False, "too_large_increase"), "ten days, one a day"),
        ("W1.jpg", "110", (True, None), "exactly"),
        ("W1.jpg", "99", (False, "decreased"), "less"),
        ("W1.jpg", None, (None, "no_reading"), "nothing to compare"),
        ("W2.jpg", "5", (True, None), "no date: no bound"),
        ("_.jpg", "5", (None, "no_meter"), "no name before the _"),
        ("W9.jpg", "5", (None, "unknown_meter"), "not in the list"),
    ],
)
def test_judge(path, reading, wanted, why):
    known = {"W1": Previous("100", date(2026, 5, 1), "1"), "W2": Previous("4", None, "1")}
    verdict = Judge(known, METER_PATTERN, date(2026, 5, 11)).judge(path, "", "", reading)
    assert (verdict.plausible, verdict.plausibility) == wanted, why


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,reading\n", "columns ['id', 'reading']; wanted meter and reading"),
        ("meter,reading\nW1,12x\n", "line 2: previous is a number"),
        ("meter,reading,date\nW1,12,31.5.2026\n", "line 2: Invalid isoformat string: '31.5.2026'"),
        ("meter,reading,max_per_day\nW1,12,-1\n", "line 2: max_increase is a number"),
        ("meter,reading\n,12\n", "line 2: no meter"),
        ("meter,reading\n", "no readings in it"),
    ],
)
def test_bad_previous_readings(tmp_path, text, words):
    path = tmp_path / "previous.csv"
    path.write_text(text)
    with pytest.raises(PreviousError) as raised:
        load_previous(path)
    assert words in str(raised.value) and str(path) in str(raised.value)


def test_bad_patterns():
    for pattern in ("(", "W\\d+"):
        with pytest.raises(PreviousError, match="--meter_pattern"):
            compile_pattern(pattern)


def test_excess():
    assert excess("90", "100", "5") == 2
    assert excess("115", "100", "5") == 2
    assert excess("0", "10", None) == 1, "without a bound, in previous readings"
    assert excess("2", "0", "0") == 2


def batch(*photos):
    return photos_table(photos).append_column(INDEX, [list(range(10, 10 + len(photos)))])


def test_a_worker_gives_up_a_photo_that_kills(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(encode_png(photo_of("00471", CORNERS)[0]))
    photos = [Photo(name, str(tmp_path / f"{name}.png")) for name in "abc"]
    ledger = Ledger()

    class Killed(BaseException):
        """As sudden as a signal: nothing catches it."""

    class Reader:
        def read(self, data, decimals, name):
            if name == "b":
                raise Killed
            return MeterReader(FakeStage1(), FakeStage2(), bundle()).read(data, decimals, name)

    rows, deaths = None, 0
    while rows is None:
        dying = BatchReader(Reader(), "m", None, ledger)
        # What a killed process does not do any more:
        dying._ledger = Unended(ledger)
        try:
            rows = dying(batch(*photos)).to_pylist()
        except Killed:
            deaths += 1
    assert deaths == 3, "once in a batch, twice alone"
    assert [row["success"] for row in rows] == [True, False, True]
    assert rows[1]["error"] == "b: the worker died 2 times while reading this photo"


class Unended:
    """A ledger that does not hear the end of what a kill broke off."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.last = None

    def begin(self, kind, number):
        self.last = (kind, number)
        return self.ledger.begin(kind, number)

    def end(self, kind, number):
        if sys.exc_info()[0] is None or (kind, number) != self.last:
            self.ledger.end(kind, number)


def test_strange_faults_are_rows(tmp_path):
    class Reader:
        def read(self, data, decimals, name):
            raise RuntimeError("first line\nsecond line")

    (tmp_path / "a.png").write_bytes(b"x")
    photos = (Photo("a", str(tmp_path / "a.png")), Photo("t.tar", "t.tar", error="t.tar: broken tar file"))
    rows = BatchReader(Reader(), "m", None, Ledger())(batch(*photos)).to_pylist()
    assert [row["error"] for row in rows] == ["a: cannot be read (RuntimeError: first line)", "t.tar: broken tar file"]
    assert [row["index"] for row in rows] == [10, 11]


def test_models_travel_as_files(tmp_path):
    save_fixed_bundle(tmp_path)
    (tmp_path / "notes.txt").write_text("not a model")
    files = model_files(tmp_path)
    assert set(files) == {"bundle.json", "stage1.onnx", "stage2.onnx"}
    reader = load_reader(files, 0.0)
    assert reader.read(np.full((40, 50, 3), 9, np.uint8)).text == "0012.345"
    assert model_hash(files) != model_hash({**files, "stage2.onnx": b"other"})


def test_the_journal_of_an_empty_listing_leaves_nothing(tmp_path):
    with pytest.raises(JournalError), Journal(tmp_path / "a.csv"):
        raise JournalError("nothing was listed")
    assert not list(tmp_path.iterdir())
