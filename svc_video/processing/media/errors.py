"""What can go wrong with a creator's media.

MediaError
├── MediaRejected         the bytes are unusable: terminal, tell the creator the reason, never retry
└── MediaToolFailed       a media tool crashed or answered nonsense: retry, then dead-letter with its stderr tail
    ├── MediaToolTimedOut it ran past its wall clock: the machine may have been busy
    ├── MediaToolOverLimit it used up its CPU seconds, memory or output: where it decodes, the bytes are to blame, busy machines are not
    └── MediaToolMissing  it is not installed or not executable: no retry on this machine helps
"""

import contextlib
from collections.abc import Iterator
from enum import StrEnum


class RejectReason(StrEnum):
    """Stable words that reach the creator; the text beside them may change."""

    CORRUPT_MEDIA = "CORRUPT_MEDIA"
    NO_VIDEO = "NO_VIDEO"
    UNSUPPORTED_CONTAINER = "UNSUPPORTED_CONTAINER"
    UNSUPPORTED_CODEC = "UNSUPPORTED_CODEC"
    TOO_MANY_PIXELS = "TOO_MANY_PIXELS"
    TOO_FEW_PIXELS = "TOO_FEW_PIXELS"
    TOO_MANY_STREAMS = "TOO_MANY_STREAMS"
    UNSUPPORTED_ASPECT_RATIO = "UNSUPPORTED_ASPECT_RATIO"
    FPS_OUT_OF_RANGE = "FPS_OUT_OF_RANGE"
    DURATION_TOO_SHORT = "DURATION_TOO_SHORT"
    DURATION_TOO_LONG = "DURATION_TOO_LONG"


class MediaError(Exception):
    """Base of everything this package raises on purpose."""


class MediaRejected(MediaError):
    """The bytes cannot become a clip; no retry will change that."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class MediaToolFailed(MediaError):
    """A media tool ended badly for a reason that is not known to lie in the bytes."""

    def __init__(self, tool: str, *, problem: str, stderr_tail: str = "", exit_code: int | None = None) -> None:
        super().__init__(f"{tool}: {problem}" + (f"\n{stderr_tail}" if stderr_tail else ""))
        self.tool = tool
        self.problem = problem
        self.exit_code = exit_code
        """Negative: the number of the signal that killed it; None: it never ran or was killed by us."""
        self.stderr_tail = stderr_tail


class MediaToolTimedOut(MediaToolFailed):
    """The tool used up its wall clock and its whole process group was killed."""


class MediaToolOverLimit(MediaToolFailed):
    """The tool used up its CPU seconds, memory, file size or output and was ended."""


class MediaToolMissing(MediaToolFailed):
    """The tool cannot be started on this machine."""


@contextlib.contextmanager
def blaming_the_bytes() -> Iterator[None]:
    """Around tools that decode what a creator sent: who needs more than a clip may need is refused, not tried again."""
    try:
        yield
    except MediaToolOverLimit as error:
        raise MediaRejected(RejectReason.CORRUPT_MEDIA, f"{error}: decoding takes more than a clip may need") from error
