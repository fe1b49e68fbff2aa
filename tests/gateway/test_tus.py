"""The tus door over the real video service: what arrived counts, nothing else does, and only its owner may send or end it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from clipmesh.social.v1 import identity_service_pb2 as identity
from clipmesh.video.v1 import upload_service_pb2 as pb2

from gateway.tus import writers
from gateway.tus.body import StreamLimits
from mesh.stores.redis import open_redis
from mesh.testing.redis_server import RedisServer
from svc_video.layout import raw_key
from svc_video.uploads.tables import Upload
from tests.gateway.fakes import Fakes, serve_fakes
from tests.gateway.world import World as Edge
from tests.gateway.world import edge, token, until
from tests.service.video.world import ALICE, BOB, World, world_in

CONTENT = bytes(range(250)) * 10
"""Two parts of 1,000 bytes and one of 500."""
BODY = "application/offset+octet-stream"


class Tus:
    """A client of one person."""

    def __init__(self, edge: Edge, video: World, user_id: int = ALICE) -> None:
        self.edge = edge
        self.video = video
        self.bearer = token(user_id, issued_at_ms=video.clock.now_ms())

    def headers(self, **more: str | None) -> dict[str, str]:
        sent: dict[str, str | None] = {"Tus-Resumable": "1.0.0", "Authorization": f"Bearer {self.bearer}"}
        sent |= {name.replace("_", "-"): value for name, value in more.items()}
        return {name: value for name, value in sent.items() if value is not None}

    async def ask(self, method: str, where: str, *, content: bytes | None = None, **headers: str | None) -> httpx.Response:
        answer = await self.edge.http.request(method, where, content=content, headers=self.headers(**headers))
        assert answer.headers["tus-resumable"] == "1.0.0"
        return answer

    async def create(
        self, size: int = len(CONTENT), *, content: bytes | None = None, told: dict[str, str] | None = None, **headers: str | None
    ) -> httpx.Response:
        named = {"filetype": "video/mp4", "duration_ms": "20000", "filename": "a b.mp4"} if told is None else told
        metadata = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in named.items())
        sent: dict[str, str | None] = {"Upload_Length": str(size), "Upload_Metadata": metadata, **headers}
        return await self.ask("POST", "/tus", content=content, **sent)

    async def made(self, **options: Any) -> str:
        answer = await self.create(**options)
        assert answer.status_code == 201, answer.text
        location: str = answer.headers["location"]
        return location

    async def patch(self, where: str, offset: int, content: bytes, **headers: str | None) -> httpx.Response:
        sent: dict[str, str | None] = {"Upload_Offset": str(offset), "Content_Type": BODY, **headers}
        return await self.ask("PATCH", where, content=content, **sent)

    async def offset(self, where: str) -> int:
        answer = await self.ask("HEAD", where)
        assert answer.status_code == 200
        return int(answer.headers["upload-offset"])

    @contextlib.asynccontextmanager
    async def sending(
        self, where: str, offset: int, length: int, content: bytes, **more: str | None
    ) -> AsyncIterator[asyncio.StreamReader]:
        """A PATCH that says `length`, sent as far as `content` goes; the connection breaks at the end of the block."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.edge.app.port)
        fields = self.headers(Host="x", Content_Type=BODY, Upload_Offset=str(offset), Content_Length=str(length), **more)
        head = f"PATCH {where} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(head.encode() + b"\r\n" + content)
        await writer.drain()
        try:
            yield reader
        finally:
            writer.close()

    async def parts(self, where: str) -> list[int]:
        upload = await self.video.get(int(where.rpartition("/")[2]))
        return [part.part_number for part in upload.received_parts]


Opening = Callable[..., AbstractAsyncContextManager[Edge]]


@pytest.fixture
async def video(tmp_path: Path) -> AsyncIterator[World]:
    async with world_in(tmp_path / "video") as world:
        yield world


