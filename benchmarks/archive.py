"""Measures reading in bulk: `read_archive.py` by number of photos and workers, and what kills in the middle cost.

Each run is a process of its own on freshly linked photos; `recognize.py` reads the first of them for comparison. A
worker and then the whole run are killed (SIGKILL) in the middle, and the table that the same command then finishes is
compared with one that was never disturbed. What more photos would take is
reckoned from these.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from archive.journal import photos_done
from reader.arguments import count, whole
from reader.image import write_atomic

ROOT = Path(__file__).resolve().parent.parent

EXAMPLES = """examples:
  python benchmarks/archive.py --photos photos
  python benchmarks/archive.py --photos made/stage1/images --counts 500 2000 20000 --workers 1 2 --json archive.json
  python benchmarks/archive.py --photos made/stage1/images --counts 500 --workers 2 --no_kills"""

#: Numbers of photos that nobody here has, to be reckoned.
RECKONED = (1_000_000, 100_000_000)
#: So much of a run is done when it is killed.
_MIDDLE = 0.4
_LONGEST = 4 * 3600.0
_POLL = 0.2


class RunError(RuntimeError):
    """A run that ends otherwise than it should; the message is one line."""


@dataclass(frozen=True)
class Run:
    """One run of `read_archive.py`.

    Attributes:
        photos: how many it read.
        workers: how many processes read.
        seconds: from its start to its end, of its process.
        driver: MiB of the process that was started, at most.
        table: bytes of its table.
    """

    photos: int
    workers: int
    seconds: float
    driver: float
    table: int

    @property
    def rate(self) -> float:
        """Photos a second, the start of Ray and the merging of the parts included."""
        return self.photos / self.seconds


@dataclass(frozen=True)
class Kill:
    """A run that was killed in the middle.

    Attributes:
        what: was killed, "worker" or "run".
        photos: of the archive.
        done: of these were in finished parts when it was killed.
        seconds: of all its processes together.
        undisturbed: seconds of a run that nobody disturbed.
        missing: photos without a row in the end.
        twice: photos with more than one.
        other: rows with another reading than without the kill.
    """

    what: str
    photos: int
    done: int
    seconds: float
    undisturbed: float
    missing: int
    twice: int
    other: int


@dataclass
class Measured:
    """All that was measured.

    Attributes:
        alone: photos a second of one process of `recognize.py`, its start included.
        runs: that nobody disturbed.
        kills: runs that were killed.
        without_reading: files a second where nothing is read; None where it was not measured.
    """

    alone: float
    runs: list[Run]
    kills: list[Kill]
    without_reading: float | None = None


def link_photos(sources: Sequence[Path], count: int, folder: Path) -> None:
    """Fills a new folder with `count` photos under names of their own: the sources again and again.

    Hard links where the disk allows it: several symbolic links to a photo would count as that photo once.
    """
    folder.mkdir()
    for number in range(count):
        source = sources[number % len(sources)]
        target = folder / f"{number:08d}{source.suffix}"
        try:
            os.link(source.resolve(), target)
        except OSError:
            shutil.copyfile(source, target)


class Started:
    """A running `read_archive.py`.

    Attributes:
        process: of it; leads a process group of its own, so that nothing of it outlives this benchmark.
        out: its table.
        driver: MiB of its memory at most, as far as it was seen.
    """

    def __init__(self, folder: Path, out: Path, workers: int, models: Path | None) -> None:
        command = [sys.executable, str(ROOT / "read_archive.py"), str(folder), str(out), "--workers", str(workers)]
        command += ["--models", str(models)] if models else []
        self.out, self.driver = out, 0.0
        self._begun = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def wait_until(self, reached: Callable[[], bool]) -> float:
        """Seconds since the start when it ended, or when `reached` says so.

        Raises:
            RunError: it takes hours.
        """
        while self.process.poll() is None and not reached():
            self.driver = max(self.driver, _peak(self.process.pid))
            if time.perf_counter() - self._begun > _LONGEST:
                raise RunError(f"{self.out}: not read after {_LONGEST / 3600:.0f} hours")
            time.sleep(_POLL)
        return time.perf_counter() - self._begun

    def end(self, code: int = 0) -> float:
        """Waits for its end with an exit code; seconds since its start.

        Raises:
            RunError: it ends with another one.
        """
        seconds = self.wait_until(lambda: False)
        said = self.process.stderr.read() if self.process.stderr else ""
        if self.process.returncode != code:
            raise RunError(f"read_archive.py ended with {self.process.returncode}: {said.strip()[-200:] or 'no word'}")
        return seconds

    def kill(self) -> None:
        """Kills what is left of it and of all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stderr:
            self.process.stderr.close()


