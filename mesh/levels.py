"""Which calls go first when not all can: a level for each call, made of its method's priority and of whom it is for.

After DAGOR (Zhou et al., Overload Control for Scaling WeChat Microservices, SoCC 2018): every process along the way computes the same level for the same
person, so what is begun for somebody is also finished, and what cannot be finished is not begun.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

from mesh.access import Priority

SHARES: Final = 128
"""Levels within one priority."""
ALL: Final = len(Priority) * SHARES
"""Every call has a lower level."""
_HOUR_MS: Final = 3_600_000


def level_of(priority: Priority, who: str, now_ms: int) -> int:
    """The level of a call, 0 (first) to ALL - 1: within a priority it is drawn from `who` and the hour, so that it is not always the same people's."""
    return int(priority) * SHARES + zlib.crc32(f"{who}.{now_ms // _HOUR_MS}".encode()) % SHARES


def level_of_share(share: float, wanted: Sequence[float]) -> int:
    """The level below which `share` of what is wanted lies; `wanted` has the calls of each priority, in any unit."""
    left = share * sum(wanted)
    if share >= 1.0 or not left:
        return ALL
    for priority, calls in zip(Priority, wanted, strict=True):
        if left < calls:
            return priority * SHARES + max(1, round(SHARES * left / calls))
        left -= calls
    return ALL
