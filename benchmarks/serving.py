"""Measures the server: latency and throughput at 1 to 32 clients, against the bare pipeline in one process.

Prints a Markdown table. The server is started here, on a port of its own, once for each runtime. Server and pipeline
take turns, so that whatever else the machine does meets both: the column "of the pipeline" is the median of their
ratios. With --ocr, a general OCR engine reads the same photos.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from reader.bundle import BundleError
from reader.image import write_atomic
from reader.pipeline import MeterReader

ROOT = Path(__file__).resolve().parent.parent

EXAMPLES = """examples:
  python benchmarks/serving.py --photos photos
  python benchmarks/serving.py --photos photos --clients 1 8 32 --seconds 5 --runtimes onnx savedmodel
  python benchmarks/serving.py --photos photos --ocr .venv-ocr/bin/python      see benchmarks/requirements-ocr.txt
  python benchmarks/serving.py --photos photos -- --workers 2 --threads 1"""


@dataclass
class Measured:
    """Photos that were read, in several turns.

    Attributes:
        times: seconds of each photo.
        seconds: of all turns.
        failed: photos that were not answered with 200.
    """

    times: list[float] = field(default_factory=list)
    seconds: float = 0.0
    failed: int = 0

    @property
    def rate(self) -> float:
        """Photos a second."""
        return len(self.times) / self.seconds if self.seconds else 0.0

    def add(self, other: Measured) -> None:
        """Take the photos of another turn too."""
        self.times += other.times
        self.seconds += other.seconds
        self.failed += other.failed


@dataclass(frozen=True)
class Row:
    """One line of the table; times in milliseconds, memory of the largest worker in MiB, see `memory`."""

    what: str
    clients: int
    photos_per_second: float
    p50: float
    p95: float
    p99: float
    failed: int = 0
    of_pipeline: float | None = None
    cpu: float | None = None
    pss: float | None = None
    rss: float | None = None


def row(what: str, clients: int, measured: Measured, **more: float | None) -> Row:
    """A line from what was measured."""
    p50, p95, p99 = 1000 * np.percentile(measured.times, [50, 95, 99]) if measured.times else [float("nan")] * 3
    return Row(what, clients, measured.rate, float(p50), float(p95), float(p99), measured.failed, **more)


def one_by_one(read: Callable[[bytes], object], photos: Iterator[bytes], seconds: float) -> Measured:
    """Photos one after another in this process, for so long."""
    measured = Measured()
    start = time.perf_counter()
    while measured.seconds < seconds:
        begin = time.perf_counter()
        read(next(photos))
        measured.times.append(time.perf_counter() - begin)
        measured.seconds = time.perf_counter() - start
    return measured


@contextmanager
def server(runtime: str, models: Path | None, extra: list[str]) -> Iterator[tuple[int, int]]:
    """A running server: its port and process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "serve.py", "--host", "127.0.0.1", "--port", str(port), "--runtime", runtime]
    command += ["--models", str(models.resolve())] if models is not None else []
    process = subprocess.Popen(
        [*command, "--max_waiting", "64", *extra], cwd=ROOT / "deploy", stderr=subprocess.DEVNULL
    )
    try:
        start = time.monotonic()
        while not _healthy(port):
            if process.poll() is not None or time.monotonic() - start > 120:
                raise RuntimeError(
                    f"the server with runtime {runtime} does not start; try `python serve.py` in deploy/"
                )
            time.sleep(0.02)
        print(f"{runtime}: ready after {time.monotonic() - start:.2f} s", file=sys.stderr)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(120)


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def load(port: int, photos: Iterator[bytes], clients: int, seconds: float) -> Measured:
    """As many clients as asked, each sending its next photo when the last one is answered, for so long."""
    measured, lock = Measured(), threading.Lock()
    start = time.perf_counter()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while time.perf_counter() - start < seconds:
            with lock:
                photo = next(photos)
            begin = time.perf_counter()
            good = False
            try:
                connection.request("POST", "/recognize", photo, {"Content-Type": "image/jpeg"})
                answer = connection.getresponse()
                answer.read()
                good = answer.status == 200
            except (OSError, http.client.HTTPException):
                connection.close()  # the next request opens it anew
            took = time.perf_counter() - begin
            with lock:
                if good:
                    measured.times.append(took)
                else:
                    measured.failed += 1
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    measured.seconds = time.perf_counter() - start
    return measured


def workers_of(master: int) -> list[int]:
    """Process ids of a server's workers. Linux only, else none."""
    path = Path(f"/proc/{master}/task/{master}/children")
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


