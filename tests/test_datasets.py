"""TFDS sets: the schema that is written, sets of others, exact arrays, and every refusal in one line."""

import json
import os
import shutil

import numpy as np
import pytest
from labelled_samples import picture

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from reader.image import encode_jpeg
from training.datasets import DatasetError, check, find_builder, load_stage1, load_stage2
from training.tfds_writer import SetWriter, features, set_name

CORNERS = np.array([[16, 32], [80, 36], [78, 60], [14, 56]], float)  # in a square of 96, bars above 16 and below 80
BOXES = np.array([[2, 4, 10, 20], [12, 4, 20, 20]], float)


def square(seed=0):
    """A photo of 64 x 96, letterboxed to 96."""
    image = np.zeros((96, 96, 3), np.uint8)
    image[16:80] = picture(64, 96, seed=seed)
    return image


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """One data_dir with a small set of each stage, as make_dataset.py writes them."""
    root = tmp_path_factory.mktemp("data")
    with SetWriter(root / set_name(1) / "1.0.0", 1, ["train", "test"], 96) as writer:
        writer.add("train", square(), CORNERS[None], [2], "a.jpg")
        writer.add("train", square(1), CORNERS[None][:0], [], "no display.jpg")
        writer.add("test", square(2), np.stack([CORNERS, CORNERS]), [0, 1], "b.jpg")
        writer.close({"a.jpg": "train", "no display.jpg": "train", "b.jpg": "test"})
    with SetWriter(root / set_name(2) / "1.0.0", 2, ["train"]) as writer:
        writer.add("train", picture(24, 60), BOXES, [7, 14], "cropped_a.jpg")
        writer.add("train", picture(20, 90, seed=1), BOXES[:1] / 2, [0], "cropped_b.jpg")
        writer.close({"cropped_a.jpg": "train", "cropped_b.jpg": "train"})
    return root


def test_stage1_schema(data_dir):
    """Word for word what existing sets have; S is 96 here."""
    info = find_builder(data_dir, set_name(1)).info
    assert str(info.features) == (
        "FeaturesDict({\n    'image': Image(shape=(96, 96, 3), dtype=uint8),\n"
        "    'image/filename': Text(shape=(), dtype=string),\n    'image/id': int64,\n"
        "    'objects': Sequence({\n        'area': int64,\n"
        "        'bbox': Tensor(shape=(12,), dtype=float32),\n        'id': int64,\n        'is_crowd': bool,\n"
        "        'label': ClassLabel(shape=(), dtype=int64, num_classes=4),\n    }),\n})"
    )
    names = info.features["objects"].feature["label"].names
    assert names == ["analog", "digital", "analog_illegible", "digital_illegible"]
    assert {name: split.num_examples for name, split in info.splits.items()} == {"train": 2, "test": 1}
    assert (info.name, str(info.version)) == ("meter_values_dataset_stage1", "1.0.0")


def test_stage2_schema(data_dir):
    info = find_builder(data_dir, set_name(2)).info
    assert info.features["image"].shape == (None, None, 3)
    objects = info.features["objects"].feature
    assert type(objects["bbox"]).__name__ == "BBoxFeature"
    assert objects["label"].names == [*"0123456789", "r", "t", "_", "point", "floatp"]


def test_stored_stage1_example(data_dir):
    import tensorflow_datasets as tfds

    # tfds.load finds it by name, as people's own scripts do.
    stored = tfds.load("meter_values_dataset_stage1", data_dir=data_dir, split="train")
    example = next(iter(tfds.as_numpy(stored)))
    yx = CORNERS[:, ::-1] / 96
    wanted = [*yx.min(axis=0), *yx.max(axis=0), *yx.reshape(-1)]
    np.testing.assert_allclose(example["objects"]["bbox"], [wanted], rtol=1e-6)
    # Shoelace by hand: a parallelogram of sides (64, 4) and (-2, 24) is 64 * 24 + 4 * 2.
    assert example["objects"]["area"].tolist() == [1544]
    assert example["objects"]["label"].tolist() == [2]
    assert example["objects"]["is_crowd"].tolist() == [False]
    assert example["image/filename"] == b"a.jpg"
    assert example["image"].shape == (96, 96, 3)
    assert np.abs(example["image"].astype(int) - square()).mean() < 4  # JPEG, quality 95


