"""Removes the bytes of videos that are over, twice: at once, and again when no worker can still be writing. Bytes to which processing failed
without blaming them are kept for a while first, for another try."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from mesh.clock import Clock
from mesh.stores.blobs.port import Blobs
from svc_video.layout import audio_prefix, images_prefix, raw_key, video_prefix, work_prefix
from svc_video.videos.changes import VideoChanges
from svc_video.videos.store import VideoStore
from svc_video.videos.tables import OpenWork, PublicationState, Video
from svc_video.videos.work import DONE_MS

SETTLED_AFTER_MS = 120_000
"""After this no lease of a closed job is alive and nothing writes any more."""
KEPT_AFTER_MS = 7 * 86_400_000
"""How long an operator has to have a video made once more."""


class Purger:
    """Deletes raw and processed objects of deleted and failed videos."""

    def __init__(
        self, *, store: VideoStore, changes: VideoChanges, blobs: Blobs, clock: Clock, close_jobs: Callable[[int], Awaitable[None]]
    ) -> None:
        self._store = store
        self._changes = changes
        self._blobs = blobs
        self._clock = clock
        self._close_jobs = close_jobs

    async def purge(self, work: OpenWork, video: Video) -> int:
        """One video; its tombstone or terminal row stays."""
        if not video.is_over:
            return DONE_MS
        if video.keeps_source:
            kept_ms = work.since_ms + KEPT_AFTER_MS - self._clock.now_ms()
            if kept_ms > 0:
                return kept_ms
            # The row decides between this and another try: whichever is written first.
            video = await self._changes.apply(video.video_id, lambda row: replace(row, redoable=False) if row.is_over else None)
            if not video.is_over:
                return DONE_MS
        await self._close_jobs(video.video_id)
        await self._blobs.delete([raw_key(video.video_id)])
        for prefix in (work_prefix, video_prefix, images_prefix):
            await self._blobs.delete_prefix(prefix(video.video_id))
        if not video.sound_asked:
            await self._blobs.delete_prefix(audio_prefix(video.video_id))
        left_ms = work.since_ms + SETTLED_AFTER_MS - self._clock.now_ms()
        if left_ms > 0:
            return left_ms
        if video.sound_asked and not video.sound_id:
            # Registering the sound needs the facts that are forgotten next.
            return SETTLED_AFTER_MS
        if video.publication_state is PublicationState.DELETED:
            await self._store.forget(video)
        return DONE_MS
