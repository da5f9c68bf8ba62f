"""Measures the speed of reading: all of it in one run, each engine in a process of its own, asked in turn.

Photos of several sizes are read from their bytes by each runtime that there is, on one CPU and on two, step by step;
beside them a general OCR engine reads (--ocr_python names a Python that has benchmarks/requirements-ocr.txt), and the
JPEG alone is decoded. What cannot be measured is left out with a note. Prints the tables of the README; wants a quiet
machine.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import platform
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.speed_engine import RUNTIMES, STEPS, Answer, available, file_of
from benchmarks.speed_processes import ROOT, Engine, EngineError, keras_files, start_all
from benchmarks.speed_tables import (
    FLOOR,
    OCR,
    Arithmetic,
    Batch,
    Course,
    Digits,
    Lines,
    Reading,
    Report,
    Start,
    tables,
)
from reader.bundle import DEFAULT_FOLDER, Bundle, load_bundle
from reader.image import write_atomic

EXAMPLES = """examples:
  python benchmarks/speed.py --ocr_python .venv-ocr/bin/python --picture resources/speed.png
  python benchmarks/speed.py --photos photos --megapixels 2 12 --runtimes "onnx int8" --cpus 1
  python benchmarks/speed.py --rounds 1 --count 1 --readings 10000     (whether memory stays flat)

