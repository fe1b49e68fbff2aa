"""The one way in which a video changes: decide on the row that was read, note the work that follows, write row and event, wake the workers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from google.protobuf.message import Message

from mesh.clock import Clock
from mesh.errors import Aborted, MeshError
from mesh.events.event import Event, EventMaker
from mesh.stores.tables.errors import TablesError
from mesh.telemetry import trace_context
from svc_video.videos.convert import announcement_to_proto, deletion_to_proto
from svc_video.videos.errors import VideoNotFound
from svc_video.videos.rules import announcement, is_deletion, settled, work_after
from svc_video.videos.store import VideoStore
from svc_video.videos.tables import OpenWork, Video, WorkKind

_ATTEMPTS = 12
_log = logging.getLogger("clipmesh.video")

Decide = Callable[[Video], Video | None]
"""The video as it should be; None or an equal one leaves it. May raise; it is asked again when another write was faster."""
Telling = Callable[[Video, Video], Message | None]
"""An event of its own for a change from one video to the other."""


class Wakeups:
    """One signal for each kind of work."""

    def __init__(self) -> None:
        self._signals = {kind: asyncio.Event() for kind in WorkKind}

    def of(self, kind: WorkKind) -> asyncio.Event:
        """The signal that work of a kind may wait."""
        return self._signals[kind]


class VideoChanges:
    """Writes changes of videos with everything that belongs to them."""

    def __init__(
        self,
        *,
        store: VideoStore,
        events: EventMaker,
        clock: Clock,
        wakeups: Wakeups,
        revoke: Callable[[int, int], Awaitable[None]],
    ) -> None:
        self._store = store
        self._events = events
        self._clock = clock
        self._wakeups = wakeups
        self._revoke = revoke

    async def apply(self, video_id: int, decide: Decide, *, telling: Telling | None = None) -> Video:
        """Change a video and answer the row as it stands then; raises VideoNotFound when there is none.

        Work is noted before the row is written: a crash between the two leaves a note without cause, never a cause without its note. An epoch
        that rose is listed for the media edge before this returns.
        """
        for _ in range(_ATTEMPTS):
            before = await self._store.get(video_id)
            if before is None:
                raise VideoNotFound(video_id=video_id)
            decided = decide(before)
            if decided is None or decided == before:
                return before
            after = settled(before, decided, now_ms=self._clock.now_ms())
            work = {kind: self._note(kind, before) for kind in work_after(before, after)}
            if work:
                await self._store.open_work(list(work.values()))
            try:
                written = await self._store.replace(after, expected_version=before.version, events=self._tell(before, after, telling))
                if written is None:
                    work.clear()
                    continue
                if WorkKind.REVOKE in work and await self._revoke_now(written, work[WorkKind.REVOKE]):
                    del work[WorkKind.REVOKE]
                return written
            finally:
                # Also when the caller went away meanwhile: the row may be written, and its work waits for nobody.
                for kind in work:
                    self._wakeups.of(kind).set()
        raise Aborted("the video changes too fast; try again", video_id=video_id)

    def _note(self, kind: WorkKind, before: Video) -> OpenWork:
        now_ms, version = self._clock.now_ms(), before.version + 1
        return OpenWork(kind=kind, video_id=before.video_id, since_ms=now_ms, version=version, trace_context=trace_context())

    def _tell(self, before: Video, after: Video, telling: Telling | None) -> list[Event]:
        messages: list[Message | None] = [deletion_to_proto(after) if is_deletion(before, after) else None]
        messages.append(announcement_to_proto(announcement(before, after), after, version=before.version + 1))
        if telling is not None:
            messages.append(telling(before, after))
        key = str(after.video_id)
        return [self._events.make(message, key=key, subject_ids=(after.creator_id,)) for message in messages if message is not None]

    async def _revoke_now(self, video: Video, note: OpenWork) -> bool:
        try:
            await self._revoke(video.video_id, video.epoch)
            await self._store.close_work(note)
        except (TablesError, MeshError) as error:
            # The change itself is written and noted: the loop lists the epoch as soon as the store answers again.
            _log.warning("revocation waits", extra={"video_id": video.video_id, "error_type": type(error).__name__})
            return False
        return True
