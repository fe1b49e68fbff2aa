"""What tus says in headers, read strictly."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

from clipmesh.video.v1 import upload_service_pb2

from gateway.media.problems import Problem

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,checksum,expiration"
BODY_TYPE = "application/offset+octet-stream"
ALGORITHMS: Mapping[str, int] = {"sha1": 20, "sha256": 32, "md5": 16}
"""Checksum algorithm -> bytes of its digest; the protocol asks for SHA-1."""

_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_METADATA_CHARACTERS = 4_096
_MOST_PIXELS = 65_535
_UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """What a body has to be."""

    algorithm: str
    digest: bytes

    def matches(self, digest: bytes) -> bool:
        """True for the same bytes."""
        return digest == self.digest


def number_in(headers: Mapping[str, str], name: str) -> int:
    """A header that is a whole number. Raises Problem."""
    text = headers.get(name, "")
    if not _NUMBER.fullmatch(text):
        raise bad_header(name, "has to be a whole number")
    return int(text)


def body_bytes_in(headers: Mapping[str, str]) -> int | None:
    """How long the body says it is; None when it comes in chunks. Raises Problem."""
    if "transfer-encoding" in headers:
        return None
    return number_in(headers, "content-length") if "content-length" in headers else 0


def checksum_in(headers: Mapping[str, str]) -> Checksum | None:
    """The announced checksum of the body, None without one. Raises Problem."""
    text = headers.get("upload-checksum")
    if text is None:
        return None
    algorithm, _, encoded = text.partition(" ")
    if algorithm not in ALGORITHMS:
        raise Problem(HTTPStatus.BAD_REQUEST, "CHECKSUM_UNSUPPORTED", f"Upload-Checksum takes one of {', '.join(ALGORITHMS)}.")
    try:
        digest = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != ALGORITHMS[algorithm]:
        raise bad_header("Upload-Checksum", f"is not the base64 of a digest of {algorithm}")
    return Checksum(algorithm=algorithm, digest=digest)


def digest_of(checksum: Checksum) -> hashlib._Hash:
    """A running digest of the announced kind."""
    return hashlib.new(checksum.algorithm, usedforsecurity=False)


def start_of(headers: Mapping[str, str]) -> upload_service_pb2.StartUploadRequest:
    """The session that a creation asks for. Raises Problem.

    Upload-Metadata takes `filetype` (or `mime_type`), `duration_ms`, `width`, `height`, `sha256` (64 hex digits), and `request_id`, which makes
    the creation repeatable; whatever else is there is for the client alone.
    """
    if "upload-defer-length" in headers:
        raise bad_header("Upload-Defer-Length", "is not taken: the size has to be known from the beginning on")
    if "upload-concat" in headers:
        raise bad_header("Upload-Concat", "is not taken: each upload is a clip, send the parts of one file to one address")
    size_bytes = number_in(headers, "upload-length")
    told = metadata_in(headers)
    sha256 = told.get("sha256", "")
    if sha256 and not _SHA256.fullmatch(sha256):
        raise bad_metadata("sha256 has 64 hex digits")
    return upload_service_pb2.StartUploadRequest(
        request_id=told.get("request_id") or uuid.uuid4().hex,
        size_bytes=size_bytes,
        mime_type=told.get("filetype") or told.get("mime_type") or _UNKNOWN_TYPE,
        duration_ms=_told_number(told, "duration_ms"),
        width=_told_number(told, "width", most=_MOST_PIXELS),
        height=_told_number(told, "height", most=_MOST_PIXELS),
        sha256=bytes.fromhex(sha256),
        kind=upload_service_pb2.UPLOAD_KIND_VIDEO,
    )


def metadata_in(headers: Mapping[str, str]) -> dict[str, str]:
    """Upload-Metadata: `key base64,key base64`; a key may stand alone. Raises Problem."""
    text = headers.get("upload-metadata", "")
    if len(text) > _METADATA_CHARACTERS:
        raise bad_metadata(f"more than {_METADATA_CHARACTERS} characters")
    told: dict[str, str] = {}
    for pair in filter(None, (pair.strip() for pair in text.split(","))):
        key, _, encoded = pair.partition(" ")
        try:
            value = base64.b64decode(encoded.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            raise bad_metadata(f"the value of {key[:40]!r} is no base64 of UTF-8") from None
        if key in told:
            raise bad_metadata(f"{key[:40]!r} is there twice")
        told[key] = value
    return told


def metadata_of(upload: upload_service_pb2.Upload) -> str:
    """What the session keeps of Upload-Metadata."""
    return f"filetype {base64.b64encode(upload.mime_type.encode()).decode()}"


def moment(at_ms: int) -> str:
    """A date as HTTP writes it."""
    return formatdate(at_ms / 1000, usegmt=True)


def bad_header(name: str, why: str) -> Problem:
    """A header that cannot be."""
    return Problem(HTTPStatus.BAD_REQUEST, "BAD_HEADER", f"{name} {why}.")


def bad_metadata(why: str) -> Problem:
    """Upload-Metadata that cannot be."""
    return Problem(HTTPStatus.BAD_REQUEST, "BAD_METADATA", f"Upload-Metadata: {why}.")


def _told_number(told: Mapping[str, str], key: str, *, most: int = 10**15) -> int:
    text = told.get(key, "")
    if not text:
        return 0
    if not _NUMBER.fullmatch(text) or int(text) > most:
        raise bad_metadata(f"{key} has to be a whole number of at most {most}")
    return int(text)
