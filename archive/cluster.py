"""Ray, started on this machine or joined elsewhere, kept quiet; workers that hold the networks."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa

from archive.worker import BatchReader, Ledger, load_reader

ROOT = Path(__file__).resolve().parent.parent
#: Of a core, for each worker: it computes on one thread, and what is left keeps Ray's own work going.
_CORES = 0.9
#: Only lists of photos and rows pass through it; the photos themselves do not.
_OBJECT_STORE = 128 * 2**20
_FOLDER = "/tmp/ray-"
#: Ray waits 30 seconds for its own start, too short on a machine that is busy with other work: tried so often.
_STARTS = 6


class ClusterError(RuntimeError):
    """Ray does not start or does not go on. The message is one line."""


class RemoteLedger:
    """The ledger's actor as workers see it."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def begin(self, kind: str, number: int) -> int:
        """See `Ledger.begin`."""
        import ray

        return int(ray.get(self._actor.begin.remote(kind, number)))

    def end(self, kind: str, number: int) -> None:
        """See `Ledger.end`. Nobody waits for it."""
        self._actor.end.remote(kind, number)


class Worker:
    """A worker's process: loads the networks once, then reads batches."""

    def __init__(self, files: Any, model: str, decimals: int | None, min_confidence: float | None, ledger: Any) -> None:
        import ray

        reader = load_reader(ray.get(files), min_confidence)
        self._read = BatchReader(reader, model, decimals, RemoteLedger(ledger))

    def __call__(self, batch: pa.Table) -> pa.Table:
        """See `BatchReader.__call__`."""
        return self._read(batch)


@contextlib.contextmanager
def quiet(log: Path) -> Iterator[TextIO]:
    """What Ray and its libraries write to stderr goes to a file; gives the real stderr, for progress."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with log.open("ab") as file, os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace") as screen:
            os.dup2(file.fileno(), 2)
            yield screen
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


@contextlib.contextmanager
def cluster(address: str | None, workers: int | None, memo: Path) -> Iterator[int]:
    """Ray for the time of a `with`, which gives the number of workers.

    Args:
        address: of a running cluster, such as "10.0.0.1:6379" or "auto"; None starts Ray here, on loopback only.
        workers: how many; None takes as many as there are cores.
        memo: a file for the name of Ray's temporary folder, so that what a killed run left there goes with the next.

    Raises:
        ClusterError: Ray is not installed, does not start or cannot be reached.
    """
    _set_environment(local=address is None)
    try:
        import ray
    except ImportError as error:
        raise ClusterError("Ray is not installed: pip install -r requirements-archive.txt") from error
    if ray.is_initialized():
        yield workers or _cores()
        return
    folder = _new_folder(memo) if address is None else None
    try:
        _start(address, max(_cores(), workers or 1), folder)
        yield workers or (_cores() if address is None else max(1, int(ray.cluster_resources().get("CPU", 1))))
    except (ray.exceptions.RayError, RuntimeError) as error:
        raise error if isinstance(error, ClusterError) else ClusterError(f"Ray: {cause(error)}") from error
    finally:
        with contextlib.suppress(Exception):
            ray.shutdown()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def _start(address: str | None, cores: int, folder: str | None) -> None:
    """Start Ray here, its files in `folder`, or join a cluster."""
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address is None:
        options |= {"address": "local", "num_cpus": cores, "include_dashboard": False}
        options |= {"object_store_memory": _OBJECT_STORE, "_node_ip_address": "127.0.0.1", "_temp_dir": folder}
    else:
        modules = [str(ROOT / "archive"), str(ROOT / "reader")]
        options |= {"address": address, "runtime_env": {"py_modules": modules}}
    for attempt in range(_STARTS):
        try:
            ray.init(**options)
            return
        except Exception as error:  # the kinds are many, and some are plain Exceptions
            with contextlib.suppress(Exception):
                ray.shutdown()
            if "timed out" not in str(error) or attempt == _STARTS - 1:
                where = "does not start" if address is None else f"at {address} cannot be reached"
                raise ClusterError(f"Ray {where}: {cause(error)}") from error


def _new_folder(memo: Path) -> str:
    """A folder for Ray's sockets, whose paths must be short, and its logs."""
    with contextlib.suppress(OSError):
        left = memo.read_text(encoding="utf-8")
        if left.startswith(_FOLDER):
            shutil.rmtree(left, ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=Path(_FOLDER).name, dir="/tmp")
    memo.write_text(folder, encoding="utf-8")
    return folder


def _set_environment(local: bool) -> None:
    """What Ray reads when it is imported and started, and hands on to its processes."""
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_DATA_DISABLE_PROGRESS_BARS="1", RAY_DATA_LOG_LEVEL="CRITICAL")
    os.environ.update(RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0")
    if local:
        # The workers import this project from where it is.
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        # On loopback only; the switch is named for other systems.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        # Workers have the priority that the user gave this process, not one that everything else goes before.
        os.environ.update(RAY_worker_niceness="0")


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def cause(error: BaseException) -> str:
    """The last line that an error of Ray says: those before it are its way through the code."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def readings(
    batches: Sequence[pa.Table],
    workers: int,
    files: dict[str, bytes],
    model: str,
    decimals: int | None,
    min_confidence: float | None,
) -> Iterator[pa.Table]:
    """The rows of all batches, a table a batch, in the order in which they are done.

    Args:
        batches: tables of `archive.rows.PHOTO_COLUMNS` and `INDEX`.
        workers: how many processes read.
        files: of the networks, by name.
        model: their hash.
        decimals: of the meters, where known.
        min_confidence: readings below are rejected; None takes the models' threshold.
    """
    import ray
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    ledger = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Ledger).remote()
    rows = ray.data.from_arrow(list(batches)).map_batches(
        Worker,
        batch_size=None,
        batch_format="pyarrow",
        fn_constructor_args=(ray.put(files), model, decimals, min_confidence, ledger),
        num_cpus=_CORES,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=workers, initial_size=workers),
    )
    yield from rows.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
