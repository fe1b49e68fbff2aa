"""Processes and servers end by kill -9 under people who upload and watch, by seed: nothing acknowledged is lost, and bytes are those of embedded engines."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from devstack.servers.server import Server
from mesh.testing.folders import socket_folder
from tests.e2e.crashes import PROCESSES, STEPS, Kill, Plan, plan_of
from tests.e2e.engines import Engines
from tests.e2e.stage import Stage
from tests.e2e.test_crash import clips, known_outputs, survives
from tests.fixtures.clips import clip, ladder_clip
from tests.servers import fresh, swept
from tests.servers.engines import parts_of
from tests.servers.shared import RunningServers

__all__ = ["clip", "clips", "known_outputs", "ladder_clip"]

pytestmark = [pytest.mark.long, pytest.mark.timeout(1_800)]

SEEDS = 20
SERVERS = ("cassandra", "minio", "kafka", "redis")
PARTS = ("data", "commitlog", "hints", "saved_caches")
"""What a Cassandra keeps in its folder."""
DRAINED_S = 120.0
KILLED = (*(name for name in PROCESSES if name != "redis"), *SERVERS)


@pytest.fixture(scope="module")
def own(running_servers: RunningServers) -> Iterator[Mapping[str, Server]]:
    """Servers of these tests alone, which keep what they acknowledged through a kill; Cassandra does once its tables are made."""
    with ThreadPoolExecutor(len(SERVERS)) as threads:
        started = threads.map(lambda name: running_servers.another(name, durable=name != "cassandra"), SERVERS)
    yield dict(zip(SERVERS, started, strict=True))
    running_servers.mend(set())


@pytest.fixture(scope="module")
def tables(own: Mapping[str, Server], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The URL of keyspaces with every table and no row, and the files of a server that has them: quicker to copy than to make or to empty."""
    server, files = own["cassandra"], tmp_path_factory.mktemp("tables")
    url = fresh.keyspaces(server.url)

    async def make() -> None:
        parts = parts_of(cassandra=url, s3=own["minio"].url, kafka=own["kafka"].url, redis=own["redis"].url)
        with parts as engines, socket_folder() as folder:
            stage = Stage.at(folder, engines=engines)
            try:
                await stage.system.start()
            finally:
                await stage.close()

    # It may be asked for while a test's loop runs on this thread.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(make())).result()
    swept.rows(url)
    assert server.stop(within_s=DRAINED_S), "what was not written is not in the files"
    for part in PARTS:
        shutil.copytree(server.place.folder / part, files / part)
    server.place = replace(server.place, durable=True)
    return url, files


@pytest.fixture
def engines(own: Mapping[str, Server], tables: tuple[str, Path]) -> Iterator[Engines]:
    """Parts of them for one test."""

    def kill_and_start(name: str) -> None:
        own[name].kill()
        own[name].start()

    server, (url, files) = own["cassandra"], tables
    server.kill()
    for part in PARTS:
        shutil.rmtree(server.place.folder / part)
        shutil.copytree(files / part, server.place.folder / part)
    server.start()
    with parts_of(
        cassandra=url, s3=own["minio"].url, kafka=own["kafka"].url, redis=own["redis"].url, kill_and_start=kill_and_start
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
