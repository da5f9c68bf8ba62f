"""gunicorn around the application: processes that are replaced when they die, and that end what they began."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from serving.connections import TimedWorker
from serving.logs import log_configuration
from serving.settings import Settings

#: Threads beside those that receive, wait and read: they answer /health and /metrics, and refuse what is too much.
#: So many that a few dozen connections that send nothing more do not take them all.
_SPARE_THREADS = 32


class Server(BaseApplication):  # type: ignore[misc]
    """A gunicorn application that loads its models after the fork."""

    def __init__(self, address: str, workers: int, settings: Settings) -> None:
        """Prepares the server; `run` starts it.

        Args:
            address: host:port.
            workers: processes.
            settings: of each process.
        """
        self._settings = settings
        TimedWorker.body_seconds = settings.timeout
        self._options = {
            "bind": address,
            "workers": workers,
            "worker_class": TimedWorker,
            "threads": settings.at_once + settings.max_waiting + _SPARE_THREADS,
            # A worker beats while its threads work; one that does not for this long is killed and replaced.
            "timeout": max(30, round(2 * settings.timeout)),
            # Being received, waiting for one's turn, and being read may each take the time limit.
            "graceful_timeout": round(3 * settings.timeout) + 5,
            "keepalive": 5,
            "worker_tmp_dir": "/dev/shm" if Path("/dev/shm").is_dir() else None,
            "logconfig_dict": log_configuration(),
            "control_socket_disable": True,
            "child_exit": _forget_process,
            "proc_name": "counter_recognition",
        }
        super().__init__()

    def load_config(self) -> None:
        """Hand the options to gunicorn."""
        for name, value in self._options.items():
            if value is not None:
                self.cfg.set(name, value)

    def load(self) -> Any:
        """The application; called in each worker, after the fork."""
        from serving.application import create_app

        # A worker whose models cannot be loaded ends the whole server instead of being replaced for ever.
        return create_app(self._settings, on_failure=lambda: os._exit(Arbiter.APP_LOAD_ERROR))


def share_metrics() -> tempfile.TemporaryDirectory[str]:
    """A folder in which the processes share their counts; to be called before prometheus_client is imported."""
    folder = tempfile.TemporaryDirectory(prefix="counter_metrics_")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder.name
    return folder


def _forget_process(server: Any, worker: Any) -> None:
    """The gauges of a process that is gone no longer count."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)
