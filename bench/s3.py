"""Objects in a real S3 store: our engine against the minio client alone, the same calls at the same concurrency."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import secrets
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit, urlunsplit

from bench.outcome import Aim, Figure, Outcome, Side, Skipped, ratio
from bench.plan import Plan
from bench.turns import Trial, Turn, in_turns, timed
from mesh.clock import SystemClock
from mesh.stores.blobs import open_blobs
from mesh.stores.blobs.port import Blobs

T = TypeVar("T")

VARIABLE = "CLIPMESH_TEST_S3"
AIM = Aim(value=1.15)
OURS, OTHER = "engine", "minio client"
SEGMENTS_AT_ONCE, FILES_AT_ONCE = 16, 2
SEGMENT_BYTES = 512 * 1024
"""Two seconds of 720p are about as long."""
_TYPE = "video/mp4"


class _Side(Protocol):
    async def put(self, key: str, content: bytes) -> None: ...
    async def get(self, key: str) -> bytes: ...
    async def put_file(self, key: str, path: Path) -> None: ...
    async def get_file(self, key: str, path: Path) -> None: ...


async def run(plan: Plan) -> Outcome:
    """Segments in and out, then whole files in and out. Raises Skipped without a store."""
    url = os.environ.get(VARIABLE, "")
    if not url:
        raise Skipped(
            f"{VARIABLE} names no store: start one with `clipmesh servers minio` and give it the URL that it prints as CLIPMESH_BLOBS"
        )
    own = urlunsplit(urlsplit(url)._replace(path=f"/bench-{secrets.token_hex(6)}"))
    segments, files, file_bytes = plan.size((400, 4, 64 * 1024 * 1024), (8, 2, 9 * 1024 * 1024))
    blobs = open_blobs(own, clock=SystemClock(), url_key=b"")
    await blobs.prepare()
    client = _Client(own)
    sides: dict[str, _Side] = {OURS: _Engine(blobs), OTHER: client}
    works: dict[str, Callable[[_Side], Turn]] = {
        "put segments": lambda side: _put_segments(side, segments, client),
        "get segments": lambda side: _get_segments(side, segments),
        "put files": lambda side: _put_files(side, files, file_bytes, plan.folder, client),
        "get files": lambda side: _get_files(side, files, plan.folder),
    }
    trials = []
    try:
        for name, work in works.items():
            turns = {side: work(store) for side, store in sides.items()}
            trials.append(await in_turns(name, turns, repetitions=plan.size(5, 1), warm_ups=plan.size(1, 0)))
    finally:
        for prefix in ("s/", "f/"):
            await blobs.delete_prefix(prefix)
        await blobs.close()
        await client.close()
    return Outcome(
        figures=[_figure(trial) for trial in trials],
        trials=trials,
        sources=[
            f"{segments} segments of {SEGMENT_BYTES} bytes, {SEGMENTS_AT_ONCE} at once; {files} files of {file_bytes} bytes, "
            f"{FILES_AT_ONCE} at once; the store that {VARIABLE} names"
        ],
        notes=[
            "The client alone runs in as many threads as calls are under way, with its own retries and time limits. Of files that it fetched the MD5 "
            "is counted too, as ours does: without it nobody knows whether the bytes are right.",
            "Ours sends files in parts of 8 MiB, the client in parts of 5 MiB, three at once both.",
        ],
    )


class _Engine:
    """Ours."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def put(self, key: str, content: bytes) -> None:
        await self._blobs.put(key, content, content_type=_TYPE)

    async def get(self, key: str) -> bytes:
        return await (await self._blobs.get(key)).read()

    async def put_file(self, key: str, path: Path) -> None:
        await self._blobs.put_file(key, path, content_type=_TYPE)

    async def get_file(self, key: str, path: Path) -> None:
        await self._blobs.get_file(key, path)


