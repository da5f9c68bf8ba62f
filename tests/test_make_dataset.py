"""make_dataset.py from the command line on: labels in, sets out, all or nothing."""

import json
import os

import numpy as np
import pytest
from labelled_samples import SQUARE, picture, polygon, rectangle, task

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import make_dataset
from reader.image import encode_jpeg, encode_png, load_image
from training.datasets import load_stage1, load_stage2

NAMES = [f"{i}.png" for i in range(12)]
PHOTOS = {name: picture(seed=i) for i, name in enumerate(NAMES)}
SPLITS = ("train", "validation", "test")


def photo_tasks(names=NAMES, **changes):
    return [task(i + 1, name, [polygon(SQUARE)], **changes) for i, name in enumerate(names)]


def run(command, pairs, out, *flags):
    """Runs a stage; returns the exit status."""
    arguments = [command, "--out", str(out), *flags]
    for labels, images in pairs:
        arguments += ["--labels", str(labels), "--images", str(images)]
    if command == "stage1" and "--size" not in flags:
        arguments += ["--size", "64"]
    return make_dataset.main(arguments)


def by_split(load, out):
    """Names of the samples of each split; nothing for a split that is not there."""
    return {split: sorted(s.name for s in load([out], split)) for split in SPLITS if split in _splits(out, load)}


def _splits(out, load):
    stage = 1 if load is load_stage1 else 2
    told = json.loads((out / f"meter_values_dataset_stage{stage}" / "1.0.0" / "splits.json").read_text())
    return set(told.values())


def test_stage1(export, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("stage1", [export(photo_tasks(), PHOTOS)], out, "--split", "0.5", "0.25", "0.25") == 0
    found = by_split(load_stage1, out)
    assert sorted(name for names in found.values() for name in names) == sorted(NAMES)
    sample = load_stage1([out], "train")[0]
    # 80 x 60 in a square of 64 is 64 x 48; the bars are cut off again.
    assert sample.image.shape == (48, 64, 3)
    np.testing.assert_allclose(sample.corners, [np.array(SQUARE) / 100 * (64, 48)], atol=1e-3)
    told = capsys.readouterr()
    rows = {line.split()[0]: line.split()[1:] for line in told.out.splitlines() if line.split()[1:]}
    counts = [str(len(found.get(split, []))) for split in SPLITS]
    assert rows["images"] == [*counts, "12"]
    assert rows["analog"] == [*counts, "12"]
    assert "12/12" in told.err  # the progress bar
    folder = out / "meter_values_dataset_stage1" / "1.0.0"
    assert load_image(folder / "preview.png").shape[0] > 240
    assert [path.name for path in folder.parent.iterdir()] == ["1.0.0"]


def test_default_size_is_that_of_existing_sets():
    arguments = ["stage1", "--labels", "a", "--images", "b", "--out", "c"]
    parsed = make_dataset.parse(arguments)
    assert (parsed.size, tuple(parsed.split), parsed.seed) == (1024, (0.8, 0.1, 0.1), 0)


def test_lines_are_divided_four_to_one():
    parsed = make_dataset.parse(["lines", "--task", "plate", "--source", "a", "--source", "b", "--out", "c"])
    assert (tuple(parsed.split), parsed.seed, parsed.alphabet, parsed.group_by) == ((0.8, 0.2, 0.0), 0, None, None)
    assert [str(source) for source in parsed.source] == ["a", "b"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--source", "a", "--out", "c"], "the following arguments are required: --task"),
        (["--task", "plate", "--out", "c"], "the following arguments are required: --source"),
        (["--task", "sign", "--source", "a", "--out", "c"], "argument --task: invalid choice: 'sign'"),
    ],
)
def test_lines_without_what_they_need(capsys, arguments, told):
    with pytest.raises(SystemExit) as ended:
        make_dataset.parse(["lines", *arguments])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_stage2_keeps_size_pixels_and_name(export, tmp_path):
    crop = picture(30, 100)
    regions = [rectangle(10, 20, 5, 50, "7", original_width=100, original_height=30)]
    pair = export([task(1, "cropped_a.png", regions)], {"cropped_a.png": crop})
    assert run("stage2", [pair], tmp_path / "out", "--split", "1", "0", "0") == 0
    (sample,) = load_stage2([tmp_path / "out"], "train")
    np.testing.assert_array_equal(sample.image, crop)
    np.testing.assert_allclose(sample.boxes, [[10, 6, 15, 21]], atol=1e-4)
    assert (sample.labels.tolist(), sample.name) == ([7], "cropped_a.png")


