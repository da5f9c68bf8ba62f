import itertools
import math

import numpy as np
import pytest

from reader.ctc import beam_search, greedy, log_softmax, text_log_probability
from reader.ctc_lattice import likeliest_line
from reader.line_pattern import LinePattern, line_automaton


def logs(*rows):
    with np.errstate(divide="ignore"):
        return np.log(np.array(rows, np.float64))


def collapse(path, alphabet):
    return "".join(alphabet[k - 1] for k, _ in itertools.groupby(path) if k)


def alignments(steps, alphabet):
    """Every alignment by itself: text, log probability, path."""
    for path in itertools.product(range(len(alphabet) + 1), repeat=len(steps)):
        yield collapse(path, alphabet), sum(float(steps[t, k]) for t, k in enumerate(path)), path


def exhaustive(steps, alphabet):
    """The log probability of every text that is possible."""
    found = {}
    for text, log_probability, _ in alignments(steps, alphabet):
        found[text] = np.logaddexp(found.get(text, -np.inf), log_probability)
    return {text: value for text, value in found.items() if value > -np.inf}


def random_cases(count, zeros=0.0):
    rng = np.random.default_rng(7)
    for _ in range(count):
        length, characters = rng.integers(1, 6), rng.integers(1, 4)
        sure = np.exp(log_softmax(rng.normal(size=(length, characters + 1)) * rng.choice([0.3, 2, 6])))
        steps = np.log(0.999 * sure + 0.001 / (characters + 1))  # above what the beam prunes
        steps[rng.random(steps.shape) < zeros] = -np.inf
        yield steps, "abc"[:characters]


#: Probabilities of blank, a, b by step; the text that greedy reads, the likeliest text and its probability.
CASES = [
    ([], "", "", 1.0, "no step at all: the empty line is sure"),
    ([[0.6, 0.4, 0]], "", "", 0.6, "one step, blank"),
    ([[0.1, 0.2, 0.7]], "b", "b", 0.7, "one step, a character"),
    ([[0.6, 0.4, 0], [0.6, 0.4, 0]], "", "a", 0.64, "a--, -a, aa are more together than the blanks (Graves' example)"),
    ([[0, 1, 0], [0, 1, 0]], "a", "a", 1.0, "one character that lasts"),
    ([[0, 1, 0], [1, 0, 0], [0, 1, 0]], "aa", "aa", 1.0, "a blank between makes two of them"),
    ([[0, 1, 0], [0, 0, 1], [0, 1, 0]], "aba", "aba", 1.0, "neighbours that differ need no blank"),
    ([[0, 1, 0], [0.5, 0.5, 0], [0, 1, 0]], "aa", "aa", 0.5, "of two equal ones the first of the alphabet's... blank"),
    ([[1, 0, 0]] * 3, "", "", 1.0, "sure blanks"),
]


@pytest.mark.parametrize(("rows", "greedy_text", "text", "probability", "reason"), CASES)
def test_exact_cases(rows, greedy_text, text, probability, reason):
    steps = logs(*rows) if rows else np.zeros((0, 3))
    assert greedy(steps, "ab").text == greedy_text, reason
    best = beam_search(steps, "ab", n_best=2)
    assert math.exp(best[0].log_probability) == pytest.approx(probability), reason
    assert text in [reading.text for reading in best if reading.log_probability > best[0].log_probability - 1e-9], (
        reason
    )


@pytest.mark.parametrize("zeros", [0.0, 0.3])
def test_the_beam_finds_what_an_exhaustive_search_finds(zeros):
    for steps, alphabet in random_cases(60, zeros):
        wanted = sorted(exhaustive(steps, alphabet).items(), key=lambda pair: -pair[1])
        found = beam_search(steps, alphabet, width=1000, n_best=1000)
        assert len(found) == len(wanted)
        assert [r.log_probability for r in found] == pytest.approx([value for _, value in wanted], abs=1e-7)
        assert {r.text: r.log_probability for r in found} == pytest.approx(dict(wanted), abs=1e-7)
        assert len(beam_search(steps, alphabet, n_best=3)) == min(3, len(wanted))


