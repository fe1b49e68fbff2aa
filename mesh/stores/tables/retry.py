"""The optimistic loop: read a guarded row, decide, write it back, and begin anew when somebody was faster."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from mesh.events.event import Event
from mesh.stores.tables.port import OutcomeUnknown, Tables, TablesUnavailable, VersionConflict

R = TypeVar("R")

ATTEMPTS = 8
"""How often a change is tried; with the pauses between, some 0.3 s of steady conflict."""
_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.1


async def update(
    tables: Tables,
    row_type: type[R],
    key: tuple[Any, ...],
    change: Callable[[R], R | None],
    *,
    events: Callable[[R, R], Sequence[Event]] = lambda _old, _new: (),
    attempts: int = ATTEMPTS,
) -> R | None:
    """The row after `change`, written with `events(old, new)`; None when there is no such row.

    `change` may be called several times and must be pure; it answers None to leave the row as it stands, and what it raises passes through.
    `new` still carries the old version: the engine fills the events' key_version. Raises VersionConflict or TablesUnavailable when no attempt
    came through; an attempt whose outcome was unknown is settled before the next one.
    """
    for attempt in range(1, attempts + 1):
        row = await tables.get(row_type, *key)
        if row is None:
            return None
        changed = change(row)
        if changed is None:
            return row
        version: int = row.version  # type: ignore[attr-defined]
        try:
            return await tables.transition(changed, expected_version=version, events=events(row, changed))
        except OutcomeUnknown as unknown:
            if await tables.settle(unknown.token):
                return await tables.get(row_type, *key)
            if attempt == attempts:
                raise TablesUnavailable("no attempt to write was answered in time") from unknown
        except VersionConflict:
            if attempt == attempts:
                raise
        # Unequal pauses part writers that met once.
        await asyncio.sleep(random.uniform(0, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt)))  # noqa: S311
    raise ValueError("attempts must be at least 1")
