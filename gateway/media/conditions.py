"""Conditional requests (RFC 9110, section 13): which copies are still good. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from mesh.stores.blobs.port import BlobInfo

_TAG = re.compile(r'(?:W/)?"[^"]*"')


def entity_tag(info: BlobInfo) -> str:
    """The object's checksum as a strong entity tag."""
    return f'"{info.etag}"'


def last_modified(info: BlobInfo) -> str:
    """When the object was written, as an HTTP date."""
    return format_datetime(datetime.fromtimestamp(info.modified_at_ms // 1000, UTC), usegmt=True)


def not_modified(info: BlobInfo, headers: Mapping[str, str]) -> bool:
    """True when the client's copy is good: If-None-Match decides (weakly compared), If-Modified-Since only without it."""
    tags = headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or entity_tag(info) in {tag.removeprefix("W/") for tag in _TAG.findall(tags)}
    since = _date(headers.get("if-modified-since", ""))
    return since is not None and info.modified_at_ms // 1000 <= since.timestamp()


def range_applies(info: BlobInfo, headers: Mapping[str, str]) -> bool:
    """False when If-Range names another version of the object: the client then wants the whole new one."""
    condition = headers.get("if-range")
    return condition is None or condition.strip() in {entity_tag(info), last_modified(info)}


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
