"""Faults that a test lets happen to a store, by the name of the operation."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

T = TypeVar("T")

EVERY: Final = "*"
"""The name that stands for every operation without a fault of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to a call: first the delay, then it hangs or fails; without either it goes on."""

    delay_s: float = 0.0
    """How long the call waits first, in seconds."""
    error: Callable[[], Exception] | None = None
    """Makes what the call raises."""
    after: bool = False
    """True lets the store do its work first: only the answer is lost."""
    hang: bool = False
    """The call does not come back before its deadline, or before the fault is cleared; then it goes on."""


class Faults:
    """The faults of one store, empty at first."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}
        self._cleared = asyncio.Event()
        self.calls: Counter[str] = Counter()
        """How often each operation came this far, failed or not."""

    def put(self, operation: str, fault: Fault) -> None:
        """Let `fault` happen to every call of `operation` from now on."""
        self._faults[operation] = fault

    def clear(self) -> None:
        """Let every call through again; those that hang go on."""
        self._faults.clear()
        self._cleared.set()
        self._cleared = asyncio.Event()

    async def meet(
        self,
        operation: str,
        left_s: float,
        out_of_time: Callable[[str], Exception],
        call: Callable[..., Awaitable[T]],
        *arguments: Any,
        **options: Any,
    ) -> T:
        """What the call answers behind its fault; `out_of_time` makes the error of a call whose `left_s` passed meanwhile."""
        self.calls[operation] += 1
        fault = self._faults.get(operation) or self._faults.get(EVERY)
        if fault is None:
            return await call(*arguments, **options)
        # The fault that this call met may be cleared while the store is still at work.
        cleared = self._cleared
        answers = [await call(*arguments, **options)] if fault.after else []
        try:
            async with asyncio.timeout(left_s):
                if fault.delay_s:
                    await asyncio.sleep(fault.delay_s)
                if fault.hang:
                    await cleared.wait()
        except TimeoutError:
            raise out_of_time(f"a fault held {operation} until its deadline") from None
        if fault.error is not None:
            raise fault.error()
        return answers[0] if answers else await call(*arguments, **options)
