"""From the JSONL form to Label Studio exports: exact numbers, nothing lost silently."""

import json
import struct

import numpy as np
import pytest
from labelled_samples import picture

from reader.image import encode_jpeg, encode_png, load_image
from training.jsonl import JsonlOptions, convert
from training.jsonl_records import decimal_area, display
from training.labelstudio import DatasetError, read_export

CORNERS = [[20, 15], [60, 15], [60, 25], [20, 25]]  # 40 x 10 on a photo of 80 x 60


@pytest.fixture
def run(tmp_path):
    """Converts records: run(records, image, **options) -> (result, out)."""

    def write(records, image=None, **options):
        source, out = tmp_path / "set", tmp_path / "out"
        (source / "images").mkdir(parents=True)
        out.mkdir()
        data = image if isinstance(image, bytes) else encode_png(picture() if image is None else image)
        for record in records:
            if isinstance(record, dict) and "missing" not in str(record.get("image")):
                (source / str(record.get("image", "x"))).write_bytes(data)
        lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
        (source / "manifest.jsonl").write_text("\n".join(lines) + "\n")
        return convert(source / "manifest.jsonl", out, JsonlOptions(**options)), out

    return write


def record(**changes):
    known = {"image": "images/a.png", "reading": None, "corners": CORNERS, "boxes": None, "kind": "full_photo"}
    return {**known, "split": "test", **changes}


def test_polygon_and_class(run):
    result, out = run([record(reading="12.3")])
    (task,) = result.tasks[1]
    (region,) = task["annotations"][0]["result"]
    assert region["value"]["points"] == [[25, 25], [75, 25], [75, 25 / 0.6], [25, 25 / 0.6]]
    assert region["value"]["polygonlabels"] == ["Analog"]
    assert (region["original_width"], region["original_height"]) == (80, 60)
    assert task["data"] == {"image": "/data/local-files/?d=stage1/images/a.png", "split": "test", "reading": "12.3"}
    assert json.loads((out / "stage1/labels.json").read_text()) == result.tasks[1]
    assert result.tasks[2] == []
    assert result.left_out == {"no boxes, or boxes on a photo without corners: not in stage 2": 1}


@pytest.mark.parametrize(
    ("changes", "default", "label"),
    [
        ({}, "analog", "Analog"),
        ({}, "digital", "Digital"),
        ({"cls": "digital"}, "analog", "Digital"),
        ({"legible": False}, "analog", "Analog_illegible"),
        ({"cls": "digital", "legible": False}, "analog", "Digital_illegible"),
        ({"cls": "Digital_illegible", "legible": False}, "analog", "Digital_illegible"),
        ({"legible": True}, "analog", "Analog"),
    ],
)
def test_classes(run, changes, default, label):
    result, _ = run([record(**changes)], default_class=default)
    assert result.tasks[1][0]["annotations"][0]["result"][0]["value"]["polygonlabels"] == [label]


def test_empty_corners_mean_no_display(run):
    result, _ = run([record(corners=[])])
    assert result.tasks[1][0]["annotations"][0]["result"] == []


def test_display_is_cut_out_with_margin(run):
    # The display is 40 x 10; 0.2 of its height is 2 px on every side.
    result, out = run([record(boxes=[[20, 15, 24, 25, "3"], [52, 16, 60, 25, "floatp"]])], margin=0.2)
    assert load_image(out / "stage2/images/cropped_a.png").shape == (14, 44, 3)
    first, second = result.tasks[2][0]["annotations"][0]["result"]
    assert _xyxy(first) == pytest.approx([2, 2, 6, 12])
    assert _xyxy(second) == pytest.approx([34, 3, 42, 12])
    assert [first["value"]["rectanglelabels"], second["value"]["rectanglelabels"]] == [["3"], ["FLOATP"]]


def test_display_photographed_upside_down(run):
    # The first corner is the lower right one of the photo, so the rightmost box becomes the first.
    turned = CORNERS[2:] + CORNERS[:2]
    result, _ = run([record(corners=turned, boxes=[[56, 15, 60, 25, "3"]])], margin=0)
    assert _xyxy(result.tasks[2][0]["annotations"][0]["result"][0]) == pytest.approx([0, 0, 4, 10], abs=1e-9)


