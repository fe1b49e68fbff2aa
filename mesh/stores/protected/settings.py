"""How patient each store's protection is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionSettings:
    """Numbers of one store; reads and writes are counted apart, each by these."""

    default_s: float
    """Time limit of a call that carries no deadline, as the port promises it, in seconds."""
    at_once: int
    """Calls under way at once."""
    wait_s: float
    """Longest wait for a place, in seconds; 0 refuses at once."""
    most_waiting: int
    """Calls that may wait for a place."""
    slow_s: float
    """A timed call that takes this long was slow, in seconds."""
    impatient_s: float
    """A call whose own deadline left less than this, in seconds, says nothing about the store when it runs out of time."""
    window_s: float = 10.0
    """How far back the breaker looks, in seconds."""
    least_calls: int = 20
    """Calls within the window before it may open."""
    failed_rate: float = 0.5
    """It opens when this part of the calls failed."""
    slow_rate: float = 0.8
    """It opens when this part of the calls was slow."""
    open_s: float = 0.5
    """How long it first stays open, in seconds; doubled after each probe that failed."""
    longest_open_s: float = 2.0
    """Where the doubling ends: with the jitter the store is asked again within 2.5 s of its return."""
    follow_after_s: float = 0.05
    """A shared read begins though the one before it has not ended, after this wait in seconds."""

    def __post_init__(self) -> None:
        for name in ("default_s", "at_once", "slow_s", "window_s", "least_calls", "open_s", "follow_after_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} has to be above 0")
        for name in ("wait_s", "most_waiting", "impatient_s"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} cannot be negative")
        for name in ("failed_rate", "slow_rate"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} has to be above 0 and at most 1")
        if self.longest_open_s < self.open_s:
            raise ValueError("longest_open_s cannot be below open_s")


TABLES: Final = ProtectionSettings(default_s=5.0, at_once=128, wait_s=0.25, most_waiting=1024, slow_s=2.0, impatient_s=0.1)
BLOBS: Final = ProtectionSettings(default_s=30.0, at_once=64, wait_s=0.5, most_waiting=256, slow_s=5.0, impatient_s=0.5)
STREAM: Final = ProtectionSettings(default_s=5.0, at_once=64, wait_s=0.25, most_waiting=256, slow_s=2.0, impatient_s=0.05)
REDIS: Final = ProtectionSettings(default_s=1.0, at_once=64, wait_s=0.1, most_waiting=512, slow_s=0.8, impatient_s=0.05)
