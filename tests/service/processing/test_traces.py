"""The trace of an upload goes on through its jobs: from the call that opens them to workers, their reports and what follows from these."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mesh.telemetry import Telemetry
from svc_video.processing.tables import Job
from svc_video.videos.actions import MediaState
from tests.service.processing.conftest import TRACE, World

OPERATOR = f"00-{'b' * 32}-{'2' * 16}-01"


def trace_of(row: Job) -> str:
    return row.trace_context[3:35]


@pytest.fixture
async def traced(tmp_path: Path) -> AsyncIterator[tuple[World, InMemorySpanExporter]]:
    """A world whose spans can be read."""
    exporter = InMemorySpanExporter()
    world = World(folder=tmp_path, traces=Telemetry(service="video", span_exporter=exporter))
    await world.open()
    try:
        yield world, exporter
    finally:
        await world.close()
        await world.telemetry.close()


async def spans(world: World, exporter: InMemorySpanExporter) -> dict[str, list[ReadableSpan]]:
    """Ended spans by name; nothing more is traced."""
    await world.telemetry.close()
    found: dict[str, list[ReadableSpan]] = {}
    for span in exporter.get_finished_spans():
        found.setdefault(span.name, []).append(span)
    return found


async def test_without_an_exporter_every_job_is_handed_out_in_the_trace_of_its_upload(world: World) -> None:
    with world.telemetry.span("upload", traceparent=TRACE):
        await world.upload(1)
    while (job := await world.lease()) is not None:
        assert job.trace_context == TRACE
        await world.commit(job)
    await world.until_media(1, MediaState.COMPLETE)
    assert {row.trace_context for row in (await world.rows(1)).values()} == {TRACE}


async def test_a_job_that_nobody_traces_carries_no_trace(world: World) -> None:
    await world.upload(1)
    job = await world.leased()
    assert (job.trace_context, list(job.joined_trace_contexts)) == ("", [])
    await world.commit(job)
    assert {row.trace_context for row in (await world.rows(1)).values()} == {""}


async def test_leases_reports_and_events_belong_to_the_upload_and_packages_are_linked_to_their_parts(
    traced: tuple[World, InMemorySpanExporter],
) -> None:
    world, exporter = traced
    with world.telemetry.span("upload", traceparent=TRACE):
        await world.upload(1)
    parts: dict[str, str] = {}
    while (job := await world.lease()) is not None:
        assert job.trace_context[3:35] == "a" * 32
        joined = [found[36:52] for found in job.joined_trace_contexts]
        # The last part opened the package: it is the parent, and no link.
        expected = {"package/first": {"audio", "chunk/first/0"}, "package/rest": {"audio", "chunk/rest/0"}}.get(job.job_key, set())
        assert {parts[part] for part in expected} == set(joined), job.job_key
        with world.telemetry.span("job", traceparent=job.trace_context):
            await world.commit(job)
        parts[job.job_key] = (await world.row(1, job.job_key)).trace_context[36:52]
    await world.until_media(1, MediaState.COMPLETE)
    rows = await world.rows(1)
    assert {trace_of(row) for row in rows.values()} == {"a" * 32}
    assert len(set(parts.values())) == len(parts)
    await world.until_forgotten(1)
    found = await spans(world, exporter)
    for name in ("lease job", "tell probed", "tell playable", "tell seen", "tell complete"):
        assert {f"{span.context.trace_id:032x}" for span in found[name]} == {"a" * 32}, name
    assert len(found["lease job"]) == len(rows) - 1
    # The question for work belongs to no upload.
    polls = {span.context.trace_id for span in found["/clipmesh.video.v1.JobService/LeaseJob"]}
    assert polls.isdisjoint({int("a" * 32, 16)})
    assert {link.context.trace_id for span in found["lease job"] for link in span.links} & polls


async def test_what_is_told_after_a_workers_report_carries_the_trace_on(traced: tuple[World, InMemorySpanExporter]) -> None:
    world, _ = traced
    with world.telemetry.span("upload", traceparent=TRACE):
        await world.upload(1)
    await world.fail(await world.leased(), "NO_VIDEO", rejected=True)
    await world.until_media(1, MediaState.FAILED)
    (event,) = await world.events()
    assert (event.type.rpartition(".")[2], event.trace_context[3:35]) == ("MediaFailed", "a" * 32)


async def test_a_worker_without_traces_breaks_no_trace(traced: tuple[World, InMemorySpanExporter]) -> None:
    world, _ = traced
    with world.telemetry.span("upload", traceparent=TRACE):
        await world.upload(1)
    # Its reports come outside of every trace, and the service begins one for each.
    await world.work_off()
    assert {trace_of(row) for row in (await world.rows(1)).values()} == {"a" * 32}


async def test_what_an_operator_has_made_once_more_is_in_the_operators_trace_and_linked_to_the_upload(world: World) -> None:
    with world.telemetry.span("upload", traceparent=TRACE):
        await world.upload(1)
    for _ in range(4):
        await world.fail(await world.leased())
        world.clock.advance(600_000)
    await world.until_media(1, MediaState.FAILED)
    with world.telemetry.span("redo", traceparent=OPERATOR):
        await world.jobs.redo(1)
    job = await world.leased()
    assert (job.trace_context, list(job.joined_trace_contexts)) == (OPERATOR, [TRACE])
    await world.commit(job)
    assert (await world.leased()).trace_context == OPERATOR
