"""Made lines: texts, shapes of characters, sources of digits, and the folder that synthesize.py lines writes."""

from __future__ import annotations

import csv
import gzip
import re
import struct
import threading
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

import synthesize
from reader.line_settings import ALPHABETS, LINE_TASKS, PROVINCES
from synthesis.lines import MAKERS, degrade, make_line
from synthesis.lines.captcha import _generator, _package, _word
from synthesis.lines.digits import DigitBank, pen_digit, random_hand
from synthesis.lines.glyphs import glyph
from synthesis.lines.handwritten import make_handwritten
from synthesis.lines.plate import _inner, _lefts, _plate
from synthesis.lines.plate_glyphs import STYLES, plate_glyph
from synthesis.lines.plate_text import KINDS, random_text
from synthesis.lines.strokes import DIGITS
from training.idx_digits import IMAGES_FILE, LABELS_FILE, DigitError
from training.line_sources import read_sources

#: What a text of each task looks like as a whole.
FORMS = {
    "plate": rf"[{PROVINCES}][A-HJ-NP-Z][A-HJ-NP-Z0-9]{{4,6}}[学警领挂港澳]?|使\d{{6}}",
    "captcha": r".{5}",
    "price": r"\d{1,6}|\d{1,3},\d{3}|\d{1,4}[.,]\d\d|\d{5,6}\.\d\d",
    "handwritten": r"\d{1,8}",
}


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(list(seed))


def test_there_is_a_maker_for_every_task() -> None:
    assert set(MAKERS) == set(LINE_TASKS)


@pytest.mark.parametrize("task", MAKERS)
def test_pictures_and_texts(task: str) -> None:
    shapes = set()
    for i in range(60):
        image, text = make_line(task, rng(1, i))
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
        assert set(text) <= set(ALPHABETS[task]), text
        assert re.fullmatch(FORMS[task], text), text
        shapes.add(image.shape)
    assert len(shapes) == 1 if task == "captcha" else len(shapes) > 10


@pytest.mark.parametrize("task", MAKERS)
def test_same_generator_same_picture(task: str) -> None:
    for i in range(25):
        (image, text), (again, text_again) = make_line(task, rng(2, i)), make_line(task, rng(2, i))
        assert text == text_again and np.array_equal(image, again)
    assert len({make_line(task, rng(3, i))[0].tobytes() for i in range(25)}) == 25


@pytest.mark.parametrize("task", MAKERS)
def test_something_stands_in_every_picture(task: str) -> None:
    """Ink covers a part of the picture, in every third of it for long texts, and differs from what is around it."""
    faint = 0
    for i in range(60):
        image, text = make_line(task, rng(4, i))
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(float)
        thirds = np.array_split(grey, 3, axis=1) if len(text) > 2 and task != "captcha" else [grey]
        faint += min(float(part.std()) for part in thirds) < 5
    assert faint <= 2, "a few may be dim and blurred, as photos are"


def test_an_unknown_task_is_named() -> None:
    with pytest.raises(ValueError, match="'receipt': wanted one of price, plate, captcha, handwritten"):
        make_line("receipt", rng(0))


# Plates


def test_every_character_of_plates_occurs_and_provinces_have_equal_shares() -> None:
    texts = [random_text(rng(5, i), "blue") for i in range(3100)]
    counts = Counter(text[0] for text in texts)
    assert set(counts) == set(PROVINCES)
    assert min(counts.values()) > 60 and max(counts.values()) < 145, "100 each were to be expected"
    others = [random_text(rng(6, i), kind) for kind in KINDS for i in range(60)]
    assert set("".join(texts + others)) == set(ALPHABETS["plate"])


@pytest.mark.parametrize("kind", KINDS)
def test_length_of_a_kind(kind: str) -> None:
    assert {len(random_text(rng(7, i), kind)) for i in range(50)} == {8 if KINDS[kind].wide else 7}


