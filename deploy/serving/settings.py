"""What the server can be told: flags and environment variables, in one frozen value."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024


@dataclass(frozen=True)
class Settings:
    """Settings of one server process.

    Attributes:
        models: folder of the exported models; None takes deploy/models.
        runtime: "auto", "onnx" or "savedmodel".
        device: "auto", "cpu" or "gpu".
        threads: CPU threads of each network; None takes all.
        min_confidence: less sure readings are rejected, 0 to 1; None takes the models' threshold.
        at_once: photos read at the same time by one process.
        max_waiting: requests that may wait for their turn in one process; more are refused with 503.
        timeout: seconds a request may wait for its turn or its body, and a reading may take, before it counts as stuck.
        max_body: bytes of a request.
        max_pixels: of a picture; checked before it is decoded.
        max_images: in one request.
        api_key: asked of every request that reads photos; "" asks for none.
        cors_origins: web origins whose pages may call the server; "*" stands for all.
        label_studio_url: the Label Studio from which photos to pre-annotate are fetched; "" fetches none.
        label_studio_key: its access token.
    """

    models: Path | None = None
    runtime: str = "auto"
    device: str = "auto"
    threads: int | None = None
    min_confidence: float | None = None
    at_once: int = 2
    max_waiting: int = 16
    timeout: float = 30.0
    max_body: int = 32 * MIB
    max_pixels: int = 64_000_000
    max_images: int = 32
    api_key: str = ""
    cors_origins: tuple[str, ...] = ()
    label_studio_url: str = ""
    label_studio_key: str = ""


def secrets_from_environment() -> dict[str, str]:
    """What must not stand on a command line, where every user of the machine sees it."""
    names = {
        "api_key": "COUNTER_API_KEY",
        "label_studio_url": "LABEL_STUDIO_URL",
        "label_studio_key": "LABEL_STUDIO_API_KEY",
    }
    return {field: os.environ.get(variable, "").strip() for field, variable in names.items()}
