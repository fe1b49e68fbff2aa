"""HTTP/1.1 of uvicorn with bounds: heads that come in time, small and clear, readers that read, and nothing left running for who is gone."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from gateway.media.problems import Problem
from gateway.wire.heads import unclear
from gateway.wire.peers import BODY_READ_BYTES, READ_BYTES, Cut, Door, Patience, PeerState, Reader, read_at_once
from gateway.wire.whole import whole

UPGRADE_REFUSED = (HTTPStatus.BAD_REQUEST, "UPGRADE_REFUSED", "That opens no socket.")


def spelled(problem: Problem) -> bytes:
    """A refusal as it goes over the wire, for who is asked by no application."""
    body = problem.body()
    head = (
        f"HTTP/1.1 {problem.status.value} {problem.status.phrase}\r\ncontent-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


HELD_BYTES = 64 * 1024
"""Of a body that is waited for before its request is begun: uvicorn reads no further by itself."""
HELD_MS = 1_000


class _Refused(Exception):
    """Ends the parsing of a request; the answer is made from the protocol's own notes."""


class GuardedHTTP(HttpToolsProtocol):
    """One connection; an answer that is refused here is problem+json as everywhere."""

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        assert isinstance(server_state, PeerState)
        self._peers = server_state.peers
        self._limits = server_state.peers.limits
        self._in_head = True
        self._bare_bytes = self._rest_bytes = 0
        self._why = (HTTPStatus.BAD_REQUEST, "MALFORMED", "That is no HTTP/1.1.")
        self._running: RequestResponseCycle | None = None
        self._head = Patience(self.loop, self._head_too_slow)
        self._rest = Patience(self.loop, self._rest_too_much)
        self._held: tuple[RequestResponseCycle, Any] | None = None
        self._hold = Patience(self.loop, self._decide)
        self._between = True
        """Whether the parser has begun no message."""
        self._admitted = False
        self._refused_at_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._reader = Reader(self.loop, self._peers, transport)
        full = self._peers.enter(transport, self.client[0] if self.client else "")
        if full:
            self._peers.cut(full)
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "OVERLOADED", "Too many connections are open; try again.")
        else:
            self._head.start(self._limits.head_ms)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head, self._rest, self._hold):
            timer.stop()
        self._held = None
        self._reader.took()
        self._peers.leave(self.transport)
        # uvicorn tells the newest request alone; one that is answered, or waits, before it would never hear of it.
        for cycle in (self._running, *(waiting for waiting, _ in self.pipeline)):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        door = self._peers.door
        if door is not None and not door.open and self._answered_at_once(door, data):
            return
        self._bare_bytes += len(data)
        if self._in_head:
            self._head.start(self._limits.head_ms)
        elif self._answered:
            self._rest_bytes += len(data)
        super().data_received(data)
        self._admitted = False
        if self.transport.is_closing():
            return
        if self._bare_bytes > self._limits.head_bytes:
            self._peers.cut(Cut.HEAD_LARGE)
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "HEAD_TOO_LARGE", "The head is too large.")
        elif self._rest_bytes > self._limits.rest_bytes:
            self._rest_too_much()

    def _answered_at_once(self, door: Door, data: bytes) -> bool:
        """Turn a request away that came whole, before anything is spent on it; false when it goes the ordinary way."""
        if not self._between or not self._all_answered or self.flow.write_paused or self.transport.is_closing():
            return False
        asked = whole(data, most_fields=self._limits.head_fields)
        if asked is None:
            return False
        refusal = door.turns_away(asked.method, asked.path, asked.fields, self.client[0] if self.client else "", asked.body)
        if refusal is None:
            self._admitted = True
            return False
        self._head.stop()
        self._bare_bytes = self._rest_bytes = 0
        self._refused_at_s = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        self.server_state.total_requests += 1
        self.transport.write(refusal.whole)
        return True

    def timeout_keep_alive_handler(self) -> None:
        # Setting the timer anew would cost more than the refusal that it is set for.
        left_s = self._refused_at_s + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left_s, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    @property
    def _all_answered(self) -> bool:
        return (self.cycle is None or self.cycle.response_complete) and not self.pipeline and self._held is None

    @property
    def _answered(self) -> bool:
        return self.cycle is not None and self.cycle.response_complete

    # What the parser finds.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._between = False
        self._head.start(self._limits.head_ms)

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers come after the body: whoever looked at the head has decided already.
        if self._in_head:
            super().on_header(name, value)
            if len(self.headers) > self._limits.head_fields:
                self._stop(Cut.HEAD_LARGE, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "HEAD_TOO_LARGE", "The head has too many fields.")

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._bare_bytes = self._rest_bytes = 0
        self._head.stop()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > self._limits.head_bytes:
            self._stop(Cut.HEAD_LARGE, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "HEAD_TOO_LARGE", "The head is too large.")
        why = unclear(self.headers, version=self.parser.get_http_version(), url=self.url)
        if why:
            self._stop(Cut.HEAD_UNCLEAR, HTTPStatus.BAD_REQUEST, "AMBIGUOUS_REQUEST", f"{why[0].upper()}{why[1:]}.")
        if len(self.pipeline) >= self._limits.waiting:
            # Each answer lets uvicorn read on: without a bound the queue grows as long as somebody sends.
            self._stop(Cut.FLOOD, HTTPStatus.TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS", "Wait for answers before you ask more.")
        if self.parser.should_upgrade() and self._should_upgrade() and self.parser.get_method() != b"GET":
            self._stop(Cut.HEAD_UNCLEAR, *UPGRADE_REFUSED)
        super().on_headers_complete()
        read_at_once(self.transport, BODY_READ_BYTES)
        if self.parser.should_upgrade() and not self._should_upgrade():
            # We go on in HTTP/1.1; what comes behind the head may be meant for the other protocol.
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._bare_bytes = 0
        super().on_body(body)
        if self._held is not None and len(self._held[0].body) > HELD_BYTES // 2:
            self._decide()

    def on_message_complete(self) -> None:
        self._in_head = self._between = True
        self._bare_bytes = 0
        read_at_once(self.transport, READ_BYTES)
        self._rest.stop()
        super().on_message_complete()
        if self._held is not None and self._held[0] is self.cycle:
            self._decide()

    # What applications and readers do.

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        door = self._peers.door
        if door is None or door.open or self._admitted:
            self._begin(cycle, app)
            return
        self._held = cycle, app
        if cycle.more_body and door.waits_for_body(cycle.scope):
            self._hold.start(HELD_MS)
        else:
            self._decide()

    def _decide(self) -> None:
        """Begin the request that is held, or turn it away before it costs more."""
        self._hold.stop()
        assert self._held is not None
        (cycle, app), self._held = self._held, None
        door = self._peers.door
        assert door is not None
        scope = cycle.scope
        address = self.client[0] if self.client else ""
        refusal = None
        if not door.open:
            refusal = door.turns_away(scope["method"], scope["path"], dict(scope["headers"]), address, bytes(cycle.body))
        if refusal is None:
            self._begin(cycle, app)
            return
        self.transport.write(refusal.spelled(method=scope["method"], keep_alive=cycle.keep_alive))
        cycle.response_started = cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        elif self.pipeline:
            # Each that waits would be turned away within the one before it: five hundred are more than Python nests.
            self.loop.call_soon(self.on_response_complete)
        else:
            self.on_response_complete()

    def _begin(self, cycle: RequestResponseCycle, app: Any) -> None:
        door = self._peers.door
        begun: Any = app if door is None else door.begun(cycle.scope, app)
        super()._start_asgi_task(cycle, begun)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.flow.write_paused and not self.transport.is_closing():
            # Refusals wait for no reader: whoever takes none of them is asked for no more.
            self.flow.pause_reading()
        if self._answered and not self._in_head and not self.transport.is_closing():
            self._rest.start(self._limits.rest_ms)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader.waits()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._reader.took()
        if self._all_answered and not self.transport.is_closing():
            self.flow.resume_reading()

    # How it ends.

    def _stop(self, cut: str, status: HTTPStatus, code: str, detail: str) -> None:
        self._peers.cut(cut)
        self._why = (status, code, detail)
        raise _Refused

    def send_400_response(self, msg: str) -> None:
        self._refuse(*self._why)

    def _head_too_slow(self) -> None:
        self._peers.cut(Cut.HEAD_SLOW)
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, "HEAD_TOO_SLOW", "The head of the request did not come in time.")

    def _rest_too_much(self) -> None:
        self._peers.cut(Cut.REST)
        self.transport.close()

    def _refuse(self, status: HTTPStatus, code: str, detail: str) -> None:
        """Answer and end. An answer that began is cut off instead: nothing may be written into it."""
        cycles = (self._running, self.cycle)
        if all(cycle is None or cycle.response_complete or not cycle.response_started for cycle in cycles):
            self.transport.write(spelled(Problem(status, code, detail)))
        self.transport.close()
