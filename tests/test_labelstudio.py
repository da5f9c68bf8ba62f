"""Reading Label Studio exports: what is read exactly, and every fault by name."""

import json

import numpy as np
import pytest
from labelled_samples import SQUARE, picture, polygon, rectangle, region, task

from training.image_files import ImageFolder, ImageLookupError, original_name
from training.labelstudio import DatasetError, photo_name, read_export

IMAGES = {"a.jpg": picture()}


def read(export, tasks, stage=1, images=IMAGES):
    return read_export(*export(tasks, images), stage)


def test_stage1_task_is_read(export):
    good, faults = read(export, [task(7, "a.jpg", [polygon(SQUARE, "Digital")])])
    assert faults == []
    (image,) = good
    assert image.shapes.tolist() == [SQUARE]
    assert image.class_ids.tolist() == [1]
    assert (image.place, image.path.name, image.name, image.split, image.labelled_size) == (
        ("task 7", "a.jpg", "a.jpg", None, (80, 60))
    )


def test_stage2_task_is_read(export):
    boxes = [rectangle(10, 20, 5, 50, "7"), rectangle(20, 20, 5, 50, "FLOATP"), rectangle(40, 20, 5, 50, "_")]
    good, faults = read(export, [task(1, "a.jpg", boxes)], stage=2)
    assert faults == []
    assert good[0].shapes.tolist() == [[10, 20, 15, 70], [20, 20, 25, 70], [40, 20, 45, 70]]
    assert good[0].class_ids.tolist() == [7, 14, 12]


def test_corner_order_is_kept(export):
    # A display photographed upside down begins at the lower right of the photo.
    turned = SQUARE[2:] + SQUARE[:2]
    good, _ = read(export, [task(1, "a.jpg", [polygon(turned)])])
    assert good[0].shapes[0].tolist() == turned


def test_empty_annotation_of_stage1_means_no_display(export):
    good, faults = read(export, [task(1, "a.jpg", [])])
    assert faults == []
    assert good[0].shapes.shape == (0, 4, 2)


def test_two_displays_on_one_photo(export):
    second = [[20.0, 70.0], [70.0, 70.0], [70.0, 90.0], [20.0, 90.0]]
    good, _ = read(export, [task(1, "a.jpg", [polygon(SQUARE), polygon(second, "Digital_illegible")])])
    assert good[0].class_ids.tolist() == [0, 3]


@pytest.mark.parametrize(
    ("stage", "label", "class_id"),
    [
        (1, "Analog", 0),
        (1, "digital", 1),
        (1, "ANALOG_ILLEGIBLE", 2),
        (1, "Digital_illegible", 3),
        (1, "Illegible", 2),  # older exports know one illegible class
        (2, "0", 0),
        (2, "9", 9),
        (2, "R", 10),
        (2, "T", 11),
        (2, "_", 12),
        (2, "POINT", 13),
        (2, "floatp", 14),
    ],
)
def test_labels(export, stage, label, class_id):
    shape = polygon(SQUARE, label) if stage == 1 else rectangle(10, 20, 5, 50, label)
    good, _ = read(export, [task(1, "a.jpg", [shape])], stage)
    assert good[0].class_ids.tolist() == [class_id]


@pytest.mark.parametrize(
    ("value", "wanted", "reason"),
    [
        ((10, 20, 5, 50, 0), [10, 20, 15, 70], "upright"),
        # The picture is 80 x 60: about the top-left a quarter turn takes 8 px right to 8 down, 30 down to 30 left.
        ((50, 20, 10, 50, 90), [12.5, 20, 50, 20 + 8 / 0.6], "turned in pixels, not in percent"),
        ((50, 50, 10, 20, 180), [40, 30, 50, 50], "half a turn"),
        ((99.8, 0, 0.5, 10, 0), [99.8, 0, 100, 10], "a little over the edge is clipped"),
    ],
)
def test_rectangles(export, value, wanted, reason):
    x, y, width, height, rotation = value
    good, faults = read(export, [task(1, "a.jpg", [rectangle(x, y, width, height, rotation=rotation)])], stage=2)
    assert faults == []
    np.testing.assert_allclose(good[0].shapes, [wanted], atol=1e-9, err_msg=reason)


def annotated(regions, **changes):
    return {"result": regions, "was_cancelled": False, **changes}


