"""How a set of made pictures gets to disk: several processes draw, and the folder appears when it is whole."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import cv2

Job = TypeVar("Job")
Made = TypeVar("Made")


class SynthesisError(Exception):
    """The wish cannot be fulfilled; the message is one line and says what came and what was wanted."""


def check_folder(out: Path, overwrite: bool, made: set[str]) -> None:
    """Sees to it that a folder can be made, and that replacing it can lose nothing but an earlier set.

    Args:
        out: folder to make.
        overwrite: whether an earlier set may be replaced.
        made: names of what such a set consists of.

    Raises:
        SynthesisError: something is in the way.
    """
    if out.exists() and not out.is_dir():
        raise SynthesisError(f"{out} is a file: wanted a folder to make")
    there = {path.name for path in out.iterdir()} if out.exists() else set()
    if there and not overwrite:
        raise SynthesisError(f"{out} is not empty: wanted a new folder, or --overwrite")
    # --overwrite deletes: only what this command has made may be lost by it
    if there - made:
        raise SynthesisError(f"{out} holds {min(there - made)}, not only a set made before: not replaced")


@contextlib.contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """Give a folder beside `out` to write into, and put it in the place of `out` when all went well."""
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = out.with_name(f".{out.name}.{os.getpid()}.partial")
    old = out.with_name(f".{out.name}.{os.getpid()}.old.partial")
    folder.mkdir()
    try:
        yield folder
        if out.exists():
            out.rename(old)
        folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def in_order(make: Callable[[Job], Made], jobs: list[Job], workers: int) -> Iterator[Made]:
    """Do the jobs in that many processes; what is made comes in the order of the jobs."""
    if workers == 1:
        _one_thread()
        yield from map(make, jobs)
        return
    with multiprocessing.Pool(workers, initializer=_as_worker) as pool:
        yield from pool.imap(make, jobs, chunksize=4)


def _as_worker() -> None:
    _one_thread()
    # The pool ends its processes with SIGTERM: a handler that the parent has for itself could keep them waiting.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _one_thread() -> None:
    cv2.setNumThreads(1)  # the processes share the cores; threads inside them would only wait for each other
