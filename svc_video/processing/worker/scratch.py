"""A worker's folder on the local disk: sources that are kept for the next chunk, a folder for each job at hand, nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from weakref import WeakValueDictionary

from mesh import deadline
from mesh.stores.blobs.port import Blobs

_SOURCES_KEPT = 2
"""Those of jobs at hand come on top."""
_COPY_S = 900.0
"""A source of the largest size from a slow store."""
_WRITE_BYTES = 4 * 1024 * 1024
_PREFIX = "worker-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A local copy of a raw object."""

    path: Path
    size_bytes: int
    sha256: bytes
    """Taken from the bytes as they came, so that nobody has to read them again."""


class Scratch:
    """One worker's folder below `root`, which all workers of a machine may share."""

    def __init__(self, *, root: Path, blobs: Blobs) -> None:
        self._root = root.absolute()
        self._blobs = blobs
        self._folder = self._root / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
        self._lock: IO[bytes] | None = None
        self._sources: OrderedDict[int, Source] = OrderedDict()
        self._used: Counter[int] = Counter()
        self._fetching: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def open(self) -> None:
        """Make the folder, and remove those whose workers are dead."""
        await asyncio.to_thread(self._open)

    async def close(self) -> None:
        """Remove the folder."""
        if self._lock is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
            self._lock.close()
            self._lock = None

    async def source(self, video_id: int, key: str) -> Source:
        """A local copy of a video's raw object, one for all jobs that ask at once. Raises BlobsError.

        At most two are kept, but for those of jobs whose folders are open.
        """
        async with self._fetching.setdefault(video_id, asyncio.Lock()):
            if video_id in self._sources:
                self._sources.move_to_end(video_id)
                return self._sources[video_id]
            for idle in [kept for kept in self._sources if not self._used[kept]]:
                if len(self._sources) >= _SOURCES_KEPT:
                    await self.forget(idle)
            with deadline.scope(_COPY_S):
                source = self._sources[video_id] = await self._fetch(key, self._folder / f"source-{video_id}")
            return source

    async def forget(self, video_id: int) -> None:
        """Drop the copy of a source."""
        source = self._sources.pop(video_id, None)
        if source is not None:
            await asyncio.to_thread(source.path.unlink, missing_ok=True)

    async def _fetch(self, key: str, path: Path) -> Source:
        """Copy an object and hash it on the way."""
        # A name of its own: a thread that outlives its cancelled fetch appends to nobody else's file.
        draft = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
        digest, size_bytes, gathered = hashlib.sha256(), 0, bytearray()

        def append(piece: bytes) -> None:
            digest.update(piece)
            with draft.open("ab") as file:
                file.write(piece)

        opened = await self._blobs.get(key)
        try:
            async for chunk in opened.chunks:
                gathered += chunk
                size_bytes += len(chunk)
                if len(gathered) >= _WRITE_BYTES:
                    await asyncio.to_thread(append, bytes(gathered))
                    gathered.clear()
            await asyncio.to_thread(append, bytes(gathered))
            await asyncio.to_thread(draft.rename, path)
        finally:
            await opened.aclose()
            await asyncio.to_thread(draft.unlink, missing_ok=True)
        return Source(path=path, size_bytes=size_bytes, sha256=digest.digest())

    @contextlib.asynccontextmanager
    async def job_folder(self, video_id: int) -> AsyncIterator[Path]:
        """An empty folder that is gone afterwards; the source of its video stays meanwhile."""
        folder = self._folder / f"job-{secrets.token_hex(4)}"
        await asyncio.to_thread(folder.mkdir)
        self._used[video_id] += 1
        try:
            yield folder
        finally:
            self._used[video_id] -= 1
            if not self._used[video_id]:
                del self._used[video_id]
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))

    def _open(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        for folder in self._root.glob(f"{_PREFIX}*"):
            _remove_if_dead(folder)
        # Locked before it has its name: nobody can take it for a dead worker's.
        unnamed = self._root / f".{self._folder.name}"
        unnamed.mkdir(mode=0o700)
        self._lock = (unnamed / "lock").open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unnamed.rename(self._folder)


def _remove_if_dead(folder: Path) -> None:
    """A lock ends with its process, however that ended."""
    try:
        with (folder / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except FileNotFoundError:
        shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return
