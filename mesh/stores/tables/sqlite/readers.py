"""Reading connections in a few threads: each read sees what was committed before it began."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from mesh import deadline
from mesh.stores.tables.port import TablesUnavailable

T = TypeVar("T")

DEFAULT_S = 5.0
"""Time limit of a call that carries no deadline."""
THREADS = 4
_STEPS_BETWEEN_LOOKS = 20_000


def connect(path: Path) -> sqlite3.Connection:
    """A connection as this engine uses it: transactions by hand, durable commits."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512, timeout=DEFAULT_S)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    return connection


class _Read:
    """One read on its way to a thread and back."""

    __slots__ = ("answer", "error", "future", "read", "until")

    def __init__(self, read: Callable[[sqlite3.Connection], Any], until: float, future: asyncio.Future[Any]) -> None:
        self.read = read
        self.until = until
        self.future = future
        self.answer: Any = None
        self.error: BaseException | None = None

    def out_of_time(self) -> None:
        """Tell the caller; what a thread still does for it is interrupted there."""
        if not self.future.done():
            self.future.set_exception(TablesUnavailable("the deadline passed during a read"))

    def settle(self) -> None:
        """Give the caller what came of it, if anybody waits."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.answer)
        else:
            self.future.set_exception(self.error)


class Readers:
    """Runs reads on threads under the caller's deadline; a read that is out of time is interrupted, not left behind.

    An executor would wake the loop for each read, and make two futures of it: reads that end while the loop is busy are told to it together here.
    """

    def __init__(self, path: Path, *, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self._path = path
        self._name = name
        self._loop = loop
        self._asked: queue.SimpleQueue[_Read | None] = queue.SimpleQueue()
        self._done: deque[_Read] = deque()
        self._telling = False
        self._threads: list[threading.Thread] = []
        self._stopped = False

    async def run(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """What `read` answers; TablesUnavailable when the deadline passes first."""
        left_s = deadline.remaining_s(DEFAULT_S)
        if left_s <= 0:
            raise TablesUnavailable("the deadline passed before the read began")
        if self._stopped:
            raise TablesUnavailable("the tables are closed")
        if len(self._threads) < THREADS:
            self._start_thread()
        future: asyncio.Future[T] = self._loop.create_future()
        asked = _Read(read, time.monotonic() + left_s, future)
        timer = self._loop.call_later(left_s, asked.out_of_time)
        self._asked.put(asked)
        try:
            return await future
        finally:
            timer.cancel()

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"{self._name}_{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        connection: sqlite3.Connection | None = None
        until = [0.0]
        while (asked := self._asked.get()) is not None:
            if asked.future.done():
                continue
            until[0] = asked.until
            try:
                if connection is None:
                    connection = self._connection(until)
                asked.answer = asked.read(connection)
            except sqlite3.Error as error:
                asked.error = TablesUnavailable(f"the read failed: {error}")
                asked.error.__cause__ = error
            except BaseException as error:  # its caller's to see; the thread has to outlive it
                asked.error = error
            self._tell(asked)
        if connection is not None:
            connection.close()

    def _connection(self, until: list[float]) -> sqlite3.Connection:
        """One that only reads, and stops when the moment in `until` has passed."""
        connection = connect(self._path)
        connection.execute("PRAGMA query_only = 1")
        connection.set_progress_handler(lambda: time.monotonic() > until[0], _STEPS_BETWEEN_LOOKS)
        return connection

    def _tell(self, done: _Read) -> None:
        self._done.append(done)
        # Whoever finds the loop told already is among those that it is going to settle: it takes the mark away before it looks.
        if not self._telling:
            self._telling = True
            try:
                self._loop.call_soon_threadsafe(self._settle)
            except RuntimeError:
                return  # the loop is closed: nobody waits any more

    def _settle(self) -> None:
        self._telling = False
        while self._done:
            self._done.popleft().settle()

    def stop(self) -> None:
        """Finish the reads under way and close the connections; blocks."""
        self._stopped = True
        for _ in self._threads:
            self._asked.put(None)
        for thread in self._threads:
            thread.join()
