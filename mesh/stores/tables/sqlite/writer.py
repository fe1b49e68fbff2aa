"""The one writer: a thread that executes queued writes in shared transactions, so that many writes share one fsync."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from mesh.clock import Clock
from mesh.stores.tables.port import OutcomeUnknown, TablesError, TablesUnavailable
from mesh.stores.tables.sqlite.outbox import OutboxLog
from mesh.stores.tables.sqlite.statements import TableSql
from mesh.stores.tables.sqlite.sweeper import Sweeper
from mesh.stores.tables.sqlite.writes import Done, Operation, Transaction

WINDOW_S = 0.002
"""How long a transaction waits for company, when the one before it had some."""
MAX_WRITES = 512
"""Most writes of one transaction: bounds how long the first of them waits for the last."""

Outcome = Done | BaseException


class Write:
    """One write on its way: queued by the loop, claimed once, by the writer to run it or by its caller to withdraw it."""

    __slots__ = ("_claim", "future", "operation", "outcome", "settled")

    def __init__(self, operation: Operation, loop: asyncio.AbstractEventLoop) -> None:
        self.operation = operation
        self.future: asyncio.Future[Any] = loop.create_future()
        self.settled: asyncio.Event | None = None
        """Set by a caller that stopped waiting and wants to know later."""
        self.outcome: Outcome | None = None
        self._claim = threading.Lock()

    def claim(self) -> bool:
        """True for the first who asks, on whatever thread."""
        return self._claim.acquire(blocking=False)


class GroupWriter:
    """Executes writes in the order they were queued; what it answers is durable."""

    def __init__(
        self,
        *,
        connection: sqlite3.Connection,
        outbox: OutboxLog,
        tables: Sequence[TableSql],
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        committed: Callable[[dict[int, int]], None],
        name: str,
    ) -> None:
        self._connection = connection
        self._outbox = outbox
        self._clock = clock
        self._loop = loop
        self._committed = committed
        self._sweeper = Sweeper(tables)
        self._queue: queue.SimpleQueue[Write | None] = queue.SimpleQueue()
        self._now_ms = 0
        self.broken = asyncio.Event()
        """Set on the loop soon after `_broken`, which is the writer's own."""
        self._broken = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def queue(self, operation: Operation) -> Write:
        """Hand over a write; its future is resolved on the loop after the commit."""
        write = Write(operation, self._loop)
        self._queue.put(write)
        return write

    def stop(self) -> None:
        """Finish what is queued, then end the thread; blocks."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        grouped = stopping = False
        while not stopping:
            batch, stopping = self._collect(WINDOW_S if grouped else 0.0)
            # A lone caller, who waits for each write, would only lose time to the window.
            grouped = len(batch) > 1
            batch = [write for write in batch if write.claim()]
            if batch:
                self._deliver(batch, self._execute(batch))
                self._sweep()

    def _collect(self, window_s: float) -> tuple[list[Write], bool]:
        batch: list[Write] = []
        first = self._queue.get()
        if first is None:
            return batch, True
        batch.append(first)
        until = time.monotonic() + window_s
        while len(batch) < MAX_WRITES:
            try:
                left_s = until - time.monotonic()
                write = self._queue.get(timeout=left_s) if left_s > 0 else self._queue.get_nowait()
            except queue.Empty:
                break
            if write is None:
                return batch, True
            batch.append(write)
        return batch, False

    def _execute(self, batch: list[Write]) -> list[Outcome]:
        if self._broken:
            return [TablesUnavailable("an earlier commit failed; the process has to start again") for _ in batch]
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._now_ms = self._clock.now_ms()
            transaction = Transaction(connection, self._outbox, self._now_ms)
            outcomes = [self._run_one(transaction, write.operation) for write in batch]
        except Exception as error:  # the thread has to outlive whatever went wrong: all writes of the service depend on it
            self._roll_back()
            return [TablesUnavailable(f"nothing was written: {error}") for _ in batch]
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            return self._failed_commit(batch, error)
        return outcomes

    def _run_one(self, transaction: Transaction, operation: Operation) -> Outcome:
        """Run one write in its own savepoint: what it refuses leaves no trace and does not touch its neighbours."""
        connection = transaction.connection
        if operation.events:
            self._outbox.open_bucket(transaction.now_ms)
        connection.execute("SAVEPOINT one")
        try:
            outcome: Outcome = operation.run(transaction)
        except TablesError as error:
            outcome = error
        except sqlite3.Error as error:
            if not connection.in_transaction:  # SQLite gave up the whole transaction, as it does when the disk is full
                raise
            outcome = TablesUnavailable(f"nothing was written: {error}") if isinstance(error, sqlite3.OperationalError) else error
        except Exception as error:
            outcome = error
        if isinstance(outcome, BaseException):
            connection.execute("ROLLBACK TO one")
        connection.execute("RELEASE one")
        return outcome

    def _failed_commit(self, batch: list[Write], error: sqlite3.Error) -> list[Outcome]:
        self._roll_back()
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            return [TablesUnavailable("nothing was written: the disk is full") for _ in batch]
        # After a failed fsync nobody knows what the disk holds, and a retry can lie: stop until the next start reads the file.
        self._break()
        return [OutcomeUnknown("") for _ in batch]

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._outbox.load()
        except sqlite3.Error:
            self._break()

    def _break(self) -> None:
        self._broken = True
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody looks any more
            self._loop.call_soon_threadsafe(self.broken.set)

    def _sweep(self) -> None:
        try:
            self._sweeper.sweep(self._connection, self._now_ms)
        except sqlite3.Error:
            self._roll_back()

    def _deliver(self, batch: list[Write], outcomes: list[Outcome]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._resolve, batch, outcomes)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    def _resolve(self, batch: list[Write], outcomes: list[Outcome]) -> None:
        grown: dict[int, int] = {}
        for outcome in outcomes:
            if isinstance(outcome, Done):
                grown.update(outcome.grown)
        if grown:
            self._committed(grown)
        for write, outcome in zip(batch, outcomes, strict=True):
            write.outcome = outcome
            if write.settled is not None:
                write.settled.set()
            if not write.future.done():
                if isinstance(outcome, Done):
                    write.future.set_result(outcome.value)
                else:
                    write.future.set_exception(outcome)
