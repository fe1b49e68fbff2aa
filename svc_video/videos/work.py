"""Loops that finish noted work: each scans its kind at start and when woken, and tries each piece with growing pauses until it is done.

Every piece runs by itself: one that hangs holds nothing up but its own video.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mesh import deadline
from mesh.clock import Clock
from mesh.telemetry import Telemetry
from svc_video.videos.store import VideoStore
from svc_video.videos.tables import OpenWork, Video, WorkKind

_log = logging.getLogger("clipmesh.video")

DONE_MS = 0
"""What a handler answers when nothing is left to do."""
FIRST_PAUSE_MS = 250
LONGEST_PAUSE_MS = 10_000
IDLE_MS = 30_000
"""How often a loop looks without having been woken: work noted by a process that died before it could wake anybody."""
CAUSELESS_AFTER_MS = 60_000
"""A note whose change was never written is dropped after this; longer than the deadline of any write."""
_TRY_S = 30.0
_AT_ONCE = 8

Handle = Callable[[OpenWork, Video], Awaitable[int]]
"""Does one piece of work; answers after how many milliseconds to come again, or DONE_MS. Raising means later, with growing pauses."""


@dataclass(frozen=True, slots=True)
class _Pause:
    attempts: int
    until_ms: int
    version: int


class WorkLoop:
    """Finishes the open work of one kind."""

    def __init__(
        self, *, kind: WorkKind, store: VideoStore, clock: Clock, handle: Handle, wakeup: asyncio.Event, telemetry: Telemetry
    ) -> None:
        self._kind = kind
        self._telemetry = telemetry
        self._store = store
        self._clock = clock
        self._handle = handle
        self._wakeup = wakeup
        self._pauses: dict[int, _Pause] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._under_way: dict[int, int] = {}
        """Videos that a piece of work is tried for, with the newest version that was noted of it."""

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._wakeup.clear()
                try:
                    await self._begin(group)
                    wait_ms = self._wait_ms()
                except Exception as error:  # a store that is away must not end the loop
                    _log.warning("open work cannot be read", extra={"kind": self._kind.value, "error_type": type(error).__name__})
                    wait_ms = FIRST_PAUSE_MS * 4
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wakeup.wait(), wait_ms / 1000)

    async def run_once(self) -> int:
        """Try everything that is due to its end; answers after how many milliseconds to look again."""
        async with asyncio.TaskGroup() as group:
            await self._begin(group)
        return self._wait_ms()

    async def _begin(self, group: asyncio.TaskGroup) -> None:
        work = await self._store.waiting(self._kind)
        known = {item.video_id for item in work}
        self._pauses = {video_id: pause for video_id, pause in self._pauses.items() if video_id in known}
        for item in work:
            if item.video_id in self._under_way:
                self._under_way[item.video_id] = item.version
        due = [item for item in work if item.video_id not in self._under_way and self._is_due(item)]
        for start in range(0, len(due), 500):
            some = due[start : start + 500]
            videos = await self._store.get_many([item.video_id for item in some])
            for item in some:
                self._under_way[item.video_id] = item.version
                group.create_task(self._finish(item, videos.get(item.video_id)))

    def _wait_ms(self) -> int:
        now_ms = self._clock.monotonic_ms()
        ends = (pause.until_ms for video_id, pause in self._pauses.items() if video_id not in self._under_way)
        return max(1, min([IDLE_MS, *(until_ms - now_ms for until_ms in ends)]))

    def _is_due(self, item: OpenWork) -> bool:
        pause = self._pauses.get(item.video_id)
        return pause is None or pause.version != item.version or pause.until_ms <= self._clock.monotonic_ms()

    async def _finish(self, item: OpenWork, video: Video | None) -> None:
        again_ms = DONE_MS
        try:
            again_ms = await self._try(item, video)
        finally:
            if self._under_way.pop(item.video_id) != item.version:
                self._wakeup.set()  # work that was noted meanwhile was passed over
        if again_ms != DONE_MS:
            asyncio.get_running_loop().call_later(again_ms / 1000, self._wakeup.set)

    async def _try(self, item: OpenWork, video: Video | None) -> int:
        async with self._slots:
            try:
                with deadline.scope(_TRY_S):
                    again_ms = await self._do(item, video)
                    if again_ms == DONE_MS:
                        await self._store.close_work(item)
            except Exception as error:  # whatever failed, the note stays and the work is tried again
                _log.warning(
                    "open work is tried again",
                    extra={"kind": self._kind.value, "video_id": item.video_id, "error_type": type(error).__name__},
                )
                again_ms = self._next_pause_ms(item)
        if again_ms == DONE_MS:
            self._pauses.pop(item.video_id, None)
            return DONE_MS
        previous = self._pauses.get(item.video_id)
        attempts = previous.attempts + 1 if previous is not None and previous.version == item.version else 1
        self._pauses[item.video_id] = _Pause(attempts, self._clock.monotonic_ms() + again_ms, item.version)
        return again_ms

    async def _do(self, item: OpenWork, video: Video | None) -> int:
        if video is None or video.version < item.version:
            is_old = item.since_ms + CAUSELESS_AFTER_MS <= self._clock.now_ms()
            return DONE_MS if is_old else self._next_pause_ms(item)
        with self._telemetry.span(f"work {self._kind.value}", traceparent=item.trace_context, attributes={"video_id": item.video_id}):
            return await self._handle(item, video)

    def _next_pause_ms(self, item: OpenWork) -> int:
        pause = self._pauses.get(item.video_id)
        attempts = pause.attempts if pause is not None and pause.version == item.version else 0
        return int(min(FIRST_PAUSE_MS * 2 ** min(attempts, 20), LONGEST_PAUSE_MS))
