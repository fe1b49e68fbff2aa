"""Answers of CommentService: what was read as messages, with signed tokens that continue it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clipmesh.social.v1 import comment_service_pb2 as pb
from clipmesh.social.v1 import profile_service_pb2

from mesh.pages import PageTokens
from svc_social.comments.actions import START, Page, Shown
from svc_social.comments.convert import comment_to_proto
from svc_social.comments.trees import Node
from svc_social.identity.actions import profile_to_proto

REPLIES = "comments.replies"


@dataclass(frozen=True, slots=True, kw_only=True)
class Presenter:
    """Shapes pages."""

    tokens: PageTokens

    def nodes(self, page: Page, *, list_name: str, scope: str) -> list[pb.CommentNode]:
        """The nodes of a page, each with the token behind it."""
        return [self._node(node, page.shown, token=self.tokens.encode(list_name, scope, node.cursor)) for node in page.nodes]

    def next(self, page: Page, *, list_name: str, scope: str) -> str:
        """The token of the next page."""
        return self.tokens.encode(list_name, scope, page.next)

    def comment(self, node: Node, shown: Shown) -> pb.Comment:
        """One comment."""
        comment_id = node.comment.comment_id
        return comment_to_proto(
            node.comment,
            text=shown.texts[comment_id],
            likes=shown.likes[comment_id],
            liked=comment_id in shown.liked,
            pinned=comment_id == shown.pinned_id,
            total_children=node.total_children,
            mentioned_ids=[one for one in node.comment.mentioned_ids if one in shown.people_ids],
        )

    def comments(self, page: Page) -> list[pb.Comment]:
        """The comments of a page without what is below them."""
        return [self.comment(node, page.shown) for node in page.nodes]

    def people(self, shown: Shown) -> Sequence[profile_service_pb2.Profile]:
        """Authors and people who are named."""
        return [profile_to_proto(person) for person in shown.people]

    def _node(self, node: Node, shown: Shown, *, token: str) -> pb.CommentNode:
        scope = replies_scope(node.comment.video_id, node.comment.comment_id)
        children = [
            self._node(child, shown, token=self.tokens.encode(REPLIES, scope, str(child.comment.comment_id))) for child in node.children
        ]
        more = self.tokens.encode(REPLIES, scope, str(node.last_child_id) if node.last_child_id else START) if node.has_more else ""
        return pb.CommentNode(comment=self.comment(node, shown), children=children, next_children_token=more, page_token=token)


def replies_scope(video_id: int, comment_id: int) -> str:
    """Whose list it is."""
    return f"{video_id}:{comment_id}"