GOOD = [polygon(SQUARE)]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"annotations": []}, "not annotated"),
        ({"annotations": [annotated(GOOD), annotated(GOOD)]}, "2 annotations (0 cancelled), 1 wanted"),
        (
            {"annotations": [annotated(GOOD), annotated([], was_cancelled=True)]},
            "2 annotations (1 cancelled), 1 wanted",
        ),
        ({"annotations": [annotated(GOOD, was_cancelled=True)]}, "annotation cancelled"),
        ({"annotations": [{"was_cancelled": False}]}, "annotation without a result list"),
        ({"data": None}, "no data"),
        ({"data": {}, "file_upload": None}, "names no image (neither file_upload nor data.image)"),
        (
            {"data": {"image": "/data/upload/1/25ad14d4-a.jpg", "split": "dev"}},
            "unknown split 'dev' (wanted one of train, validation, test)",
        ),
    ],
)
def test_faulty_tasks(export, changes, fault):
    good, faults = read(export, [task(7, "a.jpg", GOOD, **changes)])
    assert good == []
    assert [(f.place, f.text) for f in faults] == [("task 7", fault)]


@pytest.mark.parametrize(
    ("faulty", "fault"),
    [
        (polygon(SQUARE[:3]), "3 points, 4 wanted"),
        (polygon([*SQUARE, [10.0, 45.0]]), "5 points, 4 wanted"),
        (polygon(SQUARE, "Meter"), "unknown label 'Meter' (wanted one of analog, digital,"),
        (region("polygonlabels", {"points": SQUARE}), "no label"),
        (region("polygonlabels", {"points": SQUARE, "polygonlabels": ["Analog", "Digital"]}), "2 labels (Analog, Digi"),
        (polygon([SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]]), "polygon crosses itself"),
        (polygon([SQUARE[0], SQUARE[1], SQUARE[3], SQUARE[2]]), "polygon crosses itself"),
        (polygon(SQUARE[::-1]), "corners run counter-clockwise"),
        (polygon([SQUARE[0], SQUARE[1], [30.0, 35.0], SQUARE[3]]), "polygon is not convex"),
        (polygon([[10.0, 10.0]] * 4), "polygon without area"),
        (polygon([[10.0, 10.0], [20.0, 10.0], [30.0, 10.0], [40.0, 10.0]]), "polygon without area"),
        (polygon([[-3.0, 30.0], *SQUARE[1:]]), "corner outside the image by 3.0 percent"),
        (polygon([SQUARE[0], [101.0, 30.0], *SQUARE[2:]]), "corner outside the image by 1.0 percent"),
        (polygon([["x", 30.0], *SQUARE[1:]]), "are not numbers"),
        (rectangle(10, 20, 5, 50), "type rectanglelabels, a polygon wanted"),
        (region("choices", {"choices": ["bad"]}), "type choices, a polygon wanted"),
    ],
)
def test_faulty_polygons(export, faulty, fault):
    _check_region_fault(export, faulty, fault, stage=1)


@pytest.mark.parametrize(
    ("faulty", "fault"),
    [
        (rectangle(10, 20, 0, 50), "box of no size (0 x 50 percent)"),
        (rectangle(10, 20, 5, 0), "box of no size"),
        (rectangle(98, 20, 5, 50), "box outside the image by 3.0 percent"),
        (rectangle(10, -2, 5, 50), "box outside the image by 2.0 percent"),
        (rectangle(10, 20, 5, 50, "x"), "unknown label 'x' (wanted one of 0, 1,"),
        (polygon(SQUARE), "type polygonlabels, a rectangle wanted"),
    ],
)
def test_faulty_rectangles(export, faulty, fault):
    _check_region_fault(export, faulty, fault, stage=2)


def _check_region_fault(export, faulty, fault, stage):
    good, faults = read(export, [task(7, "a.jpg", [faulty])], stage)
    assert good == []
    assert len(faults) == 1
    assert faults[0].text.startswith("region xmGVX5tmo3: ")  # the converter drops the id, the report names it
    assert fault in faults[0].text


def test_stage2_needs_boxes(export):
    good, faults = read(export, [task(1, "a.jpg", [])], stage=2)
    assert (good, [f.text for f in faults]) == ([], ["empty annotation: no boxes"])


def test_picture_turned_in_label_studio(export):
    _, faults = read(export, [task(1, "a.jpg", [polygon(SQUARE, image_rotation=90)])])
    assert "turned by 90 degrees in Label Studio" in faults[0].text


def test_relation_is_no_region(export):
    relation = {"from_id": "a", "to_id": "b", "type": "relation", "direction": "right"}
    _, faults = read(export, [task(1, "a.jpg", [polygon(SQUARE), relation])])
    assert faults[0].text == "1 results that are no drawn regions (without from_name and value)"


def test_all_faults_of_all_tasks_are_told(export):
    tasks = [
        task(1, "gone.jpg", [polygon(SQUARE[:3]), polygon(SQUARE, "Meter")]),
        task(2, "a.jpg", GOOD),
        task(3, "a.jpg", GOOD, annotations=[]),
    ]
    labels, images = export(tasks, IMAGES)
    good, faults = read_export(labels, images, 1)
    assert [image.place for image in good] == ["task 2"]
    assert [f.place for f in faults] == ["task 1"] * 3 + ["task 3"]
    assert str(faults[0]) == f"{labels}: task 1: missing image gone.jpg (not below {images})"


