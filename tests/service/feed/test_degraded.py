"""Quality fails open: a stage that fails, hangs or is late is only its own failure, named and counted; what must not be shown fails closed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from mesh.client import RpcFailed
from mesh.errors import InvalidArgument, Unavailable
from mesh.stores.tables.port import OutcomeUnknown, TablesUnavailable
from mesh.stores.tables.sqlite.engine import SqliteTables
from svc_feed.foryou.effects import Impressions
from svc_feed.foryou.filters import NotVisible
from svc_feed.foryou.hydrators import History
from svc_feed.foryou.query import FloatArray, IntArray, Query
from svc_feed.foryou.scorers import Taste
from svc_feed.foryou.sources import Fresh, Popular
from svc_feed.foryou.tables import ServedPage
from svc_feed.metrics import STAGE_FAILURES
from tests.service.feed.world import ALICE, BOB, World, guest, ids_of, open_world, person, video

Break = Callable[..., Any]


async def hangs(*_: Any, **__: Any) -> Any:
    await asyncio.sleep(60)


async def is_late(*_: Any, **__: Any) -> Any:
    await asyncio.sleep(1.0)
    return []


async def is_away(*_: Any, **__: Any) -> Any:
    raise TablesUnavailable("away")


async def refuses(*_: Any, **__: Any) -> Any:
    raise Unavailable()


async def has_a_bug(*_: Any, **__: Any) -> Any:
    raise KeyError("bug")


CALL_MS = 2_000
"""What the call around a page may take on a busy machine; that the page itself keeps its budget is asserted to the millisecond in virtual time."""

FAILURES = [hangs, is_late, is_away, refuses, has_a_bug]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path, feed_stage_ms=400, feed_budget_ms=4_000) as opened:
        await opened.publish(*(video(number) for number in range(1, 21)))
        await opened.watch(person(BOB), 1, watched_ms=9_000)
        await opened.watch(person(ALICE), 2, watched_ms=9_000)
        yield opened


def forget(world: World) -> None:
    """What a process forgets when it is started anew."""
    world.feed._store._recent.clear()


def failures(world: World, stage: str) -> float:
    return world.served.process.telemetry.value(STAGE_FAILURES, stage=stage)


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_source_that_fails_is_only_its_own_failure(world: World, monkeypatch: pytest.MonkeyPatch, failure: Break) -> None:
    monkeypatch.setattr(Popular, "candidates", failure)
    page = await world.page(guest("s1"), size=10)
    assert len(page.items) == 10
    assert list(page.degraded) == ["source.popular"]
    (count,) = [count for count in page.stages if count.stage == "source.popular"]
    assert (count.failed, count.count_out) == (True, 0)
    assert failures(world, "source.popular") == 1
    assert {name for item in page.items for name in item.sources} == {"fresh"}


@pytest.mark.parametrize("failure", FAILURES)
async def test_without_history_the_page_is_contextual_and_says_so(world: World, monkeypatch: pytest.MonkeyPatch, failure: Break) -> None:
    monkeypatch.setattr(History, "hydrate", failure)
    page = await world.page(person(ALICE), size=10)
    assert (len(page.items), page.served_by, list(page.degraded)) == (10, "contextual", ["hydrate.history"])
    assert failures(world, "hydrate.history") == 1


async def test_all_sources_down_give_an_empty_page_that_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Popular, "candidates", is_away)
    monkeypatch.setattr(Fresh, "candidates", is_away)
    page = await world.page(guest("s1"))
    assert (ids_of(page), page.has_more, list(page.degraded)) == ([], False, ["source.fresh", "source.popular"])


async def test_a_scorer_that_fails_adds_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(self: Taste, query: Query, rows: IntArray) -> FloatArray:
        raise ZeroDivisionError

    monkeypatch.setattr(Taste, "score", breaks)
    page = await world.page(person(ALICE), size=10)
    assert (len(page.items), list(page.degraded)) == (10, ["score.taste"])
    assert failures(world, "score.taste") == 1


async def test_a_filter_that_fails_ends_the_call(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(self: NotVisible, query: Query, rows: IntArray) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(NotVisible, "keeps", breaks)
    with pytest.raises(RpcFailed) as failed:
        await world.page(guest("s1"))
    assert failed.value.reason == "INTERNAL"
    assert not await world.rows(ServedPage)


async def test_an_effect_that_fails_leaves_the_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: Any) -> Any:
        raise Unavailable()

    monkeypatch.setattr(Impressions, "events", breaks)
    page = await world.page(guest("s1"), size=3)
    assert (len(page.items), list(page.degraded)) == (3, ["effect.impressions"])
    assert len(await world.rows(ServedPage)) == 1


async def outcome_unknown(*_: Any, **__: Any) -> Any:
    raise OutcomeUnknown("token")


@pytest.mark.parametrize("failure", [hangs, is_away, outcome_unknown])
async def test_a_page_that_cannot_be_kept_is_answered_and_continued_by_the_same_process(
    world: World, monkeypatch: pytest.MonkeyPatch, failure: Break
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(SqliteTables, "insert", failure)
        first = await world.page(guest("s1"), size=3)
        second = await world.page(guest("s1"), size=3, after=first.items[2].cursor)
        again = await world.page(guest("s1"), size=3, after=first.items[2].cursor)
    assert [list(page.degraded) for page in (first, second)] == [["serve"], ["serve"]]
    assert failures(world, "serve") == 2
    assert list(again.items) == list(second.items)
    third = await world.page(guest("s1"), size=20, after=second.items[2].cursor)
    assert list(third.degraded) == []
    assert sorted(ids_of(first) + ids_of(second) + ids_of(third)) == list(range(1, 21))
    # Another process never heard of the first two, but goes on behind the third.
    forget(world)
    with pytest.raises(InvalidArgument) as failed:
        await world.page(guest("s1"), after=first.items[0].cursor)
    assert failed.value.reason == "CURSOR_EXPIRED"
    assert ids_of(await world.page(guest("s1"), after=third.items[-1].cursor)) == []


@pytest.mark.parametrize("failure", [hangs, is_away])
async def test_a_session_that_cannot_be_read_gets_a_page_that_nothing_builds_on(
    world: World, monkeypatch: pytest.MonkeyPatch, failure: Break
) -> None:
    first = await world.page(guest("s1"), size=3)
    before = await world.everything()
    forget(world)
    with monkeypatch.context() as patched:
        patched.setattr(SqliteTables, "get_many", failure)
        page = await world.page(guest("s1"), size=3, after=first.items[2].cursor)
    assert (len(page.items), page.degraded[0], page.feed_session_id) == (3, "session", first.feed_session_id)
    assert first.items[2].video_id not in ids_of(page)
    assert await world.everything() == before
    # Once it can be read again the session goes on as if nothing had been.
    following = await world.page(guest("s1"), size=20, after=first.items[2].cursor)
    assert (set(ids_of(following)) & set(ids_of(first)), list(following.degraded)) == (set(), [])
    with pytest.raises(InvalidArgument) as failed:
        await world.page(guest("s1"), after=page.items[0].cursor)
    assert failed.value.reason == "CURSOR_EXPIRED"


@pytest.mark.timed
async def test_a_page_comes_within_its_budget_when_everything_hangs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await world.page(person(ALICE), size=3)
    forget(world)
    for owner, name in ((SqliteTables, "get_many"), (SqliteTables, "scan"), (SqliteTables, "insert"), (Popular, "candidates")):
        monkeypatch.setattr(owner, name, hangs)
    began = time.monotonic()
    page = await world.page(person(ALICE), size=3, after=first.items[0].cursor)
    assert time.monotonic() - began < (world.settings.feed_budget_ms + CALL_MS) / 1000
    assert len(page.items) == 3
    assert set(page.degraded) == {"session", "hydrate.history", "source.popular"}
