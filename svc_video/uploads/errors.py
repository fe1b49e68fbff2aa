"""Errors of uploads.

MeshError
├── InvalidArgument
│   ├── DurationTooShort          shorter than 15 s
│   ├── DurationTooLong           longer than 600 s
│   ├── FileTooLarge              larger than the limit
│   ├── UnsupportedContentType    not a type that we take
│   ├── KindNotSupported          live recordings are not taken yet
│   └── PartOutOfRange            beyond the last part
├── ResourceExhausted
│   ├── DailyLimitExceeded        wait for tomorrow
│   └── TooManyOpenUploads        complete or abort one
├── NotFound
│   └── UploadNotFound            no such session of this viewer
└── FailedPrecondition
    ├── UploadNotOpen             the session has ended
    ├── MissingParts              send the parts whose numbers are listed
    ├── SizeMismatch              send parts of the right size
    └── ChecksumMismatch          send the parts whose numbers are listed again
"""

from __future__ import annotations

from mesh.errors import FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted


class DurationTooShort(InvalidArgument):
    """The clip is shorter than the shortest that we take."""

    reason = "DURATION_TOO_SHORT"


class DurationTooLong(InvalidArgument):
    """The clip is longer than the longest that we take."""

    reason = "DURATION_TOO_LONG"


class FileTooLarge(InvalidArgument):
    """The file is larger than the limit."""

    reason = "FILE_TOO_LARGE"


class UnsupportedContentType(InvalidArgument):
    """The declared type is not one that we take."""

    reason = "UNSUPPORTED_CONTENT_TYPE"


class KindNotSupported(InvalidArgument):
    """Live recordings are not taken yet."""

    reason = "KIND_NOT_SUPPORTED"


class PartOutOfRange(InvalidArgument):
    """The part number is beyond the last part."""

    reason = "PART_OUT_OF_RANGE"


class DailyLimitExceeded(ResourceExhausted):
    """The day's uploads are used up."""

    reason = "DAILY_LIMIT_EXCEEDED"


class TooManyOpenUploads(ResourceExhausted):
    """Too many sessions are open; complete or abort one."""

    reason = "TOO_MANY_OPEN_UPLOADS"


class UploadNotFound(NotFound):
    """No such session of this viewer."""

    reason = "UPLOAD_NOT_FOUND"


class UploadNotOpen(FailedPrecondition):
    """The session has ended."""

    reason = "UPLOAD_NOT_OPEN"


class MissingParts(FailedPrecondition):
    """Parts are missing; their numbers are listed in part_numbers."""

    reason = "MISSING_PARTS"


class SizeMismatch(FailedPrecondition):
    """The bytes are more or fewer than declared."""

    reason = "SIZE_MISMATCH"


class ChecksumMismatch(FailedPrecondition):
    """A part's checksum is not the declared one."""

    reason = "CHECKSUM_MISMATCH"
