"""A second look at a line: each character by itself, cut out of the picture and put into the middle of a window.

The network of the whole line sees a character wherever it stands, between others; one that always finds it in the
middle, and nothing else to do, tells more of them apart (a 4 from a 9, a 7 from a 2).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from reader.ctc import CtcReading, greedy, log_softmax
from reader.image import resize
from reader.line_image import placement
from reader.line_settings import CharacterSettings, LineSettings
from reader.runtime import Network
from reader.types import UInt8

Float64 = npt.NDArray[np.float64]

#: The strongest difference from the ground counts as full ink, but none below this: noise of paper is no ink.
_FAINTEST = 24.0
#: A step's class is never taken for less likely than e to this: one network alone cannot rule a character out.
_FLOOR = -12.0


class CharacterLook:
    """Looks at the characters that a line reader found, and lets both networks decide together.

    `network` takes (N, h, w, 1) uint8 and gives "logits" (N, characters of the alphabet).
    """

    def __init__(self, network: Network, settings: CharacterSettings) -> None:
        self.network = network
        self.settings = settings

    def sharpened(self, log_probs: Float64, image: UInt8, line: LineSettings) -> Float64:
        """The line's steps with the second network's opinion in them.

        What a step says about which character there is, if any, is weighed anew; how likely it shows none stays. A
        step belongs to the character whose middle is nearest.

        Args:
            log_probs: (T, classes) calibrated log probabilities of the line's network, class 0 the blank.
            image: (H, W, 3) uint8 RGB, the picture of the line.
            line: of the line's network.

        Returns:
            (T, classes) log probabilities; the same where no character was found.
        """
        opinion = self.opinion(log_probs, image, line)
        return log_probs if opinion is None else weighed(log_probs, *opinion, self.settings.trust)

    def opinion(self, log_probs: Float64, image: UInt8, line: LineSettings) -> tuple[CtcReading, Float64] | None:
        """The characters found, and what this network says of each; None where there is none to look at.

        Arguments as of `sharpened`.

        Returns:
            The line's likeliest reading, and (N, characters) log probabilities, zeros for those not looked at.
        """
        found = greedy(log_probs, line.alphabet)
        looked = [at for at, each in enumerate(found.characters) if each.confidence < self.settings.certain]
        if not looked:
            return None
        middles = middles_of(found, len(log_probs), image.shape, line)
        places = [middles[at] for at in looked]
        windows = character_windows(image, places, self.settings.input_size, self.settings.line_height)
        told = np.zeros((len(middles), len(line.alphabet)))
        told[looked] = log_softmax(self.network(windows[..., None])["logits"])
        return found, told


def weighed(log_probs: Float64, found: CtcReading, told: Float64, trust: Sequence[float]) -> Float64:
    """Steps in which both networks' opinions are weighed; see `CharacterLook.sharpened`.

    Args:
        log_probs: (T, classes), class 0 the blank.
        found: the reading whose characters were looked at.
        told: (N, classes - 1) log probabilities, of each of its characters; a row of zeros for one not looked at, which
            stays as it is.
        trust: exponents of the line's network and of the other one.
    """
    middles = np.array([(c.start + c.end) / 2 for c in found.characters])  # (N,) in steps
    nearest = np.abs(np.arange(len(log_probs))[:, None] + 0.5 - middles).argmin(axis=1)  # (T,)
    some = np.logaddexp.reduce(log_probs[:, 1:], axis=1, keepdims=True)  # (T, 1): that there is a character at all
    which = np.maximum(log_probs[:, 1:] - some, _FLOOR)
    both = trust[0] * which + trust[1] * np.maximum(told, _FLOOR)[nearest]
    both -= np.logaddexp.reduce(both, axis=1, keepdims=True)
    looked = np.abs(told).sum(axis=1)[nearest] > 0  # (T,)
    both = np.where(looked[:, None], both, log_probs[:, 1:] - some)
    return np.concatenate([log_probs[:, :1], some + both], axis=1)


def middles_of(reading: CtcReading, steps: int, shape: tuple[int, ...], line: LineSettings) -> list[float]:
    """The middles of a reading's characters in a picture of this shape, x in its pixels; `steps`: of the line, T."""
    place = placement(shape, line.input_size, line.fit)
    step = line.input_size[1] / steps
    return [float(((c.start + c.end) / 2 * step - place[0, 2]) / place[0, 0]) for c in reading.characters]


def ink_of(image: UInt8) -> UInt8:
    """A picture of a line as ink on nothing: (H, W) uint8, 255 where it differs most from its border, on that side."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    ground = float(np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])))
    low, high = np.percentile(grey, (0.5, 99.5))
    ink = grey - ground if high - ground >= ground - low else ground - grey
    return np.asarray(np.clip(ink * (255 / max(_FAINTEST, high - ground, ground - low)), 0, 255), np.uint8)


def character_windows(image: UInt8, middles: Sequence[float], size: tuple[int, int], line_height: int) -> UInt8:
    """Windows around characters.

    Args:
        image: (H, W, 3) uint8 RGB, the picture of a line.
        middles: of the characters, x in its pixels.
        size: height and width of a window.
        line_height: as many of a window's pixels are the picture's height; it stands in the middle.

    Returns:
        (N, *size) uint8, see `ink_of`; beyond the picture there is none.
    """
    ink = ink_of(image)
    if len(ink) > 2 * line_height:  # averaged before it is sampled, or thin strokes would break up
        scale = 1.5 * line_height / len(ink)
        small = (max(1, round(len(ink) * scale)), max(1, round(ink.shape[1] * scale)))
        ink = resize(ink, small)
    across = ink.shape[1] / image.shape[1]
    scale = line_height / len(ink)
    made = np.empty((len(middles), *size), np.uint8)
    for window, middle in zip(made, middles, strict=True):
        # OpenCV counts pixel centres as whole numbers, we count pixel edges.
        left = size[1] / 2 - 0.5 - (middle * across - 0.5) * scale
        top = size[0] / 2 - 0.5 - (len(ink) / 2 - 0.5) * scale
        matrix = np.array([[scale, 0, left], [0, scale, top]], np.float64)
        cv2.warpAffine(ink, matrix, size[::-1], dst=window, flags=cv2.INTER_LINEAR)
    return made
