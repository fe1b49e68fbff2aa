"""How urgent a request is, and whose it is: told from its bytes alone, believing nobody."""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from graphql import OperationType

from gateway.admission import SIGN_UPS
from gateway.execution.documents import Documents, Invalid, Operation
from gateway.viewers import SESSION_COOKIE
from mesh.access import Priority

GRAPHQL: Final = "/graphql"
_FIELDS: Final[Mapping[str, Priority]] = {
    "video": Priority.PLAYBACK,
    "upload": Priority.WRITE,
    "uploads": Priority.WRITE,
    "search": Priority.SEARCH,
    "trending": Priority.SEARCH,
    "analytics": Priority.ANALYTICS,
}
"""Root fields of queries; all others are as urgent as the feed."""
_PATHS: Final = ((GRAPHQL, Priority.FEED), ("/upload/", Priority.WRITE), ("/tus", Priority.WRITE))
"""Beginnings of paths; all others (media, sign-in, pages) are as urgent as playback."""
_SESSION: Final = re.compile(rb"(?:^|;) *%b=([^.;]+)" % SESSION_COOKIE.encode())


def priority_of(operation: Operation) -> Priority:
    """As its least urgent root field."""
    if operation.kind is OperationType.MUTATION:
        return Priority.PLAYBACK if SIGN_UPS.issuperset(operation.root_fields) else Priority.WRITE
    return max((_FIELDS.get(name, Priority.FEED) for name in operation.root_fields), default=Priority.FEED)


def says_in_body(method: str, path: str) -> bool:
    """Whether the body tells how urgent a request is."""
    return method == "POST" and path == GRAPHQL


def priority_of_path(method: str, path: str) -> Priority:
    """Of what is not told by a body."""
    if method == "OPTIONS":
        # A page of another origin asks this before it may read any answer, also the one that tells it when to come again.
        return Priority.PLAYBACK
    return next((priority for beginning, priority in _PATHS if path.startswith(beginning)), Priority.PLAYBACK)


def priority_of_body(body: bytes, documents: Documents, text_of: Callable[[str], str]) -> Priority:
    """Of a known document: to read another one would be most of the work that is to be saved. `text_of` knows some by their hash."""
    try:
        asked: Any = orjson.loads(body)
        document = documents.known(asked.get("query") or text_of(asked["extensions"]["persistedQuery"]["sha256Hash"]))
        return priority_of(document.operation(asked.get("operationName"))) if document is not None else Priority.FEED
    except (ValueError, KeyError, TypeError, AttributeError, Invalid):
        return Priority.FEED


def person_of(fields: Mapping[bytes, bytes], address: str) -> str:
    """Whom a request is for, by the word that mesh.interceptors.limit has for them: the person, else the session; else what is most like one.

    Whoever invents one is drawn a level like everybody, and is found out once the request is begun.
    """
    token = fields.get(b"authorization")
    if token:
        return _subject(token) or token.decode("latin-1")
    cookie = fields.get(b"cookie")
    if cookie:
        session = _SESSION.search(cookie)
        return (session[1] if session is not None else cookie).decode("latin-1")
    return fields.get(b"x-forwarded-for", b"").decode("latin-1") or address


def _subject(token: bytes) -> str:
    try:
        _, payload, _ = token.split(b".")
        return str(orjson.loads(urlsafe_b64decode(payload + b"=="))["sub"])
    except (ValueError, KeyError, TypeError, binascii.Error):
        return ""
