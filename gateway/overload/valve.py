"""How much the edge begins: as much as it answers, the lowest levels of mesh/levels.py first.

The loop itself says that there is too much: a timer that comes late has waited for everything that was ready before it. From then on two things decide.
A level, moved in every window so that what asks below it is about what can be answered; and a room for what runs at once, of which the urgent find the
last places. The room grows while the loop is on time and shrinks while it is late, so that the loop always has work and nobody waits for long.
"""

from __future__ import annotations

from typing import Final

from mesh.levels import ALL, SHARES

LATE_S: Final = 0.01
"""Lateness of the loop from which on there is too much to do. A request takes about eight turns of it."""
IN_TIME_S: Final = 0.005
"""Lateness up to which more may run at once."""
ALWAYS: Final = 16
"""So few overload nobody: the loop is late for another reason, and refusing them would not help."""
_DRY: Final = 3
"""With so few the loop is about to have nothing to do: whoever comes is welcome."""
LEAST_ROOM: Final = 40
MOST_ROOM: Final = 256
"""Bounds of what runs at once. A loop that is on time with so much is not the one that is short of time."""
WINDOW_S: Final = 0.1
"""How often the level is moved."""
OPENS_AFTER: Final = 5
"""Windows in a row that have to go well with everything begun."""
_LATE_SMOOTHING: Final = 0.25
"""Weight of one tick: a single late one closes nothing, three do."""
_SMOOTHING: Final = 0.3
"""Weight of one window."""
_RUSH: Final = 2.0
"""So many times the room the most urgent may fill: a rush of them waits a little longer instead of being turned away."""
_LEFT: Final = 0.2
"""Share of the room that each priority leaves to the one before it."""
_AIM: Final = 0.4
"""Share of the room that the level aims at: below, the loop might run dry; above, there is little left for a rush of the urgent."""
_STEEPEST: Final = 0.9
"""A window lets no less pass than this share of what is answered, whatever runs already: a rush would else be paid by the urgent."""
_GENEROUS: Final = 1.1
"""So much more than can be answered is let to the room: what is too much finds none there, and the loop does not run dry where the level errs."""


class Valve:
    """How late the loop is, what runs, what asks, and what of it is begun."""

    def __init__(self) -> None:
        self.late_s = 0.0
        self.running = 0
        self.open = True
        """True while everything is begun, and nobody's level is looked at."""
        self._room = float(LEAST_ROOM)
        self._answered = 0
        self._answered_a_window = 0.0
        self._asked = [0] * ALL
        self._wanted = [0.0] * ALL
        self._window_s: float | None = None
        self._well = 0
        self._cut = ALL
        self._part = self._owed = 0.0

    @property
    def level(self) -> int:
        """Lower levels are begun; ALL when every one is."""
        return self._cut

    @property
    def room(self) -> int:
        """How much may run at once of what is most urgent."""
        return int(self._room)

    def admits(self, level: int, *, counted: bool = True) -> bool:
        """Whether a request of this level is begun; `counted` when it is going to be `begun` and `answered`."""
        if self.open:
            return True
        if counted:
            self._asked[level] += 1
        if self.running < _DRY:
            return True
        passes = level < self._cut or (level == self._cut and self._next_of_part())
        priority = level // SHARES
        if not priority:
            # The level may err for a moment; the urgent must not pay for it while there is room.
            return self.running < (_RUSH * self._room if passes else self._room)
        return passes and self.running < self._room * (1 - _LEFT * priority)

    def begun(self) -> None:
        """A request runs from now on."""
        self.running += 1

    def answered(self) -> None:
        """A request has ended."""
        self.running -= 1
        self._answered += 1

    def ticked(self, late_s: float, *, now_s: float) -> None:
        """A timer came so late; `now_s` is monotonic."""
        self.late_s += _LATE_SMOOTHING * (min(late_s, 2 * LATE_S) - self.late_s)
        if self.open and self.late_s >= LATE_S and self.running >= ALWAYS:
            self._close()
        if self._window_s is None:
            self._window_s = now_s
        elif now_s - self._window_s >= WINDOW_S:
            self._step((now_s - self._window_s) / WINDOW_S)
            self._window_s = now_s

    def _next_of_part(self) -> bool:
        """Of the level that is cut through, every so-manieth: all may be of one person, or of people whom nothing tells apart."""
        self._owed += self._part
        if self._owed < 1:
            return False
        self._owed -= 1
        return True

    def _close(self) -> None:
        self.open = False
        self._well = 0
        self._room = float(LEAST_ROOM)
        self._cut, self._part = ALL, 0.0
        self._asked = [0] * ALL
        self._wanted = [0.0] * ALL

    def _step(self, windows: float) -> None:
        weight = min(1.0, _SMOOTHING * windows)
        self._answered_a_window += weight * (self._answered / windows - self._answered_a_window)
        self._answered = 0
        if self.open:
            return
        if self.late_s > IN_TIME_S:
            self._room = max(LEAST_ROOM, 0.9 * self._room)
        elif self.running > _AIM * self._room / 2:
            self._room = min(MOST_ROOM, 1.1 * self._room)
        # The first window has nothing to be smoothed with.
        first = not any(self._wanted)
        for level, asked in enumerate(self._asked):
            if asked or self._wanted[level]:
                self._wanted[level] += (1.0 if first else weight) * (asked / windows - self._wanted[level])
        self._asked = [0] * ALL
        answered = self._answered_a_window
        self._cut_at(_GENEROUS * max(1.0, _STEEPEST * answered, answered + _AIM * self._room - self.running))
        idle = self._room >= MOST_ROOM and self.late_s < IN_TIME_S
        self._well = self._well + 1 if (self._cut == ALL and self.late_s < LATE_S) or idle else 0
        self.open = self._well >= OPENS_AFTER

    def _cut_at(self, most: float) -> None:
        """Let the lowest levels that together want `most` a window pass."""
        for level, wanted in enumerate(self._wanted):
            if wanted > most:
                self._cut, self._part = level, most / wanted
                return
            most -= wanted
        self._cut, self._part = ALL, 0.0
