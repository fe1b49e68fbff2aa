"""Engagement against a real Cassandra: random histories end as the model says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.service.social.engaging import World, open_engaging
from tests.service.social.engaging_histories import AHEAD_MS, STEPS, run

pytestmark = pytest.mark.timeout(300)
"""Each conditional write costs a real server four rounds, and other servers share the machine."""


@pytest.fixture
async def shared(tmp_path: Path, own_cassandra_url: str) -> AsyncIterator[World]:
    """One keyspace for every history; each has people and videos of its own."""
    async with open_engaging(tmp_path, ahead_ms=AHEAD_MS, url=own_cassandra_url) as opened:
        yield opened


@settings(
    max_examples=4,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow],
)
@given(together=st.lists(st.lists(STEPS, min_size=4, max_size=12), min_size=8, max_size=8))
async def test_random_histories_end_as_the_model_says(shared: World, together: list[list[tuple[Any, ...]]]) -> None:
    await asyncio.gather(*(run(shared, steps) for steps in together))
