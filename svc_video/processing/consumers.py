"""Events of feed that decide what is made of clips."""

from __future__ import annotations

from typing import Protocol

from clipmesh.feed.v1.events_pb2 import WatchRecorded

from mesh.events.consumers import Incoming, VersionedRow
from svc_video.processing.store import ViewStore

_MOST_REMEMBERED = 100_000


class WatchedJobs(Protocol):
    """Hears how often clips were watched."""

    async def viewed(self, video_id: int, views: int) -> bool:
        """True when nobody has to count any more."""
        ...


class ViewsOfFeed(VersionedRow):
    """Counts views until a clip has enough of them for further codecs."""

    name = "views"
    topics = ("feed",)

    def __init__(self, *, store: ViewStore, jobs: WatchedJobs) -> None:
        self._store = store
        self._jobs = jobs
        self._enough: set[int] = set()
        self.handlers = {WatchRecorded: self.watch_recorded}

    async def watch_recorded(self, event: Incoming[WatchRecorded]) -> None:
        """Somebody watched a stretch of a clip."""
        video_id = event.message.video_id
        if not event.message.counted_view or video_id in self._enough:
            return
        await self._store.add(video_id, ledger_key=event.envelope.key, source_version=event.envelope.key_version)
        if await self._jobs.viewed(video_id, await self._store.of(video_id)):
            if len(self._enough) >= _MOST_REMEMBERED:
                self._enough.clear()
            self._enough.add(video_id)
