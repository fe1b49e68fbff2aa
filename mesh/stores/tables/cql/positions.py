"""Positions of writes: moments that only grow, so that what one process wrote later also stands later in the outbox, whatever its clock does."""

from __future__ import annotations

from mesh.clock import Clock

_COUNT_BITS = 20
"""Positions of one millisecond; with 43 bits of milliseconds before them they last until the year 2248."""
BUCKET_MS = 600_000
"""How much time one bucket of the outbox covers: small enough for a partition to stay small."""


def at_ms(position: int) -> int:
    """The millisecond of a position."""
    return position >> _COUNT_BITS


def first_of(ms: int) -> int:
    """The first position of a millisecond."""
    return max(0, ms) << _COUNT_BITS


def bucket_of(position: int) -> int:
    """The bucket a position lies in, by its first millisecond."""
    return at_ms(position) // BUCKET_MS * BUCKET_MS


class Positions:
    """Gives positions, each larger than all it gave or was told of."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> int:
        """A position of now, or right behind the last one when the clock stands or went back."""
        self._last = max(self._last + 1, first_of(self._clock.now_ms()))
        return self._last

    def go_behind(self, position: int) -> None:
        """Give only larger ones from now on."""
        self._last = max(self._last, position)
