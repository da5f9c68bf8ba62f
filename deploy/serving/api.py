"""What the OpenAPI document says about the answers; the code's own models, so that it cannot fall behind."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

DESCRIPTION = (
    "Reads utility meters from photos: finds the display, rectifies it, reads its digits, says how sure it is."
)
RECOGNIZE = (
    "Photos come as JSON (an H x W x 3 nested list, RGB, or base64), as multipart/form-data with a file field `image`, "
    "as the bytes of a picture, or as base64 text. Options go into the query, the form or the JSON object. "
    "Several photos (the JSON key `images`, or several files) are answered by a list in their order."
)
LINES = (
    "Reads a picture of one line: `price`, `plate`, `captcha`, `handwritten`. Pictures come as for /recognize; "
    "a handwritten number may stand anywhere on an empty canvas, such as a data URL of one."
)
SECURITY: dict[str, Any] = {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}

METER_OPTIONS: dict[str, Any] = {
    "annotate": {"type": "boolean"},
    "display": {"type": "boolean"},
    "decimals": {"type": "integer", "minimum": 0},
    "previous": {"type": "string"},
    "max_increase": {"type": "string"},
}
LINE_OPTIONS: dict[str, Any] = {
    "n_best": {"type": "integer", "minimum": 1, "maximum": 20},
    "beam": {"type": "integer", "minimum": 1, "maximum": 100},
    "pattern": {"type": "string"},
    "min_confidence": {"type": "number", "minimum": 0, "maximum": 1},
}
_PICTURE: dict[str, Any] = {
    "oneOf": [
        {
            "type": "array",
            "description": "H x W x 3, RGB",
            "items": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
        },
        {"type": "string", "description": "base64 or a data URL"},
    ]
}


def body(options: dict[str, Any]) -> dict[str, Any]:
    """All forms of a request, with its options."""
    pictures = {"image": _PICTURE, "images": {"type": "array", "items": _PICTURE}}
    files = {"image": {"type": "array", "items": {"type": "string", "format": "binary"}}}
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object", "properties": {**pictures, **options}}},
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["image"], "properties": {**files, **options}}
            },
            "image/*": binary,
            "application/octet-stream": binary,
            "text/plain": {"schema": {"type": "string", "description": "base64"}},
        },
    }


class DigitAnswer(BaseModel):
    """One place of the reading."""

    text: str = Field(description="0 to 9, or x where it cannot be told")
    confidence: float = Field(description="probability that it is right")
    box: list[list[float]] = Field(description="four x, y corners in photo pixels, clockwise from its own top-left")
    decimal: bool = Field(description="whether it stands after the decimal point")
    alternative: str | None = Field(description="the other digit of a drum between two positions")


class DisplayAnswer(BaseModel):
    """The rectified display; only with the option `display`."""

    image: str = Field(description="PNG as a data URL")
    width: int
    height: int
    boxes: list[list[float]] = Field(description="x, y, width, height of each digit, in percent")


class ReadingAnswer(BaseModel):
    """What a photo gave."""

    image: str = Field(description="file name, where the request told one")
    success: bool = Field(description="false for an unknown digit, an illegible display or none, or low confidence")
    text: str = Field(description="the reading, such as 00123.456; x for an unknown digit")
    confidence: float = Field(description="calibrated probability that the whole text is right")
    reason: str | None = Field(
        description="no_display, illegible, unknown_digit, low_confidence; of a successful but implausible reading "
        "decreased or too_large_increase"
    )
    counter_class: str = Field(description="analog, digital, analog_illegible or digital_illegible")
    counter_score: float
    corners: list[list[float]] | None = Field(
        description="four x, y corners, clockwise from the display's own top-left"
    )
    digits: list[DigitAnswer]
    original_image_shape: list[int] | None = Field(description="height, width, 3 of the upright photo")
    time: float = Field(description="seconds")
    times: dict[str, float] = Field(description="seconds by stage")
    error: str | None = Field(description="of one of several photos: why it could not be read")
    rejected_text: str | None = Field(description="the reading that was rejected for its low confidence")
    plausible: bool | None = Field(None, description="null where no `previous` was given or nothing was read")
    annotated: str | None = Field(None, description="JPEG as a data URL; only with the option `annotate`")
    display: DisplayAnswer | None = None


class ErrorAnswer(BaseModel):
    """Why a request was refused."""

    error: str = Field(description="one line: what came and what was wanted")
    request_id: str = Field(description="also in the header X-Request-ID and in the server's log")


class Health(BaseModel):
    """Whether photos can be read."""

    status: str = Field(description="UP or DOWN")
    reason: str | None = None


class CharacterAnswer(BaseModel):
    """One character of a line."""

    text: str
    confidence: float = Field(description="probability that it is right")
    box: list[list[float]] = Field(description="four x, y corners in picture pixels, clockwise from its own top-left")


class AlternativeAnswer(BaseModel):
    """Another text that the line may be."""

    text: str
    probability: float


class LineAnswer(BaseModel):
    """What a picture of a line gave."""

    image: str = Field(description="file name, where the request told one")
    task: str
    success: bool = Field(description="false where there is no text, or too unsure a one")
    text: str
    confidence: float = Field(description="calibrated probability that the whole text is right")
    reason: str | None = Field(description="no_text or low_confidence")
    characters: list[CharacterAnswer]
    alternatives: list[AlternativeAnswer] = Field(description="the next best texts, with the option `n_best`")
    original_image_shape: list[int] | None = Field(description="height, width, 3 of the upright picture")
    time: float = Field(description="seconds")
    times: dict[str, float] = Field(description="seconds by step")
    error: str | None = Field(description="of one of several pictures: why it could not be read")
    rejected_text: str | None = Field(description="the text that was rejected for its low confidence")


def answers(kind: type[BaseModel], *more: int) -> dict[Any, Any]:
    """The answers by status: one of this kind, or why the request was refused."""
    return {200: kind, **dict.fromkeys((400, 401, 408, 413, 415, 500, 503, *more), ErrorAnswer)}