def test_stored_stage2_pixels_are_exact(data_dir):
    import tensorflow_datasets as tfds

    example = next(iter(tfds.as_numpy(find_builder(data_dir, set_name(2)).as_dataset(split="train"))))
    np.testing.assert_array_equal(example["image"], picture(24, 60))
    np.testing.assert_allclose(example["objects"]["bbox"][0], [4 / 24, 2 / 60, 20 / 24, 10 / 60], rtol=1e-6)


def test_ids_differ(data_dir):
    import tensorflow_datasets as tfds

    builder = find_builder(data_dir, set_name(1))
    examples = [e for split in ("train", "test") for e in tfds.as_numpy(builder.as_dataset(split=split))]
    assert len({int(e["image/id"]) for e in examples}) == 3
    assert len({int(i) for e in examples for i in e["objects"]["id"]}) == 3


def test_stage1_arrays(data_dir):
    samples = load_stage1([data_dir], "train")
    assert [sample.name for sample in samples] == ["a.jpg", "no display.jpg"]
    sample = samples[0]
    assert sample.image.shape == (64, 96, 3)  # the bars are gone
    np.testing.assert_allclose(sample.corners, [CORNERS - (0, 16)], atol=1e-4)
    assert sample.labels.tolist() == [2]
    assert (sample.image.dtype, sample.corners.dtype, sample.labels.dtype) == (np.uint8, np.float32, np.int64)
    assert samples[1].corners.shape == (0, 4, 2)
    assert samples[1].labels.shape == (0,)


def test_stage2_arrays(data_dir):
    sample = load_stage2([data_dir], "train")[0]
    np.testing.assert_array_equal(sample.image, picture(24, 60))
    np.testing.assert_allclose(sample.boxes, BOXES, atol=1e-4)
    assert sample.labels.tolist() == [7, 14]
    assert (sample.boxes.dtype, sample.labels.dtype) == (np.float32, np.int64)


def test_large_pictures_are_shrunk_with_their_labels(data_dir):
    sample = load_stage1([data_dir], "train", max_side=48)[0]
    assert sample.image.shape == (32, 48, 3)
    np.testing.assert_allclose(sample.corners, [(CORNERS - (0, 16)) / 2], atol=1e-4)
    sample = load_stage2([data_dir], "train", max_side=30)[0]
    assert sample.image.shape == (12, 30, 3)
    np.testing.assert_allclose(sample.boxes, BOXES / 2, atol=1e-4)


def test_several_sets_are_joined(data_dir):
    samples = load_stage1([data_dir, data_dir / set_name(1)], "train")
    assert [sample.name for sample in samples] == ["a.jpg", "no display.jpg"] * 2


def test_absent_splits(data_dir):
    assert load_stage1([data_dir], "validation") == []
    assert [sample.name for sample in load_stage1([data_dir], "test")] == ["b.jpg"]


def test_dark_photo_keeps_its_display(tmp_path):
    image = np.zeros((96, 96, 3), np.uint8)
    image[40:50, 40:50] = 255
    with SetWriter(tmp_path / "1.0.0", 1, ["train"], 96) as writer:
        writer.add("train", image, CORNERS[None], [2], "dark.jpg")
        writer.add("train", image * 0, CORNERS[None][:0], [], "black.jpg")
        writer.close({})
    dark, black = load_stage1([tmp_path], "train")
    assert dark.image.shape == (60 - 32, 80 - 14, 3)  # cut to the labelled display, not into it
    np.testing.assert_allclose(dark.corners, [CORNERS - (14, 32)], atol=1e-4)
    assert black.image.shape == (96, 96, 3)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """A set as others made it, with a builder of their own: PNG, another version, shards named by TFDS's default."""
    import tensorflow_datasets as tfds

    root = tmp_path_factory.mktemp("foreign")
    yx = CORNERS[:, ::-1] / 96
    box = np.concatenate([yx.min(axis=0), yx.max(axis=0), yx.reshape(-1)]).astype(np.float32)
    one = {"area": 1, "bbox": box, "id": 5, "is_crowd": False, "label": "digital"}
    example = {"image": square(), "image/filename": "f.jpg", "image/id": 1, "objects": [one]}
    schema = {**features(1, 96), "image": tfds.features.Image(shape=(96, 96, 3))}  # PNG
    folder = root / set_name(1) / "2.3.0"
    folder.mkdir(parents=True)
    write_foreign(folder, schema, [example])
    shard = folder / f"{set_name(1)}-train.tfrecord-00000"
    shard.rename(f"{shard}-of-00001")
    info = json.loads((folder / "dataset_info.json").read_text())
    info["splits"][0]["filepathTemplate"] = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
    (folder / "dataset_info.json").write_text(json.dumps(info))
    return root


