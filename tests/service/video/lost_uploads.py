"""What the video service does when the store of objects lost a multipart upload: the same with every engine."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from clipmesh.video.v1 import upload_service_pb2 as pb2

from mesh.errors import FailedPrecondition
from mesh.stores.blobs.port import MultipartGone
from svc_video.layout import raw_key
from svc_video.uploads.tables import Upload
from tests.service.video.world import World

_ROUNDS = 3
"""A client asks again and again; more rounds than these would go round in circles."""


async def start(world: World) -> pb2.Upload:
    """A session of two parts."""
    return await world.start(size=world.part_bytes + 500)


async def lose(world: World, upload_id: int) -> str:
    """The store forgets the upload and its parts, as MinIO does when it is killed while it joins them; the reference that it had."""
    row = await world.tables.get(Upload, upload_id)
    assert row is not None
    await world.blobs.multipart_abort(raw_key(upload_id), row.upload_ref)
    return row.upload_ref


async def ask_and_send(world: World, upload_id: int) -> pb2.Upload:
    """The ordinary loop of a client: ask which parts are missing, send them, complete."""
    for _ in range(_ROUNDS):
        upload = await world.get(upload_id)
        have = {part.part_number for part in upload.received_parts}
        missing = [number for number in range(1, upload.part_count + 1) if number not in have]
        try:
            for part in await world.sign(upload_id, *missing) if missing else []:
                await world.put(part.url, b"x" * part.size_bytes)
            return await world.complete(upload_id)
        except MultipartGone:
            continue
        except FailedPrecondition as refused:
            if refused.reason != "MISSING_PARTS":
                raise
    raise AssertionError("the client never ended")


class LostUploadsContract:
    """Fixture: `world`."""

    async def test_parts_that_the_store_lost_are_asked_for_again_and_taken(self, world: World) -> None:
        upload = await start(world)
        await world.send(upload)
        links = await world.sign(upload.upload_id, 1, 2)
        lost = await lose(world, upload.upload_id)
        [before] = (await world.rows(Upload))[Upload]
        with pytest.raises(FailedPrecondition) as refused:
            await world.complete(upload.upload_id)
        assert (refused.value.reason, refused.value.facts["part_numbers"]) == ("MISSING_PARTS", "1,2")
        [now] = (await world.rows(Upload))[Upload]
        assert {name for name in Upload.__slots__ if getattr(now, name) != getattr(before, name)} == {"upload_ref", "version"}
        assert [one.upload_ref for one in await world.multiparts()] == [now.upload_ref] != [lost]
        with pytest.raises(MultipartGone):
            await world.put(links[0].url, b"x" * links[0].size_bytes)
        assert await world.get(upload.upload_id) == upload
        assert (await ask_and_send(world, upload.upload_id)).state == pb2.UPLOAD_STATE_COMPLETED
        assert await world.event_names() == ["UploadCompleted"]
        assert await world.multiparts() == []
        assert (await world.blobs.head(raw_key(upload.upload_id))).size_bytes == upload.size_bytes

    async def test_links_are_of_an_upload_that_is_there(self, world: World) -> None:
        upload = await start(world)
        [first, _] = await world.sign(upload.upload_id, 1, 2)
        await world.put(first.url, b"x" * first.size_bytes)
        await lose(world, upload.upload_id)
        assert (await ask_and_send(world, upload.upload_id)).state == pb2.UPLOAD_STATE_COMPLETED
        assert await world.event_names() == ["UploadCompleted"]

    async def test_an_upload_that_is_lost_time_and_again_ends_well(self, world: World) -> None:
        upload = await start(world)
        refs = set()
        for _ in range(3):
            await world.send(upload)
            refs.add(await lose(world, upload.upload_id))
        assert len(refs) == 3
        assert (await ask_and_send(world, upload.upload_id)).state == pb2.UPLOAD_STATE_COMPLETED

    async def test_all_who_ask_at_once_get_links_of_one_upload(self, world: World) -> None:
        upload = await start(world)
        await lose(world, upload.upload_id)
        answers = await asyncio.gather(*(world.sign(upload.upload_id, 1, 2) for _ in range(6)))
        [row] = (await world.rows(Upload))[Upload]
        assert [one.upload_ref for one in await world.multiparts()] == [row.upload_ref]
        for number, parts in enumerate(answers):
            part = parts[number % 2]
            await world.put(part.url, b"x" * part.size_bytes)
        assert (await world.complete(upload.upload_id)).state == pb2.UPLOAD_STATE_COMPLETED

    async def test_what_was_joined_unheard_is_completed_and_not_sent_again(self, world: World) -> None:
        upload = await start(world)
        await world.send(upload)
        [row] = (await world.rows(Upload))[Upload]
        await world.blobs.multipart_complete(
            raw_key(upload.upload_id), row.upload_ref, size_bytes=upload.size_bytes, part_size_bytes=upload.part_size_bytes
        )
        with pytest.raises(FailedPrecondition) as refused:
            await world.sign(upload.upload_id, 1, 2)
        assert (refused.value.reason, refused.value.facts["state"]) == ("UPLOAD_NOT_OPEN", "COMPLETED")
        assert (await world.get(upload.upload_id)).state == pb2.UPLOAD_STATE_COMPLETED
        assert await world.event_names() == ["UploadCompleted"]
        assert len(world.rooms.jobs.opened) == 1

    async def test_an_abort_meanwhile_leaves_no_upload(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        upload = await start(world)
        await lose(world, upload.upload_id)
        begin = world.blobs.multipart_begin

        async def begin_late(*args: Any, **fields: Any) -> str:
            ref = await begin(*args, **fields)
            await world.abort(upload.upload_id)
            return ref

        monkeypatch.setattr(world.blobs, "multipart_begin", begin_late)
        with pytest.raises(FailedPrecondition) as refused:
            await world.sign(upload.upload_id, 1)
        assert (refused.value.reason, refused.value.facts["state"]) == ("UPLOAD_NOT_OPEN", "ABORTED")
        assert await world.multiparts() == []
