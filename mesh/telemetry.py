"""What a process tells about itself: metrics, traces and logs behind one object."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.trace import SpanKind

from mesh.metrics import METRICS, Kind, Metric, Metrics
from mesh.metrics_endpoint import MetricsEndpoint
from mesh.tracing import Tracing, trace_context

__all__ = ["METRICS", "Kind", "Metric", "Telemetry", "trace_context"]


class Telemetry:
    """The metrics and traces of one process; a test may make as many as it likes."""

    def __init__(self, *, service: str, traces: str = "", span_exporter: SpanExporter | None = None) -> None:
        """`traces` is the value of CLIPMESH_TRACES; ValueError when it is not understood."""
        self.metrics = Metrics(service=service)
        self.tracing = Tracing(service=service, traces=traces, exporter=span_exporter)
        self._endpoint: MetricsEndpoint | None = None

    def count(self, metric: Metric, amount: float = 1, **labels: str) -> None:
        """Count `amount` more on a counter."""
        self.metrics.add(metric, amount, labels)

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        """Let a gauge stand at `value`."""
        self.metrics.set(metric, value, labels)

    def watch(self, metric: Metric, read: Callable[[], float], **labels: str) -> None:
        """Let a gauge show what `read` answers whenever it is asked: free for code that runs often."""
        self.metrics.watch(metric, read, labels)

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """Put one value into a histogram."""
        self.metrics.observe(metric, value, labels)

    def clear(self, metric: Metric, **labels: str) -> None:
        """Let a gauge show nothing: an old value would say that it is known."""
        self.metrics.clear(metric, labels)

    def value(self, metric: Metric, **labels: str) -> float:
        """What a counter or gauge stands at; how many values a histogram took."""
        return self.metrics.value(metric, labels)

    def span(
        self,
        name: str,
        *,
        traceparent: str = "",
        links: Sequence[str] = (),
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: dict[str, str | int] | None = None,
    ) -> AbstractContextManager[None]:
        """Run a block as one span: below `traceparent` when given (an event's, a job's), else below the work at hand; `links` name further spans."""
        return self.tracing.span(name, traceparent=traceparent, links=links, kind=kind, attributes=attributes)

    async def serve_metrics(self, address: str) -> MetricsEndpoint:
        """Serve GET /metrics on `unix:PATH` or `HOST:PORT` until `close`."""
        self._endpoint = MetricsEndpoint(registry=self.metrics.registry)
        await self._endpoint.start(address)
        return self._endpoint

    async def close(self) -> None:
        """Stop serving metrics and export the last spans."""
        if self._endpoint is not None:
            await self._endpoint.close()
        await asyncio.to_thread(self.tracing.close)
