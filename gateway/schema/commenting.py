"""Acts on comments: writing, replacing, taking back, liking, and what the creator of a video does."""

from __future__ import annotations

import strawberry
from clipmesh.social.v1 import comment_service_pb2 as pb

from gateway.context import GatewayInfo
from gateway.schema.comments import Comment, CommentFilters, alone, know_people
from gateway.schema.engagement import permitted
from gateway.schema.outcomes import UserError, attempt, user_errors_field
from gateway.schema.scalars import BigInt, big, number_of
from mesh.interceptors.request_id import new_request_id


@strawberry.input(description="A new comment, or with answersId a reply; requestId makes it repeatable for 24 h.")
class PostCommentInput:
    request_id: strawberry.ID | None = None
    video_id: strawberry.ID
    text: str
    answers_id: strawberry.ID | None = None
    language: str | None = None


@strawberry.input(description="Another text for the viewer's comment; requestId makes it repeatable for 24 h.")
class EditCommentInput:
    request_id: strawberry.ID | None = None
    comment_id: strawberry.ID
    text: str
    language: str | None = None


@strawberry.input
class _OnComment:
    request_id: strawberry.ID | None = None
    comment_id: strawberry.ID


@strawberry.input(description="Which comment to take back; requestId makes it repeatable for 24 h.")
class DeleteCommentInput(_OnComment):
    pass


@strawberry.input(description="Which comment to take off the viewer's video; requestId makes it repeatable for 24 h.")
class HideCommentInput(_OnComment):
    pass


@strawberry.input(description="Which comment to show on the viewer's video; requestId makes it repeatable for 24 h.")
class ApproveCommentInput(_OnComment):
    pass


@strawberry.input(description="Which comment to put first on the viewer's video; requestId makes it repeatable for 24 h.")
class PinCommentInput(_OnComment):
    pass


@strawberry.input(description="Which comment to put first no more; requestId makes it repeatable for 24 h.")
class UnpinCommentInput(_OnComment):
    pass


@strawberry.input(description="Which comment of which video to like; requestId makes it repeatable for 24 h.")
class LikeCommentInput(_OnComment):
    video_id: strawberry.ID


@strawberry.input(description="Whose like to take back; requestId makes it repeatable for 24 h.")
class UnlikeCommentInput(_OnComment):
    pass


@strawberry.input(description="All that is held from now on; requestId makes it repeatable for 24 h.")
class UpdateCommentFiltersInput:
    request_id: strawberry.ID | None = None
    words: list[str]
    hold_links: bool
    hold_all: bool


@strawberry.type(description="The comment after the call, or why nothing happened.")
class CommentPayload:
    comment: Comment | None
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="The id of what is gone, or why nothing happened.")
class DeleteCommentPayload:
    deleted_comment_id: strawberry.ID | None
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="How things stand between the viewer and the comment after the call, or why nothing happened.")
class LikeCommentPayload:
    comment_id: strawberry.ID
    liked: bool | None
    like_count: BigInt | None
    user_errors: list[UserError] = user_errors_field()


@strawberry.type(description="What is held after the call, or why nothing happened.")
class CommentFiltersPayload:
    filters: CommentFilters | None
    user_errors: list[UserError] = user_errors_field()


def _request_id(given: strawberry.ID | None) -> str:
    return given if given is not None else new_request_id()


def _payload(comment: pb.Comment | None, errors: list[UserError]) -> CommentPayload:
    return CommentPayload(comment=alone(comment) if comment is not None else None, user_errors=errors)


def _liked(
    input: _OnComment, answer: pb.LikeCommentResponse | pb.UnlikeCommentResponse | None, errors: list[UserError]
) -> LikeCommentPayload:
    return LikeCommentPayload(
        comment_id=input.comment_id,
        liked=answer.liked if answer is not None else None,
        like_count=big(answer.likes) if answer is not None else None,
        user_errors=errors,
    )


