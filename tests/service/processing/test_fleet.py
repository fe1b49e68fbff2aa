"""Workers of several kinds: a plan goes on with the kind that began it, and none is made of the bytes of two."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from clipmesh.video.v1 import job_service_pb2 as pb2

from svc_video.processing.fleet import SEEN_MS
from svc_video.processing.media import MediaTools, make_recipe
from svc_video.processing.media.encoders import HARDWARE, X264
from svc_video.processing.media.tools import with_encoder
from svc_video.processing.results import ProbeResult
from svc_video.processing.worker.errors import RecipeChanged
from svc_video.processing.worker.scratch import Scratch
from svc_video.processing.worker.steps import AtWork, Steps
from tests.service.processing.conftest import LEASE_MS, World, probed
from tests.unit.media.test_recipe import facts_of

SOFT, HARD = "5+libx264+test", "5+h264_nvenc+test"


def plan_of(recipe: str) -> ProbeResult:
    """What a probe by a worker of this kind tells."""
    return replace(probed(chunks=2, has_audio=False, rest=()), recipe_version=recipe)


async def begun(world: World, video_id: int, recipe: str) -> None:
    """A clip that was probed by a worker of this kind."""
    await world.upload(video_id)
    job = await world.lease(recipe=recipe)
    assert job is not None
    assert job.kind == pb2.JOB_KIND_PROBE
    await world.commit(job, plan_of(recipe))


def settled(world: World) -> None:
    """The service has run long enough that every kind of worker has asked."""
    world.clock.advance(LEASE_MS)


async def test_each_kind_of_worker_gets_the_plans_of_its_kind(world: World) -> None:
    settled(world)
    await begun(world, 1, SOFT)
    await begun(world, 2, HARD)
    order = [await world.lease(recipe=recipe) for recipe in (HARD, HARD, SOFT, HARD, SOFT)]
    assert [job and (job.video_id, job.recipe_version) for job in order] == [(2, HARD), (2, HARD), (1, SOFT), None, (1, SOFT)]


async def test_the_most_urgent_plan_waits_for_its_kind_while_there_is_one(world: World) -> None:
    settled(world)
    await begun(world, 1, SOFT)
    world.clock.advance(SEEN_MS - 1)
    assert await world.lease(recipe=HARD) is None
    assert await world.lease(recipe=SOFT) is not None


async def test_a_plan_goes_to_another_kind_when_its_own_is_gone(world: World) -> None:
    settled(world)
    await begun(world, 1, SOFT)
    world.clock.advance(SEEN_MS)
    job = await world.lease(recipe=HARD)
    assert job is not None
    assert job.recipe_version == SOFT, "the worker refuses it by its own look"
    await world.fail(job, "RECIPE_CHANGED")
    probe = await world.lease(recipe=HARD)
    assert probe is not None
    await world.commit(probe, plan_of(HARD))
    again = await world.lease(recipe=HARD)
    assert again is not None
    assert (again.job_key, again.recipe_version) == ("chunk/first/0", HARD)


async def test_a_kind_that_is_busy_for_long_is_not_gone(world: World) -> None:
    settled(world)
    await begun(world, 1, SOFT)
    held = await world.lease(recipe=SOFT)
    assert held is not None
    for _ in range(2 * SEEN_MS // LEASE_MS + 2):
        world.clock.advance(LEASE_MS // 2)
        await world.beat(held)
    assert await world.lease(recipe=HARD) is None


async def test_after_a_start_every_kind_gets_the_time_to_ask(world: World) -> None:
    settled(world)
    await begun(world, 1, SOFT)
    await world.reopen()
    assert await world.lease(recipe=HARD) is None
    world.clock.advance(LEASE_MS)
    assert await world.lease(recipe=HARD) is not None


async def test_a_plan_begun_anew_is_not_found_by_its_former_kind(world: World) -> None:
    settled(world)
    await begun(world, 1, SOFT)
    job = await world.lease()
    assert job is not None
    await world.fail(job, "RECIPE_CHANGED")
    probe = await world.lease(recipe=HARD)
    assert probe is not None
    await world.commit(probe, plan_of(HARD))
    assert await world.lease(recipe=SOFT) is None
    assert await world.lease(recipe=HARD) is not None


async def test_a_worker_that_says_nothing_takes_what_is_most_urgent(world: World) -> None:
    settled(world)
    await begun(world, 1, SOFT)
    await begun(world, 2, HARD)
    assert [(await world.leased()).video_id for _ in range(4)] == [1, 1, 2, 2]


async def test_a_worker_of_another_kind_makes_no_byte_of_a_plan_that_it_is_given_all_the_same(
    world: World, tools: MediaTools, tmp_path: Path
) -> None:
    hardware = with_encoder(tools, replace(HARDWARE[0], arguments=X264.arguments), "")
    facts = facts_of()
    plan = replace(plan_of(make_recipe(facts, tools.version).version), facts_json=facts.to_json())
    await world.upload(1)
    await world.commit(await world.leased(), plan)
    job = await world.leased()
    steps = Steps(tools=hardware, blobs=world.blobs, scratch=Scratch(root=tmp_path, blobs=world.blobs), telemetry=world.telemetry)

    async def ours() -> None:
        """Nobody took it away."""

    with pytest.raises(RecipeChanged, match=r"libx264.*h264_nvenc"):
        await steps.run(AtWork(job=job, folder=tmp_path, report=lambda share: None, still_ours=ours))
