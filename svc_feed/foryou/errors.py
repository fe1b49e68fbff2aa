"""Errors of For You.

InvalidArgument
├── BadCursor       BAD_CURSOR      changed, foreign or of another list
└── CursorExpired   CURSOR_EXPIRED  start again without a cursor
"""

from __future__ import annotations

from mesh.errors import InvalidArgument


class BadCursor(InvalidArgument):
    """The cursor was changed, is another viewer's or of another list."""

    reason = "BAD_CURSOR"


class CursorExpired(InvalidArgument):
    """The cursor is too old; start again."""

    reason = "CURSOR_EXPIRED"
