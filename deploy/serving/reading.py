"""From a request's photos to the JSON answers."""

from __future__ import annotations

import base64
import logging
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from reader.draw import annotate
from reader.geometry import MARGIN, display_homography, display_size, rectify, warp_points
from reader.image import encode_jpeg, encode_png, resize
from reader.pipeline import MeterReader
from reader.plausibility import implausibility
from reader.types import Result, UInt8
from serving.errors import RequestError
from serving.gate import Turn
from serving.inputs import Job, Photo, decode
from serving.metrics import Metrics
from serving.options import Options
from serving.settings import Settings

LOG = logging.getLogger("counter_recognition")
#: Longer side of an annotated picture, and height of a rectified display, in pixels.
_ANNOTATED_SIDE, _DISPLAY_HEIGHT = 1600, 160


class PipelineError(Exception):
    """A fault of ours, not of the request: answered 500."""


def answer(
    job: Job, turn: Turn, reader: MeterReader, settings: Settings, metrics: Metrics, request_id: str
) -> dict[str, Any] | list[dict[str, Any]]:
    """The answer to a request: one object, or a list in the order of its photos.

    Raises:
        RequestError: a single photo that cannot be read; of several, the others are answered.
        PipelineError: reading a single photo failed.
    """
    if not job.many:
        return _read(job.photos[0], job.options, reader, settings, metrics)
    answers = []
    for photo in job.photos:
        try:
            if not turn.next_photo():
                raise RequestError(503, f"not read: {settings.timeout:g} seconds are over; send fewer photos at once")
            answers.append(_read(photo, job.options, reader, settings, metrics))
        except RequestError as error:
            answers.append(_failed(photo, str(error), metrics))
        except PipelineError:
            LOG.exception("reading failed", extra={"request_id": request_id})
            answers.append(_failed(photo, f"reading failed; request {request_id}", metrics))
    return answers


def _failed(photo: Photo, message: str, metrics: Metrics) -> dict[str, Any]:
    result = Result(photo.name, error=message)
    metrics.observe(result)
    return result.to_dict()


def _read(photo: Photo, options: Options, reader: MeterReader, settings: Settings, metrics: Metrics) -> dict[str, Any]:
    start = perf_counter()
    picture = decode(photo, settings)
    loaded = perf_counter() - start
    try:
        result = reader.read(picture, decimals=options.decimals, name=photo.name)
        times = {**result.times, "load": loaded}
        result = replace(result, times=times, time=perf_counter() - start)
        values = {**result.to_dict(), **_plausibility(result, options)}
        if options.annotate:
            values["annotated"] = _data_url("jpeg", encode_jpeg(annotated(picture, result), 85))
        if options.display:
            values["display"] = rectified(picture, result)
    except Exception as error:
        raise PipelineError from error
    metrics.observe(result)
    return values


def _plausibility(result: Result, options: Options) -> dict[str, Any]:
    """`plausible` is None where nothing was to compare; an implausible reading stays as it is and gets a reason."""
    if options.previous is None or not result.success:
        return {"plausible": None}
    reason = implausibility(result.text, options.previous, options.max_increase)
    return {"plausible": True} if reason is None else {"plausible": False, "reason": reason}


def annotated(photo: UInt8, result: Result) -> UInt8:
    """The photo, shrunk to a size for screens, with what was seen on it."""
    scale = min(1.0, _ANNOTATED_SIDE / max(photo.shape[:2]))
    size = max(1, round(photo.shape[0] * scale)), max(1, round(photo.shape[1] * scale))
    factors = np.array([size[1] / photo.shape[1], size[0] / photo.shape[0]])
    corners = None if result.corners is None else (result.corners * factors).astype(np.float32)
    digits = tuple(replace(digit, box=(digit.box * factors).astype(np.float32)) for digit in result.digits)
    return annotate(resize(photo, size), replace(result, corners=corners, digits=digits))


def rectified(photo: UInt8, result: Result) -> dict[str, Any] | None:
    """The rectified display as a PNG and the boxes of its digits in it (x, y, width, height in percent)."""
    if result.corners is None:
        return None
    height, width = display_size(result.corners)
    ratio = (width + 2 * MARGIN * height) / (height * (1 + 2 * MARGIN))
    size = _DISPLAY_HEIGHT, int(np.clip(round(_DISPLAY_HEIGHT * ratio), 40, 2000))
    picture, _ = rectify(photo, result.corners, MARGIN, size)
    homography = display_homography(result.corners, size, MARGIN)
    percent = 100 / np.array([size[1], size[0]])
    boxes = []
    for digit in result.digits:
        points = warp_points(digit.box, homography) * percent
        left_top, right_bottom = points.min(axis=0), points.max(axis=0)
        boxes.append([round(float(value), 2) for value in (*left_top, *(right_bottom - left_top))])
    return {"image": _data_url("png", encode_png(picture)), "width": size[1], "height": size[0], "boxes": boxes}


def _data_url(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