def test_stage2_name_gets_its_prefix(export, tmp_path):
    pair = export([task(1, "a.png", [rectangle(10, 20, 5, 50)])], {"a.png": picture()})
    assert run("stage2", [pair], tmp_path / "out", "--split", "1", "0", "0") == 0
    assert load_stage2([tmp_path / "out"], "train")[0].name == "cropped_a.png"


@pytest.mark.parametrize("same_folder", [True, False], ids=["same --out", "same --seed"])
def test_crops_share_the_split_of_their_photo(export, tmp_path, same_folder):
    flags = ("--split", "0.4", "0.3", "0.3", "--seed", "5")
    assert run("stage1", [export(photo_tasks(), PHOTOS)], tmp_path / "out", *flags) == 0
    crops = {f"cropped_{name}": picture(20, 60, seed=i) for i, name in enumerate(NAMES)}
    tasks = [
        task(i, name, [rectangle(10, 20, 5, 50, original_width=60, original_height=20)]) for i, name in enumerate(crops)
    ]
    second = tmp_path / ("out" if same_folder else "other")
    # In the same --out even another seed cannot tear photo and crop apart.
    flags = flags if not same_folder else (*flags[:-1], "6")
    assert run("stage2", [export(tasks, crops, "crops")], second, *flags) == 0
    photos, displays = by_split(load_stage1, tmp_path / "out"), by_split(load_stage2, second)
    assert {split: [f"cropped_{name}" for name in names] for split, names in photos.items()} == displays
    assert len(photos) == 3


def test_given_splits_are_kept(export, tmp_path):
    tasks = photo_tasks()
    for i, one in enumerate(tasks[:6]):
        one["data"]["split"] = "test" if i < 3 else "validation"
    file = tmp_path / "splits.json"
    file.write_text(json.dumps({"0.jpg": "train", "7.jpg": "test"}))
    flags = ("--split", "1", "0", "0", "--split_file", str(file))
    assert run("stage1", [export(tasks, PHOTOS)], tmp_path / "out", *flags) == 0
    found = by_split(load_stage1, tmp_path / "out")
    assert found["test"] == ["1.png", "2.png", "7.png"]
    assert found["validation"] == ["3.png", "4.png", "5.png"]
    assert len(found["train"]) == 6


def test_exports_are_merged_and_copies_stay_together(export, tmp_path):
    first = export(photo_tasks(), PHOTOS)
    # The same photos under other names, from another project with the same task ids.
    copies = {f"copy_{name}": image for name, image in PHOTOS.items()}
    second = export(photo_tasks(copies), copies, "second")
    assert run("stage1", [first, second], tmp_path / "out", "--split", "0.4", "0.3", "0.3") == 0
    found = by_split(load_stage1, tmp_path / "out")
    assert sum(map(len, found.values())) == 24
    for names in found.values():
        originals = {name for name in names if not name.startswith("copy_")}
        assert {f"copy_{name}" for name in originals} == set(names) - originals


def test_same_command_gives_the_same_set(export, tmp_path):
    pair = export(photo_tasks(), PHOTOS)
    for out in ("one", "two"):
        assert run("stage1", [pair], tmp_path / out) == 0
    one, two = tmp_path / "one", tmp_path / "two"
    files = [file.relative_to(one) for file in one.rglob("*") if file.is_file()]
    assert len(files) >= 5
    for file in files:
        assert (one / file).read_bytes() == (two / file).read_bytes()


def test_exif_rotation_is_applied(export, tmp_path):
    # Stored lying, 80 x 60, with orientation 6: upright it is 60 x 80, and that is what was labelled.
    image = picture(60, 80, (40, 40, 40))
    image[:, :40] = (250, 30, 30)  # the left half, which turns to the top
    jpeg = encode_jpeg(image, 95)
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    turned = jpeg[:2] + b"\xff\xe1" + bytes([0, len(exif) + 2]) + exif + jpeg[2:]
    region = polygon(SQUARE, original_width=60, original_height=80)
    pair = export([task(1, "a.jpg", [region])], {"a.jpg": turned})
    assert run("stage1", [pair], tmp_path / "out", "--size", "80", "--split", "1", "0", "0") == 0
    (sample,) = load_stage1([tmp_path / "out"], "train")
    assert sample.image.shape[0] == 80
    assert sample.image.shape[1] == pytest.approx(60, abs=2)  # the red runs over into the bars, as JPEG's colours do
    assert sample.image[20, 30, 0] > 200
    assert sample.image[60, 30, 0] < 100
    np.testing.assert_allclose(sample.corners, [np.array(SQUARE) / 100 * (60, 80)], atol=1.1)


