"""Labels of lines before any picture is read: what a text may be, where labels come from, how lines are divided."""

import json

import pytest
from labelled_samples import picture

from reader.image import encode_png
from training.labelstudio import DatasetError
from training.line_sources import read_sources
from training.line_splits import Line, divide, same_pictures
from training.line_statistics import LineSize, character_chart, line_statistics, summary
from training.line_texts import text_rules
from training.splits import SplitRule


@pytest.mark.parametrize(
    ("task", "text", "faults"),
    [
        ("plate", "皖AR003T", []),
        ("plate", "粤BD12345", []),  # eight characters: an electric car
        ("plate", "粤Z1234港", []),
        ("captcha", "2b827", []),
        ("price", "1.299,00", []),
        ("handwritten", "0", []),
        ("handwritten", "", ["empty text"]),
        ("plate", "皖A123", ["5 characters in '皖A123', 7 to 8 wanted"]),
        ("captcha", "2b82", ["4 characters in '2b82', 5 wanted"]),
        (
            "plate",
            "皖AO03T1",
            [
                "letter O at place 3 of '皖AO03T1' is not in the alphabet, 0 is "
                "(--correct_lookalikes makes it '皖A003T1')"
            ],
        ),
        (
            "plate",
            "皖A1I3T1",
            [
                "letter I at place 4 of '皖A1I3T1' is not in the alphabet, 1 is "
                "(--correct_lookalikes makes it '皖A113T1')"
            ],
        ),
        # The second character of a plate is a letter: an O there was not typed for 0.
        ("plate", "皖O12345", ["letter O at place 2 of '皖O12345' is not in the alphabet"]),
        ("captcha", "2b8O7", ["letter O at place 4 of '2b8O7' is not in the alphabet"]),  # captchas have no 0
        (
            "captcha",
            "2B827",
            ["'B' (U+0042) at place 2 of '2B827' is not in the alphabet, b is (--correct_lookalikes makes it '2b827')"],
        ),
        ("price", "12 €", ["U+0020 at place 3 of '12 €'", "'€' (U+20AC) at place 4 of '12 €'"]),
        ("handwritten", "12345678901", ["11 characters in '12345678901', 1 to 10 wanted"]),
        ("handwritten", "a" * 11, ["'a' (U+0061) at place 1", "11 characters"]),  # named once, and both faults told
    ],
)
def test_what_is_wrong_with_a_text(task, text, faults):
    checked = text_rules(task).check(text)
    assert len(checked.faults) == len(faults)
    for told, wanted in zip(checked.faults, faults, strict=True):
        assert told.startswith(wanted)
    assert checked.text == text


@pytest.mark.parametrize(
    ("task", "text", "stored"),
    [
        ("plate", "皖AO03I1", "皖A00311"),
        ("plate", "皖ar003t", "皖AR003T"),
        ("plate", "皖ＡＲ００３Ｔ", "皖AR003T"),  # full width
        ("handwritten", "lO|", "101"),
        ("handwritten", "1О", "10"),  # a Cyrillic O
        ("captcha", "2B827", "2b827"),
        ("plate", "皖AR003T", "皖AR003T"),
    ],
)
def test_lookalikes_are_corrected_when_told_to(task, text, stored):
    checked = text_rules(task, correct=True).check(text)
    assert (checked.text, checked.faults) == (stored, ())
    assert checked.notes == ((f"{text!r} taken as {stored!r}",) if text != stored else ())


def test_correcting_changes_nothing_else():
    checked = text_rules("plate", correct=True).check("皖O1O345")
    assert checked.faults == ("letter O at place 2 of '皖O1O345' is not in the alphabet",)


def test_own_alphabet_and_lengths():
    rules = text_rules("captcha", alphabet="ABO0", lengths=(4, 6))
    assert rules.check("AO0B").faults == ()  # O is a character of its own here
    assert rules.check("ao0b").faults[0].startswith("'a' (U+0061) at place 1 of 'ao0b' is not in the alphabet, A is")