@pytest.fixture
def opened(video: World, redis_server: RedisServer) -> Opening:
    """Opens a gateway over the video service; one after the other, or two at once."""

    @contextlib.asynccontextmanager
    async def opening(**settings: Any) -> AsyncIterator[Edge]:
        fakes = Fakes()
        async with (
            serve_fakes(fakes, clock=video.clock) as addresses,
            edge(
                fakes,
                {**addresses, "video": video.served.address},
                redis=redis_server.url,
                blobs=video.blob_folder,
                clock=video.clock,
                development=True,
                **settings,
            ) as world,
        ):
            yield world

    return opening


@pytest.fixture
async def tus(opened: Opening, video: World) -> AsyncIterator[Tus]:
    async with opened() as world:
        yield Tus(world, video)


async def content_of(video: World, where: str) -> bytes:
    return await (await video.blobs.get(raw_key(int(where.rpartition("/")[2])))).read()


async def test_options_tell_what_the_door_can(tus: Tus) -> None:
    answer = await tus.edge.http.options("/tus")
    assert answer.status_code == 204
    told = {name: answer.headers[name] for name in ("tus-version", "tus-extension", "tus-checksum-algorithm")}
    assert told == {
        "tus-version": "1.0.0",
        "tus-extension": "creation,creation-with-upload,termination,checksum,expiration",
        "tus-checksum-algorithm": "sha1,sha256,md5",
    }
    assert answer.headers["access-control-allow-methods"] == "OPTIONS, POST"


async def test_what_options_do_not_tell_is_refused_by_name(tus: Tus, video: World) -> None:
    told = (await tus.edge.http.options("/tus")).headers["tus-extension"].split(",")
    before = await video.rows()
    for extension, headers in (
        ("creation-defer-length", {"Upload_Length": None, "Upload_Defer_Length": "1"}),
        ("creation-defer-length", {"Upload_Defer_Length": "1"}),
        ("concatenation", {"Upload_Concat": "partial"}),
        ("concatenation", {"Upload_Length": None, "Upload_Concat": "final;/tus/1 /tus/2"}),
    ):
        assert extension not in told
        answer = await tus.create(**headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "BAD_HEADER"), headers
        assert "is not taken" in answer.json()["detail"]
    assert await video.rows() == before


async def test_a_file_that_comes_in_odd_pieces_is_whole_at_the_end(tus: Tus, video: World) -> None:
    created = await tus.create()
    where = created.headers["location"]
    assert (created.status_code, created.headers["upload-expires"]) == (201, "Fri, 10 Oct 2025 08:53:20 GMT")
    offset = 0
    for size in (700, 1, 299, 1_400, 100):
        sent = await tus.patch(where, offset, CONTENT[offset : offset + size])
        offset += size
        assert (sent.status_code, sent.headers["upload-offset"]) == (204, str(offset))
        assert await tus.offset(where) == offset
    upload = await video.get(int(where.rpartition("/")[2]))
    assert (upload.state, upload.mime_type) == (pb2.UPLOAD_STATE_COMPLETED, "video/mp4")
    assert await content_of(video, where) == CONTENT
    assert await video.event_names() == ["UploadCompleted"]
    assert await video.objects("tails/") == []


async def test_head_tells_length_offset_type_and_end(tus: Tus) -> None:
    where = await tus.made()
    await tus.patch(where, 0, CONTENT[:1_234])
    answer = await tus.ask("HEAD", where)
    told = {name: answer.headers.get(name) for name in ("upload-length", "upload-offset", "upload-metadata", "cache-control")}
    assert told == {
        "upload-length": "2500",
        "upload-offset": "1234",
        "upload-metadata": "filetype dmlkZW8vbXA0",
        "cache-control": "no-store",
    }
    assert answer.headers["upload-expires"] == "Fri, 10 Oct 2025 08:53:20 GMT"


async def test_a_creation_may_bring_the_whole_file(tus: Tus, video: World) -> None:
    answer = await tus.create(content=CONTENT, Content_Type=BODY)
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, "2500")
    assert await content_of(video, answer.headers["location"]) == CONTENT


