import itertools
import re

import pytest

from reader.line_pattern import LinePattern, line_automaton

#: Pattern, what fits, what does not.
CASES = [
    ("", [""], ["a"]),
    ("abc", ["abc"], ["", "ab", "abcd", "abx"]),
    (r"\d", ["0", "9"], ["", "a", "10"]),
    (r"\d{3}", ["007"], ["07", "0007"]),
    (r"\d{1,3}", ["1", "12", "123"], ["", "1234"]),
    (r"\d{0,2}x", ["x", "1x", "12x"], ["123x", ""]),
    (r"1?2?", ["", "1", "2", "12"], ["21", "11"]),
    ("[A-C5]{2}", ["A5", "CC"], ["A6", "D5", "A"]),
    (r"[\d-]", ["-", "4"], ["a"]),
    ("[a-]", ["-", "a"], ["b"]),
    (r"[\]\\]", ["]", "\\"], ["["]),
    (r"\.\d", [".1"], ["11"]),
    (".{2}", ["..", "京A"], ["京"]),
    ("[京沪][A-Z][A-Z0-9]{5,6}", ["京A12345", "沪BD12345"], ["京A1234", "粤A12345", "京112345"]),
    (r"\d{1,4}[.,]?\d{0,2}", ["99", "1.5", "12,50", "123456"], ["1.555", ".5"]),
    ("a?a?a?aaa", ["aaa", "aaaaaa"], ["aa", "aaaaaaa"]),
    ("a;b", ["a;b"], ["ab"]),
]


@pytest.mark.parametrize(("pattern", "fitting", "others"), CASES)
def test_what_fits(pattern, fitting, others):
    form = LinePattern.parse(pattern)
    assert [form.matches(line) for line in fitting] == [True] * len(fitting)
    assert [form.matches(line) for line in others] == [False] * len(others)


@pytest.mark.parametrize("pattern", ["a?b{1,2}.", "[ab]{0,2}c?a", ".{2,3}b?", "a{2}[bc]?a?", "", "x?a", "x"])
def test_it_means_the_same_as_a_regular_expression(pattern):
    form, expression = LinePattern.parse(pattern), re.compile(pattern)
    bounded = line_automaton("abc", form, 2, 3)
    for length in range(5):
        for letters in itertools.product("abc", repeat=length):
            line = "".join(letters)
            fits = expression.fullmatch(line) is not None
            assert form.matches(line) == fits
            assert bounded.accepts(line) == (fits and 2 <= length <= 3)


#: Pattern, limits, how many characters are missing at least from the start; None: no line fits.
DISTANCES = [
    (None, 0, None, 0),
    (None, 4, None, 4),
    (None, 2, 5, 2),
    ("a{3}b?", 0, None, 3),
    ("a{3}b?", 4, None, 4),
    ("a{3}b?", 5, None, None),
    ("a{3}", 0, 2, None),
    ("x", 0, None, None),
    ("x?", 0, None, 0),
]


@pytest.mark.parametrize(("pattern", "least", "most", "distance"), DISTANCES)
def test_the_way_to_the_end_is_known(pattern, least, most, distance):
    automaton = line_automaton("ab", LinePattern.parse(pattern) if pattern else None, least, most)
    assert automaton.possible == (distance is not None)
    if distance is not None:
        assert automaton.distance[0] == distance
        # Every state that is entered can be finished.
        assert (automaton.distance[automaton.following[automaton.following >= 0]] < 1000).all()


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("a*", r"character 2 '\*': a character"),
        ("a+", r"character 2 '\+'"),
        ("(a)", r"character 1 '\('"),
        ("a|b", r"character 2 '\|'"),
        ("^a", r"character 1 '\^'"),
        ("a$", r"character 2 '\$'"),
        ("?", r"character 1 '\?'"),
        ("a??", r"character 3 '\?'"),
        ("a{2}{3}", r"character 5 '\{'"),
        ("a]", r"character 2 '\]'"),
        ("[ab", r"\] at the end"),
        ("[]", "at least one"),
        ("[^a]", "not those that do not"),
        ("[b-a]", "from a lower to a higher"),
        (r"[\d-x]", "from a lower to a higher"),
        (r"\w", "before a character with a meaning"),
        ("a\\", "before a character with a meaning"),
        ("a{}", "{m} or {m,n} wanted"),
        ("a{2", "{m} or {m,n} wanted"),
        ("a{,2}", "{m} or {m,n} wanted"),
        ("a{2,}", "{m} or {m,n} wanted"),
        ("a{x}", "{m} or {m,n} wanted"),
        ("a{3,2}", "m not above n"),
        ("a{0}", "n above 0"),
        ("a{1,99999}", "at most 256 characters"),
    ],
)
def test_anything_else_is_refused_in_one_line(pattern, wanted):
    with pytest.raises(ValueError, match=wanted) as caught:
        LinePattern.parse(pattern)
    assert str(caught.value).startswith(f"pattern {pattern!r}") and "\n" not in str(caught.value)


def test_a_pattern_of_too_many_ways_is_refused():
    with pytest.raises(ValueError, match="too many ways"):
        line_automaton("ab", LinePattern.parse(".{0,20}a.{20}"))
