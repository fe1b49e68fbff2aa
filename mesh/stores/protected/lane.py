"""One lane to a store, its reads or its writes: a call passes bulkhead and breaker, and what becomes of it is judged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from mesh import deadline
from mesh.stores.protected.breaker import Breaker, State
from mesh.stores.protected.bulkhead import Bulkhead
from mesh.stores.protected.faults import Faults
from mesh.stores.protected.metrics import (
    STORE_BREAKER,
    STORE_BREAKER_AWAY,
    STORE_BREAKER_OPENED,
    STORE_BUSY_MS,
    STORE_CALLS,
    STORE_FAILED,
    STORE_IN_FLIGHT,
    STORE_REFUSED,
)
from mesh.stores.protected.settings import ProtectionSettings
from mesh.telemetry import Telemetry

T = TypeVar("T")

_TIMER_S: Final = 0.002
"""How much too early a timer may come, in seconds."""

_log = logging.getLogger("clipmesh.stores")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortErrors:
    """How to read what a store raises; all else (bugs, calls that break a rule of the port) tells nothing about the store."""

    unavailable: Callable[[str], Exception]
    """Makes the port's error for a call that did not reach the store."""
    failures: tuple[type[Exception], ...]
    """The store failed."""
    answers: tuple[type[Exception], ...]
    """The store answered, and the answer was no."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of a port."""

    name: str
    timed: bool = True
    """False when it may rightly take long: whole files, whole tables, bodies that clients send."""
    placed: bool = True
    """False when its caller decides how long it takes: it takes no place from others."""


class Lane:
    """Breaker and bulkhead of a store's reads or writes. They are apart because a full disk fails every write and no read."""

    def __init__(
        self,
        *,
        store: str,
        name: str,
        settings: ProtectionSettings,
        errors: PortErrors,
        telemetry: Telemetry,
        faults: Faults | None,
        now_s: Callable[[], float],
    ) -> None:
        self._store = store
        self._name = name
        self._settings = settings
        self._errors = errors
        self._telemetry = telemetry
        self._faults = faults
        self._now_s = now_s
        self._last_error = ""
        self._away_since_s: float | None = None
        self._calls = 0
        self._busy_s = 0.0
        self._bulkhead = Bulkhead(at_once=settings.at_once, most_waiting=settings.most_waiting)
        self.breaker = Breaker(settings=settings, changed=self._tell)
        # Watched, not counted: a histogram's observation would cost as much as all the rest of a call.
        telemetry.watch(STORE_CALLS, lambda: self._calls, store=store, lane=name)
        telemetry.watch(STORE_BUSY_MS, lambda: self._busy_s * 1000, store=store, lane=name)
        telemetry.watch(STORE_IN_FLIGHT, lambda: self._bulkhead.in_flight, store=store, lane=name)
        telemetry.watch(STORE_BREAKER, lambda: self.breaker.state, store=store, lane=name)
        telemetry.watch(STORE_BREAKER_AWAY, lambda: self.away_s, store=store, lane=name)

    async def run(self, operation: Operation, call: Callable[..., Awaitable[T]], *arguments: Any, **options: Any) -> T:
        """What `call(*arguments, **options)` answers or raises; the port's unavailable error when it was not made."""
        left_s = deadline.remaining_s(self._settings.default_s)
        if left_s <= 0:
            raise self._errors.unavailable("the deadline passed before the call")
        if operation.placed and not self._bulkhead.enter():
            left_s = await self._wait_for_place(left_s)
        try:
            begun_s = self._now_s()
            admitted = self.breaker.admit(begun_s)
            if not admitted:
                raise self._refused("open")
            try:
                if self._faults is None:
                    answer = await call(*arguments, **options)
                else:
                    answer = await self._faults.meet(operation.name, left_s, self._errors.unavailable, call, *arguments, **options)
            except self._errors.failures as error:
                self._failed(admitted, error, begun_s, left_s)
                raise
            except self._errors.answers:
                self._answered(operation, admitted, begun_s)
                raise
            except asyncio.CancelledError:
                self._cancelled(operation, admitted, begun_s)
                raise
            except BaseException:
                self.breaker.abandoned(admitted)
                raise
            self._answered(operation, admitted, begun_s)
            return answer
        finally:
            if operation.placed:
                self._bulkhead.leave()

    @property
    def refuses(self) -> bool:
        """True while calls are refused because the store fails."""
        return self.breaker.refuses(self._now_s())

    @property
    def away_s(self) -> float:
        """How long calls have not gone through freely, in seconds; 0 while they do."""
        return 0.0 if self._away_since_s is None else self._now_s() - self._away_since_s

    def failed_late(self, error: Exception) -> None:
        """Count a failure that showed only after the call: bytes of an opened object that do not come."""
        if self.breaker.state is State.CLOSED:
            now_s = self._now_s()
            self._last_error = str(error)
            self.breaker.failed(self.breaker.admit(now_s), now_s)

    async def _wait_for_place(self, left_s: float) -> float:
        """Take a place and answer what is left of the deadline then."""
        if self.refuses:
            raise self._refused("open")
        if not await self._bulkhead.wait(min(left_s, self._settings.wait_s)):
            raise self._refused("full")
        return deadline.remaining_s(self._settings.default_s)

    def _answered(self, operation: Operation, admitted: int, begun_s: float) -> None:
        now_s = self._now_s()
        took_s = now_s - begun_s
        self._calls += 1
        self._busy_s += took_s
        self.breaker.answered(admitted, now_s, took_s >= self._settings.slow_s and operation.timed)

    def _failed(self, admitted: int, error: Exception, begun_s: float, left_s: float) -> None:
        now_s = self._now_s()
        took_s = now_s - begun_s
        self._calls += 1
        self._busy_s += took_s
        self._telemetry.count(STORE_FAILED, store=self._store, lane=self._name)
        if left_s < self._settings.impatient_s and took_s >= left_s - _TIMER_S:
            self.breaker.abandoned(admitted)
            return
        self._last_error = str(error)
        self.breaker.failed(admitted, now_s)

    def _cancelled(self, operation: Operation, admitted: int, begun_s: float) -> None:
        """Who gave up early says nothing; who waited long was kept waiting."""
        now_s = self._now_s()
        if operation.timed and now_s - begun_s >= self._settings.slow_s:
            self.breaker.answered(admitted, now_s, True)
        else:
            self.breaker.abandoned(admitted)

    def _refused(self, why: str) -> Exception:
        self._telemetry.count(STORE_REFUSED, store=self._store, lane=self._name, why=why)
        if why == "full":
            return self._errors.unavailable(f"{self._store}: too many calls at once")
        return self._errors.unavailable(f"{self._store}: most calls failed or were slow, none are made for a moment")

    def _tell(self, state: State) -> None:
        facts = {"store": self._store, "lane": self._name, "state": state.name}
        if state is State.OPEN:
            if self._away_since_s is None:
                self._away_since_s = self._now_s()
            self._telemetry.count(STORE_BREAKER_OPENED, store=self._store, lane=self._name)
            _log.warning("a store is left alone for a moment: %s", self._last_error or "it is slow", extra=facts)
        elif state is State.CLOSED:
            self._last_error = ""
            self._away_since_s = None
            _log.info("a store answers again", extra=facts)