def test_shares_of_kinds_are_whole() -> None:
    assert sum(kind.share for kind in KINDS.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("style", range(STYLES))
def test_no_two_characters_of_plates_look_the_same(style: str) -> None:
    masks = {c: plate_glyph(c, style, 45, 90) for c in ALPHABETS["plate"]}
    for c, mask in masks.items():
        assert mask.shape == (90, 45)
        assert 0.08 < (mask > 127).mean() < 0.75, c
    flat = np.stack([cv2.resize(mask, (15, 30), interpolation=cv2.INTER_AREA).ravel() for mask in masks.values()])
    apart = np.abs(flat[:, None].astype(float) - flat[None]).mean(axis=2) + 255 * np.eye(len(flat))
    assert apart.min() > 4, sorted(np.unravel_index(apart.argmin(), apart.shape))


@pytest.mark.parametrize("name", ["NotoSansSC-Medium.ttf", "NotoSansSC-Bold.ttf", "DroidSansFallback.ttf"])
def test_bundled_fonts_have_every_chinese_character(name: str) -> None:
    missing = glyph("\uffff", name, 40).mask
    for c in ALPHABETS["plate"]:
        if not c.isascii():
            drawn = glyph(c, name, 40).mask
            assert drawn.shape != missing.shape or not np.array_equal(drawn, missing), c


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [0.25, 0.5, 1.0])
def test_ink_stands_in_each_characters_place(kind: str, scale: float) -> None:
    text = random_text(rng(8), kind)
    for seed in range(5):
        plate = _plate(rng(9, seed), KINDS[kind], text, scale).astype(float)
        assert plate.shape == (140 * scale, (480 if KINDS[kind].wide else 440) * scale, 3)
        for c, (left, wide) in zip(text, _lefts(KINDS[kind], text), strict=True):
            box = plate[round(22 * scale) : round(118 * scale), round(left * scale) : round((left + wide) * scale)]
            assert box.mean(axis=2).std() > 12, (c, seed)


def test_the_middle_of_a_quadrilateral() -> None:
    square = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], float)
    assert np.allclose(_inner(square, 0.8, 0.6), [[1, 2], [9, 2], [9, 8], [1, 8]])
    assert np.allclose(_inner(square, 1, 1), square)


# Captchas


def test_the_package_captcha_draws_from_the_seed() -> None:
    first, again, other = _package(rng(1), "2b827"), _package(rng(1), "2b827"), _package(rng(2), "2b827")
    assert first.shape == (50, 200, 3)
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_others_who_use_the_package_captcha_get_unforeseeable_ones() -> None:
    made: list[bytes] = []
    thread = threading.Thread(target=lambda: made.append(_generator().generate_image("2b827").tobytes()))
    thread.start()
    thread.join()
    made.append(_generator().generate_image("2b827").tobytes())
    assert len(set(made)) == 2


def test_a_captchas_characters_stand_side_by_side() -> None:
    for seed, text in enumerate(("2b827", "mwmwm", "fffff", "gypxe")):
        ink = _word(rng(seed), text)
        columns = np.flatnonzero((ink > 127).any(axis=0))
        assert 24 <= columns[0] <= 38 and 75 < np.ptp(columns) < 165
        assert (ink > 127).sum() > 5 * 120


# Handwritten numbers


def test_every_way_of_writing_leaves_a_digit() -> None:
    for digit, ways in enumerate(DIGITS):
        assert len(ways) >= 3
        for seed in range(6):
            mask = pen_digit(rng(digit, seed), digit, random_hand(rng(seed)), 40)
            assert mask.shape[0] > 25 and mask.max() > 120
            assert mask[0].any() and mask[-1].any() and mask[:, 0].any() and mask[:, -1].any(), "cut to the ink"


