"""Kills writers between their steps, and the server under load: nothing acknowledged is lost, nothing is torn apart, no key's events change places."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from mesh.clock import SystemClock
from mesh.stores.tables.cql.settling import PATIENCE_S
from mesh.testing.tables_rows import ROW_TYPES, Score, Ticket
from tests.servers.shared import RunningServers
from tests.servers.tables.crash_writer import STEPS
from tests.servers.tables.ledger import WRITERS, Ledger, check, write_for_ever
from tests.servers.tables.stores import open_store

ROOT = Path(__file__).parents[3]
WITHIN_S = PATIENCE_S + 10


def write_until_killed(url: str, seed: int, step: str) -> Ledger:
    """Run a writer until it kills itself; what it was told is done."""
    visit = random.Random(seed).randint(20, 120)
    process = subprocess.run(
        [sys.executable, "-m", "tests.servers.tables.crash_writer", url, str(seed), step, str(visit)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'codegen/python'}"},
        check=False,
        timeout=50,
    )
    assert process.returncode == -9
    ledger = Ledger()
    for line in process.stdout.decode().splitlines(keepends=True):
        if line.endswith("\n"):
            ledger.note(line)
    return ledger


async def kill_writers(url: str, seeds: dict[int, str]) -> None:
    whole = Ledger()
    for seed, step in seeds.items():
        ledger = await asyncio.to_thread(write_until_killed, url, seed, step)
        assert ledger
        whole.versions |= ledger.versions
        whole.scores |= ledger.scores
    tables = await open_store(url, ROW_TYPES, SystemClock())
    try:
        await check(tables, whole, within_s=WITHIN_S)
    finally:
        await tables.close()


@pytest.mark.timeout(240)
async def test_writers_that_die_between_two_steps_tear_nothing_apart(emptied_url: str) -> None:
    await kill_writers(emptied_url, dict(enumerate(STEPS, 1)))


async def kill_server(servers: RunningServers, *, kills: int, seed: int) -> None:
    dice = random.Random(seed)
    server = await asyncio.to_thread(servers.another, "cassandra", durable=True)
    url = server.url
    tables = await open_store(url, (Ticket, Score), SystemClock())
    ledger = Ledger()
    writers = [asyncio.create_task(write_for_ever(tables, number, ledger.note)) for number in range(1, WRITERS + 1)]
    try:
        for _ in range(kills):
            before = len(ledger)
            while len(ledger) < before + 40:
                await asyncio.sleep(0.05)
            await asyncio.sleep(dice.uniform(0, 0.5))
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
        before = len(ledger)
        while len(ledger) < before + 40:
            await asyncio.sleep(0.05)
    finally:
        for writer in writers:
            writer.cancel()
        outcomes = await asyncio.gather(*writers, return_exceptions=True)
        await tables.close()
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    again = await open_store(url, (Ticket, Score), SystemClock())
    try:
        await check(again, ledger, within_s=WITHIN_S)
    finally:
        await again.close()


@pytest.mark.timeout(240)
async def test_a_server_killed_under_load_loses_nothing_acknowledged(servers: RunningServers, cassandra_url: str) -> None:
    await kill_server(servers, kills=1, seed=1)


@pytest.mark.long
@pytest.mark.timeout(3_000)
@pytest.mark.parametrize("seed", range(20))
async def test_a_server_killed_again_and_again_loses_nothing_acknowledged(servers: RunningServers, cassandra_url: str, seed: int) -> None:
    await kill_server(servers, kills=3, seed=seed)


@pytest.mark.long
@pytest.mark.timeout(3_000)
async def test_twenty_dead_writers_of_each_step_tear_nothing_apart(emptied_url: str) -> None:
    await kill_writers(emptied_url, dict(enumerate([*STEPS] * 20, 100)))