def test_sets_of_others_load(foreign):
    (sample,) = load_stage1([foreign], "train")
    np.testing.assert_array_equal(sample.image, square()[16:80])
    np.testing.assert_allclose(sample.corners, [CORNERS - (0, 16)], atol=1e-4)
    assert sample.labels.tolist() == [1]


@pytest.mark.parametrize("below", ["", "meter_values_dataset_stage1", "meter_values_dataset_stage1/2.3.0"])
def test_set_is_found_from_every_level(foreign, below):
    assert len(load_stage1([foreign / below], "train")) == 1


def test_moved_and_renamed_folder(foreign, tmp_path):
    shutil.copytree(foreign / set_name(1) / "2.3.0", tmp_path / "my meters")
    assert len(load_stage1([tmp_path / "my meters"], "train")) == 1
    assert len(load_stage1([tmp_path], "train")) == 1  # one level above


def test_newest_version_is_taken(foreign, tmp_path):
    for version in ("2.3.0", "10.0.0"):
        shutil.copytree(foreign / set_name(1) / "2.3.0", tmp_path / set_name(1) / version)
    assert find_builder(tmp_path, set_name(1)).data_path.name == "10.0.0"


def test_half_written_set_is_not_seen(foreign, tmp_path):
    shutil.copytree(foreign / set_name(1) / "2.3.0", tmp_path / set_name(1) / ".1.0.0.x.partial")
    with pytest.raises(DatasetError, match="holds no TFDS set"):
        find_builder(tmp_path, set_name(1))


def test_nothing_there(tmp_path):
    with pytest.raises(DatasetError, match="is not a folder; one with the set meter_values_dataset_stage1 was wanted"):
        find_builder(tmp_path / "gone", set_name(1))
    with pytest.raises(DatasetError, match="holds no TFDS set; the set meter_values_dataset_stage1 was wanted"):
        find_builder(tmp_path, set_name(1))


def test_set_of_the_other_stage(data_dir):
    with pytest.raises(DatasetError, match="holds meter_values_dataset_stage2; the set meter_values_dataset_stage1"):
        load_stage1([data_dir / set_name(2)], "train")


def test_two_sets_below_one_folder(foreign, tmp_path):
    for name in ("one", "two"):
        shutil.copytree(foreign / set_name(1), tmp_path / name)
    with pytest.raises(DatasetError, match="several times"):
        find_builder(tmp_path, set_name(1))


def test_damaged_description(tmp_path):
    (tmp_path / "dataset_info.json").write_text("{")
    with pytest.raises(DatasetError, match=r"an unreadable dataset_info\.json"):
        find_builder(tmp_path, set_name(1))


def write_foreign(folder, schema, examples, name=None):
    """A set of any schema."""
    import tensorflow_datasets as tfds

    identity = tfds.core.DatasetIdentity(
        name=name or set_name(1), version=tfds.core.Version("1.0.0"), data_dir=str(folder), module_name=""
    )
    info = tfds.core.DatasetInfo(builder=identity, features=tfds.features.FeaturesDict(schema))
    writer = tfds.core.SequentialWriter(info, 100)
    writer.initialize_splits(["train"])
    writer.add_examples({"train": examples})
    writer.close_all()
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("no objects", "fields image, image/filename, objects wanted, image, image/filename came"),
        ("no label", "objects with bbox and label wanted, bbox came"),
        ("boxes", r"boxes of 12 numbers wanted for stage 1, shape \(4,\) came"),
        ("classes", "4 classes wanted for stage 1, 15 came"),
        ("order", "classes in the order analog, digital, analog_illegible, digital_illegible wanted, digital, analog"),
    ],
)
def test_wrong_schemas(tmp_path, change, message):
    import tensorflow_datasets as tfds

    schema = {
        "no objects": None,
        "no label": {"bbox": tfds.features.Tensor(shape=(12,), dtype=np.float32)},
        "boxes": {"bbox": tfds.features.BBoxFeature(), "label": tfds.features.ClassLabel(num_classes=4)},
        "classes": {
            "bbox": tfds.features.Tensor(shape=(12,), dtype=np.float32),
            "label": tfds.features.ClassLabel(num_classes=15),
        },
        "order": {
            "bbox": tfds.features.Tensor(shape=(12,), dtype=np.float32),
            "label": tfds.features.ClassLabel(names=["digital", "analog", "analog_illegible", "digital_illegible"]),
        },
    }[change]
    fields = {"image": tfds.features.Image(), "image/filename": tfds.features.Text()}
    example = {"image": square(), "image/filename": "a.jpg"}
    if schema is not None:
        fields["objects"] = tfds.features.Sequence(schema)
        example["objects"] = []
    write_foreign(tmp_path, fields, [example])
    with pytest.raises(DatasetError, match=message) as error:
        load_stage1([tmp_path], "train")
    assert "\n" not in str(error.value)


