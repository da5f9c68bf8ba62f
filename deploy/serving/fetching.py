"""Photos of Label Studio tasks, fetched from that Label Studio and from nowhere else.

A task's text may name any address; a server that fetched all of them could be made to ask machines of its own
network. Only the configured host is asked, redirects to others are refused, and its token goes nowhere else.
"""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from serving.errors import RequestError
from serving.settings import Settings


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> None:
        """Follow none."""
        return


def address_of(source: str, settings: Settings) -> str:
    """The address of a task's picture at the configured Label Studio.

    Raises:
        RequestError: 400 for an address elsewhere, or where none is configured.
    """
    if not settings.label_studio_url:
        raise RequestError(400, "photos of tasks are fetched where LABEL_STUDIO_URL names the Label Studio")
    base = settings.label_studio_url.rstrip("/") + "/"
    address = urllib.parse.urlsplit(urllib.parse.urljoin(base, source))
    home = urllib.parse.urlsplit(base)
    if (address.scheme, address.netloc) != (home.scheme, home.netloc):
        raise RequestError(400, f"the photo lies at {address.scheme}://{address.netloc}, not at the Label Studio")
    return urllib.parse.urlunsplit(address._replace(path=urllib.parse.quote(address.path, safe="/%"), fragment=""))


def fetch(source: str, settings: Settings) -> bytes:
    """The bytes of a task's picture.

    Raises:
        RequestError: 400 or 413; one line.
    """
    asked = urllib.request.Request(address_of(source, settings))
    if settings.label_studio_key:
        asked.add_header("Authorization", f"Token {settings.label_studio_key}")
    try:
        with urllib.request.build_opener(_NoRedirect).open(asked, timeout=settings.timeout) as answer:
            data: bytes = answer.read(settings.max_body + 1)
    except urllib.error.HTTPError as error:
        raise RequestError(400, f"Label Studio answers {error.code} when asked for the photo") from error
    except (OSError, ValueError) as error:
        raise RequestError(400, f"Label Studio cannot be asked for the photo: {error}") from error
    if len(data) > settings.max_body:
        raise RequestError(413, f"the photo is larger than {settings.max_body / 1024 / 1024:g} MiB")
    return data
