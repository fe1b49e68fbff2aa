"""Errors of notifications.

MeshError
├── InvalidArgument
│   └── UnknownTimeZone
└── FailedPrecondition
    └── NotificationKindRequired
"""

from __future__ import annotations

from mesh.errors import FailedPrecondition, InvalidArgument


class UnknownTimeZone(InvalidArgument):
    """The IANA database has no such time zone."""

    reason = "UNKNOWN_TIME_ZONE"


class NotificationKindRequired(FailedPrecondition):
    """What concerns the safety of an account cannot be kept out of the inbox."""

    reason = "NOTIFICATION_KIND_REQUIRED"