def test_digits_come_from_idx_files_packed_or_not(idx: Path) -> None:
    bank = DigitBank.load(idx)
    assert bank.images.shape == (40, 28, 28)
    assert [places.tolist() for places in bank.places[:2]] == [[0, 10, 20, 30], [1, 11, 21, 31]]
    assert bank.digit(rng(1), 8, random_hand(rng(2)), 36).shape[0] == pytest.approx(36, abs=6)
    differ = 0
    for i in range(20):
        image, text = make_handwritten(rng(i), bank)
        other, same_text = make_handwritten(rng(i))
        assert text == same_text
        differ += image.shape != other.shape or not np.array_equal(image, other)
    assert differ >= 5


def test_rows_of_single_digits_as_often_as_wanted(idx: Path) -> None:
    bank = DigitBank.load(idx)
    rows = [make_handwritten(rng(i), bank, rows=1.0) for i in range(60)]
    others = [make_handwritten(rng(i), bank, rows=0.0) for i in range(60)]
    # Their ground is black or white; paper and cells are not.
    grounds = [[abs(float(np.median(image)) - 127.5) for image, _ in made] for made in (rows, others)]
    assert min(grounds[0]) > 115 > np.median(grounds[1])
    assert np.mean([len(text) for _, text in rows]) > 4.5 > np.mean([len(text) for _, text in others])


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        (IMAGES_FILE, None, f"has no {IMAGES_FILE} or {IMAGES_FILE}.gz"),
        (IMAGES_FILE, b"", "is no whole idx file"),
        (IMAGES_FILE, struct.pack(">4I", 0x801, 1, 28, 28), "begins with 0x801: wanted 0x803"),
        (IMAGES_FILE, struct.pack(">4I", 0x803, 9, 28, 28), "is no whole idx file"),
        (IMAGES_FILE, struct.pack(">4I", 0x803, 1, 2, 2) + bytes(4), "1 pictures but 40 labels"),
        (f"{LABELS_FILE}.gz", b"no gzip", "is no whole idx file"),
        (
            f"{LABELS_FILE}.gz",
            gzip.compress(struct.pack(">2I", 0x801, 40) + bytes(40), mtime=0),
            "digits without a picture",
        ),
    ],
)
def test_idx_files_that_cannot_be_used(idx: Path, tmp_path: Path, name: str, data: bytes | None, told: str) -> None:
    for path in idx.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).unlink() if data is None else (tmp_path / name).write_bytes(data)
    with pytest.raises(DigitError, match=told):
        DigitBank.load(tmp_path)


# What happens to pictures


def test_no_strength_changes_nothing() -> None:
    image = rng(0).integers(0, 256, (24, 94, 3), np.uint8)
    assert np.abs(degrade.light(image, rng(1), 0.0).astype(int) - image).max() <= 1
    assert degrade.blur(image, rng(1), 0.1) is image
    assert degrade.noise(image, rng(1), 0.1) is image
    assert degrade.low_resolution(image, rng(1), 24) is image


@pytest.mark.parametrize("name", ["glare", "band", "reflection", "rain", "dirt", "sharpen"])
def test_what_is_added_leaves_the_size_and_most_of_the_picture(name: str) -> None:
    image = np.full((36, 136, 3), 120, np.uint8)
    image[10:26, 20:30] = 20
    out = getattr(degrade, name)(image, rng(3))
    assert out.shape == image.shape and out.dtype == np.uint8
    assert not np.array_equal(out, image)
    assert np.abs(out.astype(int) - image).mean() < 60


def test_a_band_lies_along_the_line_and_lets_some_ink_through() -> None:
    image = np.full((40, 160, 3), 200, np.uint8)
    image[:, ::8] = 20
    changes = []
    for seed in range(40):
        out = degrade.band(image, rng(seed)).astype(int)
        assert (out >= image).all()
        assert (out[:, 8:-8:8] + 20 < out[:, 12:-4:8]).all()  # the ink can still be told from the paper
        lit = (out - image).sum(axis=2)[:, ::8] > 60
        changes.append((lit.any(axis=1).mean(), lit.any(axis=0).mean()))
    rows, columns = np.median(changes, axis=0)
    assert rows < 0.7 and columns == 1