int8 and SavedModel, where deploy/models lacks them: deploy/prepare_model.py --out DIR, then --models DIR
"""


def chosen_engines(flags: argparse.Namespace, bundle: Bundle, report: Report) -> list[str]:
    """The engines to measure; what is left out is noted."""
    networks = [bundle.stage1.files, bundle.stage2.files, *(line.files for line in bundle.lines.values())]
    networks += [small.files for small in (bundle.point, bundle.corners, bundle.judge) if small is not None]
    engines = []
    for name in flags.runtimes:
        if not available(name, networks):
            report.notes.append(f"{name}: left out, {flags.models} has no such files (deploy/prepare_model.py)")
        else:
            engines.append(name)
    if "keras" in engines:
        hashes = {hashlib.sha256(path.read_bytes()).hexdigest() for path in keras_files(flags)}
        if len(hashes) < 2:
            engines.remove("keras")
            report.notes.append(f"keras: left out, {flags.keras} has no retinanet/stage1.keras and stage2.keras")
        elif not {bundle.stage1.source_sha256, bundle.stage2.source_sha256} <= hashes:
            report.notes.append("keras: other weights than those that were exported")
    if flags.ocr_python is None:
        report.notes.append(
            "general OCR: left out; --ocr_python names a Python that has it (benchmarks/requirements-ocr.txt)"
        )
    return [*engines, *([OCR] if flags.ocr_python else []), FLOOR]


def read_photos(engines: Sequence[Engine], photos: Mapping[float, Sequence[Path]], rounds: int) -> list[Reading]:
    """All engines on all photos in turn, so that what else the machine does meets all of them."""
    found: dict[tuple[str, int, float], list[Answer]] = defaultdict(list)
    asked = [(size, path) for _ in range(rounds) for size in photos for path in photos[size]]
    for size, path in tqdm(asked, desc="photos", unit="photo", disable=None):
        for engine in engines:
            found[engine.name, engine.cpus, size].append(engine.ask("read", photo=str(path)))
    return [_reading(*key, answers) for key, answers in sorted(found.items(), key=lambda item: _order(*item[0]))]


def _order(name: str, cpus: int, size: float) -> tuple[int, float, int]:
    return cpus, size, (*RUNTIMES, OCR, FLOOR).index(name)


def _reading(name: str, cpus: int, size: float, answers: Sequence[Answer]) -> Reading:
    steps = {}
    if "steps" in answers[0]:
        steps = {step: 1000 * statistics.median(each["steps"][step] for each in answers) for step in STEPS}
    whole = 1000 * statistics.median(each["seconds"] for each in answers)
    return Reading(name, cpus, size, whole, steps, statistics.median(each.get("looks", 0) for each in answers))


def arithmetic(engines: Sequence[Engine], bundle: Bundle, flags: argparse.Namespace, report: Report) -> None:
    """The networks of a reading against matrix products on the same CPUs, and with several pictures at once."""
    from benchmarks.multiply_adds import multiply_adds

    files = {"stage1": bundle.stage1.files, "stage2": bundle.stage2.files}
    files |= {task: line.files for task, line in bundle.lines.items() if task == "display"}
    counts = {}
    for name, each in files.items():
        path = file_of("onnx float32", each)
        if path is not None:
            counts[name] = multiply_adds(flags.models / path)
    rates = {engine.cpus: engine.ask("multiply")["rate"] for engine in engines if engine.name == FLOOR}
    asked = [(engine, name, size) for name in files for size in flags.batches for engine in engines]
    for engine, name, size in tqdm(asked, desc="networks", disable=None):
        if engine.name in (OCR, FLOOR) or (engine.name == "keras" and name == "display" and not _has(flags, name)):
            continue
        time = engine.ask("network", name=name, batch=size, calls=flags.calls)["seconds"]
        if size == 1 and name in counts and engine.cpus in rates:
            floor = counts[name] / rates[engine.cpus]
            report.arithmetic.append(
                Arithmetic(name, engine.name, engine.cpus, counts[name], 1000 * time, 1000 * floor)
            )
        if engine.cpus == min(flags.cpus):
            report.batches.append(Batch(name, engine.name, size, 1000 * time / size))


def _has(flags: argparse.Namespace, task: str) -> bool:
    return any(path.stem == task for path in keras_files(flags))


def lines(engines: Sequence[Engine], bundle: Bundle, folder: Path, flags: argparse.Namespace) -> Iterator[Lines]:
    """Lines a second of each task's reader."""
    from benchmarks.speed_photos import line_file

    for task in bundle.lines:
        pictures = line_file(folder, task, max(flags.line_batches), flags.seed)
        if pictures is None:
            continue
        asked = [(engine, batch) for batch in flags.line_batches for engine in engines if engine.name in RUNTIMES]
        for engine, batch in tqdm(asked, desc=f"{task} lines", disable=None):
            if engine.name == "keras" and not _has(flags, task):
                continue
            told = engine.ask("line", task=task, pictures=str(pictures), batch=batch, calls=flags.calls)
            yield Lines(task, engine.name, engine.cpus, batch, told["lines"] / told["seconds"])


def digits(engine: Engine, folder: Path, flags: argparse.Namespace) -> Iterator[Digits]:
    """How a reading grows with the digits on the display."""
    from benchmarks.speed_photos import digit_files

    files = digit_files(folder, flags.displays, flags.seed)
    answers: dict[int, list[Answer]] = defaultdict(list)
    for _ in range(flags.rounds):
        for count, paths in files.items():
            answers[count] += [engine.ask("read", photo=str(path)) for path in paths]
    for count, paths in files.items():
        read = _reading(engine.name, engine.cpus, 0, answers[count])
        yield Digits(count, len(paths), read.whole, read.steps["reading"])


