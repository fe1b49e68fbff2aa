"""What the media edge refuses: grants that do not hold, revocations it cannot know, and paths that no player asks for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.types import ASGIApp

from gateway.media.revocations import RevocationCopy
from mesh.grants import GrantKind
from mesh.stores.blobs.files import FileBlobs
from mesh.testing.clock import FakeClock
from tests.gateway.media.asking import Answer, Revocations, ask

Sign = Callable[..., str]
SECRET = b"not for this grant"


@pytest.fixture(autouse=True)
async def objects(blobs: FileBlobs) -> None:
    await blobs.put("video/1/720p.mp4", b"clip")
    await blobs.put("video/1/poster.jpg", b"poster")
    await blobs.put("video/1/notes.json", SECRET)
    await blobs.put("video/1/deep/720p.mp4", b"deep")
    await blobs.put("video/10/720p.mp4", SECRET)
    await blobs.put("raw/1.mp4", SECRET)
    await blobs.put("etc.mp4", SECRET)


async def get(app: ASGIApp, target: str) -> Answer:
    answer = await ask(app, "GET", target)
    assert SECRET not in answer.body
    return answer


async def test_a_forged_grant_is_refused(app: ASGIApp, grant: Sign) -> None:
    token = grant()
    middle = "A" if token[60] != "A" else "B"
    for forged in (token[:60] + middle + token[61:], token[:-1], token + "A", "x", "A" * 150, token[::-1]):
        answer = await get(app, f"/m/{forged}/720p.mp4")
        assert (answer.status, answer.code) == (403, "GRANT_INVALID")
    assert (await get(app, f"/m/{token}/720p.mp4")).body == b"clip"


async def test_a_grant_ends_to_the_millisecond(app: ASGIApp, copy: RevocationCopy, clock: FakeClock, grant: Sign) -> None:
    target = f"/m/{grant()}/720p.mp4"
    clock.advance(599_999)
    await copy.poll()
    assert (await get(app, target)).status == 200
    clock.advance(1)
    answer = await get(app, target)
    assert (answer.status, answer.code) == (403, "GRANT_EXPIRED")


async def test_a_revoked_grant_is_refused_and_a_newer_one_plays(
    app: ASGIApp, copy: RevocationCopy, revocations: Revocations, grant: Sign
) -> None:
    old, new, other = grant(epoch=4), grant(epoch=5), grant(video_id=2, epoch=4)
    revocations.entries.append((1, 5))
    assert (await get(app, f"/m/{old}/720p.mp4")).status == 200
    await copy.poll()
    answer = await get(app, f"/m/{old}/720p.mp4")
    assert (answer.status, answer.code) == (403, "GRANT_REVOKED")
    assert (await get(app, f"/m/{new}/720p.mp4")).status == 200
    assert (await get(app, f"/m/{other}/720p.mp4")).status == 200


async def test_a_good_copy_in_a_cache_does_not_get_around_a_revocation(
    app: ASGIApp, copy: RevocationCopy, revocations: Revocations, grant: Sign
) -> None:
    target = f"/m/{grant(epoch=4)}/720p.mp4"
    etag = (await get(app, target)).headers["etag"]
    revocations.entries.append((1, 5))
    await copy.poll()
    answer = await ask(app, "GET", target, headers=[("if-none-match", etag)])
    assert answer.code == "GRANT_REVOKED"


async def test_the_edge_closes_when_its_copy_is_older_than_five_seconds_and_opens_again(
    app: ASGIApp, copy: RevocationCopy, clock: FakeClock, revocations: Revocations, grant: Sign
) -> None:
    target = f"/m/{grant()}/720p.mp4"
    revocations.fails = True
    clock.advance(5_000)
    assert (await get(app, target)).status == 200
    clock.advance(1)
    with pytest.raises(ConnectionError):
        await copy.poll()
    answer = await get(app, target)
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "REVOCATIONS_STALE", "1")
    revocations.fails = False
    await copy.poll()
    assert (await get(app, target)).status == 200


async def test_pictures_grants_bring_pictures_alone(app: ASGIApp, blobs: FileBlobs, grant: Sign) -> None:
    token = grant(kind=GrantKind.IMAGES)
    for name in ("storyboard.vtt", "storyboard.webp", "waveform.json"):
        await blobs.put(f"video/1/{name}", b"shows it")
        assert (await get(app, f"/m/{token}/{name}")).body == b"shows it"
    assert (await get(app, f"/m/{token}/poster.jpg")).body == b"poster"
    answer = await get(app, f"/m/{token}/720p.mp4")
    assert (answer.status, answer.code) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "name", ["none.mp4", "notes.json", "720p.mp4.json", "deep", "deep.m4s", ".mp4", "720P.MP4", "720p.mp4.jpg", "a" * 200]
)
async def test_what_is_not_there_or_not_media_is_not_found(app: ASGIApp, grant: Sign, name: str) -> None:
    answer = await get(app, f"/m/{grant()}/{name}")
    assert (answer.status, answer.code) == (404, "NOT_FOUND")


async def test_a_key_that_grows_too_long_is_not_found(app: ASGIApp, grant: Sign) -> None:
    name = "/".join(["s" * 200, "s" * 200, "s" * 100, "x.mp4"])
    assert (await get(app, f"/m/{grant()}/{name}")).code == "NOT_FOUND"


TRICKS = {
    "dot dot": "../10/720p.mp4",
    "dot dot inside": "deep/../../10/720p.mp4",
    "dot dot to itself": "deep/../720p.mp4",
    "dot dot at the end": "720p.mp4/..",
    "one dot": "./720p.mp4",
    "an encoded slash": "..%2f10%2f720p.mp4",
    "an encoded slash in capitals": "deep%2F720p.mp4",
    "encoded dots": "%2e%2e/10/720p.mp4",
    "half-encoded dots": ".%2e/10/720p.mp4",
    "double encoding": "%252e%252e%252f10/720p.mp4",
    "double encoded slash": "deep%252f720p.mp4",
    "an encoded letter": "72%30p.mp4",
    "overlong dots": "%c0%ae%c0%ae/10/720p.mp4",
    "a NUL": "720p.mp4\0.jpg",
    "an encoded NUL": "720p.mp4%00.jpg",
    "an absolute path": "/etc.mp4",
    "an absolute path, doubled": "//etc.mp4",
    "an encoded absolute path": "%2fetc.mp4",
    "a drive": "C:/etc.mp4",
    "a backslash": "..\\10\\720p.mp4",
    "an encoded backslash": "..%5c10%5c720p.mp4",
    "an empty segment": "deep//720p.mp4",
    "a trailing slash": "720p.mp4/",
    "nothing": "",
    "a semicolon": "720p.mp4;x.jpg",
    "a newline": "720p.mp4\n",
    "a tilde": "deep~/720p.mp4",
    "a space": "720p.mp4 ",
    "a letter beyond ASCII": "720p\u00e9.mp4",
    "full width dots": "\u00b7\u00b7/10/720p.mp4",
    "a key too long": "/".join(["s" * 100] * 6) + "/x.mp4",
    "a segment too long": "s" * 201 + ".mp4",
}


@pytest.mark.parametrize("path", TRICKS.values(), ids=TRICKS.keys())
async def test_a_path_with_tricks_is_refused(app: ASGIApp, grant: Sign, path: str) -> None:
    answer = await get(app, f"/m/{grant()}/{path}")
    assert (answer.status, answer.code) == (400, "PATH_NOT_ALLOWED")


@pytest.mark.parametrize("target", ["/m/", "/m/x", "/m//720p.mp4", "/m/../m/x/720p.mp4"])
async def test_a_path_without_a_grant_is_refused(app: ASGIApp, target: str) -> None:
    assert (await get(app, target)).status in {400, 403}


@pytest.mark.parametrize("escaped", ["/%6d/{}/720p.mp4", "/m%2f{}/720p.mp4", "/m/{}/720p.mp4%0d%0ax:y", "/m/%0a{}/720p.mp4"])
async def test_an_escaped_way_to_the_edge_is_no_way(app: ASGIApp, grant: Sign, escaped: str) -> None:
    assert (await get(app, escaped.format(grant()))).status in {400, 404}


async def test_a_query_changes_nothing(app: ASGIApp, grant: Sign) -> None:
    assert (await get(app, f"/m/{grant()}/720p.mp4?path=../10/720p.mp4")).body == b"clip"


async def test_the_sibling_whose_name_begins_alike_is_out_of_reach(app: ASGIApp, grant: Sign) -> None:
    answer = await get(app, f"/m/{grant()}/0/720p.mp4")
    assert (answer.status, answer.code) == (404, "NOT_FOUND")
