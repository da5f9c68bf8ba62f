"""What the text of a line may be, task by task: characters, length, form; and letters that were typed for digits."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from reader.line_settings import ALPHABETS, LINE_TASKS, PLATE_LETTERS, PROVINCES, SPECIAL, check_alphabet
from training.labelstudio import DatasetError

#: Fewest and most characters: Chinese plates have seven, those of electric cars eight.
LENGTHS: Mapping[str, tuple[int, int]] = {"plate": (7, 8), "captcha": (5, 5), "price": (1, 9), "handwritten": (1, 10)}
#: Tasks in which a text that comes again is the same thing again. Prices and numbers repeat by chance.
GROUPED_BY_TEXT = frozenset({"plate", "captcha"})

#: Letters and signs that are typed for digits; the CCPD lists hold a letter O for the digit 0.
_LOOKALIKES = {"O": "0", "o": "0", "О": "0", "о": "0", "I": "1", "l": "1", "|": "1", "І": "1"}
_PLATE = re.compile(f"[{PROVINCES}][{PLATE_LETTERS}][{PLATE_LETTERS}0-9]{{4,5}}[{PLATE_LETTERS}0-9{SPECIAL}]")
#: On a plate the first two characters are a province and a letter.
_PLATE_HEAD = 2


@dataclass(frozen=True)
class TextRules:
    """What the texts of a set may be.

    Attributes:
        task: one of `LINE_TASKS`.
        alphabet: the characters that may come.
        lengths: fewest and most characters.
        correct: turn lookalikes into what they were typed for, instead of calling them faults.
    """

    task: str
    alphabet: str
    lengths: tuple[int, int]
    correct: bool = False

    def __post_init__(self) -> None:
        """Raises: DatasetError: an alphabet with a character twice, lengths that make no range."""
        try:
            check_alphabet(self.alphabet)
        except ValueError as error:
            raise DatasetError(f"--alphabet: {error}") from error
        least, most = self.lengths
        if not 1 <= least <= most:
            raise DatasetError(
                f"--lengths: the fewest characters, at least 1, and the most wanted; {least} {most} came"
            )

    def check(self, text: str) -> Checked:
        """What is to be stored of a text, what is wrong with it, and what is worth a look."""
        if not text:
            return Checked(text, ("empty text",), ())
        corrected = "".join(self._lookalike(c, place) or c for place, c in enumerate(text))
        stored = corrected if self.correct else text
        faults = []
        outside = {c: place for place, c in reversed(list(enumerate(stored))) if c not in self.alphabet}
        for c, place in sorted(outside.items(), key=lambda item: item[1]):
            fault = f"{_named(c)} at place {place + 1} of {text!r} is not in the alphabet"
            meant = self._lookalike(c, place)
            faults.append(f"{fault}, {meant} is (--correct_lookalikes makes it {corrected!r})" if meant else fault)
        least, most = self.lengths
        if not least <= len(stored) <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            faults.append(f"{len(stored)} characters in {text!r}, {wanted} wanted")
        notes = [f"{text!r} taken as {stored!r}"] if stored != text else []
        if self.task == "plate" and not faults and not _PLATE.fullmatch(stored):
            notes.append(f"{stored!r} is not a province, a letter and five or six more; look at it")
        return Checked(stored, tuple(faults), tuple(notes))

    def _lookalike(self, c: str, place: int) -> str | None:
        """What a character outside the alphabet was typed for, where only that is possible there."""
        if c in self.alphabet:
            return None
        digit = _LOOKALIKES.get(c)
        if digit and self.task == "plate" and place < _PLATE_HEAD:
            digit = None  # an O there is a letter, on plates of authorities
        wide = unicodedata.normalize("NFKC", c)  # full-width letters and digits
        meant = {form for form in (digit, wide, wide.upper(), wide.lower()) if form and form in self.alphabet}
        return meant.pop() if len(meant) == 1 and len(c) == 1 else None


@dataclass(frozen=True)
class Checked:
    """A text after the check.

    Attributes:
        text: what is stored.
        faults: what is wrong with it.
        notes: what was changed, or is unusual.
    """

    text: str
    faults: tuple[str, ...]
    notes: tuple[str, ...]


def text_rules(
    task: str, alphabet: str | None = None, lengths: tuple[int, int] | None = None, correct: bool = False
) -> TextRules:
    """The rules of a task, with an alphabet or lengths of one's own.

    Raises:
        DatasetError: an unknown task, or what `TextRules` refuses.
    """
    if task not in LENGTHS:
        raise DatasetError(f"task {task!r} is unknown (wanted one of {', '.join(LINE_TASKS)})")
    return TextRules(task, alphabet if alphabet is not None else ALPHABETS[task], lengths or LENGTHS[task], correct)


def _named(c: str) -> str:
    """A character and, where it can be mistaken for another, what it is."""
    if c.isprintable() and not c.isspace():
        return f"letter {c}" if c in "OIol" else f"{c!r} (U+{ord(c):04X})"
    return f"U+{ord(c):04X}"
