"""The bulkhead: so many calls at once and no more, a few wait a moment for a place."""

from __future__ import annotations

import asyncio
from collections import deque


class Bulkhead:
    """Places for calls, given in the order in which they were asked for."""

    def __init__(self, *, at_once: int, most_waiting: int) -> None:
        self._at_once = at_once
        self._most_waiting = most_waiting
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self.in_flight = 0

    def enter(self) -> bool:
        """Take a place if one is free; everybody who got one calls `leave`."""
        # While anybody waits no place is free: `leave` hands it on.
        if self.in_flight >= self._at_once:
            return False
        self.in_flight += 1
        return True

    async def wait(self, limit_s: float) -> bool:
        """Take a place as soon as one is free; False when none was for `limit_s`, or when too many wait already."""
        if limit_s <= 0 or len(self._waiting) >= self._most_waiting:
            return False
        loop = asyncio.get_running_loop()
        place: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(place)
        timer = loop.call_later(limit_s, self._give_up, place)
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.result():
                self.leave()
            else:
                self._forget(place)
            raise
        finally:
            timer.cancel()

    def leave(self) -> None:
        """Give the place to who waits longest."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(True)
                return
        self.in_flight -= 1

    def _give_up(self, place: asyncio.Future[bool]) -> None:
        if not place.done():
            self._forget(place)
            place.set_result(False)

    def _forget(self, place: asyncio.Future[bool]) -> None:
        if place in self._waiting:
            self._waiting.remove(place)
