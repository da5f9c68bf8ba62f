"""training/steadiness.py: int8 against float32, and float32 against itself of photos moved by a pixel."""

import numpy as np
import pytest

from training.steadiness import Readings, moved, verdict

TEN = [str(number) for number in range(10)]
HUNDRED = [str(number) for number in range(100)]


def changed(count):
    return ["x"] * count + HUNDRED[count:]


@pytest.mark.parametrize(
    ("int8", "shifts", "against"),
    [
        (0, (0, 0), ""),
        (4, (0, 0), ""),  # two standard errors of four
        (5, (0, 0), "less steady than float32"),
        (22, (9, 11), "less steady than float32"),
        (21, (9, 11), ""),
        (1, (9, 11), ""),
    ],
)
def test_as_many_readings_may_change_as_when_the_photo_moves(int8, shifts, against):
    found, reason = verdict(Readings(HUNDRED, changed(int8), [changed(count) for count in shifts]))
    assert reason == against
    own = ", ".join(f"{100 - count} of 100" for count in shifts)
    assert found == f"{100 - int8} of 100 readings as in float32 (float32 itself of photos moved by a pixel: {own})"


def test_pictures_that_neither_reads_do_not_count():
    assert verdict(Readings(["", "1", "2"], ["", "1", ""]), 0.6) == (
        "1 of 2 readings as in float32",
        "at least 60 % wanted",
    )
    assert verdict(Readings(["", "1", "2"], ["", "1", ""]), 0.5)[1] == ""
    assert verdict(Readings(["", ""], ["", ""], [["", ""]]))[1] == "nothing was read to compare"


@pytest.mark.parametrize(("wrong", "won", "against"), [(4, 0, ""), (5, 0, "fewer readings right"), (6, 2, "")])
def test_fewer_right_than_chance_explains(wrong, won, against):
    """All as steady as float32, whose moved pictures change them all: what is lost is what decides."""
    float32 = [*TEN[:8], "no", "no"]
    int8 = [("no" if number < wrong else text) for number, text in enumerate(TEN[:8])]
    int8 += [(text if number < won else "no") for number, text in enumerate(TEN[8:])]
    found, reason = verdict(Readings(float32, int8, [["other"] * 10], TEN))
    assert reason == against
    assert f"{8 - wrong + won} instead of 8 right" in found


def test_what_is_right_can_be_told():
    readings = Readings(["012"] * 9, ["12"] * 9, [["13"] * 9], ["12"] * 9)
    assert "9 instead of 0 right" in verdict(readings)[0]
    assert "9 instead of 9 right" in verdict(readings, right=lambda answer, truth: int(answer) == int(truth))[0]


def test_moved_pictures_lack_one_row_and_column():
    picture = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    first, last = moved(picture)
    assert first.shape == last.shape == (3, 4, 3)
    assert np.array_equal(first, picture[1:, 1:]) and np.array_equal(last, picture[:3, :4])
    assert first.flags.c_contiguous and last.flags.c_contiguous
