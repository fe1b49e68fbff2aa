"""Comments of processes whose clocks differ: what answers another one follows it, and none takes the place of another."""

from __future__ import annotations

from pathlib import Path

from clipmesh.social.v1 import comment_service_pb2 as pb
from clipmesh.social.v1.comment_service_pb2_grpc import CommentServiceStub

from tests.service.social.crowd_acts import ALL
from tests.service.social.crowd_world import Crowd, open_crowd

VIDEO = 700_001
AHEAD, BEHIND = 1, 2
"""Of the processes of a crowd."""


async def post(crowd: Crowd, who: int, owner: int, text: str, *, at: int, answers_id: int = 0) -> pb.Comment:
    request = pb.PostCommentRequest(
        request_id=text, video_id=VIDEO, permit=crowd.permit(who, VIDEO, owner, ALL, at=at), answers_id=answers_id, text=text
    )
    return (await crowd.stub(CommentServiceStub, who, at=at).PostComment(request)).comment


async def test_answers_to_a_clock_that_is_ahead_are_all_kept_in_their_order(tmp_path: Path) -> None:
    async with open_crowd(tmp_path, seed=1) as crowd:
        owner, *people = [await crowd.person() for _ in range(5)]
        root = await post(crowd, owner, owner, "root", at=AHEAD)
        answers = []
        for number, who in enumerate(people):
            answers.append(await post(crowd, who, owner, f"answer {number}", at=BEHIND, answers_id=root.comment_id))
            # Less than the clocks differ by, and another moment each time.
            crowd.instances[BEHIND].clock.advance(7)
        ids = [root.comment_id, *(one.comment_id for one in answers)]
        assert ids == sorted(set(ids))
        request = pb.ListCommentsRequest(
            video_id=VIDEO, permit=crowd.permit(0, VIDEO, owner, ALL), order=pb.COMMENT_ORDER_OLDEST, page_size=50
        )
        [thread] = (await crowd.stub(CommentServiceStub).ListComments(request)).comments
        assert [one.comment.text for one in thread.children] == [f"answer {number}" for number in range(4)]
