"""Files as uploads see them: kind, digest, parts."""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path

MIME_TYPES = {
    ".mkv": "video/x-matroska",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".avi": "video/x-msvideo",
}


def mime_type(file: Path) -> str:
    """By the ending of the name, which is all that a client knows."""
    return MIME_TYPES.get(file.suffix.lower()) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"


def read(file: Path, start: int, size: int) -> bytes:
    """Bytes of one part."""
    with file.open("rb") as content:
        content.seek(start)
        return content.read(size)


def sha256(file: Path) -> str:
    """Digest of the whole file, as hex."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
