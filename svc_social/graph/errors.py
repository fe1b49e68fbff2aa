"""Errors of the graph. An account that is not there, or that blocks whoever asks, is identity's AccountNotFound.

MeshError
├── InvalidArgument
│   └── SelfFollow
├── NotFound
│   └── FollowRequestNotFound
├── FailedPrecondition
│   ├── UnblockFirst
│   ├── TooManyFollows
│   └── TooManyFollowRequests
└── PermissionDenied
    └── FollowsArePrivate
"""

from __future__ import annotations

from mesh.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied


class SelfFollow(InvalidArgument):
    """Nobody follows, blocks or mutes themselves."""

    reason = "SELF_FOLLOW"


class FollowRequestNotFound(NotFound):
    """The person does not ask to follow the viewer."""

    reason = "FOLLOW_REQUEST_NOT_FOUND"


class UnblockFirst(FailedPrecondition):
    """The viewer blocks this person; the block has to go first."""

    reason = "UNBLOCK_FIRST"


class TooManyFollows(FailedPrecondition):
    """The follower already follows as many people as one may."""

    reason = "TOO_MANY_FOLLOWS"


class TooManyFollowRequests(FailedPrecondition):
    """The person asks to follow as many people as one may; unanswered requests have to be taken back first."""

    reason = "TOO_MANY_FOLLOW_REQUESTS"


class FollowsArePrivate(PermissionDenied):
    """Whom a private account follows, and who follows it, is for itself and for those who follow it."""

    reason = "FOLLOWS_ARE_PRIVATE"
