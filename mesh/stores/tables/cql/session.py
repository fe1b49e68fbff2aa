"""Statements sent to the cluster without blocking the loop: under the caller's deadline, bounded in flight, and with errors that say what may have happened."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cassandra import ConsistencyLevel, DriverException, OperationTimedOut, RequestValidationException, Unauthorized, Unavailable
from cassandra.cluster import Cluster, NoHostAvailable, ResponseFuture, Session
from cassandra.connection import ConnectionException
from cassandra.protocol import ErrorMessage
from cassandra.query import BatchStatement, BatchType, PreparedStatement

from mesh import deadline
from mesh.stores.tables.cql.levels import Level
from mesh.stores.tables.cql.loop_connection import LoopThread
from mesh.stores.tables.port import InvalidUse, TablesUnavailable

DEFAULT_S = 5.0
"""Time limit of a call that carries no deadline."""
START_S = 60.0
"""Time limit of having all statements ready at the start."""
IN_FLIGHT = 512
"""Most requests under way at once: far below what a connection can carry, so that none waits for a free number in the driver, on the loop's thread."""
READS, WRITES = "reads", "writes"
"""Execution profiles: reads may be repeated on other nodes and sent to a second one that answers sooner, writes never."""
_GRACE_S = 0.05
"""How much longer the driver keeps a request than its caller waits: so that the caller's own time limit speaks first."""

