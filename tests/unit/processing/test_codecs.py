"""Further codecs as a plan keeps them, and a plan with all of them that is made once more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesh.stores.tables.port import MAX_BATCH_BYTES
from mesh.stores.tables.rows import RowCodec, counted_bytes
from mesh.stores.tables.schema import schema_of
from svc_video.processing.anew import may_remake, remade, shed
from svc_video.processing.codecs import CODECS, codecs_in, together
from svc_video.processing.needed import wanted
from svc_video.processing.rules import VideoJobs, fresh, opened
from svc_video.processing.store import merged
from svc_video.processing.tables import PROBE_KEY, Job, JobKind, JobState, Tier, package_key
from svc_video.processing.urgency import urgency_ms
from tests.unit.processing.test_rules import result

TRACE = f"00-{'a' * 32}-{'1' * 16}-01"


@pytest.mark.parametrize(("text", "codecs"), [("", ()), ("av1, h265", ("h265", "av1")), ("vp9 vp9", ("vp9",)), ("av1,vp9,h265", CODECS)])
def test_codecs_are_made_in_one_order_each_once(text: str, codecs: tuple[str, ...]) -> None:
    assert codecs_in(text) == codecs
    assert codecs_in(together(codecs)) == codecs


def test_a_codec_that_nobody_makes_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="h264: the further codecs are h265, vp9, av1"):
        codecs_in("h264,av1")


def longest() -> VideoJobs:
    """Ten minutes of which everything was made."""
    probed = result(chunks=59)
    plan, _ = opened(video_id=1, creator_id=7, source_key="raw/1", size_bytes=1, sha256=b"", now_ms=0, codecs=together(CODECS))
    plan = replace(plan, state=JobState.DONE, trace_context=TRACE, version=9)
    done: frozenset[str] = frozenset()
    while (keys := frozenset(wanted(probed, done, codecs=CODECS))) != done:
        done = keys
    rows = {key: replace(fresh(plan, key, 0, None, TRACE), state=JobState.DONE, version=9, worker="w" * 60) for key in done}
    rows[PROBE_KEY] = replace(rows[PROBE_KEY], result_json=probed.to_json())
    return VideoJobs(plan, rows)


def test_all_rows_of_the_longest_clip_are_closed_in_batches_that_a_store_takes() -> None:
    video, codec = longest(), RowCodec(schema_of(Job))
    batches: list[tuple[Job, ...]] = []
    while rows := shed(video):
        batches.append(rows)
        video = merged(video, rows)
    assert may_remake(video)
    batches.append(remade(video, 1, TRACE))
    video = merged(video, batches[-1])
    assert max(sum(counted_bytes(codec.encode(row)) for row in rows) for rows in batches) <= MAX_BATCH_BYTES
    open_rows = [key for key, job in video.jobs.items() if job.state is not JobState.CLOSED]
    assert (open_rows, len(batches) > 5) == ([PROBE_KEY], True)


def test_chunks_are_forgotten_only_where_their_group_plays() -> None:
    video = longest()
    key = package_key("av1")
    under_way = VideoJobs(video.plan, {**video.jobs, key: replace(video.jobs[key], state=JobState.OPEN)})
    while rows := shed(under_way):
        assert not [row for row in rows if row.group == "av1"]
        under_way = merged(under_way, rows)
    kept = [job for job in under_way.jobs.values() if job.kind is JobKind.CHUNK and job.state is JobState.DONE]
    assert {job.group for job in kept} == {"av1"}


def test_what_can_wait_is_as_urgent_among_its_own_as_the_video_is_old() -> None:
    plan, _ = opened(video_id=1, creator_id=7, source_key="raw/1", size_bytes=1, sha256=b"", now_ms=500, tier=Tier.NEW)
    job = fresh(plan, "chunk/av1/3", 500, None, "", later_ms=900)
    assert (job.can_wait, job.not_before_ms, job.group, job.chunk_index) == (True, 900, "av1", 3)
    assert urgency_ms(plan, job, ageing_ms=10, tier_ms=1) == 502
    assert not fresh(plan, "chunk/rest/3", 500, None, "", later_ms=900).can_wait
    assert fresh(plan, "chunk/rest/3", 500, None, "", later_ms=900).not_before_ms == 0
