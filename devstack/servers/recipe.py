"""What differs between servers: where they come from, how they are started, how one sees that they serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from devstack.servers.cache import Cache
from devstack.servers.keeper import Keeper


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one server works."""

    folder: Path
    """Absolute; its configuration, rows and log, kept from one start to the next."""
    ports: Sequence[int]
    """The first is the one that clients connect to."""
    durable: bool
    """True when what was acknowledged has to survive the death of the process, at the price of slower writes and starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """How a server is started."""

    arguments: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    """On top of the environment of all servers."""


class Recipe(Protocol):
    """One kind of server."""

    @property
    def name(self) -> str:
        """What people call it: one word in lower case."""
        ...

    @property
    def version(self) -> str:
        """What is fetched."""
        ...

    @property
    def variable(self) -> str:
        """The setting of Clipmesh that takes its URL."""
        ...

    @property
    def port_count(self) -> int:
        """How many ports it listens on."""
        ...

    def fetched(self, cache: Cache) -> bool:
        """True when nothing has to be fetched."""
        ...

    def fetch(self, cache: Cache, keeper: Keeper) -> None:
        """Bring the server into the cache, unless it is there. Raises ServerRefused."""
        ...

    def command(self, place: Place, *, cache: Cache, keeper: Keeper) -> Command:
        """Write the configuration, prepare an empty folder, and say how to start. Raises ServerRefused."""
        ...

    def answers(self, port: int) -> bool:
        """True when the server takes requests of clients."""
        ...

    def url(self, port: int) -> str:
        """What the setting of Clipmesh takes."""
        ...
