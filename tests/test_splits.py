"""A photo never appears in two splits, and its place never changes."""

import json

import pytest

from training.labelstudio import DatasetError
from training.splits import Photo, SplitRule, assign_splits, read_split_file


def photos(*names):
    return [Photo(name, name.encode()) for name in names]


NAMES = [f"photo_{number}.jpg" for number in range(2000)]


def test_fractions_are_met():
    splits, conflicts = assign_splits(photos(*NAMES), SplitRule((0.8, 0.1, 0.1)))
    assert conflicts == {}
    for split, wanted in (("train", 1600), ("validation", 200), ("test", 200)):
        assert abs(splits.count(split) - wanted) < 50  # 4 standard deviations


def test_place_follows_from_name_and_seed_alone():
    rule = SplitRule(seed=3)
    whole, _ = assign_splits(photos(*NAMES), rule)
    part, _ = assign_splits(photos(*NAMES[::-7]), rule)
    assert part == whole[::-7]
    other, _ = assign_splits(photos(*NAMES), SplitRule(seed=4))
    assert other != whole


def test_crops_land_where_their_photos_are():
    stage1, _ = assign_splits(photos(*NAMES), SplitRule(seed=1))
    crops = [f"cropped_{name}".replace(".jpg", ".png") for name in NAMES]
    stage2, _ = assign_splits(photos(*crops), SplitRule(seed=1))
    assert stage1 == stage2


def test_same_name_or_same_bytes_is_one_photo():
    # b.jpg is a copy of a.jpg, and another picture is called b.jpg, too: all three are tied together.
    for seed in range(20):
        tied = [Photo("a.jpg", b"1"), Photo("b.jpg", b"1"), Photo("b.jpg", b"2")]
        splits, _ = assign_splits(tied, SplitRule((0.4, 0.3, 0.3), seed))
        assert len(set(splits)) == 1


@pytest.mark.parametrize(
    ("rule", "hint", "wanted", "reason"),
    [
        (SplitRule((1, 0, 0)), None, "train", "drawn"),
        (SplitRule((0, 1, 0)), None, "validation", "drawn"),
        (SplitRule((0, 0, 1)), None, "test", "drawn"),
        (SplitRule((1, 0, 0)), "test", "test", "a hint wins over drawing"),
        (SplitRule((1, 0, 0), given={"a": "validation"}), "test", "validation", "the file wins over a hint"),
        (SplitRule((1, 0, 0), followed={"a": "validation"}), None, "validation", "the other stage wins over drawing"),
        (SplitRule((1, 0, 0), followed={"a": "validation"}), "test", "test", "a hint wins over the other stage"),
    ],
)
def test_who_decides(rule, hint, wanted, reason):
    splits, conflicts = assign_splits([Photo("cropped_a.jpg", b"1", hint)], rule)
    assert (splits, conflicts) == ([wanted], {}), reason


def test_hint_of_one_holds_for_its_copies():
    splits, _ = assign_splits([Photo("a.jpg", b"1", "test"), Photo("b.jpg", b"1")], SplitRule((1, 0, 0)))
    assert splits == ["test", "test"]


def test_two_hints_for_one_photo_are_a_conflict():
    _, conflicts = assign_splits(
        [Photo("a.jpg", b"1", "test"), Photo("c.jpg", b"3"), Photo("a.jpg", b"2", "train")], SplitRule()
    )
    assert conflicts == dict.fromkeys([0, 2], "photo a is asked for in several splits: test, train")


def test_nothing_to_divide():
    assert assign_splits([], SplitRule()) == ([], {})


@pytest.mark.parametrize("fractions", [(0.8, 0.1, 0.2), (1.2, -0.1, -0.1), (0, 0, 0)])
def test_wrong_fractions(fractions):
    with pytest.raises(DatasetError, match="must sum to 1"):
        SplitRule(fractions)


def test_split_file(tmp_path):
    file = tmp_path / "splits.json"
    file.write_text(json.dumps({"a.jpg": "train", "cropped_a.png": "train", "b.jpg": "test"}))
    assert read_split_file(file) == {"a": "train", "b": "test"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "a list came"),
        ('{"a.jpg": "dev"}', "unknown split 'dev' for a.jpg"),
        ('{"a.jpg": "train", "cropped_a.jpg": "test"}', "photo a is in two splits"),
    ],
)
def test_wrong_split_files(tmp_path, text, message):
    (tmp_path / "splits.json").write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_split_file(tmp_path / "splits.json")


def test_missing_split_file(tmp_path):
    with pytest.raises(DatasetError, match="cannot read"):
        read_split_file(tmp_path / "splits.json")
