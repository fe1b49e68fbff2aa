"""Errors of videos.

MeshError
├── NotFound
│   └── VideoNotFound               there is no such video, or none that this viewer may know of
├── FailedPrecondition
│   ├── VideoNotDraft               published already, or over
│   ├── ChosenSoundNotSupported     leave sound_id empty
│   └── PublicNeedsAge              below 16 a video is not for everyone
├── Aborted
│   └── VideoChangedMeanwhile       read again and decide anew
└── InvalidArgument
    ├── InvalidText                 characters that are not allowed
    └── InvalidLanguage             not a BCP 47 tag
"""

from __future__ import annotations

from mesh.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound


class VideoNotFound(NotFound):
    """No such video, or none that this viewer may know of."""

    reason = "VIDEO_NOT_FOUND"


class VideoNotDraft(FailedPrecondition):
    """The video was published already, or it is over."""

    reason = "VIDEO_NOT_DRAFT"


class ChosenSoundNotSupported(FailedPrecondition):
    """Sounds of the catalogue cannot be mixed yet; leave sound_id empty."""

    reason = "CHOSEN_SOUND_NOT_SUPPORTED"


class PublicNeedsAge(FailedPrecondition):
    """Below 16, or without a known age, videos are not for everyone; choose FOLLOWERS, FRIENDS or ONLY_ME."""

    reason = "PUBLIC_NEEDS_AGE"


class VideoChangedMeanwhile(Aborted):
    """The video has moved on from expected_version; read it again and decide anew."""

    reason = "CONFLICT"


class InvalidText(InvalidArgument):
    """The text has characters that are not allowed."""

    reason = "INVALID_TEXT"


class InvalidLanguage(InvalidArgument):
    """The language is not a BCP 47 tag."""

    reason = "INVALID_REQUEST"
