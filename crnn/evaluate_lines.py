"""How well a line reader reads a set: every line's answer, and what the answers add up to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from crnn.line_causes import QUALITIES, accuracy_by, count_causes, probable_causes, qualities
from reader.confidence import expected_calibration_error, risk_coverage
from reader.ctc import text_log_probability
from reader.line_metrics import Estimate, LineMeasures
from reader.lines import LineReader
from reader.metrics import Share, align
from training.line_sets import LineSample

#: Parts of the lines that are rejected in the table of what rejecting gains.
REJECTED = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class LineAnswer:
    """What the reader said about one line.

    Attributes:
        name: of the picture.
        truth: what stands there by its label.
        reading: what was read, also where it was refused; "" for nothing.
        accepted: whether the reading is an answer.
        confidence: of the reading, 0 to 1.
        loss: -log of the truth's probability; infinite where the reader can never say the truth.
        distance: Levenshtein distance of reading and truth.
        qualities: measures of the picture, see `crnn.line_causes`.
    """

    name: str
    truth: str
    reading: str
    accepted: bool
    confidence: float
    loss: float
    distance: int
    qualities: dict[str, float]

    @property
    def right(self) -> bool:
        """Whether the reading, accepted or not, is the truth."""
        return self.reading == self.truth

    @property
    def cer(self) -> float:
        """Edits per true character."""
        return self.distance / len(self.truth)


@dataclass
class LinesResult:
    """The answers to all lines.

    Attributes:
        task: what was read.
        answers: one a line.
        measures: of the accepted answers; of plates also without the province.
    """

    task: str
    answers: list[LineAnswer] = field(default_factory=list)
    measures: LineMeasures = field(default_factory=LineMeasures)

    def add(self, answer: LineAnswer) -> None:
        """Adds a line."""
        self.answers.append(answer)
        self.measures.update(answer.reading if answer.accepted else "", answer.truth)

    @property
    def right(self) -> list[bool]:
        """Whether each reading, accepted or not, is the truth."""
        return [answer.right for answer in self.answers]

    @property
    def causes(self) -> list[tuple[str, ...]]:
        """The probable causes of each line, whether it was read right or not."""
        return probable_causes([answer.qualities for answer in self.answers])

    def worst_by_loss(self) -> list[LineAnswer]:
        """All answers, the least likely truth first."""
        return sorted(self.answers, key=lambda answer: (-answer.loss, -answer.cer, answer.name))

    def worst_by_cer(self) -> list[LineAnswer]:
        """The wrong readings, the most edits per character first."""
        wrong = [answer for answer in self.answers if not answer.right]
        return sorted(wrong, key=lambda answer: (-answer.cer, -answer.loss, answer.name))

    def doubtful(self, least: float) -> list[LineAnswer]:
        """Lines whose labels may be wrong: the reader disagrees with at least this confidence, the surest first."""
        found = [answer for answer in self.answers if not answer.right and answer.confidence >= least]
        return sorted(found, key=lambda answer: (-answer.confidence, answer.name))

    def summary(self, doubtful: float) -> dict[str, Any]:
        """Everything as JSON values; shares as [hits, total], other measures as [value, low, high]."""
        confidences, right = [answer.confidence for answer in self.answers], self.right
        losses = [answer.loss for answer in self.answers if math.isfinite(answer.loss)]
        return {
            "task": self.task,
            "lines": len(self.answers),
            **self.measures.lines.counts,
            "measures": {
                part: {name: as_json(value) for name, value in values.items()}
                for part, values in self.measures.summary().items()
            },
            "mean_loss": sum(losses) / len(losses) if losses else None,
            "impossible": [answer.name for answer in self.answers if math.isinf(answer.loss)],
            "calibration_error": expected_calibration_error(confidences, right) if right else None,
            "rejecting": [
                {"rejected": row.rejected, "threshold": row.threshold, "accuracy": row.accuracy, "kept": row.kept}
                for row in (risk_coverage(confidences, right, REJECTED) if right else [])
            ],
            "confusions": [list(row) for row in self.measures.characters.confusions()],
            "causes": {
                row.name: {"wrong": as_json(row.wrong), "right": as_json(row.right)}
                for row in count_causes(self.causes, right)
            },
            "accuracy_by": {name: [[b.low, b.high, *as_json(b.right)] for b in self.bins(name)] for name in QUALITIES},
            "doubtful": [answer.name for answer in self.doubtful(doubtful)],
        }

    def bins(self, quality: str) -> Any:
        """Accuracy by a measure; see `crnn.line_causes.accuracy_by`."""
        return accuracy_by([answer.qualities[quality] for answer in self.answers], self.right)


def evaluate(
    reader: LineReader,
    samples: Sequence[LineSample],
    beam: int | None = None,
    pattern: str | None = None,
    min_confidence: float | None = None,
    progress: Any = None,
) -> LinesResult:
    """Reads every line.

    Args:
        reader: of the task.
        samples: the lines.
        beam: see `LineReader.read`.
        pattern: see `LineReader.read`.
        min_confidence: see `LineReader.read`.
        progress: wraps the samples, as tqdm does.
    """
    settings = reader.settings
    result = LinesResult(settings.task, measures=LineMeasures(first_apart=settings.task == "plate"))
    for sample in progress(samples) if progress else samples:
        told = reader.read(sample.image, beam=beam, pattern=pattern, min_confidence=min_confidence, name=sample.name)
        loss = -text_log_probability(reader.log_probs(sample.image), settings.alphabet, sample.text)
        reading = told.text or told.rejected_text or ""
        result.add(
            LineAnswer(
                sample.name,
                sample.text,
                reading,
                told.success,
                told.confidence,
                max(0.0, loss),  # rounding may take a sure line below
                sum(a != b for a, b in align(reading, sample.text)),
                qualities(sample.image, sample.text),
            )
        )
    return result


def as_json(value: Share | Estimate) -> list[float | None]:
    """[hits, total] of a share, [value, low, high] of another measure; null for what was not measured."""
    if isinstance(value, Share):
        return [value.hits, value.total]
    return [None if math.isnan(number) else round(number, 6) for number in (value.value, value.low, value.high)]


_SHARES = (("accuracy", "accuracy"), ("precision", "precision"), ("recall", "recall"), ("refused", "refused"))
_ESTIMATES = (
    ("precision", "precision"),
    ("recall", "recall"),
    ("f1", "F1"),
    ("cer", "character error rate"),
    ("mean_distance", "mean Levenshtein distance"),
)


def describe(result: LinesResult, doubtful: float) -> str:
    """The result as text."""
    summary = result.summary(doubtful)
    lines = [
        f"{result.task}: {len(result.answers)} lines, {summary['right']} right, {summary['wrong']} wrong, "
        f"{summary['refused']} refused"
    ]
    measured = result.measures.summary()
    for part, told in (("", ""), ("_without_first", ", without the province")):
        if f"lines{part}" not in measured:
            continue
        whole, characters = measured[f"lines{part}"], measured[f"characters{part}"]
        lines.append(f"\nwhole lines{told} (95 % interval)")
        lines += [f"  {name.ljust(26)}{whole[key]}" for key, name in _SHARES]
        lines += [f"  {'F1'.ljust(26)}{whole['f1']}", f"characters{told} (95 % interval)"]
        lines += [f"  {name.ljust(26)}{characters[key]}" for key, name in _ESTIMATES]
    if not result.answers:
        return "\n".join(lines)
    lines += ["", *_confidence(summary), "", *_confusions(result), "", *_causes(result)]
    lines.append(f"\ndoubtful labels (disagrees with confidence {doubtful:g} or more): {len(summary['doubtful'])}")
    for answer in result.doubtful(doubtful)[:20]:
        lines.append(f"  {answer.name}: label {answer.truth}, read {answer.reading} ({answer.confidence:.3f})")
    return "\n".join(lines)


def _confidence(summary: dict[str, Any]) -> list[str]:
    loss = "-" if summary["mean_loss"] is None else f"{summary['mean_loss']:.4f}"
    lines = [f"mean loss of the truth: {loss}"]
    if summary["impossible"]:
        names = ", ".join(summary["impossible"][:5])
        lines.append(
            f"truths that the reader can never say (characters or length): {len(summary['impossible'])}: {names}"
        )
    lines.append(f"calibration error (ECE): {summary['calibration_error']:.4f}")
    lines.append("least confident rejected   threshold   right of the kept   kept")
    for row in summary["rejecting"]:
        lines.append(f"{row['rejected']:22.0%} {row['threshold']:12.4f} {row['accuracy']:18.2%} {row['kept']:8d}")
    return lines


def _confusions(result: LinesResult) -> list[str]:
    lines = ["confused characters: true-read, times (. for none)"]
    rows = result.measures.characters.confusions()[:20]
    return [*lines, *(f"  {truth or '.'}-{answer or '.'}  {count}" for truth, answer, count in rows)]


def _causes(result: LinesResult) -> list[str]:
    lines = ["probable causes (worst tenth of the set)  of the wrong lines       of the right lines"]
    lines += [
        f"  {row.name.ljust(40)}{str(row.wrong).ljust(25)}{row.right}"
        for row in count_causes(result.causes, result.right)
    ]
    for name, unit in QUALITIES.items():
        lines.append(f"read right by {name} ({unit})")
        lines += [
            f"  {each.name.ljust(20)}{each.right.hits} of {each.right.total}, {each.right}"
            for each in result.bins(name)
        ]
    return lines
