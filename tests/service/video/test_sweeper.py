"""The sweeper: both ways between rows and bytes, and what a crash left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from clipmesh.video.v1 import upload_service_pb2 as pb2
from clipmesh.video.v1 import video_service_pb2

from mesh.errors import MeshError
from svc_video.layout import raw_key
from svc_video.uploads.store import UploadStore
from svc_video.uploads.tables import CreatorUpload, UnendedUpload, Upload, UploadQuota
from tests.service.video.world import ALICE, PART, World

DAY_MS = 86_400_000


async def unended(world: World) -> list[int]:
    return [entry.upload_id for entry in (await world.rows(UnendedUpload))[UnendedUpload]]


async def test_an_expired_session_ends_readable_without_bytes(world: World) -> None:
    upload = await world.start()
    [part] = await world.sign(upload.upload_id, 1)
    await world.put(part.url, b"x" * PART)
    world.clock.advance(DAY_MS - 1)
    await world.rooms.sweeper.sweep()
    assert (await world.get(upload.upload_id)).state == pb2.UPLOAD_STATE_OPEN
    world.clock.advance(1)
    await world.rooms.sweeper.sweep()
    ended = await world.get(upload.upload_id)
    assert (ended.state, ended.failure_code) == (pb2.UPLOAD_STATE_EXPIRED, "UPLOAD_EXPIRED")
    assert ended.failure_detail == "Nobody completed the upload within its life."
    assert await world.multiparts() == []
    [video] = await world.seen(upload.upload_id)
    assert (video.state, video.failure_code) == (video_service_pb2.VIDEO_STATE_FAILED, "UPLOAD_EXPIRED")
    quota = await world.tables.get(UploadQuota, ALICE)
    assert quota is not None
    assert quota.open_ids == ""
    assert await unended(world) == []
    assert await world.event_names() == []


async def test_a_session_whose_bytes_all_arrived_is_completed_unasked(world: World) -> None:
    upload = await world.start()
    await world.send(upload)
    await world.rooms.sweeper.sweep()
    world.clock.advance(119_999)
    await world.rooms.sweeper.sweep()
    assert (await world.get(upload.upload_id)).state == pb2.UPLOAD_STATE_OPEN
    world.clock.advance(1)
    await world.rooms.sweeper.sweep()
    assert (await world.get(upload.upload_id)).state == pb2.UPLOAD_STATE_COMPLETED
    assert await world.event_names() == ["UploadCompleted"]
    assert len(world.rooms.jobs.opened) == 1
    assert await unended(world) == []


async def test_a_late_but_whole_session_is_completed_rather_than_expired(world: World) -> None:
    upload = await world.start()
    await world.send(upload)
    world.clock.advance(DAY_MS)
    await world.rooms.sweeper.sweep()
    assert (await world.get(upload.upload_id)).state == pb2.UPLOAD_STATE_COMPLETED


async def test_an_object_that_is_whole_while_the_row_says_open_is_finished(world: World) -> None:
    upload = await world.start()
    await world.send(upload)
    [multipart] = await world.multiparts()
    await world.blobs.multipart_complete(raw_key(upload.upload_id), multipart.upload_ref, size_bytes=2_500, part_size_bytes=PART)
    await world.rooms.sweeper.sweep()
    world.clock.advance(120_000)
    await world.rooms.sweeper.sweep()
    assert (await world.get(upload.upload_id)).state == pb2.UPLOAD_STATE_COMPLETED
    assert await world.event_names() == ["UploadCompleted"]


async def test_a_completion_that_died_before_processing_was_noted_goes_on(world: World) -> None:
    upload = await world.start()
    await world.send(upload)
    world.rooms.jobs.down = True
    with pytest.raises(MeshError):
        await world.complete(upload.upload_id)
    assert await unended(world) == [upload.upload_id]
    world.rooms.jobs.down = False
    await world.rooms.sweeper.sweep()
    assert [job["video_id"] for job in world.rooms.jobs.opened] == [upload.upload_id]
    assert await world.event_names() == ["UploadCompleted"]
    assert await unended(world) == []


async def test_deleting_the_video_of_an_open_session_ends_the_session(world: World) -> None:
    upload = await world.start()
    await world.send(upload)
    await world.delete(upload.upload_id)
    await world.rooms.sweeper.sweep()
    assert (await world.get(upload.upload_id)).state == pb2.UPLOAD_STATE_ABORTED
    assert await world.multiparts() == []
    assert await world.objects() == []


async def test_lists_of_a_session_that_was_never_written_are_mended(world: World) -> None:
    lost = world.ids.next()
    await world.tables.put(
        CreatorUpload(creator_id=ALICE, upload_id=lost),
        UnendedUpload(shard=0, upload_id=lost, creator_id=ALICE, since_ms=world.clock.now_ms()),
    )
    await world.rooms.sweeper.sweep()
    assert await unended(world) == [lost]
    world.clock.advance(600_000)
    await world.rooms.sweeper.sweep()
    assert await world.rows(UnendedUpload, CreatorUpload) == {UnendedUpload: [], CreatorUpload: []}


async def test_bytes_without_a_session_are_removed_and_all_others_stay(world: World) -> None:
    kept = await world.processing(request_id="kept")
    under_way = await world.start(request_id="under way")
    failed = await world.processing(request_id="failed")
    await world.rooms.media.media_failed(failed, reason="CORRUPT_MEDIA", detail="")
    orphan = world.ids.next()
    await world.blobs.put(raw_key(orphan), b"nobody's")
    await world.blobs.put("raw/2025/10/09/not-a-number", b"nobody's")
    await world.blobs.multipart_begin(raw_key(orphan), content_type="video/mp4")
    await world.blobs.multipart_begin(raw_key(under_way.upload_id), content_type="video/mp4")
    await world.rooms.sweeper.reconcile()
    assert len(await world.objects("raw/")) == 4
    world.clock.advance(3_600_001)
    await world.rooms.sweeper.reconcile()
    assert await world.objects("raw/") == [raw_key(kept)]
    row = await world.tables.get(Upload, under_way.upload_id)
    assert row is not None
    assert [multipart.upload_ref for multipart in await world.multiparts()] == [row.upload_ref]


async def test_one_bad_session_does_not_keep_the_others_waiting(world: World) -> None:
    first, second = await world.start(request_id="a"), await world.start(request_id="b")
    await world.send(first)
    await world.send(second)
    world.clock.advance(DAY_MS)
    opened = world.rooms.jobs.open

    async def refuses_first(**job: object) -> None:
        if job["video_id"] == first.upload_id:
            raise RuntimeError("processing died")
        await opened(**job)

    world.rooms.jobs.open = refuses_first  # type: ignore[method-assign]
    await world.rooms.sweeper.sweep()
    assert await unended(world) == [first.upload_id]
    world.rooms.jobs.open = opened  # type: ignore[method-assign]
    await world.rooms.sweeper.sweep()
    assert await unended(world) == []


async def test_a_session_that_hangs_does_not_keep_the_others_waiting(world: World) -> None:
    first, second = await world.start(request_id="a"), await world.start(request_id="b")
    await world.send(first)
    await world.send(second)
    world.clock.advance(DAY_MS)
    opened, goes_on, other_done = world.rooms.jobs.open, asyncio.Event(), asyncio.Event()

    async def hangs(**job: object) -> None:
        if job["video_id"] == first.upload_id:
            await goes_on.wait()
        await opened(**job)
        other_done.set()

    world.rooms.jobs.open = hangs  # type: ignore[method-assign]
    sweep = asyncio.create_task(world.rooms.sweeper.sweep())
    await asyncio.wait_for(other_done.wait(), 20)
    assert [job["video_id"] for job in world.rooms.jobs.opened] == [second.upload_id]
    goes_on.set()
    await sweep
    assert await unended(world) == []


async def test_reconciling_reads_sessions_many_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(20):
        await world.blobs.multipart_begin(raw_key(world.ids.next()), content_type="video/mp4")
    world.clock.advance(3_600_001)
    reads: list[int] = []
    get_many = UploadStore.get_many

    async def counted(store: UploadStore, upload_ids: Sequence[int]) -> dict[int, Upload]:
        reads.append(len(upload_ids))
        return await get_many(store, upload_ids)

    monkeypatch.setattr(UploadStore, "get_many", counted)
    await world.rooms.sweeper.reconcile()
    assert await world.multiparts() == []
    assert reads[0] == 20
    assert len(reads) <= 2


async def test_a_start_that_is_repeated_while_it_is_swept_stays_listed(world: World) -> None:
    lost = world.ids.next()
    entry = UnendedUpload(shard=0, upload_id=lost, creator_id=ALICE, since_ms=world.clock.now_ms())
    await world.tables.put(entry, CreatorUpload(creator_id=ALICE, upload_id=lost))
    world.clock.advance(600_000)
    taken = str(world.clock.now_ms())
    await world.tables.insert(UploadQuota(creator_id=ALICE, open_ids=str(lost), reserved_at_ms=taken, day_ids=str(lost)))
    before = await world.rows()
    await world.rooms.sweeper.sweep()
    assert await world.rows() == before
