"""Several servers as one thing: fetched and started in parallel, each with an answer of its own, stopped together."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final

from devstack.ports import free_ports, is_free
from devstack.servers.cache import Cache
from devstack.servers.cassandra import Cassandra
from devstack.servers.kafka import Kafka
from devstack.servers.keeper import Keeper
from devstack.servers.minio import Minio
from devstack.servers.recipe import Place, Recipe
from devstack.servers.redis import Redis
from devstack.servers.server import Server

RECIPES: Final[Mapping[str, Recipe]] = MappingProxyType({recipe.name: recipe for recipe in (Cassandra(), Minio(), Kafka(), Redis())})
"""Every kind of server by its word."""


class Servers:
    """Servers of one run, in `folder`/NAME each. Methods block: asynchronous code calls them in a thread."""

    def __init__(
        self, folder: Path, *, cache: Cache | None = None, held: tuple[int, ...] = (), say: Callable[[str], None] = lambda _: None
    ) -> None:
        """`held` are descriptors that every server keeps open; `say` is told in a line what takes long, from any thread."""
        self.folder = folder
        self._cache = cache or Cache()
        self._keeper = Keeper(held=held)
        self._say = say
        self._threads = ThreadPoolExecutor(thread_name_prefix="servers")
        self._begun: dict[str, Future[Server]] = {}
        self._made: list[Server] = []
        self._alone = threading.Lock()

    def begin(self, names: Iterable[str], *, durable: bool = False) -> None:
        """Fetch and start servers in the background, all at once; `self[name]` waits for one of them."""
        for name in names:
            if name not in self._begun:
                self._begun[name] = self._threads.submit(self._start, name, name, durable)

    def __getitem__(self, name: str) -> Server:
        """A server that was begun, as soon as it answers. Raises ServerRefused when it cannot run here, KeyError when it was not begun."""
        return self._begun[name].result()

    @property
    def began(self) -> bool:
        """True when a server was ever started."""
        return bool(self._made)

    def another(self, name: str, *, durable: bool = False) -> Server:
        """One more server of a kind, started; it shares nothing with the others of its kind. Raises ServerRefused."""
        with self._alone:
            number = sum(server.name == name for server in self._made) + 1
        return self._start(name, f"{name}-{number}", durable)

    def _start(self, name: str, folder: str, durable: bool) -> Server:
        recipe = RECIPES[name]
        if not recipe.fetched(self._cache):
            self._say(f"fetching {name} {recipe.version}, this once ...")
        recipe.fetch(self._cache, self._keeper)
        place = Place(folder=self.folder / folder, ports=_ports(self.folder / folder, recipe.port_count), durable=durable)
        server = Server(recipe, place, cache=self._cache, keeper=self._keeper)
        with self._alone:
            self._made.append(server)
        server.start()
        return server

    def stop(self) -> None:
        """End all that runs or is being fetched; safe to repeat."""
        for future in self._begun.values():
            future.cancel()
        self._keeper.close()
        self._threads.shutdown()


def _ports(folder: Path, count: int) -> tuple[int, ...]:
    """Those of the last time while nobody else has them: a URL that was written down goes on to hold."""
    file = folder / "ports.json"
    with suppress(OSError, ValueError):
        kept = tuple(int(port) for port in json.loads(file.read_text(encoding="utf-8")))
        if len(kept) == count and all(map(is_free, kept)):
            return kept
    ports = tuple(free_ports(count))
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(ports), encoding="utf-8")
    return ports
