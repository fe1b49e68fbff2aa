"""Sends hints in the background: the newest of each key, lost without harm when the stream is away."""

from __future__ import annotations

import asyncio
import contextvars

from mesh import deadline
from mesh.errors import MeshError
from mesh.events.stream.port import Stream, StreamError

_SEND_S = 1.0


class HintSender:
    """Publishes hints of one topic, one after the other; a key that moves while its hint waits is sent once."""

    def __init__(self, *, stream: Stream, topic: str) -> None:
        self._stream = stream
        self._topic = topic
        self._waiting: dict[int, int] = {}
        self._task: asyncio.Task[None] | None = None

    def send(self, key: int, version: int) -> None:
        """Hint that a key moved; returns at once."""
        self._waiting[key] = version
        if self._task is None or self._task.done():
            # A context of its own: the request that caused the hint may end before it is sent.
            self._task = asyncio.create_task(self._send_waiting(), context=contextvars.Context())

    async def close(self) -> None:
        """Give up what waits."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _send_waiting(self) -> None:
        while self._waiting:
            key, version = self._waiting.popitem()
            try:
                with deadline.scope(_SEND_S):
                    await self._stream.publish_hint(self._topic, str(key), version)
            except (StreamError, MeshError):
                continue
