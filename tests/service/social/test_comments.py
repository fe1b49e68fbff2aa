"""Comments: writing, reading, threads, tombstones, blocks, likes; refusals leave everything as it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import comment_service_pb2 as pb
from clipmesh.social.v1 import events_pb2

from mesh.client import RpcFailed
from mesh.errors import Unavailable
from svc_social.comments.tables import Comment
from svc_social.graph.rules import Act
from svc_social.identity.tables import Audience
from tests.service.social.commenting import (
    ALICE,
    BOB,
    CARLA,
    CREATOR,
    ENGAGE,
    NEWEST,
    OLDEST,
    OTHER,
    TOP,
    VIDEO,
    VIEW,
    World,
    fresh_id,
    ids_of,
    keys_on,
    open_commenting,
    refused,
    tree,
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_commenting(tmp_path) as opened:
        await opened.people()
        yield opened


async def test_a_comment_is_there_at_once_for_everybody(world: World) -> None:
    posted = await world.post(ALICE, "  what a clip\r\nreally  ")
    assert posted == pb.Comment(
        comment_id=posted.comment_id,
        video_id=VIDEO,
        thread_id=posted.comment_id,
        author_id=ALICE,
        text="what a clip\nreally",
        state=pb.COMMENT_STATE_PUBLISHED,
        posted_at_ms=world.clock.now_ms(),
        level=1,
        version=1,
    )
    for user_id in (0, BOB, ALICE):
        page = await world.page(user_id)
        assert [node.comment for node in page.comments] == [posted]
        assert [person.handle for person in page.people] == ["alice"]
        assert not page.next_page_token
    [event] = await world.events("CommentPosted")
    facts = events_pb2.CommentPosted.FromString(event.payload).comment
    assert (facts.comment_id, facts.author_id, facts.video_owner_id, facts.first_shown) == (posted.comment_id, ALICE, CREATOR, True)
    assert (event.key, event.key_version, list(event.subject_ids)) == (str(posted.comment_id), 1, [ALICE, CREATOR])


async def test_replies_stand_below_what_they_answer_and_deep_ones_beside_it(world: World) -> None:
    chain = [await world.post(ALICE, "1")]
    for number in range(2, 8):
        chain.append(await world.post(BOB, str(number), answers=chain[-1].comment_id))
    assert [one.level for one in chain] == [1, 2, 3, 4, 5, 5, 5]
    assert [one.parent_id for one in chain] == [0, *(one.comment_id for one in chain[:4]), chain[3].comment_id, chain[3].comment_id]
    assert [one.answers_id for one in chain[1:]] == [one.comment_id for one in chain[:-1]]
    assert tree((await world.page()).comments) == [("1", [("2", [("3", [("4", [("5", []), ("6", []), ("7", [])])])])])]
    assert tree((await world.page(levels=2)).comments) == [("1", [("2", [])])]
    assert [one.text for one in await world.path(chain[4].comment_id)] == ["1", "2", "3", "4", "5"]


async def test_a_node_brings_ten_children_and_where_the_others_follow(world: World) -> None:
    root = await world.post(ALICE, "root")
    written = [(await world.post(BOB, f"reply {number}", answers=root.comment_id)).comment_id for number in range(13)]
    [node] = (await world.page()).comments
    assert ids_of(node.children) == written[:10]
    assert node.comment.total_children == 13
    rest = await world.replies(root.comment_id, page_token=node.next_children_token, page_size=2)
    assert ids_of(rest.replies) == written[10:12]
    last = await world.replies(root.comment_id, page_token=rest.next_page_token)
    assert ids_of(last.replies) == written[12:]
    assert not last.next_page_token
    [few] = (await world.page(children=3)).comments
    assert ids_of(few.children) == written[:3]
    assert ids_of((await world.replies(root.comment_id, page_token=few.next_children_token)).replies) == written[3:]
    # A child in the middle continues behind itself.
    assert ids_of((await world.replies(root.comment_id, page_token=few.children[0].page_token)).replies) == written[1:]
    [none] = (await world.page(levels=1)).comments
    assert ids_of((await world.replies(root.comment_id, page_token=none.next_children_token)).replies) == written


async def test_a_deleted_parent_is_a_tombstone_that_keeps_its_children(world: World) -> None:
    root = await world.post(ALICE, "secret words of alice @bob")
    reply = await world.post(BOB, "an answer", answers=root.comment_id)
    await world.edit(ALICE, root.comment_id, "other words of alice")
    await world.delete(ALICE, root.comment_id)
    [node] = (await world.page()).comments
    assert (node.comment.state, node.comment.text, node.comment.author_id) == (pb.COMMENT_STATE_REMOVED, "", 0)
    assert not node.comment.mentioned_ids
    assert ids_of(node.children) == [reply.comment_id]
    rows = [row for row in (await world.tables.walk(Comment)).rows if row.comment_id == root.comment_id]
    assert [(row.revision, row.author_id, row.text_sealed, row.mentioned, row.language) for row in rows] == [(0, 0, b"", "", "")]
    # With its last reply the tombstone goes too.
    await world.delete(BOB, reply.comment_id)
    assert not (await world.page()).comments
    assert await refused(world, lambda: world.post(BOB, "late", answers=root.comment_id)) == "COMMENT_NOT_FOUND"


async def test_inline_children_fill_up_again_when_some_are_deleted(world: World) -> None:
    root = await world.post(ALICE, "root")
    written = [(await world.post(BOB, f"reply {number}", answers=root.comment_id)).comment_id for number in range(14)]
    for gone in (written[0], written[5], written[12]):
        await world.delete(BOB, gone)
    left = [one for one in written if one not in {written[0], written[5], written[12]}]
    [node] = (await world.page()).comments
    assert ids_of(node.children) == left[:10]
    assert node.comment.total_children == 11
    assert ids_of((await world.replies(root.comment_id, page_token=node.next_children_token)).replies) == left[10:]


@pytest.mark.parametrize("blocker", [True, False], ids=["blocks", "is blocked"])
async def test_a_block_hides_comments_and_all_below_in_both_directions(world: World, *, blocker: bool) -> None:
    mine = await world.post(ALICE, "of alice")
    theirs = await world.post(BOB, "of bob")
    below = await world.post(CARLA, "of carla below bob", answers=theirs.comment_id)
    beside = await world.post(BOB, "of bob below alice", answers=mine.comment_id)
    await world.post(CARLA, "of carla below alice", answers=mine.comment_id)
    await world.like(ALICE, below.comment_id)
    await (world.block(ALICE, BOB) if blocker else world.block(BOB, ALICE))
    page = await world.page(ALICE)
    assert tree(page.comments) == [("of alice", [("of carla below alice", [])])]
    assert page.comments[0].comment.total_children == 1
    assert BOB not in {person.user_id for person in page.people}
    assert tree((await world.page(CARLA, order=OLDEST)).comments) == [
        ("of alice", [("of bob below alice", []), ("of carla below alice", [])]),
        ("of bob", [("of carla below bob", [])]),
    ]
    for one in (theirs, below, beside):
        assert await refused(world, lambda one=one: world.path(one.comment_id, ALICE)) == "COMMENT_NOT_FOUND"
        assert await refused(world, lambda one=one: world.replies(one.comment_id, ALICE)) == "COMMENT_NOT_FOUND"
        assert await refused(world, lambda one=one: world.like(ALICE, one.comment_id)) == "COMMENT_NOT_FOUND"
        assert await refused(world, lambda one=one: world.post(ALICE, answers=one.comment_id)) == "COMMENT_NOT_FOUND"
    assert ids_of((await world.replies(mine.comment_id, ALICE)).replies) == [node.comment.comment_id for node in page.comments[0].children]


async def test_people_who_are_named_and_blocked_are_not_told(world: World) -> None:
    await world.post(BOB, "look @Alice, @carla and @nobody_at_all")
    [node] = (await world.page(CARLA)).comments
    assert sorted(node.comment.mentioned_ids) == [ALICE, CARLA]
    await world.block(ALICE, CARLA)
    page = await world.page(CARLA)
    assert list(page.comments[0].comment.mentioned_ids) == [CARLA]
    assert {person.user_id for person in page.people} == {BOB, CARLA}
    # Whoever is blocked names nobody who blocks them.
    quiet = await world.post(CARLA, "and you @alice, me @carla?")
    assert list(quiet.mentioned_ids) == []


async def test_an_unreadable_graph_shows_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.post(BOB, "of bob")
    showing = world.instances[0].comments.reading.showing

    async def away(viewer_id: int, user_ids: object) -> object:
        raise Unavailable("told to")

    monkeypatch.setattr(type(showing.relations), "of", lambda self, viewer_id, user_ids: away(viewer_id, user_ids))
    with pytest.raises(RpcFailed) as failed:
        await world.page(ALICE)
    assert failed.value.reason == "DEPENDENCY_UNAVAILABLE"


async def test_nobody_comments_without_videos_word(world: World) -> None:
    permits = {
        "comments off": world.permit(ALICE, kinds=[VIEW, ENGAGE]),
        "of another service": world.permit(ALICE, issuer="gateway"),
        "of another video": world.permit(ALICE, OTHER),
        "of somebody else": world.permit(BOB),
        "over": world.permit(ALICE, ttl_ms=1),
    }
    world.advance(2)
    for name, permit in permits.items():
        assert await refused(world, lambda permit=permit: world.post(ALICE, permit=permit)) == "INVALID_PERMIT", name


async def test_nobody_reads_without_videos_word(world: World) -> None:
    posted = await world.post(ALICE)
    stub, permit = world.stub(BOB), world.permit(BOB, OTHER)
    for call in (
        lambda: stub.ListComments(pb.ListCommentsRequest(video_id=VIDEO, permit=permit)),
        lambda: stub.ListReplies(pb.ListRepliesRequest(video_id=VIDEO, permit=permit, comment_id=posted.comment_id)),
        lambda: stub.GetComment(pb.GetCommentRequest(video_id=VIDEO, permit=permit, comment_id=posted.comment_id)),
    ):
        assert await refused(world, call) == "INVALID_PERMIT"
    # A permit of another video opens no comment of this one.
    assert await refused(world, lambda: world.path(posted.comment_id, BOB, video_id=OTHER)) == "COMMENT_NOT_FOUND"
    assert await refused(world, lambda: world.replies(posted.comment_id, BOB, video_id=OTHER)) == "COMMENT_NOT_FOUND"


async def test_replies_to_another_video_and_ids_of_wrong_kinds_are_refused(world: World) -> None:
    posted = await world.post(ALICE, video_id=OTHER)
    reply = await world.post(BOB, answers=posted.comment_id, video_id=OTHER)
    for answers in (posted.comment_id, reply.comment_id, ALICE, VIDEO, 2**62):
        assert await refused(world, lambda answers=answers: world.post(BOB, answers=answers)) == "COMMENT_NOT_FOUND"
        assert await refused(world, lambda answers=answers: world.like(BOB, answers)) == "COMMENT_NOT_FOUND"
    for wrong in (ALICE, VIDEO):
        assert await refused(world, lambda wrong=wrong: world.edit(ALICE, wrong, "x")) == "COMMENT_NOT_FOUND"
        assert await refused(world, lambda wrong=wrong: world.delete(ALICE, wrong)) == "COMMENT_NOT_FOUND"
        for act in ("Hide", "Approve", "Pin", "Unpin"):
            assert await refused(world, lambda act=act, wrong=wrong: world.creator(act, wrong)) == "COMMENT_NOT_FOUND"


BAD_TEXTS = [
    ("", "INVALID_REQUEST"),
    ("x" * 1_001, "INVALID_REQUEST"),
    ("x" * 1_000_000, "INVALID_REQUEST"),
    ("@a" * 10_000, "INVALID_REQUEST"),
    (" ".join(f"@person{number}" for number in range(11)), "TOO_MANY_MENTIONS"),
    ("   \n ", "INVALID_TEXT"),
    ("nul\x00byte", "INVALID_TEXT"),
    ("bell\x07", "INVALID_TEXT"),
    ("zero\u200bwidth", "INVALID_TEXT"),
    ("right\u202eleft", "INVALID_TEXT"),
    ("isolate\u2066x\u2069", "INVALID_TEXT"),
    ("tag\U000e0041", "INVALID_TEXT"),
    ("tower" + "\u0301" * 9, "INVALID_TEXT"),
    ("forbidden words", "TEXT_NOT_ALLOWED"),
]


async def test_texts_that_may_not_stand_are_named(world: World) -> None:
    standing = await world.post(ALICE, "fine")
    for text, reason in BAD_TEXTS:
        assert await refused(world, lambda text=text: world.post(ALICE, text)) == reason, text[:20]
        assert await refused(world, lambda text=text: world.edit(ALICE, standing.comment_id, text)) == reason, text[:20]


async def test_everything_else_comes_out_as_it_went_in(world: World) -> None:
    for text in ("<script>alert(1)</script>", "'; DROP TABLE comments; --", "{{7*7}} ${x} %s", "e\u0301 👩‍👩‍👧 ok", "a\nb"):
        posted = await world.post(ALICE, text)
        assert (await world.page(page_size=1)).comments[0].comment.text == posted.text
        assert posted.text == text.replace("e\u0301", "é")


async def test_nothing_is_written_while_nobody_can_judge_the_text(world: World) -> None:
    standing = await world.post(ALICE, "fine")
    world.policy.away = True
    assert await refused(world, lambda: world.post(ALICE, "later", request_id="r")) == "DEPENDENCY_UNAVAILABLE"
    assert await refused(world, lambda: world.edit(ALICE, standing.comment_id, "later")) == "DEPENDENCY_UNAVAILABLE"
    world.policy.away = False
    assert (await world.post(ALICE, "later", request_id="r")).text == "later"


async def test_the_repeat_of_a_request_gets_the_first_answer(world: World) -> None:
    first = await world.post(ALICE, "once", request_id="r")
    # Whatever happened meanwhile: the video may have gone, the policy may be away.
    world.policy.away = True
    await world.audience(Audience.NOBODY)
    assert await world.post(ALICE, "once", request_id="r") == first
    assert await refused(world, lambda: world.post(ALICE, "twice", request_id="r")) == "REQUEST_ID_REUSED"
    assert len((await world.page()).comments) == 1
    world.policy.away = False
    edited = await world.edit(ALICE, first.comment_id, "changed", request_id="e")
    assert await world.edit(ALICE, first.comment_id, "changed", request_id="e") == edited
    assert await refused(world, lambda: world.edit(ALICE, first.comment_id, "x", request_id="e")) == "REQUEST_ID_REUSED"
    await world.delete(ALICE, first.comment_id, request_id="d")
    await world.delete(ALICE, first.comment_id, request_id="d")
    assert await refused(world, lambda: world.delete(ALICE, first.comment_id)) == "COMMENT_NOT_FOUND"
    assert await refused(world, lambda: world.post(ALICE, "once", request_id="r")) == "COMMENT_NOT_FOUND"


async def test_the_creator_says_who_may_comment(world: World) -> None:
    # Bob follows the creator, Carla is a friend, Alice is nobody in particular.
    await world.do(Act.FOLLOW, BOB, CREATOR)
    await world.do(Act.FOLLOW, CARLA, CREATOR)
    await world.do(Act.FOLLOW, CREATOR, CARLA)
    await world.do(Act.FOLLOW, CREATOR, ALICE)
    allowed = {
        Audience.EVERYONE: {ALICE, BOB, CARLA},
        Audience.FOLLOWERS: {BOB, CARLA},
        Audience.FRIENDS: {CARLA},
        Audience.NOBODY: set[int](),
    }
    for audience, people in allowed.items():
        await world.audience(audience)
        for user_id in (ALICE, BOB, CARLA, CREATOR):
            if user_id in people | {CREATOR}:
                assert (await world.post(user_id)).state == pb.COMMENT_STATE_PUBLISHED
            else:
                assert await refused(world, lambda who=user_id: world.post(who)) == "COMMENT_NOT_ALLOWED"


async def test_a_block_ends_a_permit_that_was_given_before(world: World) -> None:
    await world.block(CREATOR, ALICE)
    assert await refused(world, lambda: world.post(ALICE)) == "COMMENT_NOT_ALLOWED"


async def test_edits_keep_ten_texts_for_those_who_may_look(world: World) -> None:
    posted = await world.post(ALICE, "text 0")
    for number in range(1, 14):
        world.advance(10)
        edited = await world.edit(ALICE, posted.comment_id, f"text {number}")
    assert (edited.text, edited.revision, edited.edited_at_ms) == ("text 13", 13, world.clock.now_ms())
    request = pb.ListCommentRevisionsRequest(comment_id=posted.comment_id, page_size=4)
    for stub in (world.stub(ALICE), world.stub(CREATOR), world.stub(CARLA, viewer_pb2.ROLE_MODERATOR)):
        first = await stub.ListCommentRevisions(request)
        assert [(one.revision, one.text) for one in first.revisions] == [(n, f"text {n}") for n in (12, 11, 10, 9)]
        rest = await stub.ListCommentRevisions(
            pb.ListCommentRevisionsRequest(comment_id=posted.comment_id, page_token=first.next_page_token)
        )
        assert [one.text for one in rest.revisions] == [f"text {n}" for n in range(8, 2, -1)]
        assert not rest.next_page_token
    assert await refused(world, lambda: world.stub(BOB).ListCommentRevisions(request)) == "COMMENT_NOT_FOUND"
    assert await refused(world, lambda: world.edit(BOB, posted.comment_id, "mine")) == "COMMENT_NOT_FOUND"
    [named] = (await world.events("CommentEdited"))[-1:]
    assert not events_pb2.CommentEdited.FromString(named.payload).added_mentioned_ids


async def test_an_edit_tells_whom_it_names_anew(world: World) -> None:
    posted = await world.post(ALICE, "hello @bob")
    await world.edit(ALICE, posted.comment_id, "hello @bob and @carla")
    [event] = await world.events("CommentEdited")
    assert list(events_pb2.CommentEdited.FromString(event.payload).added_mentioned_ids) == [CARLA]


async def test_likes_count_once_and_the_last_one_asked_for_stands(world: World) -> None:
    posted = await world.post(ALICE)
    assert await world.like(BOB, posted.comment_id, request_id="l") == pb.LikeCommentResponse(liked=True, likes=1)
    assert await world.like(BOB, posted.comment_id) == pb.LikeCommentResponse(liked=True, likes=1)
    await world.like(CARLA, posted.comment_id)
    await world.settle()
    [node] = (await world.page(BOB)).comments
    assert (node.comment.likes, node.comment.liked) == (2, True)
    assert await world.unlike(BOB, posted.comment_id) == pb.UnlikeCommentResponse(liked=False, likes=1)
    # A late repeat of the first like changes nothing.
    assert await world.like(BOB, posted.comment_id, request_id="l") == pb.LikeCommentResponse(liked=False, likes=1)
    await world.settle()
    [node] = (await world.page(BOB)).comments
    assert (node.comment.likes, node.comment.liked) == (1, False)
    assert len(await world.events("CommentLiked")) == 3
    await world.delete(ALICE, posted.comment_id)
    assert (await world.unlike(CARLA, posted.comment_id)).liked is False
    assert await refused(world, lambda: world.like(CARLA, posted.comment_id)) == "COMMENT_NOT_FOUND"


async def test_newest_and_oldest_pages_stay_where_they_are_under_new_comments(world: World) -> None:
    written = []
    for number in range(9):
        # More than a month goes by in between.
        world.advance(20 * 86_400_000)
        written.append((await world.post(ALICE, str(number))).comment_id)
    for order, expected in ((OLDEST, written), (NEWEST, written[::-1])):
        first = await world.page(order=order, page_size=4)
        fresh = (await world.post(BOB, "in between")).comment_id
        second = await world.page(order=order, page_size=4, page_token=first.next_page_token)
        assert ids_of(first.comments) + ids_of(second.comments) == expected[:8]
        behind = await world.page(order=order, page_size=3, page_token=first.comments[1].page_token)
        assert ids_of(behind.comments) == expected[2:5]
        await world.delete(BOB, fresh)
        assert ids_of(await world.all(order=order, page_size=2)) == expected


async def test_top_goes_by_points_with_a_head_start_for_newer_ones(world: World) -> None:
    old = await world.post(ALICE, "old and loved")
    plain = await world.post(ALICE, "plain")
    talked = await world.post(ALICE, "talked about")
    limited = await world.post(ALICE, "rude")
    for user_id in (ALICE, BOB, CARLA):
        await world.like(user_id, old.comment_id)
        await world.like(user_id, limited.comment_id)
    for _ in range(2):
        await world.post(BOB, answers=talked.comment_id)
    world.advance(86_400_000)
    newer = await world.post(ALICE, "newer")
    await world.settle()
    expected = [talked.comment_id, old.comment_id, newer.comment_id, plain.comment_id, limited.comment_id]
    assert ids_of(await world.all(order=TOP)) == expected
    assert ids_of(await world.all(order=TOP, page_size=1)) == expected
    first = await world.page(order=TOP, page_size=2)
    fresh = await world.post(BOB, "in between")
    await world.settle()
    second = await world.page(order=TOP, page_size=10, page_token=first.next_page_token)
    assert ids_of(first.comments) + [one for one in ids_of(second.comments) if one != fresh.comment_id] == expected
    # Taken back, it falls behind; removed, it is gone.
    for user_id in (ALICE, BOB, CARLA):
        await world.unlike(user_id, old.comment_id)
    await world.delete(ALICE, talked.comment_id)
    await world.settle()
    order = ids_of(await world.all(order=TOP))
    assert order.index(newer.comment_id) < order.index(old.comment_id)
    assert order[0] == talked.comment_id  # A tombstone with replies keeps its place.


async def test_counts_of_comments_follow_what_is_published(world: World) -> None:
    root = await world.post(ALICE)
    reply = await world.post(BOB, answers=root.comment_id)
    held = await world.post(BOB, "doubtful")
    await world.settle()
    assert await world.comment_count() == 2
    await world.creator("Approve", held.comment_id)
    await world.creator("Hide", reply.comment_id)
    await world.settle()
    assert await world.comment_count() == 2
    await world.delete(ALICE, root.comment_id)
    await world.settle()
    assert await world.comment_count() == 1
    await world.hear([event for event in await world.events() for _ in range(2)])
    assert await world.comment_count() == 1


async def test_a_page_token_is_good_for_its_own_list_alone(world: World) -> None:
    root = await world.post(ALICE)
    for _ in range(3):
        await world.post(ALICE)
        await world.post(BOB, answers=root.comment_id)
    token = (await world.page(page_size=1)).next_page_token
    for call in (
        lambda: world.page(order=OLDEST, page_token=token),
        lambda: world.page(order=TOP, page_token=token),
        lambda: world.page(video_id=OTHER, page_token=token),
        lambda: world.replies(root.comment_id, page_token=token),
        lambda: world.page(page_token=token[:-2] + "AA"),
    ):
        assert await refused(world, call) == "INVALID_PAGE_TOKEN"


async def test_an_erased_author_leaves_a_tombstone(world: World) -> None:
    root = await world.post(ALICE, "words of alice")
    await world.post(BOB, "answer", answers=root.comment_id)
    await keys_on(world.tables).destroy(ALICE)
    world.advance(31_000)
    page = await world.page(BOB)
    assert (page.comments[0].comment.state, page.comments[0].comment.text, page.comments[0].comment.author_id) == (
        pb.COMMENT_STATE_REMOVED,
        "",
        0,
    )
    assert tree(page.comments) == [("", [("answer", [])])]
    assert [person.user_id for person in page.people] == [BOB]


async def test_no_text_stands_in_clear_anywhere(world: World, tmp_path: Path) -> None:
    posted = await world.post(ALICE, "canary-in-the-comment @bob")
    await world.edit(ALICE, posted.comment_id, "canary-in-the-edit")
    await world.filters(words=["canary-in-the-filter"])
    await world.settle()
    for event in await world.events():
        assert b"canary" not in event.SerializeToString()
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"canary" not in stored


async def test_language_is_declared_or_told_by_the_script(world: World) -> None:
    said = {
        "hello": "",
        "これはすごいです": "ja",
        "東京タワーはすごい": "ja",
        "안녕하세요 여러분": "ko",
        "สวัสดีครับ": "th",
        "привет": "",
        "γειά σου Kosme": "el",
    }
    for text, language in said.items():
        assert (await world.post(ALICE, text)).language == language, text
    assert (await world.post(ALICE, "hello", language="en-GB")).language == "en-GB"
    assert await refused(world, lambda: world.post(ALICE, "hello", language="!!")) == "INVALID_REQUEST"


async def test_replies_at_once_lose_nothing(world: World) -> None:
    root = await world.post(ALICE)
    posted = await asyncio.gather(*(world.post(BOB, str(number), answers=root.comment_id) for number in range(12)))
    [node] = (await world.page()).comments
    assert node.comment.total_children == 12
    assert ids_of(node.children) == sorted(one.comment_id for one in posted)[:10]


async def test_anonymous_and_strangers_cannot_act(world: World) -> None:
    posted = await world.post(ALICE)
    nobody = world.stub()
    for name in ("EditComment", "DeleteComment", "HideComment", "ApproveComment", "PinComment", "UnpinComment", "UnlikeComment"):
        fields: dict[str, Any] = {"text": "x"} if name == "EditComment" else {}
        request = getattr(pb, f"{name}Request")(request_id=fresh_id(), comment_id=posted.comment_id, **fields)
        assert await refused(world, lambda name=name, request=request: getattr(nobody, name)(request)) == "SIGN_IN_REQUIRED"
        if name != "UnlikeComment":
            assert await refused(world, lambda name=name, request=request: getattr(world.stub(BOB), name)(request)) == "COMMENT_NOT_FOUND"
    for name, request in (
        ("ListHeldComments", pb.ListHeldCommentsRequest()),
        ("GetCommentFilters", pb.GetCommentFiltersRequest()),
        ("ListCommentRevisions", pb.ListCommentRevisionsRequest(comment_id=posted.comment_id)),
    ):
        assert await refused(world, lambda name=name, request=request: getattr(nobody, name)(request)) == "SIGN_IN_REQUIRED"
