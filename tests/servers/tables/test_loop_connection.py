"""The driver's connections on the loop of the process: what they carry arrives whole, and nobody waits for one that is gone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from mesh.stores.tables.cql.engine import CqlTables
from mesh.stores.tables.cql.loop_connection import Alarm, LoopThread
from mesh.stores.tables.port import Tables
from mesh.testing.clock import FakeClock
from mesh.testing.tables_rows import ROW_TYPES, Score
from tests.servers.tables.stores import open_store

pytestmark = pytest.mark.timeout(180)

LONG = "x" * 40_000


@pytest.fixture
async def tables(emptied_url: str) -> AsyncIterator[Tables]:
    store = await open_store(emptied_url, ROW_TYPES, FakeClock())
    yield store
    await store.close()


async def test_more_than_the_socket_takes_goes_out_whole(tables: Tables) -> None:
    rows = [Score(game=1, points=points, player="a", note=LONG, version=1) for points in range(400)]
    await asyncio.gather(*map(tables.put, rows))
    found = await tables.get_many(Score, [(row.game, row.points, row.player) for row in rows])
    assert sorted(found.values(), key=lambda row: row.points) == rows


async def test_answers_come_in_the_thread_of_the_loop(tables: Tables) -> None:
    assert isinstance(tables, CqlTables)
    session, threads = tables._session, set[int]()
    arrived = session._arrived

    def noted(rows: list[tuple[object, ...]] | None, answer: asyncio.Future[list[tuple[object, ...]]]) -> None:
        threads.add(threading.get_ident())
        arrived(rows, answer)

    session._arrived = noted  # type: ignore[method-assign]
    await asyncio.gather(*(tables.get(Score, 1, 1, str(number)) for number in range(50)))
    assert threads == {threading.get_ident()}


async def test_alarms_ring_on_the_loop_unless_they_are_cancelled_wherever_that_is_asked() -> None:
    home, rang = LoopThread(asyncio.get_running_loop()), asyncio.Queue[int]()

    def set_and_cancel() -> None:
        Alarm(home, 0.0, lambda: rang.put_nowait(threading.get_ident()))
        Alarm(home, 0.0, lambda: rang.put_nowait(-1)).cancel()

    # One whose setting waits for the loop is cancelled before it is set.
    await asyncio.to_thread(set_and_cancel)
    here = Alarm(home, 0.0, lambda: rang.put_nowait(-2))
    here.cancel()
    assert await asyncio.wait_for(rang.get(), 10) == threading.get_ident()
    await asyncio.sleep(0.05)
    assert rang.empty()
