"""A ring of arrays in shared memory: several processes write, one reads, nobody waits for a lock."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

#: Shape and dtype of each array of an entry, by name.
Fields = Mapping[str, tuple[tuple[int, ...], Any]]

#: Entries that a writer keeps free, so that the one being written is never the next to be read.
_GAP = 4
_WAIT = 0.02


class Ring:
    """Entries of the same arrays, a slice for each writer.

    A writer stops when its slice is full until the reader has taken some; counts go up after the arrays are written.

    Args:
        folder: where its files lie; in /dev/shm they stay in memory.
        fields: of an entry.
        writers: how many processes write.
        slots: entries in each writer's slice, at least 8.
        create: makes the files; without it those of another process are opened.
    """

    def __init__(self, folder: Path, fields: Fields, writers: int, slots: int, create: bool = False):
        if slots < 2 * _GAP:
            raise ValueError(f"slots: at least {2 * _GAP} wanted; {slots} came")
        folder.mkdir(parents=True, exist_ok=True)
        mode: Any = "w+" if create else "r+"
        self.fields, self.writers, self.slots = dict(fields), writers, slots
        self._arrays = {
            name: np.memmap(folder / name, dtype, mode, shape=(writers, slots, *shape))
            for name, (shape, dtype) in fields.items()
        }
        self._written = np.memmap(folder / "_written", np.int64, mode, shape=(writers,))
        self._taken = np.memmap(folder / "_taken", np.int64, mode, shape=(writers,))

    @property
    def capacity(self) -> int:
        """Entries that wait at most."""
        return self.writers * (self.slots - _GAP)

    def put(self, writer: int, entry: Mapping[str, Any]) -> None:
        """Writes an entry; waits while the writer's slice is full."""
        while self._written[writer] - self._taken[writer] > self.slots - _GAP:
            time.sleep(_WAIT)
        slot = int(self._written[writer] % self.slots)
        for name, array in self._arrays.items():
            array[writer, slot] = entry[name]
        self._written[writer] += 1

    def waiting(self) -> int:
        """Entries that can be taken."""
        return int((self._written - self._taken).sum())

    def take(self, most: int) -> dict[str, np.ndarray]:
        """Up to `most` entries that were not taken before, (n, ...) by name; of all writers about alike."""
        parts = []
        left = most
        ready = self._written - self._taken
        for place, writer in enumerate(np.argsort(ready)):  # those with little first: the others fill up
            count = min(int(ready[writer]), -(-left // (self.writers - place)))
            parts.append((int(writer), (int(self._taken[writer]) + np.arange(count)) % self.slots))
            left -= count
        found = {
            name: np.concatenate([array[writer][slots] for writer, slots in parts])
            for name, array in self._arrays.items()
        }
        for writer, slots in parts:
            self._taken[writer] += len(slots)
        return found
