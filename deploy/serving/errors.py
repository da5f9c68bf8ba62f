"""What can be wrong with a request, as an HTTP status and one line."""

from __future__ import annotations


class RequestError(Exception):
    """A request that is refused.

    Attributes:
        status: the HTTP status, 4xx or 503.
        retry_after: seconds after which the same request may succeed; None where it never will.
    """

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
