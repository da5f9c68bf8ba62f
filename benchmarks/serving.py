"""Measures the server: latency and throughput at 1 to 32 clients, against the bare pipeline in one process.

Prints a Markdown table. The server is started here, on a port of its own, once for each runtime. With --ocr, a general
OCR engine (rapidocr-onnxruntime, where it is installed) reads the same photos.
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
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from reader.bundle import BundleError
from reader.image import load_image, write_atomic
from reader.pipeline import MeterReader

ROOT = Path(__file__).resolve().parent.parent

EXAMPLES = """examples:
  python benchmarks/serving.py --photos photos
  python benchmarks/serving.py --photos photos --clients 1 8 32 --requests 200 --runtimes onnx savedmodel --ocr
  python benchmarks/serving.py --photos photos -- --workers 2 --threads 1"""


@dataclass(frozen=True)
class Row:
    """One line of the table; times in milliseconds, memory of one worker in MiB."""

    what: str
    clients: int
    photos_per_second: float
    p50: float
    p95: float
    p99: float
    failed: int = 0
    memory: float = 0.0


def row(what: str, clients: int, seconds: float, times: list[float], failed: int = 0, memory: float = 0.0) -> Row:
    """A line from the seconds of each photo."""
    p50, p95, p99 = 1000 * np.percentile(times, [50, 95, 99]) if times else [float("nan")] * 3
    return Row(what, clients, len(times) / seconds, float(p50), float(p95), float(p99), failed, memory)


def one_by_one(what: str, read: Callable[[bytes], object], photos: list[bytes], requests: int) -> Row:
    """The photos one after another in this process."""
    read(photos[0])
    times: list[float] = []
    start = time.perf_counter()
    for photo in tqdm(islice(cycle(photos), requests), total=requests, desc=what):
        begin = time.perf_counter()
        read(photo)
        times.append(time.perf_counter() - begin)
    return row(what, 1, time.perf_counter() - start, times)


@contextmanager
def server(runtime: str, extra: list[str]) -> Iterator[tuple[int, int]]:
    """A running server: its port and process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "serve.py", "--host", "127.0.0.1", "--port", str(port), "--runtime", runtime]
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
        process.wait(60)


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def load(what: str, port: int, pid: int, photos: list[bytes], clients: int, requests: int) -> Row:
    """As many clients as asked, each sending its next photo when the last one is answered."""
    work = iter(list(islice(cycle(photos), requests)))
    lock, times, failed = threading.Lock(), list[float](), list[int]()
    progress = tqdm(total=requests, desc=f"{what}, {clients} clients")

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while True:
            with lock:
                photo = next(work, None)
            if photo is None:
                break
            begin = time.perf_counter()
            connection.request("POST", "/recognize", photo, {"Content-Type": "image/jpeg"})
            answer = connection.getresponse()
            answer.read()
            with lock:
                (times if answer.status == 200 else failed).append(time.perf_counter() - begin)  # type: ignore[arg-type]
                progress.update()
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    progress.close()
    return row(what, clients, seconds, times, len(failed), worker_memory(pid))


def worker_memory(master: int) -> float:
    """Proportional set size of the largest worker in MiB; shared pages count by their share. Linux only, else 0."""
    largest = 0.0
    try:
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        for child in children:
            for line in Path(f"/proc/{child}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    largest = max(largest, int(line.split()[1]) / 1024)
    except OSError:
        return 0.0
    return largest


def general_ocr(photos: list[bytes], requests: int) -> Row | None:
    """A general OCR engine on the same photos; None where it is not installed."""
    try:
        from rapidocr_onnxruntime import RapidOCR
    except ImportError:
        print("rapidocr-onnxruntime is not installed; left out", file=sys.stderr)
        return None
    engine = RapidOCR()
    return one_by_one("rapidocr", lambda photo: engine(load_image(photo)[:, :, ::-1]), photos, requests)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, required=True, help="folder of JPEG photos")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--requests", type=int, default=100, help="for each line of the table (default: 100)")
    parser.add_argument("--runtimes", nargs="+", default=["onnx"], choices=("onnx", "savedmodel"))
    parser.add_argument("--ocr", action="store_true", help="also a general OCR engine")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the lines here")
    parser.add_argument("server", nargs="*", help="flags of serve.py, after --")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints; returns the exit code."""
    flags = parse_arguments(arguments)
    photos = [path.read_bytes() for path in sorted(flags.photos.glob("*.jp*g"))] if flags.photos.is_dir() else []
    if not photos:
        print(f"serving.py: {flags.photos}: no folder with JPEG photos", file=sys.stderr)
        return 2
    rows: list[Row] = []
    try:
        for runtime in flags.runtimes:
            reader = MeterReader.load(runtime=runtime)
            rows.append(one_by_one(f"pipeline, {runtime}", reader.read, photos, flags.requests))
            with server(runtime, flags.server) as (port, pid):
                for clients in flags.clients:
                    rows.append(load(f"server, {runtime}", port, pid, photos, clients, flags.requests))
    except (BundleError, RuntimeError, OSError) as error:
        print(f"serving.py: {error}", file=sys.stderr)
        return 1
    ocr = general_ocr(photos, min(flags.requests, 20)) if flags.ocr else None
    rows += [ocr] if ocr is not None else []
    print_table(rows)
    if flags.json:
        write_atomic(flags.json, json.dumps([asdict(each) for each in rows], indent=2).encode())
    return 0


def print_table(rows: list[Row]) -> None:
    """The lines as Markdown."""
    print(f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} CPUs\n")
    print("| what | clients | photos/s | p50 ms | p95 ms | p99 ms | failed | worker MiB |")
    print("| --- | --: | --: | --: | --: | --: | --: | --: |")
    for each in rows:
        numbers = f"{each.photos_per_second:.1f} | {each.p50:.0f} | {each.p95:.0f} | {each.p99:.0f}"
        print(f"| {each.what} | {each.clients} | {numbers} | {each.failed} | {each.memory:.0f} |")


if __name__ == "__main__":
    sys.exit(main())
