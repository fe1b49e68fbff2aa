"""How long a clip may be: one answer for the door, which hears what a client says, and for the probe, which measures. And how it is cut for players."""

from __future__ import annotations

SHORTEST_MS = 15_000
LONGEST_MS = 600_000
TOLERANCE_MS = 50
"""A nominal 15 s clip of a phone ends a picture early."""

SEGMENT_MS = 2_000
"""The grid: every group of pictures and every video segment but the last is exactly this long."""


def is_too_short(duration_ms: int) -> bool:
    """True below the shortest length, but for the tolerance."""
    return duration_ms < SHORTEST_MS - TOLERANCE_MS


def is_too_long(duration_ms: int) -> bool:
    """True above the longest length, but for the tolerance."""
    return duration_ms > LONGEST_MS + TOLERANCE_MS


def segments_of(duration_ms: int) -> int:
    """How many video segments a clip has."""
    return -(-duration_ms // SEGMENT_MS)