@strawberry.type
class CommentMutation:
    @strawberry.mutation(description="Write a comment or a reply; HELD when it waits for the creator of the video.")
    async def post_comment(self, info: GatewayInfo, input: PostCommentInput) -> CommentPayload | None:
        video_id, request_id = number_of(input.video_id), _request_id(input.request_id)
        answers_id = number_of(input.answers_id) if input.answers_id is not None else 0
        post = info.context.clients.comments.PostComment
        answer, errors = await permitted(
            info,
            video_id,
            lambda permit: post(
                pb.PostCommentRequest(
                    request_id=request_id,
                    video_id=video_id,
                    permit=permit,
                    answers_id=answers_id,
                    text=input.text,
                    language=input.language or "",
                )
            ),
        )
        if answer is not None:
            know_people(info, answer)
        return _payload(answer.comment if answer is not None else None, errors)

    @strawberry.mutation(description="Replace the text of the viewer's comment; the last 10 texts are kept.")
    async def edit_comment(self, info: GatewayInfo, input: EditCommentInput) -> CommentPayload | None:
        request = pb.EditCommentRequest(
            request_id=_request_id(input.request_id),
            comment_id=number_of(input.comment_id),
            text=input.text,
            language=input.language or "",
        )
        answer, errors = await attempt(info.context.clients.comments.EditComment(request))
        if answer is not None:
            know_people(info, answer)
        return _payload(answer.comment if answer is not None else None, errors)

    @strawberry.mutation(description="Take a comment back: text and author are erased, replies stay.")
    async def delete_comment(self, info: GatewayInfo, input: DeleteCommentInput) -> DeleteCommentPayload | None:
        request = pb.DeleteCommentRequest(request_id=_request_id(input.request_id), comment_id=number_of(input.comment_id))
        answer, errors = await attempt(info.context.clients.comments.DeleteComment(request))
        return DeleteCommentPayload(deleted_comment_id=input.comment_id if answer is not None else None, user_errors=errors)

    @strawberry.mutation(description="Take a comment off the viewer's video, with what stands below it.")
    async def hide_comment(self, info: GatewayInfo, input: HideCommentInput) -> CommentPayload | None:
        request = pb.HideCommentRequest(request_id=_request_id(input.request_id), comment_id=number_of(input.comment_id))
        answer, errors = await attempt(info.context.clients.comments.HideComment(request))
        return _payload(answer.comment if answer is not None else None, errors)

    @strawberry.mutation(description="Show a comment of the viewer's video that was held or hidden.")
    async def approve_comment(self, info: GatewayInfo, input: ApproveCommentInput) -> CommentPayload | None:
        request = pb.ApproveCommentRequest(request_id=_request_id(input.request_id), comment_id=number_of(input.comment_id))
        answer, errors = await attempt(info.context.clients.comments.ApproveComment(request))
        return _payload(answer.comment if answer is not None else None, errors)

    @strawberry.mutation(description="Put a comment of the viewer's video before all others.")
    async def pin_comment(self, info: GatewayInfo, input: PinCommentInput) -> CommentPayload | None:
        request = pb.PinCommentRequest(request_id=_request_id(input.request_id), comment_id=number_of(input.comment_id))
        answer, errors = await attempt(info.context.clients.comments.PinComment(request))
        return _payload(answer.comment if answer is not None else None, errors)

    @strawberry.mutation(description="Let a comment of the viewer's video stand where it stands.")
    async def unpin_comment(self, info: GatewayInfo, input: UnpinCommentInput) -> CommentPayload | None:
        request = pb.UnpinCommentRequest(request_id=_request_id(input.request_id), comment_id=number_of(input.comment_id))
        answer, errors = await attempt(info.context.clients.comments.UnpinComment(request))
        return _payload(answer.comment if answer is not None else None, errors)

    @strawberry.mutation(description="Like a comment; a repeat changes nothing.")
    async def like_comment(self, info: GatewayInfo, input: LikeCommentInput) -> LikeCommentPayload | None:
        video_id, comment_id, request_id = number_of(input.video_id), number_of(input.comment_id), _request_id(input.request_id)
        like = info.context.clients.comments.LikeComment
        answer, errors = await permitted(
            info,
            video_id,
            lambda permit: like(pb.LikeCommentRequest(request_id=request_id, video_id=video_id, permit=permit, comment_id=comment_id)),
        )
        return _liked(input, answer, errors)

    @strawberry.mutation(description="Take a like back, also from a comment that went away.")
    async def unlike_comment(self, info: GatewayInfo, input: UnlikeCommentInput) -> LikeCommentPayload | None:
        request = pb.UnlikeCommentRequest(request_id=_request_id(input.request_id), comment_id=number_of(input.comment_id))
        return _liked(input, *await attempt(info.context.clients.comments.UnlikeComment(request)))

    @strawberry.mutation(description="Replace what the viewer wants held on their videos; it concerns what is written from then on.")
    async def update_comment_filters(self, info: GatewayInfo, input: UpdateCommentFiltersInput) -> CommentFiltersPayload | None:
        filters = pb.CommentFilters(words=input.words, hold_links=input.hold_links, hold_all=input.hold_all)
        request = pb.UpdateCommentFiltersRequest(request_id=_request_id(input.request_id), filters=filters)
        answer, errors = await attempt(info.context.clients.comments.UpdateCommentFilters(request))
        return CommentFiltersPayload(filters=CommentFilters.of(answer.filters) if answer is not None else None, user_errors=errors)
