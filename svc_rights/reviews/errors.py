"""Errors of reviews.

MeshError
├── NotFound
│   └── ReviewNotFound
└── FailedPrecondition
    ├── ReviewClosed
    └── ReviewSuperseded
"""

from __future__ import annotations

from mesh.errors import FailedPrecondition, NotFound


class ReviewNotFound(NotFound):
    """There is no such review."""

    reason = "REVIEW_NOT_FOUND"


class ReviewClosed(FailedPrecondition):
    """The review was decided otherwise."""

    reason = "REVIEW_CLOSED"


class ReviewSuperseded(FailedPrecondition):
    """A newer publication replaced what was to be reviewed."""

    reason = "REVIEW_SUPERSEDED"
