"""Reading connections in a few threads: each read sees what was committed before it began."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from mesh import deadline
from mesh.stores.tables.port import TablesUnavailable

T = TypeVar("T")

DEFAULT_S = 5.0
"""Time limit of a call that carries no deadline."""
_THREADS = 4
_STEPS_BETWEEN_LOOKS = 20_000


def connect(path: Path) -> sqlite3.Connection:
    """A connection as this engine uses it: transactions by hand, durable commits."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512, timeout=DEFAULT_S)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    return connection


class Readers:
    """Runs reads on threads under the caller's deadline; a read that is out of time is interrupted, not left behind."""

    def __init__(self, path: Path, *, name: str) -> None:
        self._path = path
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix=name)
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []

    async def run(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """What `read` answers; TablesUnavailable when the deadline passes first."""
        left_s = deadline.remaining_s(DEFAULT_S)
        if left_s <= 0:
            raise TablesUnavailable("the deadline passed before the read began")
        try:
            running = asyncio.get_running_loop().run_in_executor(self._pool, self._read, read, time.monotonic() + left_s)
        except RuntimeError as error:
            raise TablesUnavailable("the tables are closed") from error
        try:
            async with asyncio.timeout(left_s):
                return await running
        except TimeoutError as error:
            raise TablesUnavailable("the deadline passed during a read") from error

    def _read(self, read: Callable[[sqlite3.Connection], T], until: float) -> T:
        connection = self._connection()
        self._local.until = until
        try:
            return read(connection)
        except sqlite3.Error as error:
            raise TablesUnavailable(f"the read failed: {error}") from error

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = connect(self._path)
            connection.execute("PRAGMA query_only = 1")
            local: Any = self._local
            connection.set_progress_handler(lambda: time.monotonic() > local.until, _STEPS_BETWEEN_LOOKS)
            self._local.connection = connection
            self._connections.append(connection)
        return connection

    def stop(self) -> None:
        """Finish the reads under way and close the connections; blocks."""
        self._pool.shutdown(wait=True)
        while self._connections:
            self._connections.pop().close()
