"""A clock that stands still until a test moves it."""

from __future__ import annotations


class FakeClock:
    """Wall and monotonic time that only `advance` and `step` move."""

    def __init__(self, now_ms: int = 1_760_000_000_000) -> None:
        self._now_ms = now_ms
        self._monotonic_ms = 1_000_000

    def now_ms(self) -> int:
        """The wall time the test set, in milliseconds since the Unix epoch."""
        return self._now_ms

    def monotonic_ms(self) -> int:
        """The monotonic time the test set, in milliseconds."""
        return self._monotonic_ms

    def advance(self, ms: int) -> None:
        """Let `ms` milliseconds go by on both clocks."""
        self._now_ms += ms
        self._monotonic_ms += ms

    def step(self, ms: int) -> None:
        """Step the wall clock alone, back or forth, as a time server would."""
        self._now_ms += ms
