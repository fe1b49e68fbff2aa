"""CommentService over gRPC: parse, call an action, answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from clipmesh.common.v1 import viewer_pb2
from clipmesh.social.v1 import comment_service_pb2 as pb
from clipmesh.social.v1 import comment_service_pb2_grpc

from mesh.auth import current_viewer, has_role, require_signed_in
from mesh.pages import PageTokens, clamp
from mesh.server import ANYONE, SIGNED_IN, Access, Priority, ServedService
from svc_social.comments.actions import Actor, Asked, Filtering, Filters, Liking, Moderating, Page, Reading, Wanted, Writing
from svc_social.comments.convert import revision_to_proto
from svc_social.comments.presenting import REPLIES, Presenter, replies_scope
from svc_social.comments.rules import INLINE_CHILDREN, MOST_LEVELS
from svc_social.comments.tables import Comment

if TYPE_CHECKING:
    Context = grpc.aio.ServicerContext[Any, Any]

_GATEWAY = frozenset({"gateway"})
_MODERATOR = (viewer_pb2.ROLE_MODERATOR,)
# The answer of an act is how things stand now, so that none is kept for repeats.
_ACT = Access(callers=_GATEWAY, viewer=SIGNED_IN, idempotent=True, priority=Priority.WRITE)
_OWN = Access(callers=_GATEWAY, viewer=SIGNED_IN, idempotent=True)
_READ = Access(callers=_GATEWAY, viewer=ANYONE, idempotent=True)

ACCESS = {
    **dict.fromkeys(("PostComment", "EditComment", "DeleteComment", "LikeComment", "UnlikeComment"), _ACT),
    **dict.fromkeys(("HideComment", "ApproveComment", "PinComment", "UnpinComment", "UpdateCommentFilters"), _ACT),
    **dict.fromkeys(("ListHeldComments", "ListCommentRevisions", "GetCommentFilters"), _OWN),
    **dict.fromkeys(("ListComments", "ListReplies", "GetComment"), _READ),
}
MOST_A_PAGE = 50
_HELD, _REVISIONS = "comments.held", "comments.revisions"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentServicer(comment_service_pb2_grpc.CommentServiceServicer):
    """Answers CommentService."""

    writing: Writing
    moderating: Moderating
    liking: Liking
    filtering: Filtering
    reading: Reading
    tokens: PageTokens

    async def PostComment(self, request: pb.PostCommentRequest, context: Context) -> pb.PostCommentResponse:  # noqa: N802
        """Write a comment."""
        comment = await self.writing.post(
            _actor(),
            video_id=request.video_id,
            permit=request.permit,
            answers_id=request.answers_id,
            text=request.text,
            language=request.language,
            asked=_asked(request),
        )
        page = await self._one(comment)
        return pb.PostCommentResponse(comment=self._show.comments(page)[0], people=self._show.people(page.shown))

    async def EditComment(self, request: pb.EditCommentRequest, context: Context) -> pb.EditCommentResponse:  # noqa: N802
        """Replace a text."""
        comment = await self.writing.edit(_actor(), request.comment_id, text=request.text, language=request.language, asked=_asked(request))
        page = await self._one(comment)
        return pb.EditCommentResponse(comment=self._show.comments(page)[0], people=self._show.people(page.shown))

    async def DeleteComment(self, request: pb.DeleteCommentRequest, context: Context) -> pb.DeleteCommentResponse:  # noqa: N802
        """Take a comment back."""
        await self.moderating.delete(_actor(), request.comment_id, asked=_asked(request))
        return pb.DeleteCommentResponse()

    async def HideComment(self, request: pb.HideCommentRequest, context: Context) -> pb.HideCommentResponse:  # noqa: N802
        """Take a comment off one's video."""
        comment = await self.moderating.hide(_actor(), request.comment_id, asked=_asked(request))
        return pb.HideCommentResponse(comment=self._show.comments(await self._one(comment))[0])

    async def ApproveComment(self, request: pb.ApproveCommentRequest, context: Context) -> pb.ApproveCommentResponse:  # noqa: N802
        """Show a comment of one's video."""
        comment = await self.moderating.approve(_actor(), request.comment_id, asked=_asked(request))
        return pb.ApproveCommentResponse(comment=self._show.comments(await self._one(comment))[0])

    async def PinComment(self, request: pb.PinCommentRequest, context: Context) -> pb.PinCommentResponse:  # noqa: N802
        """Put a comment first."""
        comment = await self.moderating.pin(_actor(), request.comment_id, asked=_asked(request))
        return pb.PinCommentResponse(comment=self._show.comments(await self._one(comment))[0])

    async def UnpinComment(self, request: pb.UnpinCommentRequest, context: Context) -> pb.UnpinCommentResponse:  # noqa: N802
        """Put a comment first no more."""
        comment = await self.moderating.unpin(_actor(), request.comment_id, asked=_asked(request))
        return pb.UnpinCommentResponse(comment=self._show.comments(await self._one(comment))[0])

    async def LikeComment(self, request: pb.LikeCommentRequest, context: Context) -> pb.LikeCommentResponse:  # noqa: N802
        """Like a comment."""
        liked = await self.liking.like(
            _actor(), video_id=request.video_id, comment_id=request.comment_id, permit=request.permit, asked=_asked(request)
        )
        return pb.LikeCommentResponse(liked=liked.liked, likes=liked.likes)

    async def UnlikeComment(self, request: pb.UnlikeCommentRequest, context: Context) -> pb.UnlikeCommentResponse:  # noqa: N802
        """Take a like back."""
        liked = await self.liking.unlike(_actor(), request.comment_id, asked=_asked(request))
        return pb.UnlikeCommentResponse(liked=liked.liked, likes=liked.likes)

    async def ListComments(self, request: pb.ListCommentsRequest, context: Context) -> pb.ListCommentsResponse:  # noqa: N802
        """A page of threads."""
        viewer_id = current_viewer().user_id
        self.reading.check(viewer_id, request.video_id, request.permit)
        order = request.order or pb.COMMENT_ORDER_TOP
        name, scope = f"comments.{order}", str(request.video_id)
        after = self.tokens.decode(name, scope, request.page_token)
        size, wanted = clamp(request.page_size, most=MOST_A_PAGE), _wanted(request)
        if order == pb.COMMENT_ORDER_TOP:
            page = await self.reading.top(viewer_id, request.video_id, after=after, size=size, wanted=wanted)
        else:
            oldest = order == pb.COMMENT_ORDER_OLDEST
            page = await self.reading.newest(viewer_id, request.video_id, oldest_first=oldest, after=after, size=size, wanted=wanted)
        return pb.ListCommentsResponse(
            comments=self._show.nodes(page, list_name=name, scope=scope),
            next_page_token=self._show.next(page, list_name=name, scope=scope),
            people=self._show.people(page.shown),
        )

    async def ListReplies(self, request: pb.ListRepliesRequest, context: Context) -> pb.ListRepliesResponse:  # noqa: N802
        """A page of replies."""
        viewer_id = current_viewer().user_id
        self.reading.check(viewer_id, request.video_id, request.permit)
        scope = replies_scope(request.video_id, request.comment_id)
        after = self.tokens.decode(REPLIES, scope, request.page_token)
        page = await self.reading.replies(
            viewer_id,
            request.video_id,
            request.comment_id,
            after=after,
            size=clamp(request.page_size, most=MOST_A_PAGE),
            wanted=_wanted(request),
        )
        return pb.ListRepliesResponse(
            replies=self._show.nodes(page, list_name=REPLIES, scope=scope),
            next_page_token=self._show.next(page, list_name=REPLIES, scope=scope),
            people=self._show.people(page.shown),
        )

    async def GetComment(self, request: pb.GetCommentRequest, context: Context) -> pb.GetCommentResponse:  # noqa: N802
        """A comment with what stands above it."""
        viewer_id = current_viewer().user_id
        self.reading.check(viewer_id, request.video_id, request.permit)
        page = await self.reading.path(viewer_id, request.video_id, request.comment_id)
        return pb.GetCommentResponse(path=self._show.comments(page), people=self._show.people(page.shown))

    async def ListHeldComments(  # noqa: N802
        self, request: pb.ListHeldCommentsRequest, context: Context
    ) -> pb.ListHeldCommentsResponse:
        """What waits for the viewer."""
        user_id = require_signed_in().user_id
        scope = str(user_id)
        after = self.tokens.decode(_HELD, scope, request.page_token)
        page = await self.reading.held(user_id, after=after, size=clamp(request.page_size, most=MOST_A_PAGE))
        return pb.ListHeldCommentsResponse(
            comments=self._show.nodes(page, list_name=_HELD, scope=scope),
            next_page_token=self._show.next(page, list_name=_HELD, scope=scope),
            people=self._show.people(page.shown),
        )

    async def ListCommentRevisions(  # noqa: N802
        self, request: pb.ListCommentRevisionsRequest, context: Context
    ) -> pb.ListCommentRevisionsResponse:
        """Earlier texts."""
        scope = str(request.comment_id)
        before = int(self.tokens.decode(_REVISIONS, scope, request.page_token) or 0)
        found = [revision_to_proto(one, text=text) for one, text in await self.reading.revisions(_actor(), request.comment_id)]
        left = [one for one in found if not before or one.revision < before]
        page = left[: clamp(request.page_size, most=MOST_A_PAGE)]
        last = str(page[-1].revision) if len(page) < len(left) else ""
        return pb.ListCommentRevisionsResponse(revisions=page, next_page_token=self.tokens.encode(_REVISIONS, scope, last))

    async def GetCommentFilters(  # noqa: N802
        self, request: pb.GetCommentFiltersRequest, context: Context
    ) -> pb.GetCommentFiltersResponse:
        """What is held."""
        return pb.GetCommentFiltersResponse(filters=_filters(await self.filtering.get(require_signed_in().user_id)))

    async def UpdateCommentFilters(  # noqa: N802
        self, request: pb.UpdateCommentFiltersRequest, context: Context
    ) -> pb.UpdateCommentFiltersResponse:
        """Replace what is held."""
        filters = await self.filtering.update(
            _actor(),
            words=request.filters.words,
            hold_links=request.filters.hold_links,
            hold_all=request.filters.hold_all,
            asked=_asked(request),
        )
        return pb.UpdateCommentFiltersResponse(filters=_filters(filters))

    @property
    def _show(self) -> Presenter:
        return Presenter(tokens=self.tokens)

    async def _one(self, comment: Comment) -> Page:
        return await self.reading.one(require_signed_in().user_id, comment)


