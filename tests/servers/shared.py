"""The servers of one run of the tests: those that it started, and those whose URLs the environment names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn
from urllib.parse import urlsplit, urlunsplit

import pytest

from devstack.servers.refusals import ServerRefused
from devstack.servers.running import Servers
from devstack.servers.server import Server

REQUIRED: Final = "CLIPMESH_REQUIRE_SERVERS"
"""1: a server that cannot run is a failure, no reason to skip."""
VARIABLES: Final[Mapping[str, str]] = {
    "cassandra": "CLIPMESH_TEST_CASSANDRA",
    "minio": "CLIPMESH_TEST_S3",
    "kafka": "CLIPMESH_TEST_KAFKA",
    "redis": "CLIPMESH_TEST_REDIS",
}
"""URLs of servers that run already: they are used as they are, and never killed."""


@dataclass(slots=True)
class RunningServers:
    """The servers of this run, by name: cassandra, minio, kafka, redis. Methods of handles block: asynchronous tests call them in a thread."""

    servers: Servers
    refusals: dict[str, str] = field(default_factory=dict)
    """Why a server does not run."""
    _others: list[Server] = field(default_factory=list)

    def begin(self, names: set[str]) -> None:
        """Start what the environment does not name, all at once, and wait until each answers or is refused."""
        started = sorted(name for name in names if not os.environ.get(VARIABLES[name]))
        self.servers.begin(started)
        for name in started:
            try:
                self.servers[name]
            except ServerRefused as refusal:
                self.refusals[name] = str(refusal)

    def __getitem__(self, name: str) -> Server:
        """The handle of a server that all tests share; what a test leaves dead is started again after it."""
        if os.environ.get(VARIABLES[name]):
            self._miss(name, f"{VARIABLES[name]} names one that is not ours to kill")
        if name in self.refusals:
            self._miss(name, self.refusals[name])
        return self.servers[name]

    def another(self, name: str, *, durable: bool = False) -> Server:
        """One more server, for this test alone and stopped after it; `durable` where what is acknowledged has to survive a kill."""
        try:
            server = self.servers.another(name, durable=durable)
        except ServerRefused as refusal:
            self._miss(name, str(refusal))
        self._others.append(server)
        return server

    def url(self, name: str) -> str:
        """The URL of a server that all tests share."""
        named = os.environ.get(VARIABLES[name])
        worker = os.environ.get("PYTEST_XDIST_WORKER", "")
        if named and worker and name == "redis":
            # Tests empty their database: each worker has one of its own.
            return urlunsplit(urlsplit(named)._replace(path=f"/{int(worker.removeprefix('gw')) + 1}"))
        return named or self[name].url

    def mend(self, names: set[str]) -> None:
        """Start again what a test left dead, stop what it alone had."""
        for server in self._others:
            server.stop()
        self._others.clear()
        for name in names - set(self.refusals):
            if not os.environ.get(VARIABLES[name]):
                self.servers[name].start()

    def _miss(self, name: str, why: str) -> NoReturn:
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(f"{REQUIRED}=1, and {name} cannot run here: {why}", pytrace=False)
        self.refusals.setdefault(name, why)
        pytest.skip(f"{name} cannot run here: {why}")
