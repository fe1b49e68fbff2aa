"""Removes the bytes of videos that are over, twice: at once, and again when no worker can still be writing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mesh.clock import Clock
from mesh.stores.blobs.port import Blobs
from svc_video.layout import raw_key, video_prefix
from svc_video.videos.store import VideoStore
from svc_video.videos.tables import OpenWork, PublicationState, Video
from svc_video.videos.work import DONE_MS

SETTLED_AFTER_MS = 120_000
"""After this no lease of a closed job is alive and nothing writes any more."""


class Purger:
    """Deletes raw and processed objects of deleted and failed videos."""

    def __init__(self, *, store: VideoStore, blobs: Blobs, clock: Clock, close_jobs: Callable[[int], Awaitable[None]]) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._close_jobs = close_jobs

    async def purge(self, work: OpenWork, video: Video) -> int:
        """One video; its tombstone or terminal row stays."""
        if not video.is_over:
            return DONE_MS
        await self._close_jobs(video.video_id)
        await self._blobs.delete([raw_key(video.video_id)])
        await self._blobs.delete_prefix(video_prefix(video.video_id))
        left_ms = work.since_ms + SETTLED_AFTER_MS - self._clock.now_ms()
        if left_ms > 0:
            return left_ms
        if video.publication_state is PublicationState.DELETED:
            await self._store.forget(video)
        return DONE_MS
