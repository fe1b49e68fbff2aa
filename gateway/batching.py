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
        self._values: dict[K, asyncio.Future[V | Missing | None]] = {}
        self._waiting: list[K] = []

    async def load(self, key: K) -> V | Missing | None:
        """The value of a key."""
        future = self._future(key)
        if future.done():
            return future.result()
        # Many fields wait for one future: a cancelled field must not cancel it for the others.
        return await asyncio.shield(future)

    async def load_many(self, keys: Iterable[K]) -> list[V | Missing | None]:
        """The values of keys, in their order."""
        futures = [self._future(key) for key in keys]
        return [await asyncio.shield(future) for future in futures]

    def prime(self, key: K, value: V) -> None:
        """Remember a value that came by another way; a known one stays."""
        if key not in self._values:
            self._values[key] = asyncio.get_running_loop().create_future()
            self._values[key].set_result(value)

    def _future(self, key: K) -> asyncio.Future[V | Missing | None]:
        future = self._values.get(key)
        if future is None:
            loop = asyncio.get_running_loop()
            future = self._values[key] = loop.create_future()
            if not self._waiting:
                # All fields of a level are started in one turn of the loop: by the next one every key has been asked for.
                loop.call_soon(self._dispatch)
            self._waiting.append(key)
        return future

    def _dispatch(self) -> None:
        keys, self._waiting = self._waiting, []
        for start in range(0, len(keys), self._most):
            task = asyncio.get_running_loop().create_task(self._call(keys[start : start + self._most]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _call(self, keys: list[K]) -> None:
        try:
            found = await self._fetch(keys)
        except MeshError as error:
            self._settle(keys, Missing(self._service, error))
        except asyncio.CancelledError:
            for key in keys:
                self._values[key].cancel()
            raise
        except Exception as error:
            for key in keys:
                self._values[key].set_exception(error)
        else:
            for key in keys:
                self._values[key].set_result(found.get(key))

    def _settle(self, keys: list[K], value: Missing) -> None:
        for key in keys:
            self._values[key].set_result(value)