def test_reflections_are_coloured() -> None:
    image = np.full((40, 160, 3), 100, np.uint8)
    added = [degrade.reflection(image, rng(seed)).astype(int) - image for seed in range(40)]
    brightest = np.array([a.reshape(-1, 3)[a.sum(axis=2).argmax()] for a in added])
    assert (np.ptp(brightest, axis=1) > 15).mean() > 0.8
    assert (np.argmax(brightest, axis=1) == 2).mean() > 0.4  # more blue than chance has it


# The command


def run(out: Path, *flags: str) -> int:
    return synthesize.main(["lines", "--task", "plate", "--count", "6", "--seed", "3", "--out", str(out), *flags])


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("task", MAKERS)
def test_same_bytes_for_any_number_of_workers(task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "one", "--task", task, "--workers", "1", "--preview", str(tmp_path / "sheet.png")) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'one'}: 6 lines: ")
    assert run(tmp_path / "two", "--task", task, "--workers", "2") == 0
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[0] > 80
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "sheet.png", "two"], "nothing half-written"


def test_the_table_is_what_make_dataset_reads(tmp_path: Path) -> None:
    assert run(tmp_path / "made", "--task", "price", "--count", "40", "--size", "20") == 0
    with (tmp_path / "made" / "labels.csv").open(encoding="utf-8", newline="") as table:
        header, *rows = list(csv.reader(table))
    assert header == ["img_name", "text"]
    assert len(rows) == 40 and any("," in text for _, text in rows), "commas survive the table"
    found = read_sources([tmp_path / "made" / "labels.csv"])
    assert not found.faults
    assert [(f"images/{record.path.name}", record.text) for record in found.records] == [tuple(row) for row in rows]
    for record in found.records:
        assert cv2.imread(str(record.path)).shape[0] <= 20


def test_numbers_from_idx_files(idx: Path, tmp_path: Path) -> None:
    assert run(tmp_path / "made", "--task", "handwritten", "--digits", str(idx), "--count", "12") == 0
    assert run(tmp_path / "strokes", "--task", "handwritten", "--count", "12") == 0
    one, other = content(tmp_path / "made"), content(tmp_path / "strokes")
    assert one["labels.csv"] == other["labels.csv"] and one != other


def test_overwrite_replaces_an_earlier_set(tmp_path: Path) -> None:
    assert run(tmp_path / "made") == 0
    assert run(tmp_path / "made", "--count", "2", "--overwrite") == 0
    assert len(list((tmp_path / "made" / "images").iterdir())) == 2


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--count", "0"], "--count 0 is too small: wanted at least 1"),
        (["--workers", "0"], "--workers 0 is too small: wanted at least 1"),
        (["--seed", "-1"], "--seed -1 is too small: wanted at least 0"),
        (["--size", "8"], "--size 8 is too small: wanted at least 12"),
        (["--digits", "nowhere"], "--digits is for --task handwritten, not for plate"),
        (["--rows", "1"], "--rows is for --task handwritten, not for plate"),
        (["--task", "handwritten", "--rows", "1.5"], "--rows 1.5: wanted a share from 0 to 1"),
        (["--task", "handwritten", "--digits", "nowhere"], f"--digits nowhere has no {IMAGES_FILE} or"),
    ],
)
def test_wishes_that_cannot_be_fulfilled(
    flags: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "made", *flags) == 1
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1 and error.startswith("error: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("there", "flags", "told"),
    [
        ("file", [], "is a file: wanted a folder to make"),
        ("photo.jpg", [], "is not empty: wanted a new folder, or --overwrite"),
        ("photo.jpg", ["--overwrite"], "holds photo.jpg, not only a set made before: not replaced"),
    ],
)
def test_nothing_is_lost(
    there: str, flags: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made"
    if there == "file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / there).write_text("mine")
    before = content(tmp_path)
    assert run(out, *flags) == 1
    assert told in capsys.readouterr().err
    assert content(tmp_path) == before
