"""Notifications against a real Cassandra: random histories and interleavings end as the model says, and a fan-out reaches everybody once."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from svc_social.graph.rules import Place
from svc_social.graph.store import ListStore
from svc_social.graph.tables import ListKind
from tests.service.social.notifying import World, open_notifying
from tests.service.social.notifying_histories import PEOPLE, STEPS, Dying, History
from tests.service.social.notifying_interleavings import Interleaved

pytestmark = pytest.mark.timeout(300)
"""Each conditional write costs a real server four rounds, and other servers share the machine."""

_numbers = itertools.count(1)


@pytest.fixture
async def dying_world(tmp_path: Path, own_cassandra_url: str) -> AsyncIterator[tuple[World, Dying]]:
    """Notifications over tables that fail as told."""
    made: list[Dying] = []

    def over(tables: Any) -> Any:
        made.append(Dying(tables))
        return made[0]

    async with open_notifying(tmp_path, url=own_cassandra_url, over=over) as world:
        yield world, made[0]


@settings(
    max_examples=6,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=8, max_size=25))
async def test_random_histories_end_as_the_model_says(dying_world: tuple[World, Dying], steps: list[tuple[Any, ...]]) -> None:
    world, dying = dying_world
    history = History(world, dying, await world.people(PEOPLE + 1), next(_numbers))
    for step in steps:
        await history.step(step)
    await history.check()


async def test_interleavings_of_duplicate_and_late_events_end_alike(dying_world: tuple[World, Dying]) -> None:
    await (await Interleaved.begin(dying_world[0])).run(20)


async def test_a_publication_reaches_every_follower_once(dying_world: tuple[World, Dying]) -> None:
    world, dying = dying_world
    alice, *followers = await world.people(41)
    for follower in followers:
        await world.bond(follower, alice, follow=True)
    places = [Place(alice, ListKind.FOLLOWERS, world.clock.now_ms() + number, one) for number, one in enumerate(followers)]
    await ListStore(tables=world.tables).move(gone=(), come=places, version=1)
    await world.hear(world.published(alice))
    dying.fates = ["unknown", "", "unknown"]
    await world.fan_out()
    for follower in followers:
        assert await world.told(follower) == [("VIDEO_PUBLISHED", 1, True)]
