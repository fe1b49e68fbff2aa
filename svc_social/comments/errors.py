"""Errors of comments. A text with characters that are not allowed is identity's InvalidText.

MeshError
├── InvalidArgument
│   ├── TextNotAllowed
│   └── TooManyMentions
├── NotFound
│   └── CommentNotFound
└── FailedPrecondition
    ├── CommentNotAllowed
    ├── CommentNotPinnable
    └── TooManyReplies
"""

from __future__ import annotations

from mesh.errors import FailedPrecondition, InvalidArgument, NotFound


class CommentNotFound(NotFound):
    """There is no such comment for this viewer."""

    reason = "COMMENT_NOT_FOUND"


class CommentNotAllowed(FailedPrecondition):
    """The creator of the video does not let this viewer comment."""

    reason = "COMMENT_NOT_ALLOWED"


class TextNotAllowed(InvalidArgument):
    """The rules of the place forbid this text."""

    reason = "TEXT_NOT_ALLOWED"


class TooManyMentions(InvalidArgument):
    """A text names at most 10 people."""

    reason = "TOO_MANY_MENTIONS"


class TooManyReplies(FailedPrecondition):
    """The comment has as many replies as one can have."""

    reason = "TOO_MANY_REPLIES"


class CommentNotPinnable(FailedPrecondition):
    """Only a published comment at the top of a thread is put first."""

    reason = "COMMENT_NOT_PINNABLE"