async def test_a_creation_that_is_repeated_answers_the_same_session(tus: Tus) -> None:
    told = {"filetype": "video/mp4", "request_id": "once"}
    first = await tus.made(told=told)
    await tus.patch(first, 0, CONTENT[:300])
    again = await tus.create(told=told, content=CONTENT[:100], Content_Type=BODY)
    assert (again.headers["location"], again.headers["upload-offset"]) == (first, "300")


async def test_another_offset_is_refused_and_changes_nothing(tus: Tus, video: World) -> None:
    where = await tus.made()
    await tus.patch(where, 0, CONTENT[:1_200])
    before = await video.rows(), await video.objects(), await tus.parts(where)
    for offset in (0, 999, 1_201, 2_500):
        answer = await tus.patch(where, offset, b"x" * (2_500 - offset))
        assert (answer.status_code, answer.json()["code"], answer.headers["upload-offset"]) == (409, "OFFSET_MISMATCH", "1200")
    assert (await video.rows(), await video.objects(), await tus.parts(where)) == before
    assert await tus.offset(where) == 1_200


async def test_a_wrong_checksum_keeps_nothing_of_the_body(tus: Tus, video: World) -> None:
    where = await tus.made()
    await tus.patch(where, 0, CONTENT[:600])
    digest = base64.b64encode(hashlib.sha1(CONTENT[600:1_600]).digest()).decode()
    refused = await tus.patch(where, 600, b"y" * 1_000, Upload_Checksum=f"sha1 {digest}")
    assert (refused.status_code, refused.json()["status"], refused.json()["code"]) == (460, 460, "CHECKSUM_MISMATCH")
    assert (await tus.offset(where), await tus.parts(where)) == (600, [])
    taken = await tus.patch(where, 600, CONTENT[600:1_600], Upload_Checksum=f"sha1 {digest}")
    assert (taken.status_code, taken.headers["upload-offset"]) == (204, "1600")
    await tus.patch(where, 1_600, CONTENT[1_600:])
    assert await content_of(video, where) == CONTENT


async def test_other_checksums_are_looked_at_too(tus: Tus) -> None:
    where = await tus.made()
    for offset, algorithm in ((0, "sha256"), (10, "md5")):
        digest = base64.b64encode(hashlib.new(algorithm, b"x" * 10).digest()).decode()
        assert (await tus.patch(where, offset, b"z" * 10, Upload_Checksum=f"{algorithm} {digest}")).status_code == 460
        assert (await tus.patch(where, offset, b"x" * 10, Upload_Checksum=f"{algorithm} {digest}")).status_code == 204


_PATCHES: list[tuple[dict[str, str | None], int, int, str]] = [
    ({"Tus_Resumable": None}, 10, 412, "TUS_VERSION"),
    ({"Tus_Resumable": "0.2.2"}, 10, 412, "TUS_VERSION"),
    ({"Content_Type": "application/octet-stream"}, 10, 415, "BODY_TYPE"),
    ({"Upload_Offset": "-1"}, 10, 400, "BAD_HEADER"),
    ({"Upload_Offset": None}, 10, 400, "BAD_HEADER"),
    ({"Upload_Checksum": "crc32 AAAA"}, 10, 400, "CHECKSUM_UNSUPPORTED"),
    ({"Upload_Checksum": "sha1 AAAA"}, 10, 400, "BAD_HEADER"),
    ({"Upload_Checksum": f"md5 {base64.b64encode(b'x' * 16).decode()}"}, 1_001, 413, "BODY_TOO_LARGE"),
    ({}, 2_501, 413, "BODY_TOO_LARGE"),
    ({"Authorization": None}, 10, 401, "UNAUTHENTICATED"),
    ({"Authorization": "Bearer nonsense"}, 10, 401, "UNAUTHENTICATED"),
]


async def test_a_patch_that_cannot_be_is_refused_by_name(tus: Tus, video: World) -> None:
    where = await tus.made()
    before = await video.rows(), await video.objects()
    for headers, length, status, code in _PATCHES:
        answer = await tus.patch(where, 0, b"x" * length, **headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code), headers
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await video.rows(), await video.objects(), await tus.offset(where)) == (*before, 0)


