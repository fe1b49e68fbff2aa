"""Whatever people write, in whatever order it is heard: comments end as a simple model says, and nobody sees an answer before its question."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.stores.tables.port import Tables
from svc_social.comments.tables import CountedCommentLike, HeldComment, RankedThread, ThreadMonth, ThreadRank, VideoThread
from tests.service.social.comment_histories import AHEAD_MS, NAMES, STEPS, Frail, clash, live, read_while_written
from tests.service.social.commenting import ALICE, BOB, CARLA, VIDEO, World, open_commenting


@pytest.fixture
async def frail_world(tmp_path: Path) -> AsyncIterator[tuple[World, Frail]]:
    """Instances with clocks apart over tables that fail as told."""
    made: list[Frail] = []

    def over(tables: Tables) -> Tables:
        made.append(Frail(tables))
        return cast(Tables, made[0])

    async with open_commenting(tmp_path, ahead_ms=AHEAD_MS, over=over) as world:
        await world.people()
        yield world, made[0]


@settings(
    max_examples=10,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=4, max_size=16))
@pytest.mark.timeout(120)
async def test_random_histories_end_as_the_model_says(frail_world: tuple[World, Frail], steps: list[tuple[Any, ...]]) -> None:
    await live(*frail_world, steps)


async def test_no_reader_sees_a_reply_before_its_parent_while_writers_run(frail_world: tuple[World, Frail]) -> None:
    assert await read_while_written(frail_world[0], writers=4, posts=12, readers=2) > 2


async def test_rows_agree_after_clients_acted_on_the_same_threads_at_once(frail_world: tuple[World, Frail]) -> None:
    for seed in range(2):
        await clash(frail_world[0], clients=4, acts=12, seed=seed)


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_two_hundred_interleavings_of_duplicate_and_late_events_end_alike(frail_world: tuple[World, Frail]) -> None:
    world = frail_world[0]
    root = (await world.post(ALICE)).comment_id
    other = (await world.post(BOB)).comment_id
    reply = (await world.post(BOB, answers=root)).comment_id
    held = (await world.post(CARLA, "doubtful")).comment_id
    for user_id in (ALICE, BOB, CARLA):
        await world.like(user_id, other)
    await world.like(BOB, root)
    await world.unlike(ALICE, other)
    await world.edit(ALICE, root, "another text")
    await world.delete(ALICE, root)
    await world.creator("Approve", held)
    await world.creator("Hide", other)
    await world.creator("Approve", other)
    await world.like(CARLA, reply)
    events = await world.events(*NAMES)
    await world.hear(events)
    expected = await folded(world)
    assert await world.comment_count() == 3
    for number in range(200):
        dice = random.Random(number)
        order = [event for event in events for _ in range(dice.choice([1, 1, 2]))]
        dice.shuffle(order)
        at = number % len(world.instances)
        for start in range(0, len(order), 12):
            await world.hear(order[start : start + 12], at=at, consumers=world.instances[at].comments.consumers)
        if not number % 20:
            # The consumer of counts waits a moment for others each time.
            await world.hear(order, at=at)
        assert await folded(world) == expected
    assert await world.comment_count(VIDEO) == 3


async def folded(world: World) -> dict[str, list[str]]:
    """The rows that consumers made."""
    made = (CountedCommentLike, HeldComment, RankedThread, ThreadMonth, ThreadRank, VideoThread)
    return {row_type.__name__: sorted(map(repr, (await world.tables.walk(row_type)).rows)) for row_type in made}
