"""Writes that come while another is under way go out as one, and each caller hears what became of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest

from mesh import deadline
from mesh.stores.tables.cql.gathering import Gathering
from mesh.stores.tables.cql.levels import Level
from mesh.stores.tables.cql.session import MaybeWritten, Query
from mesh.stores.tables.port import InvalidUse, TablesUnavailable

CONFIRM = Query("confirm", Level.LOCAL_QUORUM)


class Session:
    """Takes writes, and answers them when it is told to."""

    def __init__(self) -> None:
        self.sent: list[list[Any]] = []
        self.answers: list[asyncio.Future[None]] = []

    async def write(self, query: Query, values: Sequence[Any]) -> list[Any]:
        return await self._answered([values])

    async def write_all(self, writes: Sequence[tuple[Query, Sequence[Any]]], *, level: Level) -> list[Any]:
        assert {query for query, _ in writes} == {CONFIRM}
        assert level is Level.LOCAL_QUORUM
        return await self._answered([values for _, values in writes])

    async def _answered(self, values: list[Any]) -> list[Any]:
        self.sent.append(values)
        self.answers.append(asyncio.get_running_loop().create_future())
        await self.answers[-1]
        return []


class Scene:
    """A gathering over a session, and the writes that were asked for."""

    def __init__(self) -> None:
        self.session = Session()
        self.work: set[asyncio.Task[None]] = set()
        self.gathering = Gathering(self.session, CONFIRM, partition=1, run=self._run)  # type: ignore[arg-type]

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self.work.add(asyncio.create_task(work))

    def write(self, *keys: tuple[int, int]) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self.gathering.write([key])) for key in keys]

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


async def test_what_comes_meanwhile_goes_together_by_partition() -> None:
    scene = Scene()
    first = scene.write((1, 1), (1, 2), (2, 1), (1, 3))
    await scene.settle()
    assert scene.session.sent == [[(1, 1)], [(2, 1)]]
    scene.session.answers[0].set_result(None)
    await scene.settle()
    assert scene.session.sent[2:] == [[(1, 2), (1, 3)]]
    assert [write.done() for write in first] == [True, False, False, False]
    scene.session.answers[1].set_result(None)
    scene.session.answers[2].set_result(None)
    await asyncio.gather(*first)
    (again,) = scene.write((1, 4))
    await scene.settle()
    assert scene.session.sent[3:] == [[(1, 4)]]
    scene.session.answers[3].set_result(None)
    await again


async def test_all_of_a_write_hear_that_it_failed_and_the_next_goes_on() -> None:
    scene = Scene()
    writes = scene.write((1, 1), (1, 2), (1, 3))
    await scene.settle()
    (late,) = scene.write((1, 4))
    scene.session.answers[0].set_exception(MaybeWritten("silence"))
    await scene.settle()
    assert scene.session.sent[1:] == [[(1, 2), (1, 3), (1, 4)]]
    scene.session.answers[1].set_exception(MaybeWritten("silence again"))
    await scene.settle()
    for write in (*writes, late):
        with pytest.raises(MaybeWritten):
            await write
    (after,) = scene.write((1, 5))
    await scene.settle()
    scene.session.answers[2].set_result(None)
    await after


async def test_a_caller_that_leaves_takes_nobody_along() -> None:
    scene = Scene()
    writes = scene.write((1, 1), (1, 2), (1, 3))
    await scene.settle()
    writes[0].cancel()
    await scene.settle()
    assert scene.session.sent[1:] == [[(1, 2), (1, 3)]]
    writes[1].cancel()
    await scene.settle()
    scene.session.answers[1].set_result(None)
    await writes[2]


async def test_one_that_is_refused_for_itself_fails_alone() -> None:
    scene = Scene()
    writes = scene.write((1, 1), (1, 2), (1, 3))
    await scene.settle()
    scene.session.answers[0].set_result(None)
    await scene.settle()
    for answered, refusal in enumerate((InvalidUse("too large"), InvalidUse("too large"), None), start=1):
        if refusal is None:
            scene.session.answers[answered].set_result(None)
        else:
            scene.session.answers[answered].set_exception(refusal)
        await scene.settle()
    assert scene.session.sent[1:] == [[(1, 2), (1, 3)], [(1, 2)], [(1, 3)]]
    await writes[0]
    with pytest.raises(InvalidUse):
        await writes[1]
    await writes[2]


async def test_one_whose_deadline_passes_in_line_is_never_sent() -> None:
    scene = Scene()
    (first,) = scene.write((1, 1))
    await scene.settle()
    with deadline.scope(0.05):
        late, later = scene.write((1, 2), (1, 3))
    with pytest.raises(TablesUnavailable, match="before anything was sent"):
        await late
    with pytest.raises(TablesUnavailable):
        await later
    scene.session.answers[0].set_result(None)
    await first
    assert scene.session.sent == [[(1, 1)]]


async def test_rows_of_one_write_stay_together_and_long_ones_go_by_themselves() -> None:
    scene = Scene()
    rows = [(1, number) for number in range(6)]
    sizes = {1: 40_000, 2: 20_000, 3: 40_000, 4: 90_000}
    writes = [asyncio.create_task(scene.gathering.write(rows[:1]))]
    writes += [asyncio.create_task(scene.gathering.write([rows[at], rows[at + 1]], size_bytes=sizes[at])) for at in sizes]
    for answered in range(4):
        await scene.settle()
        scene.session.answers[answered].set_result(None)
    await asyncio.gather(*writes)
    assert scene.session.sent == [rows[:1], [*rows[1:3], *rows[2:4]], rows[3:5], rows[4:6]]


async def test_a_write_without_an_answer_holds_others_back_for_a_moment_only() -> None:
    scene = Scene()
    writes = scene.write((1, 1), (1, 2), (1, 3))
    async with asyncio.timeout(10):
        while len(scene.session.sent) < 2:
            await asyncio.sleep(0.01)
    assert scene.session.sent == [[(1, 1)], [(1, 2), (1, 3)]]
    scene.session.answers[1].set_result(None)
    await asyncio.gather(*writes[1:])
    assert not writes[0].done()
    scene.session.answers[0].set_result(None)
    await writes[0]


async def test_no_more_than_so_many_go_together() -> None:
    scene = Scene()
    writes = scene.write(*((1, number) for number in range(130)))
    for answered in range(4):
        await scene.settle()
        scene.session.answers[answered].set_result(None)
    await asyncio.gather(*writes)
    assert [len(sent) for sent in scene.session.sent] == [1, 64, 64, 1]