async def test_a_body_without_length_that_is_too_long_keeps_nothing_beyond_its_parts(tus: Tus) -> None:
    where = await tus.made(size=600)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(7):
            yield b"x" * 100

    sent = tus.headers(Upload_Offset="0", Content_Type=BODY)
    answer = await tus.edge.http.patch(where, content=pieces(), headers=sent)
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert await tus.offset(where) in {0, 600}


_CREATIONS: list[tuple[dict[str, str], int, int, str]] = [
    ({"filetype": "video/mp4", "duration_ms": "14000"}, 2_500, 400, "DURATION_TOO_SHORT"),
    ({"filetype": "video/mp4", "duration_ms": "601000"}, 2_500, 400, "DURATION_TOO_LONG"),
    ({"filetype": "text/html"}, 2_500, 415, "UNSUPPORTED_CONTENT_TYPE"),
    ({}, 2_500, 415, "UNSUPPORTED_CONTENT_TYPE"),
    ({"filetype": "video/mp4"}, 4 * 1024**3 + 1, 413, "FILE_TOO_LARGE"),
    ({"filetype": "video/mp4"}, 0, 400, "INVALID_REQUEST"),
    ({"filetype": "video/mp4", "width": "x"}, 2_500, 400, "BAD_METADATA"),
    ({"filetype": "video/mp4", "sha256": "00"}, 2_500, 400, "BAD_METADATA"),
]


async def test_a_creation_that_cannot_be_is_refused_by_name(tus: Tus, video: World) -> None:
    before = await video.rows()
    for told, size, status, code in _CREATIONS:
        answer = await tus.create(size, told=told)
        assert (answer.status_code, answer.json()["code"]) == (status, code), told
    for metadata in ("filetype a", "filetype dmlkZW8vbXA0,filetype dmlkZW8vbXA0", "x" * 5_000, "filetype /w=="):
        answer = await tus.create(Upload_Metadata=metadata)
        assert (answer.status_code, answer.json()["code"]) == (400, "BAD_METADATA")
    assert await video.rows() == before


async def test_what_is_told_reaches_the_session(tus: Tus, video: World) -> None:
    told = {"filetype": "video/webm", "duration_ms": "30000", "width": "720", "height": "1280", "sha256": "ab" * 32}
    where = await tus.made(told=told)
    row = await video.tables.get(Upload, int(where.rpartition("/")[2]))
    assert row is not None
    assert (row.creator_id, row.mime_type, row.declared_duration_ms, row.declared_width, row.declared_height, row.sha256) == (
        ALICE,
        "video/webm",
        30_000,
        720,
        1_280,
        b"\xab" * 32,
    )


async def test_the_quota_is_the_one_of_the_other_door(tus: Tus, video: World) -> None:
    for number in range(5):
        await video.start(request_id=f"r{number}")
    answer = await tus.create()
    assert (answer.status_code, answer.json()["code"]) == (429, "TOO_MANY_OPEN_UPLOADS")


async def test_strangers_see_send_and_end_nothing(tus: Tus, video: World) -> None:
    where = await tus.made()
    await tus.patch(where, 0, CONTENT[:600])
    before = await video.rows(), await video.objects()
    bob = Tus(tus.edge, video, BOB)
    for answer in (await bob.ask("HEAD", where), await bob.patch(where, 600, CONTENT[600:]), await bob.ask("DELETE", where)):
        assert answer.status_code == 404
        assert "upload-offset" not in answer.headers
    assert (await video.rows(), await video.objects(), await tus.offset(where)) == (*before, 600)


async def test_an_address_of_no_session_is_not_found(tus: Tus) -> None:
    for name in ("0", "x", "1" * 30, "-1", "٣"):
        assert (await tus.ask("HEAD", f"/tus/{name}")).status_code == 404