class _Client:
    """The client as its documentation shows it, in threads."""

    def __init__(self, url: str) -> None:
        from minio import Minio  # noqa: PLC0415 comes with an extra

        parts = urlsplit(url)
        self._bucket = parts.path.strip("/")
        host = parts.netloc.rpartition("@")[2]
        self._client = Minio(host, parts.username, parts.password, secure=False, region="us-east-1")
        self._threads = ThreadPoolExecutor(SEGMENTS_AT_ONCE)

    async def put(self, key: str, content: bytes) -> None:
        await self._run(lambda: self._client.put_object(self._bucket, key, io.BytesIO(content), len(content), content_type=_TYPE))

    async def get(self, key: str) -> bytes:
        def work() -> bytes:
            answer = self._client.get_object(self._bucket, key)
            try:
                return bytes(answer.read())
            finally:
                answer.close()
                answer.release_conn()

        return await self._run(work)

    async def put_file(self, key: str, path: Path) -> None:
        await self._run(lambda: self._client.fput_object(self._bucket, key, str(path), content_type=_TYPE))

    async def get_file(self, key: str, path: Path) -> None:
        def work() -> None:
            self._client.fget_object(self._bucket, key, str(path))
            with path.open("rb") as copy:
                hashlib.file_digest(copy, lambda: hashlib.md5(usedforsecurity=False))

        await self._run(work)

    async def held(self, prefix: str) -> str:
        """How many objects and bytes lie under a prefix."""
        found = await self._run(lambda: list(self._client.list_objects(self._bucket, prefix, recursive=True)))
        return f"{len(found)} objects, {sum(one.size or 0 for one in found)} bytes"

    async def close(self) -> None:
        """End the threads."""
        await asyncio.to_thread(self._threads.shutdown)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _put_segments(side: _Side, segments: int, client: _Client) -> Turn:
    content = os.urandom(SEGMENT_BYTES)
    return timed(lambda: _all((side.put(f"s/{n}", content) for n in range(segments)), SEGMENTS_AT_ONCE), lambda: client.held("s/"))


def _get_segments(side: _Side, segments: int) -> Turn:
    lengths: list[int] = []

    async def get(number: int) -> None:
        lengths.append(len(await side.get(f"s/{number}")))

    async def act() -> None:
        lengths.clear()
        await _all((get(n) for n in range(segments)), SEGMENTS_AT_ONCE)

    async def work() -> str:
        return f"{len(lengths)} segments, {sum(lengths)} bytes"

    return timed(act, work)


def _put_files(side: _Side, files: int, file_bytes: int, folder: Path, client: _Client) -> Turn:
    source = folder / "source"

    async def turn() -> Any:
        if not await asyncio.to_thread(source.exists):
            await asyncio.to_thread(source.write_bytes, os.urandom(file_bytes))
        act = lambda: _all((side.put_file(f"f/{n}", source) for n in range(files)), FILES_AT_ONCE)  # noqa: E731
        return await timed(act, lambda: client.held("f/"))()

    return turn


def _get_files(side: _Side, files: int, folder: Path) -> Turn:
    copies = [folder / f"copy-{n}" for n in range(files)]

    async def work() -> str:
        digests = {await asyncio.to_thread(lambda path: hashlib.sha256(path.read_bytes()).hexdigest()[:12], copy) for copy in copies}
        for copy in copies:
            await asyncio.to_thread(copy.unlink)
        return f"{files} files of {', '.join(sorted(digests))}"

    return timed(lambda: _all((side.get_file(f"f/{n}", copy) for n, copy in enumerate(copies)), FILES_AT_ONCE), work)


async def _all(calls: Iterable[Awaitable[None]], at_once: int) -> None:
    gate = asyncio.Semaphore(at_once)

    async def one(call: Awaitable[None]) -> None:
        async with gate:
            await call

    async with asyncio.TaskGroup() as group:
        for call in calls:
            group.create_task(one(call))


def _figure(trial: Trial) -> Figure:
    ours, other = (Side(name=name, unit="s", samples=tuple(run.wall_s for run in trial.runs[name])) for name in (OURS, OTHER))
    return ratio(trial.name, ours, other, aim=AIM)
