"""What the speed benchmark found, as Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

#: Engines against which the readers are held.
OCR, FLOOR = "rapidocr", "floor"


@dataclass(frozen=True)
class Reading:
    """Medians of reading photos of one size with one engine; times in milliseconds.

    Attributes:
        engine: one of `benchmarks.speed_engine.ENGINES`.
        cpus: how many it may use.
        megapixels: size of the photos.
        whole: from the JPEG's bytes to the reading; for the floor, decoding alone.
        steps: the parts of it by `benchmarks.speed_engine.STEPS`; empty for an engine that does not tell.
        looks: how often stage 1 looked at a photo.
    """

    engine: str
    cpus: int
    megapixels: float
    whole: float
    steps: dict[str, float] = field(default_factory=dict)
    looks: float = 0.0

    @property
    def undecoded(self) -> float:
        """Milliseconds of all but decoding."""
        return self.whole - self.steps.get("decode", 0.0)


@dataclass(frozen=True)
class Start:
    """From a process' start to its first reading: seconds, MiB then, and MiB at the most while it read all photos."""

    engine: str
    seconds: float
    memory: float
    peak: float


@dataclass(frozen=True)
class Arithmetic:
    """A network on one picture: multiply-adds, its milliseconds, and those of as large matrix products."""

    network: str
    engine: str
    cpus: int
    multiply_adds: float
    time: float
    floor: float


@dataclass(frozen=True)
class Batch:
    """Milliseconds a picture where a network gets several at once, on one CPU."""

    network: str
    engine: str
    pictures: int
    time: float


@dataclass(frozen=True)
class Digits:
    """Medians over displays with so many digits, on one CPU, in milliseconds."""

    digits: int
    photos: int
    whole: float
    reading: float


@dataclass(frozen=True)
class Lines:
    """Lines a second, from pictures to texts."""

    task: str
    engine: str
    cpus: int
    batch: int
    per_second: float


@dataclass(frozen=True)
class Course:
    """MiB after each hundredth of many readings in one process."""

    engine: str
    readings: int
    seconds: float
    memory: tuple[float, ...]


@dataclass
class Report:
    """All of a run; `machine` and `photos` say what on, `notes` what was left out."""

    machine: str = ""
    photos: str = ""
    readings: list[Reading] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    arithmetic: list[Arithmetic] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    digits: list[Digits] = field(default_factory=list)
    lines: list[Lines] = field(default_factory=list)
    courses: list[Course] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def tables(report: Report, steps: Sequence[str]) -> str:
    """The report as Markdown; parts that were not measured are left out."""
    parts = [
        f"{report.machine}; {report.photos}; medians.",
        _readings(report, steps),
        _table(
            ("engine", "process start to first reading, s", "MiB then", "MiB at most"),
            [(each.engine, f"{each.seconds:.2f}", f"{each.memory:.0f}", f"{each.peak:.0f}") for each in report.starts],
        ),
        _table(
            ("network", "engine", "CPUs", "multiply-adds, M", "ms", "ms as matrix products", "ratio"),
            [
                (each.network, each.engine, each.cpus, f"{each.multiply_adds / 1e6:.0f}", f"{each.time:.1f}",
                 f"{each.floor:.1f}", _told(each.time / each.floor if each.floor else None, 2))
                for each in report.arithmetic
            ],
        ),
        _batches(report.batches),
        _table(
            ("digits on the display", "photos", "ms", "of them reading"),
            [(each.digits, each.photos, f"{each.whole:.0f}", f"{each.reading:.1f}") for each in report.digits],
        ),
        _lines(report.lines),
        _table(
            ("engine", "readings", "a second", "MiB after 1 %", "after 10 %", "at the end", "at most"),
            [
                (each.engine, each.readings, f"{each.readings / each.seconds:.1f}", f"{each.memory[0]:.0f}",
                 f"{each.memory[len(each.memory) // 10]:.0f}", f"{each.memory[-1]:.0f}", f"{max(each.memory):.0f}")
                for each in report.courses
            ],
        ),
        "\n".join(f"* {note}" for note in report.notes),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def _readings(report: Report, steps: Sequence[str]) -> str:
    """Photos with all engines, and how they compare with general OCR and with decoding alone."""
    known = {(each.engine, each.cpus, each.megapixels): each.whole for each in report.readings}
    rows = []
    for each in report.readings:
        ocr, decoding = (known.get((engine, each.cpus, each.megapixels)) for engine in (OCR, FLOOR))
        name = "JPEG decoded, nothing else" if each.engine == FLOOR else each.engine
        rows.append(
            (
                name,
                each.cpus,
                f"{each.megapixels:g}",
                *(f"{each.steps[step]:.1f}" if each.steps else "-" for step in steps),
                f"{each.whole:.1f}",
                f"{each.undecoded:.1f}" if each.steps else "-",
                f"{each.looks:.0f}" if each.steps else "-",
                f"{ocr / each.whole:.1f}" if ocr is not None and each.engine != OCR else "-",
                f"{each.whole / decoding:.1f}" if decoding is not None and each.engine != FLOOR else "-",
            )
        )
    head = ("engine", "CPUs", "megapixels", *steps, "whole, ms", "without decoding", "looks")
    return _table((*head, "times faster than OCR", "times decoding alone"), rows)


def _batches(batches: Sequence[Batch]) -> str:
    sizes = sorted({each.pictures for each in batches})
    found = {(each.network, each.engine, each.pictures): each.time for each in batches}
    names = list(dict.fromkeys((each.network, each.engine) for each in batches))
    rows = [
        (*name, *(f"{found[*name, size]:.2f}" if (*name, size) in found else "-" for size in sizes)) for name in names
    ]
    return _table(("network", "engine", *(f"ms a picture, {size} at once" for size in sizes)), rows)


def _lines(lines: Sequence[Lines]) -> str:
    kinds = sorted({(each.cpus, each.batch) for each in lines})
    found = {(each.task, each.engine, each.cpus, each.batch): each.per_second for each in lines}
    names = list(dict.fromkeys((each.task, each.engine) for each in lines))
    rows = [
        (*name, *(f"{found[*name, *kind]:.0f}" if (*name, *kind) in found else "-" for kind in kinds)) for name in names
    ]
    heads = (f"lines/s, {cpus} CPU{'s' * (cpus > 1)}, {batch} at once" for cpus, batch in kinds)
    return _table(("task", "engine", *heads), rows)


def _told(number: float | None, places: int) -> str:
    return "-" if number is None else f"{number:.{places}f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; "" without rows."""
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
