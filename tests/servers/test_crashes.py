"""Processes and servers end by kill -9 under people who upload and watch, by seed: nothing acknowledged is lost, and bytes are those of embedded engines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from devstack.servers.server import Server
from tests.e2e.crashes import PROCESSES, STEPS, Kill, Plan, plan_of
from tests.e2e.engines import Engines
from tests.e2e.test_crash import clips, known_outputs, survives
from tests.fixtures.clips import clip, ladder_clip
from tests.servers.engines import parts_of
from tests.servers.shared import RunningServers

__all__ = ["clip", "clips", "known_outputs", "ladder_clip"]

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

SEEDS = 20
SERVERS = ("cassandra", "minio", "kafka", "redis")
KILLED = (*(name for name in PROCESSES if name != "redis"), *SERVERS)


@pytest.fixture(scope="module")
def own(running_servers: RunningServers) -> Iterator[Mapping[str, Server]]:
    """Servers of these tests alone, which keep what they acknowledged through a kill."""
    yield {name: running_servers.another(name, durable=True) for name in SERVERS}
    running_servers.mend(set())


@pytest.fixture
def engines(own: Mapping[str, Server]) -> Iterator[Engines]:
    """Parts of them for one test."""

    def kill_and_start(name: str) -> None:
        own[name].kill()
        own[name].start()

    urls = {name: server.url for name, server in own.items()}
    with parts_of(
        cassandra=urls["cassandra"], s3=urls["minio"], kafka=urls["kafka"], redis=urls["redis"], kill_and_start=kill_and_start
    ) as engines:
        yield engines


def plan_with_a_server(seed: int) -> Plan:
    """As of embedded engines, and besides one server each, in turn: drawn among all that runs, some would hardly ever die."""
    plan, rng = plan_of(seed, processes=KILLED), Random(seed)
    kill = Kill(process=SERVERS[seed % len(SERVERS)], step=rng.choice(STEPS), after_s=rng.uniform(0.0, 1.0))
    return replace(plan, kills=[*plan.kills, kill])


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_no_crash_costs_anything_that_was_acknowledged(
    seed: int, clips: Mapping[str, Path], known_outputs: dict[str, dict[str, str]], engines: Engines
) -> None:
    await survives(plan_with_a_server(seed), clips, known_outputs, engines)


@pytest.mark.parametrize("server", SERVERS)
async def test_a_server_that_dies_twice_costs_nothing_that_was_acknowledged(
    server: str, clips: Mapping[str, Path], known_outputs: dict[str, dict[str, str]], engines: Engines
) -> None:
    kills = [Kill(process=server, step=step, after_s=0.1) for step in ("parts sent", "first playable")]
    await survives(Plan(kills=kills), clips, known_outputs, engines)
