"""Photos out of a request, in every form that clients send: JSON, form, raw bytes, base64."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
import numpy.typing as npt
from flask import Request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from reader.header import read_header
from reader.image import ImageError
from reader.photo import Photo, open_photo
from serving.errors import RequestError
from serving.options import AnyOptions, options_from
from serving.settings import Settings

FORMS = (
    'application/json {"image": H x W x 3 nested list or base64}, multipart/form-data with a file field `image`, '
    "the bytes of a picture (image/* or application/octet-stream), or base64 as text/plain"
)


@dataclass(frozen=True)
class Upload:
    """One picture as it came: bytes of a file, base64 text or a nested list; and its name."""

    source: bytes | str | list[Any]
    name: str = ""


@dataclass(frozen=True)
class Body:
    """A request that was received whole but not yet decoded; decoding waits for its turn."""

    kind: str
    data: bytes
    photos: tuple[Upload, ...]
    fields: Mapping[str, str]
    query: Mapping[str, str]


@dataclass(frozen=True)
class Job(Generic[AnyOptions]):
    """What a request asks for. `many` says whether it wants a list of answers."""

    photos: tuple[Upload, ...]
    options: AnyOptions
    many: bool


def receive(request: Request, settings: Settings) -> Body:
    """Take the whole request off the network, so that a slow sender holds no turn.

    Raises:
        RequestError: 408, 413, 415 or 400.
    """
    kind = request.mimetype
    query = request.args.to_dict()
    try:
        if request.content_length is None and len(request.get_data(cache=True)) >= settings.max_body:
            raise _too_large(settings)  # a body in chunks, which werkzeug silently cuts off there
        if kind == "application/x-www-form-urlencoded" and _is_picture(request.get_data(cache=True)):
            kind = "application/octet-stream"  # what `curl --data-binary` says of a picture when it is told nothing
        if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
            return _from_form(request, query)
        data = request.get_data()
        if len(data) < (request.content_length or 0):
            raise ClientDisconnected
    except RequestEntityTooLarge as error:
        raise _too_large(settings) from error
    except (TimeoutError, ClientDisconnected, ParseException) as error:
        raise _not_whole(error, settings) from error
    if kind == "application/json" or kind.endswith("+json"):
        return Body("json", data, (), {}, query)
    if kind == "text/plain":
        return Body("raw", b"", (Upload(data.decode("utf-8", "replace")),), {}, query)
    if not kind or kind == "application/octet-stream" or kind.startswith("image/"):
        return Body("raw", b"", (Upload(data),), {}, query)
    raise RequestError(415, f"content type {kind!r}; wanted {FORMS}")


def _from_form(request: Request, query: Mapping[str, str]) -> Body:
    fields = request.form.to_dict(flat=False)
    files = [Upload(file.read(), file.filename or "") for file in request.files.getlist("image")]
    unknown = sorted(set(request.files) - {"image"})
    if unknown:
        raise RequestError(400, f"file field {unknown[0]!r}; photos are sent in the field 'image'")
    texts = [Upload(text) for text in fields.pop("image", [])]
    return Body("form", b"", (*files, *texts), {key: values[-1] for key, values in fields.items()}, query)


def _too_large(settings: Settings) -> RequestError:
    limit = settings.max_body / 1024 / 1024
    return RequestError(413, f"the request is too large; at most {limit:g} MiB are accepted")


def _not_whole(error: Exception, settings: Settings) -> RequestError:
    """Why a body did not arrive; werkzeug reports a deadline that has passed as a client that has gone."""
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return RequestError(408, f"the request did not arrive within {settings.timeout:g} seconds")
    if isinstance(error, ClientDisconnected):
        return RequestError(400, "the request ended before all of its body had come")
    return RequestError(400, "the chunks of the request's body are broken")


def _is_picture(data: bytes) -> bool:
    try:
        return read_header(data) is not None
    except ValueError:  # begins like a picture, and is broken
        return True


def parse(body: Body, settings: Settings, kind: type[AnyOptions]) -> Job[AnyOptions]:
    """Photos and options of a received request.

    Args:
        body: the request.
        settings: its limits.
        kind: the options that may be asked for.

    Raises:
        RequestError: 400 or 413.
    """
    if body.kind == "json":
        photos, options, many = _from_json(body, kind)
    else:
        photos, options = body.photos, options_from(kind, body.query, body.fields)
        many = len(photos) > 1
    if not photos:
        raise RequestError(400, "no picture: the field 'image' is missing")
    if len(photos) > settings.max_images:
        raise RequestError(413, f"{len(photos)} pictures; at most {settings.max_images} in one request")
    return Job(photos, options, many)


def _from_json(body: Body, kind: type[AnyOptions]) -> tuple[tuple[Upload, ...], AnyOptions, bool]:
    try:
        data = json.loads(body.data)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise RequestError(400, f"the body is not JSON{place}") from error
    if not isinstance(data, dict):
        raise RequestError(400, f"the JSON body is {_kind(data)}; wanted an object with the key 'image' or 'images'")
    if ("image" in data) == ("images" in data):
        raise RequestError(400, "the JSON object has both 'image' and 'images', or neither; wanted one of them")
    many = "images" in data
    sources = data.pop("images") if many else [data.pop("image")]
    if not isinstance(sources, list):
        raise RequestError(400, f"'images' is {_kind(sources)}; wanted a list of pictures")
    if not sources:
        raise RequestError(400, "'images' is empty; wanted a list of pictures")
    for source in sources:
        if not isinstance(source, str | list):
            raise RequestError(400, f"'image' is {_kind(source)}; wanted an H x W x 3 nested list or base64 text")
    return tuple(Upload(source) for source in sources), options_from(kind, body.query, data), many


def decode(photo: Upload, settings: Settings) -> Photo:
    """The picture, decoded as finely as it is looked at.

    Raises:
        RequestError: 400 or 413, with what came and what was wanted.
    """
    source = photo.source
    try:
        if isinstance(source, list):
            return open_photo(_array(source), settings.max_pixels)
        data = _from_base64(source) if isinstance(source, str) else source
        check_size(data, settings)
        return open_photo(data, settings.max_pixels)
    except ImageError as error:
        raise RequestError(400, str(error).removeprefix("the bytes: ").removeprefix("the array: ")) from error
    except MemoryError as error:
        raise RequestError(413, "the picture is too large for the server's memory") from error


def check_size(data: bytes, settings: Settings) -> None:
    """Refuse too many pixels by the header alone, before anything is unpacked.

    Raises:
        RequestError: 413.
    """
    try:
        header = read_header(data)
    except ValueError:
        return  # open_photo says what is wrong with it
    if header is not None and header.width * header.height > settings.max_pixels:
        raise RequestError(
            413,
            f"the picture has {header.width} x {header.height} pixels; "
            f"at most {settings.max_pixels / 1e6:.0f} megapixels are read",
        )


def _from_base64(text: str) -> bytes:
    """Base64, plain or URL-safe, with or without the head of a data URL."""
    head, comma, body = text.partition(",")
    if text[:5].lower() == "data:":
        if not comma or not head.lower().endswith(";base64"):
            raise RequestError(400, "a data URL of a picture begins with data:image/...;base64,")
        text = body
    text = "".join(text.split()).replace("-", "+").replace("_", "/")
    if not text:
        raise RequestError(400, "the picture is empty")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(400, "the picture is not base64") from error


def _array(nested: list[Any]) -> npt.NDArray[Any]:
    """A nested list as whole numbers; its shape is checked before numpy sees it."""
    shape = []
    level: Any = nested
    while isinstance(level, list) and len(shape) < 4:
        shape.append(len(level))
        level = level[0] if level else None
    wanted = "wanted H x W x 3 whole numbers from 0 to 255"
    if len(shape) != 3 or 0 in shape or shape[2] != 3:
        raise RequestError(400, f"the nested list has the shape {shape}; {wanted}")
    try:
        array = np.asarray(nested)
    except (ValueError, OverflowError) as error:
        raise RequestError(400, f"the nested list is ragged; {wanted}") from error
    if array.dtype.kind not in "iuf":
        raise RequestError(400, f"the nested list holds other things than numbers; {wanted}")
    if not np.isfinite(array).all() or array.min() < 0 or array.max() > 255:
        raise RequestError(400, f"the nested list holds numbers from {array.min()} to {array.max()}; {wanted}")
    whole = array.astype(np.uint8)
    if (whole != array).any():  # clients that made floats of bytes are fine; pictures scaled to 0-1 are not
        raise RequestError(400, f"the nested list holds fractions; {wanted}")
    return whole


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "null")
