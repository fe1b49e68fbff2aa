"""What creators do with comments of their videos: filters and the queue, hiding, approving, pinning; what moderators do; what consumers hear."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import comment_service_pb2 as pb
from clipmesh.social.v1 import events_pb2

from tests.service.social.commenting import (
    ALICE,
    BOB,
    CARLA,
    CREATOR,
    OLDEST,
    TOP,
    World,
    fresh_id,
    ids_of,
    open_commenting,
    refused,
    tree,
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_commenting(tmp_path) as opened:
        await opened.people()
        yield opened


async def test_what_the_filters_hold_waits_until_it_is_approved(world: World) -> None:
    await world.filters(words=["Spoiler", "the end", "秘密"], links=True)
    held = [
        await world.post(ALICE, text) for text in ("a SPOILER!", "it is the   end", "これは秘密です", "see http://x.example", "doubtful")
    ]
    shown = [await world.post(ALICE, text) for text in ("spoilers are words of their own", "the lend", "fine")]
    own = await world.post(CREATOR, "my own spoiler http://x.example")
    assert {one.state for one in held} == {pb.COMMENT_STATE_HELD}
    assert {one.state for one in (*shown, own)} == {pb.COMMENT_STATE_PUBLISHED}
    assert ids_of((await world.page(ALICE, order=OLDEST)).comments) == [*(one.comment_id for one in shown), own.comment_id]
    assert [one.comment_id for one in await world.held()] == [one.comment_id for one in held]
    assert not await world.held(ALICE)
    assert await refused(world, lambda: world.creator("Approve", held[0].comment_id, user_id=ALICE)) == "COMMENT_NOT_FOUND"
    assert await refused(world, lambda: world.post(BOB, answers=held[0].comment_id)) == "COMMENT_NOT_FOUND"
    assert await refused(world, lambda: world.like(BOB, held[0].comment_id)) == "COMMENT_NOT_FOUND"
    world.advance(5)
    approved = await world.creator("Approve", held[0].comment_id)
    assert approved.state == pb.COMMENT_STATE_PUBLISHED
    await world.creator("Hide", held[1].comment_id)
    assert [one.comment_id for one in await world.held()] == [one.comment_id for one in held[2:]]
    assert held[0].comment_id in ids_of((await world.page()).comments)
    posted = [events_pb2.CommentPosted.FromString(event.payload).comment for event in await world.events("CommentPosted")]
    assert {one.comment_id for one in posted if not one.first_shown} == {one.comment_id for one in held}
    moderated = [events_pb2.CommentModerated.FromString(event.payload).comment for event in await world.events("CommentModerated")]
    assert {(one.comment_id, one.first_shown) for one in moderated} == {(held[0].comment_id, True), (held[1].comment_id, False)}


async def test_everything_waits_when_the_creator_wants_it(world: World) -> None:
    await world.filters(everything=True)
    root = await world.post(ALICE)
    assert root.state == pb.COMMENT_STATE_HELD
    assert (await world.post(CREATOR)).state == pb.COMMENT_STATE_PUBLISHED
    await world.creator("Approve", root.comment_id)
    reply = await world.post(BOB, "reply", answers=root.comment_id)
    assert tree((await world.page(order=OLDEST)).comments)[0] == ("hello", [])
    await world.creator("Approve", reply.comment_id)
    assert tree((await world.page(order=OLDEST)).comments)[0] == ("hello", [("reply", [])])


async def test_filters_are_the_creators_own_and_are_read_back(world: World) -> None:
    stub = world.stub(CREATOR)
    assert (await stub.GetCommentFilters(pb.GetCommentFiltersRequest())).filters == pb.CommentFilters()
    request = pb.UpdateCommentFiltersRequest(request_id="f", filters=pb.CommentFilters(words=["a", "b", "a"], hold_links=True))
    answer = await stub.UpdateCommentFilters(request)
    assert answer.filters == pb.CommentFilters(words=["a", "b"], hold_links=True)
    await world.filters(words=["c"])
    # The repeat of the older one changes nothing.
    assert (await stub.UpdateCommentFilters(request)).filters == pb.CommentFilters(words=["c"])
    assert (await stub.GetCommentFilters(pb.GetCommentFiltersRequest())).filters == pb.CommentFilters(words=["c"])
    assert (await world.stub(ALICE).GetCommentFilters(pb.GetCommentFiltersRequest())).filters == pb.CommentFilters()
    for words, reason in ((["x" * 51], "INVALID_REQUEST"), (["w"] * 201, "INVALID_REQUEST"), (["zero\u200bwidth"], "INVALID_TEXT")):
        bad = pb.UpdateCommentFiltersRequest(request_id=fresh_id(), filters=pb.CommentFilters(words=words))
        assert await refused(world, lambda bad=bad: stub.UpdateCommentFilters(bad)) == reason


async def test_an_edit_that_the_filters_hold_takes_the_comment_off(world: World) -> None:
    root = await world.post(ALICE)
    await world.post(BOB, "below", answers=root.comment_id)
    edited = await world.edit(ALICE, root.comment_id, "now doubtful")
    assert edited.state == pb.COMMENT_STATE_HELD
    assert not (await world.page()).comments
    await world.creator("Approve", root.comment_id)
    assert tree((await world.page()).comments) == [("now doubtful", [("below", [])])]
    # It was shown before: nobody is told of it a second time.
    facts = [events_pb2.CommentModerated.FromString(event.payload).comment for event in await world.events("CommentModerated")]
    assert [one.first_shown for one in facts] == [False]


async def test_hiding_takes_all_below_along_and_approving_brings_it_back(world: World) -> None:
    root = await world.post(ALICE, "root")
    middle = await world.post(BOB, "middle", answers=root.comment_id)
    leaf = await world.post(CARLA, "leaf", answers=middle.comment_id)
    await world.creator("Hide", middle.comment_id, request_id="h")
    [node] = (await world.page()).comments
    assert (tree([node]), node.comment.total_children) == ([("root", [])], 0)
    assert await refused(world, lambda: world.path(leaf.comment_id)) == "COMMENT_NOT_FOUND"
    assert await refused(world, lambda: world.post(ALICE, answers=leaf.comment_id)) == "COMMENT_NOT_FOUND"
    await world.creator("Approve", middle.comment_id)
    # The repeat of the older request hides nothing.
    await world.creator("Hide", middle.comment_id, request_id="h")
    assert tree((await world.page()).comments) == [("root", [("middle", [("leaf", [])])])]
    for act in ("Hide", "Approve", "Pin", "Unpin"):
        for user_id in (ALICE, BOB):
            assert (
                await refused(world, lambda act=act, who=user_id: world.creator(act, root.comment_id, user_id=who)) == "COMMENT_NOT_FOUND"
            )


async def test_one_comment_is_pinned_and_comes_first_once(world: World) -> None:
    written = [(await world.post(ALICE, str(number))).comment_id for number in range(4)]
    reply = await world.post(BOB, answers=written[0])
    await world.settle()
    assert await refused(world, lambda: world.creator("Pin", reply.comment_id)) == "COMMENT_NOT_PINNABLE"
    assert (await world.creator("Pin", written[1], request_id="p")).pinned
    assert (await world.creator("Pin", written[2])).pinned
    assert not (await world.creator("Pin", written[1], request_id="p")).pinned
    for order in (pb.COMMENT_ORDER_NEWEST, OLDEST, TOP):
        for page_size in (1, 2, 50):
            nodes = await world.all(order=order, page_size=page_size)
            assert ids_of(nodes)[0] == written[2]
            assert sorted(ids_of(nodes)) == written
            assert [node.comment.pinned for node in nodes] == [True, False, False, False]
    # Unpinning another one leaves the pin.
    await world.creator("Unpin", written[1])
    assert (await world.page()).comments[0].comment.pinned
    await world.creator("Unpin", written[2])
    assert not any(node.comment.pinned for node in await world.all())
    await world.creator("Pin", written[0])
    await world.delete(ALICE, written[3])
    await world.creator("Hide", written[0])
    assert await refused(world, lambda: world.creator("Pin", written[0])) == "COMMENT_NOT_PINNABLE"
    assert ids_of(await world.all()) == [written[2], written[1]]


async def test_moderators_remove_and_everybody_else_only_their_own(world: World) -> None:
    posted = await world.post(ALICE, "words")
    for user_id in (BOB, CREATOR):
        assert await refused(world, lambda who=user_id: world.delete(who, posted.comment_id)) == "COMMENT_NOT_FOUND"
    await world.delete(CARLA, posted.comment_id, viewer_pb2.ROLE_MODERATOR)
    assert not (await world.page()).comments
    [event] = await world.events("CommentRemoved")
    facts = events_pb2.CommentRemoved.FromString(event.payload).comment
    assert (facts.author_id, facts.state, facts.stands, event.key_version) == (ALICE, pb.COMMENT_STATE_REMOVED, False, 2)


async def test_a_reply_that_is_approved_late_brings_its_tombstone_back(world: World) -> None:
    root = await world.post(ALICE, "root")
    held = await world.post(BOB, "doubtful", answers=root.comment_id)
    await world.delete(ALICE, root.comment_id)
    assert not (await world.page()).comments
    await world.creator("Approve", held.comment_id)
    await world.settle()
    for order in (pb.COMMENT_ORDER_NEWEST, TOP):
        assert tree((await world.page(order=order)).comments) == [("", [("doubtful", [])])]
    await world.creator("Hide", held.comment_id)
    await world.settle()
    for order in (pb.COMMENT_ORDER_NEWEST, TOP):
        assert not (await world.page(order=order)).comments
