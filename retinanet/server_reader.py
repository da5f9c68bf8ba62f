"""Readings from a running server, as `reader.types.Result`: to test what is deployed."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from reader.types import ILLEGIBLE, NO_DISPLAY, UNKNOWN_DIGIT, PhotoDigit, Result

_SECONDS = 120


class ServerError(OSError):
    """The server cannot be reached or does not answer as it should; the message is one line."""


class ServerReader:
    """Reads photos by POST /recognize.

    Args:
        url: of the server, with or without /recognize.
    """

    def __init__(self, url: str):
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"--server: a URL such as http://localhost:8080 wanted, {url!r} came")
        self.url = url.rstrip("/").removesuffix("/recognize") + "/recognize"

    def read(self, path: Path) -> Result:
        """The result of one photo; `error` is set where the server refuses the picture.

        Raises:
            ServerError: no server there, or one that is not ready or answers something else.
        """
        request = urllib.request.Request(
            self.url, data=path.read_bytes(), headers={"Content-Type": "application/octet-stream"}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as response:
                body = response.read()
        except urllib.error.HTTPError as error:
            told = f"{self.url} answered {error.code} {error.reason}: {error.read(200).decode('utf-8', 'replace')}"
            told = " ".join(told.split())
            if error.code in (400, 413, 415, 422):
                return Result(path.name, error=told)
            raise ServerError(told) from error
        except (urllib.error.URLError, TimeoutError) as error:
            raise ServerError(f"{self.url} cannot be reached: {getattr(error, 'reason', error)}") from error
        try:
            answer = json.loads(body)
            return _result(path.name, answer)
        except (ValueError, KeyError, TypeError) as error:
            raise ServerError(f"{self.url} answered no reading: {body[:80]!r}") from error


def _result(name: str, answer: dict[str, Any]) -> Result:
    """What the contract promises, and what newer servers add where it is there."""
    corners = answer.get("corners")
    digits = tuple(
        PhotoDigit(d["text"], d["confidence"], np.array(d["box"], np.float32), d["decimal"], d.get("alternative"))
        for d in answer.get("digits") or ()
    )
    success = bool(answer["success"])
    return Result(
        name,
        success=success,
        text=str(answer["text"]),
        confidence=float(answer.get("confidence") or 0),
        reason=None if success else answer.get("reason") or _reason(answer),
        counter_class=str(answer.get("counter_class", "")),
        counter_score=float(answer.get("counter_score") or 0),
        corners=None if corners is None else np.array(corners, np.float32),
        digits=digits,
        time=float(answer.get("time") or 0),
        rejected_text=answer.get("rejected_text"),
    )


def _reason(answer: dict[str, Any]) -> str:
    """Why there is no reading, where a server does not say it."""
    counter_class = str(answer.get("counter_class", ""))
    if not counter_class:
        return NO_DISPLAY
    return ILLEGIBLE if counter_class.endswith("illegible") else UNKNOWN_DIGIT
