"""Comments through the gateway: one call a service for a page, permits fetched in the same mutation, typed refusals."""

from __future__ import annotations

from typing import Any

import pytest
from clipmesh.common.v1 import permit_pb2
from clipmesh.social.v1 import comment_service_pb2 as pb
from clipmesh.video.v1 import video_service_pb2 as videos

from mesh.errors import FailedPrecondition, InvalidArgument, InvalidPageToken, NotFound, Unavailable
from tests.gateway.commented import COMMENT_ID
from tests.gateway.fakes import snowflake
from tests.gateway.world import World, token

VIEWER = 7
VIDEO = snowflake("video", 1)
COMMENT = "id text state author { handle } mentions { handle } likeCount liked pinned totalChildren childrenCursor level"
PAGE = f"""query($id: ID!, $after: String, $first: Int! = 20) {{ video(id: $id) {{ commentCount
  comments(order: NEWEST, first: $first, after: $after, levels: 2, children: 3) {{
    edges {{ cursor node {{ {COMMENT} children {{ cursor node {{ {COMMENT} parentId }} }} }} }}
    pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }} }}"""
ANSWER = "{ comment { id text state revision pinned author { handle } } userErrors { code retryable } }"


class CommentNotFound(NotFound):
    """There is no such comment for this viewer."""

    reason = "COMMENT_NOT_FOUND"


class CommentNotAllowed(FailedPrecondition):
    """The creator of the video does not let this viewer comment."""

    reason = "COMMENT_NOT_ALLOWED"


class TextNotAllowed(InvalidArgument):
    """The rules of the place forbid this text."""

    reason = "TEXT_NOT_ALLOWED"


def mutation(name: str, answer: str = ANSWER) -> str:
    return f"mutation($input: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $input) {answer} }}"


async def test_a_page_of_threads_with_replies_costs_one_call_of_each_service(world: World) -> None:
    world.fakes.fill(30)
    body = await world.ask(PAGE, id=str(VIDEO), bearer=token(VIEWER))
    assert "errors" not in body, body
    connection = body["data"]["video"]["comments"]
    assert len(connection["edges"]) == 20
    assert connection["edges"][0] == {
        "cursor": "1",
        "node": {
            "id": str(COMMENT_ID),
            "text": "thread 0",
            "state": "PUBLISHED",
            "author": {"handle": "writer0"},
            "mentions": [{"handle": "writer0"}],
            "likeCount": "0",
            "liked": False,
            "pinned": False,
            "totalChildren": "3",
            "childrenCursor": "children",
            "level": 1,
            "children": connection["edges"][0]["node"]["children"],
        },
    }
    assert [child["node"]["text"] for child in connection["edges"][0]["node"]["children"]] == ["reply 0", "reply 1"]
    assert connection["pageInfo"] == {"hasNextPage": True, "hasPreviousPage": False, "startCursor": "1", "endCursor": "20"}
    assert world.fakes.counted == {
        "video.BatchGetVideos": 1,
        "video.BatchIssuePermits": 1,
        "social.BatchGetCounters": 1,
        "social.ListComments": 1,
    }
    [request] = world.fakes.requests("ListComments")
    assert permit_pb2.Permit.FromString(request.permit.permit) == permit_pb2.Permit(subject_id=VIDEO, viewer_id=VIEWER)
    assert (request.order, request.levels, request.children, request.page_size) == (pb.COMMENT_ORDER_NEWEST, 2, 3, 20)
    last = await world.ask(PAGE, id=str(VIDEO), after="20", bearer=token(VIEWER))
    assert last["data"]["video"]["comments"]["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": True,
        "startCursor": "21",
        "endCursor": "30",
    }


async def test_a_video_that_cannot_be_seen_has_no_comments_and_nobody_is_asked(world: World) -> None:
    world.fakes.fill(1)

    async def none(_: Any) -> Any:
        return videos.BatchIssuePermitsResponse()

    world.fakes.answers["BatchIssuePermits"] = none
    body = await world.ask(PAGE, id=str(VIDEO))
    assert body["data"]["video"]["comments"] is None
    assert world.fakes.counted["social.ListComments"] == 0


async def test_without_social_the_video_stays_and_says_what_is_missing(world: World) -> None:
    world.fakes.fill(1)

    async def away(_: Any) -> Any:
        raise Unavailable("social is away")

    world.fakes.answers |= {"ListComments": away, "BatchGetCounters": away}
    body = await world.ask(PAGE, id=str(VIDEO))
    assert "errors" not in body
    assert body["data"]["video"] == {"commentCount": None, "comments": None}
    assert body["extensions"]["degraded"] == ["social"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("first: 51", "BAD_USER_INPUT"),
        ("first: 0", "BAD_USER_INPUT"),
        ("levels: 6", "BAD_USER_INPUT"),
        ("children: 11", "BAD_USER_INPUT"),
        ('after: "forged"', "BAD_CURSOR"),
    ],
)
async def test_arguments_out_of_bounds_are_named(world: World, arguments: str, code: str) -> None:
    world.fakes.fill(1)

    async def forged(_: Any) -> Any:
        raise InvalidPageToken

    world.fakes.answers["ListComments"] = forged
    body = await world.ask(f'{{ video(id: "{VIDEO}") {{ comments({arguments}) {{ edges {{ cursor }} }} }} }}')
    assert body["errors"][0]["extensions"]["code"] == code