def test_crop_without_corners_stays_as_it_is(run):
    result, out = run([record(kind="display_crop", corners=None, boxes=[[8, 6, 16, 30, "1"]])])
    assert result.tasks[1] == []
    assert _xyxy(result.tasks[2][0]["annotations"][0]["result"][0]) == pytest.approx([8, 6, 16, 30])
    stored = out / "stage2/images/cropped_a-crop.png"
    assert stored.read_bytes() == encode_png(picture())


def _xyxy(region):
    value, width, height = region["value"], region["original_width"], region["original_height"]
    left, top = value["x"] * width / 100, value["y"] * height / 100
    return [left, top, left + value["width"] * width / 100, top + value["height"] * height / 100]


def test_photo_and_crop_of_one_name_stay_apart_and_share_the_split(run):
    crop = record(kind="display_crop", image="images/a.jpg", split="train")
    result, out = run([record(split="train", image="images/a.jpg"), crop], validation=0.5)
    assert sorted(path.name for path in (out / "stage1/images").iterdir()) == ["a-crop.jpg", "a.jpg"]
    assert len({task["data"]["split"] for task in result.tasks[1]}) == 1


def test_train_becomes_train_and_validation_and_test_stays(run):
    records = [record(image=f"images/{i}.png", split="train" if i < 40 else "test") for i in range(50)]
    result, _ = run(records, validation=0.5)
    splits = [task["data"]["split"] for task in result.tasks[1]]
    assert set(splits[:40]) == {"train", "validation"}
    assert set(splits[40:]) == {"test"}


def test_size_limit_is_for_stage1_only(run):
    result, out = run([record(boxes=[[20, 15, 24, 25, "3"]])], size_limit=40, margin=0)
    assert load_image(out / "stage1/images/a.png").shape == (30, 40, 3)
    assert load_image(out / "stage2/images/cropped_a.png").shape == (10, 40, 3)
    assert result.tasks[1][0]["annotations"][0]["result"][0]["value"]["points"][0] == [25, 25]


def test_kinds(run):
    result, _ = run([record(), record(image="images/b.png", kind="display_crop")], kinds=("full_photo",))
    assert [task["data"]["image"][-5:] for task in result.tasks[1]] == ["a.png"]
    assert result.left_out["kind display_crop"] == 1


def test_digit_crops_are_counted_not_dropped(run):
    result, _ = run([record(kind="digit_crop")])
    assert result.left_out == {"kind digit_crop": 1}


def test_labels_belong_to_the_stored_pixels(run):
    # EXIF orientation 3: programs that honour it turn the photo by 180 degrees, the labels do not turn with it.
    image = picture(colour=(40, 40, 40))
    image[15:25, 20:60] = (250, 30, 30)
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0"
    jpeg = encode_jpeg(image, 95)
    turned = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
    _, out = run([record(image="images/a.jpg")], turned)
    stored = load_image(out / "stage1/images/a.jpg")
    assert stored[20, 40, 0] > 200  # as labelled: a red display in the upper half
    assert stored[40, 40, 0] < 100


@pytest.mark.parametrize(
    ("reading", "digits", "wanted", "reason"),
    [
        ("12.3", "123", [20, 0, 30, 10], "the last digit"),
        ("1.23", "123", [10, 0, 30, 10], "the box around both decimals"),
        ("123", "123", None, "no point"),
        ("123.", "123", None, "nothing after the point"),
        ("12.34", "123", None, "a digit has no box"),
        ("12.4", "123", None, "reading and boxes differ"),
        (None, "123", None, "no reading"),
    ],
)
def test_decimal_area_from_the_reading(reading, digits, wanted, reason):
    boxes = [[10 * i, 0, 10 * i + 10, 10, digit] for i, digit in enumerate(digits)]
    area = decimal_area(boxes[::-1], reading, None)
    assert area == ([] if wanted is None else [[*wanted, "floatp"]]), reason


def test_decimal_area_of_a_display_upside_down():
    boxes = [[10 * i, 0, 10 * i + 10, 10, digit] for i, digit in enumerate("321")]
    assert decimal_area(boxes, "12.3", [[30, 10], [0, 10], [0, 0], [30, 0]]) == [[0, 0, 10, 10, "floatp"]]


