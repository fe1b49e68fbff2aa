"""Comments against a real Cassandra: random histories end as the model says, and nobody sees an answer before its question."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.stores.tables.port import Tables
from tests.service.social.comment_histories import AHEAD_MS, STEPS, Frail, live, read_while_written
from tests.service.social.commenting import World, open_commenting

pytestmark = pytest.mark.timeout(300)
"""Each conditional write costs a real server four rounds, and other servers share the machine."""


@pytest.fixture
async def frail_world(tmp_path: Path, own_cassandra_url: str) -> AsyncIterator[tuple[World, Frail]]:
    """Instances with clocks apart over tables that fail as told."""
    made: list[Frail] = []

    def over(tables: Tables) -> Tables:
        made.append(Frail(tables))
        return cast(Tables, made[0])

    async with open_commenting(tmp_path, ahead_ms=AHEAD_MS, url=own_cassandra_url, over=over) as world:
        await world.people()
        yield world, made[0]


@settings(
    max_examples=4,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=4, max_size=14))
async def test_random_histories_end_as_the_model_says(frail_world: tuple[World, Frail], steps: list[tuple[Any, ...]]) -> None:
    await live(*frail_world, steps)


async def test_no_reader_sees_a_reply_before_its_parent_while_writers_run(frail_world: tuple[World, Frail]) -> None:
    assert await read_while_written(frail_world[0], writers=3, posts=8, readers=2) > 2