def test_regions_of_several_names_keep_their_ids(export):
    # A labelling setup may have several tags; the converter groups regions by tag, the ids must not be mixed up.
    regions = [
        polygon(SQUARE, from_name="first", id="1"),
        polygon(SQUARE[:3], from_name="second", id="2"),
        polygon(SQUARE, from_name="first", id="3"),
    ]
    _, faults = read(export, [task(1, "a.jpg", regions)])
    assert [f.text for f in faults] == ["region 2: 3 points, 4 wanted"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ('{"id": 1}', "is not a Label Studio JSON export: a list of tasks was wanted"),
        ("[1, 2]", "a list of tasks was wanted"),
        ("[]", "holds no tasks"),
        ('[{"id": 1, "image": "a.jpg", "label": []}]', "(JSON-MIN?)"),
    ],
)
def test_files_that_are_no_exports(tmp_path, text, message):
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(DatasetError) as error:
        read_export(tmp_path / "labels.json", tmp_path, 1)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DatasetError, match="No such file"):
        read_export(tmp_path / "labels.json", tmp_path, 1)
    (tmp_path / "labels.json").write_text(json.dumps([task(1, "a.jpg", GOOD)]))
    with pytest.raises(DatasetError, match="is not a folder"):
        read_export(tmp_path / "labels.json", tmp_path / "images", 1)


@pytest.mark.parametrize(
    ("file_upload", "image", "stored", "reason"),
    [
        ("25ad14d4-a.jpg", None, "a.jpg", "the name after the first dash"),
        ("25ad14d4-a-b.jpg", None, "a-b.jpg", "only the first dash"),
        ("25ad14d4-a.jpg", None, "25ad14d4-a.jpg", "the file as the server keeps it"),
        ("25ad14d4-my_meter.jpg", None, "my meter.jpg", "Label Studio replaces spaces in uploads"),
        (None, "a.jpg", "a.jpg", "a plain name"),
        (None, "photos/a.jpg", "photos/a.jpg", "a path below the folder"),
        (None, "/somewhere/else/a.jpg", "deep/er/a.jpg", "by name at any depth"),
        (None, "https://host/bucket/a.jpg?X-Sig=1", "a.jpg", "a signed URL"),
        (None, "https://host/bucket/a%20b.jpg", "a b.jpg", "an escaped URL"),
        (None, "s3://bucket/folder/a.jpg", "a.jpg", "S3"),
        (None, "/data/upload/1/25ad14d4-a.jpg", "a.jpg", "an upload without file_upload"),
        (None, "/data/local-files/?d=photos/a%20b.jpg", "photos/a b.jpg", "local file storage"),
        (None, "50%.jpg", "50%.jpg", "a percent sign that escapes nothing"),
    ],
)
def test_image_is_found(tmp_path, file_upload, image, stored, reason):
    (tmp_path / stored).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / stored).touch()
    (tmp_path / "b.jpg").touch()  # must not be taken for a-b.jpg
    assert ImageFolder(tmp_path).find(file_upload, image) == tmp_path / stored, reason


def test_image_that_could_be_two(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jpg").touch()
    with pytest.raises(ImageLookupError, match=r"a\.jpg is there 2 times"):
        ImageFolder(tmp_path).find(None, "a.jpg")
    assert ImageFolder(tmp_path).find(None, "one/a.jpg") == tmp_path / "one/a.jpg"


def test_image_outside_the_folder_is_not_read(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.jpg").touch()
    with pytest.raises(ImageLookupError):
        ImageFolder(tmp_path / "in").find(None, "../secret.jpg")


@pytest.mark.parametrize(
    ("name", "file_upload", "wanted"),
    [
        ("25ad14d4-a.jpg", "25ad14d4-a.jpg", "a.jpg"),
        ("a.jpg", "25ad14d4-a.jpg", "a.jpg"),
        ("6c5bec3e-68aa-4794.png", None, "6c5bec3e-68aa-4794.png"),  # a UUID, not an upload
    ],
)
def test_original_name(tmp_path, name, file_upload, wanted):
    assert original_name(tmp_path / name, file_upload, None) == wanted


@pytest.mark.parametrize(
    ("file_name", "wanted"),
    [
        ("a.jpg", "a"),
        ("a.png", "a"),
        ("cropped_a.jpg", "a"),
        ("25ad14d4-a.jpg", "a"),
        ("03fbaa29-cropped_a.jpg", "a"),
        ("cropped_25ad14d4-a.jpg", "a"),
        ("folder/a.b.jpg", "a.b"),
        ("a-b.jpg", "a-b"),
    ],
)
def test_photo_name(file_name, wanted):
    assert photo_name(file_name) == wanted
