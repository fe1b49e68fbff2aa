"""A bucket of the test's own in a real store, and clients that send to it directly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

for _name in ("steps", "objects", "keys", "links", "multipart"):
    pytest.register_assert_rewrite(f"mesh.testing.blobs_{_name}")

from mesh.clock import SystemClock  # noqa: E402
from mesh.stores.blobs import open_blobs  # noqa: E402
from mesh.stores.blobs.port import Blobs  # noqa: E402
from mesh.testing.blobs import LetPass, PutTo  # noqa: E402


@pytest.fixture
async def blobs(own_s3_url: str) -> AsyncIterator[Blobs]:
    store = open_blobs(own_s3_url, clock=SystemClock(), url_key=b"")
    await store.prepare()
    yield store
    await store.close()


@pytest.fixture
async def put_to() -> AsyncIterator[PutTo]:
    async with httpx.AsyncClient() as client:

        async def put(url: str, body: bytes) -> tuple[int, str]:
            answer = await client.put(url, content=body)
            return answer.status_code, answer.headers.get("etag", "").strip('"')

        yield put


@pytest.fixture
def let_pass() -> LetPass:
    async def sleep(ms: int) -> None:
        await asyncio.sleep(ms / 1000)

    return sleep
