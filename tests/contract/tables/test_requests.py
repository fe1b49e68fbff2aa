"""A repeated request speaks of the resource of the first one."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from mesh.errors import Aborted, InvalidArgument, RequestIdReused
from mesh.events.event import Event
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import OutcomeUnknown, Tables
from mesh.stores.tables.requests import APPLIED_KEPT, Claim, RequestLog, RequestRecord, is_applied, with_applied
from mesh.testing.clock import FakeClock
from mesh.testing.tables_rows import Score, entries_after, event, versions_by_key


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def tables(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Tables]:
    store = await open_tables(f"sqlite:///{tmp_path}", service="contract", row_types=(RequestRecord, Score), clock=clock)
    yield store
    await store.close()


async def claim(
    log: RequestLog, new_id: int, *, caller: int | str = 7, method: str = "Start", request_id: str = "r1", body: bytes = b"b"
) -> Claim:
    return await log.claim(caller=caller, method=method, request_id=request_id, body=body, new_id=lambda: new_id)


async def test_a_repeat_gets_the_first_resource_for_24_hours(tables: Tables, clock: FakeClock) -> None:
    log = RequestLog(tables, clock)
    assert await claim(log, 100) == Claim(100, repeated=False)
    clock.advance(24 * 3_600_000 - 1)
    assert await claim(log, 101) == Claim(100, repeated=True)
    clock.advance(1)
    assert await claim(log, 102, body=b"other") == Claim(102, repeated=False)


async def test_caller_method_and_id_each_tell_requests_apart(tables: Tables, clock: FakeClock) -> None:
    log = RequestLog(tables, clock)
    claims = [
        await claim(log, 1),
        await claim(log, 2, caller=8),
        await claim(log, 3, caller="7"),
        await claim(log, 4, method="Star", request_id="tr1"),
        await claim(log, 5, request_id="r2"),
    ]
    assert claims == [Claim(at, repeated=False) for at in range(1, 6)]


async def test_another_body_is_refused_by_name_and_changes_nothing(tables: Tables, clock: FakeClock) -> None:
    log = RequestLog(tables, clock)
    await claim(log, 100)
    before = (await tables.walk(RequestRecord)).rows
    with pytest.raises(RequestIdReused):
        await claim(log, 101, body=b"c")
    assert (await tables.walk(RequestRecord)).rows == before
    assert await claim(log, 102) == Claim(100, repeated=True)


def test_a_row_knows_its_last_changes_and_says_so_when_it_cannot_know() -> None:
    applied = ""
    for at in range(1, APPLIED_KEPT + 1):
        assert not is_applied(applied, Claim(at, repeated=at > 1))
        applied = with_applied(applied, Claim(at, repeated=at > 1))
    assert is_applied(applied, Claim(1, repeated=True))
    assert not is_applied(applied, Claim(11 * 10**17, repeated=False)), "an id that begins like another is another"
    pushed = with_applied(applied, Claim(99, repeated=False))
    assert pushed.split() == [*map(str, range(2, APPLIED_KEPT + 1)), "99"]
    with pytest.raises(Aborted) as refused:
        is_applied(pushed, Claim(1, repeated=True))
    assert refused.value.reason == "CONFLICT"
    # What was claimed after all that are kept was not among those that were forgotten: its first try never came as far as the row.
    assert not is_applied(pushed, Claim(100, repeated=True))


async def test_an_empty_id_is_refused(tables: Tables, clock: FakeClock) -> None:
    with pytest.raises(InvalidArgument):
        await claim(RequestLog(tables, clock), 1, request_id="")
    assert (await tables.walk(RequestRecord)).rows == ()


async def test_racing_repeats_agree_on_one_resource(tables: Tables, clock: FakeClock) -> None:
    log, ids = RequestLog(tables, clock), itertools.count(1)
    claims = await asyncio.gather(*(claim(log, next(ids)) for _ in range(20)))
    assert len({found.resource_id for found in claims}) == 1
    assert [found.repeated for found in claims].count(False) == 1


@pytest.mark.parametrize("happened", [True, False])
async def test_an_unknown_outcome_is_settled(tables: Tables, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, happened: bool) -> None:
    insert, calls = tables.insert, itertools.count()

    async def unsure(row: RequestRecord) -> RequestRecord:
        first = next(calls) == 0
        if happened or not first:
            await insert(row)
        if first:
            raise OutcomeUnknown("t")
        return row

    async def settle(token: str) -> bool:
        assert token == "t"
        return happened

    monkeypatch.setattr(tables, "insert", unsure)
    monkeypatch.setattr(tables, "settle", settle)
    log = RequestLog(tables, clock)
    assert await claim(log, 100) == Claim(100, repeated=False)
    assert await claim(log, 101) == Claim(100, repeated=True)


async def claim_and_put(log: RequestLog, new_id: int, *, body: bytes = b"b", request_id: str = "r1") -> Claim:
    row = Score(game=1, points=1, player="a", version=new_id)
    return await log.claim_and_put(
        row, events=[event(new_id)], caller=7, method="Start", request_id=request_id, body=body, resource_id=new_id
    )


async def test_a_claim_that_is_the_first_puts_its_row_in_the_same_step(tables: Tables, clock: FakeClock) -> None:
    log = RequestLog(tables, clock)
    assert await claim_and_put(log, 100) == Claim(100, repeated=False)
    assert await claim_and_put(log, 101) == await claim(log, 102) == Claim(100, repeated=True)
    with pytest.raises(RequestIdReused):
        await claim_and_put(log, 103, body=b"c")
    with pytest.raises(InvalidArgument):
        await claim_and_put(log, 104, request_id="")
    assert (await tables.walk(Score)).rows == (Score(game=1, points=1, player="a", version=100),)
    assert versions_by_key(await entries_after(tables, {})) == {"k": [(100, 100)]}
    assert [row.resource_id for row in (await tables.walk(RequestRecord)).rows] == [100]


@pytest.mark.parametrize("happened", [True, False])
async def test_a_claim_and_row_of_unknown_outcome_count_as_a_repeat_unless_nothing_happened(
    tables: Tables, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, happened: bool
) -> None:
    put_once, calls = tables.put_once, itertools.count()

    async def unsure(first: RequestRecord, *rows: Score, events: Sequence[Event] = ()) -> None:
        if next(calls):
            await put_once(first, *rows, events=events)
            return
        if happened:
            # As far as a store came that takes two steps.
            await tables.insert(first)
        raise OutcomeUnknown("t")

    async def settle(token: str) -> bool:
        assert token == "t"
        return happened

    monkeypatch.setattr(tables, "put_once", unsure)
    monkeypatch.setattr(tables, "settle", settle)
    assert await claim_and_put(RequestLog(tables, clock), 100) == Claim(100, repeated=happened)
    assert len((await tables.walk(Score)).rows) == int(not happened)
