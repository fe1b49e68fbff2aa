"""Requires a deadline, clamps it to the method's longest, and makes it the ambient deadline of everything inside."""

from __future__ import annotations

import asyncio
from typing import Any

from mesh import deadline
from mesh.errors import DeadlineExceeded, DeadlineRequired
from mesh.interceptors.call import Call, Handler, Method


class BoundDeadline:
    """A call without an end would hold its place for ever."""

    def wrap(self, method: Method, inner: Handler) -> Handler:
        """The handler inside its deadline."""
        longest_s = method.access.max_deadline_ms / 1000

        async def bounded(request: Any, call: Call) -> Any:
            remaining_s = call.context.time_remaining()
            if remaining_s is None:
                raise DeadlineRequired
            if remaining_s <= 0:
                raise DeadlineExceeded
            if remaining_s <= longest_s:
                # gRPC itself cancels the handler when the caller's own deadline passes.
                with deadline.scope(remaining_s):
                    return await inner(request, call)
            with deadline.scope(longest_s):
                try:
                    async with asyncio.timeout(longest_s) as clamp:
                        return await inner(request, call)
                except TimeoutError:
                    if clamp.expired():
                        raise DeadlineExceeded(max_deadline_ms=method.access.max_deadline_ms) from None
                    raise

        return bounded
