"""The processes that the speed benchmark measures in: started in turn, asked in turn."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import Any

from tqdm import tqdm

from benchmarks.speed_engine import Answer
from benchmarks.speed_tables import OCR, Report

ROOT = Path(__file__).resolve().parent.parent


class EngineError(RuntimeError):
    """An engine that does not start or answer; the message is one line."""


class Engine:
    """A running `benchmarks.speed_engine`.

    Attributes:
        name: of the engine.
        cpus: how many it has.
        started: seconds from the process' start to its first reading.
        first: what it answered then.
    """

    def __init__(self, name: str, cpus: int, first: Path, flags: argparse.Namespace) -> None:
        """Starts it and waits for its first reading.

        Raises:
            EngineError: it does not start.
        """
        self.name, self.cpus = name, cpus
        python = flags.ocr_python if name == OCR else sys.executable
        own = sorted(os.sched_getaffinity(0))[:cpus]
        command = [python, ROOT / "benchmarks" / "speed_engine.py", name, "--cpus", *own, "--models", flags.models]
        command += ["--first", first, "--keras", *keras_files(flags)]
        start = perf_counter()
        self._process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            self.first = self._answer()
        except EngineError:
            self.stop()
            raise
        self.started = perf_counter() - start

    def ask(self, what: str, **given: Any) -> Answer:
        """The answer to one question.

        Raises:
            EngineError: it cannot answer.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **given}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Answer:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": f"{self.name}: ended with code {self._process.wait()}"}
        if "error" in answer:
            raise EngineError(str(answer["error"]))
        return dict(answer)

    def stop(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


def keras_files(flags: argparse.Namespace) -> list[Path]:
    """The .keras files that there are: of both stages, the small networks beside them, and line readers."""
    files = [flags.keras / "retinanet" / f"{stage}.keras" for stage in ("stage1", "stage2")]
    files.append(flags.keras / "points" / "point.keras")
    files += [flags.keras / "corners" / f"{name}.keras" for name in ("corners", "judge")]
    files += sorted((flags.keras / "characters").glob("*.keras"))
    return [path for path in (*files, *sorted((flags.keras / "crnn").glob("*.keras"))) if path.is_file()]


def start_all(
    names: Sequence[str], first: Path, flags: argparse.Namespace, stack: ExitStack, report: Report
) -> tuple[list[Engine], dict[str, list[Engine]]]:
    """Starts each engine as often as asked on the fewest CPUs, in turn; the last of each stays, and one for more CPUs.

    Returns:
        The engines that run, and by name all that were started for the start's time.
    """
    running: list[Engine] = []
    starts: dict[str, list[Engine]] = defaultdict(list)
    wanted = [(name, min(flags.cpus), go) for go in range(flags.starts) for name in names]
    wanted += [(name, cpus, flags.starts - 1) for cpus in sorted(flags.cpus)[1:] for name in names]
    missing: set[str] = set()
    for name, cpus, go in tqdm(wanted, desc="starts", unit="process", disable=None):
        if name in missing:
            continue
        try:
            engine = Engine(name, cpus, first, flags)
        except (EngineError, OSError) as error:
            report.notes.append(f"{name}: left out, {error}")
            missing.add(name)
            continue
        if go == flags.starts - 1:
            running.append(engine)
            stack.callback(engine.stop)
        else:
            engine.stop()
        if cpus == min(flags.cpus):
            starts[name].append(engine)
    return running, starts
