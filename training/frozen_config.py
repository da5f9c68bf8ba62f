"""Configurations of networks, frozen dataclasses, to plain values and back."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

_Config = TypeVar("_Config", bound="FrozenConfig")


@dataclasses.dataclass(frozen=True)
class FrozenConfig:
    """What a network's configuration can do beside having fields; tuples are lists in JSON."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON takes them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls: type[_Config], values: dict[str, Any]) -> _Config:
        """The configuration of `values`.

        Raises:
            ValueError: a key that this version does not know, or a value that cannot be.
        """
        known = [entry.name for entry in dataclasses.fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"unknown key {unknown[0]!r}; known are {known}")
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
