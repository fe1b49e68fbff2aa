"""Several instances behind one name: what one of them does wrong costs callers little, and for a moment only."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mesh.attempts import FLOOR_TOKENS, MOST_TOKENS
from mesh.client import Channels
from mesh.errors import MeshError, Unavailable
from mesh.metrics import CLIENT_EXTRA
from mesh.testing.rpc import serve
from tests.contract.rpc.instances import Load, channels_to, instances
from tests.contract.rpc.probe import A_DECISION, ListReviewsRequest, Probe, Stub, served_by

pytestmark = pytest.mark.timed

A_READ = ListReviewsRequest()
BUDGET_S = 0.5


async def warm(channels: Channels, *, wanted: int) -> Any:
    """A stub whose connections stand: every instance that answers has answered."""
    stub, seen = channels.stub(Stub, "rights"), set()
    async with asyncio.timeout(10):
        while len(seen) < wanted:
            with contextlib.suppress(MeshError):
                seen.add((await stub.ListReviews(A_READ, timeout=1)).next_page_token)
    return stub


async def until_well(call: Callable[[], Awaitable[Any]]) -> None:
    """Return when calls go well again: the failing instance is left out, and nobody holds back any more."""
    async with asyncio.timeout(25):
        while True:
            load = Load()
            await load.run(call, every_s=0.01, for_s=0.3)
            if set(load.outcomes) == {"OK"}:
                return


def extra(channels: Channels, kind: str, outcome: str) -> float:
    return channels.telemetry.value(CLIENT_EXTRA, service="rights", kind=kind, outcome=outcome)


async def test_reads_outlive_an_instance_that_is_killed_and_writes_only_those_that_were_under_way() -> None:
    async with instances("well", "well") as (dying, other):
        channels = channels_to(dying, other)
        stub = await warm(channels, wanted=2)
        reads, writes, later = Load(), Load(), Load()
        running = [
            asyncio.create_task(reads.run(lambda: stub.ListReviews(A_READ, timeout=2), every_s=0.01, for_s=1.5)),
            asyncio.create_task(writes.run(lambda: stub.DecideReview(A_DECISION, timeout=2), every_s=0.02, for_s=1.5)),
        ]
        await asyncio.sleep(0.5)
        dying.kill()
        await asyncio.gather(*running)
        await later.run(lambda: stub.DecideReview(A_DECISION, timeout=2), every_s=0.01, for_s=0.5)
        await channels.close()
    assert set(reads.outcomes) == {"OK"}
    assert reads.outcomes["OK"] > 100
    assert writes.outcomes["UNAVAILABLE"] <= 3
    assert set(later.outcomes) == {"OK"}


async def test_reads_outlive_an_instance_that_freezes_and_no_call_outlives_its_budget() -> None:
    async with instances("well", "well") as both:
        channels = channels_to(*both)
        stub = await warm(channels, wanted=2)
        before, reads, writes, later = Load(), Load(), Load(), Load()
        await before.run(lambda: stub.ListReviews(A_READ, timeout=BUDGET_S), every_s=0.004, for_s=0.5)
        both[0].freeze()
        await asyncio.gather(
            reads.run(lambda: stub.ListReviews(A_READ, timeout=BUDGET_S), every_s=0.02, for_s=2),
            writes.run(lambda: stub.DecideReview(A_DECISION, timeout=BUDGET_S), every_s=0.05, for_s=2),
        )
        await until_well(lambda: stub.DecideReview(A_DECISION, timeout=BUDGET_S))
        await later.run(lambda: stub.DecideReview(A_DECISION, timeout=BUDGET_S), every_s=0.02, for_s=1)
        await channels.close()
    assert all(load.within(BUDGET_S) for load in (before, reads, writes))
    assert extra(channels, "hedge", "made") >= 3
    assert reads.outcomes["OK"] > writes.outcomes["OK"] > 0
    assert set(later.outcomes) == {"OK"}


@pytest.mark.parametrize("kind", ["fails", "unavailable"])
async def test_an_instance_that_fails_though_it_says_it_serves_is_left_out(kind: str) -> None:
    async with instances("well", kind) as both:
        channels = channels_to(*both)
        stub = await warm(channels, wanted=1)
        begin, later = Load(), Load()
        call = lambda: stub.DecideReview(A_DECISION, timeout=0.3)  # noqa: E731
        await begin.run(call, every_s=0.01, for_s=0.6)
        await until_well(call)
        await later.run(call, every_s=0.01, for_s=1)
        await channels.close()
    assert begin.outcomes.total() - begin.outcomes["OK"] >= 5
    assert set(later.outcomes) == {"OK"}


async def test_the_last_instance_is_never_left_out() -> None:
    async with instances("fails") as (only,):
        channels = channels_to(only)
        load = Load()
        stub = channels.stub(Stub, "rights")
        await load.run(lambda: stub.DecideReview(A_DECISION, timeout=0.3), every_s=0.02, for_s=1.5)
        await channels.close()
    assert set(load.outcomes) == {"INTERNAL"}


async def test_when_everything_fails_hardly_more_is_sent_than_was_asked_for() -> None:
    async def fails(_: Any) -> Any:
        raise Unavailable

    probe = Probe(lists=fails)
    async with serve(served_by(probe), service="rights") as served:
        channels = served.channels()
        stub = served.stub(Stub)
        for _ in range(100):
            with pytest.raises(MeshError):
                await stub.ListReviews(A_READ)
        assert 100 < probe.listed <= 110
        assert extra(channels, "retry", "made") == probe.listed - 100
        assert extra(channels, "retry", "refused") > 90


async def test_hedges_are_within_the_budget_and_never_for_writes() -> None:
    async with instances("hangs", "hangs") as both:
        channels = channels_to(*both)
        stub = channels.stub(Stub, "rights")
        reads, writes = Load(), Load()
        await reads.run(lambda: stub.ListReviews(A_READ, timeout=0.3), every_s=0.02, for_s=1)
        hedged = extra(channels, "hedge", "made")
        await writes.run(lambda: stub.DecideReview(A_DECISION, timeout=0.3), every_s=0.05, for_s=0.5)
        await channels.close()
    assert "OK" not in reads.outcomes | writes.outcomes
    assert 1 <= hedged <= MOST_TOKENS - FLOOR_TOKENS
    assert extra(channels, "hedge", "refused") > 20
    assert extra(channels, "hedge", "made") == hedged
    assert reads.within(0.3)


async def test_the_slower_of_two_answers_is_let_go() -> None:
    async with instances("hangs", "well") as both:
        channels = channels_to(*both)
        stub = channels.stub(Stub, "rights")
        load = Load()
        await load.run(lambda: stub.ListReviews(A_READ, timeout=1.5), every_s=0.1, for_s=1)
        await channels.close()
    assert load.outcomes["OK"] > 6
    assert extra(channels, "hedge", "made") >= 2


async def test_a_read_that_is_cancelled_takes_its_hedge_along() -> None:
    async with instances("hangs", "hangs") as both:
        channels = channels_to(*both)
        stub = channels.stub(Stub, "rights")
        call = asyncio.create_task(stub.ListReviews(A_READ, timeout=20))
        async with asyncio.timeout(10):
            while not extra(channels, "hedge", "made"):
                await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(0.05)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not [task for task in others if "_counted" in repr(task)]
        await channels.close()
