"""The Label Studio machine-learning backend protocol: photos come to the annotator with a first answer on them.

Label Studio posts its tasks and the project's labelling configuration to /predict. A configuration with
PolygonLabels asks for displays on photos (stage 1), one with RectangleLabels for digits on displays (stage 2).
"""

from __future__ import annotations

import json
import logging
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from typing import Any

import numpy as np
from flask import Response, g, jsonify, request
from flask_openapi3 import OpenAPI, Tag

from reader.photo import Photo
from reader.pipeline import Found, MeterReader, photo_digits
from reader.types import Display, Float32, PhotoDigit, Result
from serving.errors import RequestError
from serving.fetching import fetch
from serving.gate import Gate
from serving.inputs import Upload, decode, receive
from serving.models import Models, model_version
from serving.settings import Settings

LOG = logging.getLogger("counter_recognition")


@dataclass(frozen=True)
class Labelling:
    """The names that a labelling configuration gives to its parts.

    Attributes:
        kind: "polygonlabels" or "rectanglelabels".
        from_name: of the labels' tag.
        to_name: of the image's tag.
        key: of the task's data that holds the image.
        labels: as the project spells them, by their name in small letters.
    """

    kind: str
    from_name: str
    to_name: str
    key: str
    labels: dict[str, str]


def read_labelling(xml: str) -> Labelling:
    """The labelling that a configuration describes.

    Raises:
        RequestError: 400 where it is no XML or has no labels on an image.
    """
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise RequestError(400, "a labelling configuration has no DOCTYPE")
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise RequestError(400, f"the labelling configuration is not XML: {error}") from error
    images = {tag.get("name", ""): tag.get("value", "") for tag in root.iter("Image")}
    for kind in ("PolygonLabels", "RectangleLabels"):
        for tag in root.iter(kind):
            to_name = tag.get("toName", "")
            if to_name in images:
                labels = [label.get("value", "") for label in tag.iter("Label")]
                return Labelling(
                    kind.lower(),
                    tag.get("name", ""),
                    to_name,
                    images[to_name].removeprefix("$"),
                    {label.lower(): label for label in labels},
                )
    raise RequestError(400, "the labelling configuration has neither PolygonLabels nor RectangleLabels on an Image")


def add_label_studio(app: OpenAPI, settings: Settings, models: Models, gate: Gate) -> None:
    """Add /setup, /predict, /webhook and /versions to the application."""
    common: dict[str, Any] = {"tags": [Tag(name="Label Studio")], "security": [{"key": []}]}

    @app.post("/setup", summary="A project introduces itself", **common)
    def setup() -> Response:
        data = _object(receive(request, settings).data)
        if data.get("schema"):
            read_labelling(str(data["schema"]))
        return jsonify(model_version=model_version(models.get()))

    @app.post("/predict", summary="Pre-annotate tasks", **common)
    def predict() -> Response:
        reader = models.get()
        with gate.place():
            asked = _object(receive(request, settings).data)
            return jsonify(_predictions(asked, reader, settings, gate))

    @app.post("/webhook", summary="Events of a project; accepted, nothing is trained here", **common)
    def webhook() -> tuple[Response, int]:
        data = _object(receive(request, settings).data)
        LOG.info("webhook", extra={"request_id": g.request_id, "action": str(data.get("action"))[:64]})
        return jsonify(status="ok"), 201

    @app.get("/versions", summary="The model's versions", **common)
    def model_versions() -> Response:
        return jsonify(versions=[model_version(models.get())])


def _predictions(asked: dict[str, Any], reader: MeterReader, settings: Settings, gate: Gate) -> dict[str, Any]:
    """The answer to /predict: a prediction for each task, in order."""
    labelling = read_labelling(str(asked.get("label_config") or ""))
    tasks = asked.get("tasks")
    if not isinstance(tasks, list):
        raise RequestError(400, "'tasks' is missing; wanted a list of Label Studio tasks")
    version = model_version(reader)
    results = []
    for task in tasks:
        prediction: dict[str, Any] = {"result": [], "score": 0.0}
        try:
            photo = _photo(task, labelling, settings)
            with gate.slot():
                prediction = annotations(reader, decode(photo, settings), labelling)
        except RequestError as error:
            if error.status == 503:
                raise
            LOG.warning(str(error), extra={"request_id": g.request_id, "task": task_id(task)})
            prediction["error"] = str(error)
        results.append({**prediction, "model_version": version})
    return {"results": results, "model_version": version}


