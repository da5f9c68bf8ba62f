"""Connections with time limits, for gunicorn's threaded worker.

That worker waits without end for the rest of a request that has begun: some dozens of connections that send a byte
now and then would hold all of its threads, and nobody would be answered any more. Here the head of a request and its
body must have arrived by a deadline, however slowly they trickle in, and an answer must be taken.
"""

from __future__ import annotations

import contextlib
import math
import socket
from time import monotonic
from typing import Any

from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.workers.gthread import ThreadWorker

#: Seconds for the first line and the headers of a request. gunicorn's wait for the first byte, 5 seconds, counts too.
HEAD_SECONDS = 10
#: A body that the application left unread is taken off the connection up to so many bytes; then it is closed.
_DRAINED = 64 * 1024
_MESSAGE = b'{"error": "the head of the request did not arrive within %d seconds"}\n' % HEAD_SECONDS
_LATE_HEAD = (
    b"HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_MESSAGE), _MESSAGE)
)


class TimedSocket(socket.socket):
    """A client's socket: what has not arrived by the deadline does not arrive any more."""

    def begin(self, seconds: float, head: bool) -> None:
        """Set the deadline of what is received next; a single sending may take as long.

        Args:
            seconds: from now.
            head: whether it is the head of a request. A late head is answered here, because no application has seen
                its request; a late body raises TimeoutError there.
        """
        self._seconds, self._deadline, self._head = seconds, monotonic() + seconds, head
        self.settimeout(seconds)

    def setblocking(self, flag: bool, /) -> None:
        """Wait for as long as `begin` said, or not at all."""
        self.settimeout(self._seconds if flag else 0.0)

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Up to `size` bytes; none after a late head, as if the client had gone.

        Raises:
            TimeoutError: the deadline of a body has passed.
        """
        allowed, left = self.gettimeout(), self._deadline - monotonic()
        try:
            if left <= 0:
                raise TimeoutError("the deadline has passed")
            self.settimeout(left if allowed is None else min(left, allowed))
            return super().recv(size, flags)
        except TimeoutError:
            if not self._head:
                raise
            with contextlib.suppress(OSError):
                self.sendall(_LATE_HEAD)
            return b""
        finally:
            self.settimeout(allowed)


class TimedWorker(ThreadWorker):  # type: ignore[misc]
    """A threaded worker whose connections have deadlines."""

    #: Seconds for the body of a request; `serving.production` sets it.
    body_seconds = 30.0

    def enqueue_req(self, conn: Any) -> None:
        """Give a new connection its limits, then hand it to a thread."""
        if not isinstance(conn.sock, TimedSocket):
            conn.sock = TimedSocket(fileno=conn.sock.detach())
        conn.sock.begin(HEAD_SECONDS, head=True)
        conn.sock.setblocking(False)
        super().enqueue_req(conn)

    def handle(self, conn: Any) -> Any:
        """One request of a connection, from its first byte; runs in a thread."""
        conn.sock.begin(HEAD_SECONDS, head=True)
        return super().handle(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """The head is there; now comes the body, which the application receives."""
        conn.sock.begin(self.body_seconds, head=False)
        # Asked when the answer's headers are written: it says so where the connection will be closed after it. A client
        # that was told nothing would send its next request into a closed connection.
        ends = req.should_close
        req.should_close = lambda: ends() or _left(req) > _DRAINED
        return super().handle_request(req, conn)


def _left(req: Any) -> float:
    """How many bytes of a request's body nobody has read; infinite where nobody knows."""
    reader = req.body.reader
    if req.body.failed or (isinstance(reader, ChunkedReader) and reader.parser is not None):
        return math.inf
    return float(reader.length) if isinstance(reader, LengthReader) else 0.0
