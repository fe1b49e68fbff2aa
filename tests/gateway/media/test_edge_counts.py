"""What the media edge counts: each answer once by its code, and again when it was not brought to its end."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp

import gateway.media
from gateway.media.edge import EdgeLimits, MediaEdge
from gateway.media.metrics import ANSWERS, BEGIN_SECONDS
from gateway.media.revocations import RevocationCopy
from mesh.stores.blobs.files import FileBlobs
from mesh.stores.blobs.port import BlobRange, BlobsUnavailable
from mesh.telemetry import Telemetry
from mesh.testing.clock import FakeClock
from tests.gateway.media.asking import Revocations, ask, verify


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(service="gateway")


@pytest.fixture
def edge(blobs: FileBlobs, copy: RevocationCopy, clock: FakeClock, telemetry: Telemetry) -> MediaEdge:
    limits = EdgeLimits(max_open=1)
    return MediaEdge(blobs=blobs, verify=verify, revocations=copy, clock=clock, limits=limits, telemetry=telemetry)


def counted(telemetry: Telemetry) -> dict[str, float]:
    found = {code: telemetry.value(ANSWERS, code=code) for code in (*ANSWERS.labels["code"], "other")}
    return {code: count for code, count in found.items() if count}


async def test_each_answer_counts_once_by_its_code(
    app: ASGIApp, blobs: FileBlobs, telemetry: Telemetry, revocations: Revocations, copy: RevocationCopy, grant: Callable[..., str]
) -> None:
    await blobs.put("video/1/720p.mp4", b"clip")
    target = f"/m/{grant()}/720p.mp4"
    for _ in range(2):
        await ask(app, "GET", target)
    await ask(app, "HEAD", target)
    await ask(app, "POST", target)
    await ask(app, "GET", f"/m/{grant()}/480p.mp4")
    await ask(app, "GET", f"/m/{grant()}/../480p.mp4")
    await ask(app, "GET", f"/m/{grant()[:-1]}/720p.mp4")
    await ask(app, "GET", target, headers=[("range", "bytes=9-")])
    revocations.entries.append((1, 5))
    await copy.poll()
    await ask(app, "GET", target)
    assert counted(telemetry) == {
        "OK": 3,
        "METHOD_NOT_ALLOWED": 1,
        "NOT_FOUND": 1,
        "PATH_NOT_ALLOWED": 1,
        "GRANT_INVALID": 1,
        "RANGE_NOT_SATISFIABLE": 1,
        "GRANT_REVOKED": 1,
    }
    assert telemetry.value(BEGIN_SECONDS) == 3


async def test_what_is_cut_off_counts_again(
    edge: MediaEdge, app: ASGIApp, blobs: FileBlobs, telemetry: Telemetry, grant: Callable[..., str]
) -> None:
    await blobs.put("video/1/720p.mp4", b"clip")
    real = blobs.get

    async def get_nothing(key: str, *, start: int = 0, end: int | None = None) -> BlobRange:
        opened = await real(key, start=start, end=end)

        async def chunks() -> object:
            await opened.aclose()
            raise BlobsUnavailable("gone")
            yield

        return BlobRange(info=opened.info, start=opened.start, end=opened.end, chunks=chunks())  # type: ignore[arg-type]

    blobs.get = get_nothing  # type: ignore[method-assign]
    assert not (await ask(app, "GET", f"/m/{grant()}/720p.mp4")).ended
    assert counted(telemetry) == {"OK": 1, "CUT": 1}
    full = MediaEdge(
        blobs=blobs, verify=verify, revocations=edge._revocations, clock=edge._clock, limits=EdgeLimits(max_open=0), telemetry=telemetry
    )
    await ask(Starlette(routes=full.routes()), "GET", f"/m/{grant()}/720p.mp4")
    assert counted(telemetry) == {"OK": 1, "CUT": 1, "OVERLOADED": 1}


def test_every_code_that_the_edge_may_answer_is_one_that_is_counted() -> None:
    folder = Path(gateway.media.__path__[0])
    sources = "".join((folder / f"{name}.py").read_text() for name in ("edge", "paths", "problems"))
    codes = set(re.findall(r'Problem\(\s*HTTPStatus\.\w+,\s*"([A-Z_]+)"', sources))
    assert codes == ANSWERS.labels["code"] - {"OK", "CUT"}