def faulty_tasks():
    """Four good tasks and one of each kind of fault that only shows with the pictures beside."""
    lying = polygon(SQUARE, original_width=60, original_height=80)
    return [
        *photo_tasks(NAMES[:4]),
        task(5, "gone.png", [polygon(SQUARE)]),
        task(6, "broken.png", [polygon(SQUARE)]),
        task(7, "cut.png", [polygon(SQUARE)]),
        task(8, "4.png", [lying]),
        task(9, "5.png", [polygon(SQUARE, "Meter")]),
        task(10, "6.png", [polygon(SQUARE)], data={"image": "6.png", "split": "test"}),
        task(11, "6.png", [polygon(SQUARE)], data={"image": "6.png", "split": "train"}),
    ]


FAULTY_IMAGES = {**PHOTOS, "broken.png": b"no picture", "cut.png": encode_png(picture())[:200]}
FAULTS = {
    5: "missing image gone.png",
    6: "broken.png: not a picture",
    7: "cut.png: the end of the PNG file is missing",
    8: "labels were drawn on a picture of 60 x 80, 4.png is 80 x 60 (upright)",
    9: "region xmGVX5tmo3: unknown label 'Meter'",
    10: "photo 6 is asked for in several splits: test, train",
    11: "photo 6 is asked for in several splits: test, train",
}


def test_faults_are_all_told_and_nothing_is_written(export, tmp_path, capsys):
    labels, images = export(faulty_tasks(), FAULTY_IMAGES)
    out = tmp_path / "out"
    assert run("stage1", [(labels, images)], out) == 1
    told = capsys.readouterr().err.replace("\r", "\n").splitlines()
    for number, fault in FAULTS.items():
        lines = [line for line in told if line.startswith(f"{labels}: task {number}: ")]
        assert len(lines) == 1, number
        assert fault in lines[0]
    assert told[-1] == "error: 7 faulty tasks, see above; nothing was written (--skip_faulty leaves them out)"
    assert not out.exists()


def test_faulty_tasks_are_skipped_when_told_to(export, tmp_path, capsys):
    pair = export(faulty_tasks(), FAULTY_IMAGES)
    assert run("stage1", [pair], tmp_path / "out", "--skip_faulty") == 0
    assert sum(map(len, by_split(load_stage1, tmp_path / "out").values())) == 4
    told = capsys.readouterr().err
    assert all(fault in told for fault in FAULTS.values())  # left out, but not silently
    assert "7 faulty tasks, see above" in told


def test_only_faulty_tasks(export, tmp_path, capsys):
    pair = export([task(1, "gone.png", [polygon(SQUARE)])])
    assert run("stage1", [pair], tmp_path / "out", "--skip_faulty") == 1
    assert capsys.readouterr().err.splitlines()[-1] == "error: there is no usable task; nothing was written"
    assert not (tmp_path / "out").exists()


def test_existing_set_is_replaced_only_when_told_to(export, tmp_path, capsys):
    pair = export(photo_tasks(), PHOTOS)
    fewer = export(photo_tasks(NAMES[:3]), PHOTOS, "fewer")
    out = tmp_path / "out"
    assert run("stage1", [pair], out) == 0
    assert run("stage1", [fewer], out) == 1
    assert "exists; --overwrite replaces it" in capsys.readouterr().err
    broken = export(faulty_tasks(), FAULTY_IMAGES, "broken")
    assert run("stage1", [broken], out, "--overwrite") == 1
    assert len(by_split(load_stage1, out)["train"]) > 3  # a failed run leaves the old set
    assert run("stage1", [fewer], out, "--overwrite") == 0
    assert sum(map(len, by_split(load_stage1, out).values())) == 3
    assert [path.name for path in (out / "meter_values_dataset_stage1").iterdir()] == ["1.0.0"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--size", "0"], "--size must be positive, not 0"),
        (["--split", "0.8", "0.1", "0.2"], "must sum to 1, not 0.8 0.1 0.2"),
        (["--split_file", "gone.json"], "cannot read gone.json: No such file or directory"),
        (["--labels", "more.json"], "one --images for each --labels wanted; 2 and 1 came"),
    ],
)
def test_wrong_flags(export, tmp_path, capsys, flags, message):
    pair = export(photo_tasks(), PHOTOS)
    assert run("stage1", [pair], tmp_path / "out", *flags) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert not (tmp_path / "out").exists()


def test_empty_split_is_told(export, tmp_path, capsys):
    assert run("stage1", [export(photo_tasks(), PHOTOS)], tmp_path / "out", "--split", "1", "0", "0") == 0
    told = capsys.readouterr().err
    assert "warning: validation is empty" in told
    assert "warning: test is empty" in told


