"""The optimistic loop over several rows of one partition: read, decide, write, and begin anew when somebody was faster."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from mesh import deadline
from mesh.stores.tables.port import Change, Insert, OutcomeUnknown, RowExists, Tables, TablesUnavailable, Transition, VersionConflict

T = TypeVar("T")
Decided = tuple[T, tuple[Change, ...]]

ATTEMPTS = 16
_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.1


async def decide(tables: Tables, decision: Callable[[], Awaitable[Decided[T]]]) -> T:
    """What `decision` says, once the changes that it asks for are written; it is asked again whenever they were not.

    Raises TablesUnavailable when others were faster each time or the time is over, and what `decision` raises.
    """
    for attempt in range(1, ATTEMPTS + 1):
        answer, changes = await decision()
        if not changes:
            return answer
        try:
            await tables.commit(*changes)
        except OutcomeUnknown as unknown:
            if await tables.settle(unknown.token):
                return answer
        except (RowExists, VersionConflict):
            if deadline.expired():
                break
        else:
            return answer
        await asyncio.sleep(random.uniform(0, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt)))  # noqa: S311
    raise TablesUnavailable("others wrote to a partition each time it was read")


def change_of(row: T, *, version: int) -> Change:
    """The write of a row that was read in a version, 0 for one that was not there."""
    return Transition(row, version) if version else Insert(row)
