"""How many photos are read at once, how many requests wait for it, and for how long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from serving.errors import RequestError


class Gate:
    """Lets a bounded number of requests through and a bounded number wait.

    Without it, a burst of photos would make every one of them late and fill the memory with waiting bodies.
    """

    def __init__(self, at_once: int, max_waiting: int, timeout: float) -> None:
        self._slots = threading.Semaphore(at_once)
        self._lock = threading.Lock()
        self._starts: dict[int, float] = {}
        self.max_waiting = max_waiting
        self.timeout = timeout
        self.waiting = 0

    @property
    def reading(self) -> int:
        """Requests that are being read now."""
        return len(self._starts)

    @contextmanager
    def slot(self) -> Iterator[float]:
        """One's turn; gives the seconds waited.

        Raises:
            RequestError: 503 when too many wait already, or the turn does not come in time.
        """
        waited = self._wait()
        key = threading.get_ident()
        with self._lock:
            self._starts[key] = monotonic()
        try:
            yield waited
        finally:
            with self._lock:
                del self._starts[key]
            self._slots.release()

    def _wait(self) -> float:
        if self._slots.acquire(blocking=False):
            return 0.0
        with self._lock:
            if self.waiting >= self.max_waiting:
                raise RequestError(503, f"busy: {self.waiting} requests are waiting already", retry_after=1)
            self.waiting += 1
        start = monotonic()
        try:
            if not self._slots.acquire(timeout=self.timeout):
                raise RequestError(503, f"busy: no turn within {self.timeout:g} seconds", retry_after=2)
        finally:
            with self._lock:
                self.waiting -= 1
        return monotonic() - start

    def stuck(self) -> bool:
        """Whether a reading takes so long that it will hardly end."""
        with self._lock:
            return any(monotonic() - start > 2 * self.timeout for start in self._starts.values())
