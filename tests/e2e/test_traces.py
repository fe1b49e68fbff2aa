"""One trace from a person's request to the effects of its events: through the gateway, RPCs, jobs, the worker's report, events and consumers."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from clipmesh.video.v1.events_pb2 import UploadCompleted, VideoPublished

from devstack.client import new_request_id
from mesh.testing.folders import socket_folder
from tests.e2e.engines import Engines
from tests.e2e.stage import Stage, finished

pytestmark = pytest.mark.timeout(120)

EXPORTED_S = 15.0
SPANS_OF_THE_UPLOAD = {
    ("gateway", "graphql.mutation"),
    ("gateway", "/clipmesh.video.v1.UploadService/CompleteUpload"),
    ("video", "/clipmesh.video.v1.UploadService/CompleteUpload"),
    ("video", "lease job"),
    *(("video", f"job {kind}") for kind in ("probe", "audio", "chunk", "package", "pictures")),
    *(("video", name) for name in ("source", "probe", "encode chunk", "package", "poster", "storyboard", "report")),
    ("video", "/clipmesh.video.v1.JobService/CommitJob"),
    ("video", "/clipmesh.video.v1.JobService/CommitJob"),
    *(("video", f"tell {step}") for step in ("probed", "playable", "seen", "complete")),
    ("video", "work assess"),
    ("rights", "/clipmesh.rights.v1.PublicationService/AssessPublication"),
    ("feed", "consume videos"),
}


def read_spans(file: Path) -> list[dict[str, Any]]:
    """Every span that was exported so far; a line that cannot be read would be one of two processes in one another."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


async def test_one_trace_leads_from_the_request_through_jobs_and_events_to_their_effects(ladder_clip: Path, engines: Engines) -> None:
    with socket_folder() as folder:
        stage = Stage.at(folder, engines=engines, CLIPMESH_TRACES="file:run/traces.jsonl", OTEL_BSP_SCHEDULE_DELAY="100")
        await stage.system.start()
        try:
            creator = await stage.person("ada")
            # Published before its bytes are there, so that all that follows comes from the upload.
            upload = await creator.start_upload(ladder_clip, request_id=new_request_id())
            await creator.publish(upload["id"], caption="traced", hashtags=[])
            await creator.send_parts(ladder_clip, upload)
            await creator.complete_upload(upload["id"])
            await finished(creator, upload["id"])
            await stage.state(creator, upload["id"], "READY")
            await stage.quiet()
            ((completed, _),) = await stage.events("video", UploadCompleted)
            ((published, _),) = await stage.events("video", VideoPublished)

            file, trace_id = folder / "run" / "traces.jsonl", completed.trace_context[3:35]

            async def missing() -> set[tuple[str, str]]:
                spans = await asyncio.to_thread(read_spans, file)
                return SPANS_OF_THE_UPLOAD - {(span["service"], span["name"]) for span in spans if span["trace_id"] == trace_id}

            with suppress(TimeoutError):
                async with asyncio.timeout(EXPORTED_S):
                    while await missing():
                        await asyncio.sleep(0.2)
            assert await missing() == set()
            assert published.trace_context[3:35] == trace_id
        finally:
            await stage.close()
        spans = await asyncio.to_thread(read_spans, file)
    whole: dict[str, set[str]] = defaultdict(set)
    for span in spans:
        whole[span["trace_id"]].add(span["span_id"])
    trace = [span for span in spans if span["trace_id"] == trace_id]
    roots = [span["name"] for span in trace if span["parent_id"] not in whole[span["trace_id"]]]
    assert roots == ["graphql.mutation"]
    linked = {span["attributes"]["job_key"] for span in trace if span["name"] == "job package" and span["links"]}
    assert linked == {"package/first", "package/rest"}
