"""Training pictures that do not fit into memory."""

import numpy as np
import pytest

from training import kept as module
from training.datasets import Stage1Sample
from training.kept import Keeper, free_memory


def samples(count, seed=3):
    """Photos of different sizes, of 3600 bytes at least."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        image = rng.integers(0, 256, (30 + index, 40, 3), np.uint8)
        yield Stage1Sample(image, np.full((1, 4, 2), index, np.float32), np.array([index % 4]), f"{index}.jpg")


def on_disk(found):
    """Which pictures are: slices of what is mapped share its memory, pictures in memory own theirs."""
    return [each.image.base is not None for each in found]


@pytest.mark.parametrize("room", [0, 3599, 3600, 12_000, 1e9])
def test_pictures_are_the_same_in_memory_and_on_the_disk(tmp_path, capsys, room):
    wanted = list(samples(9))
    found = Keeper(tmp_path / "new", room)(samples(9))
    assert [each.name for each in found] == [each.name for each in wanted]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.corners, other.corners)
        assert type(one.image) is np.ndarray
    assert ("read from the disk" in capsys.readouterr().out) == (room < 1e9)
    assert list(tmp_path.rglob("*")) in ([], [tmp_path / "new"])  # the file has no name


def test_only_what_has_room_stays_in_memory(tmp_path):
    found = Keeper(tmp_path, 3600 + 3720 + 3840)(samples(9))
    assert on_disk(found) == [False] * 3 + [True] * 6


def test_all_sets_share_the_room(tmp_path):
    keep = Keeper(tmp_path, 3600 + 3720 + 3840)
    assert on_disk(keep(samples(2))) == [False, False]
    assert on_disk(keep(samples(2))) == [False, True]
    assert on_disk(keep(samples(1))) == [True]


def test_pictures_are_let_go_of_as_they_come(tmp_path):
    alive = []

    def watched():
        import weakref

        for sample in samples(8):
            alive.append(weakref.ref(sample.image))
            yield sample
            del sample
            assert sum(each() is not None for each in alive) <= 2  # one in memory, and the one at hand

    Keeper(tmp_path, 3601)(watched())


def test_pictures_on_the_disk_can_be_written_to_by_one_reader(tmp_path):
    found = Keeper(tmp_path, 0)(samples(4))
    picture = found[3].image
    before = picture.copy()
    picture[:] = 7
    assert (picture == 7).all()
    again = Keeper(tmp_path, 0)(samples(4))
    np.testing.assert_array_equal(again[3].image, before)


def test_nothing_to_keep(tmp_path):
    assert Keeper(tmp_path / "new", 0)(iter(())) == []
    assert not (tmp_path / "new").exists()


def test_half_of_the_free_memory_is_used(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "free_memory", lambda: 2 * 3600)
    assert on_disk(Keeper(tmp_path)(samples(4))) == [False, True, True, True]


def test_memory_of_a_container(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_GROUP", tmp_path)
    whole = free_memory()
    assert whole > 1e6
    for name, text in (("max", "1000000\n"), ("current", "900000\n"), ("stat", "anon 500000\nfile 300000\n")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert free_memory() == 400_000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory() > 1e6
    (tmp_path / "memory.max").write_text("1000\n")
    assert free_memory() == 0
    (tmp_path / "memory.stat").write_text("")
    assert free_memory() > 1e6
