"""The store is killed and started again under load: what was acknowledged is there, and nothing else than what was tried."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

import httpx
import pytest

from mesh import deadline
from mesh.clock import SystemClock
from mesh.stores.blobs import open_blobs
from mesh.stores.blobs.port import BlobInfo, BlobNotFound, Blobs, BlobsUnavailable, MultipartGone
from mesh.testing.blobs import MINUTE_MS, PART, read
from tests.servers.shared import RunningServers

T = TypeVar("T")

WRITERS, UPLOADERS = 4, 3
CALL_S = 5.0
GONE = b"deleted"
"""In the model: no object."""


@dataclass(slots=True)
class Model:
    """What each key may hold: what was acknowledged last, and what was tried since."""

    may_hold: dict[str, set[bytes]] = field(default_factory=dict)
    acknowledged: int = 0

    def tried(self, key: str, content: bytes) -> None:
        """From now on it may be there."""
        self.may_hold.setdefault(key, {GONE}).add(content)

    def done(self, key: str, content: bytes) -> None:
        """From now on it is there and nothing else."""
        self.may_hold[key] = {content}
        self.acknowledged += 1


async def write(blobs: Blobs, model: Model, name: str, chance: random.Random, stop: asyncio.Event) -> None:
    """Put and delete, one call after the other; what failed is tried again with other bytes."""
    while not stop.is_set():
        key = f"w/{name}/{chance.randrange(8)}"
        content = GONE if chance.random() < 0.2 else chance.randbytes(chance.choice((10, 5_000, 300_000)))
        model.tried(key, content)
        try:
            with deadline.scope(CALL_S):
                await (blobs.delete([key]) if content == GONE else blobs.put(key, content))
        except BlobsUnavailable:
            await asyncio.sleep(0.05)
        else:
            model.done(key, content)


async def upload(blobs: Blobs, model: Model, name: str, chance: random.Random, stop: asyncio.Event, client: httpx.AsyncClient) -> None:
    """Upload in two parts as clients do: parts that were acknowledged are not sent again, completing is repeated until it is answered, and where the store lost
    the upload, another one takes its place.
    """
    number = 0
    while not stop.is_set():
        number += 1
        key, bodies = f"u/{name}/{number}", {1: chance.randbytes(1) * PART, 2: chance.randbytes(1_000)}
        whole, etags = b"".join(bodies.values()), dict[int, str]()
        model.tried(key, whole)
        ref = await until_answered(lambda: blobs.multipart_begin(key, content_type="video/mp4"))  # noqa: B023
        while True:
            for part in bodies.keys() - etags.keys():
                etags[part] = await send_part(blobs, client, key, ref, part, bodies[part])
            held = await until_answered(lambda: blobs.multipart_parts(key, ref))  # noqa: B023
            assert [(one.part_number, one.etag) for one in held] == sorted(etags.items())
            try:
                info = await complete(blobs, key, ref, size_bytes=len(whole), etags=etags)
            except LostWhileJoined:
                ref = await until_answered(lambda: blobs.multipart_begin(key, content_type="video/mp4"))  # noqa: B023
                etags.clear()
            else:
                assert info.size_bytes == len(whole)
                model.done(key, whole)
                break


class LostWhileJoined(Exception):
    """MinIO joins in several steps: killed between them it has lost the parts."""


async def send_part(blobs: Blobs, client: httpx.AsyncClient, key: str, ref: str, part: int, body: bytes) -> str:
    """Send a part until it is acknowledged."""
    while True:
        link = await blobs.presign_part(key, ref, part, size_bytes=len(body), expires_in_ms=MINUTE_MS)
        with suppress(httpx.TransportError):
            answer = await client.put(link, content=body)
            if answer.status_code == 200:
                return str(answer.headers["etag"]).strip('"')
        await asyncio.sleep(0.01)


async def complete(blobs: Blobs, key: str, ref: str, *, size_bytes: int, etags: dict[int, str]) -> BlobInfo:
    """Complete until it is answered. Raises LostWhileJoined, though only when the store died at it."""
    tried = False
    while True:
        try:
            with deadline.scope(CALL_S):
                return await blobs.multipart_complete(key, ref, size_bytes=size_bytes, part_size_bytes=PART, etags=etags)
        except BlobsUnavailable:
            tried = True
            await asyncio.sleep(0.05)
        except MultipartGone:
            if not tried:
                raise
            raise LostWhileJoined from None


async def until_answered(call: Callable[[], Awaitable[T]]) -> T:
    """Repeat a call until the store answers."""
    while True:
        try:
            with deadline.scope(CALL_S):
                return await call()
        except BlobsUnavailable:
            await asyncio.sleep(0.05)


async def check(blobs: Blobs, model: Model) -> None:
    """Every key holds what it may hold."""
    for key, allowed in model.may_hold.items():
        try:
            content = await read(blobs, key)
        except BlobNotFound:
            content = GONE
        assert content in allowed, f"{key} holds {digest(content)}, may hold {sorted(map(digest, allowed))}"
    listed = [info.key for prefix in ("u/", "w/") for info in (await blobs.list(prefix)).blobs]
    sure = {key for key, allowed in model.may_hold.items() if GONE not in allowed}
    assert sure <= set(listed) <= set(model.may_hold)


def digest(content: bytes) -> str:
    """A short name of bytes."""
    return "nothing" if content == GONE else f"{len(content)} bytes {hashlib.sha256(content).hexdigest()[:8]}"


async def killed_under_load(servers: RunningServers, seed: int, *, kills: int) -> None:
    server = await asyncio.to_thread(servers.another, "minio", durable=True)
    chance, model, stop = random.Random(seed), Model(), asyncio.Event()
    blobs = open_blobs(server.url, clock=SystemClock(), url_key=b"")
    await blobs.prepare()
    async with httpx.AsyncClient(timeout=CALL_S) as client, asyncio.TaskGroup() as group:
        for number in range(WRITERS):
            group.create_task(write(blobs, model, str(number), random.Random(f"{seed} w {number}"), stop))
        for number in range(UPLOADERS):
            group.create_task(upload(blobs, model, str(number), random.Random(f"{seed} u {number}"), stop, client))
        for _ in range(kills):
            before = model.acknowledged
            await asyncio.sleep(chance.uniform(0.3, 1.2))
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(chance.uniform(0, 0.3))
            await asyncio.to_thread(server.start)
            while model.acknowledged < before + 20:
                await asyncio.sleep(0.01)
        stop.set()
    await check(blobs, model)
    await blobs.close()


async def test_what_was_acknowledged_survives_kills_of_the_store(servers: RunningServers) -> None:
    await killed_under_load(servers, seed=1, kills=3)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 22))
async def test_what_was_acknowledged_survives_kills_of_the_store_for_long(servers: RunningServers, seed: int) -> None:
    await killed_under_load(servers, seed=seed, kills=4)
