"""Whatever people do, in whatever order it is heard: the graph ends as a simple model says, counts and lists included."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings

from mesh.stores.tables.port import Tables
from tests.service.social.graph_interleavings import Interleaved
from tests.service.social.graph_model import HISTORIES, Life
from tests.service.social.graph_world import Frail
from tests.service.social.world import World, open_world


@pytest.fixture
async def frail_world(tmp_path: Path) -> AsyncIterator[tuple[World, Frail]]:
    """A service over tables that fail as told."""
    made: list[Frail] = []

    def over(tables: Tables) -> Tables:
        made.append(Frail(tables))
        return cast(Tables, made[0])

    async with open_world(tmp_path, over=over) as world:
        yield world, made[0]


@settings(
    max_examples=25,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow],
)
@given(history=HISTORIES)
async def test_random_histories_end_as_the_model_says(frail_world: tuple[World, Frail], history: list[tuple[object, ...]]) -> None:
    life = await Life.begin(*frail_world)
    await life.live(history)
    await life.check()


@pytest.mark.long
async def test_two_hundred_interleavings_of_duplicate_and_late_events_end_alike(frail_world: tuple[World, Frail]) -> None:
    interleaved = await Interleaved.begin(frail_world[0])
    await interleaved.run(200)
