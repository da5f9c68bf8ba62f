"""benchmarks/archive.py: runs are timed, killed and compared; a quick stand-in takes the place of the reader."""

import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import archive
from benchmarks.archive import Kill, Measured, Run, compared, lasting_rate, link_photos, tables

#: Reads ten photos a part, forgets a photo and has one twice when it goes on after a kill, if it is told to.
READ_ARCHIVE = """
import json, pathlib, subprocess, sys, time
import pyarrow as pa, pyarrow.parquet as pq
folder, out = map(pathlib.Path, sys.argv[1:3])
photos = sorted(path.name for path in folder.iterdir())
parts = out.with_name(out.name + ".parts")
resumed = parts.exists()
parts.mkdir(exist_ok=True)
(parts / "settings.json").write_text(json.dumps({"count": len(photos), "part_size": 10}))
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "ray::MapWorker"])
for part in range(len(photos) // 10):
    file = parts / f"part-{part:06d}.parquet"
    if not file.exists():
        time.sleep(0.15)
        file.write_bytes(b"")
if (pathlib.Path(__file__).parent / "careless").exists() and resumed:
    photos = [photos[0], *photos[:-1]]
worker.kill()
broken = [path for path in folder.iterdir() if path.read_bytes() == b"no picture"]
pq.write_table(pa.table({"path": photos, "text": ["1"] * len(photos)}), out)
for file in parts.iterdir():
    file.unlink()
parts.rmdir()
sys.exit(bool(broken))
"""
RECOGNIZE = """
import pathlib, sys
print(*("{}" for _ in pathlib.Path(sys.argv[-1]).iterdir()), sep="\\n")
"""


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """Stand-ins for both scripts, and three photos."""
    (tmp_path / "read_archive.py").write_text(READ_ARCHIVE)
    (tmp_path / "recognize.py").write_text(RECOGNIZE)
    monkeypatch.setattr(archive, "ROOT", tmp_path)
    monkeypatch.setattr(archive, "_POLL", 0.02)
    (tmp_path / "photos").mkdir()
    for name in ("a.jpg", "b.jpg", "c.png"):
        (tmp_path / "photos" / name).write_bytes(name.encode())
    return tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
@pytest.mark.parametrize("careless", [False, True])
def test_runs_and_kills(quick, capsys, careless):
    if careless:
        (quick / "careless").touch()
    flags = [
        "--photos",
        str(quick / "photos"),
        "--counts",
        "40",
        "20",
        "--workers",
        "2",
        "--alone",
        "7",
        "--empty",
        "40",
    ]
    assert archive.main([*flags, "--json", str(quick / "figures.json")]) == 0
    figures = json.loads((quick / "figures.json").read_text())
    assert [(run["photos"], run["workers"]) for run in figures["runs"]] == [(20, 2), (40, 2)]
    assert all(run["seconds"] > 0.015 * run["photos"] and run["driver"] > 1 for run in figures["runs"])
    worker, whole = figures["kills"]
    assert (worker["what"], worker["missing"], worker["twice"], worker["other"]) == ("worker", 0, 0, 0)
    assert (whole["what"], whole["missing"], whole["twice"]) == ("run", careless, careless)
    assert all(kill["photos"] == 20 and kill["done"] == 10 for kill in figures["kills"])
    assert figures["without_reading"] > 0
    shown = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(shown) == 4 + 4 + 4


def test_a_photo_again_and_again_under_names_of_its_own(tmp_path):
    source = tmp_path / "a.jpg"
    source.write_bytes(b"photo")
    link_photos([source], 3, tmp_path / "many")
    made = sorted((tmp_path / "many").iterdir())
    assert [path.name for path in made] == ["00000000.jpg", "00000001.jpg", "00000002.jpg"]
    assert all(path.read_bytes() == b"photo" and not path.is_symlink() for path in made)


def test_tables_are_compared_photo_by_photo(tmp_path):
    for name, rows in {"whole": {"a": "1", "b": "2", "c": "3"}, "other": {"a": "1", "b": "7"}}.items():
        table = pa.table({"path": list(rows), "text": list(rows.values())})
        pq.write_table(pa.concat_tables([table, table.slice(0, 1)] if name == "other" else [table]), tmp_path / name)
    assert compared(tmp_path / "whole", tmp_path / "other") == (1, 1, 1)
    assert compared(tmp_path / "whole", tmp_path / "whole") == (0, 0, 0)


def test_what_lasts_leaves_the_start_out():
    runs = [Run(100, 1, 30.0, 1.0, 9), Run(100, 2, 20.0, 1.0, 9), Run(500, 2, 60.0, 1.0, 9)]
    assert lasting_rate(runs) == 5.0, "400 photos more took 40 seconds of two workers"
    assert lasting_rate(runs[:1]) == pytest.approx(100 / 30)
    reckoned = tables(Measured(2.0, runs, [Kill("run", 100, 40, 33.0, 20.0, 0, 0, 0)])).splitlines()[-2:]
    assert reckoned == ["| 1000000 | 56 | 0.1 | 0.0 |", "| 100000000 | 5556 | 5.6 | 0.0 |"]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("recognize.py", "recognize.py read 0 of 20 photos: out of paper"),
        ("read_archive.py", "read_archive.py ended with 1: out of paper"),
    ],
)
def test_a_failing_run_is_one_line(quick, capsys, script, words):
    (quick / script).write_text("import sys; sys.exit('out of paper')")
    assert archive.main(["--photos", str(quick / "photos"), "--counts", "20"]) == 1
    assert capsys.readouterr().err.strip().splitlines()[-1] == f"archive.py: {words}"


def test_no_photos(tmp_path, capsys):
    assert archive.main(["--photos", str(tmp_path)]) == 1
    assert "JPEG or PNG photos wanted" in capsys.readouterr().err