def machine() -> str:
    """The processor's name."""
    try:
        names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        return names[0].split(":", 1)[1].strip()
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def measure(flags: argparse.Namespace) -> Report:
    """The whole run.

    Raises:
        BundleError: --models is no bundle.
        OSError: no photos, or a full disk.
        EngineError: an engine that ran does not answer any more.
    """
    bundle = load_bundle(flags.models)
    report = Report(machine=machine())
    names = chosen_engines(flags, bundle, report)
    from benchmarks.speed_photos import photo_files

    with tempfile.TemporaryDirectory() as made, ExitStack() as stack:
        folder = Path(made)
        photos = photo_files(folder, flags.megapixels, flags.count, flags.seed, flags.photos)
        middle = photos[sorted(photos)[len(photos) // 2]]
        engines, starts = start_all(names, middle[0], flags, stack, report)
        report.photos = f"{len(middle)} photos, {flags.rounds} rounds"
        report.readings = read_photos(engines, photos, flags.rounds)
        for engine in engines:
            if engine.cpus == min(flags.cpus) and engine.name != FLOOR:
                started = statistics.median(each.started for each in starts[engine.name])
                report.starts.append(Start(engine.name, started, engine.first["now"], engine.ask("memory")["peak"]))
        readers = [engine for engine in engines if engine.name in RUNTIMES and engine.cpus == min(flags.cpus)]
        if flags.readings and readers:  # before anything else makes the process larger
            told = readers[0].ask("many", photos=[str(path) for path in middle], count=flags.readings)
            report.courses = [Course(readers[0].name, flags.readings, told["seconds"], tuple(told["memory"]))]
        if flags.batches:
            arithmetic(engines, bundle, flags, report)
        report.lines = list(lines(engines, bundle, folder, flags)) if flags.line_batches else []
        report.digits = list(digits(readers[0], folder, flags)) if flags.displays and readers else []
    return report


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--models", type=Path, default=DEFAULT_FOLDER, metavar="DIR", help="bundle folder (default: deploy/models)")
    add("--keras", type=Path, default=ROOT, metavar="DIR", help="has retinanet/*.keras, crnn/*.keras (default: here)")
    add("--ocr_python", metavar="PATH", help="a Python with a general OCR engine, rapidocr-onnxruntime")
    add("--runtimes", nargs="+", default=list(RUNTIMES), choices=RUNTIMES, help="(default: all)")
    add("--cpus", type=_positive, nargs="+", default=[1, 2], help="how many a process may use (default: 1 2)")
    add("--photos", type=Path, metavar="DIR", help="photos to read (default: made ones)")
    add("--megapixels", type=float, nargs="+", default=[0.5, 2, 12], help="they are resized (default: 0.5 2 12)")
    add("--count", type=_positive, default=8, help="photos of each size (default: %(default)s)")
    add("--rounds", type=_positive, default=3, help="how often each is read (default: %(default)s)")
    add("--starts", type=_positive, default=5, help="process starts of each engine (default: %(default)s)")
    add("--batches", type=_positive, nargs="*", default=[1, 2, 4, 8, 16], help="pictures at once, none: left out")
    add("--line_batches", type=_positive, nargs="*", default=[1, 64], help="lines at once, none: left out")
    add("--calls", type=_positive, default=5, help="of a network or of all lines; the shortest counts (default: 5)")
    add("--displays", type=int, default=40, help="photos to see growth with digits on, 0: left out (default: 40)")
    add("--readings", type=int, default=0, metavar="N", help="also so many in one process, for its memory (default: 0)")
    add("--seed", type=int, default=2026, help="of made photos and lines (default: %(default)s)")
    add("--picture", type=Path, metavar="PNG", help="also draw the figures")
    add("--json", type=Path, metavar="FILE", help="also write them here")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    """Measures, prints and draws; returns the exit code."""
    flags = parse_arguments(arguments)
    if not hasattr(os, "sched_setaffinity") or max(flags.cpus) > len(os.sched_getaffinity(0)):
        print(f"speed.py: --cpus {max(flags.cpus)}: this process cannot have as many", file=sys.stderr)
        return 2
    try:
        report = measure(flags)
        print(tables(report, STEPS), end="")
        if flags.json:
            write_atomic(flags.json, json.dumps(dataclasses.asdict(report), indent=1).encode())
        if flags.picture:
            from benchmarks.speed_picture import draw

            draw(report, STEPS, flags.picture)
    except (OSError, ValueError, EngineError) as error:  # BundleError and ImageError are ValueErrors
        print(f"speed.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
