"""Pauses that grow while something is away, and what counts as away."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

from mesh.errors import DeadlineExceeded, ResourceExhausted, Unavailable
from mesh.events.stream.port import StreamUnavailable
from mesh.stores.tables.port import OutcomeUnknown, TablesUnavailable

OUTAGES = (Unavailable, DeadlineExceeded, ResourceExhausted, StreamUnavailable, TablesUnavailable, OutcomeUnknown)
"""Errors that tell of the surroundings, not of the event at hand: waiting mends them."""


class Backoff:
    """Doubles from `first_ms` to `longest_ms`; each pause is shortened by up to a half, so that many waiters spread out."""

    def __init__(self, *, first_ms: int, longest_ms: int) -> None:
        self._first_ms = first_ms
        self._longest_ms = longest_ms
        self._next_ms = first_ms

    def reset(self) -> None:
        """Start over with the first pause."""
        self._next_ms = self._first_ms

    async def pause(self, *, unless: asyncio.Event) -> None:
        """Wait for the next pause, or until `unless` is set."""
        pause_s = self._next_ms / 1000 * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
        self._next_ms = min(self._next_ms * 2, self._longest_ms)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await unless.wait()
