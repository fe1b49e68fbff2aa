"""Random histories of acts by several people and instances, with repeats, crashes, re-ordered and repeated events, end as a simple model says."""

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


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[World]:
    """One store for every history; each has people and videos of its own."""
    async with open_engaging(tmp_path, ahead_ms=AHEAD_MS) as opened:
        yield opened


@settings(max_examples=25, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(together=st.lists(st.lists(STEPS, max_size=12), min_size=8, max_size=8))
@pytest.mark.timeout(120)
async def test_every_history_ends_as_the_model_says(shared: World, together: list[list[tuple[Any, ...]]]) -> None:
    await asyncio.gather(*(run(shared, steps) for steps in together))
