"""Blocking work in threads under the deadline of the call; whole-file copies never hold up short work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mesh import deadline
from mesh.stores.blobs.port import BlobsUnavailable

T = TypeVar("T")

DEFAULT_DEADLINE_S = 30.0
_SHORT_THREADS, _LONG_THREADS = 8, 4


class Threads:
    """Two pools of one store. Work gets an event that says that its caller has given up, since a thread cannot be ended."""

    def __init__(self) -> None:
        self._short = ThreadPoolExecutor(_SHORT_THREADS, thread_name_prefix="blobs")
        self._long = ThreadPoolExecutor(_LONG_THREADS, thread_name_prefix="blobs-long")
        self._closing = threading.Event()

    async def run(self, work: Callable[[threading.Event], T], *, long: bool = False) -> T:
        """The result of short or long work. Raises BlobsUnavailable when the deadline passes; the work is then asked to undo itself."""
        if deadline.remaining_s(DEFAULT_DEADLINE_S) <= 0:
            raise BlobsUnavailable("the deadline passed before the call")
        stop = threading.Event()
        try:
            return await self.wait(self._submit(self._long if long else self._short, work, stop))
        finally:
            stop.set()

    def start(self, work: Callable[[threading.Event], T]) -> asyncio.Future[T]:
        """Begin long work that outlives its callers' deadlines and stops only when the store closes."""
        return self._submit(self._long, work, self._closing)

    async def wait(self, running: asyncio.Future[T]) -> T:
        """The result of begun work, if it comes within the deadline. Raises BlobsUnavailable."""
        try:
            async with asyncio.timeout(deadline.remaining_s(DEFAULT_DEADLINE_S)):
                return await running
        except TimeoutError:
            raise BlobsUnavailable("the deadline passed") from None

    async def close(self) -> None:
        """Wait for what runs; begin nothing more."""
        self._closing.set()
        await asyncio.to_thread(self._short.shutdown)
        await asyncio.to_thread(self._long.shutdown)

    def _submit(self, pool: ThreadPoolExecutor, work: Callable[[threading.Event], T], stop: threading.Event) -> asyncio.Future[T]:
        def guarded() -> T:
            try:
                return work(stop)
            except OSError as error:
                raise BlobsUnavailable(f"the folder of objects failed: {error.strerror or error}") from error

        if self._closing.is_set():
            raise BlobsUnavailable("the store is closed")
        return asyncio.get_running_loop().run_in_executor(pool, guarded)
