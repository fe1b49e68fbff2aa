"""Several people with several devices do everything to one another at once, while processes die and consumers are rewound: all ends as their acts
allow, and nothing that is heard again changes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh.testing.folders import socket_folder
from mesh.testing.redis_server import RedisServer
from tests.service.social.crowd_processes import open_processes
from tests.service.social.crowd_proof import prove, prove_on

SEEDS, LONG_SEEDS, KILLED_SEEDS = range(2), range(2, 252), range(1, 6)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where processes listen."""
    with socket_folder() as path:
        yield path


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.timeout(180)
async def test_whatever_a_crowd_does_ends_as_its_acts_allow(tmp_path: Path, seed: int) -> None:
    await prove(tmp_path, seed, acts=8)


@pytest.mark.long
@pytest.mark.parametrize("seed", LONG_SEEDS)
@pytest.mark.timeout(300)
async def test_two_hundred_and_fifty_crowds_end_as_their_acts_allow(tmp_path: Path, seed: int) -> None:
    await prove(tmp_path, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", KILLED_SEEDS)
@pytest.mark.timeout(300)
async def test_a_crowd_on_a_process_that_is_killed_ends_as_its_acts_allow(folder: Path, redis_server: RedisServer, seed: int) -> None:
    async with open_processes(folder, seed=seed, size=1, CLIPMESH_REDIS=redis_server.url) as processes:
        await prove_on(processes, seed)
