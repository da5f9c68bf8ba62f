"""From a picture of a line to its text: prices, licence plates, captchas, handwritten numbers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from reader.bundle import DEFAULT_FOLDER, BundleError, load_bundle
from reader.characters import CharacterLook
from reader.ctc import CtcReading, beam_search, greedy, log_softmax, text_log_probability
from reader.geometry import box_corners, inverse, warp_points
from reader.image import ImageError, Source, load_image
from reader.line_image import placement, prepare
from reader.line_pattern import LinePattern
from reader.line_settings import LineSettings
from reader.runtime import Network, load_network
from reader.types import LOW_CONFIDENCE, Float32, UInt8

#: Why a picture gave no line; beside it, `reader.types.LOW_CONFIDENCE`.
NO_TEXT = "no_text"
LINE_REASONS: tuple[str, ...] = (NO_TEXT, LOW_CONFIDENCE)


@dataclass(frozen=True)
class LineCharacter:
    """One character of a line.

    Attributes:
        text: the character.
        confidence: the network's probability that it is right, 0 to 1.
        box: (4, 2) float32, x and y in picture pixels, clockwise from the top-left; the columns where the network saw
            it, over the line's whole height.
    """

    text: str
    confidence: float
    box: Float32


@dataclass(frozen=True)
class LineResult:
    """What a picture of a line gave.

    Attributes:
        image: the name of the picture; "" for bytes and arrays without a name.
        task: which reader read it.
        success: whether `text` is a reading.
        text: the reading; "" when there is none.
        confidence: calibrated probability that the whole reading is right, kept for a rejected reading; 0 without one.
        reason: why there is no reading, one of `LINE_REASONS`; None on success and on an error.
        characters: from left to right; kept for a rejected reading.
        alternatives: the next best texts and their probabilities, as many as were asked for.
        original_image_shape: (H, W, 3) of the upright picture; None when it could not be loaded.
        time: seconds from the source to this result.
        times: seconds by step: "load", "network", "decode".
        error: why the picture could not be loaded, one line; else None.
        rejected_text: the reading that was rejected for its low confidence; else None.
    """

    image: str
    task: str
    success: bool = False
    text: str = ""
    confidence: float = 0.0
    reason: str | None = None
    characters: tuple[LineCharacter, ...] = ()
    alternatives: tuple[tuple[str, float], ...] = ()
    original_image_shape: tuple[int, int, int] | None = None
    time: float = 0.0
    times: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    rejected_text: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values; coordinates to hundredths of a pixel, probabilities to four places."""
        return {
            "image": self.image,
            "task": self.task,
            "success": self.success,
            "text": self.text,
            "confidence": round(self.confidence, 4),
            "reason": self.reason,
            "characters": [
                {
                    "text": each.text,
                    "confidence": round(each.confidence, 4),
                    "box": [[round(float(x), 2), round(float(y), 2)] for x, y in each.box],
                }
                for each in self.characters
            ],
            "alternatives": [{"text": text, "probability": round(p, 4)} for text, p in self.alternatives],
            "original_image_shape": None if self.original_image_shape is None else list(self.original_image_shape),
            "time": round(self.time, 4),
            "times": {step: round(seconds, 4) for step, seconds in self.times.items()},
            "error": self.error,
            "rejected_text": self.rejected_text,
        }


