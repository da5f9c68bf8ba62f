"""Both stages together on labelled photos: how many readings are right, and which stage lost the others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2
import numpy as np

from reader.draw import INK, WHITE, panel
from reader.image import encode_jpeg, load_image, write_atomic
from reader.metrics import CharacterErrorRate, CornerAccuracy, ReadingAccuracy, align, share_of
from reader.pipeline import Found, MeterReader
from reader.symbols import STAGE1_CLASSES
from reader.types import ILLEGIBLE, NO_DISPLAY, Display, Result, UInt8
from retinanet.labelled_photos import Case

STAGE1, STAGE2, EITHER = "stage 1", "stage 2", "either"
#: Corners with less overlap, or farther off than this part of the display's width (turned), are wrong.
_GOOD_IOU, _TURNED = 0.75, 0.5


@dataclass(frozen=True)
class Outcome:
    """What became of one photo.

    Attributes:
        case: the photo and its truth.
        result: what was answered.
        given: the reading with the true corners; None where there is no second network at hand (a server).
        iou: overlap of the corners; NaN where the answer has none.
        seconds: from the file to the answer.
        lost: the stage that lost the reading, "" for a right one; "either" where it cannot be told.
    """

    case: Case
    result: Result
    given: str | None
    iou: float
    seconds: float
    lost: str

    @property
    def answer(self) -> str:
        """The reading that was given out; "" for a refused one."""
        return self.result.text if self.result.success else ""


@dataclass
class BothResult:
    """The outcomes, and what they add up to.

    Attributes:
        outcomes: one a photo.
        unreadable: pictures that could not be opened.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Everything as JSON values; shares as [hits, total]."""
        total = len(self.outcomes)
        readings, characters, digits = ReadingAccuracy(), CharacterErrorRate(), [0, 0]
        for outcome in self.outcomes:
            readings.update(outcome.answer, outcome.case.truth)
            characters.update(outcome.answer, outcome.case.truth)
            pairs = [pair for pair in align(outcome.answer, outcome.case.truth) if pair[1] not in ("", ".")]
            digits[0] += sum(answer == truth for answer, truth in pairs)
            digits[1] += len(pairs)
        whole = sum(o.answer.partition(".")[0] == o.case.truth.partition(".")[0] for o in self.outcomes)
        refused = Counter(o.result.reason or "error" for o in self.outcomes if not o.result.success)
        times = [1000 * o.seconds for o in self.outcomes]
        rate = characters.summary()["character_error_rate"]
        return {
            "photos": total,
            "recognized": [sum(readings.exact), total],
            "same_number": [sum(readings.numbers), total],
            "integer_part": [whole, total],
            "digits": digits,
            "character_error_rate": None if math.isnan(rate) else rate,
            "refused": dict(refused),
            "wrong": sum(o.result.success and o.answer != o.case.truth for o in self.outcomes),
            "lost_by": dict(Counter(o.lost for o in self.outcomes if o.lost)),
            "milliseconds": {str(p): float(np.percentile(times, p)) for p in (50, 90, 99)} if times else {},
            "unreadable": self.unreadable,
        }


def evaluate(
    cases: Sequence[Case],
    read: Callable[[Path], Result],
    reader: MeterReader | None,
    failures: Path | None = None,
    progress: Any = None,
) -> BothResult:
    """Reads every photo.

    Args:
        cases: the photos.
        read: a file to its result: the reader's or a server's.
        reader: reads with the true corners, so that a miss can be put down to a stage; None without networks.
        failures: folder for an annotated picture of every miss.
        progress: wraps the cases, as tqdm does.
    """
    result = BothResult()
    for case in progress(cases) if progress else cases:
        start = perf_counter()
        answer = read(case.path)
        seconds = perf_counter() - start
        if answer.error is not None:
            result.unreadable.append(f"{case.name}: {answer.error}")
            continue
        photo = load_image(case.path)
        outcome = _outcome(case, answer, photo, reader, seconds)
        result.outcomes.append(outcome)
        if outcome.lost and failures is not None:
            failures.mkdir(parents=True, exist_ok=True)
            write_atomic(failures / f"{Path(case.name).stem}.jpg", encode_jpeg(failure_picture(photo, outcome)))
    return result


def _outcome(case: Case, answer: Result, photo: UInt8, reader: MeterReader | None, seconds: float) -> Outcome:
    corners = case.corners * (photo.shape[1], photo.shape[0])
    given = None
    if reader is not None:
        class_id = STAGE1_CLASSES.index(case.counter_class)
        display = Display(corners.astype(np.float32), class_id, 1.0, np.eye(4, dtype=np.float32)[class_id])
        given = reader.read_display(photo, Found(display, 1.0)).reading.text
    iou, error = math.nan, math.nan
    if answer.corners is not None:
        accuracy = CornerAccuracy()
        accuracy.update(answer.corners, corners)
        iou, error = accuracy.ious[0], accuracy.errors[0]
    lost = "" if answer.success and answer.text == case.truth else _lost(answer, case.truth, given, iou, error)
    return Outcome(case, answer, given, iou, seconds, lost)


def _lost(answer: Result, truth: str, given: str | None, iou: float, error: float) -> str:
    """Stage 1 where its corners or its class are bad, or where the true corners would have saved the reading."""
    if answer.reason in (NO_DISPLAY, ILLEGIBLE) or given == truth or iou < _GOOD_IOU or error >= _TURNED:
        return STAGE1
    return EITHER if math.isnan(iou) else STAGE2


def failure_picture(photo: UInt8, outcome: Outcome) -> UInt8:
    """The annotated photo below a line with the truth and the stage that lost it, (H, W, 3) uint8 RGB."""
    picture = panel(photo, outcome.result)
    told = f"truth {outcome.case.truth}, lost by {outcome.lost}"
    if outcome.given is not None:
        told += f", with true corners {outcome.given or 'nothing'}"
    band = np.full((34, picture.shape[1], 3), INK, np.uint8)
    (width, _), _ = cv2.getTextSize(told, cv2.FONT_HERSHEY_DUPLEX, 0.6, 1)
    scale = 0.6 * min(1.0, (picture.shape[1] - 20) / width)
    cv2.putText(band, told, (10, 23), cv2.FONT_HERSHEY_DUPLEX, scale, WHITE, 1, cv2.LINE_AA)
    return np.vstack([band, picture])


def describe(result: BothResult) -> str:
    """The result as text."""
    summary = result.summary()
    lines = []
    for told, key in (
        ("recognition rate (the whole text right)", "recognized"),
        ("the same number", "same_number"),
        ("integer part right", "integer_part"),
        ("digits right", "digits"),
    ):
        hits, total = summary[key]
        lines.append(f"{told}: {hits} of {total}, {share_of(hits, total)}")
    rate = summary["character_error_rate"]
    lines.append(f"character error rate: {'-' if rate is None else f'{rate:.4f}'}")
    reasons = ", ".join(f"{reason.replace('_', ' ')} {count}" for reason, count in sorted(summary["refused"].items()))
    refused = sum(summary["refused"].values())
    lines.append(f"refused: {refused}{f' ({reasons})' if reasons else ''}; answered wrongly: {summary['wrong']}")
    lost = ", ".join(f"{stage} {count}" for stage, count in sorted(summary["lost_by"].items()))
    lines.append(f"lost by: {lost or 'none'}")
    if summary["milliseconds"]:
        times = ", ".join(f"{percent} %: {value:.0f}" for percent, value in summary["milliseconds"].items())
        lines.append(f"milliseconds a photo: {times}")
    return "\n".join(lines)
