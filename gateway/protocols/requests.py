"""A request whose headers are looked up by name: a dozen of them are asked for, and each would be a walk through all that came."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request


class NamedHeaders(Headers):
    """Headers as Starlette has them, the first of a name at hand."""

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        super().__init__(raw=raw)
        self._first = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(raw)}

    def __getitem__(self, key: str) -> str:
        return self._first[key.lower()]

    def __contains__(self, key: Any) -> bool:
        return key.lower() in self._first

    def get(self, key: str, default: Any = None) -> Any:
        """The first value of a name."""
        return self._first.get(key.lower(), default)


class ClientRequest(Request):
    """One request of a client."""

    @property
    def headers(self) -> Headers:
        """See Starlette; names in any letters."""
        if not hasattr(self, "_headers"):
            self._headers: Headers = NamedHeaders(list(self.scope["headers"]))
        return self._headers