def test_empty_set(tmp_path):
    with SetWriter(tmp_path, 1, [], 96) as writer:
        writer.close({})
    with pytest.raises(DatasetError, match="the set is empty"):
        check(find_builder(tmp_path, set_name(1)), 1)


def test_set_without_train_split(tmp_path):
    with SetWriter(tmp_path, 2, ["test"]) as writer:
        writer.add("test", picture(24, 60), BOXES, [7, 14], "cropped_a.jpg")
        writer.close({})
    with pytest.raises(DatasetError, match="nothing to train on: no train split"):
        load_stage2([tmp_path], "train")


@pytest.mark.parametrize(
    ("label", "bbox", "image", "message"),
    [
        (-1, [0.1] * 12, square(), "a.jpg: label -1, 0 to 3 wanted"),
        (1, [2.0] + [0.1] * 11, square(), "a.jpg: coordinates from 0.1 to 2, 0 to 1 wanted"),
        (1, [-0.5] + [0.1] * 11, square(), "a.jpg: coordinates from -0.5 to 0.1, 0 to 1 wanted"),
        (1, [np.nan] * 12, square(), "a.jpg: coordinates from nan to nan, 0 to 1 wanted"),
        (1, [0.1] * 12, b"no picture", "the picture of a.jpg cannot be decoded"),
    ],
)
def test_wrong_content(tmp_path, label, bbox, image, message):
    objects = [{"area": 1, "bbox": np.array(bbox, np.float32), "id": 1, "is_crowd": False, "label": label}]
    example = {"image": image, "image/filename": "a.jpg", "image/id": 1, "objects": objects}
    write_foreign(tmp_path, features(1, 96), [example])
    with pytest.raises(DatasetError, match=message) as error:
        load_stage1([tmp_path], "train")
    assert "\n" not in str(error.value)


def test_exif_in_a_set_is_ignored(tmp_path):
    # TensorFlow decodes without looking at EXIF, so the labels of such a set belong to the unturned pixels.
    image = square()
    image[16:80, :20] = (250, 30, 30)
    jpeg = encode_jpeg(image, 95)
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0"
    turned = jpeg[:2] + b"\xff\xe1" + bytes([0, len(exif) + 2]) + exif + jpeg[2:]
    write_foreign(
        tmp_path,
        features(1, 96),
        [{"image": turned, "image/filename": "a.jpg", "image/id": 1, "objects": []}],
    )
    (sample,) = load_stage1([tmp_path], "train")
    assert sample.image[30, 5, 0] > 200


def test_grey_pictures_become_rgb(tmp_path):
    import tensorflow_datasets as tfds

    schema = dict(features(2))
    schema["image"] = tfds.features.Image(shape=(None, None, 1))
    grey = picture(24, 60)[:, :, :1]
    example = {"image": grey, "image/filename": "a.jpg", "image/id": 1, "objects": []}
    write_foreign(tmp_path, schema, [example], set_name(2))
    (sample,) = load_stage2([tmp_path], "train")
    np.testing.assert_array_equal(sample.image, np.repeat(grey, 3, axis=2))


def test_splits_are_told_beside_the_set(data_dir):
    told = json.loads((data_dir / set_name(1) / "1.0.0" / "splits.json").read_text())
    assert told == {"a.jpg": "train", "b.jpg": "test", "no display.jpg": "train"}
