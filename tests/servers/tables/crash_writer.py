"""Writes rows with events as fast as it can, says on stdout which were acknowledged, and kills itself in the middle of a named step."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from mesh.clock import SystemClock
from mesh.stores.tables import open_tables
from mesh.stores.tables.cql import plain
from mesh.stores.tables.cql.guarded import GuardedWrites
from mesh.stores.tables.cql.outbox_log import OutboxLog
from mesh.stores.tables.port import Tables
from mesh.testing.tables_rows import ROW_TYPES
from tests.servers.tables.ledger import WRITERS, write_for_ever


def die_around(owner: Any, name: str, *, after: bool, visit: int) -> None:
    """Kill this process before or after some call of a method or function, not at a moment when nothing else is under way."""
    original: Callable[..., Any] = getattr(owner, name)
    visits = 0

    async def fatal(*args: Any, **kwargs: Any) -> Any:
        nonlocal visits
        visits += 1
        if visits == visit and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        mine = visits
        answer = await original(*args, **kwargs)
        if mine >= visit:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(owner, name, fatal)


STEPS: dict[str, tuple[Any, str, bool]] = {
    "before the entries": (OutboxLog, "write", False),
    "after the entries": (OutboxLog, "write", True),
    "after the conditional write": (GuardedWrites, "_try", True),
    "before the plain rows": (plain, "write_rows", False),
    "after the plain rows": (plain, "write_rows", True),
    "before the decision": (OutboxLog, "confirm", False),
}


async def main(url: str, seed: int, step: str, visit: int) -> None:
    owner, name, after = STEPS[step]
    die_around(owner, name, after=after, visit=visit)
    tables: Tables = await open_tables(url, service="contract", row_types=ROW_TYPES, clock=SystemClock())

    def acknowledged(words: str) -> None:
        os.write(1, f"{words}\n".encode())

    await asyncio.gather(*(write_for_ever(tables, seed * 1_000 + number, acknowledged) for number in range(WRITERS)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
