"""Blocking calls in bounded threads, each on a line with the deadline of its caller."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from mesh import deadline
from mesh.stores.blobs.port import BlobsUnavailable
from mesh.stores.blobs.s3.errors import FAILURES, port_error
from mesh.stores.blobs.s3.line import Line

T = TypeVar("T")

DEFAULT_DEADLINE_S = 30.0
_SHORT_THREADS, _LONG_THREADS, _PART_THREADS = 32, 8, 12


class Lines:
    """Three pools of one store: short calls, whole files, and the parts of these. Giving up a call frees its thread at once."""

    def __init__(self) -> None:
        self._short = ThreadPoolExecutor(_SHORT_THREADS, thread_name_prefix="s3")
        self._long = ThreadPoolExecutor(_LONG_THREADS, thread_name_prefix="s3-long")
        self._parts = ThreadPoolExecutor(_PART_THREADS, thread_name_prefix="s3-part")
        self._open: weakref.WeakSet[Line] = weakref.WeakSet()
        self._closing = threading.Event()

    async def run(self, work: Callable[[Line], T], *, long: bool = False) -> T:
        """The result of short or long work. Raises BlobsUnavailable when the deadline passes; the work then fails where it stands."""
        left_s = deadline.remaining_s(DEFAULT_DEADLINE_S)
        if left_s <= 0:
            raise BlobsUnavailable("the deadline passed before the call")
        line = self._line(left_s)
        try:
            return await self.wait(self._submit(self._long if long else self._short, work, line))
        finally:
            line.cut()

    def start(self, work: Callable[[Line], T], *, within_s: float) -> asyncio.Future[T]:
        """Begin long work that outlives its callers' deadlines and stops when the store closes."""
        return self._submit(self._long, work, self._line(within_s))

    async def wait(self, running: asyncio.Future[T]) -> T:
        """The result of begun work, if it comes within the deadline. Raises BlobsUnavailable."""
        try:
            async with asyncio.timeout(deadline.remaining_s(DEFAULT_DEADLINE_S)):
                return await running
        except TimeoutError:
            raise BlobsUnavailable("the deadline passed") from None

    def beside(self, line: Line, work: Callable[[Line], T]) -> Future[T]:
        """Begin a part of the work of a line in another thread."""
        part = line.part()
        return self._parts.submit(_guarded, work, part)

    async def close(self) -> None:
        """End what runs; begin nothing more. Safe to repeat."""
        self._closing.set()
        for line in list(self._open):
            line.cut()
        for pool in (self._long, self._parts, self._short):
            await asyncio.to_thread(pool.shutdown)

    def _line(self, seconds: float) -> Line:
        line = Line(ends_at_s=time.monotonic() + seconds)
        self._open.add(line)
        return line

    def _submit(self, pool: ThreadPoolExecutor, work: Callable[[Line], T], line: Line) -> asyncio.Future[T]:
        if self._closing.is_set():
            raise BlobsUnavailable("the store is closed")
        return asyncio.get_running_loop().run_in_executor(pool, _guarded, work, line)


def _guarded(work: Callable[[Line], T], line: Line) -> T:
    with line:
        try:
            line.left_s()
            return work(line)
        except FAILURES as error:
            raise port_error(error) from error
