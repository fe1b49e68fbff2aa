"""MintViewTokens proves that a clip was offered: only what the viewer may see gets a token."""

from __future__ import annotations

import pytest
from clipmesh.feed.v1 import signal_service_pb2 as pb

from mesh.errors import InvalidArgument, Unavailable
from svc_feed.signals.tokens import ViewTokens
from svc_feed.signed import Signer
from tests.service.feed.world import ACCEPTED, ALICE, BOB, CREATOR, NAMED, World, guest, person, video


async def test_tokens_are_given_for_what_the_viewer_may_see_in_the_order_asked(world: World) -> None:
    await world.publish(video(1), video(2), video(3))
    world.videos.hidden_from[2] = {ALICE}
    assert list(await world.mint(person(ALICE), 3, 99, 2, 1, 3)) == [3, 1]
    assert list(await world.mint(person(BOB), 3, 99, 2, 1, 3)) == [3, 2, 1]
    assert world.videos.asked == [[3, 99, 2, 1]] * 2
    assert await world.mint(guest("s1")) == {}


async def test_a_token_holds_what_judges_a_report(world: World) -> None:
    await world.publish(video(1, category=5, hashtags=["cats", "dogs"]))
    text = (await world.mint(person(ALICE), 1, surface=pb.SURFACE_SEARCH))[1]
    token = ViewTokens(signer=Signer(NAMED["feed_token_key"])).read(text)
    assert token is not None
    assert (token.video_id, token.creator_id, token.duration_ms) == (1, CREATOR + 1, 10_000)
    assert (token.viewer_key, token.surface, token.minted_at_ms) == (str(ALICE), pb.SURFACE_SEARCH, world.clock.now_ms())
    assert (token.category, token.hashtags, token.selection_probability) == (5, "cats dogs", 1.0)
    again = (await world.mint(person(ALICE), 1, surface=pb.SURFACE_SEARCH))[1]
    assert again != text, "every offer has a token of its own"


async def test_long_hashtags_leave_a_token_that_can_be_reported(world: World) -> None:
    await world.publish(video(1, hashtags=[f"{number}{'😀' * 98}" for number in range(30)]), video(2, hashtags=["x" * 100] * 30))
    tokens = await world.mint(person(ALICE), 1, 2)
    assert max(map(len, tokens.values())) <= 4_096
    world.clock.advance(2_000)
    assert await world.report(person(ALICE), *(world.report_of(one, watched_ms=1_000) for one in tokens.values())) == [ACCEPTED] * 2


async def test_the_feeds_own_surface_and_unknown_ones_are_refused(world: World) -> None:
    for surface in (pb.SURFACE_UNSPECIFIED, pb.SURFACE_FOR_YOU, 77):
        with pytest.raises(InvalidArgument):
            await world.mint(person(ALICE), 1, surface=surface)
    with pytest.raises(InvalidArgument):
        await world.mint(person(ALICE), *range(101))


async def test_without_video_there_are_no_tokens(world: World) -> None:
    await world.publish(video(1))
    world.videos.down = True
    with pytest.raises(Unavailable):
        await world.mint(person(ALICE), 1)
