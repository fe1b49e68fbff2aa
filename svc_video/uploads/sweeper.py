"""Keeps sessions, quota and the blob store in step, both ways, without anybody asking."""

from __future__ import annotations

import asyncio
import logging

from mesh import deadline
from mesh.clock import Clock
from mesh.stores.blobs.port import Blobs, MultipartGone
from svc_video.layout import raw_key
from svc_video.uploads.errors import MissingParts
from svc_video.uploads.missing import MissingBytes
from svc_video.uploads.orphans import Orphans
from svc_video.uploads.rules import Limits, open_ids, part_size, without_stale
from svc_video.uploads.sessions import Sessions
from svc_video.uploads.store import UploadStore
from svc_video.uploads.tables import UnendedUpload, Upload, UploadQuota, UploadState
from svc_video.videos.actions import VideoActions

_log = logging.getLogger("clipmesh.video")

UNWRITTEN_AFTER_MS = 600_000
"""A listed session that was never written is forgotten after this."""
_TRY_S = 60.0
_AT_ONCE = 8


class UploadSweeper:
    """Ends sessions that nobody ends, and has rows and bytes compared."""

    def __init__(
        self,
        *,
        store: UploadStore,
        sessions: Sessions,
        blobs: Blobs,
        videos: VideoActions,
        clock: Clock,
        limits: Limits,
        sweep_ms: int,
        reconcile_ms: int,
        orphans: Orphans,
        missing: MissingBytes,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._blobs = blobs
        self._videos = videos
        self._clock = clock
        self._limits = limits
        self._sweep_ms = sweep_ms
        self._reconcile_ms = reconcile_ms
        self._orphans = orphans
        self._missing = missing
        self._whole_since_ms: dict[int, int] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> None:
        """Sweep until cancelled, from the start on: a process that died left work behind."""
        reconciled_ms = -self._reconcile_ms
        while True:
            try:
                await self.sweep()
                if self._clock.monotonic_ms() - reconciled_ms >= self._reconcile_ms:
                    await self.reconcile()
                    reconciled_ms = self._clock.monotonic_ms()
            except Exception as error:  # a store that is away must not end the sweeper
                _log.warning("the sweep is tried again", extra={"error_type": type(error).__name__})
            await asyncio.sleep(self._sweep_ms / 1000)

    async def sweep(self) -> None:
        """Look once at every session that has not ended with all that follows."""
        cursor, seen = "", set[int]()
        while True:
            page = await self._store.page_of_unended(after=cursor)
            sessions = await self._store.get_many([entry.upload_id for entry in page.rows])
            seen.update(entry.upload_id for entry in page.rows)
            async with asyncio.TaskGroup() as group:
                for entry in page.rows:
                    group.create_task(self._try_to_look_at(entry, sessions.get(entry.upload_id)))
            cursor = page.next
            if not cursor:
                break
        self._whole_since_ms = {upload_id: at for upload_id, at in self._whole_since_ms.items() if upload_id in seen}

    async def reconcile(self) -> None:
        """Compare rows and bucket both ways."""
        await self._orphans.remove()
        await self._missing.look()

    async def _try_to_look_at(self, entry: UnendedUpload, upload: Upload | None) -> None:
        async with self._slots:
            try:
                with deadline.scope(_TRY_S):
                    await self._look_at(entry, upload)
            except Exception as error:  # one session must not keep the others from being looked at
                _log.warning("a session is swept again", extra={"upload_id": entry.upload_id, "error_type": type(error).__name__})

    async def _look_at(self, entry: UnendedUpload, upload: Upload | None) -> None:
        if upload is None:
            await self._look_at_unwritten(entry)
        elif upload.state is UploadState.COMPLETED:
            await self._sessions.hand_over(upload)
        elif upload.state is UploadState.OPEN:
            await self._look_at_open(upload)
        else:
            await self._sessions.conclude(upload)

    async def _look_at_unwritten(self, entry: UnendedUpload) -> None:
        """A start that died is forgotten; one that is repeated at this moment holds its place anew and stays listed."""
        died_before_ms = self._clock.now_ms() - UNWRITTEN_AFTER_MS
        if entry.since_ms > died_before_ms:
            return

        def without_it(quota: UploadQuota) -> UploadQuota:
            return without_stale(quota, {entry.upload_id}, taken_before_ms=died_before_ms + 1)

        await self._store.change_quota(entry.creator_id, without_it)
        is_held = entry.upload_id in open_ids(await self._store.quota_of(entry.creator_id))
        if not is_held and await self._store.get(entry.upload_id) is None:
            await self._store.unlist(entry)

    async def _look_at_open(self, upload: Upload) -> None:
        video = await self._videos.open_draft(upload.upload_id, creator_id=upload.creator_id)
        now_ms = self._clock.now_ms()
        is_late = upload.ends_at_ms <= now_ms
        if video.is_over:
            await self._end(upload, UploadState.ABORTED)
        elif await self._is_whole(upload):
            since_ms = self._whole_since_ms.setdefault(upload.upload_id, now_ms)
            if is_late or since_ms + self._limits.unattended_ms <= now_ms:
                try:
                    ended = await self._sessions.complete(upload, {})
                except MissingParts:
                    return
                if ended.state is UploadState.COMPLETED:
                    await self._sessions.hand_over(ended)
        elif is_late:
            await self._end(upload, UploadState.EXPIRED)

    async def _end(self, upload: Upload, state: UploadState) -> None:
        ended = await self._sessions.end(upload, state)
        if ended.state is UploadState.COMPLETED:
            await self._sessions.hand_over(ended)
        else:
            await self._sessions.conclude(ended)

    async def _is_whole(self, upload: Upload) -> bool:
        """True when all bytes lie in the store: as parts of the right sizes, or already as one object whose completion nobody heard of."""
        try:
            parts = await self._blobs.multipart_parts(raw_key(upload.upload_id), upload.upload_ref)
        except MultipartGone:
            return await self._sessions.is_joined(upload)
        sizes = {part.part_number: part.size_bytes for part in parts}
        return sizes == {number: part_size(upload, number) for number in range(1, upload.part_count + 1)}
