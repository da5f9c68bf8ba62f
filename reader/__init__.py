"""The shared core: everything between a photo and its reading that needs no deep-learning framework.

Imports numpy and OpenCV only (and an inference runtime where a model is run), so that the same code serves
training, the command line and the server.

    from reader import MeterReader
    MeterReader.load().read("meter.jpg").text
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reader.pipeline import MeterReader as MeterReader

__all__ = ["MeterReader"]


def __getattr__(name: str) -> Any:
    """`reader.MeterReader`, imported when it is asked for: the small modules stay cheap to import."""
    if name == "MeterReader":
        from reader.pipeline import MeterReader

        return MeterReader
    raise AttributeError(f"module 'reader' has no attribute {name!r}")
