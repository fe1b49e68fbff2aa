"""Comments as their own area tells of them reach the inboxes of those whom they concern, and leave them with the comment."""

from __future__ import annotations

from pathlib import Path

from svc_social.identity.tables import Account
from tests.service.social import commenting
from tests.service.social.commenting import ALICE, BOB, CARLA, CREATOR, NOW_MS, open_commenting
from tests.service.social.notifying import World, open_notifying


async def told(world: World, comments: commenting.World, user_id: int) -> list[tuple[str, int]]:
    """(kind, count) of an inbox once everything that was said is heard, and once more."""
    events = await comments.events()
    await world.hear_together(events)
    await world.hear_together(events[::-1])
    return sorted((kind, count) for kind, count, _ in await world.told(user_id))


async def test_replies_mentions_likes_and_removals_are_told(tmp_path: Path) -> None:
    async with open_commenting(tmp_path / "comments") as comments, open_notifying(tmp_path / "inboxes", now_ms=NOW_MS) as world:
        await comments.people()
        for user_id in (ALICE, BOB, CARLA, CREATOR):
            await world.tables.insert(Account(user_id=user_id, created_at_ms=1))
        first = await comments.post(ALICE, "look @carla")
        reply = await comments.post(BOB, "indeed", answers=first.comment_id)
        await comments.like(BOB, first.comment_id)
        await comments.like(CARLA, first.comment_id)
        assert await told(world, comments, CREATOR) == [("COMMENT", 2)]
        assert await told(world, comments, ALICE) == [("COMMENT_LIKE", 2), ("REPLY", 1)]
        assert await told(world, comments, CARLA) == [("MENTION", 1)]
        assert await told(world, comments, BOB) == []
        await comments.unlike(BOB, first.comment_id)
        await comments.delete(BOB, reply.comment_id)
        assert await told(world, comments, ALICE) == [("COMMENT_LIKE", 1)]
        assert await told(world, comments, CREATOR) == [("COMMENT", 1)]
        await comments.delete(ALICE, first.comment_id)
        assert await told(world, comments, CARLA) == []
        assert await told(world, comments, CREATOR) == []


async def test_what_waits_for_approval_is_told_when_it_is_shown(tmp_path: Path) -> None:
    async with open_commenting(tmp_path / "comments") as comments, open_notifying(tmp_path / "inboxes", now_ms=NOW_MS) as world:
        await comments.people()
        for user_id in (ALICE, BOB, CARLA, CREATOR):
            await world.tables.insert(Account(user_id=user_id, created_at_ms=1))
        first = await comments.post(ALICE, "open")
        await comments.filters(everything=True)
        held = await comments.post(BOB, "hi @carla", answers=first.comment_id)
        assert await told(world, comments, CREATOR) == [("COMMENT", 1)]
        assert await told(world, comments, ALICE) == await told(world, comments, CARLA) == []
        await comments.creator("Approve", held.comment_id)
        assert await told(world, comments, ALICE) == [("REPLY", 1)]
        assert await told(world, comments, CARLA) == [("MENTION", 1)]
        await comments.creator("Hide", held.comment_id)
        assert await told(world, comments, ALICE) == await told(world, comments, CARLA) == []
