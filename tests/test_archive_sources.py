"""What an archive's photos are: folders, globs, lists, tar files and object stores, and what is wrong with them."""

import io
import tarfile

import numpy as np
import pytest
from fake_object_store import object_store

from archive.sources import SourceError, list_photos
from archive.storage import read_bytes
from reader.image import ImageError, encode_png, load_image


def picture(value):
    return encode_png(np.full((20, 30, 3), value, np.uint8))


def tar_of(members):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


@pytest.fixture
def archive(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, data in {
        "photos/b.jpg": b"b",
        "photos/a [1].PNG": picture(1),
        "photos/deep/c.webp": b"c",
        "photos/notes.md": b"",
        "photos/.hidden.jpg": b"",
        "shards/0.tar": tar_of({"x/1.png": picture(11), "x/1.json": b"{}", "2.jpg": b"two"}),
        "shards/1.tar": tar_of({"3.png": picture(33)}),
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path


ALL = ["photos/a [1].PNG", "photos/b.jpg", "photos/deep/c.webp"]


@pytest.mark.parametrize(
    ("source", "wanted", "why"),
    [
        ("photos", ALL, "a folder and those in it; no hidden files, no others"),
        ("photos/*", ALL[:2], "a glob takes pictures only"),
        ("**/c.*", ALL[2:], "through folders"),
        ("photos/a [1].PNG", ALL[:1], "a file that looks like a glob"),
        ("shards/0.tar", ["shards/0.tar/x/1.png", "shards/0.tar/2.jpg"], "in the tar file's order"),
        ("shards/*.tar", ["shards/0.tar/x/1.png", "shards/0.tar/2.jpg", "shards/1.tar/3.png"], "shards"),
        ("photos/notes.md", ["photos/notes.md"], "a file that is named is tried"),
    ],
)
def test_what_a_source_names(archive, source, wanted, why):
    assert [photo.path for photo in list_photos(source)] == wanted, why


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("missing", "missing: no such file or folder"),
        ("*.gif", "no photos in it"),
        ("empty", "no photos in it"),
        ("no_path.csv", "columns ['file']; wanted path"),
        ("bad_date.csv", "line 2: date '31.5.2026'; wanted one such as 2026-05-31"),
        ("latin.txt", "not a list in UTF-8"),
        ("s3://key:secret@bucket/a", "password"),
        ("nothing://a/b", "nothing://a: "),
    ],
)
def test_what_is_no_source(archive, source, words):
    (archive / "empty").mkdir()
    (archive / "no_path.csv").write_text("file\na.jpg\n")
    (archive / "bad_date.csv").write_text("path,date\na.jpg,31.5.2026\n")
    (archive / "latin.txt").write_bytes(b"\xe9.jpg\n")
    with pytest.raises(SourceError) as raised:
        list(list_photos(source))
    assert words in str(raised.value) and "\n" not in str(raised.value) and "secret" not in str(raised.value)


def test_lists(archive):
    (archive / "list.txt").write_text("# a comment\nphotos/b.jpg\r\n\nshards/1.tar\nphotos/b.jpg\nphotos/gone.jpg\n")
    assert [photo.path for photo in list_photos("list.txt")] == [
        "photos/b.jpg",
        "shards/1.tar/3.png",
        "photos/gone.jpg",
    ], "each once; one that is missing shows when it is read"
    (archive / "list.csv").write_text("meter,path,date\nW1,photos/b.jpg,2026-05-31\n,photos/gone.jpg,\n")
    first, second = list_photos("list.csv")
    assert (first.path, first.meter, first.date) == ("photos/b.jpg", "W1", "2026-05-31")
    assert (second.meter, second.date) == ("", "")
    assert [photo.path for photo in list_photos("photos", limit=2)] == ALL[:2]


def test_bytes_of_tar_members_and_files(archive):
    for name, value in (("shards/0.tar", 11), ("shards/1.tar", 33)):
        photo = next(list_photos(name))
        data = read_bytes(photo.location, photo.offset, photo.size, photo.path)
        assert (load_image(data) == value).all()
    with pytest.raises(ImageError, match=r"gone\.jpg: No such file"):
        read_bytes(str(archive / "gone.jpg"), -1, -1, "gone.jpg")


def test_a_broken_tar_file_gives_what_is_in_it_and_its_error(archive):
    data = tar_of({"1.png": picture(1), "2.png": bytes(3000), "3.png": picture(3)})
    (archive / "shards/0.tar").write_bytes(data[:2500])
    (archive / "shards/2.tar").write_bytes(b"no tar file at all" * 100)
    (archive / "shards/3.tar.gz").write_bytes(b"")
    photos = list(list_photos("shards"))
    assert [(photo.path, photo.error.partition(": ")[2].split(":")[0]) for photo in photos] == [
        ("shards/0.tar/1.png", ""),
        ("shards/0.tar/2.png", ""),
        ("shards/0.tar", "broken tar file"),
        ("shards/1.tar/3.png", ""),
        ("shards/2.tar", "broken tar file"),
        ("shards/3.tar.gz", "a compressed tar file; its photos cannot be reached one by one"),
    ]
    with pytest.raises(ImageError, match="ends inside this photo"):
        read_bytes(photos[1].location, photos[1].offset, photos[1].size, photos[1].path)


@pytest.fixture
def store(monkeypatch):
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    objects = {
        "m/b c.png": picture(5),
        "m/a.png": picture(7),
        "m/deep/d.png": picture(8),
        "m/notes.txt": b"",
        "shards/0.tar": tar_of({"1.png": picture(9)}),
    }
    with object_store(objects) as options:
        yield options


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("s3://bucket/m", {"m/a.png": 7, "m/b c.png": 5, "m/deep/d.png": 8}),
        ("s3://bucket/m/*.png", {"m/a.png": 7, "m/b c.png": 5}),
        ("s3://bucket/m/**/?.png", {"m/a.png": 7, "m/deep/d.png": 8}),
        ("s3://bucket/m/a.png", {"m/a.png": 7}),
        ("s3://bucket/shards/", {"shards/0.tar/1.png": 9}),
    ],
)
def test_an_object_store(store, source, wanted):
    photos = list(list_photos(source + store))
    assert [photo.path for photo in photos] == [f"s3://bucket/{key}" for key in wanted]
    for photo, value in zip(photos, wanted.values(), strict=True):
        assert (load_image(read_bytes(photo.location, photo.offset, photo.size, photo.path)) == value).all()


def test_an_object_store_that_has_nothing(store):
    with pytest.raises(SourceError, match="s3://bucket/nowhere"):
        list(list_photos("s3://bucket/nowhere" + store))
    with pytest.raises(ImageError, match=r"s3://bucket/gone\.png"):
        read_bytes("s3://bucket/gone.png" + store, -1, -1, "s3://bucket/gone.png")
