"""Writes rows with events as fast as it can and says on stdout which were acknowledged, until it is killed."""

from __future__ import annotations

import asyncio
import os
import sys

from mesh.clock import SystemClock
from mesh.stores.tables import open_tables
from mesh.testing.tables_rows import ROW_TYPES, Score, Seat, Ticket, event


async def main(url: str, seed: int) -> None:
    tables = await open_tables(url, service="contract", row_types=ROW_TYPES, clock=SystemClock())
    count = seed * 1_000_000

    async def write() -> None:
        nonlocal count
        while True:
            count += 1
            number = count
            kind = number % 3
            events = [event(number, str(number)), event(-number, str(-number))]
            if kind == 0:
                await tables.insert(Ticket(ticket_id=number, note="x" * (number % 700)), events=events)
            elif kind == 1:
                await tables.put(
                    Score(game=number, points=1, player="a", version=1), Score(game=number, points=2, player="a", version=1), events=events
                )
            else:
                seat = await tables.insert(Seat(hall=number, seat=1))
                await tables.transition(seat, expected_version=1, events=events)
            os.write(1, f"{number}\n".encode())

    await asyncio.gather(*(write() for _ in range(24)))


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
