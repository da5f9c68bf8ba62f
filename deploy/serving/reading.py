"""From a request's pictures to the JSON answers."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from reader.draw import annotate
from reader.geometry import MARGIN, display_homography, display_size, inverse, rectify, warp_points
from reader.image import ImageError, encode_jpeg, encode_png
from reader.lines import LineResult
from reader.photo import Photo
from reader.pipeline import MeterReader
from reader.plausibility import implausibility
from reader.types import Result, UInt8
from serving.errors import RequestError
from serving.gate import Turn
from serving.inputs import Job, Upload, decode
from serving.metrics import Metrics
from serving.options import Options
from serving.settings import Settings

AnyResult = Result | LineResult

LOG = logging.getLogger("counter_recognition")
#: Longer side of an annotated picture, and height of a rectified display, in pixels.
_ANNOTATED_SIDE, _DISPLAY_HEIGHT = 1600, 160


class PipelineError(Exception):
    """A fault of ours, not of the request: answered 500."""


@dataclass(frozen=True)
class Work:
    """How the pictures of one kind are read.

    Attributes:
        task: the name under which they are counted.
        read: a decoded picture and its upload -> its result, and what the answer has beside the result's own values.
        failed: an upload and why it could not be read -> its result.
    """

    task: str
    read: Callable[[Photo, Upload], tuple[AnyResult, dict[str, Any]]]
    failed: Callable[[Upload, str], AnyResult]


def answer(
    job: Job[Any], turn: Turn, work: Work, settings: Settings, metrics: Metrics, request_id: str
) -> dict[str, Any] | list[dict[str, Any]]:
    """The answer to a request: one object, or a list in the order of its pictures.

    Raises:
        RequestError: a single picture that cannot be read; of several, the others are answered.
        PipelineError: reading a single picture failed.
    """
    if not job.many:
        return _read(job.photos[0], work, settings, metrics)
    answers = []
    for upload in job.photos:
        try:
            if not turn.next_photo():
                raise RequestError(503, f"not read: {settings.timeout:g} seconds are over; send fewer photos at once")
            answers.append(_read(upload, work, settings, metrics))
        except RequestError as error:
            answers.append(work.failed(upload, str(error)).to_dict())
        except PipelineError:
            LOG.exception("reading failed", extra={"request_id": request_id})
            answers.append(work.failed(upload, f"reading failed; request {request_id}").to_dict())
    return answers


def _read(upload: Upload, work: Work, settings: Settings, metrics: Metrics) -> dict[str, Any]:
    start = perf_counter()
    try:
        picture = decode(upload, settings)
    except RequestError as error:
        metrics.observe(work.task, work.failed(upload, str(error)))
        raise
    loaded = perf_counter() - start
    try:
        result, more = work.read(picture, upload)
    except ImageError as error:  # a large JPEG whose coarse picture is whole and whose fine one is not
        metrics.observe(work.task, work.failed(upload, str(error)))
        raise RequestError(400, str(error).removeprefix("the bytes: ")) from error
    except Exception as error:
        metrics.observe(work.task, work.failed(upload, "failed"))
        raise PipelineError from error
    result = replace(result, times={**result.times, "load": loaded}, time=perf_counter() - start)
    metrics.observe(work.task, result)
    return {**result.to_dict(), **more}


def meter_work(reader: MeterReader, options: Options) -> Work:
    """Photos of meters to readings."""

    def read(photo: Photo, upload: Upload) -> tuple[Result, dict[str, Any]]:
        result = reader.read(photo, decimals=options.decimals, name=upload.name)
        more = _plausibility(result, options)
        if options.annotate:
            more["annotated"] = _data_url("jpeg", encode_jpeg(annotated(photo, result), 85))
        if options.display:
            more["display"] = rectified(photo, result)
        return result, more

    return Work("meter", read, lambda upload, message: Result(upload.name, error=message))


def _plausibility(result: Result, options: Options) -> dict[str, Any]:
    """`plausible` is None where nothing was to compare; an implausible reading stays as it is and gets a reason."""
    if options.previous is None or not result.success:
        return {"plausible": None}
    reason = implausibility(result.text, options.previous, options.max_increase)
    return {"plausible": True} if reason is None else {"plausible": False, "reason": reason}


def annotated(photo: Photo, result: Result) -> UInt8:
    """The photo, shrunk to a size for screens, with what was seen on it."""
    small, to_photo = photo.overview(min(_ANNOTATED_SIDE, max(photo.shape)))
    to_small = inverse(to_photo)
    corners = None if result.corners is None else warp_points(result.corners, to_small).astype(np.float32)
    digits = tuple(replace(digit, box=warp_points(digit.box, to_small).astype(np.float32)) for digit in result.digits)
    return annotate(small, replace(result, corners=corners, digits=digits))


def rectified(photo: Photo, result: Result) -> dict[str, Any] | None:
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
