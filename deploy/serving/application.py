"""The Flask application: routes, and what is the same for all of them (key, request id, log, errors, headers)."""

from __future__ import annotations

import contextlib
import logging
import re
import uuid
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

from flask import Response, g, jsonify, request, send_from_directory
from flask_openapi3 import Info, OpenAPI, Tag
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from reader.lines import LineReader
from reader.pipeline import MeterReader
from serving import api
from serving.errors import RequestError
from serving.gate import Gate
from serving.inputs import parse, receive
from serving.label_studio import add_label_studio
from serving.lines import add_lines
from serving.metrics import Metrics
from serving.models import Models, model_version
from serving.options import Options, describe
from serving.reading import PipelineError, answer, meter_work
from serving.security import allow_origin, check_key, safe_headers
from serving.settings import Settings

LOG = logging.getLogger("counter_recognition")
VERSION = "0.1.0"
STATIC = Path(__file__).resolve().parent.parent / "static"
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def create_app(
    settings: Settings | None = None,
    reader: MeterReader | None = None,
    on_failure: Callable[[], None] | None = None,
    lines: Mapping[str, LineReader] | None = None,
) -> OpenAPI:
    """The WSGI application.

    Args:
        settings: limits and models; None takes the defaults.
        reader: a reader that is loaded already, as tests have it; None loads `settings.models` in the background.
        on_failure: called when loading failed.
        lines: line readers by task, beside such a `reader`.

    Returns:
        A Flask application.
    """
    settings = settings or Settings()
    app = OpenAPI(
        __name__,
        info=Info(title="Counter recognition", version=VERSION, description=api.DESCRIPTION),
        static_folder=str(STATIC),
        security_schemes=api.SECURITY,
        validation_error_status=400,
        validation_error_model=api.ErrorAnswer,
        validation_error_callback=_wrong_options,
    )
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body
    app.config["MAX_FORM_MEMORY_SIZE"] = settings.max_body
    app.json.sort_keys = False  # type: ignore[attr-defined]
    models, metrics = Models(reader, lines), Metrics()
    gate = Gate(settings.at_once, settings.max_waiting, settings.timeout)
    app.extensions["gate"] = gate
    _add_around(app, settings, metrics)
    _add_errors(app, settings)
    _add_recognize(app, settings, models, gate, metrics)
    add_lines(app, settings, models, gate, metrics)
    _add_state(app, models, gate, metrics)
    add_label_studio(app, settings, models, gate)
    _add_pages(app)
    if reader is None:
        models.start_loading(settings, on_failure)
    return app


def _add_recognize(app: OpenAPI, settings: Settings, models: Models, gate: Gate, metrics: Metrics) -> None:
    @app.post(
        "/recognize",
        summary="Read the meters on photos",
        description=api.RECOGNIZE,
        tags=[Tag(name="reading")],
        responses=api.answers(api.ReadingAnswer),
        openapi_extensions={"requestBody": api.body(api.METER_OPTIONS)},
        security=[{"key": []}],
    )
    def recognize(query: Options) -> Response:
        reader = models.get()
        with gate.place():
            body = receive(request, settings)
            with gate.slot() as turn:
                metrics.seconds.labels("meter", "wait").observe(turn.waited)
                job = parse(body, settings, Options)
                g.photos = len(job.photos)
                return jsonify(answer(job, turn, meter_work(reader, job.options), settings, metrics, g.request_id))


