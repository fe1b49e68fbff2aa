"""The breaker: asks a store that keeps failing nothing for a moment, then lets one call find out."""

from __future__ import annotations

import enum
import random
from collections.abc import Callable
from typing import Final

from mesh.stores.protected.settings import ProtectionSettings

_SLOTS: Final = 10
"""Steps in which the window moves on."""
_JITTER: Final = 0.25
"""At most this part is added to the open time: processes that lost a store together do not come back together."""


class State(enum.IntEnum):
    """What becomes of the next call; the number is the metric's."""

    CLOSED = 0
    """It goes through."""
    HALF_OPEN = 1
    """It is refused: a probe is under way."""
    OPEN = 2
    """It is refused, or becomes the probe once the time is over."""


class Window:
    """Calls, failed and slow ones of the last seconds."""

    def __init__(self, window_s: float) -> None:
        self._slot_s = window_s / _SLOTS
        self._slots = [[0, 0, 0] for _ in range(_SLOTS)]
        self._at = 0
        self.calls = self.failed = self.slow = 0

    def add(self, now_s: float, failed: bool, slow: bool) -> None:
        """Count one call that ended now."""
        at = int(now_s / self._slot_s)
        if at != self._at:
            self._move(at)
        slot = self._slots[at % _SLOTS]
        slot[0] += 1
        self.calls += 1
        if failed:
            slot[1] += 1
            self.failed += 1
        if slow:
            slot[2] += 1
            self.slow += 1

    def _move(self, at: int) -> None:
        for gone in range(max(self._at, at - _SLOTS) + 1, at + 1):
            calls, failed, slow = self._slots[gone % _SLOTS]
            self.calls, self.failed, self.slow = self.calls - calls, self.failed - failed, self.slow - slow
            self._slots[gone % _SLOTS] = [0, 0, 0]
        self._at = at


class Breaker:
    """One breaker; `changed` hears of every new state. Times are seconds of one monotonic clock, given by the caller.

    A call belongs to the round in which it was admitted: what comes back late from before an opening says nothing about the store after it.
    """

    def __init__(
        self, *, settings: ProtectionSettings, changed: Callable[[State], None], chance: Callable[[], float] = random.random
    ) -> None:
        self._settings = settings
        self._changed = changed
        self._chance = chance
        self._window = Window(settings.window_s)
        self._round = 1
        self._openings = 0
        self._ask_at_s = 0.0
        self.state = State.CLOSED

    def refuses(self, now_s: float) -> bool:
        """True when a call would be refused now."""
        return self.state is not State.CLOSED and now_s < self._ask_at_s

    def admit(self, now_s: float) -> int:
        """The round of an admitted call, 0 when it is refused.

        One probe goes through when the open time is over; another one only when the first has not come back for as long again.
        """
        if self.state is State.CLOSED:
            return self._round
        if now_s < self._ask_at_s:
            return 0
        self._ask_at_s = now_s + self._open_s()
        self._become(State.HALF_OPEN)
        return self._round

    def answered(self, admitted: int, now_s: float, slow: bool) -> None:
        """The store answered, if only with a refusal of its own."""
        if admitted != self._round:
            return
        if self.state is State.CLOSED:
            self._window.add(now_s, False, slow)
            if slow:
                self._judge(now_s)
        elif slow:
            self._open(now_s)
        else:
            self._openings = 0
            self._window = Window(self._settings.window_s)
            self._become(State.CLOSED)

    def failed(self, admitted: int, now_s: float) -> None:
        """The store did not answer."""
        if admitted != self._round:
            return
        if self.state is State.CLOSED:
            self._window.add(now_s, True, False)
            self._judge(now_s)
        else:
            self._open(now_s)

    def abandoned(self, admitted: int) -> None:
        """The call ended without telling anything: the next one may be the probe."""
        if admitted == self._round and self.state is State.HALF_OPEN:
            self._ask_at_s = 0.0

    def _judge(self, now_s: float) -> None:
        window, settings = self._window, self._settings
        if window.calls < settings.least_calls:
            return
        if window.failed >= settings.failed_rate * window.calls or window.slow >= settings.slow_rate * window.calls:
            self._open(now_s)

    def _open(self, now_s: float) -> None:
        self._round += 1
        self._openings += 1
        self._ask_at_s = now_s + self._open_s()
        self._become(State.OPEN)

    def _open_s(self) -> float:
        open_s = min(self._settings.longest_open_s, self._settings.open_s * 2.0 ** min(self._openings - 1, 16))
        return open_s * (1 + _JITTER * self._chance())

    def _become(self, state: State) -> None:
        if state is not self.state:
            self.state = state
            self._changed(state)
