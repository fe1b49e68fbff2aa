"""What is known of creators when work is put in order: their standing, and of verified ones how many follow them."""

from __future__ import annotations

import pytest
from clipmesh.social.v1 import profile_service_pb2 as social_pb2

from mesh.status import RpcFailed
from svc_video.creators import Creator, Trust
from svc_video.processing.tiers import LARGE_FOLLOWING, tier_of
from tests.service.video.world import ALICE, BOB, World


def stands(world: World, user_id: int, *, verified: bool) -> None:
    """An account in good standing, a day old, with a large following."""
    world.social.standings[user_id] = social_pb2.Standing(
        user_id=user_id, level=social_pb2.STANDING_LEVEL_GOOD, account_age_ms=86_400_000, verified=verified
    )
    world.graph.followers[user_id] = LARGE_FOLLOWING


async def test_followers_of_verified_accounts_count_and_others_are_not_asked_for(world: World) -> None:
    stands(world, ALICE, verified=True)
    stands(world, BOB, verified=False)
    alice, bob = [await world.neighbours.creator(user_id) for user_id in (ALICE, BOB)]
    assert alice == Creator(trust=Trust.GOOD, account_age_ms=86_400_000, verified=True, followers=LARGE_FOLLOWING)
    assert bob == Creator(trust=Trust.GOOD, account_age_ms=86_400_000, verified=False)
    assert world.graph.counted == [ALICE]
    assert [tier_of(known).name for known in (alice, bob)] == ["LARGE", "NEW"]


async def test_whom_social_does_not_know_is_nobody_and_a_graph_that_is_away_is_told(world: World) -> None:
    assert await world.neighbours.creator(ALICE) is None
    stands(world, ALICE, verified=True)
    world.graph.down = True
    with pytest.raises(RpcFailed):
        await world.neighbours.creator(ALICE)