def _add_state(app: OpenAPI, models: Models, gate: Gate, metrics: Metrics) -> None:
    tags = [Tag(name="state")]

    @app.get("/health", summary="Whether photos can be read", tags=tags, responses={200: api.Health, 503: api.Health})
    def health() -> tuple[Response, int]:
        if models.ready and not gate.stuck():
            return jsonify(status="UP", model_class="MeterReader"), 200
        reason = "a reading is stuck" if models.ready else models.failure or "the models are being loaded"
        return jsonify(status="DOWN", reason=reason), 503

    @app.get("/metrics", summary="Counts for Prometheus", tags=tags, security=[{"key": []}])
    def prometheus() -> Response:
        return Response(metrics.render(), content_type=metrics.content_type)

    @app.get("/version", summary="Versions of the server and its models", tags=tags)
    def versions() -> Response:
        packages = {name: version(name) for name in ("flask", "numpy")}
        values: dict[str, Any] = {"version": VERSION, "packages": packages, "model": None}
        if models.ready:
            bundle = models.get().bundle
            values["model"] = {
                "version": model_version(models.get()),
                "stage1_sha256": bundle.stage1.source_sha256,
                "stage2_sha256": bundle.stage2.source_sha256,
                "point_sha256": None if bundle.point is None else bundle.point.source_sha256,
                "lines_sha256": {task: line.source_sha256 for task, line in bundle.lines.items()},
                "versions": dict(bundle.versions),
            }
        return jsonify(values)


def _add_pages(app: OpenAPI) -> None:
    @app.get("/", doc_ui=False)
    def page() -> Response:
        return send_from_directory(STATIC, "index.html", max_age=0)

    @app.get("/favicon.ico", doc_ui=False)
    def icon() -> Response:
        return send_from_directory(STATIC, "icon.svg", mimetype="image/svg+xml")


def _add_around(app: OpenAPI, settings: Settings, metrics: Metrics) -> None:
    @app.before_request
    def begin() -> Response | None:
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        g.start = perf_counter()
        metrics.in_flight.inc()
        g.counted = True
        if request.method == "OPTIONS":
            return Response(status=204)
        check_key(settings)
        return None

    @app.after_request
    def end(response: Response) -> Response:
        if response.status_code >= 400:
            _take_rest(settings)
        response.headers["X-Request-ID"] = g.request_id
        safe_headers(response)
        allow_origin(response, settings)
        endpoint = request.endpoint or "unknown"
        # Anybody can invent methods; each label would be kept for ever.
        method = request.method if request.method in _METHODS else "other"
        metrics.requests.labels(method, endpoint, response.status_code).inc()
        values = {
            "request_id": g.request_id,
            "method": request.method,
            "path": request.path,
            "status": response.status_code,
            "milliseconds": round(1000 * (perf_counter() - g.start), 1),
            "bytes": request.content_length,
            "photos": g.get("photos"),
        }
        quiet = endpoint in ("health", "prometheus", "static")
        LOG.log(logging.DEBUG if quiet else logging.INFO, "request", extra=values)
        return response

    @app.teardown_request
    def leave(error: BaseException | None) -> None:
        if g.pop("counted", False):
            metrics.in_flight.dec()


def _take_rest(settings: Settings) -> None:
    """Reads what an error left unread of the body: a client that is still sending would not see the answer.

    What is too large, or in chunks, stays; the connection is then closed.
    """
    if 0 < (request.content_length or 0) <= settings.max_body:
        with contextlib.suppress(OSError, HTTPException):  # it does not come: the answer is sent all the same
            while request.stream.read(65536):
                pass


def _add_errors(app: OpenAPI, settings: Settings) -> None:
    @app.errorhandler(RequestError)
    def refused(error: RequestError) -> Response:
        return _error(error.status, str(error), error.retry_after)

    @app.errorhandler(RequestEntityTooLarge)
    def too_large(error: RequestEntityTooLarge) -> Response:
        return _error(413, f"the request is too large; at most {settings.max_body / 1024 / 1024:g} MiB are accepted")

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> Response:
        response = _error(error.code or 500, error.description or error.name)
        for name, value in error.get_headers():
            if name == "Allow":
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        cause = error.__cause__ if isinstance(error, PipelineError) and error.__cause__ else error
        LOG.error("reading failed", exc_info=cause, extra={"request_id": g.request_id})
        return _error(500, f"the server failed at this request; its log says why under {g.request_id}")


def _error(status: int, message: str, retry_after: int | None = None) -> Response:
    response = jsonify(error=message, request_id=g.request_id)
    response.status_code = status
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _wrong_options(error: ValidationError) -> Response:
    return _error(400, describe(error))
