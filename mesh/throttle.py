"""How much of what a caller wants from a service it sends: less while answers are refused or come too late, the most urgent first.

A refusal costs the service little, but a flood of them leaves it no time for anything else, and what waits too long to be refused expires unseen.
So the caller itself holds back, as Google's clients do (Beyer et al., Site Reliability Engineering, 2016, chapter 21, client-side throttling), by the
levels of mesh/levels.py instead of by chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from mesh.access import Priority
from mesh.levels import ALL, level_of_share

WINDOW_S: Final = 0.2
WINDOW_CALLS: Final = 10
"""Fewer calls than this in a whole second overload nobody: when they fail, something else is wrong."""
LONGEST_WINDOW_S: Final = 1.0
BAD: Final = 0.1
"""Share of calls that may be refused or late before the caller sends less."""
STEEPEST: Final = 0.8
"""A window never sends less than this share of the one before. The bad news of a window is that of calls that were sent up to a deadline ago: a caller
that believed all of it would hold back three times as much as it has to, and then send too much again."""
SMALLEST: Final = 0.02
"""Some calls always go out, or nobody would learn that the service is well again."""
GROWTH: Final = 1.12
"""By so much more is sent per window while all is well: from a third to all in two seconds."""
_SMOOTHING: Final = 0.3
UNKNOWN: Final = Priority.FEED
"""What a method counts as until the service names its priority in a refusal."""


class Throttle:
    """What one process knows of one service."""

    def __init__(self) -> None:
        self._priorities: dict[str, Priority] = {}
        self._share = 1.0
        self._level = ALL
        self._wanted = [0.0] * len(Priority)
        self._begin(-math.inf)

    @property
    def level(self) -> int:
        """Calls of lower levels are sent; ALL when every one is."""
        return self._level

    @property
    def share(self) -> float:
        """What is sent of what is wanted, 0 to 1."""
        return self._share

    def admits(self, path: str, level_of: Callable[[Priority], int], *, now_s: float) -> bool:
        """Whether a call of the method is worth sending; `level_of` gives its level for a priority. `now_s` is monotonic."""
        priority = self._priorities.get(path, UNKNOWN)
        self._asked[priority] += 1
        if now_s - self._since_s >= WINDOW_S:
            self._step(now_s)
        return self._level >= ALL or level_of(priority) < self._level

    def ended(self, *, bad: bool) -> None:
        """A call that was sent has ended; bad when it was refused for overload or came too late."""
        self._ended += 1
        self._bad += bad

    def named(self, path: str, priority: Priority) -> None:
        """The service said which priority a method has."""
        self._priorities[path] = priority

    def _begin(self, now_s: float) -> None:
        self._since_s = now_s
        self._asked = [0] * len(Priority)
        self._ended = 0
        self._bad = 0

    def _step(self, now_s: float) -> None:
        age_s = now_s - self._since_s
        if age_s > 2 * LONGEST_WINDOW_S:
            self._share, self._level = 1.0, ALL
            self._begin(now_s)
            return
        if self._ended < WINDOW_CALLS and age_s < LONGEST_WINDOW_S:
            return
        windows = age_s / WINDOW_S
        for priority, asked in enumerate(self._asked):
            self._wanted[priority] += _SMOOTHING * (asked / windows - self._wanted[priority])
        bad = self._bad / self._ended if self._ended else 0.0
        if bad > BAD and self._ended >= WINDOW_CALLS:
            self._share = max(SMALLEST, self._share * max(STEEPEST, 1.0 - bad))
        elif bad <= BAD:
            self._share = min(1.0, self._share * GROWTH**windows)
        self._level = level_of_share(self._share, self._wanted)
        self._begin(now_s)
