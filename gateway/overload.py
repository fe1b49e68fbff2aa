"""What the edge begins while it has more to do than it can: the urgent first; the rest is told at the wire to come again.

The loop itself says that there is too much: a timer that comes late has waited for everything that was ready before it. Then requests find room by their
level (mesh/levels.py): so many may run at once that the loop always has work, and the last places are left to the urgent. What is turned away has been
parsed and nothing more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from graphql import OperationType
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.admission import SIGN_UPS
from gateway.execution.documents import Documents, Invalid, Operation
from gateway.media.problems import Problem
from gateway.protocols.negotiation import Media
from mesh.access import Priority
from mesh.levels import ALL, level_of

TICK_S: Final = 0.01
LATE_S: Final = 0.01
"""Lateness of the loop from which on there is too much to do. A request takes about eight turns of it."""
RATE_S: Final = 0.5
"""Over how long answers are counted."""
_SMOOTHING: Final = 0.3
"""Weight of one tick: a single late one closes nothing, three do."""
ROOM_S: Final = 0.25
"""As many requests find room as are answered in this time: the loop always has work, and nobody waits for long."""
LEAST_ROOM: Final = 32
MOST_ROOM: Final = 256
"""Bounds of that room, for the first of all levels; the last finds a quarter of it."""
ALWAYS: Final = LEAST_ROOM // 4
"""So few overload nobody: the loop is late for another reason, and refusing them would not help."""
_DETAIL: Final = "There is too much to do: try again in a moment."
_PROBLEM: Final = Problem(HTTPStatus.SERVICE_UNAVAILABLE, "OVERLOADED", _DETAIL).body()
_FAULT: Final = orjson.dumps(
    {"errors": [{"message": _DETAIL, "extensions": {"code": "UNAVAILABLE", "reason": "RESOURCE_EXHAUSTED", "retryAfterMs": 1_000}}]}
)

_FIELDS: Final[Mapping[str, Priority]] = {
    "video": Priority.PLAYBACK,
    "upload": Priority.WRITE,
    "uploads": Priority.WRITE,
    "search": Priority.SEARCH,
    "trending": Priority.SEARCH,
    "analytics": Priority.ANALYTICS,
}
"""Root fields of queries; all others are as urgent as the feed."""
_PATHS: Final = (("/graphql", Priority.FEED), ("/upload/", Priority.WRITE), ("/tus", Priority.WRITE))
"""Beginnings of paths; all others (media, sign-in, pages) are as urgent as playback."""


class Valve:
    """How late the loop is, how many requests run, and for whom there is room."""

    def __init__(self) -> None:
        self.late_s = 0.0
        self.running = 0
        self._answered = 0
        self._per_s = 0.0
        self._ticked_s: float | None = None

    @property
    def open(self) -> bool:
        """True while everything is begun."""
        return self.late_s < LATE_S or self.running < ALWAYS

    def has_room(self, level: int) -> bool:
        """Whether a request of this level is begun."""
        room = min(MOST_ROOM, max(LEAST_ROOM, self._per_s * ROOM_S))
        return self.open or self.running < room * (1 - 0.75 * level / ALL)

    def begun(self) -> None:
        """A request runs from now on."""
        self.running += 1

    def answered(self) -> None:
        """A request has ended."""
        self.running -= 1
        self._answered += 1

    def ticked(self, late_s: float, *, now_s: float) -> None:
        """A timer came so late; `now_s` is monotonic."""
        self.late_s += _SMOOTHING * (min(late_s, 2 * LATE_S) - self.late_s)
        if self._ticked_s is not None and now_s > self._ticked_s:
            passed_s = now_s - self._ticked_s
            self._per_s += min(1.0, passed_s / RATE_S) * (self._answered / passed_s - self._per_s)
        self._ticked_s, self._answered = now_s, 0


def priority_of(operation: Operation) -> Priority:
    """How urgent an operation is: as its least urgent root field."""
    if operation.kind is OperationType.MUTATION:
        return Priority.PLAYBACK if SIGN_UPS.issuperset(operation.root_fields) else Priority.WRITE
    return max((_FIELDS.get(name, Priority.FEED) for name in operation.root_fields), default=Priority.FEED)


class Door:
    """Decides at the wire what is begun, and what is said to who is turned away."""

    def __init__(self, *, documents: Documents, refused: Callable[[Priority], None]) -> None:
        self.valve = Valve()
        self._documents = documents
        self._refused = refused

    @property
    def open(self) -> bool:
        """True while everything is begun."""
        return self.valve.open

    def waits_for_body(self, scope: Scope) -> bool:
        """Whether the body says how urgent a request is."""
        return bool(scope["method"] == "POST" and scope["path"] == "/graphql")

    def admits(self, scope: Scope, body: bytes) -> bool:
        """Whether a request is begun; `body` as far as it is there."""
        priority = self._priority(scope, body)
        if self.valve.has_room(level_of(priority, _who(scope), time.time_ns() // 1_000_000)):
            return True
        self._refused(priority)
        return False

    def begun(self, scope: Scope, app: ASGIApp) -> ASGIApp:
        """The application for a request that is begun now, counted until it is answered; streams, which mostly wait, are not."""
        if not self.waits_for_body(scope) or Media.EVENTS.value.encode() in _header(scope, b"accept"):
            return app
        valve = self.valve
        valve.begun()

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await app(scope, receive, send)
            finally:
                valve.answered()

        return counted

    def refusal(self, scope: Scope) -> tuple[str, bytes]:
        """Media type and body."""
        if scope["path"] != "/graphql":
            return "application/problem+json", _PROBLEM
        takes = Media.GRAPHQL if Media.GRAPHQL.value.encode() in _header(scope, b"accept") else Media.JSON
        return takes.content_type, _FAULT

    def _priority(self, scope: Scope, body: bytes) -> Priority:
        if self.waits_for_body(scope):
            return self._of_body(body)
        return next((priority for path, priority in _PATHS if scope["path"].startswith(path)), Priority.PLAYBACK)

    def _of_body(self, body: bytes) -> Priority:
        """Of a known document: to read another one would be most of the work that is to be saved."""
        try:
            asked: Any = orjson.loads(body)
            document = self._documents.known(asked["query"])
            return priority_of(document.operation(asked.get("operationName"))) if document is not None else Priority.FEED
        except (ValueError, KeyError, TypeError, AttributeError, Invalid):
            return Priority.FEED

    async def watch(self) -> None:
        """Measure the loop, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + TICK_S
            await asyncio.sleep(TICK_S)
            now_s = loop.time()
            self.valve.ticked(max(0.0, now_s - due_s), now_s=now_s)


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")


def _who(scope: Scope) -> str:
    """Whom a request is for: the same word for the same person, without believing it."""
    said = _header(scope, b"authorization") or _header(scope, b"cookie")
    return said.decode("latin-1") or (scope["client"] or ("",))[0]
