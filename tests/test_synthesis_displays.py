"""Drawn displays: the mechanics of a counter, the label rule, and pictures that agree with their labels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from reader.places import Rules
from reader.symbols import STAGE2_CLASSES
from synthesis.counter import DOUBTFUL, SLACK, drum_positions, drum_reading, random_units
from synthesis.display import DisplayArt, draw_display
from synthesis.drum_style import DrumStyle, random_style
from synthesis.drums import draw_drums
from synthesis.lcd import _ghost_points, _Row, draw_lcd

SAMPLE = 60


@pytest.mark.parametrize(
    ("units", "fraction", "count", "positions", "why"),
    [
        (0, 0.0, 4, [0, 0, 0, 0], "a new counter"),
        (1234, 0.0, 4, [1, 2, 3, 4], "all drums at rest"),
        (1234, 0.5, 4, [1, 2, 3, 4.5], "only the last drum turns"),
        (1239, 0.5, 4, [1, 2, 3.5, 9.5], "the last drum carries the one before it"),
        (1299, 0.25, 4, [1, 2.25, 9.25, 9.25], "a carry goes through a drum that stands at 9"),
        (1989, 0.75, 4, [1, 9, 8.75, 9.75], "a 9 whose right neighbour is not at 9 stands still"),
        (9999, 0.5, 4, [9.5, 9.5, 9.5, 9.5], "before the counter turns over all drums move together"),
        (12997, 0.75, 5, [1, 2, 9, 9, 7.75], "no drum moves before its right neighbour has left 9"),
        (12345, 0.5, 3, [3, 4, 5.5], "a counter with fewer drums than digits has wrapped around"),
        (7, 0.25, 1, [7.25], "one drum"),
    ],
)
def test_carry_chain(units: int, fraction: float, count: int, positions: list[float], why: str) -> None:
    assert drum_positions(units, fraction, count) == positions, why


@pytest.mark.parametrize(("units", "fraction", "count"), [(1, 1.0, 4), (1, -0.1, 4), (-1, 0.0, 4), (1, 0.0, 0)])
def test_impossible_counters_are_refused(units: int, fraction: float, count: int) -> None:
    with pytest.raises(ValueError, match="wanted"):
        drum_positions(units, fraction, count)


@pytest.mark.parametrize(
    ("units", "fraction", "count", "reading", "why"),
    [
        (1234, 0.0, 4, "1234", "at rest"),
        (1234, 0.5, 4, "1234", "between two digits the lower one"),
        (1234, 0.59, 4, "1234", "still the lower one"),
        (1234, 0.61, 4, "1235", "the next digit shows more than this one: people write that"),
        (1299, 0.5, 4, "1299", "all carrying drums read as their lower digits"),
        (1299, 0.97, 4, "1300", "arrived together: all of them read as the next digits"),
        (9999, 0.97, 4, "0000", "the counter turns over"),
        (9999, 0.5, 4, "9999", "not yet turned over"),
        (42, 0.0, 5, "00042", "leading zeros are read"),
    ],
)
def test_label_rule(units: int, fraction: float, count: int, reading: str, why: str) -> None:
    assert drum_reading(units, fraction, count) == reading, why


def test_no_drum_stands_where_people_disagree() -> None:
    rng = np.random.default_rng(5)
    fractions = np.array([random_units(rng, 6, 3)[1] for _ in range(2000)])
    assert (abs(fractions - (1 - SLACK)) >= DOUBTFUL - 1e-9).all() and (fractions >= 0).all() and (fractions < 1).all()
    assert (fractions < 1 - SLACK).mean() > 0.4 and (fractions > 1 - SLACK).mean() > 0.15


@pytest.fixture(scope="module", params=["analog", "digital"])
def displays(request: pytest.FixtureRequest) -> list[DisplayArt]:
    return [draw_display(np.random.default_rng([3, i]), request.param) for i in range(SAMPLE)]


def test_same_seed_same_bytes() -> None:
    for i in range(6):
        one, two = (draw_display(np.random.default_rng(i)) for _ in range(2))
        assert np.array_equal(one.image, two.image)
        assert (one.boxes, one.reading, one.kind) == (two.boxes, two.reading, two.kind)


def test_another_seed_another_picture() -> None:
    one, two = (draw_display(np.random.default_rng(i), "analog") for i in (1, 2))
    assert one.image.shape != two.image.shape or not np.array_equal(one.image, two.image)


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="analog, digital"):
        draw_display(np.random.default_rng(0), "sundial")


def test_pictures_are_rgb_displays(displays: list[DisplayArt]) -> None:
    for art in displays:
        h, w, channels = art.image.shape
        assert (art.image.dtype, channels) == (np.uint8, 3)
        assert 85 <= h <= 165
        assert 1.2 * h < w <= 1400
        assert art.image.std() > 2, "an even picture shows nothing"


def test_boxes_lie_inside_the_picture(displays: list[DisplayArt]) -> None:
    for art in displays:
        h, w = art.image.shape[:2]
        for x1, y1, x2, y2, name in art.boxes:
            assert name in STAGE2_CLASSES
            assert 0 <= x1 < x2 <= w, (art.reading, name)
            assert 0 <= y1 < y2 <= h, (art.reading, name)
            assert x2 - x1 >= 3, (art.reading, name)
            assert y2 - y1 >= 3, (art.reading, name)


def test_reading_is_what_the_boxes_say(displays: list[DisplayArt]) -> None:
    for art in displays:
        digits = sorted(b for b in art.boxes if len(b[4]) == 1)
        areas = [b for b in art.boxes if b[4] == "floatp"]
        assert len(areas) == ("." in art.reading)
        text = ""
        for x1, _, x2, _, c in digits:
            if areas and "." not in text and areas[0][0] <= (x1 + x2) / 2 <= areas[0][2]:
                text += "."
            text += c
        assert text == art.reading


def test_digit_boxes_stand_in_one_row_apart(displays: list[DisplayArt]) -> None:
    for art in displays:
        # Leaning digits of an LCD come close together: no closer than the reader can tell apart.
        most = 0.35 if art.kind == "analog" else Rules().same_place
        digits = sorted(b for b in art.boxes if len(b[4]) == 1)
        for left, right in itertools.pairwise(digits):
            shared = min(left[2], right[2]) - max(left[0], right[0])
            assert shared < most * min(left[2] - left[0], right[2] - right[0]), art.reading


def test_a_point_stands_between_the_feet_of_its_neighbours() -> None:
    tight = []
    for seed in range(120):
        _, boxes, reading = draw_lcd(np.random.default_rng([21, seed]))
        digits = sorted(b for b in boxes if len(b[4]) == 1)
        for x1, y1, x2, y2, _ in (b for b in boxes if b[4] == "point"):
            before, after = digits[reading.index(".") - 1], digits[reading.index(".")]
            assert (before[0] + before[2]) / 2 < (x1 + x2) / 2 < (after[0] + after[2]) / 2, reading
            assert y1 > (before[1] + before[3]) / 2 and y2 > before[3] - 0.2 * (before[3] - before[1]), reading
            tight.append(x1 < before[2] and x2 > after[0])
    # Real LCDs squeeze it in between: its box reaches into those of both digits.
    assert 0.2 < np.mean(tight) < 0.9


def test_unlit_points_shimmer_after_digits_as_unlit_segments_do() -> None:
    row = _Row(10, 10, 60, 30, 36, 1.0, 5, 1)
    ghost = np.zeros((90, 200), np.float32)
    _ghost_points(np.random.default_rng(3), ghost, row)
    rows, columns = np.nonzero(ghost)
    assert rows.min() > 60 and rows.max() <= 73, "at the digits' feet"
    assert 1 <= len({int((x - row.left) // row.pitch) for x in columns}) < row.count
    assert columns.max() < row.cell(4)[0] + 8, "none after the last digit"


def test_every_digit_and_symbol_occurs() -> None:
    seen = {b[4] for i in range(150) for b in draw_display(np.random.default_rng([9, i])).boxes}
    assert seen >= {*"0123456789", "point", "floatp"}


def _with_own_window(wanted: int) -> list[tuple[int, DrumStyle]]:
    """Seeds of the first counters whose decimals have a window of their own, and how those look."""
    styles = ((seed, random_style(np.random.default_rng(seed))) for seed in itertools.count())
    return list(itertools.islice(((seed, style) for seed, style in styles if style.wall), wanted))


def test_a_wall_stands_before_decimals_in_a_window_of_their_own() -> None:
    for seed, style in _with_own_window(20):
        _, boxes, reading = draw_drums(np.random.default_rng(seed))
        assert len(reading.partition(".")[2]) == style.decimals > 0
        middles = [(box[0] + box[2]) / 2 for box in boxes[: style.count]]
        steps = np.diff(middles)
        first = style.count - style.decimals
        # Boxes at the edges are cut, which moves their middles: the steps between whole drums tell the pitch.
        assert steps[first - 1] / np.median(steps[: first - 1]) == pytest.approx(1 + style.wall, abs=0.2), seed


def test_most_windows_of_decimals_are_framed_in_red() -> None:
    framed = []
    for seed, style in _with_own_window(40):
        image, boxes, _ = draw_drums(np.random.default_rng(seed))
        first = style.count - style.decimals
        left, right = (round((box[0] + box[2]) / 2) for box in boxes[first - 1 : first + 1])
        between = image[:, left:right].astype(float)
        framed.append((between[..., 0] - between[..., 1]).max() > 35)
    assert 0.5 < np.mean(framed) < 1, "a white frame, or none, is seen too"
