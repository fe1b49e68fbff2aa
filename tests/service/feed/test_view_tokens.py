"""MintViewTokens proves that a clip was offered: only what the viewer may see gets a token."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from clipmesh.feed.v1 import events_pb2
from clipmesh.feed.v1 import signal_service_pb2 as pb

from mesh.errors import InvalidArgument, Unavailable
from mesh.stores.tables.port import TablesUnavailable
from mesh.stores.tables.sqlite.engine import SqliteTables
from svc_feed.metrics import STAGE_FAILURES
from svc_feed.signals.tokens import ViewTokens
from svc_feed.signed import Signer
from tests.service.feed.world import ACCEPTED, ALICE, BOB, CREATOR, NAMED, World, guest, open_world, person, video


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


@pytest.mark.parametrize(("consent", "named"), [(True, ALICE), (False, 0)])
async def test_what_is_offered_on_a_surface_is_told_once_in_its_order(world: World, consent: bool, named: int) -> None:
    await world.publish(video(1), video(2), video(3))
    world.videos.hidden_from[2] = {ALICE}
    tokens = await world.mint(person(ALICE, consent=consent), 3, 2, 1, surface=pb.SURFACE_SOUND)
    read = [token for text in tokens.values() if (token := ViewTokens(signer=Signer(NAMED["feed_token_key"])).read(text)) is not None]
    assert [(token.video_id, token.slot) for token in read] == [(3, 0), (1, 1)]
    ((envelope, event),) = await world.events(events_pb2.ImpressionServed)
    assert event == events_pb2.ImpressionServed(
        viewer_id=named,
        surface=pb.SURFACE_SOUND,
        impressions=[
            events_pb2.Impression(
                video_id=token.video_id, slot=token.slot, selection_probability=1.0, token_id=token.token_id if named else ""
            )
            for token in read
        ],
    )
    assert (list(envelope.subject_ids), envelope.key_version) == ([named] if named else [], 1)
    # Every call is an offer of its own; nothing offered is nothing told.
    await world.mint(person(ALICE), 3)
    await world.mint(person(ALICE), 2, 99)
    keys = [envelope.key for envelope, _ in await world.events(events_pb2.ImpressionServed)]
    assert len(set(keys)) == len(keys) == 2


async def hangs(*_: Any, **__: Any) -> None:
    await asyncio.sleep(60)


async def is_away(*_: Any, **__: Any) -> None:
    raise TablesUnavailable("away")


@pytest.mark.parametrize("failure", [hangs, is_away])
async def test_tokens_are_given_though_nothing_can_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Any) -> None:
    async with open_world(tmp_path, feed_stage_ms=200) as world:
        await world.publish(video(1))
        with monkeypatch.context() as patched:
            patched.setattr(SqliteTables, "put", failure)
            token = (await world.mint(person(ALICE), 1))[1]
        assert world.served.process.telemetry.value(STAGE_FAILURES, stage="effect.impressions") == 1
        world.clock.advance(2_000)
        assert await world.report(person(ALICE), world.report_of(token, watched_ms=2_000)) == [ACCEPTED]


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
