"""An upload whose parts MinIO had moved half-way to their object when it died: its disk is brought into that state by hand, as the moment is short."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mesh.clock import SystemClock
from mesh.stores.blobs import open_blobs
from mesh.stores.blobs.port import Blobs, BlobsUnavailable, MultipartGone
from mesh.stores.blobs.s3.multipart import Bucket
from mesh.testing.blobs import FIRST, LAST, MINUTE_MS, PART, read
from tests.servers.shared import RunningServers

KEY = "raw/9"
WHOLE = FIRST + LAST


async def send(blobs: Blobs, ref: str) -> None:
    """Both parts."""
    for number, body in ((1, FIRST), (2, LAST)):
        link = await blobs.presign_part(KEY, ref, number, size_bytes=len(body), expires_in_ms=MINUTE_MS)
        await blobs.send(link, body)


def move_half_way(data: Path, bucket: str) -> None:
    """The parts lie where those of the object are to be, and nothing says yet that they are its parts."""
    [upload] = [facts.parent for facts in (data / ".minio.sys" / "multipart").glob("*/*/xl.meta")]
    [parts] = [entry for entry in upload.iterdir() if entry.is_dir()]
    target = data / bucket / KEY
    target.mkdir(parents=True)
    parts.rename(target / parts.name)


async def test_what_was_half_joined_is_gone_and_another_upload_takes_its_place(
    servers: RunningServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await asyncio.to_thread(servers.another, "minio", durable=True)
    blobs = open_blobs(server.url, clock=SystemClock(), url_key=b"")
    await blobs.prepare()
    ref = await blobs.multipart_begin(KEY, content_type="video/mp4")
    await send(blobs, ref)

    def dies(*_: object) -> None:
        raise BlobsUnavailable("the store dies here")

    with monkeypatch.context() as dying:
        dying.setattr(Bucket, "complete", dies)
        with pytest.raises(BlobsUnavailable):
            await blobs.multipart_complete(KEY, ref, size_bytes=len(WHOLE), part_size_bytes=PART)
    await asyncio.to_thread(server.kill)
    move_half_way(server.place.folder / "data", server.url.rpartition("/")[2])
    await asyncio.to_thread(server.start)

    for _ in range(2):
        with pytest.raises(MultipartGone):
            await blobs.multipart_complete(KEY, ref, size_bytes=len(WHOLE), part_size_bytes=PART)
    await send(blobs, ref)
    with pytest.raises(MultipartGone):
        await blobs.multipart_complete(KEY, ref, size_bytes=len(WHOLE), part_size_bytes=PART)
    again = await blobs.multipart_begin(KEY, content_type="video/mp4")
    await send(blobs, again)
    await blobs.multipart_complete(KEY, again, size_bytes=len(WHOLE), part_size_bytes=PART)
    assert await read(blobs, KEY) == WHOLE
    await blobs.close()
