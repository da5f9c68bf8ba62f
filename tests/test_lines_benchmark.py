"""benchmarks/lines.py: the table of the line readers, on lines whose answers are known."""

import gzip
import json

import numpy as np

from benchmarks import lines
from reader.bundle import Bundle, Stage1Settings, Stage2Settings, save_bundle
from reader.image import encode_png
from reader.line_settings import ALPHABETS, LineSettings
from reader.lines import LineReader


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


def digits(folder):
    """Ten test digits, each a block of grey that says which it is."""
    folder.mkdir()
    pictures = np.zeros((10, 28, 28), np.uint8)
    for digit in range(10):
        pictures[digit, 4:24, 4:20] = 100 + 10 * digit
    write_idx(folder / "t10k-images-idx3-ubyte.gz", pictures)
    write_idx(folder / "t10k-labels-idx1-ubyte.gz", np.arange(10))


def test_composed_numbers_show_their_digits_in_order(tmp_path):
    digits(tmp_path / "mnist")
    made = list(lines.composed(tmp_path / "mnist", 40))
    assert {len(text) for _, text in made} == set(range(1, 9))
    for image, text in made:
        assert image.shape[0] == 28 and image.shape[2] == 3
        greys = image[14, :, 0][np.r_[True, np.diff(image[14, :, 0].astype(int)) != 0]]
        seen = [int(grey - 100) // 10 for grey in greys if grey]
        # Equal digits that touch are one block of grey.
        short = [int(c) for i, c in enumerate(text) if i == 0 or c != text[i - 1]]
        assert [d for i, d in enumerate(seen) if i == 0 or d != seen[i - 1]] == short


def test_the_table_counts_right_lines(tmp_path, monkeypatch, capsys):
    settings = LineSettings("plate", ALPHABETS["plate"], (16, 32))
    folder = tmp_path / "plates_ccpd"
    folder.mkdir()
    for number, text in enumerate(["皖A12345", "苏A12345", "皖B99999"]):
        (folder / f"{number}.png").write_bytes(encode_png(np.full((8, 24, 3), 40 * number, np.uint8)))
        with (folder / "manifest.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"image": f"{number}.png", "text": text, "split": "test"}) + "\n")

    def network(batch):  # always the first plate
        logits = np.full((1, 15, len(settings.alphabet) + 1), -9.0, np.float32)
        logits[0, ::2, 0] = 9
        for place, character in enumerate("皖A12345"):
            logits[0, 2 * place + 1, settings.alphabet.index(character) + 1] = 9
        return {"logits": logits}

    models = tmp_path / "models"
    models.mkdir()
    save_bundle(Bundle(Stage1Settings(256, {}), Stage2Settings((64, 320), {}), lines={"plate": settings}), models)
    monkeypatch.setattr(LineReader, "load", lambda *_: LineReader(network, settings))
    asked = ["--data", str(tmp_path), "--models", str(models), "--sets", "captcha_v2", "plates_ccpd"]
    assert lines.main(asked) == 0
    said = capsys.readouterr()
    row = said.out.splitlines()[-1]
    assert row.startswith("| plates_ccpd | 3 | 33.3 %") and "66.7 %" in row  # two of three without the province
    assert "no line reader for 'captcha'" in said.err


def test_faults_are_one_line(tmp_path, capsys):
    assert lines.main(["--data", str(tmp_path), "--models", str(tmp_path)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
