"""Who may ask, and what a browser may do with the answers."""

from __future__ import annotations

import hmac

from flask import Response, request

from serving.errors import RequestError
from serving.settings import Settings

#: Open to everybody: the page itself, its documents, and what an orchestrator asks.
_OPEN = frozenset({"health", "page", "icon", "static", "versions"})
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# The generated pages of the API carry their scripts and styles inside.
_DOCUMENT_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def check_key(settings: Settings) -> None:
    """Ask for the API key, where one is set and the request reads photos.

    Taken from X-API-Key, from `Authorization: Bearer`, or as the password of `Authorization: Basic`, which is what
    Label Studio sends.

    Raises:
        RequestError: 401.
    """
    if not settings.api_key or request.endpoint in _OPEN or (request.endpoint or "").startswith("openapi"):
        return
    given = [request.headers.get("X-API-Key", "")]
    authorization = request.authorization
    if authorization is not None:
        given += [authorization.token or "", authorization.password or ""]
    # Every one is compared, in a time that does not depend on where it differs.
    matches = [hmac.compare_digest(value.encode(), settings.api_key.encode()) for value in given]
    if not any(matches):
        raise RequestError(401, "this server asks for an API key: send it in the header X-API-Key")


def safe_headers(response: Response) -> None:
    """What keeps pages from being framed, sniffed or fed with foreign scripts."""
    headers = response.headers
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Permissions-Policy", "camera=(self), microphone=(), geolocation=()")
    policy = _DOCUMENT_POLICY if request.path.startswith("/openapi") else _PAGE_POLICY
    headers.setdefault("Content-Security-Policy", policy)
    if request.method == "POST":
        headers.setdefault("Cache-Control", "no-store")


def allow_origin(response: Response, settings: Settings) -> None:
    """CORS for the origins that were asked for; none by default."""
    if not settings.cors_origins:
        return
    response.headers.add("Vary", "Origin")
    origin = request.headers.get("Origin")
    if origin and ("*" in settings.cors_origins or origin in settings.cors_origins):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = "X-Request-ID, Retry-After"
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = "GET, POST"
            response.headers["Access-Control-Allow-Headers"] = "Content-Type, X-API-Key, Authorization, X-Request-ID"
            response.headers["Access-Control-Max-Age"] = "600"