def test_preview_goes_where_it_is_wanted(export, tmp_path):
    pair = export(photo_tasks(), PHOTOS)
    assert run("stage1", [pair], tmp_path / "out", "--preview", str(tmp_path / "sheets" / "one.png")) == 0
    sheet = load_image(tmp_path / "sheets" / "one.png")
    assert ((sheet == (60, 220, 60)).all(axis=2)).sum() > 500  # the polygons of twelve analog displays
    assert not (tmp_path / "out" / "meter_values_dataset_stage1" / "1.0.0" / "preview.png").exists()


def test_jsonl_set_goes_all_the_way(tmp_path, capsys):
    (tmp_path / "set").mkdir()
    lines = []
    for i in range(6):
        (tmp_path / f"set/{i}.png").write_bytes(encode_png(picture(seed=i)))
        corners = [[20, 15], [60, 15], [60, 25], [20, 25]]
        boxes = [[20, 15, 30, 25, "1"], [50, 15, 60, 25, "2"]]
        split = "test" if i == 5 else "train"
        lines.append({"image": f"{i}.png", "split": split, "corners": corners, "boxes": boxes, "reading": "1.2"})
    (tmp_path / "set/manifest.jsonl").write_text("\n".join(map(json.dumps, lines)))
    middle, out = tmp_path / "middle", tmp_path / "out"
    flags = ["--manifest", str(tmp_path / "set/manifest.jsonl"), "--out", str(middle), "--margin", "0.5"]
    assert make_dataset.main(["labelstudio", *flags, "--validation", "0"]) == 0
    told = capsys.readouterr().out
    assert f"stage 1: 6 tasks (train 5, validation 0, test 1): {middle / 'stage1' / 'labels.json'}" in told
    for stage in (1, 2):
        folder = middle / f"stage{stage}"
        assert run(f"stage{stage}", [(folder / "labels.json", folder / "images")], out) == 0
    assert [s.name for s in load_stage1([out], "test")] == ["5.png"]
    (display,) = load_stage2([out], "test")
    assert display.image.shape == (20, 50, 3)
    np.testing.assert_allclose(display.boxes, [[5, 5, 15, 15], [35, 5, 45, 15], [35, 5, 45, 15]], atol=1e-3)
    assert display.labels.tolist() == [1, 2, 14]
    assert make_dataset.main(["labelstudio", *flags]) == 1
    assert "exists; --overwrite replaces it" in capsys.readouterr().err


def test_jsonl_faults_fail_and_write_nothing(tmp_path, capsys):
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text('{"image": "gone.png", "corners": [[0, 0], [1, 0], [1, 1], [0, 1]]}\n')
    flags = ["labelstudio", "--manifest", str(manifest), "--out", str(tmp_path / "out")]
    assert make_dataset.main(flags) == 1
    told = capsys.readouterr().err
    assert f"{manifest}: line 1: missing image gone.png" in told
    assert not (tmp_path / "out").exists()


def test_jsonl_without_labels(tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(encode_png(picture()))
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text('{"image": "a.png", "kind": "display_crop", "reading": "12"}\n')
    flags = ["labelstudio", "--manifest", str(manifest), "--out", str(tmp_path / "out")]
    assert make_dataset.main(flags) == 1
    assert "holds no labels (1 x no corners: not in stage 1; 1 x no boxes" in capsys.readouterr().err
    assert make_dataset.main([*flags, "--unlabelled"]) == 0
    assert len(json.loads((tmp_path / "out/stage2/unlabelled.json").read_text())) == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--size_limit", "0"], "--size_limit must be positive, not 0"),
        (["--validation", "1.5"], "--validation must be from 0 to below 1, not 1.5"),
        ([], "cannot read"),
    ],
)
def test_wrong_flags_of_labelstudio(tmp_path, capsys, flags, message):
    arguments = ["labelstudio", "--manifest", str(tmp_path / "gone.jsonl"), "--out", str(tmp_path / "out"), *flags]
    assert make_dataset.main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert not (tmp_path / "out").exists()


def test_out_that_cannot_be_written(export, tmp_path, capsys):
    (tmp_path / "out").write_text("a file, not a folder")
    assert run("stage1", [export(photo_tasks(), PHOTOS)], tmp_path / "out") == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: cannot write into")


@pytest.mark.parametrize("command", [[], ["stage1"], ["stage2"], ["labelstudio"]])
def test_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        make_dataset.main([*command, "--help"])
    assert stop.value.code == 0
    assert "usage:" in capsys.readouterr().out
