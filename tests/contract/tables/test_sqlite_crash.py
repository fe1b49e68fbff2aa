"""Kills a writing process: what it was told is done is there, and a row is never without its events nor they without it."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mesh.clock import SystemClock
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables
from mesh.testing.tables_rows import ROW_TYPES, Score, Seat, Ticket, entries_after

WRITER = Path(__file__).with_name("crash_writer.py")


def acknowledged_until_killed(url: str, seed: int) -> set[int]:
    """Run the writer, kill it after some hundred acknowledgements, and give the numbers it had acknowledged by then."""
    root = Path(__file__).parents[3]
    dice = random.Random(seed)
    wanted = dice.randint(50, 1_000)
    process = subprocess.Popen(
        [sys.executable, str(WRITER), url, str(seed)],
        stdout=subprocess.PIPE,
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root}:{root / 'codegen/python'}"},
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(wanted)]
    # An acknowledgement comes right after a commit, when nothing is half done: let the kill fall anywhere.
    time.sleep(dice.uniform(0, 0.02))
    process.kill()
    lines += process.stdout.readlines()
    process.stdout.close()
    process.wait(10)
    return {int(line) for line in lines if line.endswith(b"\n")}


async def found_numbers(tables: Tables) -> tuple[set[int], set[int]]:
    """Numbers whose rows are whole, and numbers that have an event."""
    rows: list[int] = []
    for row_type in (Ticket, Score, Seat):
        after = ""
        while True:
            page = await tables.walk(row_type, after=after, limit=1_000)
            for row in page.rows:
                if isinstance(row, Ticket):
                    rows.append(row.ticket_id)
                elif isinstance(row, Score):
                    rows.append(row.game)
                elif row.version == 2:
                    rows.append(row.hall)
            after = page.next
            if not after:
                break
    events = [entry.event_id for entry in await entries_after(tables, {}, limit=1_000)]
    assert len(events) == len(set(events))
    assert {number for number in events if number > 0} == {-number for number in events if number < 0}
    scored = [number for number in rows if number % 3 == 1]
    assert len(scored) == 2 * len(set(scored))
    return set(rows), {number for number in events if number > 0}


async def crash(tmp_path: Path, seeds: range) -> None:
    url, acknowledged = f"sqlite:///{tmp_path}", set[int]()
    for seed in seeds:
        acknowledged |= await asyncio.to_thread(acknowledged_until_killed, url, seed)
        tables = await open_tables(url, service="contract", row_types=ROW_TYPES, clock=SystemClock())
        rows, events = await found_numbers(tables)
        await tables.close()
        assert rows == events
        assert acknowledged <= rows
    assert len(acknowledged) >= 50 * len(seeds)


async def test_a_killed_writer_loses_nothing_it_acknowledged_and_tears_nothing_apart(tmp_path: Path) -> None:
    await crash(tmp_path, range(1, 6))


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_fifty_kills_lose_nothing(tmp_path: Path) -> None:
    await crash(tmp_path, range(100, 150))
