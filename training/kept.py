"""Training pictures in memory while there is room for them, and in a file that is mapped into memory beyond it.

What the file holds is read when it is wanted and kept by the operating system as long as nothing else needs the memory,
so that sets of any size can be trained on; only slower, where they do not fit.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import psutil

from reader.types import UInt8

#: Of the memory that is free when a set is loaded. The rest is for the networks, other sets and the file's pages.
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


def kept(samples: Iterable[S], folder: Path, room: float | None = None) -> list[S]:
    """Samples whose pictures stay within reach, at most so many of them in memory for good.

    Args:
        samples: drawn one by one; frozen dataclasses with the field `image`, (H, W, 3) uint8.
        folder: where the file lies; made if need be. It has no name there and goes with the last of its pictures.
        room: bytes of pictures in memory; None for half of what is free.

    Returns:
        The samples in the same order; pictures in the file may be read, and written without the file's changing.

    Raises:
        OSError: the file cannot be made, or there is no room on the disk.
    """
    left = free_memory() * _SHARE if room is None else room
    near: list[S] = []
    places: list[tuple[int, int, tuple[int, ...]]] = []  # of what lies in the file: index, first byte, shape
    end = 0
    remaining = iter(samples)
    for sample in remaining:
        near.append(sample)
        left -= sample.image.nbytes
        if left < 0:
            break
    else:
        return near
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        for sample in remaining:
            places.append((len(near), end, sample.image.shape))
            end += file.write(np.ascontiguousarray(sample.image).data)
            near.append(_with(sample, _EMPTY))  # the picture itself is let go of
        file.flush()
        if not end:
            return near
        # Copied when written to: nobody's pictures change in the file. Plain arrays, as everything else takes them.
        pixels = np.asarray(np.memmap(file, np.uint8, "c"))
    for index, first, shape in places:
        picture = pixels[first : first + int(np.prod(shape))].reshape(shape)
        near[index] = _with(near[index], picture)
    print(f"{end / 1e9:.1f} GB of pictures do not fit into half of the free memory and are read from the disk")
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
