"""While the store of objects is away uploads say so and keep their sessions; what is known of clips is told all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from clipmesh.video.v1 import playback_service_pb2
from clipmesh.video.v1 import upload_service_pb2 as pb2

from mesh.errors import AWAY_RETRY_MS, Unavailable
from mesh.stores.blobs.port import BlobsUnavailable
from svc_video.uploads.metrics import ENDED
from svc_video.uploads.tables import Upload, UploadQuota
from tests.service.video.world import ALICE, World

CALLS = ("multipart_begin", "multipart_parts", "multipart_complete", "multipart_abort", "presign_part", "head", "get", "delete", "list")


@contextmanager
def away(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The store answers nothing for the length of the block."""

    async def nobody(*_: Any, **__: Any) -> None:
        raise BlobsUnavailable("away")

    with monkeypatch.context() as patched:
        for call in CALLS:
            patched.setattr(world.blobs, call, nobody)
        yield


async def test_uploads_wait_for_the_store_and_lose_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    public = await world.public(request_id="public")
    half = await world.start(request_id="half")
    [first, *_] = await world.sign(half.upload_id, 1)
    await world.put(first.url, b"x" * first.size_bytes)
    sent = await world.start(request_id="sent")
    await world.send(sent)
    before = await world.rows(Upload)
    with away(world, monkeypatch):
        for call in (
            world.start(request_id="new"),
            world.sign(half.upload_id, 2),
            world.complete(sent.upload_id),
            world.get(half.upload_id),
        ):
            with pytest.raises(Unavailable) as refused:
                await call
            assert refused.value.retry_after_ms == AWAY_RETRY_MS
        assert await world.rows(Upload) == before
        [video] = await world.seen(public)
        [playback] = await world.plays(public)
        assert (video.video_id, playback.refusal) == (public, playback_service_pb2.PLAYBACK_REFUSAL_UNSPECIFIED)
    assert [part.part_number for part in (await world.get(half.upload_id)).received_parts] == [1]
    assert (await world.complete(sent.upload_id)).state == pb2.UPLOAD_STATE_COMPLETED
    started = await world.start(request_id="new")
    quota = await world.tables.get(UploadQuota, ALICE)
    assert quota is not None
    assert sorted(map(int, quota.open_ids.split())) == sorted([half.upload_id, started.upload_id])


async def test_each_session_ends_once_for_those_who_count(world: World) -> None:
    done, given_up, forgotten = [await world.start(request_id=name) for name in ("done", "given up", "forgotten")]
    await world.send(done)
    for _ in range(2):
        await world.complete(done.upload_id)
        await world.abort(given_up.upload_id)
    world.clock.advance(forgotten.expires_at_ms - world.clock.now_ms())
    for _ in range(2):
        await world.rooms.sweeper.sweep()
    telemetry = world.served.process.telemetry
    assert {end: telemetry.value(ENDED, end=end) for end in sorted(ENDED.labels["end"])} == {"aborted": 1, "completed": 1, "expired": 1}