@pytest.mark.parametrize("zeros", [0.0, 0.3])
def test_a_narrow_beam_says_exact_probabilities_in_order(zeros):
    missed = 0
    for steps, alphabet in random_cases(60, zeros):
        wanted = exhaustive(steps, alphabet)
        found = beam_search(steps, alphabet, width=3, n_best=3)
        assert bool(found) == bool(wanted)
        assert [r.log_probability for r in found] == sorted((r.log_probability for r in found), reverse=True)
        assert [r.log_probability for r in found] == pytest.approx([wanted[r.text] for r in found], abs=1e-7)
        missed += bool(found) and found[0].log_probability < max(wanted.values()) - 1e-7
    assert missed <= 3


@pytest.mark.parametrize("zeros", [0.0, 0.3])
def test_the_probability_of_any_text(zeros):
    for steps, alphabet in random_cases(40, zeros):
        wanted = exhaustive(steps, alphabet)
        for length in range(len(steps) + 2):
            for letters in itertools.product(alphabet, repeat=length):
                text = "".join(letters)
                assert text_log_probability(steps, alphabet, text) == pytest.approx(wanted.get(text, -np.inf), abs=1e-7)
        assert text_log_probability(steps, alphabet, "z") == -np.inf


def test_greedy_is_the_likeliest_alignment():
    for steps, alphabet in random_cases(60):
        text, _, path = max(alignments(steps, alphabet), key=lambda row: row[1])
        reading = greedy(steps, alphabet)
        assert reading.text == text
        assert reading.log_probability == pytest.approx(exhaustive(steps, alphabet)[text])
        for character in reading.characters:
            assert {alphabet[path[t] - 1] for t in range(character.start, character.end)} == {character.text}


def test_the_places_of_the_characters_are_those_of_the_likeliest_alignment():
    for steps, alphabet in random_cases(60, 0.1):
        for reading in beam_search(steps, alphabet, n_best=4):
            own = [row for row in alignments(steps, alphabet) if row[0] == reading.text]
            best = max(value for _, value, _ in own)
            path = [0] * len(steps)
            for character in reading.characters:
                label = alphabet.index(character.text) + 1
                path[character.start : character.end] = [label] * (character.end - character.start)
                highest = math.exp(steps[character.start : character.end, label].max())
                assert character.confidence == pytest.approx(highest)
            assert collapse(path, alphabet) == reading.text == "".join(c.text for c in reading.characters)
            assert sum(steps[t, k] for t, k in enumerate(path)) == pytest.approx(best)


#: Pattern, least and most characters.
LIMITS = [
    ("a{2}", 0, None),
    ("[ab]c?", 0, None),
    (".{1,2}b", 0, None),
    ("a?b?c?", 2, None),
    (None, 2, None),
    (None, 0, 1),
    (None, 2, 3),
    (".{0,4}", 3, 3),
    ("c", 0, None),
    ("x", 0, None),
    ("a{5}", 0, None),
    ("a{3}", 0, 2),
]


@pytest.mark.parametrize(("pattern", "least", "most"), LIMITS)
def test_limits_give_the_best_of_the_texts_that_they_allow(pattern, least, most):
    form = None if pattern is None else LinePattern.parse(pattern)
    for steps, alphabet in random_cases(40, 0.15):
        wanted = {
            text: value
            for text, value in exhaustive(steps, alphabet).items()
            if len(text) >= least and (most is None or len(text) <= most) and (form is None or form.matches(text))
        }
        found = beam_search(steps, alphabet, 1000, 1000, form, least, most)
        assert {r.text: r.log_probability for r in found} == pytest.approx(wanted, abs=1e-7)
        # However narrow the beam is: where a text is allowed and possible, one is found.
        narrow = beam_search(steps, alphabet, 1, 1, form, least, most)
        assert len(narrow) == bool(wanted)
        assert all(r.text in wanted for r in narrow)
        if form is not None and not alphabet.count("x") and pattern == "x":
            assert found == []


