"""The upload door over ASGI: one signed link, one body, exactly as long; everything else keeps nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Scope

from gateway.media.door import DoorLimits, UploadDoorApp
from mesh.stores.blobs.files import FileBlobs
from mesh.stores.blobs.links import sign_link
from mesh.stores.blobs.port import BlobsUnavailable
from mesh.testing.clock import FakeClock
from tests.gateway.media.asking import Answer, ask

Kept = Callable[[], list[str]]
CONTENT = b"content"
MINUTE_MS = 60_000


@pytest.fixture
def app(blobs: FileBlobs) -> ASGIApp:
    return Starlette(routes=UploadDoorApp(door=blobs).routes())


async def put(app: ASGIApp, target: str, content: bytes = CONTENT, **headers: str) -> Answer:
    """A PUT with its honest length, unless told otherwise."""
    sent = {"content-length": str(len(content)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await ask(app, "PUT", target, headers=[(name, value) for name, value in sent.items() if value], body=[content])


async def link(blobs: FileBlobs, size_bytes: int = len(CONTENT)) -> str:
    return await blobs.presign_put("raw/1", size_bytes=size_bytes, expires_in_ms=MINUTE_MS)


async def test_a_body_is_taken_and_its_checksum_answered(app: ASGIApp, blobs: FileBlobs) -> None:
    answer = await put(app, await link(blobs), content_type="video/mp4")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["etag"] == f'"{hashlib.md5(CONTENT).hexdigest()}"'
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-expose-headers"] == "ETag"
    assert (await blobs.head("raw/1")).content_type == "video/mp4"


async def test_a_part_is_taken_in_pieces(app: ASGIApp, blobs: FileBlobs) -> None:
    ref = await blobs.multipart_begin("raw/1", content_type="video/mp4")
    url = await blobs.presign_part("raw/1", ref, 7, size_bytes=3_000_000, expires_in_ms=MINUTE_MS)
    pieces = [bytes([n]) * 100_000 for n in range(30)]
    answer = await ask(app, "PUT", url, headers=[("content-length", "3000000")], body=pieces)
    [part] = await blobs.multipart_parts("raw/1", ref)
    assert (part.part_number, part.size_bytes) == (7, 3_000_000)
    assert answer.headers["etag"] == f'"{part.etag}"' == f'"{hashlib.md5(b"".join(pieces)).hexdigest()}"'


@pytest.mark.parametrize("content_type", ["", "text/html; charset=x", "a", "video/mp4\r\nx: y", "v/" + "x" * 200])
async def test_what_is_no_content_type_is_not_kept(app: ASGIApp, blobs: FileBlobs, content_type: str) -> None:
    assert (await put(app, await link(blobs), content_type=content_type)).status == 200
    expected = "text/html" if content_type.startswith("text") else "application/octet-stream"
    assert (await blobs.head("raw/1")).content_type == expected


FORGERIES: dict[str, Callable[[str], str]] = {
    "another key": lambda url: url.replace("raw/1", "raw/2"),
    "a larger size": lambda url: url.replace("size=7", "size=8"),
    "a later end": lambda url: url.replace("expires=1", "expires=2"),
    "another signature": lambda url: url[:-1] + ("A" if url[-1] != "A" else "B"),
    "a cut signature": lambda url: url[:-1],
    "a signature with padding": lambda url: url + "=",
    "no signature": lambda url: url.partition("&signature")[0],
    "no query": lambda url: url.partition("?")[0],
    "a parameter more": lambda url: url + "&x=1",
    "a parameter twice": lambda url: url + "&size=8",
    "another order": lambda url: url.replace("?", "?size=7&", 1).replace("&size=7", "", 1),
    "a whole object as a part": lambda url: url.replace("&signature", f"&ref={'0' * 32}&part=1&signature"),
    "an escaped key": lambda url: url.replace("raw/1", "raw%2F1"),
    "an escaped letter": lambda url: url.replace("raw/1", "%72aw/1"),
    "dots": lambda url: url.replace("raw/1", "raw/../raw/1"),
    "an empty segment": lambda url: url.replace("raw/1", "raw//1"),
    "an absolute key": lambda url: url.replace("raw/1", "/raw/1"),
    "no key": lambda url: url.replace("raw/1", ""),
    "a NUL": lambda url: url.replace("raw/1", "raw/1\0"),
    "other digits": lambda url: url.replace("size=7", "size=\u00b2"),
    "an endless query": lambda url: url + "&" * 100_000,
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
async def test_a_forged_link_is_refused(app: ASGIApp, blobs: FileBlobs, kept: Kept, forge: Callable[[str], str]) -> None:
    url = await link(blobs)
    assert forge(url) != url
    answer = await put(app, forge(url))
    assert (answer.status, answer.code) == (403, "LINK_INVALID")
    assert kept() == []


async def test_a_part_link_is_good_for_its_part_alone(app: ASGIApp, blobs: FileBlobs, kept: Kept) -> None:
    first = await blobs.multipart_begin("raw/1", content_type="video/mp4")
    other = await blobs.multipart_begin("raw/1", content_type="video/mp4")
    url = await blobs.presign_part("raw/1", first, 1, size_bytes=7, expires_in_ms=MINUTE_MS)
    without = url.replace(f"&ref={first}&part=1", "")
    for forged in (url.replace("part=1", "part=2"), url.replace(first, other), without):
        answer = await put(app, forged)
        assert (answer.status, answer.code) == (403, "LINK_INVALID")
    assert kept() == []


async def test_links_of_another_store_are_refused(app: ASGIApp, blobs: FileBlobs, kept: Kept) -> None:
    forged = sign_link(blobs.read_link(*(await link(blobs)).split("?")), b"x" * 32)
    assert (await put(app, forged)).code == "LINK_INVALID"
    assert kept() == []


async def test_a_link_ends_to_the_millisecond(app: ASGIApp, blobs: FileBlobs, clock: FakeClock, kept: Kept) -> None:
    url = await link(blobs)
    clock.advance(MINUTE_MS)
    answer = await put(app, url)
    assert (answer.status, answer.code) == (403, "LINK_EXPIRED")
    assert kept() == []
    clock.step(-1)
    assert (await put(app, url)).status == 200


@pytest.mark.parametrize(
    ("announced", "status", "code"),
    [
        ("", 411, "LENGTH_REQUIRED"),
        ("8", 413, "BODY_SIZE_MISMATCH"),
        ("6", 400, "BODY_SIZE_MISMATCH"),
        ("0", 400, "BODY_SIZE_MISMATCH"),
        ("-7", 411, "LENGTH_REQUIRED"),
        ("+7", 411, "LENGTH_REQUIRED"),
        ("7, 7", 411, "LENGTH_REQUIRED"),
        ("\u00b2", 411, "LENGTH_REQUIRED"),
        ("9" * 5000, 411, "LENGTH_REQUIRED"),
    ],
)
async def test_an_announced_length_that_the_link_does_not_have_is_refused(
    app: ASGIApp, blobs: FileBlobs, kept: Kept, announced: str, status: int, code: str
) -> None:
    answer = await put(app, await link(blobs), content_length=announced)
    assert (answer.status, answer.code, answer.headers["connection"]) == (status, code, "close")
    assert kept() == []


@pytest.mark.parametrize("content", [b"", b"conten", b"content!", b"content" * 1000], ids=["none", "fewer", "one-more", "many-more"])
async def test_a_body_that_is_not_as_long_as_announced_is_refused(app: ASGIApp, blobs: FileBlobs, kept: Kept, content: bytes) -> None:
    answer = await put(app, await link(blobs), content, content_length="7")
    assert (answer.status, answer.code) == (400, "BODY_SIZE_MISMATCH")
    assert kept() == []


async def test_a_refused_body_leaves_what_was_there(app: ASGIApp, blobs: FileBlobs, kept: Kept) -> None:
    url = await link(blobs)
    await put(app, url, b"content")
    assert (await put(app, url, b"other", content_length="7")).status == 400
    assert await (await blobs.get("raw/1")).read() == b"content"
    assert kept() == ["1"]


async def test_a_client_that_goes_away_leaves_nothing(app: ASGIApp, blobs: FileBlobs, kept: Kept) -> None:
    answer = await ask(app, "PUT", await link(blobs), headers=[("content-length", "7")], body=[b"cont"], gone=True)
    assert answer.status == 0
    assert kept() == []


async def test_a_checksum_that_the_client_announces_is_checked(app: ASGIApp, blobs: FileBlobs, kept: Kept) -> None:
    url = await link(blobs)
    md5 = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
    for wrong in ("AAAA", "not base64!", base64.b64encode(hashlib.md5(b"x").digest()).decode(), hashlib.md5(CONTENT).hexdigest()):
        answer = await put(app, url, content_md5=wrong)
        assert (answer.status, answer.code) == (400, "CHECKSUM_MISMATCH")
    assert kept() == []
    assert (await put(app, url, content_md5=md5)).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "PATCH"])
async def test_other_methods_are_refused(app: ASGIApp, blobs: FileBlobs, kept: Kept, method: str) -> None:
    answer = await ask(app, method, await link(blobs), headers=[("content-length", "7")], body=[CONTENT])
    assert (answer.status, answer.headers["allow"]) == (405, "PUT, OPTIONS")
    assert kept() == []


async def test_a_browser_is_told_what_it_may_send(app: ASGIApp, blobs: FileBlobs) -> None:
    headers = [("origin", "https://pages.example"), ("access-control-request-method", "PUT")]
    answer = await ask(app, "OPTIONS", await link(blobs), headers=headers)
    assert (answer.status, answer.headers["access-control-allow-origin"], answer.headers["access-control-allow-methods"]) == (
        204,
        "*",
        "PUT",
    )
    assert answer.headers["access-control-allow-headers"] == "Content-Type, Content-MD5"


async def test_an_upload_that_is_over_is_refused_before_a_byte_is_read(app: ASGIApp, blobs: FileBlobs, kept: Kept) -> None:
    ref = await blobs.multipart_begin("raw/1", content_type="video/mp4")
    url = await blobs.presign_part("raw/1", ref, 1, size_bytes=7, expires_in_ms=MINUTE_MS)
    await blobs.multipart_abort("raw/1", ref)
    answered: list[int] = []
    path, _, query = url.partition("?")

    async def receive() -> Message:
        assert answered, "the body was read before the refusal"
        return {"type": "http.request", "body": CONTENT, "more_body": False}

    async def send(message: Message) -> None:
        answered.append(message.get("status", 0))

    headers = [(b"content-length", b"7")]
    scope: Scope = {
        "type": "http",
        "method": "PUT",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": headers,
    }
    await app(scope, receive, send)
    assert answered[0] == 404
    assert kept() == []


async def test_more_bodies_at_once_than_allowed_are_refused(blobs: FileBlobs, kept: Kept) -> None:
    app = Starlette(routes=UploadDoorApp(door=blobs, limits=DoorLimits(max_open=0)).routes())
    answer = await put(app, await link(blobs))
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "OVERLOADED", "1")
    assert kept() == []


async def test_a_store_that_fails_is_unavailable(app: ASGIApp, blobs: FileBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> str:
        raise BlobsUnavailable("no space: /secret/path")

    monkeypatch.setattr(blobs, "receive", fail)
    answer = await put(app, await link(blobs))
    assert (answer.status, answer.code) == (503, "STORE_UNAVAILABLE")
    assert b"secret" not in answer.body
