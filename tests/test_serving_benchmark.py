"""benchmarks/serving.py: server and pipeline take turns; what cannot be measured is said in one line."""

import json
import stat
import sys

import pytest
from fake_networks import save_fixed_bundle
from fake_server import meter

from benchmarks import serving
from reader.image import encode_jpeg

pytest.importorskip("gunicorn")
pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    (folder / "photos").mkdir()
    for number in range(2):
        (folder / "photos" / f"{number}.jpg").write_bytes(encode_jpeg(meter()))
    save_fixed_bundle(folder)
    return folder


def fake_ocr(folder, code):
    path = folder / "python"
    path.write_text(f"#!{sys.executable}\n{code}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_table_of_server_pipeline_and_ocr(made, capsys):
    ocr = fake_ocr(made, 'print(\'{"seconds": 4, "times": [1, 3], "texts": {}}\')')
    files = ["--photos", str(made / "photos"), "--models", str(made), "--json", str(made / "rows.json"), "--ocr", ocr]
    turns = ["--clients", "1", "3", "--seconds", "0.6", "--rounds", "2"]
    assert serving.main([*files, *turns, "--", "--workers", "1", "--threads", "1"]) == 0
    general, pipeline, one, three = json.loads((made / "rows.json").read_text())
    assert pipeline["what"] == "pipeline, onnx" and pipeline["of_pipeline"] == 1 and pipeline["cpu"] > 0
    for row, clients in ((one, 1), (three, 3)):
        assert row["clients"] == clients and row["failed"] == 0
        assert row["photos_per_second"] > 1 and 0 < row["of_pipeline"] < 10
        assert 0 < row["p50"] <= row["p95"] <= row["p99"]
        assert 0 < row["cpu"] < 1000 and 20 < row["pss"] <= row["rss"] < 2000
    assert (general["photos_per_second"], general["p50"]) == (0.5, 2000)
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(table) == 6 and len({line.count("|") for line in table}) == 1


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--photos", "/nowhere"], 2, "no folder with JPEG photos"),
        (["--runtimes", "savedmodel"], 1, "runtime savedmodel"),
        (["--ocr", "/nowhere/python"], 1, "/nowhere/python"),
    ],
)
def test_what_cannot_be_measured(made, capsys, flags, code, words):
    assert serving.main(["--photos", str(made / "photos"), "--models", str(made), *flags]) == code
    captured = capsys.readouterr()
    assert words in captured.err.splitlines()[-1] and not captured.out


def test_an_ocr_engine_that_is_not_there(made):
    with pytest.raises(RuntimeError, match=r"No module named 'nonsense'.*requirements-ocr"):
        serving.general_ocr(fake_ocr(made, "import nonsense"), made / "photos", 0.1)


def test_flags_that_measure_nothing(capsys):
    with pytest.raises(SystemExit):
        serving.parse_arguments(["--photos", "x", "--clients", "0"])
    assert "more than 0" in capsys.readouterr().err
