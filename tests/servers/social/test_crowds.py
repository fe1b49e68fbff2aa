"""Crowds on Cassandra, Kafka and Redis: several people with several devices do everything at once while processes are killed and consumers rewound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh.testing.folders import socket_folder
from tests.service.social.crowd_processes import open_processes
from tests.service.social.crowd_proof import prove, prove_on

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
"""Each conditional write costs a real server four rounds, groups of Kafka take their time after each death, and other servers share the machine."""

SEEDS = range(1, 22)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where processes listen."""
    with socket_folder() as path:
        yield path


async def on_servers(folder: Path, seed: int, cassandra: str, redis: str, kafka: str) -> None:
    """One crowd on two processes."""
    stores = {"CLIPMESH_TABLES": cassandra, "CLIPMESH_REDIS": redis, "CLIPMESH_EVENTS": kafka}
    async with open_processes(folder, seed=seed, size=2, **stores) as processes:
        await prove_on(processes, seed, acts=8, kills=2)


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_a_crowd_does_ends_as_its_acts_allow(
    folder: Path, own_cassandra_url: str, own_redis_url: str, own_kafka_url: str, seed: int
) -> None:
    await on_servers(folder, seed, own_cassandra_url, own_redis_url, own_kafka_url)


async def test_parts_of_a_process_that_die_between_writes_leave_what_their_acts_allow(tmp_path: Path, own_cassandra_url: str) -> None:
    await prove(tmp_path, 1, url=own_cassandra_url, acts=6, patience_s=60.0)
