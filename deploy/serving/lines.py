"""POST /recognize/lines/<task>: pictures of single lines (prices, plates, captchas, handwritten numbers) to texts."""

from __future__ import annotations

from typing import Any

from flask import Response, g, jsonify, request
from flask_openapi3 import OpenAPI, Tag
from pydantic import BaseModel, Field, field_validator

from reader.ink import read_drawing
from reader.line_pattern import LinePattern
from reader.lines import LineReader, LineResult
from reader.photo import Photo
from serving import api
from serving.gate import Gate
from serving.inputs import Upload, parse, receive
from serving.metrics import Metrics
from serving.models import Models
from serving.options import Asked
from serving.reading import Work, answer
from serving.settings import Settings


class LinePath(BaseModel):
    """What the address names."""

    task: str = Field(description="what is read: price, plate, captcha, handwritten, or a task of your own")


class LineOptions(Asked):
    """What may be asked for beside the picture itself."""

    n_best: int = Field(1, ge=1, le=20, description="how many texts are told, the best and the next ones")
    beam: int | None = Field(None, ge=1, le=100, description="width of the beam search, 1 for greedy; as trained")
    pattern: str | None = Field(
        None, max_length=200, description='what a text looks like, such as [A-Z]{2}\\d{4}; "" for anything; as trained'
    )
    min_confidence: float | None = Field(None, ge=0, le=1, description="less sure readings are rejected; as trained")

    @field_validator("pattern")
    @classmethod
    def _understood(cls, value: str | None) -> str | None:
        if value:
            LinePattern.parse(value)
        return value


def add_lines(app: OpenAPI, settings: Settings, models: Models, gate: Gate, metrics: Metrics) -> None:
    """Add the route to the application."""

    @app.post(
        "/recognize/lines/<task>",
        summary="Read pictures of single lines",
        description=api.LINES,
        tags=[Tag(name="reading")],
        responses=api.answers(api.LineAnswer, 404),
        openapi_extensions={"requestBody": api.body(api.LINE_OPTIONS)},
        security=[{"key": []}],
    )
    def recognize_line(path: LinePath, query: LineOptions) -> Response:
        reader = models.line(path.task)
        with gate.place():
            received = receive(request, settings)
            with gate.slot() as turn:
                metrics.seconds.labels(path.task, "wait").observe(turn.waited)
                job = parse(received, settings, LineOptions)
                g.photos = len(job.photos)
                return jsonify(answer(job, turn, _work(reader, job.options), settings, metrics, g.request_id))


def _work(reader: LineReader, options: LineOptions) -> Work:
    task = reader.settings.task

    def read(picture: Photo, upload: Upload) -> tuple[LineResult, dict[str, Any]]:
        # A canvas is large and mostly empty; plates and prices are photographed close.
        read_one = read_drawing if task == "handwritten" else LineReader.read
        result = read_one(reader, picture.pixels, **options.model_dump(), name=upload.name)
        return result, {}

    return Work(task, read, lambda upload, message: LineResult(upload.name, task, error=message))
