"""Metrics with listed labels only, logs without people's words, traces that go through."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
from collections import Counter
from pathlib import Path

import grpc
import pytest
from google.rpc import status_pb2
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

from mesh import metrics
from mesh.errors import MeshError, NotFound
from mesh.logs import JsonFormatter, redact, request_id
from mesh.metrics import METRICS, Kind, Metric
from mesh.server import Access, roles
from mesh.status import from_status, to_status
from mesh.telemetry import Telemetry, trace_context
from mesh.testing.folders import socket_folder

A_TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
JOBS = Metric(name="jobs_total", kind=Kind.COUNTER, help="Jobs.", labels={"kind": frozenset({"probe", "chunk"})}, when_it_moves="Look.")


def test_every_metric_says_what_to_do_and_has_a_name_by_the_rules() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert len(metric.when_it_moves) > 10
        assert metric.help.endswith(".")
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert metric.name.endswith("_seconds") == (metric.kind is Kind.HISTOGRAM)
    declared = {value.name for value in vars(metrics).values() if isinstance(value, Metric)}
    assert declared == {metric.name for metric in METRICS}


def test_label_values_that_are_not_listed_become_other() -> None:
    telemetry = Telemetry(service="video")
    telemetry.count(JOBS, kind="probe")
    telemetry.count(JOBS, kind="what alice typed")
    telemetry.count(JOBS, 2, kind="what bob typed")
    assert [telemetry.value(JOBS, kind=kind) for kind in ("probe", "chunk", "other", "what alice typed")] == [1, 0, 3, 0]
    telemetry.count(metrics.SERVER_CALLS, method="/a.B/C", code="OK")
    telemetry.metrics.know_methods(["/a.B/C"])
    telemetry.count(metrics.SERVER_CALLS, method="/a.B/C", code="OK")
    assert [telemetry.value(metrics.SERVER_CALLS, method=method, code="OK") for method in ("/a.B/C", "other")] == [1, 1]


def test_wrong_labels_and_twice_declared_metrics_are_bugs_that_show() -> None:
    telemetry = Telemetry(service="video")
    with pytest.raises(ValueError, match="has labels"):
        telemetry.count(JOBS, sort="probe")
    telemetry.count(JOBS, kind="probe")
    other = Metric(name="jobs_total", kind=Kind.COUNTER, help="Others.", when_it_moves="Look.")
    with pytest.raises(ValueError, match="declared twice"):
        telemetry.count(other)


def test_gauges_and_histograms() -> None:
    telemetry = Telemetry(service="video")
    depth = Metric(name="depth", kind=Kind.GAUGE, help="Depth.", when_it_moves="Look.")
    took = Metric(name="took_seconds", kind=Kind.HISTOGRAM, help="Took.", when_it_moves="Look.")
    telemetry.set(depth, 4)
    assert telemetry.value(depth) == 4
    telemetry.watch(depth, lambda: 9)
    telemetry.observe(took, 0.2)
    telemetry.observe(took, 0.3)
    assert (telemetry.value(depth), telemetry.value(took)) == (9, 2)


async def test_metrics_are_served_over_tcp_and_unix_sockets() -> None:
    telemetry = Telemetry(service="video")
    telemetry.count(JOBS, kind="chunk")

    async def get(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], request: bytes) -> tuple[str, str]:
        reader, writer = connection
        writer.write(request)
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        return head.splitlines()[0], body

    endpoint = await telemetry.serve_metrics("127.0.0.1:0")
    status, body = await get(await asyncio.open_connection("127.0.0.1", endpoint.port), b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status == "HTTP/1.1 200 OK"
    samples = {sample.name: sample for family in text_string_to_metric_families(body) for sample in family.samples}
    assert samples["clipmesh_jobs_total"].labels == {"service": "video", "kind": "chunk"}
    assert samples["clipmesh_jobs_total"].value == 1
    for request, answer in ((b"GET / HTTP/1.1\r\n\r\n", "404 Not Found"), (b"POST /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed")):
        assert (await get(await asyncio.open_connection("127.0.0.1", endpoint.port), request))[0] == f"HTTP/1.1 {answer}"
    await telemetry.close()
    unix = Telemetry(service="video")
    with socket_folder() as folder:
        path = folder / "metrics.sock"
        await unix.serve_metrics(f"unix:{path}")
        assert (await get(await asyncio.open_unix_connection(path), b"GET /metrics HTTP/1.0\r\n\r\n"))[0] == "HTTP/1.1 200 OK"
        await unix.close()
    for address in ("nowhere", "host:port", ":9"):
        with pytest.raises(ValueError, match="neither unix:PATH nor HOST:PORT"):
            await Telemetry(service="video").serve_metrics(address)


def record_of(message: str, *, development: bool = False, error: BaseException | None = None, **extra: object) -> dict[str, object]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(service="video", development=development))
    logger = logging.Logger("clipmesh.test")
    logger.addHandler(handler)
    logger.error(message, exc_info=error, extra=extra)
    return dict(json.loads(stream.getvalue()))


def test_a_log_line_holds_listed_fields_only() -> None:
    token = request_id.set("r-1")
    line = record_of("upload done", video_id=5, caption="my secret life", duration_ms=1.5, code="OK", user_id=7)
    request_id.reset(token)
    assert isinstance(line.pop("at_ms"), int)
    assert line == {
        "level": "ERROR",
        "service": "video",
        "logger": "clipmesh.test",
        "message": "upload done",
        "request_id": "r-1",
        "video_id": 5,
        "duration_ms": 1.5,
        "code": "OK",
        "user_id": 7,
    }


def test_what_slips_into_words_is_redacted() -> None:
    jwt = "eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJmZWVkIn0.c2lnbmF0dXJl"
    assert redact("mail alice@example.org now") == "mail <email> now"
    assert redact(f"got {jwt}") == "got <token>"
    assert redact("password=hunter2 token: abc") == "password=<redacted> token: <redacted>"
    assert len(redact("x" * 9_000)) == 500


def test_an_exceptions_words_are_shown_in_development_only() -> None:
    try:
        raise KeyError("alice's caption")
    except KeyError as error:
        kept, shown = record_of("failed", error=error), record_of("failed", error=error, development=True)
    assert kept["exception"]["type"] == "builtins.KeyError"
    assert re.search(r"test_telemetry\.py:\d+ test_an_exceptions", kept["exception"]["at"][-1])
    assert "caption" not in json.dumps(kept)
    assert shown["exception"]["message"] == '"alice\'s caption"'


def test_without_an_exporter_a_traceparent_is_passed_on_as_it_came() -> None:
    telemetry = Telemetry(service="video")
    assert not telemetry.tracing.enabled
    assert trace_context() == ""
    with telemetry.span("job", traceparent=A_TRACE):
        assert trace_context() == A_TRACE
        with telemetry.span("step"):
            assert trace_context() == A_TRACE
    with telemetry.span("job", traceparent="junk"):
        assert trace_context() == ""


async def test_spans_hang_together_and_carry_no_words() -> None:
    exporter = InMemorySpanExporter()
    telemetry = Telemetry(service="video", span_exporter=exporter)

    def step_that_fails() -> None:
        with telemetry.span("step", attributes={"chunk": 3}):
            raise KeyError("alice")

    with telemetry.span("job", traceparent=A_TRACE):
        assert re.fullmatch(r"00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01", trace_context())
        assert trace_context() != A_TRACE
        with pytest.raises(KeyError):
            step_that_fails()
    await telemetry.close()
    step, job = exporter.get_finished_spans()
    assert (step.name, job.name) == ("step", "job")
    assert f"{job.parent.span_id:016x}" == "b7ad6b7169203331"
    assert step.parent.span_id == job.context.span_id
    assert dict(step.attributes) == {"chunk": 3, "error.type": "KeyError"}
    assert not step.events
    assert "alice" not in step.to_json()


async def test_spans_go_to_a_file_when_asked(tmp_path: Path) -> None:
    telemetry = Telemetry(service="video", traces=f"file:{tmp_path}/spans.jsonl")
    with telemetry.span("job", traceparent=A_TRACE):
        pass
    await telemetry.close()
    lines = [json.loads(line) for line in (tmp_path / "spans.jsonl").read_text().splitlines()]
    assert [(line["name"], line["service"], line["trace_id"], line["parent_id"]) for line in lines] == [
        ("job", "video", "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    ]


async def test_processes_may_share_the_file_and_what_is_linked_is_told_without_junk(tmp_path: Path) -> None:
    other = f"00-{'c' * 32}-{'3' * 16}-01"
    processes = [Telemetry(service=name, traces=f"file:{tmp_path}/spans.jsonl") for name in ("video", "feed")]
    for number in range(300):
        with processes[number % 2].span("job", links=(A_TRACE, "junk", "", other), attributes={"words": "x" * 200}):
            pass
    await asyncio.gather(*(telemetry.close() for telemetry in processes))
    lines = [json.loads(line) for line in (tmp_path / "spans.jsonl").read_text().splitlines()]
    assert Counter(line["service"] for line in lines) == {"video": 150, "feed": 150}
    linked = [
        {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331"},
        {"trace_id": "c" * 32, "span_id": "3" * 16},
    ]
    assert all(line["links"] == linked and line["parent_id"] == "" for line in lines)


def test_traces_that_cannot_be_sent_are_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="is not understood"):
        Telemetry(service="video", traces="jaeger")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert not Telemetry(service="video", traces="otlp").tracing.enabled


def test_a_status_survives_the_way_there_and_back() -> None:
    class VideoNotFound(NotFound):
        reason = "VIDEO_NOT_FOUND"

    status = to_status(VideoNotFound("gone", video_id=5, retry_after_ms=1), domain="clipmesh.video")
    back = from_status(status_pb2.Status.FromString(status.SerializeToString()), service="video", method="/a.B/C")
    assert isinstance(back, NotFound)
    assert (back.code, back.reason, back.facts, back.retry_after_ms) == (grpc.StatusCode.NOT_FOUND, "VIDEO_NOT_FOUND", {"video_id": "5"}, 1)
    assert to_status(back, domain="clipmesh.feed") == status


def test_an_unknown_status_is_internal() -> None:
    back = from_status(status_pb2.Status(code=999, message="?"), service="video", method="/a.B/C")
    assert isinstance(back, MeshError)
    assert (back.code, back.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")


def test_access_entries_have_to_make_sense() -> None:
    for wrong in ({"callers": set()}, {"callers": "gateway"}, {"callers": {"gateway"}, "max_deadline_ms": 0}):
        with pytest.raises(ValueError):
            Access(**wrong)
    with pytest.raises(ValueError, match="name at least one role"):
        roles()