def comment_service(servicer: CommentServicer) -> ServedService:
    """CommentService as a server takes it."""
    return ServedService(
        add_to_server=comment_service_pb2_grpc.add_CommentServiceServicer_to_server,
        servicer=servicer,
        descriptor=pb.DESCRIPTOR.services_by_name["CommentService"],
        access=ACCESS,
    )


def _actor() -> Actor:
    viewer = require_signed_in()
    return Actor(
        user_id=viewer.user_id,
        is_moderator=has_role(viewer, _MODERATOR),
        personalisation=viewer_pb2.CONSENT_PURPOSE_PERSONALISATION in viewer.consents,
    )


def _asked(request: Any) -> Asked:
    """What the request log is told: everything but the permit, of which a repeat brings a new one."""
    said = type(request)()
    said.CopyFrom(request)
    if "permit" in request.DESCRIPTOR.fields_by_name:
        said.ClearField("permit")
    return Asked(
        method=request.DESCRIPTOR.name.removesuffix("Request"),
        request_id=request.request_id,
        body=said.SerializeToString(deterministic=True),
    )


def _wanted(request: pb.ListCommentsRequest | pb.ListRepliesRequest) -> Wanted:
    return Wanted(levels=request.levels or MOST_LEVELS, children=request.children or INLINE_CHILDREN)


def _filters(filters: Filters) -> pb.CommentFilters:
    return pb.CommentFilters(words=filters.words, hold_links=filters.hold_links, hold_all=filters.hold_all)
