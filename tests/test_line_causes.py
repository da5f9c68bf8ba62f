import cv2
import numpy as np
import pytest

from crnn.line_causes import QUALITIES, accuracy_by, count_causes, probable_causes, qualities


def picture(angle=0.0, height=48, text="80351", ink=20, paper=220, blur=0.0):
    """A line of text, turned clockwise by `angle` degrees around its middle."""
    canvas = np.full((48, 200, 3), paper, np.uint8)
    cv2.putText(canvas, text, (40, 34), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (ink,) * 3, 2, cv2.LINE_AA)
    turn = cv2.getRotationMatrix2D((100, 24), -angle, 1.0)
    canvas = cv2.warpAffine(canvas, turn, (200, 48), borderValue=(paper,) * 3)
    if blur:
        canvas = cv2.GaussianBlur(canvas, (0, 0), blur)
    return cv2.resize(canvas, (round(200 * height / 48), height), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("angle", [-15, -8, -3, 0, 4, 9, 15])
def test_the_tilt_is_found(angle):
    assert qualities(picture(angle), "80351")["tilt"] == pytest.approx(angle, abs=2)


def test_a_picture_without_any_edge_has_no_tilt_and_no_sharpness():
    measured = qualities(np.full((20, 50, 3), 90, np.uint8), "")
    assert measured == {"sharpness": 0, "brightness": 90, "contrast": 0, "height": 20, "tilt": 0, "length": 0}
    assert list(measured) == list(QUALITIES)


def test_each_measure_tells_what_it_is_for():
    plain = qualities(picture(), "80351")
    assert qualities(picture(blur=2), "1")["sharpness"] < 0.3 * plain["sharpness"]
    assert qualities(picture(ink=0, paper=60), "1")["brightness"] < 70 < 180 < plain["brightness"]
    assert qualities(picture(ink=190), "1")["contrast"] < 0.3 * plain["contrast"]
    small = qualities(picture(height=12), "1")
    assert small["height"] == 12
    # Blurred by having had few pixels, though its own pixels are crisp.
    assert small["sharpness"] < 0.3 * plain["sharpness"]
    large = qualities(cv2.resize(picture(), (800, 192), interpolation=cv2.INTER_NEAREST), "1")
    assert large["sharpness"] == pytest.approx(plain["sharpness"], rel=0.01)
    assert plain["length"] == 5


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 400, 3), (300, 2, 3)])
def test_any_shape_is_measured(shape):
    assert all(np.isfinite(list(qualities(np.zeros(shape, np.uint8), "1").values())))


def test_accuracy_by_few_values_has_a_bin_for_each():
    bins = accuracy_by([5, 7, 5, 5, 7], [True, False, False, True, True])
    assert [(b.name, b.right.hits, b.right.total) for b in bins] == [("5", 2, 3), ("7", 1, 2)]


def test_accuracy_by_many_values_has_bins_of_as_many_lines():
    values = np.arange(100)
    bins = accuracy_by(values, values >= 30)
    assert [(b.low, b.high, b.right.hits, b.right.total) for b in bins] == [
        (0, 19, 0, 20),
        (20, 39, 10, 20),
        (40, 59, 20, 20),
        (60, 79, 20, 20),
        (80, 99, 20, 20),
    ]
    assert bins[1].name == "20 to 39"
    # A value that most lines share stays in one bin.
    shared = accuracy_by([0.0] * 80 + list(range(1, 21)), [True] * 100)
    assert sum(b.right.total for b in shared) == 100
    assert [b.right.total for b in shared if b.low <= 0 <= b.high] == [80]
    assert accuracy_by([], []) == []


def lines_with(name, values):
    return [dict.fromkeys(QUALITIES, 1.0) | {name: float(value)} for value in values]


@pytest.mark.parametrize(
    ("quality", "low", "high"),
    [
        ("sharpness", ("blurred",), ()),
        ("brightness", ("dark",), ("bright",)),
        ("contrast", ("pale",), ()),
        ("height", ("small",), ()),
        ("length", ("short",), ("long",)),
        ("tilt", ("tilted",), ("tilted",)),
    ],
)
def test_the_worst_tenth_has_a_cause(quality, low, high):
    values = [-30, *range(-9, 10), 30] if quality == "tilt" else [1, *range(10, 29), 90]
    causes = probable_causes(lines_with(quality, values))
    assert causes[0] == low
    assert causes[-1] == high
    assert causes[10] == ()


def test_where_all_are_alike_nothing_is_a_cause():
    assert probable_causes(lines_with("height", [32] * 30)) == [()] * 30
    assert probable_causes([]) == []


def test_causes_are_counted_among_wrong_and_right_lines():
    causes = [("dark",), ("dark", "small"), ("small",), (), ()]
    rows = {row.name: row for row in count_causes(causes, [False, False, True, True, True])}
    assert next(iter(rows)) == "dark", "what tells them apart most comes first"
    assert (rows["dark"].wrong.hits, rows["dark"].wrong.total) == (2, 2)
    assert (rows["dark"].right.hits, rows["dark"].right.total) == (0, 3)
    assert (rows["small"].wrong.hits, rows["small"].right.hits) == (1, 1)
    assert (rows["blurred"].wrong.hits, rows["blurred"].right.hits) == (0, 0)