def test_unusual_plates_are_told_and_kept():
    checked = text_rules("plate").check("皖0A1234")
    assert checked.faults == ()
    assert checked.notes == ("'皖0A1234' is not a province, a letter and five or six more; look at it",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alphabet": ""}, "--alphabet: "),
        ({"alphabet": "aba"}, "--alphabet: "),
        ({"lengths": (5, 4)}, "--lengths: the fewest characters, at least 1, and the most wanted; 5 4 came"),
        ({"lengths": (0, 4)}, "--lengths: "),
        ({"task": "sign"}, "task 'sign' is unknown (wanted one of price, plate, captcha, handwritten)"),
    ],
)
def test_wrong_rules(changes, message):
    with pytest.raises(DatasetError, match=r".+") as raised:
        text_rules(**{"task": "captcha", **changes})
    assert str(raised.value).startswith(message)


def pictures(folder, *names):
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode_png(picture(8, 20, seed=seed)))
    return folder


def test_folder_of_named_pictures(tmp_path):
    pictures(tmp_path, "2b827.png", "deep/0225502873564-皖AR003T.PNG", "12.99.png", ".hidden/1.png")
    (tmp_path / "notes.txt").write_text("not a picture")
    found = read_sources([tmp_path])
    assert [(r.name, r.text, r.split) for r in found.records] == [
        ("12.99.png", "12.99", None),
        ("2b827.png", "2b827", None),
        ("deep/0225502873564-皖AR003T.PNG", "皖AR003T", None),
    ]
    assert found.faults == []
    assert [str(note) for note in found.notes] == [
        f"{tmp_path}: notes.txt: 1 files that are no pictures were not taken"
    ]


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("a.csv", 'img_name,text\na.png,007\nsub/b.png,"12,50"\n'),
        ("a.csv", '\ufeffimage;text\r\na.png;007\r\n"sub\\b.png";"12,50"\r\n\r\n'),  # as Excel writes it in Russia
        ("a.tsv", "text\timg_name\n 007 \ta.png\n12,50\tb.png\n"),  # found by its name alone
        ("a.jsonl", '{"image": "a.png", "text": "007"}\n\n{"image": "sub/b.png", "text": "12,50", "cls": "Rub"}'),
    ],
)
def test_tables(tmp_path, name, table):
    pictures(tmp_path, "a.png", "sub/b.png")
    (tmp_path / name).write_bytes(table.encode())
    found = read_sources([tmp_path / name])
    assert [(r.name, r.text, r.split) for r in found.records] == [("a.png", "007", None), ("sub/b.png", "12,50", None)]
    assert found.faults == []


