"""`clipmesh up` on stores that refuse it: one line that says what and how to mend it, exit status 2, and nothing runs or is spoilt."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from devstack.ports import free_port
from mesh.clock import SystemClock
from mesh.stores.tables import open_tables
from mesh.testing.folders import socket_folder
from tests.e2e.test_command import living
from tests.fixtures.children import child
from tests.fixtures.redis_tcp import redis_on_tcp

STORES = ("CLIPMESH_TABLES", "CLIPMESH_BLOBS", "CLIPMESH_EVENTS", "CLIPMESH_REDIS")
pytestmark = pytest.mark.timeout(120)


async def refused(folder: Path, urls: Mapping[str, str]) -> str:
    """What `clipmesh up` says when it refuses to start."""
    kept = {name: value for name, value in os.environ.items() if name not in STORES}
    command = (sys.executable, "-m", "devstack", "up", "--folder", str(folder), "--port", str(free_port()))
    async with child(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env={**kept, **urls}) as process:
        output, _ = await process.communicate()
    words = output.decode()
    assert process.returncode == 2, words
    assert words.startswith("clipmesh: ")
    assert words.count("\n") == 1, words
    assert living(folder) == []
    return words


async def test_tables_that_a_later_release_wrote_are_refused_and_stay_as_they_were() -> None:
    with socket_folder() as folder:
        (folder / "tables").mkdir()
        store = await open_tables(f"sqlite:///{folder}/tables", service="sound", row_types=(), clock=SystemClock())
        await store.close()
        file = folder / "tables" / "sound.db"
        with closing(sqlite3.connect(file)) as rows:
            rows.execute("PRAGMA user_version = 99")
        before = file.read_bytes()
        said = await refused(folder, {})
        assert "the schema version 99 of the file is newer than the code's 1; start the release that wrote it, or a later one" in said
        assert file.read_bytes() == before


async def test_a_redis_that_does_not_take_the_password_is_refused(tmp_path: Path) -> None:
    async with redis_on_tcp(tmp_path / "redis", "requirepass right") as redis:
        with socket_folder() as folder:
            said = await refused(folder, {"CLIPMESH_REDIS": f"redis://:hidden@127.0.0.1:{redis.port}/0"})
    assert "CLIPMESH_REDIS" in said
    assert "set user and password in the URL, and let the user do: ACL SETUSER" in said
    assert "hidden" not in said
