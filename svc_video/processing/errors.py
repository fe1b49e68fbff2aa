"""Errors of processing.

MeshError
├── Aborted
│   └── LeaseLost         the job belongs to another worker now, or nobody wants it any more: stop at once
├── InvalidArgument
│   └── InvalidResult     the committed result is not what its kind of job has to tell
└── NotFound
    └── NothingToRedo     the video is not dead, or its bytes are gone
"""

from __future__ import annotations

from mesh.errors import Aborted, InvalidArgument, NotFound


class LeaseLost(Aborted):
    """The lease belongs to another worker now, or the job is not wanted any more."""

    reason = "LEASE_LOST"


class InvalidResult(InvalidArgument):
    """The result is not what a job of this kind has to tell."""

    reason = "INVALID_REQUEST"


class NothingToRedo(NotFound):
    """No video of that id lacks anything that could be made once more."""

    reason = "VIDEO_NOT_FOUND"
