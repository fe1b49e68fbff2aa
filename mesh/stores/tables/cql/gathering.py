"""Writes to one partition that come while another is under way go out together, as one: entries of the outbox are small, and there are many of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from mesh import deadline
from mesh.stores.tables.cql.session import DEFAULT_S, CqlSession, MaybeWritten, Query, Values
from mesh.stores.tables.port import InvalidUse, TablesUnavailable

_MOST, _MOST_BYTES = 64, 64 * 1024
"""Writes that go together at most, and their bytes, unless one alone has more."""

_PATIENCE_S = 0.1
"""How long the write under way holds back others: one that gets no answer must not hold up its whole partition."""

Run = Callable[[Coroutine[Any, Any, None]], object]


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    rows: Sequence[Values]
    size_bytes: int
    written: asyncio.Future[None]


class Gathering:
    """One statement, written for many rows; the first values of a row, as many as `partition` says, tell where it lies."""

    def __init__(self, session: CqlSession, query: Query, *, partition: int, run: Run) -> None:
        """`run` keeps work that no caller waits for, and that has no caller's deadline."""
        self._session = session
        self._query = query
        self._partition = partition
        self._run = run
        self._under_way: dict[tuple[Any, ...], int] = {}
        """By partition: writes without an answer."""
        self._waiting: dict[tuple[Any, ...], deque[_Waiting]] = {}
        """By partition: what came since."""

    async def write(self, rows: Sequence[Values], *, size_bytes: int = 0) -> None:
        """Write rows of one partition in one atomic step. Raises TablesUnavailable when they cannot have been written, MaybeWritten when they may
        have been."""
        place = tuple(rows[0][: self._partition])
        if place not in self._under_way:
            self._under_way[place] = 1
            try:
                await self._send(rows)
            finally:
                self._answered(place)
            return
        loop = asyncio.get_running_loop()
        waiting = self._waiting.setdefault(place, deque())
        if not waiting:
            loop.call_later(_PATIENCE_S, self._go_on, place)
        mine = _Waiting(rows, size_bytes, loop.create_future())
        waiting.append(mine)
        clock = loop.call_later(deadline.remaining_s(DEFAULT_S), _tell, mine, TimeoutError())
        try:
            await mine.written
        except TimeoutError as error:
            if mine in waiting:
                waiting.remove(mine)
                raise TablesUnavailable("the deadline passed before anything was sent") from error
            raise MaybeWritten("no answer in time") from error
        finally:
            clock.cancel()

    def _answered(self, place: tuple[Any, ...]) -> None:
        self._under_way[place] -= 1
        if not self._under_way[place]:
            del self._under_way[place]
        self._go_on(place)

    def _go_on(self, place: tuple[Any, ...]) -> None:
        waiting = self._waiting.get(place)
        if not waiting:
            self._waiting.pop(place, None)
            return
        together = [waiting.popleft()]
        size_bytes = together[0].size_bytes
        while waiting and len(together) < _MOST and size_bytes + waiting[0].size_bytes <= _MOST_BYTES:
            size_bytes += waiting[0].size_bytes
            together.append(waiting.popleft())
        if waiting:
            asyncio.get_running_loop().call_later(_PATIENCE_S, self._go_on, place)
        self._under_way[place] = self._under_way.get(place, 0) + 1
        self._run(self._send_together(place, together))

    async def _send_together(self, place: tuple[Any, ...], together: Sequence[_Waiting]) -> None:
        try:
            try:
                await self._send([row for one in together for row in one.rows])
            except InvalidUse:
                # It is about one of them, and none was written.
                for one in together:
                    await self._send_alone(one)
            else:
                for one in together:
                    _tell(one, None)
        except Exception as error:
            for one in together:
                _tell(one, error)
        finally:
            self._answered(place)

    async def _send_alone(self, one: _Waiting) -> None:
        try:
            await self._send(one.rows)
        except Exception as error:
            _tell(one, error)
        else:
            _tell(one, None)

    async def _send(self, rows: Sequence[Values]) -> None:
        if len(rows) == 1:
            await self._session.write(self._query, rows[0])
        else:
            await self._session.write_all([(self._query, row) for row in rows], level=self._query.level)


def _tell(one: _Waiting, error: Exception | None) -> None:
    if one.written.done():
        return
    if error is None:
        one.written.set_result(None)
    else:
        one.written.set_exception(error)
        # Its caller may be gone.
        one.written.exception()