def task_id(task: Any) -> str:
    """The number of a task, for the log."""
    return str(task.get("id", ""))[:32] if isinstance(task, dict) else ""


def _photo(task: Any, labelling: Labelling, settings: Settings) -> Upload:
    """The picture of a task, still encoded; photos of Label Studio are fetched.

    Raises:
        RequestError: 400 or 413; the task has none, or it cannot be had.
    """
    values = task.get("data") if isinstance(task, dict) else None
    source = values.get(labelling.key) if isinstance(values, dict) else None
    if not isinstance(source, str):
        raise RequestError(400, f"the task has no text under data.{labelling.key}")
    return Upload(source if source.startswith("data:") else fetch(source, settings))


def annotations(reader: MeterReader, photo: Photo, labelling: Labelling) -> dict[str, Any]:
    """One Label Studio prediction: regions and the score by which tasks are sorted."""
    height, width = photo.shape[:2]
    if labelling.kind == "polygonlabels":
        result = reader.read(photo)
        regions, score = display_regions(result, labelling, (height, width)), result.counter_score
    else:
        digits = _digits(reader, photo)
        regions = digit_regions(digits, labelling, (height, width))
        score = float(np.prod([digit.confidence for digit in digits])) if digits else 0.0
    frame = {
        "from_name": labelling.from_name,
        "to_name": labelling.to_name,
        "type": labelling.kind,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
    }
    numbered = [{"id": f"r{number}", **frame, **region} for number, region in enumerate(regions)]
    return {"result": numbered, "score": round(score, 4)}


def display_regions(result: Result, labelling: Labelling, size: tuple[int, int]) -> list[dict[str, Any]]:
    """The polygon of the display, if there is one and the project has its class."""
    label = labelling.labels.get(result.counter_class)
    if result.corners is None or label is None:
        return []
    value = {"points": _percent(result.corners, size), "closed": True, "polygonlabels": [label]}
    return [{"value": value, "score": round(result.counter_score, 4)}]


def _digits(reader: MeterReader, photo: Photo) -> tuple[PhotoDigit, ...]:
    """The digits of a picture that is a display already; where none is found on it, all of it is the display."""
    found = reader.find_display(photo)
    if found is None:
        height, width = photo.shape[:2]
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        found = Found(Display(corners, 0, 1.0, np.array([1, 0, 0, 0], np.float32)), 1.0)
    return photo_digits(reader.read_display(photo, found))


def digit_regions(digits: tuple[PhotoDigit, ...], labelling: Labelling, size: tuple[int, int]) -> list[dict[str, Any]]:
    """A rectangle for every known digit, and one around those after the decimal point."""
    named = [(digit.text, [digit.box], digit.confidence) for digit in digits if digit.text.isdigit()]
    decimal = [digit for digit in digits if digit.decimal]
    if decimal:
        named.append(("floatp", [digit.box for digit in decimal], min(digit.confidence for digit in decimal)))
    regions = []
    for name, boxes, score in named:
        label = labelling.labels.get(name)
        if label is None:
            continue
        points = np.array(_percent(np.concatenate(boxes), size))
        (x, y), (right, bottom) = points.min(axis=0), points.max(axis=0)
        value = {"x": x, "y": y, "width": right - x, "height": bottom - y, "rotation": 0, "rectanglelabels": [label]}
        regions.append({"value": value, "score": round(score, 4)})
    return regions


def _percent(points: Float32, size: tuple[int, int]) -> list[list[float]]:
    """Pixels to percent of the picture, kept inside it."""
    scaled = np.clip(points / np.array([size[1], size[0]]) * 100, 0, 100)
    return [[float(x), float(y)] for x, y in scaled]


def _object(data: bytes) -> dict[str, Any]:
    try:
        values = json.loads(data or b"{}")
    except (ValueError, RecursionError) as error:
        raise RequestError(400, "the body is not JSON") from error
    if not isinstance(values, dict):
        raise RequestError(400, "the JSON body is no object")
    return values