def test_what_is_pruned_at_each_step_is_found_where_a_pattern_demands_it():
    steps = logs([1 - 2e-9, 1e-9, 1e-9], [1 - 2e-9, 1e-9, 1e-9])
    assert [r.text for r in beam_search(steps, "ab")] == [""]
    (reading,) = beam_search(steps, "ab", pattern=LinePattern.parse("ab"))
    assert reading.text == "ab"
    assert math.exp(reading.log_probability) == pytest.approx(1e-18)


def test_the_likeliest_line_is_the_best_alignment_of_the_allowed_ones():
    for steps, alphabet in random_cases(60, 0.3):
        for pattern, least, most in LIMITS:
            form = None if pattern is None else LinePattern.parse(pattern)
            allowed = line_automaton(alphabet, form, least, most)
            rows = [row for row in alignments(steps, alphabet) if row[1] > -np.inf and allowed.accepts(row[0])]
            found = likeliest_line(steps, allowed)
            if not rows:
                assert found is None
                continue
            text = "".join(alphabet[k - 1] for k in found)
            best = max(value for _, value, _ in rows)
            assert any(row[0] == text and row[1] == pytest.approx(best) for row in rows)


def test_texts_of_the_same_probability_come_in_the_order_of_the_alphabet():
    steps = logs([0.2, 0.4, 0.4])
    assert [r.text for r in beam_search(steps, "ab", n_best=3)] == ["a", "b", ""]
    assert [r.text for r in beam_search(steps, "ba", n_best=3)] == ["b", "a", ""]


def test_steps_that_say_nothing_at_all_read_nothing():
    steps = np.full((3, 3), -np.inf)
    assert beam_search(steps, "ab") == []
    reading = greedy(steps, "ab")
    assert (reading.text, reading.log_probability, reading.characters) == ("", -np.inf, ())


def test_long_lines_keep_their_precision():
    rng = np.random.default_rng(1)
    steps = log_softmax(rng.normal(size=(300, 5)) * 9)
    text = greedy(steps, "abcd").text
    labels = [0, *(x for c in text for x in ("abcd".index(c) + 1, 0))]
    alpha = np.full(len(labels), -np.inf)  # the recursion as the paper writes it, a step at a time
    alpha[:2] = steps[0, labels[:2]]
    for row in steps[1:]:
        new = alpha.copy()
        new[1:] = np.logaddexp(new[1:], alpha[:-1])
        for s in range(2, len(labels)):
            if labels[s] and labels[s] != labels[s - 2]:
                new[s] = np.logaddexp(new[s], alpha[s - 2])
        alpha = new + row[labels]
    assert text_log_probability(steps, "abcd", text) == pytest.approx(np.logaddexp(*alpha[-2:]), abs=1e-9)


def test_log_softmax():
    logits = np.array([[0.0, math.log(3)], [1000.0, -1000.0]])
    np.testing.assert_allclose(np.exp(log_softmax(logits)), [[0.25, 0.75], [1, 0]])
    cool, warm = log_softmax(logits, 0.5), log_softmax(logits, 2)
    assert np.exp(cool[0, 1]) == pytest.approx(0.9)
    assert np.exp(warm[0, 1]) == pytest.approx(math.sqrt(3) / (1 + math.sqrt(3)))


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        (np.zeros((4, 4)), r"\(T, 3\) of 'ab' wanted, shape \(4, 4\) came"),
        (np.zeros(3), r"\(T, 3\)"),
        (np.full((2, 3), 2.5), "0 at most, wanted; 2.5 came"),
        (np.full((2, 3), np.nan), "nan came"),
    ],
)
def test_what_is_no_log_probability_is_refused(steps, wanted):
    for decode in (greedy, beam_search):
        with pytest.raises(ValueError, match=wanted):
            decode(steps, "ab")
    with pytest.raises(ValueError, match=wanted):
        text_log_probability(steps, "ab", "a")


def test_wrong_limits_are_refused():
    steps = logs([0.5, 0.5])
    for arguments, wanted in [
        ({"width": 0}, "0 and 1 came"),
        ({"n_best": 0}, "10 and 0 came"),
        ({"min_length": 3, "max_length": 2}, "3 and 2 came"),
        ({"min_length": -1}, "-1 and None came"),
    ]:
        with pytest.raises(ValueError, match=wanted):
            beam_search(steps, "a", **arguments)