def memory(pid: int) -> tuple[float, float]:
    """A process's memory in MiB: proportional (shared pages count by their share), and all resident pages."""
    sizes = {
        line.split(":")[0]: line.split()[1] for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    }
    return int(sizes["Pss"]) / 1024, int(sizes["Rss"]) / 1024


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_runtime(runtime: str, photos: list[bytes], flags: argparse.Namespace) -> list[Row]:
    """The lines of one runtime: the pipeline's own, then the server's by clients.

    Raises:
        BundleError: the models have no such files.
        RuntimeError: the server does not start.
    """
    read = MeterReader.load(flags.models, runtime).read
    sent = cycle(photos)
    for photo in photos:
        read(photo)
    alone, own_cpu, rows = Measured(), 0.0, []
    slice_seconds = flags.seconds / flags.rounds
    with server(runtime, flags.models, flags.server) as (port, master):
        load(port, sent, 2, min(1.0, slice_seconds))
        for clients in flags.clients:
            together, ratios, begun = Measured(), [], {pid: cpu_seconds(pid) for pid in workers_of(master)}
            for _ in tqdm(range(flags.rounds), desc=f"{runtime}, {clients} clients"):
                cpu = time.process_time()
                bare = one_by_one(read, sent, slice_seconds)
                own_cpu += time.process_time() - cpu
                served = load(port, sent, clients, slice_seconds)
                ratios.append(served.rate / bare.rate)
                alone.add(bare)
                together.add(served)
            used = sum(cpu_seconds(pid) - before for pid, before in begun.items())
            sizes = [memory(pid) for pid in workers_of(master)]
            more = {
                "of_pipeline": float(np.median(ratios)),
                "cpu": 1000 * used / max(1, len(together.times)) if begun else None,
                "pss": max((pss for pss, _ in sizes), default=None),
                "rss": max((rss for _, rss in sizes), default=None),
            }
            rows.append(row(f"server, {runtime}", clients, together, **more))
    return [row(f"pipeline, {runtime}", 1, alone, of_pipeline=1.0, cpu=1000 * own_cpu / len(alone.times)), *rows]


def general_ocr(python: Path, folder: Path, seconds: float) -> Row:
    """A general OCR engine on the same photos.

    Raises:
        RuntimeError: that Python cannot run it.
    """
    command = [str(python), str(ROOT / "benchmarks" / "general_ocr.py"), str(folder), str(seconds)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise RuntimeError(f"{python}: {error.strerror}; --ocr takes a Python with requirements-ocr.txt") from error
    if done.returncode:
        fault = (done.stderr.strip().splitlines() or ["no word why"])[-1]
        raise RuntimeError(f"{python} cannot run the OCR engine ({fault}); see benchmarks/requirements-ocr.txt")
    values = json.loads(done.stdout.splitlines()[-1])
    return row("RapidOCR (PP-OCRv4), bare", 1, Measured(values["times"], values["seconds"]))


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--photos", type=Path, required=True, metavar="DIR", help="folder of JPEG photos")
    add("--clients", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32], metavar="N", help="(default: 1 2 4 8 16 32)")
    add("--seconds", type=float, default=20.0, help="of the server, for each line of the table (default: 20)")
    add("--rounds", type=int, default=5, help="turns that server and pipeline take in it (default: 5)")
    add("--runtimes", nargs="+", default=["onnx"], choices=("onnx", "savedmodel"), help="(default: onnx)")
    add("--models", type=Path, metavar="DIR", help="another folder of models than deploy/models")
    add("--ocr", type=Path, metavar="PYTHON", help="also a general OCR engine, in the environment of this Python")
    add("--json", type=Path, metavar="FILE", help="also write the lines here")
    add("server", nargs="*", help="flags of serve.py, after --")
    flags = parser.parse_args(arguments)
    if min(flags.clients) < 1 or flags.rounds < 1 or flags.seconds <= 0:
        parser.error("--clients, --rounds and --seconds are more than 0")
    return flags


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints; returns the exit code."""
    flags = parse_arguments(arguments)
    photos = [path.read_bytes() for path in sorted(flags.photos.glob("*.jp*g"))] if flags.photos.is_dir() else []
    if not photos:
        print(f"serving.py: {flags.photos}: no folder with JPEG photos", file=sys.stderr)
        return 2
    rows: list[Row] = []
    try:
        if flags.ocr:
            rows.append(general_ocr(flags.ocr, flags.photos, flags.seconds))
        for runtime in flags.runtimes:
            rows += measure_runtime(runtime, photos, flags)
    except (BundleError, RuntimeError, OSError) as error:
        print(f"serving.py: {error}", file=sys.stderr)
        return 1
    print_table(rows)
    if flags.json:
        write_atomic(flags.json, json.dumps([asdict(each) for each in rows], indent=2).encode())
    return 0


def print_table(rows: list[Row]) -> None:
    """The lines as Markdown."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{cpus} CPUs, load {os.getloadavg()[0]:.1f}\n" if hasattr(os, "getloadavg") else f"{cpus} CPUs\n")
    titles = "clients | photos/s | of the pipeline | p50 ms | p95 ms | p99 ms | failed | CPU ms | PSS MiB | RSS MiB"
    print(f"| what | {titles} |")
    print(f"| --- |{' --: |' * len(titles.split('|'))}")
    for each in rows:
        numbers = f"{each.p50:.0f} | {each.p95:.0f} | {each.p99:.0f} | {each.failed}"
        more = [f"{value:.0f}" if value is not None else "-" for value in (each.cpu, each.pss, each.rss)]
        ratio = f"{100 * each.of_pipeline:.0f} %" if each.of_pipeline is not None else "-"
        rate = f"{each.photos_per_second:.1f}"
        print(f"| {each.what} | {each.clients} | {rate} | {ratio} | {numbers} | {' | '.join(more)} |")


if __name__ == "__main__":
    sys.exit(main())
