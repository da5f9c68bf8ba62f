"""The processes that draw base views, and the ring that they fill; to be started before JAX is imported."""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np

from accelerated.rings import Fields, Ring

#: Draws base views without end.
Source = Callable[[np.random.Generator], Iterator[Mapping[str, Any]]]

_SHARED = Path("/dev/shm")


class Workshop:
    """Draws base views in processes, within a `with` statement.

    Args:
        source: what each process draws, from a generator of its own.
        fields: of a base view.
        processes: how many draw.
        slots: base views that wait for each process at most.
        seed: of the generators.
    """

    def __init__(self, source: Source, fields: Fields, processes: int, slots: int, seed: int = 0):
        self._source, self._seed = source, seed
        self._folder = Path(tempfile.mkdtemp(prefix="views-", dir=_SHARED if _SHARED.is_dir() else None))
        self.ring = Ring(self._folder, fields, processes, slots, create=True)
        self._processes: list[BaseProcess] = []

    def __enter__(self) -> Workshop:
        # The processes share the cores. Here, not in them: OpenCV's threads, once started, do not survive a fork, and
        # a copy that is asked to stop them waits forever.
        cv2.setNumThreads(1)
        context = multiprocessing.get_context("fork")
        for writer in range(self.ring.writers):
            process = context.Process(target=self._draw, args=(writer,), daemon=True)
            process.start()
            self._processes.append(process)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.terminate()
            process.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def check(self) -> None:
        """Raises RuntimeError where no process draws any more."""
        if not any(process.is_alive() for process in self._processes):
            raise RuntimeError("all processes that draw views have ended, see above")

    def _draw(self, writer: int) -> None:
        for entry in self._source(np.random.default_rng([self._seed, writer])):
            self.ring.put(writer, entry)
