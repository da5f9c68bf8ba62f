"""What a line reader is: its task's characters, its network's input, and the numbers that belong to its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

#: First characters of Chinese plates: the 31 provinces, in the order of the national standard GA 36.
PROVINCES = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新"
#: Characters that stand on special plates: learners, police, Hong Kong, Macao, trailers, embassies, consulates.
SPECIAL = "学警港澳挂使领"
DIGITS = "0123456789"
#: Digits after the decimal point, as a display's line reader calls them: their colour tells each of them.
DECIMAL_DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
#: Plates have no I and no O; they would be taken for 1 and 0.
PLATE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"

#: Characters of each task, in the order of the classes; class 0 is the CTC blank.
ALPHABETS: Mapping[str, str] = {
    "plate": PROVINCES + SPECIAL + PLATE_LETTERS + DIGITS,
    "captcha": "2345678bcdefgmnpwxy",
    "price": DIGITS + ".,",
    "handwritten": DIGITS,
    "display": DIGITS + DECIMAL_DIGITS,
}
#: The tasks of the line reader; "display" is the meter reader's own use of it.
LINE_TASKS: tuple[str, ...] = ("price", "plate", "captcha", "handwritten")

FITS = ("stretch", "pad")


@dataclass(frozen=True)
class LineSettings:
    """The network that reads a line.

    Attributes:
        task: one of `ALPHABETS`, or a name of one's own.
        alphabet: class i + 1 is alphabet[i]; class 0 is the CTC blank.
        input_size: height and width of the input in pixels.
        fit: "stretch" the picture to the input, or keep its shape and "pad" with the colour of its border.
        files: file name in the bundle's folder by runtime, such as {"onnx": "plate.onnx"}.
        source_sha256: of the .keras file from which the files were exported.
        checks: what comparing each export with its source found, by runtime or kind of file, for the record.
        min_length: fewer characters are no reading.
        max_length: more characters are no reading; None for as many as the network has steps for.
        pattern: what a reading looks like, in the form of `reader.line_pattern`; None for anything.
        beam: width of the prefix beam search; 1 takes the best class of each step.
        temperature: divides the logits (Guo et al. 2017), fitted on held-out lines.
        slope: the reading's confidence is sigmoid(slope * logit(p) + offset) of its probability p (Platt 1999).
        offset: see `slope`.
        threshold: a reading with a lower confidence is refused, unless the caller asks for another threshold.
    """

    task: str
    alphabet: str
    input_size: tuple[int, int]
    fit: str = "stretch"
    files: Mapping[str, str] = field(default_factory=dict)
    source_sha256: str = ""
    checks: Mapping[str, str] = field(default_factory=dict)
    min_length: int = 1
    max_length: int | None = None
    pattern: str | None = None
    beam: int = 10
    temperature: float = 1.0
    slope: float = 1.0
    offset: float = 0.0
    threshold: float = 0.0

    def __post_init__(self) -> None:
        check_alphabet(self.alphabet)
        if self.fit not in FITS:
            raise ValueError(f"fit {self.fit!r} is unknown; there are {list(FITS)}")
        if len(self.input_size) != 2 or min(self.input_size) < 8:
            raise ValueError(f"input_size: height and width of at least 8 pixels wanted; {self.input_size} came")
        if self.beam < 1 or self.temperature <= 0:
            raise ValueError(f"beam of at least 1 and temperature above 0 wanted; {self.beam}, {self.temperature} came")

    def confidence(self, probability: float) -> float:
        """The calibrated confidence of a reading of this probability, 0 to 1."""
        p = float(np.clip(probability, 1e-9, 1 - 1e-9))
        logit = np.log(p / (1 - p))
        return float(1 / (1 + np.exp(-(self.slope * logit + self.offset))))


@dataclass(frozen=True)
class CharacterSettings:
    """The network that looks at each character of a line by itself; see `reader.characters`.

    Attributes:
        input_size: height and width of a window in pixels.
        line_height: as many of its pixels are the height of the line's picture.
        alphabet: class i is alphabet[i]; that of the line reader.
        files: file name in the bundle's folder by runtime, such as {"onnx": "plate_characters.onnx"}.
        source_sha256: of the .keras file from which the files were exported.
        checks: what comparing each export with its source found, by runtime or kind of file, for the record.
        trust: exponents with which the probabilities of the line's network and of this one are multiplied; 0 as the
            second leaves the line as it is.
        certain: characters of which the line's network is at least so sure are not looked at: it is nearly always right
            about them, and they are most.
    """

    input_size: tuple[int, int]
    line_height: int
    alphabet: str
    files: Mapping[str, str] = field(default_factory=dict)
    source_sha256: str = ""
    checks: Mapping[str, str] = field(default_factory=dict)
    trust: tuple[float, float] = (1.0, 1.0)
    certain: float = 0.998

    def __post_init__(self) -> None:
        if len(self.input_size) != 2 or min(self.input_size) < 8:
            raise ValueError(f"input_size: height and width of at least 8 pixels wanted; {self.input_size} came")
        check_alphabet(self.alphabet)
        if not 1 <= self.line_height <= 4 * self.input_size[0]:
            raise ValueError(f"line_height: from 1 to {4 * self.input_size[0]} wanted; {self.line_height} came")
        if len(self.trust) != 2 or self.trust[0] <= 0 or self.trust[1] < 0:
            raise ValueError(f"trust: one number above 0 and one of at least 0 wanted; {self.trust} came")
        if not 0 < self.certain <= 1:
            raise ValueError(f"certain: above 0, at most 1 wanted; {self.certain} came")


def check_alphabet(alphabet: str) -> None:
    """Raises ValueError for an alphabet that is empty or names a character twice."""
    twice = sorted({c for c in alphabet if alphabet.count(c) > 1})
    if not alphabet or twice:
        raise ValueError(f"an alphabet of different characters wanted; {alphabet!r} came")
