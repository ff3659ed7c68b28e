"""How the house does, in Prometheus' format: the queue, the engine, memory, answers and errors.

Rows per forward is easel_engine_rows_total over easel_engine_forwards_total; the time of a step is
easel_engine_seconds_total over easel_engine_forwards_total, of kind "Evaluate". No metric names a user or a prompt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import perf_counter
from typing import TypeVar

import psutil
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from easel.api.doors import Doors

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

Family = TypeVar("Family", GaugeMetricFamily, CounterMetricFamily)
Name = TypeVar("Name", bound=str)


def labelled(made: Family, values: Mapping[Name, float]) -> Family:
    """Return a family of metrics with a value for each label."""
    for name, value in values.items():
        made.add_metric([name], value)
    return made


class House(Collector):
    """What is counted elsewhere, read when somebody asks."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    def collect(self) -> Iterable[Metric]:
        """Yield everything as it stands now."""
        figures, jobs = self._doors.figures(), self._doors.store.counts()
        yield labelled(GaugeMetricFamily("easel_jobs", "Jobs, by state.", labels=["state"]), jobs)
        yield GaugeMetricFamily("easel_engine_runs", "Requests in the engine now.", figures.running)
        yield GaugeMetricFamily("easel_streams", "Event streams and waiting answers.", self._doors.closing.streams)
        for name, said, counted in (
            ("forwards", "Calls of a model.", figures.forwards),
            ("rows", "Rows of all forwards.", figures.rows),
            ("seconds", "Seconds in forwards.", figures.seconds),
        ):
            yield labelled(CounterMetricFamily(f"easel_engine_{name}", said, labels=["kind"]), counted)
        memory = {"process": float(psutil.Process().memory_info().rss), **figures.memory}
        yield labelled(GaugeMetricFamily("easel_memory_bytes", "Memory, by where.", labels=["where"]), memory)


class Meters:
    """The metrics of one app."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self, doors: Doors) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(House(doors))
        labels = ("method", "route")
        self.answers = Counter("easel_http_answers", "Answers.", (*labels, "status"), registry=self._registry)
        self.seconds = Histogram(
            "easel_http_seconds", "Seconds until an answer began.", labels, registry=self._registry, buckets=SECONDS
        )
        self.errors = Counter("easel_errors", "Errors told, by kind.", ("kind",), registry=self._registry)

    def count_error(self, kind: str) -> None:
        """Count an error that is told."""
        self.errors.labels(kind).inc()

    def text(self) -> bytes:
        """Return everything in Prometheus' format."""
        return generate_latest(self._registry)


def route_of(scope: Scope) -> str:
    """Return a path with names in place of what callers put in: /v1/jobs/{id}."""
    path, given = str(scope["path"]), dict[str, object](scope.get("path_params", {}))
    names = {str(value): f"{{{name}}}" for name, value in given.items()}
    return "/".join(names.get(part, part) for part in path.split("/"))


class Counted:
    """An app whose answers are counted, by route and not by path: a path may hold anything."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self._app = app
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                method = scope["method"] if scope["method"] in METHODS else "other"
                route = route_of(scope) if "route" in scope else "none"
                self._meters.answers.labels(method, route, message["status"]).inc()
                self._meters.seconds.labels(method, route).observe(perf_counter() - began)
            await send(message)

        await self._app(scope, receive, counted)
