"""Traces across RPCs, events and jobs by the W3C traceparent; without an exporter the header is only passed on."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

_passed_on: ContextVar[str] = ContextVar("clipmesh_traceparent", default="")


def trace_context() -> str:
    """The W3C traceparent of the work at hand, for outward calls and events; empty when it belongs to no trace."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
    return _passed_on.get()


def continue_trace(traceparent: str) -> None:
    """Let the call at hand belong to the trace that `traceparent` names; anything malformed is no trace."""
    _passed_on.set(traceparent if TRACEPARENT.fullmatch(traceparent) else "")


class JsonLinesExporter(SpanExporter):
    """Appends each ended span to a file as one line of JSON, which processes may share; it runs on the processor's own thread."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write `spans`."""
        lines = []
        for span in spans:
            context, parent = span.context, span.parent
            line = {
                "trace_id": f"{context.trace_id:032x}" if context else "",
                "span_id": f"{context.span_id:016x}" if context else "",
                "parent_id": f"{parent.span_id:016x}" if parent else "",
                "service": span.resource.attributes.get("service.name", ""),
                "name": span.name,
                "kind": span.kind.name.lower(),
                "start_ns": span.start_time,
                "end_ns": span.end_time,
                "status": span.status.status_code.name,
                "attributes": dict(span.attributes or {}),
                "links": [{"trace_id": f"{link.context.trace_id:032x}", "span_id": f"{link.context.span_id:016x}"} for link in span.links],
            }
            lines.append(json.dumps(line) + "\n")
        # In one piece: what other processes append would else stand in the middle of a line.
        self._file.write("".join(lines).encode())
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Close the file."""
        self._file.close()


def _remote(parts: re.Match[str]) -> SpanContext:
    """The span that a traceparent names."""
    return SpanContext(int(parts[1], 16), int(parts[2], 16), is_remote=True, trace_flags=TraceFlags(int(parts[3], 16)))


def _exporter(traces: str) -> SpanExporter | None:
    """The exporter that CLIPMESH_TRACES or the OTEL variables name: empty for none, file:PATH, or otlp."""
    if not traces and (os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")):
        traces = "otlp"
    if not traces or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if traces.startswith("file:"):
        return JsonLinesExporter(Path(traces.removeprefix("file:")))
    if traces == "otlp":
        try:
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 an extra
        except ImportError:
            raise ValueError("traces go to OTLP, but its exporter is not installed: pip install opentelemetry-exporter-otlp") from None
        exporter: SpanExporter = OTLPSpanExporter()
        return exporter
    raise ValueError(f"CLIPMESH_TRACES={traces!r} is not understood: leave it empty, or use file:PATH or otlp")


class Tracing:
    """Makes the spans of one process; nearly free while nothing exports them."""

    def __init__(self, *, service: str, traces: str = "", exporter: SpanExporter | None = None) -> None:
        exporter = exporter or _exporter(traces)
        self._provider: TracerProvider | None = None
        if exporter is not None:
            self._provider = TracerProvider(resource=Resource({"service.name": service}), shutdown_on_exit=False)
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("clipmesh") if self._provider else None

    @property
    def enabled(self) -> bool:
        """True when spans go somewhere."""
        return self._tracer is not None

    @contextmanager
    def span(
        self,
        name: str,
        *,
        traceparent: str = "",
        links: Sequence[str] = (),
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: dict[str, str | int] | None = None,
    ) -> Iterator[None]:
        """Run a block as one span: below `traceparent` when given (an event's, a job's, a caller's), else below the work at hand.

        `links` are traceparents of further work that this goes on with; what is malformed among them is left out.
        """
        parts = TRACEPARENT.fullmatch(traceparent)
        if self._tracer is None:
            token = _passed_on.set(traceparent) if parts else None
            try:
                yield
            finally:
                if token is not None:
                    _passed_on.reset(token)
            return
        parent = None
        if parts := parts or (None if trace.get_current_span().get_span_context().is_valid else TRACEPARENT.fullmatch(_passed_on.get())):
            parent = trace.set_span_in_context(NonRecordingSpan(_remote(parts)))
        linked = [Link(_remote(found)) for link in links if (found := TRACEPARENT.fullmatch(link))]
        # The SDK would record the exception's text, which may hold what a person wrote; its type is enough.
        with self._tracer.start_as_current_span(
            name, context=parent, kind=kind, attributes=attributes, links=linked, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as error:
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(Status(StatusCode.ERROR))
                raise

    def close(self) -> None:
        """Export what is left; may take seconds, so call it off the loop."""
        if self._provider is not None:
            self._provider.shutdown()
