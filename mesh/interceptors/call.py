"""What the interceptors hand along: the method, the call at hand, and the shape of a handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from google.protobuf.message import Message

from mesh.access import Access


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One RPC method as it is served."""

    service: str
    """Full proto name, for example clipmesh.video.v1.UploadService."""
    name: str
    request_type: type[Message]
    access: Access

    @property
    def path(self) -> str:
        """The method's path on the wire."""
        return f"/{self.service}/{self.name}"


@dataclass(slots=True)
class Call:
    """One call at hand."""

    context: grpc.aio.ServicerContext[Any, Any]
    metadata: Mapping[str, str | bytes]
    code: grpc.StatusCode = grpc.StatusCode.OK
    """What was answered; the error mapping sets it."""
    reason: str = ""
    caller: str = ""

    def text(self, key: str) -> str:
        """A metadata value as text; empty when absent."""
        value = self.metadata.get(key, "")
        return value if isinstance(value, str) else ""


Handler = Callable[[Any, Call], Awaitable[Any]]
"""Takes the request (bytes before parsing, a message after it) and answers the serialised response."""


class Interceptor(Protocol):
    """One concern of the chain."""

    def wrap(self, method: Method, inner: Handler) -> Handler:
        """The handler that does this concern's work around `inner`; called once per method at start."""
        ...