async def test_termination_ends_the_session_and_leaves_nothing(tus: Tus, video: World) -> None:
    where = await tus.made()
    await tus.patch(where, 0, CONTENT[:1_200])
    assert (await tus.ask("DELETE", where)).status_code == 204
    assert (await video.get(int(where.rpartition("/")[2]))).state == pb2.UPLOAD_STATE_ABORTED
    assert (await video.objects(), await video.multiparts()) == ([], [])
    assert (await tus.ask("HEAD", where)).status_code == 410
    assert (await tus.patch(where, 1_200, CONTENT[1_200:])).status_code == 410


async def test_an_expired_session_is_gone(tus: Tus, video: World) -> None:
    where = await tus.made()
    video.clock.advance(86_400_000)
    await video.rooms.sweeper.sweep()

    async def active(_: Any) -> identity.GetSessionResponse:
        return identity.GetSessionResponse(active=True)

    tus.edge.fakes.answers["GetSession"] = active
    answer = await Tus(tus.edge, video).patch(where, 0, CONTENT)
    assert (answer.status_code, answer.json()["code"]) == (410, "UPLOAD_NOT_OPEN")


async def test_clients_that_can_only_post_name_their_method(tus: Tus) -> None:
    where = await tus.made()
    headers: dict[str, str | None] = {"X_HTTP_Method_Override": "PATCH", "Upload_Offset": "0", "Content_Type": BODY}
    answer = await tus.ask("POST", where, content=CONTENT[:10], **headers)
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, "10")
    assert (await tus.ask("POST", where)).status_code == 405
    assert (await tus.ask("PUT", where, X_HTTP_Method_Override="PATCH")).status_code == 405


async def test_what_a_broken_stream_brought_counts(tus: Tus, video: World) -> None:
    where = await tus.made()
    async with tus.sending(where, 0, 2_500, CONTENT[:1_700]):
        await _has_parts(tus, where, [1])
    offset = await _offset_reached(tus, where, 1_700)
    assert await video.objects("tails/") == [f"tails{where.removeprefix('/tus')}/00002"]
    assert (await tus.patch(where, offset, CONTENT[offset:])).status_code == 204
    assert await content_of(video, where) == CONTENT


async def test_a_broken_stream_with_a_checksum_keeps_nothing(tus: Tus) -> None:
    where = await tus.made()
    digest = base64.b64encode(hashlib.sha1(CONTENT[:900]).digest()).decode()
    async with tus.sending(where, 0, 900, CONTENT[:800], Upload_Checksum=f"sha1 {digest}"):
        await _is_held(tus)
    await _nobody_holds(tus)
    assert await tus.offset(where) == 0


async def test_a_gateway_that_stops_keeps_what_came_and_another_goes_on(opened: Opening, video: World) -> None:
    async with opened() as first:
        tus = Tus(first, video)
        where = await tus.made()
        async with tus.sending(where, 0, 2_500, CONTENT[:1_700]) as answer:
            await _has_parts(tus, where, [1])
            await first.app.stop()
            assert (await answer.readline()).startswith(b"HTTP/1.1 503")
    async with opened() as second:
        tus = Tus(second, video)
        assert await tus.offset(where) == 1_700
        assert (await tus.patch(where, 1_700, CONTENT[1_700:])).status_code == 204
    assert await content_of(video, where) == CONTENT


async def test_there_is_one_writer_at_a_time(tus: Tus, opened: Opening, video: World) -> None:
    where = await tus.made()
    async with tus.sending(where, 0, 2_500, CONTENT[:1_100]), opened() as other:
        await _has_parts(tus, where, [1])
        for door in (tus, Tus(other, video)):
            answer = await door.patch(where, 1_000, CONTENT[1_000:])
            assert (answer.status_code, answer.json()["code"]) == (423, "UPLOAD_LOCKED")
    await _offset_reached(tus, where, 1_100)


