"""Decides at the wire what is begun while there is too much to do."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.browsers import Origins
from gateway.execution.documents import Documents
from gateway.overload.refusals import Refusals
from gateway.overload.urgency import person_of, priority_of_body, priority_of_path, says_in_body
from gateway.overload.valve import Valve
from gateway.protocols.negotiation import Media
from gateway.wire.refusal import Refusal
from mesh.access import Priority
from mesh.levels import level_of

TICK_S: Final = 0.01
TOLD_EVERY: Final = 10
"""Ticks after which refusals are told to the metrics, all at once: one by one it would cost as much as refusing."""
_STREAMS: Final = (Media.EVENTS.value.encode(), b"subscriptionSpec")
"""What is in the Accept header of who asks for a response that goes on, and mostly waits."""


def _waits(accept: bytes) -> bool:
    return any(stream in accept for stream in _STREAMS)


class Door:
    """What stands between the wire and the application; `refused` is told how many of a priority were turned away."""

    def __init__(
        self, *, documents: Documents, origins: Origins, refused: Callable[[Priority, int], None], text_of: Callable[[str], str]
    ) -> None:
        """`text_of` gives the text of a document that is asked by its hash, empty when it is not known."""
        self.valve = Valve()
        self._documents = documents
        self._text_of = text_of
        self._refusals = Refusals(origins=origins)
        self._tell = refused
        self._untold: Counter[Priority] = Counter()

    @property
    def open(self) -> bool:
        """True while everything is begun."""
        return self.valve.open

    def waits_for_body(self, scope: Scope) -> bool:
        """Whether the body says how urgent a request is."""
        return says_in_body(scope["method"], scope["path"])

    def turns_away(self, method: str, path: str, fields: Mapping[bytes, bytes], address: str, body: bytes) -> Refusal | None:
        """What a request hears that is not begun now, None when it is; `fields` by their names in small letters, `body` as far as it is there."""
        by_body = says_in_body(method, path)
        priority = priority_of_body(body, self._documents, self._text_of) if by_body else priority_of_path(method, path)
        level = level_of(priority, person_of(fields, address), time.time_ns() // 1_000_000)
        if self.valve.admits(level, counted=by_body and not _waits(fields.get(b"accept", b""))):
            return None
        self._untold[priority] += 1
        return self._refusals.of(path, fields)

    def begun(self, scope: Scope, app: ASGIApp) -> ASGIApp:
        """The application for a request that is begun now, counted until it is answered; streams, which mostly wait, are not."""
        if not self.waits_for_body(scope) or any(_waits(value) for name, value in scope["headers"] if name == b"accept"):
            return app
        valve = self.valve
        valve.begun()

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await app(scope, receive, send)
            finally:
                valve.answered()

        return counted

    def tell(self) -> None:
        """Tell the metrics who was turned away since the last time."""
        for priority, count in self._untold.items():
            self._tell(priority, count)
        self._untold.clear()

    async def watch(self) -> None:
        """Measure the loop, for ever."""
        loop = asyncio.get_running_loop()
        ticks = 0
        try:
            while True:
                due_s = loop.time() + TICK_S
                await asyncio.sleep(TICK_S)
                now_s = loop.time()
                self.valve.ticked(max(0.0, now_s - due_s), now_s=now_s)
                ticks += 1
                if not ticks % TOLD_EVERY:
                    self.tell()
        finally:
            self.tell()