def test_given_decimal_area_is_kept():
    boxes = [[0, 0, 10, 10, "1"], [10, 0, 20, 10, "2"], [9, 0, 21, 10, "floatp"]]
    assert decimal_area(boxes, "1.2", None) == []


@pytest.mark.parametrize(
    ("faulty", "fault"),
    [
        (record(boxes=[[20, 15, 24, 25, "3"], [30, 15, 34, 25, "NaN"]]), "1 boxes of unknown class NaN"),
        (record(boxes=[[20, 15, 24]]), "boxes of the form [x1, y1, x2, y2, class] wanted"),
        (record(boxes=[[20, 15, 24, "y", "3"]]), "boxes of 1 x 4 numbers wanted"),
        (record(corners=CORNERS[:3]), "corners of 4 x 2 numbers wanted"),
        (record(corners=[[20, 15]] * 4, boxes=[[20, 15, 24, 25, "3"]]), "not the corners of a display"),
        (record(image="images/missing.png"), "missing image missing.png (No such file or directory)"),
        (record(cls="round"), "unknown cls 'round'"),
        (record(split="dev"), "unknown split 'dev'"),
        ({"reading": "1"}, 'an object with "image" was wanted'),
        ("[1]", 'an object with "image" was wanted'),
        ("{", "not JSON"),
    ],
)
def test_faulty_records(run, faulty, fault):
    result, out = run([record(image="images/good.png"), faulty])
    assert [f.place for f in result.faults] == ["line 2"]
    assert fault in result.faults[0].text
    assert len(result.tasks[1]) == 1
    assert len(list((out / "stage1/images").iterdir())) == 1


def test_unreadable_image(run):
    result, _ = run([record()], b"no picture")
    assert "not a picture" in result.faults[0].text


def test_displays_with_a_digit_that_nobody_tells_are_not_in_stage_2_when_faulty_ones_are_skipped(run):
    rolling = record(boxes=[[20, 15, 24, 25, "3"], [30, 15, 34, 25, "NaN"]])
    result, out = run([rolling, record(image="images/b.png", boxes=[[20, 15, 24, 25, "3"]])], skip_faulty=True)
    assert [f.text for f in result.faults] == ["1 boxes of unknown class NaN: not in stage 2"]
    assert len(result.tasks[1]) == 2
    assert len(result.tasks[2]) == len(list((out / "stage2/images").iterdir())) == 1


def labels_of(task):
    """The classes of the boxes, from left to right."""
    regions = [region["value"] for region in task["annotations"][0]["result"]]
    return [label.lower() for value in sorted(regions, key=lambda v: v["x"]) for label in value["rectanglelabels"]]


@pytest.mark.parametrize(
    ("corrected", "labels", "why"),
    [
        ("3.4", ["3", "4", "floatp"], "the drum between two digits has its digit, the point its area"),
        ("34", ["3", "4"], "no point"),
        ("94", ["3", "4"], "digits with boxes stay as they are"),
    ],
)
def test_corrected_readings_win_and_tell_what_rolling_drums_show(run, tmp_path, corrected, labels, why):
    file = tmp_path / "readings.json"
    file.write_text(json.dumps({"images/a.png": corrected}))
    boxes = [[30, 15, 34, 25, "NaN"], [20, 15, 24, 25, "3"]]
    result, _ = run([record(boxes=boxes, reading="12")], readings=file)
    assert labels_of(result.tasks[2][0]) == labels, why
    assert result.tasks[2][0]["data"]["reading"] == corrected


@pytest.mark.parametrize("wrong", [{"corners": "none"}, {"boxes": [["a", 15, 24, 25, "3"], [30, 15, 34, 25, "NaN"]]}])
def test_faulty_records_with_a_corrected_reading_are_reported_too(run, tmp_path, wrong):
    file = tmp_path / "readings.json"
    file.write_text('{"images/a.png": "3.4"}')
    boxes = [[20, 15, 24, 25, "3"], [30, 15, 34, 25, "NaN"]]
    result, _ = run([record(**{"boxes": boxes, **wrong})], readings=file)
    assert len(result.faults) == 1 and not result.tasks[1] and not result.tasks[2]


