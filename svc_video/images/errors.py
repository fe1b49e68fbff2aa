"""Errors of pictures.

MeshError
├── InvalidArgument
│   ├── PictureTooLarge      more bytes than a picture may have
│   └── RefusedImage         the bytes are none that we take; the reason says why
│       ├── UnsupportedImage     no JPEG, PNG or WebP
│       ├── CorruptImage         cannot be decoded
│       ├── AnimatedImage        moves
│       ├── TooManyPixels        takes more to decode than a picture may
│       └── TooFewPixels         too small to be shown
├── ResourceExhausted
│   ├── DailyLimitExceeded   wait for tomorrow
│   └── TooManyImages        complete one, or wait until those of before are gone
├── NotFound
│   └── ImageNotFound        no such picture of this viewer
└── FailedPrecondition
    ├── ImageNotOpen         its time is over, or another one took its place
    └── ImageNotSent         send the bytes first
"""

from __future__ import annotations

from mesh.errors import FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted


class PictureTooLarge(InvalidArgument):
    """The file is larger than a picture may be."""

    reason = "FILE_TOO_LARGE"


class RefusedImage(InvalidArgument):
    """The bytes are none that we take."""

    reason = "CORRUPT_IMAGE"


class UnsupportedImage(RefusedImage):
    """The bytes are no JPEG, PNG or WebP, whatever the file is called."""

    reason = "UNSUPPORTED_IMAGE"


class CorruptImage(RefusedImage):
    """The picture cannot be decoded."""

    reason = "CORRUPT_IMAGE"


class AnimatedImage(RefusedImage):
    """The picture moves; send one that stands still."""

    reason = "ANIMATED_IMAGE"


class TooManyPixels(RefusedImage):
    """The picture takes more to decode than a picture may."""

    reason = "TOO_MANY_PIXELS"


class TooFewPixels(RefusedImage):
    """The picture is too small to be shown."""

    reason = "TOO_FEW_PIXELS"


class DailyLimitExceeded(ResourceExhausted):
    """The day's pictures are used up."""

    reason = "DAILY_LIMIT_EXCEEDED"


class TooManyImages(ResourceExhausted):
    """Too many pictures are under way or not removed yet."""

    reason = "TOO_MANY_OPEN_UPLOADS"


class ImageNotFound(NotFound):
    """No such picture of this viewer."""

    reason = "IMAGE_NOT_FOUND"


class ImageNotOpen(FailedPrecondition):
    """The picture's time is over, or another one took its place."""

    reason = "IMAGE_NOT_OPEN"


class ImageNotSent(FailedPrecondition):
    """The bytes did not come, or not as many as were declared."""

    reason = "IMAGE_NOT_SENT"


_REFUSALS = {kind.reason: kind for kind in (UnsupportedImage, CorruptImage, AnimatedImage, TooManyPixels, TooFewPixels)}


def refusal_of(code: str) -> RefusedImage:
    """The error that a stored code stands for."""
    return _REFUSALS.get(code, CorruptImage)()
