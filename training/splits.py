"""Dividing photos into train, validation and test, the same way for both stages and every time.

A photo's place follows from its name and the seed alone, not from what else is in the set: the display cut out of a
photo lands in the split of its photo, and photos added later move nothing.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from training.labelstudio import SPLITS, DatasetError, photo_name, read_json


@dataclass(frozen=True)
class SplitRule:
    """How photos are divided.

    Attributes:
        fractions: wanted parts of train, validation and test; they sum to 1.
        seed: another seed divides differently.
        given: splits by `photo_name` that are fixed beforehand and win over all else.
        followed: splits by `photo_name` of the set of the other stage; they win over drawing only.
    """

    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    seed: int = 0
    given: Mapping[str, str] = field(default_factory=dict)
    followed: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises: DatasetError: negative fractions, or a sum that is not 1."""
        if min(self.fractions) < 0 or abs(sum(self.fractions) - 1) > 1e-6:
            wanted = " ".join(f"{part:g}" for part in self.fractions)
            raise DatasetError(f"the parts of train, validation and test must sum to 1, not {wanted}")

    def draw(self, name: str) -> str:
        """The split of a photo by its name, when nothing else decides."""
        digest = hashlib.sha256(f"{self.seed}/{name}".encode()).digest()
        place = int.from_bytes(digest[:8], "big") / 2**64
        train, validation, _ = self.fractions
        if place < train:
            return "train"
        return "validation" if place < train + validation or not self.fractions[2] else "test"


@dataclass(frozen=True)
class Photo:
    """What decides about one picture's split.

    Attributes:
        file_name: file name of the picture.
        digest: digest of the file's bytes, so that copies under other names are known.
        hint: the split that its task asks for, or None.
    """

    file_name: str
    digest: bytes
    hint: str | None = None


def assign_splits(photos: Sequence[Photo], rule: SplitRule) -> tuple[list[str], dict[int, str]]:
    """Gives every picture a split; all pictures of one photo get the same.

    Args:
        photos: the pictures. Those with the same `photo_name` or the same bytes are one photo.
        rule: fractions, seed and given splits.

    Returns:
        The split of each picture, and by index the pictures whose photo is asked for in two splits, with the reason.
    """
    groups = grouped([(photo_name(photo.file_name), photo.digest) for photo in photos])
    splits = [""] * len(photos)
    conflicts: dict[int, str] = {}
    for members in groups:
        names = sorted({photo_name(photos[i].file_name) for i in members})
        told = (
            {rule.given[name] for name in names if name in rule.given}
            or {hint for i in members if (hint := photos[i].hint)}
            or {rule.followed[name] for name in names if name in rule.followed}
        )
        if len(told) > 1:
            reason = f"photo {names[0]} is asked for in several splits: {', '.join(sorted(told))}"
            conflicts.update(dict.fromkeys(members, reason))
        split = min(told) if told else rule.draw(names[0])
        for i in members:
            splits[i] = split
    return splits, conflicts


def grouped(keys: Sequence[tuple[str | bytes, ...]]) -> list[list[int]]:
    """Indices that share a name or a digest, also over others, together; in the order of their first index."""
    parent = list(range(len(keys)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[str | bytes, int] = {}
    for i, key in enumerate(keys):
        for part in key:
            parent[root(i)] = root(first.setdefault(part, i))
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for i in range(len(keys)):
        groups[root(i)].append(i)
    return list(groups.values())


def read_split_file(path: Path) -> dict[str, str]:
    """Reads given splits.

    Args:
        path: JSON, {"file name": "train" | "validation" | "test"}, such as the splits.json that every made set holds.

    Returns:
        Split by `photo_name`.

    Raises:
        DatasetError: unreadable, another form, or a photo in two splits.
    """
    table = read_json(path)
    if not isinstance(table, dict):
        raise DatasetError(f'{path}: {{"file name": "train"}} was wanted, a {type(table).__name__} came')
    given: dict[str, str] = {}
    for file_name, split in table.items():
        if split not in SPLITS:
            raise DatasetError(f"{path}: unknown split {split!r} for {file_name} (wanted one of {', '.join(SPLITS)})")
        if given.setdefault(photo_name(file_name), split) != split:
            raise DatasetError(f"{path}: photo {photo_name(file_name)} is in two splits")
    return given
