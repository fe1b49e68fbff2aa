"""Random histories of an inbox, and each consumer under 200 orders of delivery, end as a simple model says."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.service.social.notifying import World, open_notifying
from tests.service.social.notifying_histories import PEOPLE, STEPS, Dying, History
from tests.service.social.notifying_interleavings import Interleaved

_numbers = itertools.count(1)


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[tuple[World, Dying]]:
    """One store for every history; each has people of its own."""
    made: list[Dying] = []

    def over(tables: Any) -> Any:
        made.append(Dying(tables))
        return made[0]

    async with open_notifying(tmp_path, over=over) as opened:
        yield opened, made[0]


@settings(max_examples=40, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(STEPS, min_size=8, max_size=40))
@pytest.mark.timeout(120)
async def test_every_history_ends_as_the_model_says(shared: tuple[World, Dying], steps: list[tuple[Any, ...]]) -> None:
    world, dying = shared
    history = History(world, dying, await world.people(PEOPLE + 1), next(_numbers))
    for step in steps:
        await history.step(step)
    await history.check()


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_200_orders_of_delivery_end_alike(tmp_path: Path) -> None:
    async with open_notifying(tmp_path) as world:
        await (await Interleaved.begin(world)).run(200)


async def test_what_is_heard_at_several_places_at_once_counts_once(tmp_path: Path) -> None:
    async with open_notifying(tmp_path) as world:
        alice, *others = await world.people(21)
        events = [world.liked(other, alice) for other in others]
        await asyncio.gather(*(world.hear_together(part) for part in (events, events[::-1], events[5:15])))
        assert [(kind, count) for kind, count, _ in await world.told(alice)] == [("LIKE", 20)]
        assert await world.unread(alice) == 1
