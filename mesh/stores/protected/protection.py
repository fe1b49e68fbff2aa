"""What every wrapper of a store is made of: a lane for reads, one for writes, and shared reads."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from mesh import deadline
from mesh.stores.protected.faults import Faults
from mesh.stores.protected.lane import Lane, Operation, PortErrors
from mesh.stores.protected.metrics import STORE_SHARED
from mesh.stores.protected.settings import ProtectionSettings
from mesh.stores.protected.sharing import SharedReads
from mesh.telemetry import Telemetry

T = TypeVar("T")


class Protection:
    """The protection of one store.

    `now_s` is no clock port: how long a store took is a matter of this machine, however far a test moves the time of day.
    """

    def __init__(
        self,
        *,
        store: str,
        settings: ProtectionSettings,
        errors: PortErrors,
        telemetry: Telemetry,
        faults: Faults | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        def lane(name: str) -> Lane:
            return Lane(store=store, name=name, settings=settings, errors=errors, telemetry=telemetry, faults=faults, now_s=now_s)

        self.reads = lane("read")
        self.writes = lane("write")
        self._default_s = settings.default_s
        self._shared = SharedReads(
            follow_after_s=settings.follow_after_s,
            out_of_time=errors.unavailable,
            joined=lambda: telemetry.count(STORE_SHARED, store=store),
        )
        self._faults = faults
        self._unavailable = errors.unavailable

    async def share(
        self,
        operation: Operation,
        key: Hashable,
        call: Callable[[], Awaitable[T]],
        *,
        copy: Callable[[T], T] | None = None,
        limit_s: float | None = None,
    ) -> T:
        """What the read answers, alone or together with equal ones: equal are those of one operation with equal keys.

        `copy` parts what may be changed by who gets it; `limit_s` is a limit of this call that is shorter than the store's.
        """
        return await self._shared.read(
            (operation.name, key),
            lambda: self.reads.run(operation, call),
            limit_s=self._default_s if limit_s is None else min(limit_s, self._default_s),
            copy=copy,
        )

    async def pass_by(self, operation: Operation, call: Callable[..., Awaitable[T]], *arguments: Any, **options: Any) -> T:
        """Make a call that neither waits for a place nor counts; only the faults of a test reach it."""
        if self._faults is None:
            return await call(*arguments, **options)
        left_s = deadline.remaining_s(self._default_s)
        return await self._faults.meet(operation.name, left_s, self._unavailable, call, *arguments, **options)
