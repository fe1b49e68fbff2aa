"""One tail of hints for many watchers: each gets the newest version of its key, never a queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager

from mesh.events.stream.port import Delivery, Stream
from mesh.events.tailing import OVERLAP_MS, Tail, hint_of


class Watch:
    """The changes of one key, as they come: iterate it, and read the owner again at each step."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._changed.set()
        self._version = 0

    def tell(self, version: int) -> None:
        """Let the watcher know; a version that it did not take yet is replaced."""
        self._version = version
        self._changed.set()

    async def __aiter__(self) -> AsyncGenerator[int, None]:
        """The newest version each time something moved; 0 first of all and after an outage: read again, whatever it is."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            yield self._version


class Hints:
    """Tails topics of hints and wakes who watches a key; `run` is a background task of the process."""

    def __init__(self, *, stream: Stream, topics: Sequence[str]) -> None:
        self._tail = Tail(stream=stream, topics=topics, since_ms=OVERLAP_MS, on_connect=self._tell_all)
        self._topics = frozenset(topics)
        self._watches: dict[tuple[str, str], set[Watch]] = {}

    async def run(self) -> None:
        """Carry hints to watchers until cancelled; what is no hint is logged and left out."""
        await self._tail.run(self._carry)

    async def _carry(self, delivery: Delivery) -> None:
        hint = hint_of(delivery)
        for watch in self._watches.get((delivery.topic, hint.key), ()):
            watch.tell(hint.version)

    @contextmanager
    def watch(self, topic: str, key: str) -> Iterator[Watch]:
        """Watch a key for the length of the block."""
        if topic not in self._topics:
            raise ValueError(f"{topic!r} is not among the tailed topics {sorted(self._topics)}")
        watch = Watch()
        watches = self._watches.setdefault((topic, key), set())
        watches.add(watch)
        try:
            yield watch
        finally:
            watches.discard(watch)
            if not watches:
                del self._watches[topic, key]

    def _tell_all(self) -> None:
        for watches in self._watches.values():
            for watch in watches:
                watch.tell(0)
