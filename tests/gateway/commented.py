"""What the fake social service answers of comments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clipmesh.social.v1 import comment_service_pb2 as pb
from clipmesh.social.v1 import profile_service_pb2 as profiles

from mesh.auth import current_viewer
from mesh.ids import EPOCH_MS

POSTED_AT_MS = EPOCH_MS + 86_400_000
COMMENT_ID = 88_001
WRITERS = 99_000


class CommentFakes:
    """Methods of the fakes; they keep nothing. A video has as many threads as there are people, by others than them, each with two replies."""

    __slots__ = ()
    people: dict[int, profiles.Profile]

    async def list_comments(self, request: Any) -> Any:
        first, size = int(request.page_token or 0), request.page_size
        authors = self._writers
        nodes = [self._thread(request.video_id, authors, at, levels=request.levels) for at in range(first, min(first + size, len(authors)))]
        following = str(first + size) if first + size < len(authors) else ""
        return pb.ListCommentsResponse(comments=nodes, next_page_token=following, people=self._profiles)

    async def list_replies(self, request: Any) -> Any:
        node = self._thread(request.video_id, self._writers, 0, levels=2)
        return pb.ListRepliesResponse(replies=node.children, people=self._profiles)

    async def get_comment(self, request: Any) -> Any:
        node = self._thread(request.video_id, self._writers, 0, levels=2)
        return pb.GetCommentResponse(path=[node.comment, node.children[0].comment], people=self._profiles)

    async def post_comment(self, request: Any) -> Any:
        comment = _comment(request.video_id, COMMENT_ID, author_id=current_viewer().user_id, text=request.text, state=pb.COMMENT_STATE_HELD)
        return pb.PostCommentResponse(comment=comment, people=[profiles.Profile(user_id=current_viewer().user_id, handle="me")])

    async def edit_comment(self, request: Any) -> Any:
        comment = _comment(1, request.comment_id, author_id=current_viewer().user_id, text=request.text, revision=1)
        return pb.EditCommentResponse(comment=comment, people=[profiles.Profile(user_id=current_viewer().user_id, handle="me")])

    async def delete_comment(self, request: Any) -> Any:
        return pb.DeleteCommentResponse()

    async def hide_comment(self, request: Any) -> Any:
        return pb.HideCommentResponse(comment=_comment(1, request.comment_id, state=pb.COMMENT_STATE_HIDDEN))

    async def approve_comment(self, request: Any) -> Any:
        return pb.ApproveCommentResponse(comment=_comment(1, request.comment_id))

    async def pin_comment(self, request: Any) -> Any:
        return pb.PinCommentResponse(comment=_comment(1, request.comment_id, pinned=True))

    async def unpin_comment(self, request: Any) -> Any:
        return pb.UnpinCommentResponse(comment=_comment(1, request.comment_id))

    async def like_comment(self, request: Any) -> Any:
        return pb.LikeCommentResponse(liked=True, likes=2**40)

    async def unlike_comment(self, request: Any) -> Any:
        return pb.UnlikeCommentResponse(liked=False, likes=1)

    async def list_held_comments(self, request: Any) -> Any:
        node = pb.CommentNode(comment=_comment(1, COMMENT_ID, state=pb.COMMENT_STATE_HELD), page_token="behind")
        return pb.ListHeldCommentsResponse(comments=[node], next_page_token="more")

    async def list_comment_revisions(self, request: Any) -> Any:
        return pb.ListCommentRevisionsResponse(revisions=[pb.CommentRevision(revision=0, text="before", written_at_ms=POSTED_AT_MS)])

    async def get_comment_filters(self, request: Any) -> Any:
        return pb.GetCommentFiltersResponse(filters=pb.CommentFilters(words=["spoiler"], hold_links=True))

    async def update_comment_filters(self, request: Any) -> Any:
        return pb.UpdateCommentFiltersResponse(filters=request.filters)

    @property
    def _writers(self) -> list[int]:
        """People who are known by their comments alone: what comes with a page must not depend on who asked for them first."""
        return [WRITERS + number for number in range(len(self.people))]

    @property
    def _profiles(self) -> list[profiles.Profile]:
        return [profiles.Profile(user_id=one, handle=f"writer{one - WRITERS}") for one in self._writers]

    def _thread(self, video_id: int, authors: Sequence[int], at: int, *, levels: int) -> pb.CommentNode:
        comment_id = COMMENT_ID + at * 10
        root = _comment(video_id, comment_id, author_id=authors[at], text=f"thread {at}", total_children=3, mentioned_ids=authors[:1])
        node = pb.CommentNode(comment=root, next_children_token="children", page_token=str(at + 1))
        for number in range(2 if levels > 1 else 0):
            reply = _comment(
                video_id, comment_id + 1 + number, author_id=authors[-1 - at], text=f"reply {number}", parent_id=comment_id, level=2
            )
            node.children.append(pb.CommentNode(comment=reply, page_token=f"reply-{number}"))
        return node


def _comment(video_id: int, comment_id: int, **fields: Any) -> pb.Comment:
    values: dict[str, Any] = {
        "state": pb.COMMENT_STATE_PUBLISHED,
        "posted_at_ms": POSTED_AT_MS,
        "level": 1,
        "version": 1,
        "thread_id": comment_id,
        **fields,
    }
    return pb.Comment(video_id=video_id, comment_id=comment_id, answers_id=values.get("parent_id", 0), **values)