async def test_a_silent_writer_gives_way_to_its_client_on_another_connection(tus: Tus, monkeypatch: pytest.MonkeyPatch) -> None:
    where = await tus.made()
    async with tus.sending(where, 0, 2_500, CONTENT[:1_100]):
        await _has_parts(tus, where, [1])
        monkeypatch.setattr(writers, "QUIET_S", 0.0)
        assert await tus.offset(where) == 1_100
        assert (await tus.patch(where, 1_100, CONTENT[1_100:])).headers["upload-offset"] == "2500"


async def test_a_client_that_falls_silent_is_told_and_loses_nothing(tus: Tus, monkeypatch: pytest.MonkeyPatch) -> None:
    where = await tus.made()
    monkeypatch.setattr(tus.edge.app.tus, "_limits", StreamLimits(idle_ms=200))
    async with tus.sending(where, 0, 2_500, CONTENT[:1_700]) as answer:
        assert (await answer.readline()).startswith(b"HTTP/1.1 408")
        assert b"BODY_TOO_SLOW" in await answer.read()
    assert await tus.offset(where) == 1_700


async def test_there_are_only_so_many_streams_at_once(tus: Tus, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = await tus.made(), await tus.made()
    assert tus.edge.app.tus is not None
    monkeypatch.setattr(tus.edge.app.tus, "_writers", writers.Writers(redis=open_redis("unix:nowhere"), max_open=1))
    async with tus.sending(first, 0, 2_500, CONTENT[:10]):
        await _is_held(tus)
        answer = await tus.patch(second, 0, CONTENT)
        assert (answer.status_code, answer.json()["code"]) == (503, "OVERLOADED")
    await _nobody_holds(tus)
    assert (await tus.patch(second, 0, CONTENT)).status_code == 204


async def test_redis_may_be_away(tus: Tus, redis_server: RedisServer, video: World) -> None:
    where = await tus.made()
    await redis_server.stop()
    try:
        assert (await tus.patch(where, 0, CONTENT)).status_code == 204
    finally:
        await redis_server.start()
    assert await content_of(video, where) == CONTENT


async def test_a_completion_that_failed_is_made_up_for_by_head(tus: Tus, video: World) -> None:
    where = await tus.made()
    video.rooms.jobs.down = True
    assert (await tus.patch(where, 0, CONTENT)).status_code == 500
    video.rooms.jobs.down = False
    assert await tus.offset(where) == 2_500
    assert (await video.get(int(where.rpartition("/")[2]))).state == pb2.UPLOAD_STATE_COMPLETED


async def test_a_damaged_tail_is_sent_once_more(tus: Tus, video: World) -> None:
    where = await tus.made()
    await tus.patch(where, 0, CONTENT[:1_700])
    [tail] = await video.objects("tails/")
    await video.blobs.put(tail, b"longer than a part" * 100)
    assert await tus.offset(where) == 1_000
    assert (await tus.patch(where, 1_000, CONTENT[1_000:])).status_code == 204
    assert await content_of(video, where) == CONTENT


async def test_requests_are_counted_against_the_person(opened: Opening, video: World) -> None:
    async with opened(rate_user_burst=300, rate_user_per_s=1) as world:
        tus = Tus(world, video)
        where = await tus.made()
        statuses = [(await tus.ask("HEAD", where)).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        refused = await tus.create()
        assert (refused.status_code, refused.json()["code"], int(refused.headers["retry-after"]) >= 1) == (429, "RATE_LIMITED", True)


async def _has_parts(tus: Tus, where: str, numbers: list[int]) -> None:
    async with asyncio.timeout(10):
        while await tus.parts(where) != numbers:
            await asyncio.sleep(0.01)


async def _offset_reached(tus: Tus, where: str, offset: int) -> int:
    async with asyncio.timeout(10):
        while await tus.offset(where) != offset:
            await asyncio.sleep(0.01)
    return offset


async def _is_held(tus: Tus) -> None:
    assert tus.edge.app.tus is not None
    await until(lambda: tus.edge.app.tus is not None and tus.edge.app.tus.streams == 1)


async def _nobody_holds(tus: Tus) -> None:
    await until(lambda: tus.edge.app.tus is not None and tus.edge.app.tus.streams == 0)
