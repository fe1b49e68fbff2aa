"""Collects keys that are asked for in one turn of the event loop and fetches them together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Generic, TypeVar

from gateway.errors import Fault, fault_of
from mesh.errors import MeshError

K = TypeVar("K")
V = TypeVar("V")


class Missing:
    """A service did not answer; `service` names it and `error` says why."""

    __slots__ = ("_fault", "error", "service")

    def __init__(self, service: str, error: MeshError) -> None:
        self.service = service
        self.error = error
        self._fault: Fault | None = None

    @property
    def fault(self) -> Fault:
        """The error as clients may see it; one for all fields that waited, so that it is logged once."""
        if self._fault is None:
            self._fault = fault_of(self.error)
        return self._fault


class Batched(Generic[K, V]):
    """Loads values by key, each once: None when absent, Missing when the service is away.

    The calls run in tasks of `tasks`, so that whoever ends the operation can end them.
    """

    def __init__(
        self, service: str, fetch: Callable[[list[K]], Awaitable[Mapping[K, V]]], *, most: int, tasks: set[asyncio.Task[None]]
    ) -> None:
        self._service = service
        self._fetch = fetch
        self._most = most
        self._tasks = tasks
        self._values: dict[K, V | Missing | None] = {}
        self._coming: dict[K, asyncio.Future[None]] = {}
        self._gathering: list[tuple[asyncio.Future[None], list[K]]] = []

    async def load(self, key: K) -> V | Missing | None:
        """The value of a key."""
        coming = self.ask(key)
        if coming is not None:
            # Many fields wait for one future: a cancelled field must not cancel it for the others.
            await asyncio.shield(coming)
        return self._values[key]

    async def load_many(self, keys: Iterable[K]) -> list[V | Missing | None]:
        """The values of keys, in their order."""
        wanted = list(keys)
        for coming in dict.fromkeys([self.ask(key) for key in wanted]):
            if coming is not None:
                await asyncio.shield(coming)
        return [self._values[key] for key in wanted]

    def ask(self, key: K) -> asyncio.Future[None] | None:
        """None when `take` has the value of a key; else what is done as soon as it has."""
        if key in self._values:
            return None
        coming = self._coming.get(key)
        if coming is None:
            coming = self._coming[key] = self._gather(key)
        return coming

    def take(self, key: K) -> V | Missing | None:
        """The value of a key that was asked for."""
        return self._values[key]

    def prime(self, key: K, value: V) -> None:
        """Remember a value that came by another way; a known one stays."""
        if key not in self._values and key not in self._coming:
            self._values[key] = value

    def overwrite(self, key: K, value: V) -> None:
        """Remember a value that is newer than a known one, and than one that is being fetched."""
        self._values[key] = value

    def _gather(self, key: K) -> asyncio.Future[None]:
        gathering = self._gathering
        if not gathering:
            # All fields of a level are started in one turn of the loop: by the next one every key has been asked for.
            asyncio.get_running_loop().call_soon(self._dispatch)
        if not gathering or len(gathering[-1][1]) >= self._most:
            gathering.append((asyncio.get_running_loop().create_future(), []))
        coming, keys = gathering[-1]
        keys.append(key)
        return coming

    def _dispatch(self) -> None:
        gathered, self._gathering = self._gathering, []
        for coming, keys in gathered:
            task = asyncio.get_running_loop().create_task(self._call(coming, keys))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _call(self, coming: asyncio.Future[None], keys: list[K]) -> None:
        try:
            found = await self._fetch(keys)
        except MeshError as error:
            missing = Missing(self._service, error)
            for key in keys:
                self._values.setdefault(key, missing)
        except asyncio.CancelledError:
            coming.cancel()
            raise
        except Exception as error:
            coming.set_exception(error)
            return
        else:
            for key in keys:
                self._values.setdefault(key, found.get(key))
        coming.set_result(None)
