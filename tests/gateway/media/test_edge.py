"""The media edge over ASGI: what a grant allows is served as HTTP promises."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp

from gateway.media.edge import EdgeLimits, MediaEdge
from gateway.media.revocations import RevocationCopy
from mesh.stores.blobs.files import FileBlobs
from mesh.stores.blobs.port import BlobInfo, BlobRange, Blobs, BlobsUnavailable
from mesh.testing.clock import FakeClock
from tests.gateway.media.asking import Answer, ask, verify

Sign = Callable[..., str]
CLIP = bytes(range(256)) * 4000
SIZE = len(CLIP)


@pytest.fixture(autouse=True)
async def clip(blobs: FileBlobs) -> BlobInfo:
    return await blobs.put("video/1/720p.mp4", CLIP, content_type="text/html")


async def get(app: ASGIApp, target: str, method: str = "GET", **headers: str) -> Answer:
    return await ask(app, method, target, headers=[(name.replace("_", "-"), value) for name, value in headers.items()])


async def test_a_whole_object_is_served_with_its_headers(app: ASGIApp, grant: Sign, clip: BlobInfo) -> None:
    answer = await get(app, f"/m/{grant()}/720p.mp4")
    assert (answer.status, answer.body, answer.ended) == (200, CLIP, True)
    assert answer.headers == {
        "content-type": "video/mp4",
        "content-length": str(SIZE),
        "etag": f'"{clip.etag}"',
        "last-modified": "Thu, 09 Oct 2025 08:53:20 GMT",
        "cache-control": "private, max-age=600, immutable",
        "accept-ranges": "bytes",
        "access-control-allow-origin": "*",
        "access-control-expose-headers": "Content-Length, Content-Range, ETag, Accept-Ranges",
        "cross-origin-resource-policy": "cross-origin",
        "x-content-type-options": "nosniff",
    }


@pytest.mark.parametrize(
    ("name", "content_type", "cache"),
    [
        ("master.m3u8", "application/vnd.apple.mpegurl", "private, max-age=5"),
        ("manifest.mpd", "application/dash+xml", "private, max-age=5"),
        ("720p/grows.m3u8", "application/vnd.apple.mpegurl", "private, max-age=1"),
        ("720p/1.m4s", "video/iso.segment", "private, max-age=600, immutable"),
        ("audio/init.mp4", "video/mp4", "private, max-age=600, immutable"),
        ("audio.m4a", "audio/mp4", "private, max-age=600, immutable"),
        ("poster.jpg", "image/jpeg", "private, max-age=600, immutable"),
        ("preview.webp", "image/webp", "private, max-age=600, immutable"),
        ("captions.vtt", "text/vtt; charset=utf-8", "private, max-age=600, immutable"),
        ("waveform.json", "application/json", "private, max-age=600, immutable"),
    ],
)
async def test_each_kind_has_its_type_and_its_time(
    app: ASGIApp, blobs: FileBlobs, grant: Sign, name: str, content_type: str, cache: str
) -> None:
    await blobs.put(f"video/1/{name}", b"x", content_type="application/x-other")
    answer = await get(app, f"/m/{grant()}/{name}")
    assert (answer.status, answer.headers["content-type"], answer.headers["cache-control"]) == (200, content_type, cache)


async def test_a_grant_for_what_grows_leads_to_nothing_else_of_the_work_and_to_nothing_once_that_is_gone(
    app: ASGIApp, blobs: FileBlobs, grant: Sign
) -> None:
    for name in ("growing/growing.m3u8", "720p-0000.chunk", "720p-0000.mp4"):
        await blobs.put(f"work/1/ab/cd/{name}", b"x")
    token = grant(prefix="work/1/ab/cd/growing/")
    assert (await get(app, f"/m/{token}/growing.m3u8")).status == 200
    for name in ("720p-0000.mp4", "720p-0000.chunk", "../720p-0000.mp4"):
        assert (await get(app, f"/m/{token}/{name}")).status in {400, 404}
    await blobs.delete_prefix("work/1/")
    assert (await get(app, f"/m/{token}/growing.m3u8")).code == "NOT_FOUND"


async def test_no_copy_outlives_the_grant(app: ASGIApp, clock: FakeClock, grant: Sign) -> None:
    answer = await get(app, f"/m/{grant(expires_at_ms=clock.now_ms() + 2_999)}/720p.mp4")
    assert answer.headers["cache-control"] == "private, max-age=2, immutable"


async def test_shared_caches_keep_only_what_the_operator_allows(
    blobs: FileBlobs, copy: RevocationCopy, clock: FakeClock, app: ASGIApp, grant: Sign
) -> None:
    limits = EdgeLimits(shared_max_age_s=60)
    shared = Starlette(routes=MediaEdge(blobs=blobs, verify=verify, revocations=copy, clock=clock, limits=limits).routes())
    answer = await get(shared, f"/m/{grant()}/720p.mp4")
    assert answer.headers["cache-control"] == "public, s-maxage=60, max-age=600, immutable"


async def test_head_tells_what_get_would(app: ASGIApp, grant: Sign) -> None:
    target = f"/m/{grant()}/720p.mp4"
    whole, head = await get(app, target), await get(app, target, "HEAD", range="bytes=0-1")
    assert (head.status, head.headers, head.body, head.ended) == (200, whole.headers, b"", True)
    absent = await get(app, f"/m/{grant()}/none.mp4", "HEAD")
    assert (absent.status, absent.body) == (404, b"")


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, SIZE),
        ("bytes=-5", SIZE - 5, SIZE),
        (f"bytes=-{SIZE + 1}", 0, SIZE),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
        (f"bytes=5-{SIZE * 2}", 5, SIZE),
        ("bytes=1-" + "9" * 5000, 1, SIZE),
        ("bytes=0000000000000000000000007-7", 7, 8),
        ("Bytes = 1-2", 1, 3),
        ("bytes=300000-700000", 300_000, 700_001),
    ],
)
async def test_a_range_is_served_exactly(app: ASGIApp, grant: Sign, asked: str, start: int, end: int) -> None:
    answer = await get(app, f"/m/{grant()}/720p.mp4", range=asked)
    assert (answer.status, answer.body) == (206, CLIP[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0", "bytes=" + "9" * 5000 + "-"])
async def test_a_range_outside_is_refused_with_the_size(app: ASGIApp, grant: Sign, asked: str) -> None:
    answer = await get(app, f"/m/{grant()}/720p.mp4", range=asked)
    assert (answer.status, answer.code, answer.headers["content-range"]) == (416, "RANGE_NOT_SATISFIABLE", f"bytes */{SIZE}")


@pytest.mark.parametrize(
    "asked",
    ["bytes=0-1,3-4", "bytes=0-0,-1", "items=0-1", "bytes=5-3", "bytes=--1", "bytes=a-b", "bytes=", "bytes", "", "bytes=²-3", "bytes=-"],
)
async def test_several_ranges_and_nonsense_bring_the_whole_object(app: ASGIApp, grant: Sign, asked: str) -> None:
    answer = await get(app, f"/m/{grant()}/720p.mp4", range=asked)
    assert (answer.status, len(answer.body)) == (200, SIZE)


async def test_a_range_holds_only_for_the_version_the_client_knows(app: ASGIApp, grant: Sign, clip: BlobInfo) -> None:
    target = f"/m/{grant()}/720p.mp4"
    for same in (f'"{clip.etag}"', "Thu, 09 Oct 2025 08:53:20 GMT"):
        assert (await get(app, target, range="bytes=0-9", if_range=same)).status == 206
    for other in ('"other"', f'W/"{clip.etag}"', "Thu, 09 Oct 2025 08:53:21 GMT", "nonsense", ""):
        assert (await get(app, target, range="bytes=0-9", if_range=other)).status == 200


@pytest.mark.parametrize("copies", ['"{}"', 'W/"{}"', '"x", "{}"', "*"])
async def test_a_good_copy_is_not_sent_again(app: ASGIApp, grant: Sign, clip: BlobInfo, copies: str) -> None:
    for method in ("GET", "HEAD"):
        answer = await get(app, f"/m/{grant()}/720p.mp4", method, if_none_match=copies.format(clip.etag), range="bytes=0-1")
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", f'"{clip.etag}"')
        assert "content-length" not in answer.headers


async def test_an_old_copy_is_replaced(app: ASGIApp, grant: Sign) -> None:
    target = f"/m/{grant()}/720p.mp4"
    fresh = "Thu, 09 Oct 2025 08:53:20 GMT"
    assert (await get(app, target, if_none_match='"other"', if_modified_since=fresh)).status == 200
    assert (await get(app, target, if_modified_since=fresh)).status == 304
    assert (await get(app, target, if_modified_since="Thu, 09 Oct 2025 08:53:19 GMT")).status == 200
    assert (await get(app, target, if_modified_since="nonsense")).status == 200


async def test_an_empty_object_is_served(app: ASGIApp, blobs: FileBlobs, grant: Sign) -> None:
    await blobs.put("video/1/empty.vtt", b"")
    answer = await get(app, f"/m/{grant()}/empty.vtt")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")
    assert (await get(app, f"/m/{grant()}/empty.vtt", range="bytes=0-")).status == 416


async def test_a_browser_is_told_what_it_may_ask(app: ASGIApp, grant: Sign) -> None:
    answer = await get(app, f"/m/{grant()}/720p.mp4", "OPTIONS")
    assert (answer.status, answer.headers["access-control-allow-methods"]) == (204, "GET, HEAD")
    assert answer.headers["access-control-allow-headers"] == "Range, If-Range, If-None-Match"


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
async def test_other_methods_are_refused(app: ASGIApp, grant: Sign, method: str) -> None:
    answer = await get(app, f"/m/{grant()}/720p.mp4", method)
    assert (answer.status, answer.code, answer.headers["allow"]) == (405, "METHOD_NOT_ALLOWED", "GET, HEAD, OPTIONS")


async def test_an_object_that_is_replaced_between_two_looks_is_never_mixed(
    app: ASGIApp, blobs: FileBlobs, grant: Sign, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = blobs.head

    async def head_then_replace(key: str) -> BlobInfo:
        info = await real(key)
        if info.size_bytes == SIZE:
            await blobs.put(key, b"short")
        return info

    monkeypatch.setattr(blobs, "head", head_then_replace)
    answer = await get(app, f"/m/{grant()}/720p.mp4", range="bytes=3-")
    assert (answer.status, answer.body, answer.headers["content-range"]) == (206, b"rt", "bytes 3-4/5")


async def test_a_store_that_fails_is_unavailable(app: ASGIApp, blobs: FileBlobs, grant: Sign, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> BlobRange:
        raise BlobsUnavailable("/secret/path is on fire")

    monkeypatch.setattr(blobs, "get", fail)
    answer = await get(app, f"/m/{grant()}/720p.mp4")
    assert (answer.status, answer.code) == (503, "STORE_UNAVAILABLE")
    assert b"secret" not in answer.body


async def test_a_store_that_fails_on_the_way_cuts_the_response(app: ASGIApp, blobs: FileBlobs, grant: Sign, edge: MediaEdge) -> None:
    real = blobs.get

    async def get_half(key: str, *, start: int = 0, end: int | None = None) -> BlobRange:
        opened = await real(key, start=start, end=end)

        async def chunks() -> object:
            yield await anext(aiter(opened.chunks))
            await opened.aclose()
            raise BlobsUnavailable("gone")

        return BlobRange(info=opened.info, start=opened.start, end=opened.end, chunks=chunks())  # type: ignore[arg-type]

    blobs.get = get_half  # type: ignore[method-assign]
    answer = await get(app, f"/m/{grant()}/720p.mp4")
    assert (answer.status, answer.ended) == (200, False)
    assert len(answer.body) < SIZE
    assert edge.open == 0


async def test_more_readers_at_once_than_allowed_are_refused(
    blobs: FileBlobs, copy: RevocationCopy, clock: FakeClock, app: ASGIApp, grant: Sign
) -> None:
    full = MediaEdge(blobs=blobs, verify=verify, revocations=copy, clock=clock, limits=EdgeLimits(max_open=0))
    answer = await get(Starlette(routes=full.routes()), f"/m/{grant()}/720p.mp4")
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "OVERLOADED", "1")


class OnlyThePort:
    """A store that shows nothing but two calls of the port, as an engine elsewhere would, in pieces of its own size."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def head(self, key: str) -> BlobInfo:
        return await self._blobs.head(key)

    async def get(self, key: str, *, start: int = 0, end: int | None = None) -> BlobRange:
        opened = await self._blobs.get(key, start=start, end=end)
        content = await opened.read()

        async def chunks() -> object:
            for at in range(0, len(content), 1000):
                yield content[at : at + 1000]

        return BlobRange(info=opened.info, start=opened.start, end=opened.end, chunks=chunks())  # type: ignore[arg-type]


async def test_any_engine_of_the_port_serves(blobs: FileBlobs, copy: RevocationCopy, clock: FakeClock, grant: Sign) -> None:
    await copy.poll()
    store = OnlyThePort(blobs)
    edge = MediaEdge(blobs=store, verify=verify, revocations=copy, clock=clock)  # type: ignore[arg-type]
    answer = await get(Starlette(routes=edge.routes()), f"/m/{grant()}/720p.mp4", range="bytes=1-5000")
    assert (answer.status, answer.body) == (206, CLIP[1:5001])
