"""GraphQL in responses that go on, one operation each: server-sent events, multipart answers, multipart subscriptions."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import OperationType
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.errors import INTERNAL_MESSAGE, Fault, fault_of
from gateway.execution.documents import Invalid
from gateway.execution.engine import Plan, refusal_of
from gateway.protocols.connections import Connections, TooManyConnections
from gateway.protocols.negotiation import Media
from gateway.protocols.running import Running
from gateway.protocols.spelling import spelling_of
from gateway.viewers import Viewer, Viewers
from mesh.clock import Clock
from mesh.errors import Unavailable
from mesh.tokens import InvalidAccessToken

_log = logging.getLogger("clipmesh.gateway")

_SHORTEST_WAIT_S = 0.05


@dataclass(frozen=True, slots=True)
class _Failed:
    """What ends a stream and is no result of its operation."""

    body: dict[str, Any]


_Said = dict[str, Any] | _Failed | None
"""What a stream says next; None when it is over."""


class EventStreams:
    """Makes the responses that go on."""

    def __init__(
        self, *, running: Running, viewers: Viewers, clock: Clock, connections: Connections, keepalive_s: float, stall_s: float
    ) -> None:
        self.running = running
        self.viewers = viewers
        self.clock = clock
        self.connections = connections
        self.keepalive_s = keepalive_s
        self.stall_s = stall_s

    def response(self, plan: Plan | Invalid, viewer: Viewer, request_id: str, headers: Mapping[str, str], media: Media) -> Response:
        """The response that streams an operation; what speaks against it comes as its first event, since browsers hide other statuses."""
        return _EventStream(self, _Asked(plan=plan, viewer=viewer, request_id=request_id, media=media), headers)

    def wait_s(self, viewer: Viewer) -> float:
        """Until the next ping, or until the token ends when that is sooner."""
        if not viewer.expires_at_ms:
            return self.keepalive_s
        return max(_SHORTEST_WAIT_S, min(self.keepalive_s, (viewer.expires_at_ms - self.clock.now_ms()) / 1000))

    async def renewed(self, viewer: Viewer) -> Viewer:
        """The viewer of a stream that may go on, as it counts now. Raises Fault when the stream has to end."""
        try:
            return await self.viewers.renewed(viewer)
        except InvalidAccessToken as error:
            raise fault_of(error) from error
        except Unavailable:
            # Nobody can tell at this moment: the token was good, and ends within minutes by itself.
            if viewer.expires_at_ms <= self.clock.now_ms():
                raise Fault("UNAUTHENTICATED", "the token is expired") from None
            return viewer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One operation, by whom, and how it is answered."""

    plan: Plan | Invalid
    viewer: Viewer
    request_id: str
    media: Media


class _EventStream(Response):
    def __init__(self, streams: EventStreams, asked: _Asked, headers: Mapping[str, str]) -> None:
        super().__init__(headers={**headers, "content-type": asked.media.content_type, "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._streams = streams
        self._plan = asked.plan
        self._viewer = asked.viewer
        self._request_id = asked.request_id
        self._form = asked.media.form
        self._spelling = spelling_of(asked.media)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with self._streams.connections.one(self._viewer.address):
                await self._stream(receive, send)
        except TooManyConnections:
            fault = Fault("UNAVAILABLE", "too many streams are open; try again", retry_after_ms=1_000)
            body = orjson.dumps(refusal_of([fault], self._request_id))
            response = Response(body, status_code=503, headers={"retry-after": "1", "content-type": Media.JSON.content_type})
            await response(scope, receive, send)

    async def _stream(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        # Room for one: the source waits for a slow reader, and hints are merged meanwhile.
        queue: asyncio.Queue[_Said] = asyncio.Queue(1)
        filling = asyncio.create_task(self._fill(queue))
        gone = asyncio.create_task(_until_gone(receive))
        try:
            await self._pump(queue, gone, send)
        except TimeoutError:
            return
        finally:
            gone.cancel()
            filling.cancel()
            await asyncio.gather(filling, gone, return_exceptions=True)

    async def _pump(self, queue: asyncio.Queue[_Said], gone: asyncio.Task[None], send: Send) -> None:
        spelling = self._spelling
        taking: asyncio.Task[_Said] = asyncio.create_task(queue.get())
        try:
            await self._send(send, spelling.begin)
            while not gone.done():
                await asyncio.wait({taking, gone}, timeout=self._streams.wait_s(self._viewer), return_when=asyncio.FIRST_COMPLETED)
                if taking.done():
                    body = taking.result()
                    if body is None:
                        break
                    await self._send(send, spelling.failed(body.body) if isinstance(body, _Failed) else spelling.body(body))
                    taking = asyncio.create_task(queue.get())
                elif not gone.done():
                    try:
                        await self._streams.renewed(self._viewer)
                    except Fault as fault:
                        await self._send(send, spelling.failed(refusal_of([fault], self._request_id)))
                        break
                    await self._send(send, spelling.ping)
            if not gone.done():
                await self._send(send, spelling.end)
                await send({"type": "http.response.body", "body": b""})
        finally:
            taking.cancel()

    async def _send(self, send: Send, data: bytes) -> None:
        if not data:
            return
        async with asyncio.timeout(self._streams.stall_s):
            await send({"type": "http.response.body", "body": data, "more_body": True})

    async def _fill(self, queue: asyncio.Queue[_Said]) -> None:
        try:
            async with contextlib.aclosing(self._bodies()) as bodies:
                async for body in bodies:
                    await queue.put(body)
        except Exception as error:
            _log.exception("a stream failed", extra={"error_type": type(error).__name__})
            await queue.put(_Failed(refusal_of([Fault("INTERNAL", INTERNAL_MESSAGE)], self._request_id)))
        # Whatever ended it, nobody may wait for more.
        await queue.put(None)

    async def _bodies(self) -> AsyncGenerator[dict[str, Any], None]:
        plan, running = self._plan, self._streams.running
        try:
            if isinstance(plan, Invalid):
                raise plan
            if plan.kind is OperationType.SUBSCRIPTION:
                follow = running.engine.follow(plan, lambda: running.contexts.make(self._viewer, self._request_id))
                async with contextlib.aclosing(follow) as bodies:
                    async for body in bodies:
                        yield body
            elif self._form is not None and plan.defers:
                async with contextlib.aclosing(running.parts(plan, self._viewer, self._request_id, self._form)) as parts:
                    async for part in parts:
                        yield part
            else:
                yield await running.answer(plan, self._viewer, self._request_id)
        except Invalid as invalid:
            yield refusal_of(invalid.errors, self._request_id)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
