"""Serves the meter reader over HTTP: POST /recognize, a web page at /, and what an operator needs."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
# The reader lies beside this folder, in a checkout as in the container.
sys.path[:0] = [str(folder) for folder in (HERE, HERE.parent) if str(folder) not in sys.path]

if TYPE_CHECKING:
    from serving.settings import Settings

EXAMPLES = """examples:
  python serve.py --port 8080
  python serve.py --workers 4 --threads 1 --min_confidence 0.9
  python serve.py --host 127.0.0.1 --cors_origin https://meters.example.org

  curl -F image=@meter.jpg http://localhost:8080/recognize
  curl --data-binary @meter.jpg -H "Content-Type: image/jpeg" "http://localhost:8080/recognize?decimals=3"

environment:
  COUNTER_API_KEY        ask every request that reads photos for this key
  LABEL_STUDIO_URL       the Label Studio whose tasks are pre-annotated
  LABEL_STUDIO_API_KEY   its access token"""


def create_app(*arguments: Any, **options: Any) -> Any:
    """The WSGI application; see `serving.application.create_app`, which is imported when it is asked for."""
    from serving.application import create_app as create

    return create(*arguments, **options)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    from reader.arguments import probability

    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on (default: all)")
    parser.add_argument("--port", type=_between(0, 65535), default=8080, help="port to listen on (default: 8080)")
    parser.add_argument(
        "--runtime",
        choices=("auto", "onnx", "onnx_float32", "savedmodel"),
        default="auto",
        help="auto takes the fastest that is there (default); onnx is int8 where that is as good",
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu", "gpu"), default="auto", help="auto takes a GPU where the runtime has one"
    )
    parser.add_argument("--models", type=Path, metavar="DIR", help="another folder of models than deploy/models")
    parser.add_argument(
        "--workers",
        type=_between(1, 256),
        help="processes (default: one for each CPU, at most 8; with SavedModels or --device gpu one for four CPUs)",
    )
    parser.add_argument(
        "--threads",
        type=_between(1, 256),
        help="CPU threads of each process's networks (default: its share of the CPUs, two at least)",
    )
    parser.add_argument(
        "--at_once", type=_between(1, 64), default=2, help="photos that a process reads at a time (default: 2)"
    )
    parser.add_argument(
        "--max_waiting", type=_between(0, 512), default=16, help="requests that may wait in a process (default: 16)"
    )
    parser.add_argument("--timeout", type=_between(1, 3600), default=30, help="seconds (default: 30)")
    parser.add_argument("--max_body_mb", type=_between(1, 2048), default=32, help="MiB of a request (default: 32)")
    parser.add_argument(
        "--max_megapixels", type=_between(1, 1000), default=64, help="of a picture, before decoding (default: 64)"
    )
    parser.add_argument(
        "--min_confidence",
        type=probability,
        metavar="P",
        help="reject readings below it, 0 to 1 (default: the models' threshold)",
    )
    parser.add_argument(
        "--cors_origin", action="append", default=[], metavar="ORIGIN", help="web origin that may call; repeatable"
    )
    return parser.parse_args(arguments)


def settings_from(flags: argparse.Namespace, workers: int) -> Settings:
    """The settings of each process."""
    from serving.settings import MIB, Settings, secrets_from_environment

    return Settings(
        models=flags.models,
        runtime=flags.runtime,
        device=flags.device,
        threads=flags.threads or _threads(workers, _cpus()),
        min_confidence=flags.min_confidence,
        at_once=flags.at_once,
        max_waiting=flags.max_waiting,
        timeout=float(flags.timeout),
        max_body=flags.max_body_mb * MIB,
        max_pixels=flags.max_megapixels * 1_000_000,
        cors_origins=tuple(flags.cors_origin),
        **secrets_from_environment(),
    )


def main(arguments: list[str] | None = None) -> int:
    """Serves until it is told to stop; returns the exit code."""
    flags = parse_arguments(arguments)
    try:
        from serving.production import Server, share_metrics
    except ImportError as error:
        print(f"serve.py: {error}; pip install -r requirements.txt", file=sys.stderr)
        return 2
    # OpenCV's own bound, should a file's header say less than the decoder finds; read when cv2 is imported.
    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(flags.max_megapixels * 1_000_000)
    try:
        workers = flags.workers or _workers(_check(flags), flags.device)
        settings = settings_from(flags, workers)
    except (OSError, ValueError) as error:
        print(f"serve.py: {error}", file=sys.stderr)
        return 2
    with share_metrics():
        try:
            Server(_address(flags.host, flags.port), workers, settings).run()
        except SystemExit as stop:
            return stop.code if isinstance(stop.code, int) else 1
    return 0


def _check(flags: argparse.Namespace) -> str:
    """Find before any process starts what would make all of them fail; gives the runtime that they will use.

    Raises:
        ValueError: no usable models.
        OSError: the address cannot be listened on.
    """
    from serving.models import check_models

    runtime = check_models(flags.models, flags.runtime)
    family = socket.AF_INET6 if ":" in flags.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((flags.host, flags.port))
        except OSError as error:
            address = _address(flags.host, flags.port)
            raise OSError(f"cannot listen on {address}: {error.strerror or error}") from error
    return runtime


def _threads(workers: int, cpus: int) -> int:
    """A process's share, but two where there are two: a photo that comes alone is then read in four fifths of the time.

    Under full load a twentieth fewer photos a second are read (measured on two CPUs, `benchmarks/serving.py`).
    Threads that have nothing to do sleep (see `reader.runtime`), so that more of them than CPUs do little harm.
    """
    return max(min(2, cpus), cpus // workers)


def _workers(runtime: str, device: str) -> int:
    """As many processes as CPUs read most photos a second.

    TensorFlow takes some 800 MB in each, and a GPU's memory is not to be divided by many.
    """
    return max(1, _cpus() // 4) if runtime == "savedmodel" or device == "gpu" else min(8, _cpus())


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _cpus(limit: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """CPUs that this process may use; a container's limit (cgroup 2: microseconds of CPU in so many) counts too."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = limit.read_text().split()
        return max(1, min(cpus, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroups here, or "max": no limit
        return cpus


def _between(least: int, most: int) -> Any:
    def whole(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return whole


if __name__ == "__main__":
    sys.exit(main())
