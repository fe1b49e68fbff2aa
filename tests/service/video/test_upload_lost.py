"""Uploads that the engine on files lost."""

from __future__ import annotations

import pytest
from clipmesh.video.v1 import upload_service_pb2 as pb2

from mesh.errors import MeshError
from svc_video.uploads.tables import Upload
from tests.service.video.lost_uploads import LostUploadsContract, lose, start
from tests.service.video.world import World


class TestLostUploads(LostUploadsContract):
    """All of it, nothing else."""


async def test_a_stream_begins_at_its_beginning_again(world: World) -> None:
    upload = await start(world)
    await world.send(upload)
    await lose(world, upload.upload_id)
    answer = await world.uploads().GetUploadOffset(pb2.GetUploadOffsetRequest(upload_id=upload.upload_id))
    assert (answer.offset_bytes, answer.tail_bytes) == (0, 0)
    [part] = await world.sign(upload.upload_id, 1)
    await world.put(part.url, b"x" * part.size_bytes)
    answer = await world.uploads().GetUploadOffset(pb2.GetUploadOffsetRequest(upload_id=upload.upload_id))
    assert answer.offset_bytes == part.size_bytes


async def test_what_was_begun_for_nothing_is_ended_by_the_sweeper(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = await start(world)
    await lose(world, upload.upload_id)

    async def cut(*_: object, **__: object) -> None:
        raise ConnectionError("the process dies here")

    monkeypatch.setattr(world.tables, "transition", cut)
    with pytest.raises(MeshError):
        await world.sign(upload.upload_id, 1)
    monkeypatch.undo()
    [row] = (await world.rows(Upload))[Upload]
    assert [one.upload_ref for one in await world.multiparts()] != [row.upload_ref]
    world.clock.advance(3_600_001)
    await world.rooms.sweeper.reconcile()
    assert await world.multiparts() == []
    [part] = await world.sign(upload.upload_id, 1)
    await world.put(part.url, b"x" * part.size_bytes)