def descendants(pid: int) -> list[int]:
    """Process ids of a process's children and theirs. Linux only."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in path.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def workers_of(pid: int) -> list[int]:
    """The processes of a run that read photos; Ray calls them by the worker's class."""
    return [child for child in descendants(pid) if b"MapWorker" in _command(child)]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _peak(pid: int) -> float:
    """The most memory that a process had, in MiB; 0 where nothing tells."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def undisturbed(folder: Path, out: Path, photos: int, workers: int, models: Path | None, code: int = 0) -> Run:
    """Reads all photos of a folder.

    Args:
        folder: with the photos.
        out: the table.
        photos: how many they are.
        workers: processes that read.
        models: the bundle's folder; None takes the shipped one.
        code: the exit code that is right.

    Raises:
        RunError: the run fails.
    """
    started = Started(folder, out, workers, models)
    try:
        seconds = started.end(code)
    finally:
        started.kill()
    return Run(photos, workers, seconds, started.driver, out.stat().st_size)


def killed(what: str, folder: Path, out: Path, whole: Path, run: Run, models: Path | None) -> Kill:
    """Reads all photos of a folder, with a kill in the middle.

    Args:
        what: "worker": one of the processes that read; "run": everything, and the same command once more.
        folder: with the photos.
        out: the table.
        whole: the table of a run that nobody disturbed.
        run: that one.
        models: the bundle's folder; None takes the shipped one.

    Raises:
        RunError: a run fails that should not.
    """
    started = left = Started(folder, out, run.workers, models)
    try:
        started.wait_until(lambda: photos_done(out) >= _MIDDLE * run.photos)
        done = photos_done(out)
        if what == "worker":
            reading = workers_of(started.process.pid)
            if not reading:
                raise RunError("no worker of read_archive.py was found to be killed")
            _kill(reading[0])
            seconds = started.end()
        else:
            _kill(started.process.pid)  # what it started is left to find out
            left, first = started, started.wait_until(lambda: False)
            started = Started(folder, out, run.workers, models)
            seconds = first + started.end()
    finally:
        for each in (left, started):
            each.kill()
    return Kill(what, run.photos, done, seconds, run.seconds, *compared(whole, out))


def compared(whole: Path, out: Path) -> tuple[int, int, int]:
    """Photos of one table that another lacks, has twice, or has another reading of."""
    first, second = _readings(whole), _readings(out)
    missing = sum(path not in second for path in first)
    twice = sum(len(texts) > 1 for texts in second.values())
    return missing, twice, sum(path in second and second[path][0] != texts[0] for path, texts in first.items())


def _readings(table: Path) -> dict[str, list[str]]:
    import pyarrow.parquet as pq

    found: dict[str, list[str]] = {}
    for row in pq.read_table(table, columns=["path", "text"]).to_pylist():
        found.setdefault(row["path"], []).append(row["text"])
    return found


def one_process(folder: Path, photos: int, models: Path | None) -> float:
    """Photos a second of one process of `recognize.py`, its start included.

    Raises:
        RunError: it fails.
    """
    command = [sys.executable, str(ROOT / "recognize.py"), "--json"]
    command += ["--models", str(models)] if models else []
    begun = time.perf_counter()
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begun
    lines = len(done.stdout.splitlines())
    if lines != photos:
        raise RunError(f"recognize.py read {lines} of {photos} photos: {done.stderr.strip()[-200:] or 'no word'}")
    return photos / seconds


def lasting_rate(runs: Sequence[Run]) -> float:
    """Photos a second and worker of a run so long that its start does not count: by what more photos took longer.

    Of the runs with most workers; of a single one its own rate.
    """
    workers = max(run.workers for run in runs)
    same = sorted((run for run in runs if run.workers == workers), key=lambda run: run.photos)
    few, many = same[0], same[-1]
    if many.photos > few.photos and many.seconds > few.seconds:
        return (many.photos - few.photos) / (many.seconds - few.seconds) / workers
    return many.rate / workers


def without_reading(folder: Path, files: int, workers: int, models: Path | None) -> float:
    """Files a second where nothing is read, since they are no pictures: what listing, Ray and writing rows take.

    Raises:
        RunError: a run fails.
    """
    runs = []
    for count_of in (files // 4, files):
        empty = folder / f"empty_{count_of}"
        empty.mkdir()
        for number in range(count_of):
            (empty / f"{number:08d}.jpg").write_bytes(b"no picture")
        out = folder / f"empty_{count_of}.parquet"
        runs.append(undisturbed(empty, out, count_of, workers, models, code=1))
    return workers * lasting_rate(runs)


def measure(flags: argparse.Namespace, folder: Path) -> Measured:
    """All that was asked for.

    Raises:
        RunError: a run fails that should not.
        OSError: the disk is full.
    """
    sources = sorted(path for path in flags.photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not sources:
        raise RunError(f"{flags.photos}: a folder with JPEG or PNG photos wanted")
    counts = sorted(set(flags.counts))
    few = min(counts[0], flags.alone)
    link_photos(sources, few, folder / "alone")
    measured = Measured(one_process(folder / "alone", few, flags.models), [], [])
    plan = [(photos, workers) for photos in counts for workers in sorted(set(flags.workers))]
    for photos, workers in tqdm(plan, desc="runs", disable=None):
        links = folder / f"photos_{photos}"
        if not links.exists():
            link_photos(sources, photos, links)
        measured.runs.append(undisturbed(links, folder / f"{photos}_{workers}.parquet", photos, workers, flags.models))
    if flags.kills:
        run = next(each for each in measured.runs if each.photos == counts[0] and each.workers == max(flags.workers))
        whole = folder / f"{run.photos}_{run.workers}.parquet"
        links = folder / f"photos_{run.photos}"
        for what in ("worker", "run"):
            measured.kills.append(killed(what, links, folder / f"{what}.parquet", whole, run, flags.models))
    if flags.empty:
        measured.without_reading = without_reading(folder, flags.empty, max(flags.workers), flags.models)
    return measured


def tables(measured: Measured) -> str:
    """What was measured, as Markdown."""
    alone, runs, kills = measured.alone, measured.runs, measured.kills
    lines = [
        "| photos | workers | seconds | photos/s | of one recognize.py | MiB of the driver at most |",
        "| --: | --: | --: | --: | --: | --: |",
    ]
    for run in runs:
        rates = f"{run.rate:.1f} | {run.rate / alone:.2f}"
        lines.append(f"| {run.photos} | {run.workers} | {run.seconds:.0f} | {rates} | {run.driver:.0f} |")
    lines += ["", f"One process of recognize.py: {alone:.1f} photos/s. All with what it takes to start and to end."]
    if kills:
        lines += [
            "",
            "| killed | photos | in finished parts by then | seconds | without a kill | rows missing "
            "| rows twice | other readings |",
            "| --- | --: | --: | --: | --: | --: | --: | --: |",
        ]
    for kill in kills:
        counts = f"{kill.photos} | {kill.done} | {kill.seconds:.0f} | {kill.undisturbed:.0f}"
        lines.append(f"| {kill.what} | {counts} | {kill.missing} | {kill.twice} | {kill.other} |")
    rate, row = lasting_rate(runs), max(runs, key=lambda run: run.photos)
    lines += [
        "",
        f"Reckoned from {rate:.1f} photos a second and worker in a long run:",
        "",
        "| photos | hours of one core | hours of 1000 cores | GiB of the table |",
        "| --: | --: | --: | --: |",
    ]
    for photos in RECKONED:
        hours = photos / rate / 3600
        lines.append(f"| {photos} | {hours:.0f} | {hours / 1000:.1f} | {photos * row.table / row.photos / 2**30:.1f} |")
    if measured.without_reading is not None:
        lines += [
            "",
            f"Files that are no pictures: {measured.without_reading:.0f} a second. With so many the process that lists "
            f"them and writes the rows keeps up: with {measured.without_reading / rate:.0f} workers.",
        ]
    return "\n".join(lines)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--photos", type=Path, required=True, metavar="DIR", help="folder of JPEG or PNG photos, used again and again")
    add("--counts", type=count, nargs="+", default=[500, 2000], metavar="N", help="photos a run (default: 500 2000)")
    add("--workers", type=count, nargs="+", default=[1, 2], metavar="N", help="processes that read (default: 1 2)")
    add("--alone", type=count, default=500, metavar="N", help="photos for recognize.py, at most (default: 500)")
    add("--empty", type=whole, default=20_000, metavar="N", help="files that are no pictures, 0: none (default: 20000)")
    add("--no_kills", dest="kills", action="store_false", help="kill nothing")
    add("--models", type=Path, metavar="DIR", help="another folder of models than deploy/models")
    add("--json", type=Path, metavar="FILE", help="also write the figures here")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints; returns the exit code."""
    flags = parse_arguments(arguments)
    folder = Path(tempfile.mkdtemp(prefix="archive-benchmark-"))
    try:
        measured = measure(flags, folder)
    except (RunError, OSError) as error:
        print(f"archive.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("archive.py: stopped", file=sys.stderr)
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    cpus = len(os.sched_getaffinity(0))
    print(f"{cpus} CPUs\n\n{tables(measured)}")
    if flags.json:
        write_atomic(flags.json, json.dumps({"cpus": cpus, **asdict(measured)}, indent=2).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