Values = Sequence[Any]
Answer = asyncio.Future[list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class Query:
    """A statement to be prepared, and how it is sent."""

    text: str
    level: Level
    idempotent: bool = True

    def __hash__(self) -> int:
        return hash(self.text)


class MaybeWritten(Exception):
    """A write was sent and nobody can say whether it happened."""


class CqlSession:
    """The driver as the engine uses it."""

    def __init__(self, cluster: Cluster, session: Session, loop: asyncio.AbstractEventLoop) -> None:
        self._cluster = cluster
        self._session = session
        self._loop = loop
        self._home = LoopThread(loop)
        self._prepared: dict[Query, PreparedStatement] = {}
        self._preparing: dict[Query, asyncio.Future[PreparedStatement]] = {}
        self._places = asyncio.Semaphore(IN_FLIGHT)
        self._refused = False
        self._closed = False

    def refuse(self) -> None:
        """Take no further call: the store is closing, and only finishes what is under way."""
        self._refused = True

    def check_open(self) -> None:
        """TablesUnavailable once the store is closing."""
        if self._refused:
            raise TablesUnavailable("the tables are closed")

    async def close(self) -> None:
        """Let go of every connection once nothing is under way."""
        self._closed = True
        for _ in range(IN_FLIGHT):
            await self._places.acquire()
        await asyncio.to_thread(self._cluster.shutdown)

    async def read(self, query: Query, values: Values) -> list[tuple[Any, ...]]:
        """The rows of a SELECT. Raises TablesUnavailable."""
        statement = self._prepared.get(query) or await self._prepare(query)
        try:
            return await self._send(statement.bind(values), READS)
        except MaybeWritten as error:
            raise TablesUnavailable(f"the read failed: {error}") from error.__cause__

    async def write(self, query: Query, values: Values) -> list[tuple[Any, ...]]:
        """Send one write; what it answers. Raises TablesUnavailable when it cannot have happened, MaybeWritten when it may have."""
        statement = self._prepared.get(query) or await self._prepare(query)
        return await self._send(statement.bind(values), WRITES)

    async def write_all(
        self, writes: Sequence[tuple[Query, Values]], *, level: Level, serial: Level | None = None, logged: bool = False
    ) -> list[tuple[Any, ...]]:
        """Send one batch: conditional with `serial`, all or nothing across partitions with `logged`. Raises as `write` does."""
        kind = BatchType.LOGGED if logged else BatchType.UNLOGGED
        batch = BatchStatement(batch_type=kind, consistency_level=_number(level))
        if serial is not None:
            batch.serial_consistency_level = _number(serial)
        for query, values in writes:
            statement = self._prepared.get(query) or await self._prepare(query)
            batch.add(statement.bind(values))
        return await self._send(batch, WRITES)

    async def prepare(self, queries: Sequence[Query]) -> None:
        """Have statements ready, so that the first call that needs one does not wait for it. Raises TablesUnavailable."""
        # Nobody waits behind a deadline yet, and a start that is refused by a busy cluster would only come again and keep it busy.
        await asyncio.gather(*(self._prepare(query, within_s=START_S) for query in queries))

    async def _prepare(self, query: Query, *, within_s: float | None = None) -> PreparedStatement:
        preparing = self._preparing.get(query)
        if preparing is None:
            preparing = self._preparing[query] = asyncio.ensure_future(asyncio.to_thread(self._prepare_now, query))
            preparing.add_done_callback(lambda done: self._keep_prepared(query, done))
        left_s = self._left_s() if within_s is None else within_s
        try:
            async with asyncio.timeout(left_s):
                return await asyncio.shield(preparing)
        except TimeoutError as error:
            raise TablesUnavailable("the deadline passed before anything was sent") from error
        except RequestValidationException as error:
            raise InvalidUse(_one_line(error)) from error
        except Exception as error:
            raise TablesUnavailable(f"nothing was sent: {_one_line(error)}") from error

    def _keep_prepared(self, query: Query, preparing: asyncio.Future[PreparedStatement]) -> None:
        self._preparing.pop(query, None)
        if not preparing.cancelled() and preparing.exception() is None:
            self._prepared[query] = preparing.result()

    def _prepare_now(self, query: Query) -> PreparedStatement:
        statement = self._session.prepare(query.text)
        statement.consistency_level = _number(query.level)
        statement.is_idempotent = query.idempotent
        return statement

    def _left_s(self) -> float:
        if self._closed:
            raise TablesUnavailable("the tables are closed")
        left_s = deadline.remaining_s(DEFAULT_S)
        if left_s <= 0:
            raise TablesUnavailable("the deadline passed before anything was sent")
        return left_s

    async def _send(self, statement: Any, profile: str) -> list[tuple[Any, ...]]:
        left_s = self._left_s()
        until = self._loop.time() + left_s
        if self._places.locked():
            try:
                async with asyncio.timeout(left_s):
                    await self._places.acquire()
            except TimeoutError as error:
                raise TablesUnavailable(f"{IN_FLIGHT} requests are under way") from error
        else:
            await self._places.acquire()
        answer: Answer = self._loop.create_future()
        clock = self._loop.call_at(until, _refuse, answer, TimeoutError)
        try:
            self._begin(statement, profile, max(0.0, until - self._loop.time()) + _GRACE_S, answer)
            return await answer
        except (TimeoutError, OperationTimedOut) as error:
            raise MaybeWritten("no answer in time") from error
        except (NoHostAvailable, Unavailable) as error:
            raise TablesUnavailable(f"nothing was written: {_one_line(error)}") from error
        except Unauthorized as error:
            raise TablesUnavailable(f"nothing was written: {_one_line(error)}") from error
        except RequestValidationException as error:
            raise InvalidUse(_one_line(error)) from error
        except _ANSWERS as error:
            raise MaybeWritten(_one_line(error)) from error
        finally:
            clock.cancel()
            self._places.release()

    def _begin(self, statement: Any, profile: str, timeout_s: float, answer: Answer) -> None:
        response: ResponseFuture = self._session.execute_async(statement, timeout=timeout_s, execution_profile=profile)
        response.add_callbacks(self._arrived, self._failed, (answer,), None, (answer,))

    # The driver calls back on the loop, or in another thread when it gives up; whoever waited may be gone by then.
    def _arrived(self, rows: list[tuple[Any, ...]] | None, answer: Answer) -> None:
        with contextlib.suppress(RuntimeError):
            self._home.run(_resolve, answer, rows or [])

    def _failed(self, error: BaseException, answer: Answer) -> None:
        with contextlib.suppress(RuntimeError):
            self._home.run(_refuse, answer, error)


_ANSWERS = (DriverException, ErrorMessage, ConnectionException)
"""What the driver raises once a request was sent, besides what is told apart above."""


def _resolve(answer: Answer, rows: list[tuple[Any, ...]]) -> None:
    if not answer.done():
        answer.set_result(rows)


def _refuse(answer: Answer, error: BaseException | type[BaseException]) -> None:
    if not answer.done():
        answer.set_exception(error)


def _number(level: Level) -> int:
    return int(ConsistencyLevel.name_to_value[level.value])


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
