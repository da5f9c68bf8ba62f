"""Training pictures in memory while there is room for them, and in files that are mapped into memory beyond it.

What a file holds is read when it is wanted and kept by the operating system as long as nothing else needs the memory,
so that sets of any size can be trained on; only slower, where they do not fit.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar, cast

import numpy as np
import psutil

from reader.types import UInt8

#: Of the memory that is free before sets are loaded. The rest is for the networks and the files' pages.
_SHARE = 0.5
#: What a container may use, in bytes or "max", what it does use and what that is (control groups, version 2).
_GROUP = Path("/sys/fs/cgroup")
_EMPTY = np.zeros((0, 0, 3), np.uint8)


class _Pictured(Protocol):
    """A frozen dataclass with a picture."""

    @property
    def image(self) -> UInt8:
        """(H, W, 3) uint8 RGB."""


S = TypeVar("S", bound=_Pictured)


class Keeper:
    """Keeps the pictures of all sets of a training within reach, at most so many of them in memory for good."""

    def __init__(self, folder: Path, room: float | None = None) -> None:
        """Starts with nothing kept.

        Args:
            folder: where the files lie; made if need be. They have no names and go with the last of their pictures.
            room: bytes of pictures in memory, of all sets together; None for half of what is free.
        """
        self.folder = folder
        self.room = free_memory() * _SHARE if room is None else room

    def __call__(self, samples: Iterable[S]) -> list[S]:
        """The samples of a set, in the same order.

        Pictures in the file may be read, and written without the file's changing.

        Args:
            samples: drawn one by one; frozen dataclasses with the field `image`, (H, W, 3) uint8.

        Raises:
            OSError: the file cannot be made, or there is no room on the disk.
        """
        near: list[S] = []
        with ExitStack() as stack:
            file: IO[bytes] | None = None
            places: list[tuple[int, int, tuple[int, ...]]] = []  # of what lies in it: index, first byte, shape
            for sample in samples:
                if sample.image.nbytes <= self.room:
                    self.room -= sample.image.nbytes
                    near.append(sample)
                    continue
                if file is None:
                    self.folder.mkdir(parents=True, exist_ok=True)
                    file = stack.enter_context(tempfile.TemporaryFile(dir=self.folder))
                places.append((len(near), file.tell(), sample.image.shape))
                file.write(np.ascontiguousarray(sample.image).data)
                near.append(_with(sample, _EMPTY))  # the picture itself is let go of
            if file is None:
                return near
            file.flush()
            # Copied when written to: nobody's pictures change in the file. Plain arrays, as everything else takes them.
            pixels = np.asarray(np.memmap(file, np.uint8, "c"))
        for index, first, shape in places:
            picture = pixels[first : first + int(np.prod(shape))].reshape(shape)
            near[index] = _with(near[index], picture)
        size = f"{pixels.nbytes / 1e9:.1f} GB"
        print(f"{size} of pictures have no room in half of the free memory and are read from the disk")
        return near


def free_memory() -> int:
    """Bytes that this process can still use, by the machine and by the container that it runs in."""
    free = int(psutil.virtual_memory().available)
    try:
        most, used, stat = (
            (_GROUP / f"memory.{name}").read_text(encoding="ascii") for name in ("max", "current", "stat")
        )
        read = next(int(line.split()[1]) for line in stat.splitlines() if line.startswith("file "))
        return min(free, max(int(most) - int(used) + read, 0))  # pages of files are given back when wanted
    except (OSError, ValueError, StopIteration):  # no such groups, or "max"
        return free


def _with(sample: S, image: UInt8) -> S:
    return cast(S, replace(cast(Any, sample), image=image))
