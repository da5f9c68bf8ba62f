"""Boxes to reading: a table of displays with the one right answer and why."""

import numpy as np
import pytest

from reader.confidence import Calibration
from reader.decode import boxes_from_outputs, decode, decode_views
from reader.places import Rules
from reader.symbols import STAGE2_CLASSES
from reader.types import Boxes

AREA = (4, 4, 316, 60)  # of a display of 320 x 64 pixels
TOP, BOTTOM = 12, 52


def box(symbol, x, score=0.9, width=24, top=TOP, bottom=BOTTOM, **also):
    """A detection with its middle at x; `also` gives further digits a score, as in _4=0.5."""
    probabilities = np.full(len(STAGE2_CLASSES), 0.01, np.float32)
    for digit, value in also.items():
        probabilities[STAGE2_CLASSES.index(digit[1:])] = value
    probabilities[STAGE2_CLASSES.index(symbol)] = score
    return (x - width / 2, top, x + width / 2, bottom), probabilities


def row(symbols, start=30, step=40, **options):
    """One detection for each symbol, a step apart; a space is a place without a detection."""
    return [box(symbol, start + step * i, **options) for i, symbol in enumerate(symbols) if symbol != " "]


def area(left, right, score=0.8, top=8, bottom=56):
    """A decimal area."""
    return box("floatp", (left + right) / 2, score, right - left, top, bottom)


def detections(found):
    if not found:
        return Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, 15)))
    xyxy, probabilities = (np.array(each, np.float32) for each in zip(*found, strict=True))
    return Boxes(xyxy, probabilities.argmax(axis=1).astype(np.int64), probabilities.max(axis=1), probabilities)


def read(found, **options):
    return decode(detections(found), AREA, **options)


SEVEN = row("0012345")  # middles at 30, 70, 110, 150, 190, 230, 270
ROLLING = {"score": 0.6}

