"""More than one attempt for what may be repeated: retries after UNAVAILABLE, hedges for reads that take long, both within one budget.

gRPC would retry by itself, but its budget can be neither seen nor shared, and it pays no heed to a hedging policy. The budget is like gRPC's own
(proposal A6, retry throttling): a failure costs a token, an answer earns a tenth of one, and below a floor nothing is sent twice. But it grows with the
traffic, so that an instance that dies under many calls does not use it up with the first few.
Hedging: Dean and Barroso, The Tail at Scale, 2013.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Literal, Protocol

import grpc

from mesh.metrics import CLIENT_EXTRA
from mesh.telemetry import Telemetry

MOST_ATTEMPTS: Final = 3
FIRST_PAUSE_S: Final = 0.05
"""Pause before the second attempt, in seconds, give or take a fifth; doubled before the third."""
LEAST_LEFT_S: Final = 0.005
"""With less time than this left nothing is sent again."""

FLOOR_TOKENS: Final = 10.0
"""With no more than these nothing is sent twice."""
MOST_TOKENS: Final = 20.0
"""What a budget begins with, and at least can hold."""
EARNED: Final = 0.1
"""Tokens that an answer earns: in the long run so many extra attempts per call are affordable."""
RECENT_S: Final = 10.0
"""A budget can hold what the answers of about so many last seconds earn."""

SAMPLES: Final = 128
"""Answers of a method whose times are remembered."""
FEW_SAMPLES: Final = 20
UNKNOWN_DELAY_S: Final = 0.25
"""When a method is asked again while too few of its answers are known, in seconds."""
SHORTEST_DELAY_S: Final = 0.025
_RECKON_EVERY: Final = 16

PUSHBACK: Final = "grpc-retry-pushback-ms"
"""With any value in a failure's metadata the server asks not to be asked again at once; ours sets it where a repeat is not safe."""

_TOO_MUCH: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED})

Kind = Literal["retry", "hedge"]


class Call(Protocol):
    """What a channel's method gives: awaited once, and cancelled when its answer is not needed any more."""

    def __await__(self) -> Any:
        """The answer; raises AioRpcError."""
        ...

    def cancel(self) -> bool:
        """Let go of it."""
        ...


Send = Callable[[float], Call]
"""Makes one attempt that may take so many seconds."""


class Budget:
    """What one process may send to one service beyond what it is asked for."""

    def __init__(self, *, telemetry: Telemetry, service: str, now_s: Callable[[], float] = time.monotonic) -> None:
        self.tokens = MOST_TOKENS
        self._telemetry = telemetry
        self._service = service
        self._now_s = now_s
        self._recent = 0.0
        self._counted_at_s = now_s()

    def answered(self) -> None:
        """The service answered, whatever it said."""
        now_s = self._now_s()
        self._recent = 1 + self._recent * math.exp((self._counted_at_s - now_s) / RECENT_S)
        self._counted_at_s = now_s
        self.tokens = min(max(MOST_TOKENS, EARNED * self._recent), self.tokens + EARNED)

    def failed(self) -> None:
        """An attempt found the service away, or with too much to do."""
        self.tokens = max(0.0, self.tokens - 1)

    def allows(self, kind: Kind) -> bool:
        """Whether one more attempt may be made; a hedge pays at once, a retry paid with the failure before it."""
        allowed = self.tokens > FLOOR_TOKENS
        if allowed and kind == "hedge":
            self.tokens -= 1
        self._telemetry.count(CLIENT_EXTRA, service=self._service, kind=kind, outcome="made" if allowed else "refused")
        return allowed


class HedgeDelay:
    """When a read of one method has taken so long that another instance may be faster: longer than 95 in 100 of its last answers took."""

    def __init__(self) -> None:
        self._taken_s: deque[float] = deque(maxlen=SAMPLES)
        self._since_reckoned = 0
        self._delay_s = UNKNOWN_DELAY_S

    def took(self, seconds: float) -> None:
        """One attempt was answered after so long."""
        self._taken_s.append(seconds)
        self._since_reckoned += 1
        if self._since_reckoned >= _RECKON_EVERY and len(self._taken_s) >= FEW_SAMPLES:
            self._since_reckoned = 0
            self._delay_s = max(SHORTEST_DELAY_S, sorted(self._taken_s)[len(self._taken_s) * 95 // 100])

    def of(self, timeout_s: float) -> float:
        """When to send a second attempt, in seconds after the first: early enough for it to be answered."""
        return min(self._delay_s, timeout_s / 2)


class Attempts:
    """The attempts at calls of one method."""

    def __init__(self, *, budget: Budget, retried: bool, hedged: bool) -> None:
        self._budget = budget
        self._retried = retried
        self._hedged = hedged
        self._delay = HedgeDelay()

    async def answer(self, send: Send, timeout_s: float) -> Any:
        """The first answer that an attempt gets within `timeout_s`. Raises the AioRpcError of the last attempt."""
        if not self._retried:
            return await self._counted(send(timeout_s))
        ends_at = time.monotonic() + timeout_s
        for attempt in range(1, MOST_ATTEMPTS + 1):
            try:
                return await self._first_of_two(send, ends_at - time.monotonic())
            except grpc.aio.AioRpcError as error:
                pause_s = FIRST_PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.8, 1.2)  # noqa: S311 spreads load
                if (
                    error.code() is not grpc.StatusCode.UNAVAILABLE
                    or attempt == MOST_ATTEMPTS
                    or _pushed_back(error)
                    or ends_at - time.monotonic() - pause_s < LEAST_LEFT_S
                    or not self._budget.allows("retry")
                ):
                    raise
            await asyncio.sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")

    async def _first_of_two(self, send: Send, timeout_s: float) -> Any:
        if not self._hedged:
            return await self._counted(send(timeout_s))
        begun_s = time.monotonic()
        first = send(timeout_s)
        second: asyncio.Task[Any] | None = None

        def hedge() -> None:
            nonlocal second
            if self._budget.allows("hedge"):
                second = asyncio.ensure_future(self._counted(send(timeout_s - (time.monotonic() - begun_s))))
                second.add_done_callback(let_first_go)

        def let_first_go(answered: asyncio.Task[Any]) -> None:
            if not answered.cancelled() and answered.exception() is None:
                first.cancel()

        timer = asyncio.get_running_loop().call_later(self._delay.of(timeout_s), hedge)
        try:
            return await self._counted(first)
        except asyncio.CancelledError:
            # Either the second attempt let the first one go, or somebody cancelled the call as a whole.
            task = asyncio.current_task()
            if second is None or not second.done() or (task is not None and task.cancelling()):
                raise
            return second.result()
        except grpc.aio.AioRpcError as error:
            if second is None:
                raise
            try:
                return await second
            except grpc.aio.AioRpcError:
                raise error from None
        finally:
            timer.cancel()
            if second is not None and not second.done():
                second.cancel()

    async def _counted(self, call: Call) -> Any:
        begun_s = time.monotonic()
        try:
            answer = await call
        except grpc.aio.AioRpcError as error:
            if error.code() in _TOO_MUCH:
                self._budget.failed()
            elif error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                self._budget.answered()
            raise
        except asyncio.CancelledError:
            call.cancel()
            raise
        self._budget.answered()
        self._delay.took(time.monotonic() - begun_s)
        return answer


def _pushed_back(error: grpc.aio.AioRpcError) -> bool:
    return any(key == PUSHBACK for key, _ in error.trailing_metadata() or ())
