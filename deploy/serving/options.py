"""The options of a request, from its query, its form or its JSON body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from reader.plausibility import implausibility
from serving.errors import RequestError


class Asked(BaseModel):
    """Options that are refused where their name is unknown."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known(cls, values: Any) -> Any:
        unknown = sorted(set(values) - set(cls.model_fields))
        if unknown:
            raise ValueError(f"unknown option {unknown[0]!r}; known are {list(cls.model_fields)}")
        return values


class Options(Asked):
    """What may be asked for beside the photo itself."""

    annotate: bool = Field(False, description="add the photo with what was seen on it, as a data URL")
    display: bool = Field(False, description="add the rectified display and its digits' boxes, for viewers")
    decimals: int | None = Field(None, ge=0, le=12, description="digits after the decimal point, where known")
    previous: str | None = Field(None, description="the last accepted reading; a smaller one is marked `decreased`")
    max_increase: str | None = Field(
        None, description="the most that can have been used since; more is marked `too_large_increase`"
    )

    @field_validator("previous", "max_increase", mode="before")
    @classmethod
    def _number(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None:
            return None
        try:
            implausibility("0", value if isinstance(value, str | int | float) else repr(value))
        except ValueError as error:
            raise ValueError(str(error).replace("previous", str(info.field_name), 1)) from error
        return value if isinstance(value, str) else format(value, "f")

    @model_validator(mode="after")
    def _needs_previous(self) -> Options:
        if self.max_increase is not None and self.previous is None:
            raise ValueError("max_increase needs previous")
        return self


AnyOptions = TypeVar("AnyOptions", bound=BaseModel)


def options_from(kind: type[AnyOptions], *sources: Mapping[str, Any]) -> AnyOptions:
    """The options of several places; the later ones win.

    Args:
        kind: the options that there are.
        sources: names and values.

    Raises:
        RequestError: 400 for an unknown option or a wrong value.
    """
    try:
        return kind.model_validate({key: value for source in sources for key, value in source.items()})
    except ValidationError as error:
        raise RequestError(400, describe(error)) from error


def describe(error: ValidationError) -> str:
    """One line for what is wrong with the options."""
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{name}: {message}, not {first['input']!r}" if name and first["type"] != "value_error" else message
