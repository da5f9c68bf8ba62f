"""What Prometheus reads at /metrics, summed over the server's processes."""

from __future__ import annotations

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

from reader.lines import LineResult
from reader.types import Result

_SECONDS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5.0, 10.0)
_CONFIDENCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)


class Metrics:
    """The counts of one application.

    prometheus_client shares them between processes through files in PROMETHEUS_MULTIPROC_DIR, which serve.py sets
    before anything imports that package; without it, the counts of this process alone are shown.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "counter_requests_total", "Requests answered", ["method", "endpoint", "status"], registry=registry
        )
        self.seconds = Histogram(
            "counter_stage_seconds",
            "Seconds by stage of a reading",
            ["task", "stage"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.confidence = Histogram(
            "counter_confidence", "Confidence of readings", ["task"], buckets=_CONFIDENCES, registry=registry
        )
        self.outcomes = Counter(
            "counter_readings_total",
            "Pictures by how they ended: ok or a reason",
            ["task", "reason"],
            registry=registry,
        )
        self.in_flight = Gauge(
            "counter_requests_in_flight", "Requests being answered", registry=registry, multiprocess_mode="livesum"
        )

    def observe(self, task: str, result: Result | LineResult) -> None:
        """Count one picture of a task: "meter", or one of the line readers'."""
        self.outcomes.labels(task, "unreadable" if result.error else result.reason or "ok").inc()
        if result.error:
            return
        for stage, seconds in result.times.items():
            self.seconds.labels(task, stage).observe(seconds)
        self.seconds.labels(task, "total").observe(result.time)
        if result.confidence:
            self.confidence.labels(task).observe(result.confidence)

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)
            return generate_latest(registry)
        return generate_latest(self._registry)