CASES = [
    # the plain row
    (SEVEN, "0012345", "seven drums"),
    (SEVEN[::-1], "0012345", "the order of the detections does not matter"),
    (row("7"), "7", "a single digit"),
    ([], "", "nothing found"),
    (row("00000"), "00000", "leading zeros stay"),
    # the decimal area
    ([*SEVEN, area(170, 300)], "0012.345", "the point goes before the first digit in the area"),
    ([*SEVEN, area(250, 300)], "001234.5", "one decimal"),
    ([*SEVEN, area(185, 300)], "0012.345", "a digit whose middle is just inside belongs to it"),
    ([*SEVEN, area(195, 300)], "00123.45", "a digit whose middle is just outside does not"),
    ([*SEVEN, area(170, 300, 0.5), area(250, 300, 0.9)], "0012.345", "of two areas the larger counts"),
    ([*SEVEN, area(210, 300, 0.9), area(170, 300, 0.5)], "00123.45", "the same area twice: the better one weighs more"),
    ([*SEVEN, *[area(left, 300, 0.6) for left in (202, 206, 210, 214, 180)]], "00123.45", "one that reaches too far"),
    ([*SEVEN, area(290, 315)], "0012345", "an area without a digit sets no point"),
    ([*SEVEN, area(170, 300, 0.25)], "0012345", "an area that is hardly seen is not believed"),
    ([*row("345", 190), area(170, 300)], "x.345", "all digits in the area: those before it were not seen"),
    ([*row("0012 45"), area(170, 300)], "0012.x45", "an unseen digit is the first in the area"),
    ([*row("0012", 30, 60), area(190, 300), box("point", 115, 0.9, 6, 45, 55)], "001.2", "an area overrules a point"),
    # the drawn point of LCDs
    ([*SEVEN, box("point", 250, 0.9, 6, 45, 55)], "001234.5", "a drawn point where no area was found"),
    ([*SEVEN, box("point", 290, 0.9, 6, 45, 55)], "0012345", "a point after the last digit says: no decimals"),
    ([*SEVEN, box("point", 170, 0.5, 6), box("point", 250, 0.9, 6)], "001234.5", "of two points the better one"),
    ([*SEVEN, box("point", 250, 0.3, 6)], "0012345", "a point that is hardly seen is not believed"),
    # the same place twice
    ([*SEVEN, box("8", 152, 0.5)], "0012345", "the same place: the better detection"),
    ([*SEVEN, box("2", 152, 0.95)], "0012345", "the same digit twice is one digit"),
    ([*SEVEN, box("3", 150, 0.5, 40)], "0012345", "a wider detection of the same place"),
    ([*row("12345"), box("9", 110, 0.5, top=38, bottom=60)], "12345", "one below another: the better one"),
    ([*row("12345"), box("9", 112, 0.7, top=5, bottom=25)], "12345", "one above another: the better one"),
    # what is no digit of the row
    ([*row("12345"), box("9", 1, 0.9)], "12345", "the middle lies left of the display"),
    ([*row("12345"), box("9", 300, 0.9, top=57, bottom=64)], "12345", "the middle lies below the display"),
    ([*row("12345"), box("3", 250, 0.9, 8, 14, 24)], "12345", "too small: the 3 of m3"),
    ([*row("1234", top=20, bottom=44), box("5", 230, top=4, bottom=22)], "1234", "off the row"),
    ([*row("1234"), box("5", 190, top=28, bottom=52)], "12345", "small decimals of an LCD are digits"),
    ([*row("12345"), ((250, 20, 250, 40), box("7", 0)[1])], "12345", "a box without width"),
    # gaps
    (row("12 45"), "12x45", "an unseen digit between others"),
    (row("1  45 7"), "1xx45x7", "several unseen digits"),
    (row(" 2345"), "2345", "in front nothing is filled: it cannot be known"),
    (row("1 3 5 7"), "1357", "wide but even spacing is no gap"),
    (row("1  3"), "1x3", "two digits five widths apart: at least one is missing"),
    (row("13", 30, 45), "13", "two digits of usual distance"),
    (row("11", 30, 40, width=8), "11", "two narrow ones: their widths say nothing about the distance"),
    ([*row("123"), *row("45", 170, 40)], "12345", "half a place between whole digits and decimals is no gap"),
    ([box("8", 30), box("1", 80, width=8), box("8", 110), box("8", 150)], "8188", "an LCD's 1 stands on the right"),
    ([box("8", 30), box("1", 80, width=8), box("1", 120, width=8), box("8", 150)], "8118", "two of them"),
    (row("1111", width=8), "1111", "only narrow digits"),
    (row("11 11", width=8), "11x11", "only narrow digits and a gap"),
    ([*row("1234"), *row("5 7", 180, 24, width=14, top=28)], "12345x7", "smaller decimals stand closer together"),
    ([*row("1234"), *row("567", 180, 24, width=14, top=28)], "1234567", "and have no gaps for it"),
    (row("1 3 45 "), "1x3x45", "gaps at almost half of the places"),
    # r, t and _
    (row("t12345"), "12345", "the tariff's letter is not in the reading"),
    (row("123r45"), "12345", "a letter within the row takes a place: no gap"),
    (row("__12345"), "12345", "blank places in front"),
    (row("12345__"), "12345", "blank places behind"),
    (row("12_45"), "12x45", "between digits a blank place hides a digit"),
    (row("__"), "", "only blank places"),
    # unknown digits
    ([*row("12"), box("3", 110, 0.25), *row("45", 150)], "12x45", "too unsure"),
    ([*row("12"), box("3", 110, 0.4, _8=0.4, _9=0.4), *row("45", 150)], "12x45", "three digits equally likely"),
    ([*row("1234"), box("5", 190, 0.25)], "1234x", "unsure at the end: a place all the same"),
]


@pytest.mark.parametrize(("found", "text", "reason"), CASES, ids=[case[2] for case in CASES])
def test_text(found, text, reason):
    reading = read(found)
    assert reading.text == text, reason
    whole, _, decimals = text.partition(".")
    assert "".join(digit.text for digit in reading.digits) == whole + decimals
    assert [digit.decimal for digit in reading.digits] == [False] * len(whole) + [True] * len(decimals)
    assert all(digit.confidence == 0 for digit in reading.digits if digit.text == "x")
    assert all(0.3 < digit.confidence <= 1 for digit in reading.digits if digit.text != "x")


def between(lower, upper, x, low=0.5, high=0.45):
    return box(lower, x, low, **{f"_{upper}": high})


