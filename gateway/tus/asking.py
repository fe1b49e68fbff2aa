"""One request of the tus door, and who asks it."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

from gateway.context import Context
from gateway.tus.body import Body

_COLLECTION_METHODS = "OPTIONS, POST"
_UPLOAD_METHODS = "OPTIONS, HEAD, PATCH, DELETE"
_ID_DIGITS = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request."""

    scope: Scope
    headers: Headers
    method: str
    """The one that counts: some clients can send nothing but POST and name it in a header."""
    body: Body

    @property
    def upload_id(self) -> int | None:
        """The session of the address, None for the collection. An id that cannot be is 0, which nobody has."""
        text: str | None = self.scope["path_params"].get("upload_id")
        if text is None:
            return None
        return int(text) if text.isascii() and text.isdigit() and len(text) < _ID_DIGITS + 1 and int(text) < 2**63 else 0

    @property
    def methods(self) -> str:
        """What may be asked here."""
        return _COLLECTION_METHODS if self.upload_id is None else _UPLOAD_METHODS


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A request of somebody who is signed in."""

    call: Call
    context: Context
    patient: Context
    """The same with time for what takes long."""
