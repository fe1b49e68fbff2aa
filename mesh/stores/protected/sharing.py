"""Single-flight: equal reads that wait for the same store are answered by one read, which begins after all of them asked."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from mesh import deadline

T = TypeVar("T")


class _Following:
    """The read that comes after the one under way, for all who asked meanwhile."""

    __slots__ = ("call", "task", "until_s", "waiting")

    def __init__(self, call: Callable[[], Awaitable[Any]]) -> None:
        self.call = call
        self.task: asyncio.Task[None] | None = None
        self.until_s = 0.0
        """The latest deadline of those who wait: a shorter one of another cuts nobody off."""
        self.waiting: set[asyncio.Future[Any]] = set()


class _Read:
    """One read under way."""

    __slots__ = ("following", "timer")

    def __init__(self) -> None:
        self.following: _Following | None = None
        self.timer: asyncio.TimerHandle | None = None


class SharedReads:
    """Who asks first reads alone. Who asks while an equal read is under way may not have its answer, which can be older than the question: these wait
    for its end and share the next read. So every answer is as fresh as one of the asker's own, whoever wrote meanwhile and in whatever process.
    """

    def __init__(self, *, follow_after_s: float, out_of_time: Callable[[str], Exception], joined: Callable[[], None]) -> None:
        """`joined` hears of every read that waits for a shared one, `out_of_time` makes the error of one whose deadline passed meanwhile."""
        self._follow_after_s = follow_after_s
        self._out_of_time = out_of_time
        self._joined = joined
        self._reads: dict[Hashable, _Read] = {}

    async def read(self, key: Hashable, call: Callable[[], Awaitable[T]], *, limit_s: float, copy: Callable[[T], T] | None) -> T:
        """What `call` answers, alone or with others who ask for `key`, within `limit_s` and the deadline.

        `copy` parts what may be changed by who gets it.
        """
        try:
            running = self._reads.get(key)
        except TypeError:
            # What cannot be compared is no valid key either; the store says so.
            return await call()
        if running is None:
            running = self._reads[key] = _Read()
            try:
                return await call()
            finally:
                self._ended(key, running)
        answer: T = await self._join(key, running, call, limit_s)
        return answer if copy is None else copy(answer)

    async def _join(self, key: Hashable, running: _Read, call: Callable[[], Awaitable[Any]], limit_s: float) -> Any:
        left_s = deadline.remaining_s(limit_s)
        if left_s <= 0:
            raise self._out_of_time("the deadline passed before the call")
        loop = asyncio.get_running_loop()
        following = running.following
        if following is None:
            following = running.following = _Following(call)
            running.timer = loop.call_later(self._follow_after_s, self._begin, key, running)
        following.until_s = max(following.until_s, time.monotonic() + left_s)
        # A future and a timer each, instead of a shielded wait under a timeout: a joined read has to be cheaper than one of its own.
        place: asyncio.Future[Any] = loop.create_future()
        following.waiting.add(place)
        timer = loop.call_later(left_s, self._give_up, place)
        self._joined()
        try:
            return await place
        finally:
            timer.cancel()
            following.waiting.discard(place)
            if not following.waiting and following.task is not None:
                following.task.cancel()

    def _give_up(self, place: asyncio.Future[Any]) -> None:
        if not place.done():
            place.set_exception(self._out_of_time("the deadline passed during a read"))

    def _ended(self, key: Hashable, read: _Read) -> None:
        if read.following is not None:
            self._begin(key, read)
        elif self._reads.get(key) is read:
            del self._reads[key]

    def _begin(self, key: Hashable, before: _Read) -> None:
        """Begin the read that follows, once: when the one before it ended, or when that takes too long."""
        following = before.following
        if before.timer is None or following is None:
            return
        before.timer.cancel()
        before.timer = None
        if not following.waiting:
            del self._reads[key]
            return
        read = self._reads[key] = _Read()
        # It belongs to nobody: it carries the deadline of all, and no viewer, span or cancellation of one.
        following.task = asyncio.create_task(self._fly(key, read, following), context=contextvars.Context())

    async def _fly(self, key: Hashable, read: _Read, following: _Following) -> None:
        try:
            with deadline.scope(following.until_s - time.monotonic() + deadline.MARGIN_S):
                answer = await following.call()
        except asyncio.CancelledError:
            for place in following.waiting:
                place.cancel()
            raise
        except Exception as error:
            for place in following.waiting:
                if not place.done():
                    place.set_exception(error)
        else:
            for place in following.waiting:
                if not place.done():
                    place.set_result(answer)
        finally:
            self._ended(key, read)