class LineReader:
    """Reads lines of one task.

    `LineReader.load("plate")` takes the shipped weights; `LineReader(network, settings)` any network with the contract
    (N, h, w, 3) uint8 -> "logits" (N, T, classes), class 0 the CTC blank.
    """

    def __init__(self, network: Network, settings: LineSettings, look: CharacterLook | None = None) -> None:
        self.network = network
        self.settings = settings
        self.look = look

    @classmethod
    def load(
        cls,
        task: str,
        path: str | os.PathLike[str] | None = None,
        runtime: str = "auto",
        threads: int | None = None,
        device: str = "auto",
    ) -> LineReader:
        """A reader on an exported network.

        Args:
            task: one of the bundle's line readers.
            path: the bundle's folder; None takes deploy/models.
            runtime: one of `reader.runtime.RUNTIMES`, or "auto".
            threads: CPU threads; None takes as many as this process may use.
            device: one of `reader.runtime.DEVICES`.

        Raises:
            BundleError: no such task in the bundle, the folder is no usable bundle, or no such runtime or device.
        """
        folder = Path(path) if path is not None else DEFAULT_FOLDER
        bundle = load_bundle(folder)
        if task not in bundle.lines:
            raise BundleError(f"{folder}: no line reader for {task!r}; there are {sorted(bundle.lines)}")
        settings, second = bundle.lines[task], bundle.characters.get(task)
        network = load_network(folder, settings.files, runtime, threads, device)
        if second is None or not second.trust[1]:
            return cls(network, settings)
        look = CharacterLook(load_network(folder, second.files, runtime, threads, device), second)
        return cls(network, settings, look)

    def log_probs(self, image: UInt8) -> npt.NDArray[np.float64]:
        """What is read in an (H, W, 3) uint8 RGB picture, step by step: (T, classes) calibrated log probabilities."""
        batch = prepare(image, self.settings.input_size, self.settings.fit)[None]
        return self.steps_of(self.network(batch)["logits"][0], image)

    def steps_of(self, logits: npt.ArrayLike, image: UInt8) -> npt.NDArray[np.float64]:
        """The same, of the network's (T, classes) logits for that picture."""
        steps = log_softmax(logits, self.settings.temperature)
        return steps if self.look is None else self.look.sharpened(steps, image, self.settings)

    def log_probs_of(self, inputs: UInt8) -> tuple[npt.NDArray[np.float64], ...]:
        """The network's alone, of each of (N, h, w, 3) pictures that have its input size already."""
        logits = self.network(inputs)["logits"]  # (N, T, classes)
        return tuple(log_softmax(each, self.settings.temperature) for each in logits)

    def read(
        self,
        source: Source,
        n_best: int = 1,
        beam: int | None = None,
        pattern: str | None = None,
        min_confidence: float | None = None,
        name: str | None = None,
    ) -> LineResult:
        """The reading of one picture.

        Args:
            source: path, bytes of an encoded picture, or array; see `reader.image.load_image`.
            n_best: how many texts are told, the best and the next ones.
            beam: width of the beam search, 1 for greedy decoding; None takes the settings'.
            pattern: what the text looks like, see `reader.line_pattern`; None takes the settings', "" none.
            min_confidence: a reading below is rejected; None takes the settings' threshold.
            name: what the result calls the picture; by default its path.

        Raises:
            ImageError: the source is no readable picture.
            ValueError: a pattern that cannot be understood.
        """
        start = perf_counter()
        image = load_image(source)
        loaded = perf_counter()
        log_probs = self.log_probs(image)
        seen = perf_counter()
        readings = self.decode(log_probs, n_best, beam, pattern)
        if name is None:
            name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else ""
        result = LineResult(name, self.settings.task, original_image_shape=(*image.shape[:2], 3))
        result = self._judge(result, readings, image.shape, len(log_probs), min_confidence)
        end = perf_counter()
        times = {"load": loaded - start, "network": seen - loaded, "decode": end - seen}
        return replace(result, times=times, time=end - start)

    def read_many(self, sources: Iterable[Source], **options: Any) -> Iterator[LineResult]:
        """The readings of many pictures; one that cannot be loaded gives a result with `error` set."""
        for source in sources:
            try:
                yield self.read(source, **options)
            except ImageError as error:
                name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else ""
                yield LineResult(name, self.settings.task, error=str(error))

    def decode(
        self,
        log_probs: npt.NDArray[np.float64],
        n_best: int = 1,
        beam: int | None = None,
        pattern: str | None = None,
    ) -> list[CtcReading]:
        """The best texts of (T, classes) log probabilities, best first; none when no text stands there."""
        settings = self.settings
        width = max(beam if beam is not None else settings.beam, n_best)
        wanted = settings.pattern if pattern is None else pattern
        if width == 1 and not wanted:
            return [greedy(log_probs, settings.alphabet)]
        parsed = LinePattern.parse(wanted) if wanted else None
        found = beam_search(
            log_probs, settings.alphabet, width, n_best, parsed, settings.min_length, settings.max_length
        )
        # Some text can always be found; on an empty picture none is as likely as nothing at all.
        nothing = text_log_probability(log_probs, settings.alphabet, "")
        return found if found and found[0].log_probability >= nothing else []

    def _judge(
        self,
        result: LineResult,
        readings: list[CtcReading],
        shape: tuple[int, ...],
        steps: int,
        min_confidence: float | None,
    ) -> LineResult:
        """Success or the reason against it. A rejected reading is moved away from `text`."""
        if not readings or not readings[0].text:
            return replace(result, reason=NO_TEXT)
        best = readings[0]
        confidence = self.settings.confidence(float(np.exp(best.log_probability)))
        result = replace(
            result,
            confidence=confidence,
            characters=self._characters(best, shape, steps),
            alternatives=tuple((each.text, float(np.exp(each.log_probability))) for each in readings[1:]),
        )
        least = self.settings.threshold if min_confidence is None else min_confidence
        if confidence < least:
            return replace(result, rejected_text=best.text, reason=LOW_CONFIDENCE)
        return replace(result, text=best.text, success=True)

    def _characters(self, reading: CtcReading, shape: tuple[int, ...], steps: int) -> tuple[LineCharacter, ...]:
        """The characters with boxes on the picture of this shape, (H, W, ...)."""
        height, width = self.settings.input_size
        back = inverse(placement(shape, self.settings.input_size, self.settings.fit))
        made = []
        for each in reading.characters:
            left, right = each.start * width / steps, each.end * width / steps
            box = warp_points(box_corners((left, 0, right, height)), back)
            inside = np.clip(box, 0, (shape[1], shape[0]))
            made.append(LineCharacter(each.text, each.confidence, np.asarray(inside, np.float32)))
        return tuple(made)
