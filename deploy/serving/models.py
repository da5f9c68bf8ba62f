"""The reader of one server process: loaded beside the first requests, so that /health can say "not yet"."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import numpy as np

from reader.bundle import load_bundle
from reader.pipeline import Found, MeterReader
from reader.runtime import choose_runtime
from reader.types import Display
from serving.errors import RequestError
from serving.settings import Settings

LOG = logging.getLogger("counter_recognition")


class Models:
    """A reader that is there or is still being loaded."""

    def __init__(self, reader: MeterReader | None = None) -> None:
        self._reader = reader
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

    def start_loading(self, settings: Settings, on_failure: Callable[[], None] | None = None) -> None:
        """Load in a thread of its own; `on_failure` is called after the failure has been logged."""

        def load() -> None:
            try:
                reader = MeterReader.load(
                    settings.models, settings.runtime, settings.min_confidence, threads=settings.threads
                )
                warm_up(reader)
            except Exception as error:
                self.failure = f"the models could not be loaded: {error}"
                LOG.critical(self.failure, exc_info=True)
                if on_failure is not None:
                    on_failure()
            else:
                self._reader = reader
                LOG.info("models loaded", extra={"version": model_version(reader)})

        threading.Thread(target=load, name="load models", daemon=True).start()


def warm_up(reader: MeterReader) -> None:
    """Run both networks once: the first call of a runtime is many times slower than the others."""
    size = reader.bundle.stage1.input_size
    photo = np.full((size, size, 3), 128, np.uint8)
    reader.read(photo)
    edge = size / 4
    corners = np.array([[edge, edge], [3 * edge, edge], [3 * edge, 2 * edge], [edge, 2 * edge]], np.float32)
    display = Display(corners, 0, 1.0, np.array([1, 0, 0, 0], np.float32))
    reader.read_display(photo, Found(display, 1.0))


def check_models(settings: Settings) -> None:
    """What can be found wrong before any process is started, without loading a model.

    Raises:
        BundleError: no usable bundle, or no runtime for its files; one line.
    """
    bundle = load_bundle(settings.models)
    for stage in (bundle.stage1, bundle.stage2):
        choose_runtime(settings.runtime, stage.files)


def model_version(reader: MeterReader) -> str:
    """A short name of exactly these weights."""
    hashes = [stage.source_sha256[:8] for stage in (reader.bundle.stage1, reader.bundle.stage2)]
    return "-".join(value or "unknown" for value in hashes)
