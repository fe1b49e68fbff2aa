"""A Redis on a port: the redis-server of the machine, else the one that comes with pip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from devstack.servers.cache import Cache
from devstack.servers.keeper import Keeper
from devstack.servers.probes import redis_answers
from devstack.servers.recipe import Command, Place
from devstack.servers.refusals import MissingTool
from mesh.stores.redis_server import NoRedisServer, redis_binary

_MEMORY: Final = "256mb"


@dataclass(frozen=True, slots=True)
class Redis:
    """Keeps an append-only file, as the Redis that `clipmesh up` starts."""

    name: str = "redis"
    version: str = "6.2 or later"
    variable: str = "CLIPMESH_REDIS"
    port_count: int = 1

    def fetched(self, cache: Cache) -> bool:
        """Always: it came with pip."""
        return True

    def fetch(self, cache: Cache, keeper: Keeper) -> None:
        """Nothing to do but to look. Raises MissingTool."""
        _binary()

    def command(self, place: Place, *, cache: Cache, keeper: Keeper) -> Command:
        """A server on the port alone. What it acknowledged is in the hands of the kernel, so the death of the process loses nothing."""
        return Command(
            arguments=(
                *(_binary(), "--port", str(place.ports[0]), "--bind", "127.0.0.1", "--dir", str(place.folder), "--daemonize", "no"),
                *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
                *("--maxmemory", _MEMORY, "--maxmemory-policy", "noeviction"),
            )
        )

    def answers(self, port: int) -> bool:
        """True when it answers PING."""
        return redis_answers(port)

    def url(self, port: int) -> str:
        """Its first database."""
        return f"redis://127.0.0.1:{port}/0"


def _binary() -> str:
    try:
        return str(redis_binary())
    except NoRedisServer as error:
        raise MissingTool(str(error)) from error