DRUMS = [
    # digits from left to right: the text and the alternatives (a space for none)
    ([*row("12"), between("3", "4", 110)], "123", "  4", "the last drum turns all the time: the lower digit"),
    ([*row("12"), between("3", "4", 110, 0.45, 0.5)], "123", "  4", "even when the upper one is likelier"),
    ([*row("12"), between("9", "0", 110)], "129", "  0", "between 9 and 0 the lower one is 9"),
    ([between("1", "2", 30), *row("95", 70)], "195", "2  ", "to its right a 9: it has not passed"),
    ([between("1", "2", 30), *row("05", 70)], "205", "1  ", "to its right a 0: it has passed, the drum is late"),
    ([between("1", "2", 30), *row("25", 70)], "225", "1  ", "to its right a 2: the same"),
    ([between("1", "2", 30), *row("55", 70)], "155", "2  ", "to its right a 5: shows nothing, so the lower one"),
    ([between("9", "0", 30), *row("0", 70)], "00", "9 ", "9 passed to 0"),
    ([between("1", "2", 30), between("9", "0", 70)], "19", "20", "both roll: 19.9 is still 19"),
    ([*row("1"), *[between("9", "0", 70 + 40 * i) for i in range(3)]], "1999", " 000", "the whole chain"),
    ([between("3", "4", 30), box("5", 70, 0.2)], "3x", "4 ", "an unknown neighbour shows nothing"),
    ([between("3", "4", 30), *row("12", 110)], "3x12", "4   ", "nor does one that was not seen"),
    ([box("3", 30, 0.9, _4=0.1), *row("0", 70)], "30", "  ", "hardly a 4: not between two digits"),
    ([box("3", 30, 0.6, _8=0.4), *row("0", 70)], "30", "  ", "3 or 8 are no neighbours: the likelier one"),
    ([box("3", 30, 0.6, top=8, bottom=30), box("4", 30, 0.5, top=34, bottom=56), *row("9", 70)], "39", "4 ",
     "two boxes of one drum: 3 leaves above, 4 comes from below"),
    ([box("3", 30, 0.5, top=8, bottom=30), box("4", 30, 0.6, top=34, bottom=56), *row("1", 70)], "41", "3 ",
     "the same, and it has passed"),
    ([box("4", 30, 0.6, top=8, bottom=30), box("3", 30, 0.5, top=34, bottom=56), *row("9", 70)], "49", "  ",
     "no drum turns like that: the better one"),
]  # fmt: skip


@pytest.mark.parametrize(("found", "text", "others", "reason"), DRUMS, ids=[case[3] for case in DRUMS])
def test_drums_between_two_digits(found, text, others, reason):
    reading = read(found, rolls=True)
    assert reading.text == text, reason
    assert "".join(digit.alternative or " " for digit in reading.digits) == others, reason


def test_lcd_digits_do_not_roll():
    reading = read([between("5", "6", 30, 0.5, 0.6), *row("9", 70)], rolls=False)
    assert reading.text == "69" and reading.digits[0].alternative is None
    stacked = [box("3", 30, 0.5, top=8, bottom=30), box("4", 30, 0.6, top=34, bottom=56)]
    assert read([*stacked, *row("1", 70)], rolls=False).text == "41"


def test_a_settled_drum_is_surer_than_one_in_doubt():
    settled = read([between("1", "2", 30), *row("0", 70)]).digits[0]
    doubtful = read([between("1", "2", 30), *row("5", 70)]).digits[0]
    assert settled.confidence > 1.5 * doubtful.confidence


@pytest.mark.parametrize(
    ("symbols", "decimals", "text", "reason"),
    [
        ("0012345", 0, "0012345", "no decimals, though an area was seen"),
        ("0012345", 2, "00123.45", "instead of the three that were seen"),
        ("0012345", 6, "0.012345", "all but one"),
        ("345", 3, "x.345", "as many as were seen: what is before them is unknown"),
        ("5", 3, "x.xx5", "more than were seen"),
        ("", 3, "", "nothing seen is no reading"),
    ],
)
def test_decimals_given_by_the_caller(symbols, decimals, text, reason):
    reading = read([*row(symbols), area(170, 300)], decimals=decimals)
    assert reading.text == text, reason
    assert sum(digit.decimal for digit in reading.digits) == (decimals if text else 0), reason
    assert not text or reading.decimal_confidence == 1


def test_decimals_below_zero_are_refused():
    with pytest.raises(ValueError, match="-1"):
        read(SEVEN, decimals=-1)