def test_splits_of_tables_and_manifests(tmp_path):
    pictures(tmp_path, "a.png", "b.png")
    (tmp_path / "a.csv").write_text("img_name,text,split\na.png,1,test\nb.png,2,\n")
    rows = [{"image": "a.png", "text": "1", "split": "train"}, {"image": "b.png", "text": "2", "split": "validation"}]
    (tmp_path / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert [r.split for r in read_sources([tmp_path / "a.csv"]).records] == ["test", None]
    found = read_sources([tmp_path])  # a folder with a manifest is read by it, and that is told
    assert [r.split for r in found.records] == ["train", "validation"]
    assert "manifest.jsonl: read instead of the file names" in str(found.notes[0])


def test_every_faulty_row_is_told(tmp_path):
    pictures(tmp_path, "a.png", "x/c.png", "y/c.png")
    rows = [
        ('{"image": "a.png", "text": "1"}', None),
        ('{"image": "gone.png", "text": "1"}', "line 2, gone.png: missing image gone.png"),
        ('{"image": "25ad14d4-a.png", "text": "1"}', "line 3, 25ad14d4-a.png: missing image 25ad14d4-a.png"),
        ('{"image": "c.png", "text": "1"}', "line 4, c.png: image c.png is there 2 times"),
        ('{"image": "../a.png", "text": "1"', "line 5: not JSON"),
        ('["a.png", "1"]', "line 6: an object was wanted, a list came"),
        ('{"text": "1"}', "line 7: names no image"),
        ('{"image": "a.png"}', "line 8, a.png: no text"),
        ('{"image": "a.png", "text": 7}', 'line 9, a.png: the text is 7; it was wanted in quotes, "7"'),
        ('{"image": "a.png", "text": "1", "split": "val"}', "line 10, a.png: unknown split 'val' (wanted one of train"),
    ]
    file = tmp_path / "set.jsonl"
    file.write_text("\n".join(line for line, _ in rows))
    found = read_sources([file])
    assert [r.place for r in found.records] == ["line 1, a.png"]
    wanted = [fault for _, fault in rows if fault]
    assert len(found.faults) == len(wanted)
    for told, start in zip(found.faults, wanted, strict=True):
        assert str(told).startswith(f"{file}: {start}")


def test_faulty_rows_of_a_table(tmp_path):
    pictures(tmp_path, "a.png")
    (tmp_path / "a.csv").write_text("img_name,text\na.png,12,50\na.png\na.png,1\n")
    found = read_sources([tmp_path / "a.csv"])
    assert [str(fault).split(": ", 1)[1] for fault in found.faults] == [
        "line 2: 3 fields came, 2 wanted (a text with a comma needs quotation marks)",
        "line 3: 1 fields came, 2 wanted",
    ]
    assert [r.text for r in found.records] == ["1"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            b"name;label\n",
            "a header img_name,text (or with tabs, or semicolons) was wanted, 'name;",
        ),
        ("a.csv", b"", "was wanted, 'nothing' came"),
        ("a.csv", "img_name,text\n皖.png,皖".encode("gb18030"), "is not UTF-8 (byte 14); save it as UTF-8"),
        ("a.csv", b"img_name,text\n", "holds no labelled pictures"),
        ("a.jsonl", b"", "holds no labelled pictures"),
        ("a.jsonl", b'{"image": "a.png", "reading": "1"}', 'no line has a text; {"image": "a.png", "text": "123"}'),
        ("a.json", b"[]", "a folder of pictures, a .csv, a .tsv or a .jsonl was wanted"),
        ("gone.csv", None, "cannot read"),
        ("gone", None, "is not there; a folder of pictures, a .csv, a .tsv or a .jsonl was wanted"),
        ("empty", "folder", "holds no labelled pictures"),
    ],
)
def test_sources_that_are_none(tmp_path, name, content, message):
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError) as raised:
        read_sources([path])
    assert str(path) in str(raised.value)
    assert message in str(raised.value)


def test_names_of_several_sources_differ(tmp_path):
    folders = [pictures(tmp_path / name, "1.png") for name in ("x/images", "y/images", "z/more")]
    names = [r.name for r in read_sources(folders).records]
    assert names == ["images_1/1.png", "images_2/1.png", "more/1.png"]
    with pytest.raises(DatasetError, match="given twice"):
        read_sources([folders[0], tmp_path / "x" / "." / "images"])


def line(text, digest, told=None):
    return Line(text, bytes([digest]), told, f"set: {text} {digest}")


def test_the_same_picture_again():
    lines = [line("1", 0), line("1", 0), line("2", 1), line("3", 1), line("1", 2)]
    faults, notes = same_pictures(lines)
    assert notes == {1: "'1': same picture and text as set: 1 0"}
    assert faults == {
        2: "'2': same picture as set: 3 1, there '3'",
        3: "'3': same picture as set: 2 1, there '2'",
    }


@pytest.mark.parametrize("by_text", [True, False])
def test_groups_are_never_divided(by_text):
    """Forty texts, each on five pictures; every picture twice."""
    lines = [line(str(i % 40), i % 200) for i in range(400)]
    splits, conflicts = divide(lines, SplitRule((0.6, 0.2, 0.2)), by_text)
    assert conflicts == {}
    assert splits[:200] == splits[200:]
    parts = {split: {lines[i].text for i in range(400) if splits[i] == split} for split in set(splits)}
    assert len(parts) == 3
    shared = (parts["train"] & parts["test"]) | (parts["train"] & parts["validation"])
    assert bool(shared) is not by_text  # by picture alone, texts that repeat lie on both sides


