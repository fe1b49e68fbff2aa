"""The time that is left for the work at hand, carried along every call as a context variable."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_deadline: ContextVar[float | None] = ContextVar("clipmesh_deadline", default=None)

MARGIN_S = 0.005
"""What a caller keeps for itself when it passes its deadline on, in seconds."""


def remaining_s(default_s: float) -> float:
    """Seconds left for one outward call: what is left of the caller's deadline minus a margin, at most `default_s`; never below 0."""
    at = _deadline.get()
    if at is None:
        return default_s
    return max(0.0, min(default_s, at - time.monotonic() - MARGIN_S))


@contextmanager
def scope(seconds: float) -> Iterator[None]:
    """Run a block under a deadline of `seconds` from now; an earlier deadline around it stays in force."""
    at = time.monotonic() + seconds
    outer = _deadline.get()
    token = _deadline.set(at if outer is None else min(at, outer))
    try:
        yield
    finally:
        _deadline.reset(token)


def expired() -> bool:
    """True when a deadline is set and has passed."""
    at = _deadline.get()
    return at is not None and at <= time.monotonic()