@pytest.mark.parametrize(
    ("extra", "confidence", "reason"),
    [
        ([], 1.0, "nothing spoke for a point"),
        ([area(170, 300, 0.8)], 0.8, "as sure as its area"),
        ([area(170, 300, 0.3)], 0.7, "the doubt of an area that was not believed"),
        ([box("point", 250, 0.6, 6)], 0.6, "as sure as its point"),
    ],
)
def test_confidence_in_the_decimal_point(extra, confidence, reason):
    assert read([*SEVEN, *extra]).decimal_confidence == pytest.approx(confidence, abs=1e-6), reason


def test_two_detections_that_disagree_make_the_digit_unsure():
    alone = read(SEVEN).digits[3]
    disputed = read([*SEVEN, box("8", 150, 0.8)]).digits[3]
    assert alone.text == disputed.text == "2"
    assert disputed.confidence < 0.8 * alone.confidence


def test_irregular_spacing_is_measured():
    assert read(SEVEN).irregularity == pytest.approx(0)
    assert read(row("12 45")).irregularity == pytest.approx(0), "a filled gap is regular"
    assert read([*row("123"), *row("45", 170)]).irregularity > 0.1


def test_the_box_of_a_filled_gap_lies_between_its_neighbours():
    gap = read(row("1 345")).digits[1]
    np.testing.assert_allclose(gap.box, [42, TOP, 98, BOTTOM])


def test_temperature_and_thresholds_are_used():
    sure = read(SEVEN).digits[0].confidence
    assert read(SEVEN, calibration=Calibration(digit_temperature=2)).digits[0].confidence < sure
    assert read(SEVEN, rules=Rules(unknown=0.99)).text == "xxxxxxx"
    assert read([*SEVEN, area(170, 300, 0.3)], rules=Rules(decimal_area=0.2)).text == "0012.345"


def test_boxes_from_outputs():
    found = [box("3", 50, 0.4), box("7", 90, 0.9), box("1", 10, 0.1), box("0", 20, 0.4)]
    xyxy, probabilities = (np.array(each, np.float32) for each in zip(*found, strict=True))
    boxes = boxes_from_outputs(xyxy, probabilities, 0.3)
    assert boxes.class_ids.tolist() == [7, 3, 0], "best first, equal ones in their order, weak ones gone"
    np.testing.assert_array_equal(boxes.xyxy, xyxy[[1, 0, 3]])
    assert boxes_from_outputs(xyxy, probabilities, 0.3, most=1).class_ids.tolist() == [7]
    assert len(boxes_from_outputs(np.zeros((0, 4)), np.zeros((0, 15)), 0.3).scores) == 0
    with pytest.raises(ValueError, match=r"\(K, 15\)"):
        boxes_from_outputs(xyxy, probabilities[:, :10], 0.3)


def _row_of(*digits):
    """Boxes of a row of digits; each is (digit, score) or a dict of digit scores."""
    xyxy, probabilities = [], []
    for index, digit in enumerate(digits):
        scores = np.zeros(15, np.float32)
        for value, score in (digit if isinstance(digit, dict) else {digit: 0.9}).items():
            scores[value] = score
        xyxy.append([20 + 30 * index, 10, 44 + 30 * index, 50])
        probabilities.append(scores)
    return boxes_from_outputs(np.reshape(xyxy, (-1, 4)), np.reshape(probabilities, (-1, 15)), 0.2)


@pytest.mark.parametrize(
    ("views", "text", "why"),
    [
        ([_row_of(1, 2, 3)], "123", "one view is decode"),
        (
            [_row_of(1, {3: 0.5, 8: 0.4}, 3), _row_of(1, {8: 0.9}, 3), _row_of(1, {8: 0.8}, 3)],
            "183",
            "the mean decides",
        ),
        ([_row_of(1, 2), _row_of(1, 2, 3), _row_of(1, 2, 3)], "123", "the usual number of places counts"),
        ([_row_of(1, 2), _row_of(1, 2, 3)], "12", "a tie goes to the first view"),
        ([_row_of(), _row_of(4), _row_of(4)], "4", "a view that sees nothing is outvoted"),
        ([_row_of(), _row_of()], "", "nothing seen at all"),
    ],
)
def test_views_decide_together(views, text, why):
    assert decode_views(views, (0, 0, 320, 64), rolls=False).text == text, why


def test_no_view_is_refused():
    with pytest.raises(ValueError, match="at least one view"):
        decode_views([], (0, 0, 320, 64))
