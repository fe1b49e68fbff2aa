"""Bounds how many calls are worked on at once; what waits is ordered by priority, and what waited too long is never begun."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import os
from dataclasses import dataclass, field
from typing import Any, Final

from mesh import deadline
from mesh.access import Priority
from mesh.auth import current_viewer
from mesh.errors import DeadlineExceeded, ResourceExhausted
from mesh.interceptors.call import Call, Handler, Method
from mesh.logs import request_id
from mesh.metrics import LIMITER_IN_FLIGHT, LIMITER_LIMIT, LIMITER_REFUSED, LIMITER_WAITING
from mesh.telemetry import Telemetry

RETRY_AFTER_MS = 250
"""What a refused caller is asked to wait: about the time a full queue needs to empty."""

TIMEOUT_KEY: Final = "clipmesh-timeout-ms"
"""How much time the caller gave the call; what gRPC says is left of it tells how long it has waited in the process, by one clock."""
STALE: Final = 0.5
"""Share of its time that a call may wait before it is begun. One event loop takes in one call at a turn, oldest first: with more to do than it can,
everything it begins would be about to end, and be thrown away. What is refused here costs little, and its caller sends less."""

_FOREVER_S = 3600.0


@dataclass(order=True, slots=True)
class _Waiter:
    priority: int
    number: int
    turn: asyncio.Future[None] = field(compare=False)


class Limiter:
    """`limit` calls at once and at most `queue_limit` waiting, over all methods of a process."""

    def __init__(self, *, limit: int, queue_limit: int, telemetry: Telemetry) -> None:
        if limit < 1 or queue_limit < 0:
            raise ValueError(f"a limiter needs limit >= 1 and queue_limit >= 0, not {limit} and {queue_limit}")
        self._limit = limit
        self._queue_limit = queue_limit
        self._telemetry = telemetry
        self._in_flight = 0
        self._waiting: list[_Waiter] = []
        self._numbers = itertools.count()
        telemetry.watch(LIMITER_IN_FLIGHT, lambda: self._in_flight)
        telemetry.set(LIMITER_LIMIT, limit)
        telemetry.watch(LIMITER_WAITING, lambda: len(self._waiting))

    @property
    def in_flight(self) -> int:
        """Calls that hold a place."""
        return self._in_flight

    @property
    def waiting(self) -> int:
        """Calls that wait for a place."""
        return len(self._waiting)

    async def enter(self, priority: Priority) -> None:
        """Take a place, waiting for it until the ambient deadline.

        ResourceExhausted when the queue is full of calls at least as urgent, DeadlineExceeded when time ran out first. Whoever entered has to `leave`.
        """
        if deadline.expired():
            self._refused(priority, "expired")
            raise DeadlineExceeded
        if self._in_flight < self._limit:
            self._in_flight += 1
            return
        waiter = _Waiter(int(priority), next(self._numbers), asyncio.get_running_loop().create_future())
        self._make_room(waiter)
        heapq.heappush(self._waiting, waiter)
        try:
            async with asyncio.timeout(deadline.remaining_s(_FOREVER_S)):
                await waiter.turn
        except BaseException as error:
            self._give_up(waiter)
            if isinstance(error, TimeoutError):
                self._refused(priority, "expired")
                raise DeadlineExceeded from None
            raise

    def leave(self) -> None:
        """Give the place back; the most urgent call that waits takes it."""
        while self._waiting:
            waiter = heapq.heappop(self._waiting)
            if not waiter.turn.done():
                waiter.turn.set_result(None)
                return
        self._in_flight -= 1

    def refuse_stale(self, priority: Priority) -> None:
        """ResourceExhausted, with the priority for the caller to know."""
        self._refused(priority, "stale")
        raise ResourceExhausted(retry_after_ms=RETRY_AFTER_MS, priority=int(priority))

    def _make_room(self, arriving: _Waiter) -> None:
        """Refuse the least urgent of all that wait and the one that arrives."""
        if len(self._waiting) < self._queue_limit:
            return
        last = max(self._waiting, default=arriving)
        if last.priority <= arriving.priority:
            self._refused(Priority(arriving.priority), "overloaded")
            raise ResourceExhausted(retry_after_ms=RETRY_AFTER_MS, priority=arriving.priority)
        self._waiting.remove(last)
        heapq.heapify(self._waiting)
        self._refused(Priority(last.priority), "overloaded")
        last.turn.set_exception(ResourceExhausted(retry_after_ms=RETRY_AFTER_MS, priority=last.priority))

    def _give_up(self, waiter: _Waiter) -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)
            heapq.heapify(self._waiting)
        elif waiter.turn.done() and not waiter.turn.cancelled() and waiter.turn.exception() is None:
            # The turn came in the moment the call was cancelled: pass it on.
            self.leave()

    def _refused(self, priority: Priority, why: str) -> None:
        self._telemetry.count(LIMITER_REFUSED, priority=priority.name.lower(), why=why)


class Limit:
    """Lets each call through the limiter of the process."""

    def __init__(self, *, limiter: Limiter) -> None:
        self._limiter = limiter

    def wrap(self, method: Method, inner: Handler) -> Handler:
        """The handler that works only while it holds a place."""
        if method.access.waits:
            return inner
        limiter, priority = self._limiter, method.access.priority

        async def limited(request: Any, call: Call) -> Any:
            await limiter.enter(priority)
            try:
                # A turn can come too late: the work would be for nobody.
                if deadline.expired():
                    raise DeadlineExceeded
                if is_stale(call):
                    limiter.refuse_stale(priority)
                return await inner(request, call)
            finally:
                limiter.leave()

        return limited


def is_stale(call: Call) -> bool:
    """True when a call has waited in this process for more than STALE of the time that its caller gave it."""
    given_ms = call.text(TIMEOUT_KEY)
    left_s = call.context.time_remaining() if given_ms.isdecimal() else None
    return left_s is not None and left_s * 1_000 < (1 - STALE) * int(given_ms[:9])


def whom() -> str:
    """Whom the call at hand is for: a person, else a session, else just this request; work of the system's own is for nobody twice the same."""
    viewer = current_viewer()
    return str(viewer.user_id) if viewer.user_id else viewer.session_id or request_id.get() or os.urandom(4).hex()
