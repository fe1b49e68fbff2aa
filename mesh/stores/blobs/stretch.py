"""The bytes of a stretch of a file, read piece by piece as they are wanted."""

from __future__ import annotations

import os

from mesh.stores.blobs.port import BlobDamaged
from mesh.stores.blobs.threads import Threads

CHUNK_BYTES = 256 * 1024
"""How much one read brings."""


class Stretch:
    """An iterator over [start, end) that owns its descriptor: the bytes stay though the name may go. Unread ones let go when collected."""

    def __init__(self, descriptor: int, *, start: int, end: int, threads: Threads) -> None:
        self._descriptor = descriptor
        self._at = start
        self._end = end
        self._threads = threads

    def __aiter__(self) -> Stretch:
        return self

    async def __anext__(self) -> bytes:
        if self._at >= self._end or self._descriptor < 0:
            self.close()
            raise StopAsyncIteration
        descriptor, at, size_bytes = self._descriptor, self._at, min(CHUNK_BYTES, self._end - self._at)
        chunk = await self._threads.run(lambda _: os.pread(descriptor, size_bytes, at))
        if not chunk:
            raise BlobDamaged("a stored file is damaged: it is shorter than it says")
        self._at += len(chunk)
        return chunk

    async def aclose(self) -> None:
        """Let go of the file; safe to repeat."""
        self.close()

    def close(self) -> None:
        """As `aclose`, for callers in threads."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.close()
