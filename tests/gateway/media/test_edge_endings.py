"""A response that runs ends with its grant: what was allowed when it began may be over before its last piece."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp

from gateway.media.edge import MediaEdge
from gateway.media.revocations import RevocationCopy
from mesh.stores.blobs.files import FileBlobs
from mesh.stores.blobs.port import BlobInfo, BlobRange
from mesh.testing.clock import FakeClock
from tests.gateway.media.asking import Revocations, ask, verify

PIECES = (b"one ", b"two ", b"three")


class Slow:
    """A store whose second piece comes after `meanwhile` has happened."""

    def __init__(self, blobs: FileBlobs, meanwhile: Callable[[], object]) -> None:
        self._blobs = blobs
        self._meanwhile = meanwhile

    async def head(self, key: str) -> BlobInfo:
        return await self._blobs.head(key)

    async def get(self, key: str, *, start: int = 0, end: int | None = None) -> BlobRange:
        opened = await self._blobs.get(key, start=start, end=end)
        await opened.aclose()

        async def chunks() -> AsyncIterator[bytes]:
            yield PIECES[0]
            result = self._meanwhile()
            if hasattr(result, "__await__"):
                await result
            for piece in PIECES[1:]:
                yield piece

        return BlobRange(info=opened.info, start=opened.start, end=opened.end, chunks=chunks())


@pytest.fixture
def slow(blobs: FileBlobs, copy: RevocationCopy, clock: FakeClock) -> Callable[[Callable[[], object]], ASGIApp]:
    """The edge over a store that lets something happen after the first piece."""

    def over(meanwhile: Callable[[], object]) -> ASGIApp:
        edge = MediaEdge(blobs=Slow(blobs, meanwhile), verify=verify, revocations=copy, clock=clock)  # type: ignore[arg-type]
        return Starlette(routes=edge.routes())

    return over


Over = Callable[[Callable[[], object]], ASGIApp]
Sign = Callable[..., str]


@pytest.fixture(autouse=True)
async def begun(blobs: FileBlobs, copy: RevocationCopy) -> None:
    await blobs.put("video/1/720p.mp4", b"".join(PIECES))
    await copy.poll()


async def sent(app: ASGIApp, token: str) -> tuple[int, bytes, bool]:
    answer = await ask(app, "GET", f"/m/{token}/720p.mp4")
    return answer.status, answer.body, answer.ended


async def test_a_running_response_ends_when_its_grant_is_revoked(
    slow: Over, grant: Sign, copy: RevocationCopy, revocations: Revocations
) -> None:
    revocations.entries.append((1, 5))
    assert await sent(slow(copy.poll), grant(epoch=4)) == (200, PIECES[0], False)


async def test_a_running_response_ends_when_its_grant_expires(slow: Over, grant: Sign, clock: FakeClock) -> None:
    assert await sent(slow(lambda: clock.advance(1_000)), grant(expires_at_ms=clock.now_ms() + 1_000)) == (200, PIECES[0], False)


async def test_a_running_response_ends_when_revocations_cannot_be_known(slow: Over, grant: Sign, clock: FakeClock) -> None:
    assert await sent(slow(lambda: clock.advance(5_001)), grant()) == (200, PIECES[0], False)


async def test_a_running_response_goes_on_when_another_grant_is_revoked(
    slow: Over, grant: Sign, copy: RevocationCopy, revocations: Revocations
) -> None:
    revocations.entries += [(2, 9), (1, 4)]
    assert await sent(slow(copy.poll), grant(epoch=4)) == (200, b"".join(PIECES), True)