def test_parts_have_the_size_that_was_wanted():
    lines = [Line(str(i), i.to_bytes(2, "big"), None, "") for i in range(2000)]
    splits, _ = divide(lines, SplitRule((0.8, 0.2, 0.0)), by_text=True)
    assert splits.count("train") == pytest.approx(1600, abs=60)
    assert "test" not in splits
    again, _ = divide(lines[::-1], SplitRule((0.8, 0.2, 0.0)), by_text=True)
    assert again[::-1] == splits  # what else is there, and in what order, does not matter
    other, _ = divide(lines, SplitRule((0.8, 0.2, 0.0), seed=1), by_text=True)
    assert other != splits


def test_told_splits_are_kept_and_train_is_divided():
    told = ("test", "validation", "train")
    lines = [Line(str(i), i.to_bytes(2, "big"), told[i % 3], "") for i in range(900)]
    splits, conflicts = divide(lines, SplitRule((0.4, 0.4, 0.2)), by_text=False)
    assert conflicts == {}
    assert splits[0::3] == ["test"] * 300
    assert splits[1::3] == ["validation"] * 300
    assert set(splits[2::3]) == {"train", "validation"}  # never into the test
    assert splits[2::3].count("train") == pytest.approx(150, abs=40)
    alone, _ = divide(lines, SplitRule((0.0, 0.0, 1.0)), by_text=False)
    assert set(alone[2::3]) == {"train"}


@pytest.mark.parametrize(
    ("lines", "by_text", "splits", "conflicts"),
    [
        # A plate of the test that lies in train as well may not stay there.
        ([line("A", 0, "train"), line("A", 1, "test")], True, ["test", "test"], {0: "text lies in test, set: A 1"}),
        ([line("A", 0, "train"), line("A", 1, "test")], False, [None, "test"], {}),
        ([line("A", 0, "train"), line("A", 0, "test")], False, ["test"] * 2, {0: "picture lies in test, set: A 0"}),
        ([line("A", 0, "train"), line("A", 0, "validation")], False, ["validation"] * 2, {0: "lies in validation"}),
        # One that no source places goes with its group.
        ([line("A", 0), line("A", 1, "test"), line("B", 1)], True, ["test"] * 3, {}),
    ],
)
def test_a_group_that_is_asked_for_twice(lines, by_text, splits, conflicts):
    came, told = divide(lines, SplitRule((0.8, 0.2, 0.0)), by_text)
    for split, wanted in zip(came, splits, strict=True):
        assert split == wanted or (wanted is None and split in ("train", "validation"))
    assert told.keys() == conflicts.keys()
    for i, reason in conflicts.items():
        assert reason in told[i]


def test_statistics():
    lines = [LineSize("train", "112", 20, 60), LineSize("train", "112", 20, 80), LineSize("test", "3", 10, 20)]
    told = line_statistics(lines, "1234")
    assert list(told) == ["train", "test"]
    assert (told["train"]["pictures"], told["train"]["different_texts"]) == (2, 1)
    assert told["train"]["lengths"] == {"3": 2}
    assert told["train"]["characters"] == {"1": 4, "2": 2, "3": 0, "4": 0}  # what is missing is told as well
    assert told["test"]["values"] == {"height": [10], "width": [20], "aspect": [2.0]}
    assert summary(told)["train"]["values"]["width"]["50"] == 70


def test_chart_of_characters():
    chart = character_chart({"皖": 10, "A": 5, "0": 0})
    blue = (chart == (90, 160, 240)).all(axis=2)
    assert blue[10].sum() == 201  # the most frequent takes the whole width
    assert blue[30].sum() == 101
    assert blue[50].sum() == 0
    assert (chart[50] == (240, 80, 80)).all(axis=1).sum() >= 2  # a character that never comes is red
    assert (chart[4:18, 8:20] > 150).sum() > 40  # the province is written, not left out
