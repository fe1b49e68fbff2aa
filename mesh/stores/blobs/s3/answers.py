"""What the store answers, read: heads, listings, XML."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from minio.datatypes import Object
from urllib3.response import BaseHTTPResponse

from mesh.stores.blobs.port import BlobInfo, OpenMultipart
from mesh.stores.blobs.s3.errors import FAILURES, StoreUnreachable, port_error

A = TypeVar("A")
T = TypeVar("T")

_DEFAULT_TYPE = "application/octet-stream"
_TYPE_OF_NONE = "binary/octet-stream"
"""What S3 says of an object that came without a type."""


def read_some(response: BaseHTTPResponse, size_bytes: int) -> bytes:
    """The next bytes of an opened object, fewer only at its end."""
    try:
        return response.read(size_bytes, decode_content=False)
    except FAILURES as error:
        raise port_error(error) from error


def extent(answer: BaseHTTPResponse) -> tuple[int, int, int]:
    """Size of the whole object, and [begin, end) of what comes."""
    ranged = answer.headers.get("content-range", "")
    if answer.status == 206 and ranged.startswith("bytes "):
        span, _, size = ranged.removeprefix("bytes ").partition("/")
        first, _, last = span.partition("-")
        return int(size), int(first), int(last) + 1
    size_bytes = int(answer.headers.get("content-length", "0"))
    return size_bytes, 0, size_bytes


def info_of(key: str, answer: BaseHTTPResponse, size_bytes: int) -> BlobInfo:
    """What the head of an answer says of an object."""
    content_type = answer.headers.get("content-type") or _DEFAULT_TYPE
    return BlobInfo(
        key=key,
        size_bytes=size_bytes,
        etag=etag_of(answer.headers.get("etag")),
        content_type=_DEFAULT_TYPE if content_type == _TYPE_OF_NONE else content_type,
        modified_at_ms=http_ms(answer.headers.get("last-modified")),
    )


def listed(one: Object) -> BlobInfo:
    """What a listing says of an object, which is not its type."""
    # Heads know whole seconds only; an object has one time, wherever it is read.
    modified_at_ms = int(one.last_modified.timestamp()) * 1000 if one.last_modified else 0
    return BlobInfo(
        key=one.object_name or "", size_bytes=one.size or 0, etag=one.etag or "", content_type="", modified_at_ms=modified_at_ms
    )


def etag_of(text: str | None) -> str:
    """A tag without its quotes."""
    return (text or "").replace('"', "")


def http_ms(text: str | None) -> int:
    """A time of HTTP."""
    try:
        return int(parsedate_to_datetime(text or "").timestamp()) * 1000
    except ValueError:
        raise StoreUnreachable("the store says no time") from None


def md5_header(body: bytes) -> str:
    """The checksum that S3 wants with some bodies."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def xml_of(answer: BaseHTTPResponse) -> ElementTree.Element:
    """An answer as XML."""
    return read_answer(lambda whole: ElementTree.fromstring(whole.data), answer)  # noqa: S314 from our own store, as the client reads it


def read_answer(parse: Callable[[A], T], answer: A) -> T:
    """What a reader makes of an answer. Raises StoreUnreachable for one that is cut or changed."""
    try:
        return parse(answer)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise StoreUnreachable("the answer of the store cannot be read") from error


def tag(element: ElementTree.Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def length_of(answer: BaseHTTPResponse) -> int:
    """The length of a body that may not come."""
    return read_answer(lambda whole: int(whole.headers.get("content-length", "0")), answer)


def upload_of(entry: ElementTree.Element, *, quoted: bool) -> OpenMultipart:
    """One upload of a listing. Raises ValueError, LookupError."""
    facts = {tag(fact): fact.text or "" for fact in entry}
    started = datetime.fromisoformat(facts["Initiated"].replace("Z", "+00:00"))
    key = unquote_plus(facts["Key"]) if quoted else facts["Key"]
    return OpenMultipart(key=key, upload_ref=facts["UploadId"], started_at_ms=int(started.timestamp() * 1000))
