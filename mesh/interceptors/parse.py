"""Parses the request: done here and not by gRPC, which would answer malformed bytes with UNKNOWN and the exception's text."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from mesh.errors import MalformedRequest
from mesh.interceptors.call import Call, Handler, Method


class Parse:
    """Bytes in, a message of the method's request type inward."""

    def wrap(self, method: Method, inner: Handler) -> Handler:
        """The handler that is given a message."""
        from_string = method.request_type.FromString

        async def parsed(request: Any, call: Call) -> Any:
            try:
                message = from_string(request)
            except DecodeError:
                raise MalformedRequest from None
            return await inner(message, call)

        return parsed