@pytest.mark.parametrize("wrong", ["[]", '{"images/a.png": 12}', '{"images/a.png": "1.2.3"}', '{"images/a.png": ""}'])
def test_corrected_readings_of_another_form_are_refused(run, tmp_path, wrong):
    file = tmp_path / "readings.json"
    file.write_text(wrong)
    with pytest.raises(DatasetError, match="readings such as"):
        run([record()], readings=file)


def test_unlabelled_records_become_tasks_for_people(run):
    records = [
        record(corners=None, reading="12"),
        record(image="images/b.png", kind="display_crop", corners=None),
        record(image="images/c.png"),
    ]
    result, out = run(records, unlabelled=True)
    assert [task["data"]["image"][-5:] for task in result.unlabelled[1]] == ["a.png"]
    names = [task["data"]["image"].split("/")[-1] for task in result.unlabelled[2]]
    assert names == ["cropped_b-crop.png", "cropped_c.png"]
    assert all("annotations" not in task for task in result.unlabelled[2])
    assert (out / "stage2/unlabelled.json").exists()
    assert result.unlabelled[1][0]["data"]["reading"] == "12"


def test_exports_are_read_back(run):
    boxes = [[20, 15, 24, 25, "3"], [30, 15, 34, 25, "_"], [40, 15, 60, 25, "floatp"]]
    _, out = run([record(boxes=boxes, cls="digital")], margin=0)
    stage1, faults = read_export(out / "stage1/labels.json", out / "stage1/images", 1)
    assert faults == []
    np.testing.assert_allclose(stage1[0].shapes[0] / 100 * (80, 60), CORNERS)
    stage2, faults = read_export(out / "stage2/labels.json", out / "stage2/images", 2)
    assert faults == []
    np.testing.assert_allclose(
        stage2[0].shapes / 100 * (40, 10, 40, 10), [[0, 0, 4, 10], [10, 0, 14, 10], [20, 0, 40, 10]], atol=1e-9
    )
    assert stage2[0].class_ids.tolist() == [3, 12, 14]
    assert (stage1[0].split, stage1[0].name, stage2[0].name) == ("test", "a.png", "cropped_a.png")


def test_labelling_setup_names_all_classes(run):
    _, out = run([record()])
    assert '<Label value="Digital_illegible"/>' in (out / "stage1/label_config.xml").read_text()
    assert (out / "stage2/label_config.xml").read_text().count("<Label ") == 15


def test_same_set_gives_the_same_bytes(run, tmp_path):
    _, out = run([record(boxes=[[20, 15, 24, 25, "3"]])])
    again = tmp_path / "again"
    again.mkdir()
    convert(tmp_path / "set/manifest.jsonl", again, JsonlOptions())
    for file in out.rglob("*"):
        assert file.is_dir() or file.read_bytes() == (again / file.relative_to(out)).read_bytes()


def test_clipped_to_the_display():
    _, boxes = display(picture(), CORNERS, [[10, 10, 24, 25, "3"]], 0.0)
    np.testing.assert_allclose(boxes, [[0, 0, 4, 10]], atol=1e-9)


def test_corners_annotated_beside_the_manifest(run, tmp_path):
    other = [[0, 0], [8, 0], [8, 4], [0, 4]]
    (tmp_path / "corners.json").write_text(json.dumps({"images/a.png": other, "images/b.png": other}))
    records = [record(corners=None), record(image="images/b.png"), record(image="images/c.png", corners=[])]
    result, _ = run(records, corners=tmp_path / "corners.json")
    points = [task["annotations"][0]["result"][0]["value"]["points"][2] for task in result.tasks[1][:2]]
    assert points[0] == [10, pytest.approx(4 / 0.6)] and points[1] == [75, pytest.approx(25 / 0.6)], "its own stay"
    assert result.tasks[1][2]["annotations"][0]["result"] == [], "no display stays no display"


@pytest.mark.parametrize("text", ["{", "[]", '{"images/a.png": [[0, 0], [1, 0]]}', '{"images/a.png": "none"}', None])
def test_other_files_of_corners_are_refused(run, tmp_path, text):
    if text is not None:
        (tmp_path / "corners.json").write_text(text)
    with pytest.raises(DatasetError, match=r"corners\.json"):
        run([record()], corners=tmp_path / "corners.json")