async def test_replies_and_the_path_of_a_comment_are_null_when_it_is_not_there(world: World) -> None:
    world.fakes.fill(2)
    query = f"""{{ video(id: "{VIDEO}") {{
      replies(commentId: "{COMMENT_ID}", after: "children") {{ edges {{ cursor node {{ text parentId }} }} }}
      commentPath(commentId: "{COMMENT_ID}") {{ text level }} }} }}"""
    body = await world.ask(query)
    assert body["data"]["video"] == {
        "replies": {
            "edges": [{"cursor": f"reply-{n}", "node": {"text": f"reply {n}", "parentId": str(COMMENT_ID)}} for n in (0, 1)],
        },
        "commentPath": [{"text": "thread 0", "level": 1}, {"text": "reply 0", "level": 2}],
    }
    assert world.fakes.counted["video.BatchIssuePermits"] == 1
    assert world.fakes.requests("ListReplies")[0].page_token == "children"

    async def gone(_: Any) -> Any:
        raise CommentNotFound

    world.fakes.answers |= {"ListReplies": gone, "GetComment": gone}
    body = await world.ask(query)
    assert "errors" not in body
    assert body["data"]["video"] == {"replies": None, "commentPath": None}


async def test_a_comment_is_posted_under_videos_word_and_may_wait(world: World) -> None:
    world.fakes.fill(1)
    asked = {"requestId": "r1", "videoId": str(VIDEO), "text": "hello", "answersId": "5", "language": "de"}
    body = await world.ask(mutation("postComment"), input=asked, bearer=token(VIEWER))
    assert body["data"]["postComment"] == {
        "comment": {"id": str(COMMENT_ID), "text": "hello", "state": "HELD", "revision": "0", "pinned": False, "author": {"handle": "me"}},
        "userErrors": [],
    }
    [request] = world.fakes.requests("PostComment")
    assert (request.request_id, request.video_id, request.answers_id, request.language) == ("r1", VIDEO, 5, "de")
    assert permit_pb2.Permit.FromString(request.permit.permit).subject_id == VIDEO
    assert world.fakes.counted == {"video.BatchIssuePermits": 1, "social.PostComment": 1}


async def test_refusals_are_user_errors_and_a_judge_that_is_away_is_a_fault(world: World) -> None:
    world.fakes.fill(1)
    asked = {"videoId": str(VIDEO), "text": "hello"}
    for error in (CommentNotAllowed, TextNotAllowed, CommentNotFound):

        async def refuse(_: Any, error: type[Exception] = error) -> Any:
            raise error

        world.fakes.answers["PostComment"] = refuse
        body = await world.ask(mutation("postComment"), input=asked, bearer=token(VIEWER))
        assert body["data"]["postComment"] == {"comment": None, "userErrors": [{"code": error.reason, "retryable": False}]}

    async def away(_: Any) -> Any:
        raise Unavailable("nobody can judge the text")

    world.fakes.answers["PostComment"] = away
    body = await world.ask(mutation("postComment"), input=asked, bearer=token(VIEWER))
    assert body["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    body = await world.ask(mutation("postComment"), input={"videoId": str(snowflake("video", 9)), "text": "x"}, bearer=token(VIEWER))
    assert [one["code"] for one in body["data"]["postComment"]["userErrors"]] == ["VIDEO_NOT_FOUND"]
    body = await world.ask(mutation("postComment"), input=asked)
    assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_every_act_reaches_its_method_with_a_request_id(world: World) -> None:
    world.fakes.fill(1)
    on = {"commentId": str(COMMENT_ID)}
    liked = "{ commentId liked likeCount userErrors { code } }"
    acts: list[tuple[str, dict[str, Any], str]] = [
        ("editComment", {**on, "text": "other"}, ANSWER),
        ("deleteComment", on, "{ deletedCommentId userErrors { code } }"),
        ("hideComment", on, ANSWER),
        ("approveComment", on, ANSWER),
        ("pinComment", on, ANSWER),
        ("unpinComment", on, ANSWER),
        ("likeComment", {**on, "videoId": str(VIDEO)}, liked),
        ("unlikeComment", on, liked),
        (
            "updateCommentFilters",
            {"words": ["a"], "holdLinks": True, "holdAll": False},
            "{ filters { words holdLinks holdAll } userErrors { code } }",
        ),
    ]
    answers = {}
    for name, asked, answer in acts:
        body = await world.ask(mutation(name, answer), input=asked, bearer=token(VIEWER))
        assert "errors" not in body, body
        answers[name] = body["data"][name]
        [request] = world.fakes.requests(name[0].upper() + name[1:])
        assert request.request_id
    assert answers["editComment"]["comment"]["revision"] == "1"
    assert answers["deleteComment"]["deletedCommentId"] == str(COMMENT_ID)
    assert answers["hideComment"]["comment"]["state"] == "HIDDEN"
    assert answers["pinComment"]["comment"]["pinned"] is True
    assert answers["likeComment"] == {"commentId": str(COMMENT_ID), "liked": True, "likeCount": str(2**40), "userErrors": []}
    assert answers["updateCommentFilters"]["filters"] == {"words": ["a"], "holdLinks": True, "holdAll": False}


async def test_a_creator_reads_what_waits_what_was_and_what_is_held(world: World) -> None:
    query = f"""{{ heldComments {{ edges {{ cursor node {{ state }} }} pageInfo {{ endCursor hasNextPage }} }}
      commentRevisions(commentId: "{COMMENT_ID}") {{ edges {{ node {{ revision text writtenAt }} }} }}
      commentFilters {{ words holdLinks holdAll }} }}"""
    body = await world.ask(query, bearer=token(VIEWER))
    assert body["data"] == {
        "heldComments": {
            "edges": [{"cursor": "behind", "node": {"state": "HELD"}}],
            "pageInfo": {"endCursor": "more", "hasNextPage": True},
        },
        "commentRevisions": {"edges": [{"node": {"revision": "0", "text": "before", "writtenAt": "2024-01-02T00:00:00.000Z"}}]},
        "commentFilters": {"words": ["spoiler"], "holdLinks": True, "holdAll": False},
    }
