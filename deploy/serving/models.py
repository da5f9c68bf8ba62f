"""The readers of one server process: loaded beside the first requests, so that /health can say "not yet"."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from reader.bundle import BundleError, load_bundle
from reader.line_settings import LINE_TASKS
from reader.lines import LineReader
from reader.pipeline import DISPLAY_TASK, Found, MeterReader
from reader.runtime import choose_runtime
from reader.types import Display
from serving.errors import RequestError
from serving.settings import Settings

LOG = logging.getLogger("counter_recognition")


class Models:
    """A reader that is there or is still being loaded."""

    def __init__(self, reader: MeterReader | None = None, lines: Mapping[str, LineReader] | None = None) -> None:
        self._reader = reader
        self._lines = dict(lines or {})
        self.failure: str | None = None

    @property
    def ready(self) -> bool:
        """Whether the models have answered."""
        return self._reader is not None

    def get(self) -> MeterReader:
        """The reader.

        Raises:
            RequestError: 503 while it is being loaded, or when that failed.
        """
        if self._reader is None:
            raise RequestError(503, self.failure or "the models are being loaded", retry_after=1)
        return self._reader

    def line(self, task: str) -> LineReader:
        """The reader of a kind of lines.

        Raises:
            RequestError: 404 for an unknown task or one without weights; 503 while the models are being loaded.
        """
        self.get()
        if task not in self._lines:
            fault = "has no weights on this server" if task in LINE_TASKS else "is unknown"
            raise RequestError(404, f"the task {task[:40]!r} {fault}; lines are read here for: {self._tasks()}")
        return self._lines[task]

    @property
    def lines(self) -> Mapping[str, LineReader]:
        """The line readers that are there, by task."""
        return self._lines

    def _tasks(self) -> str:
        return ", ".join(sorted(self._lines)) or "none"

    def start_loading(self, settings: Settings, on_failure: Callable[[], None] | None = None) -> threading.Thread:
        """Load in a thread of its own, which is returned; `on_failure` is called after the failure was logged."""

        def load() -> None:
            try:
                reader = MeterReader.load(
                    settings.models,
                    settings.runtime,
                    settings.min_confidence,
                    threads=settings.threads,
                    device=settings.device,
                )
                warm_up(reader)
                lines = load_lines(reader, settings)
            except Exception as error:
                self.failure = f"the models could not be loaded: {error}"
                LOG.critical(self.failure, exc_info=not isinstance(error, BundleError))
                if on_failure is not None:
                    on_failure()
            else:
                self._lines = lines
                self._reader = reader
                LOG.info("models loaded", extra={"version": model_version(reader)})

        thread = threading.Thread(target=load, name="load models", daemon=True)
        thread.start()
        return thread


def warm_up(reader: MeterReader) -> None:
    """Run both networks once: the first call of a runtime is many times slower than the others."""
    size = reader.bundle.stage1.input_size
    photo = np.full((size, size, 3), 128, np.uint8)
    reader.read(photo)
    edge = size / 4
    corners = np.array([[edge, edge], [3 * edge, edge], [3 * edge, 2 * edge], [edge, 2 * edge]], np.float32)
    display = Display(corners, 0, 1.0, np.array([1, 0, 0, 0], np.float32))
    reader.read_display(photo, Found(display, 1.0))


def load_lines(reader: MeterReader, settings: Settings) -> dict[str, LineReader]:
    """The line readers of the reader's bundle, each run once; the one for displays is the meter reader's own."""
    lines = {}
    for task, line in reader.bundle.lines.items():
        if task != DISPLAY_TASK:
            lines[task] = LineReader.load(task, settings.models, settings.runtime, settings.threads, settings.device)
            lines[task].read(np.full((*line.input_size, 3), 255, np.uint8))
    return lines


def check_models(models: Path | None, runtime: str) -> str:
    """What can be found wrong before any process is started, without loading a model.

    Args:
        models: the bundle's folder; None takes deploy/models.
        runtime: as it was asked for.

    Returns:
        The runtime that will be used.

    Raises:
        BundleError: no usable bundle, or no runtime for its files; one line.
    """
    bundle = load_bundle(models)
    beside = () if bundle.point is None else (bundle.point,)
    for part in (bundle.stage2, *bundle.lines.values(), *beside):
        choose_runtime(runtime, part.files)
    return choose_runtime(runtime, bundle.stage1.files)


def model_version(reader: MeterReader) -> str:
    """A short name of exactly these weights."""
    hashes = [stage.source_sha256[:8] for stage in (reader.bundle.stage1, reader.bundle.stage2)]
    return "-".join(value or "unknown" for value in hashes)
