"""WebSockets of uvicorn with bounds: frames at a pace, readers that read, and no answers to who takes none."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame

from gateway.media.problems import Problem
from gateway.wire.http import UPGRADE_REFUSED, spelled
from gateway.wire.peers import READ_BYTES, Cut, PeerState, Reader, read_at_once

FLOOD_CODE = 1008
"""Policy violation (RFC 6455, section 7.4.1)."""
NO_TEXT_CODE = 1007
"""Text that is not UTF-8."""


class GuardedSocket(WebSocketsSansIOProtocol):
    """One socket, counted already when it was a request."""

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        assert isinstance(server_state, PeerState)
        self._peers = server_state.peers
        self.close_timeout = min(self.close_timeout, self._peers.limits.reader_ms / 1000)
        self._left = float(self._peers.limits.frames_burst)
        self._counted_at_s = self.loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._reader = Reader(self.loop, self._peers, self.transport)
        read_at_once(self.transport, READ_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        self._reader.took()
        self._peers.leave(self.transport)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated:
            # The head was whole when it came here: what is no handshake now never becomes one.
            self._peers.cut(Cut.HEAD_UNCLEAR)
            self.transport.write(spelled(Problem(*UPGRADE_REFUSED)))
            self.transport.close()
        self._hold_back()

    def _hold_back(self) -> None:
        """Read nothing while nothing is taken: pings are answered without asking anybody, and the answers would pile up."""
        if not self.writable.is_set() and not self.transport.is_closing():
            self.transport.pause_reading()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader.waits()
        self._hold_back()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._reader.took()
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                # Found before uvicorn finds it, which would tell it as an error of ours.
                self._end(NO_TEXT_CODE, "that is no text")
                return
        super().send_receive_event_to_app()

    def _end(self, code: int, reason: str) -> None:
        self.conn.fail(code, reason)
        self.handle_parser_exception()

    def handle_cont(self, event: Frame) -> None:
        if self._in_pace():
            super().handle_cont(event)

    def handle_text(self, event: Frame) -> None:
        if self._in_pace():
            super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        if self._in_pace():
            super().handle_bytes(event)

    def handle_ping(self) -> None:
        if self._in_pace():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        if self._in_pace():
            super().handle_pong(event)

    def _in_pace(self) -> bool:
        """Count a frame; one too many ends the socket."""
        if self.close_sent:
            return False
        limits, now_s = self._peers.limits, self.loop.time()
        self._left = min(limits.frames_burst, self._left + (now_s - self._counted_at_s) * limits.frames_per_s)
        self._counted_at_s = now_s
        if self._left >= 1:
            self._left -= 1
            return True
        self._peers.cut(Cut.FLOOD)
        self._end(FLOOD_CODE, "too many messages")
        return False
