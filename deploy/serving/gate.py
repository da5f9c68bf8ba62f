"""How many requests are taken in, how many photos are read at once, and for how long each may wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from serving.errors import RequestError


class Turn:
    """The right to read, from `Gate.slot`.

    Attributes:
        waited: seconds until it came.
    """

    def __init__(self, waited: float, timeout: float) -> None:
        self.waited = waited
        self._end = monotonic() + timeout
        self.since = monotonic()

    def next_photo(self) -> bool:
        """Whether there is time for another photo of the same request; begins its time."""
        self.since = monotonic()
        return self.since < self._end


class Gate:
    """Lets a bounded number of requests through and a bounded number wait.

    Without it, a burst of photos would make every one of them late and fill the memory with waiting bodies.
    """

    def __init__(self, at_once: int, max_waiting: int, timeout: float) -> None:
        self._slots = threading.Semaphore(at_once)
        self._lock = threading.Lock()
        self._turns: set[Turn] = set()
        self._most = at_once + max_waiting
        self._inside = 0
        self.timeout = timeout

    @property
    def reading(self) -> int:
        """Requests that are being read now."""
        return len(self._turns)

    @property
    def waiting(self) -> int:
        """Requests that are being received or wait for their turn."""
        return self._inside - len(self._turns)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for a request, from before its body is received until it is answered.

        Raises:
            RequestError: 503 when all are taken.
        """
        with self._lock:
            if self._inside >= self._most:
                raise RequestError(503, f"busy: {self.waiting} requests are waiting already", retry_after=1)
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1

    @contextmanager
    def slot(self) -> Iterator[Turn]:
        """One's turn.

        Raises:
            RequestError: 503 when it does not come in time.
        """
        start = monotonic()
        if not self._slots.acquire(timeout=self.timeout):
            raise RequestError(503, f"busy: no turn within {self.timeout:g} seconds", retry_after=2)
        turn = Turn(monotonic() - start, self.timeout)
        with self._lock:
            self._turns.add(turn)
        try:
            yield turn
        finally:
            with self._lock:
                self._turns.discard(turn)
            self._slots.release()

    def stuck(self) -> bool:
        """Whether a photo takes so long that it will hardly end."""
        with self._lock:
            return any(monotonic() - turn.since > 2 * self.timeout for turn in self._turns)
