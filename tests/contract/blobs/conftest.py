"""Stores of objects on files in a folder of the test, with their upload door over ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

for _name in ("steps", "objects", "keys", "links", "multipart"):
    pytest.register_assert_rewrite(f"mesh.testing.blobs_{_name}")

from starlette.applications import Starlette  # noqa: E402

from gateway.media.door import UploadDoorApp  # noqa: E402
from mesh.stores.blobs import open_blobs, upload_door  # noqa: E402
from mesh.stores.blobs.port import Blobs  # noqa: E402
from mesh.testing.blobs import LetPass, PutTo  # noqa: E402
from mesh.testing.clock import FakeClock  # noqa: E402

URL_KEY = b"k" * 32


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
async def blobs(folder: Path, clock: FakeClock) -> AsyncIterator[Blobs]:
    store = open_blobs(f"file://{folder}", clock=clock, url_key=URL_KEY)
    yield store
    await store.close()


@pytest.fixture
async def put_to(blobs: Blobs) -> AsyncIterator[PutTo]:
    door = upload_door(blobs)
    assert door is not None
    transport = httpx.ASGITransport(Starlette(routes=UploadDoorApp(door=door).routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:

        async def put(url: str, body: bytes) -> tuple[int, str]:
            answer = await client.put(url, content=body)
            return answer.status_code, answer.headers.get("etag", "").strip('"')

        yield put


@pytest.fixture
def let_pass(clock: FakeClock) -> LetPass:
    async def advance(ms: int) -> None:
        clock.advance(ms)

    return advance
