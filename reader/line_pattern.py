r"""What a line may look like: patterns such as `[A-Z]\d{3}.?`, and the automaton that a decoder follows.

A pattern is a small part of a regular expression over single characters, and always means the whole line:

* a character itself; `\` before a character with a meaning takes it as it is: `\.`
* `[A-Z0-9]` one of these characters, `\d` a digit 0 to 9, `.` any character
* after each of them `{m}` so often, `{m,n}` from m to n times, `?` once or not at all
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]

_DIGITS = frozenset("0123456789")
_SPECIAL = "[](){}?*+|^$."
#: No line that is read here is longer; a mistyped {1,99999} would only cost memory.
_MOST_CHARACTERS = 256
_MOST_STATES = 4096
#: Distance of what can never be finished.
_NEVER = 1 << 30


@dataclass(frozen=True)
class PatternPart:
    """Some characters in a row of the same kind.

    Attributes:
        characters: the characters that fit; None for any.
        least: how many at least.
        most: how many at most.
    """

    characters: frozenset[str] | None
    least: int
    most: int


@dataclass(frozen=True)
class LinePattern:
    """What a line looks like; see the module for the form.

    Attributes:
        text: the pattern as it was written.
        parts: its parts from left to right.
    """

    text: str
    parts: tuple[PatternPart, ...]

    @classmethod
    def parse(cls, text: str) -> LinePattern:
        """Reads a pattern.

        Raises:
            ValueError: it is none of the known form; says where and why.
        """
        parts: list[PatternPart] = []
        place = 0
        while place < len(text):
            characters, place = _atom(text, place)
            least, most, place = _times(text, place)
            parts.append(PatternPart(characters, least, most))
        if sum(part.most for part in parts) > _MOST_CHARACTERS:
            raise ValueError(f"pattern {text!r}: at most {_MOST_CHARACTERS} characters wanted")
        return cls(text, tuple(parts))

    def matches(self, line: str) -> bool:
        """Whether the whole line has this form."""
        return bool(line_automaton("".join(sorted(set(line))), self).accepts(line))


@dataclass(frozen=True)
class LineAutomaton:
    """A pattern and the limits of length, for the classes of one alphabet: a deterministic automaton.

    Only states from which a line can still be finished are entered.

    Attributes:
        alphabet: class i + 1 is alphabet[i]; class 0, the CTC blank, belongs to no line.
        following: (S, C) int64, the state after each class; -1 where no such line exists. State 0 is the start.
        final: (S,) bool, whether a line may end here.
        distance: (S,) int64, how many characters are missing at least.
    """

    alphabet: str
    following: Int64
    final: npt.NDArray[np.bool_]
    distance: Int64

    @property
    def possible(self) -> bool:
        """Whether any line fits."""
        return bool(self.distance[0] < _NEVER)

    def accepts(self, line: str) -> bool:
        """Whether a line fits as a whole."""
        state = 0
        for character in line:
            state = int(self.following[state, self.alphabet.find(character) + 1])
            if state < 0:
                return False
        return bool(self.final[state])


@lru_cache(maxsize=64)
def line_automaton(
    alphabet: str, pattern: LinePattern | None = None, min_length: int = 0, max_length: int | None = None
) -> LineAutomaton:
    """All lines of this alphabet that fit a pattern and have from `min_length` to `max_length` characters.

    Raises:
        ValueError: the limits exclude each other, or the pattern is so ambiguous that it has thousands of states.
    """
    if min_length < 0 or (max_length is not None and max_length < min_length):
        raise ValueError(f"lengths from 0 up wanted, the least not above the most; {min_length} and {max_length} came")
    places = _places(pattern)
    counted = min_length if max_length is None else max_length  # characters beyond need not be told apart
    keys = {(_skipped(places, {0}), 0): 0}
    order = list(keys)
    rows: list[list[int]] = []
    for reached, length in order:  # grows on the way
        row = [-1] * (len(alphabet) + 1)
        for class_id, character in enumerate(alphabet, start=1):
            after = _skipped(places, _consume(places, reached, character))
            if not after or (max_length is not None and length == max_length):
                continue
            key = (after, min(length + 1, counted))
            if key not in keys:
                keys[key] = len(order)
                order.append(key)
            row[class_id] = keys[key]
        rows.append(row)
        if len(order) > _MOST_STATES:
            told = pattern.text if pattern else ""
            raise ValueError(f"pattern {told!r}: too many ways to fit the same line; fewer optional parts wanted")
    end = 0 if places is None else len(places)
    final = np.array([end in reached and length >= min_length for reached, length in order])
    following = np.array(rows, np.int64).reshape(len(order), -1)
    distance = _distances(following, final)
    following[(following >= 0) & (distance[following] == _NEVER)] = -1
    return LineAutomaton(alphabet, following, final, distance)


#: A character of the longest line: what fits, and whether it may be left out.
_Places = list[tuple[frozenset[str] | None, bool]]


def _places(pattern: LinePattern | None) -> _Places | None:
    if pattern is None:
        return None
    return [(part.characters, number >= part.least) for part in pattern.parts for number in range(part.most)]


def _skipped(places: _Places | None, reached: set[int]) -> frozenset[int]:
    """The places reached, and those behind what may be left out."""
    found = set(reached)
    for place in sorted(reached):
        while places is not None and place < len(places) and places[place][1]:
            place += 1
            found.add(place)
    return frozenset(found)


def _consume(places: _Places | None, reached: frozenset[int], character: str) -> set[int]:
    if places is None:
        return set(reached)
    fitting = set()
    for place in reached:
        if place < len(places):
            characters = places[place][0]
            if characters is None or character in characters:
                fitting.add(place + 1)
    return fitting


def _distances(following: Int64, final: npt.NDArray[np.bool_]) -> Int64:
    distance = np.where(final, 0, _NEVER).astype(np.int64)  # (S,)
    while True:
        onward = np.where(following >= 0, distance[following], _NEVER).min(axis=1, initial=_NEVER)
        shorter = np.minimum(distance, np.minimum(onward, _NEVER - 1) + 1)
        if (shorter == distance).all():
            return distance
        distance = shorter


def _atom(text: str, place: int) -> tuple[frozenset[str] | None, int]:
    """The characters that fit at `place`, and where the pattern goes on."""
    if text[place] == ".":
        return None, place + 1
    if text[place] == "[":
        return _choice(text, place)
    if text[place] in _SPECIAL:
        raise _fault(text, place, "a character, [...], \\d or . wanted")
    return _escaped(text, place)


def _escaped(text: str, place: int) -> tuple[frozenset[str], int]:
    if text[place] != "\\":
        return frozenset(text[place]), place + 1
    after = text[place + 1 : place + 2]
    if after == "d":
        return _DIGITS, place + 2
    if not after or after.isalnum():
        raise _fault(text, place, "\\d, or \\ before a character with a meaning, wanted")
    return frozenset(after), place + 2


def _choice(text: str, start: int) -> tuple[frozenset[str], int]:
    place, found = start + 1, set[str]()
    if text[place : place + 1] == "^":
        raise _fault(text, place, "the characters that fit wanted, not those that do not")
    while text[place : place + 1] != "]":
        if place >= len(text):
            raise _fault(text, start, "] at the end of [...] wanted")
        characters, place = _escaped(text, place)
        if text[place : place + 1] == "-" and text[place + 1 : place + 2] not in ("", "]"):
            last, place = _escaped(text, place + 1)
            if len(characters) > 1 or len(last) > 1 or min(characters) > min(last):
                raise _fault(text, start, "a range in [...] goes from a lower to a higher character")
            found |= {chr(code) for code in range(ord(min(characters)), ord(min(last)) + 1)}
        else:
            found |= characters
    if not found:
        raise _fault(text, start, "at least one character in [...] wanted")
    return frozenset(found), place + 1


def _times(text: str, place: int) -> tuple[int, int, int]:
    """How often at least and at most, and where the pattern goes on."""
    if text[place : place + 1] == "?":
        return 0, 1, place + 1
    if text[place : place + 1] != "{":
        return 1, 1, place
    end = text.find("}", place)
    least, comma, most = text[place + 1 : max(end, place)].partition(",")
    numbers = [least, most] if comma else [least, least]
    if end < 0 or not all(number.isascii() and number.isdigit() and len(number) < 6 for number in numbers):
        raise _fault(text, place, "{m} or {m,n} wanted")
    if int(numbers[0]) > int(numbers[1]) or not int(numbers[1]):
        raise _fault(text, place, "{m,n} with m not above n, and n above 0, wanted")
    return int(numbers[0]), int(numbers[1]), end + 1


def _fault(text: str, place: int, wanted: str) -> ValueError:
    return ValueError(f"pattern {text!r}, character {place + 1} {text[place : place + 1]!r}: {wanted}")
