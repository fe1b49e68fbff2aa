"""StartUpload: what is refused before a byte is sent, quota, repeats."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from clipmesh.video.v1 import upload_service_pb2 as pb2
from clipmesh.video.v1 import video_service_pb2
from clipmesh.video.v1.upload_service_pb2_grpc import UploadServiceStub

from mesh.errors import FailedPrecondition, InvalidArgument, MeshError, ResourceExhausted, Unauthenticated
from svc_video.uploads.tables import UploadQuota
from tests.service.video.world import ALICE, BOB, PART, World

DAY_MS = 86_400_000


async def test_a_session_tells_how_the_file_is_cut(world: World) -> None:
    upload = await world.start(size=2_500, mime_type="Video/MP4; codecs=avc1")
    assert upload == pb2.Upload(
        upload_id=upload.upload_id,
        creator_id=ALICE,
        state=pb2.UPLOAD_STATE_OPEN,
        size_bytes=2_500,
        mime_type="video/mp4",
        part_size_bytes=PART,
        part_count=3,
        expires_at_ms=world.clock.now_ms() + DAY_MS,
        created_at_ms=world.clock.now_ms(),
    )
    [draft] = await world.seen(upload.upload_id)
    assert (draft.state, draft.media_state) == (video_service_pb2.VIDEO_STATE_UPLOADING, video_service_pb2.MEDIA_STATE_UPLOADING)
    assert draft.publication_state == video_service_pb2.PUBLICATION_STATE_DRAFT


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"duration_ms": 14_949}, "DURATION_TOO_SHORT"),
        ({"duration_ms": 600_051}, "DURATION_TOO_LONG"),
        ({"size": 4 * 1024**3 + 1}, "FILE_TOO_LARGE"),
        ({"mime_type": "application/pdf"}, "UNSUPPORTED_CONTENT_TYPE"),
        ({"mime_type": "video/mp4x"}, "UNSUPPORTED_CONTENT_TYPE"),
        ({"kind": pb2.UPLOAD_KIND_LIVE_RECORDING}, "KIND_NOT_SUPPORTED"),
        ({"size": 0}, "INVALID_REQUEST"),
        ({"size": -1}, "INVALID_REQUEST"),
        ({"sha256": b"short"}, "INVALID_REQUEST"),
        ({"request_id": ""}, "INVALID_REQUEST"),
    ],
)
async def test_known_bad_files_are_refused_and_nothing_is_left(world: World, fields: dict[str, Any], reason: str) -> None:
    before = await world.rows()
    with pytest.raises(InvalidArgument) as refused:
        await world.start(**fields)
    assert refused.value.reason == reason
    assert await world.rows() == before
    assert await world.multiparts() == []


async def test_unknown_length_passes_and_bounds_are_inclusive(world: World) -> None:
    for request_id, duration_ms in (("a", 0), ("b", 15_000), ("c", 600_000)):
        assert (await world.start(request_id=request_id, duration_ms=duration_ms)).state == pb2.UPLOAD_STATE_OPEN


async def test_nobody_uploads_without_signing_in(world: World) -> None:
    stub = world.served.stub(UploadServiceStub)
    with pytest.raises(Unauthenticated) as refused:
        await stub.StartUpload(pb2.StartUploadRequest(request_id="r", size_bytes=1, mime_type="video/mp4"))
    assert refused.value.reason == "SIGN_IN_REQUIRED"


async def test_a_repeat_gets_the_same_session_as_it_stands_now(world: World) -> None:
    first = await world.start(request_id="same")
    [part, *_] = await world.sign(first.upload_id, 2)
    etag = await world.put(part.url, b"y" * PART)
    again = await world.start(request_id="same")
    assert again.upload_id == first.upload_id
    assert list(again.received_parts) == [pb2.ReceivedPart(part_number=2, size_bytes=PART, etag=etag)]
    quota = await world.tables.get(UploadQuota, ALICE)
    assert quota is not None
    assert quota.open_ids == str(first.upload_id)


async def test_the_same_request_id_with_another_body_is_refused(world: World) -> None:
    await world.start(request_id="same", size=2_500)
    before = await world.rows()
    with pytest.raises(FailedPrecondition) as refused:
        await world.start(request_id="same", size=2_501)
    assert refused.value.reason == "REQUEST_ID_REUSED"
    assert await world.rows() == before


async def test_request_ids_of_two_people_do_not_meet(world: World) -> None:
    mine, theirs = await world.start(ALICE, request_id="r"), await world.start(BOB, request_id="r")
    assert mine.upload_id != theirs.upload_id


async def test_twenty_parallel_starts_open_exactly_five(world: World) -> None:
    answers = await asyncio.gather(*(world.start(request_id=f"r{n}") for n in range(20)), return_exceptions=True)
    opened = [answer for answer in answers if isinstance(answer, pb2.Upload)]
    refused = [answer.reason for answer in answers if isinstance(answer, MeshError)]
    assert len(opened) == 5
    assert refused == ["TOO_MANY_OPEN_UPLOADS"] * 15
    listed = (await world.uploads().ListUploads(pb2.ListUploadsRequest())).uploads
    assert {upload.upload_id for upload in listed} == {upload.upload_id for upload in opened}
    assert len(await world.multiparts()) == 5


async def test_parallel_repeats_open_one_session(world: World) -> None:
    answers = await asyncio.gather(*(world.start(request_id="one") for _ in range(8)))
    assert len({answer.upload_id for answer in answers}) == 1
    assert len(await world.multiparts()) == 1


async def test_a_refused_start_leaves_no_session_and_works_once_there_is_room(world: World) -> None:
    opened = [await world.start(request_id=f"r{n}") for n in range(5)]
    before = await world.rows()
    with pytest.raises(ResourceExhausted) as refused:
        await world.start(request_id="late")
    assert refused.value.reason == "TOO_MANY_OPEN_UPLOADS"
    assert await world.rows() == before
    assert len(await world.multiparts()) == 5
    await world.abort(opened[0].upload_id)
    assert (await world.start(request_id="late")).state == pb2.UPLOAD_STATE_OPEN


async def test_the_31st_upload_of_a_day_waits_for_tomorrow(world: World) -> None:
    for n in range(30):
        upload = await world.start(request_id=f"r{n}", size=1)
        await world.send(upload)
        await world.complete(upload.upload_id)
    with pytest.raises(ResourceExhausted) as refused:
        await world.start(request_id="one more")
    assert refused.value.reason == "DAILY_LIMIT_EXCEEDED"
    assert refused.value.retry_after_ms == DAY_MS - world.clock.now_ms() % DAY_MS
    assert (await world.start(BOB, request_id="r")).state == pb2.UPLOAD_STATE_OPEN
    world.clock.advance(refused.value.retry_after_ms)
    assert (await world.start(request_id="one more")).state == pb2.UPLOAD_STATE_OPEN


async def test_places_of_starts_that_died_are_given_back(world: World) -> None:
    for n in range(5):
        await world.start(BOB, request_id=f"b{n}")
    dead = " ".join(str(world.ids.next()) for _ in range(5))
    taken = " ".join([str(world.clock.now_ms())] * 5)
    await world.tables.insert(UploadQuota(creator_id=ALICE, open_ids=dead, reserved_at_ms=taken, day_ids=dead))
    with pytest.raises(ResourceExhausted):
        await world.start(request_id="early")
    world.clock.advance(60_001)
    upload = await world.start(request_id="later")
    quota = await world.tables.get(UploadQuota, ALICE)
    assert quota is not None
    assert quota.open_ids == str(upload.upload_id)


async def test_repeats_of_refused_starts_leave_one_another_their_places(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    held = [await world.start(request_id=f"held {n}") for n in range(5)]
    late = [f"late {n}" for n in range(7)]
    for request_id in late:
        with pytest.raises(ResourceExhausted):
            await world.start(request_id=request_id)
    for upload in held:
        await world.abort(upload.upload_id)
    world.clock.advance(120_000)
    begin, refused = world.blobs.multipart_begin, asyncio.Event()

    async def begin_slowly(key: str, *, content_type: str) -> str:
        await refused.wait()
        return await begin(key, content_type=content_type)

    monkeypatch.setattr(world.blobs, "multipart_begin", begin_slowly)
    starts = [asyncio.create_task(world.start(request_id=request_id)) for request_id in late]
    for done in asyncio.as_completed(starts):
        with pytest.raises(ResourceExhausted):
            await done
        if sum(start.done() for start in starts) == 2:
            break
    refused.set()
    answers = await asyncio.gather(*starts, return_exceptions=True)
    opened = {answer.upload_id for answer in answers if isinstance(answer, pb2.Upload)}
    assert len(opened) == 5
    quota = await world.tables.get(UploadQuota, ALICE)
    assert quota is not None
    assert set(map(int, quota.open_ids.split())) == set(map(int, quota.day_ids.split())) == opened
