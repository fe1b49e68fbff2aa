"""CompleteUpload and AbortUpload: exact refusals, repeats, races, what is left afterwards."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest
from clipmesh.video.v1 import events_pb2, video_service_pb2
from clipmesh.video.v1 import upload_service_pb2 as pb2

from mesh.errors import FailedPrecondition, InvalidArgument, MeshError
from mesh.stores.blobs.port import BlobInfo, BlobsUnavailable
from svc_video.layout import raw_key
from svc_video.uploads.tables import UnendedUpload, UploadQuota
from svc_video.videos.actions import ProcessingStage as Stage
from tests.service.video.world import ALICE, LADDER, PART, World


async def test_completion_starts_processing_with_one_event(world: World) -> None:
    digest = hashlib.sha256(b"x" * 2_500).digest()
    upload = await world.start(sha256=digest)
    await world.send(upload)
    done = await world.complete(upload.upload_id)
    assert (done.state, done.stage, done.playable) == (pb2.UPLOAD_STATE_COMPLETED, pb2.PROCESSING_STAGE_QUEUED, False)
    [video] = await world.seen(upload.upload_id)
    assert video.state == video_service_pb2.VIDEO_STATE_PROCESSING
    [(envelope, event)] = await world.events()
    assert event == events_pb2.UploadCompleted(video_id=upload.upload_id, creator_id=ALICE, size_bytes=2_500)
    assert (envelope.topic, envelope.key, envelope.key_version) == ("video", str(upload.upload_id), video.version)
    assert list(envelope.subject_ids) == [ALICE]
    key = raw_key(upload.upload_id)
    assert world.rooms.jobs.opened == [
        {"video_id": upload.upload_id, "creator_id": ALICE, "source_key": key, "size_bytes": 2_500, "sha256": digest}
    ]
    assert await world.objects() == [key]
    assert key.startswith("raw/2025/10/09/")


async def test_completing_again_changes_nothing(world: World) -> None:
    upload = await world.start()
    await world.send(upload)
    first = await world.complete(upload.upload_id)
    before, events = await world.rows(), await world.event_names()
    assert await world.complete(upload.upload_id) == first
    assert await world.rows() == before
    assert await world.event_names() == events == ["UploadCompleted"]


async def test_parallel_completions_make_one_event(world: World) -> None:
    upload = await world.start()
    await world.send(upload)
    answers = await asyncio.gather(*(world.complete(upload.upload_id) for _ in range(6)))
    assert {answer.state for answer in answers} == {pb2.UPLOAD_STATE_COMPLETED}
    assert await world.event_names() == ["UploadCompleted"]
    assert len(world.rooms.jobs.opened) == 1


async def test_missing_parts_are_listed(world: World) -> None:
    upload = await world.start(size=5_500)
    for part in await world.sign(upload.upload_id, 2, 5):
        await world.put(part.url, b"x" * part.size_bytes)
    before = await world.rows()
    with pytest.raises(FailedPrecondition) as refused:
        await world.complete(upload.upload_id)
    assert (refused.value.reason, refused.value.facts["part_numbers"]) == ("MISSING_PARTS", "1,3,4,6")
    assert await world.rows() == before
    assert await world.objects() == []
    assert len((await world.get(upload.upload_id)).received_parts) == 2


async def test_a_wrong_checksum_is_named_and_can_be_mended(world: World) -> None:
    upload = await world.start()
    etags = await world.send(upload)
    with pytest.raises(FailedPrecondition) as refused:
        await world.complete(upload.upload_id, p1=etags[1], p2="0" * 32, p3=etags[3])
    assert (refused.value.reason, refused.value.facts["part_numbers"]) == ("CHECKSUM_MISMATCH", "2")
    assert await world.event_names() == []
    [part] = await world.sign(upload.upload_id, 2)
    etags[2] = await world.put(part.url, b"y" * PART)
    done = await world.complete(upload.upload_id, p1=etags[1], p2=etags[2], p3=etags[3])
    assert done.state == pb2.UPLOAD_STATE_COMPLETED


async def test_a_part_of_another_size_than_declared_is_refused(world: World) -> None:
    upload = await world.start(size=1_500)
    key, size = raw_key(upload.upload_id), 400
    [open_upload] = await world.multiparts()
    await world.put(await world.blobs.presign_part(key, open_upload.upload_ref, 1, size_bytes=PART, expires_in_ms=1_000), b"x" * PART)
    await world.put(await world.blobs.presign_part(key, open_upload.upload_ref, 2, size_bytes=size, expires_in_ms=1_000), b"x" * size)
    with pytest.raises(FailedPrecondition) as refused:
        await world.complete(upload.upload_id)
    assert (refused.value.reason, refused.value.facts["size_bytes"], refused.value.facts["declared_bytes"]) == (
        "SIZE_MISMATCH",
        "1400",
        "1500",
    )
    assert await world.objects() == []


async def test_a_part_that_the_file_does_not_have_is_refused(world: World) -> None:
    upload = await world.start()
    await world.send(upload)
    with pytest.raises(InvalidArgument) as refused:
        await world.complete(upload.upload_id, p4="0" * 32)
    assert refused.value.reason == "PART_OUT_OF_RANGE"
    assert (await world.get(upload.upload_id)).state == pb2.UPLOAD_STATE_OPEN


async def test_abort_leaves_no_bytes_and_frees_both_quotas(world: World) -> None:
    upload = await world.start()
    await world.send(upload)
    ended = await world.abort(upload.upload_id)
    assert (ended.state, ended.failure_code, ended.failure_detail) == (
        pb2.UPLOAD_STATE_ABORTED,
        "UPLOAD_ABORTED",
        "The upload was given up.",
    )
    assert await world.multiparts() == []
    assert await world.objects() == []
    assert await world.seen(upload.upload_id) == []
    quota = await world.tables.get(UploadQuota, ALICE)
    assert quota is not None
    assert (quota.open_ids, quota.day_ids) == ("", "")
    assert (await world.rows(UnendedUpload))[UnendedUpload] == []
    assert await world.abort(upload.upload_id) == ended
    assert await world.event_names() == []


async def test_abort_frees_both_quotas_while_the_object_store_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = await world.start()

    async def away(*_: object) -> None:
        raise BlobsUnavailable("away")

    monkeypatch.setattr(world.blobs, "multipart_abort", away)
    with pytest.raises(MeshError):
        await world.abort(upload.upload_id)
    quota = await world.tables.get(UploadQuota, ALICE)
    assert quota is not None
    assert (quota.open_ids, quota.day_ids) == ("", "")
    assert [entry.upload_id for entry in (await world.rows(UnendedUpload))[UnendedUpload]] == [upload.upload_id]
    monkeypatch.undo()
    await world.rooms.sweeper.sweep()
    assert (await world.rows(UnendedUpload))[UnendedUpload] == []
    assert await world.multiparts() == []


async def test_what_ended_cannot_end_otherwise(world: World) -> None:
    aborted, done = await world.start(request_id="a"), await world.start(request_id="b")
    await world.abort(aborted.upload_id)
    await world.send(done)
    await world.complete(done.upload_id)
    before = await world.rows()
    for call in (world.complete(aborted.upload_id), world.abort(done.upload_id)):
        with pytest.raises(FailedPrecondition) as refused:
            await call
        assert refused.value.reason == "UPLOAD_NOT_OPEN"
    assert await world.rows() == before


async def test_abort_against_completion_has_one_winner_and_leaves_what_the_winner_says(world: World) -> None:
    for n in range(4):
        upload = await world.start(request_id=f"r{n}")
        await world.send(upload)
        answers = await asyncio.gather(world.complete(upload.upload_id), world.abort(upload.upload_id), return_exceptions=True)
        refused = [answer.reason for answer in answers if isinstance(answer, MeshError)]
        assert refused == ["UPLOAD_NOT_OPEN"]
        state = (await world.get(upload.upload_id)).state
        objects = await world.objects(raw_key(upload.upload_id))
        assert bool(objects) == (state == pb2.UPLOAD_STATE_COMPLETED)
        assert bool(await world.seen(upload.upload_id)) == (state == pb2.UPLOAD_STATE_COMPLETED)


async def test_an_abort_between_bytes_and_row_leaves_no_bytes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = await world.start()
    await world.send(upload)
    complete = world.blobs.multipart_complete

    async def complete_then_abort(*args: Any, **fields: Any) -> BlobInfo:
        info = await complete(*args, **fields)
        await world.abort(upload.upload_id)
        await world.blobs.put(info.key, b"x" * info.size_bytes)  # the store was slower than the abort
        return info

    monkeypatch.setattr(world.blobs, "multipart_complete", complete_then_abort)
    with pytest.raises(FailedPrecondition) as refused:
        await world.complete(upload.upload_id)
    assert refused.value.reason == "UPLOAD_NOT_OPEN"
    assert await world.objects() == []
    assert await world.event_names() == []


async def test_refused_media_shows_on_the_session(world: World) -> None:
    video_id = await world.processing()
    await world.rooms.media.media_failed(video_id, reason="CORRUPT_MEDIA", detail="moov atom not found")
    upload = await world.get(video_id)
    assert (upload.state, upload.failure_code, upload.failure_detail) == (pb2.UPLOAD_STATE_FAILED, "CORRUPT_MEDIA", "moov atom not found")
    assert (upload.stage, upload.progress_percent) == (pb2.PROCESSING_STAGE_FAILED, 100)
    await world.work()
    assert await world.objects() == []
    await world.delete(video_id)
    upload = await world.get(video_id)
    assert (upload.state, upload.failure_code) == (pb2.UPLOAD_STATE_FAILED, "CORRUPT_MEDIA")


async def test_progress_never_falls_and_is_hinted(world: World) -> None:
    video_id = await world.processing()
    world.hints.clear()
    media = world.rooms.media
    for stage, percent in ((Stage.PROBING, 3), (Stage.ENCODING_FIRST, 40), (Stage.PROBING, 20), (Stage.ENCODING_FIRST, 40)):
        media.report_progress(video_id, stage=stage, percent=percent)
    upload = await world.get(video_id)
    assert (upload.stage, upload.progress_percent) == (pb2.PROCESSING_STAGE_ENCODING_FIRST, 40)
    assert world.hints == [(video_id, 2_003), (video_id, 3_040)]
    await world.probe(video_id)
    await world.playable(video_id)
    upload = await world.get(video_id)
    assert (upload.stage, upload.progress_percent, upload.playable) == (pb2.PROCESSING_STAGE_ENCODING_REST, 50, True)
    await media.became_complete(video_id, renditions=LADDER)
    upload = await world.get(video_id)
    assert (upload.stage, upload.progress_percent) == (pb2.PROCESSING_STAGE_DONE, 100)
    assert [version for _, version in world.hints] == sorted(version for _, version in world.hints)
