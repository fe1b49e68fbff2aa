"""What is made once more, or after all: videos that were given up, clips whose objects the store lost, renditions that waited to be asked for."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from mesh import deadline
from mesh.clock import Clock
from mesh.stores.blobs.port import BlobNotFound, Blobs
from mesh.telemetry import trace_context
from svc_video.layout import raw_key
from svc_video.processing import anew
from svc_video.processing.changes import JobChanges
from svc_video.processing.errors import NothingToRedo
from svc_video.processing.following import Following
from svc_video.processing.quiet import QuietHours, opens_at_ms
from svc_video.processing.rules import VideoJobs
from svc_video.processing.store import JobStore
from svc_video.processing.tables import Job
from svc_video.videos.actions import MediaActions, Video, plays

_log = logging.getLogger("clipmesh.video.processing")

_TRY_S = 30.0
_MOST_REMEMBERED = 10_000


class OpenJobs(Protocol):
    """Opens the jobs of a video that has no rows of them."""

    async def __call__(self, *, video_id: int, creator_id: int, source_key: str, size_bytes: int, sha256: bytes, lazy: bool) -> None:
        """Durable when it returns; again changes nothing."""
        ...


class Remaking:
    """Opens jobs again whose video is over, or plays."""

    def __init__(
        self,
        *,
        store: JobStore,
        blobs: Blobs,
        media: MediaActions,
        changes: JobChanges,
        following: Following,
        clock: Clock,
        open_jobs: OpenJobs,
        lazy: bool,
        quiet: QuietHours | None,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._media = media
        self._changes = changes
        self._following = following
        self._clock = clock
        self._open_jobs = open_jobs
        self._lazy = lazy
        self._quiet = quiet
        self._asking: dict[int, asyncio.Task[None]] = {}

    async def stop(self) -> None:
        """End what is being asked for; the next viewer asks again."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def redo(self, video_id: int) -> None:
        """Make what a dead video lacks once more, durably; what plays stays as it is. Raises NothingToRedo."""
        row = await self._media.get(video_id)
        # A clip that plays lacks further renditions only; any other is over and still has its bytes.
        if row is None or not row.keeps_source:
            raise NothingToRedo(video_id=video_id)

        def again(video: VideoJobs, now_ms: int) -> tuple[Job, ...]:
            if not anew.may_redo(video):
                raise NothingToRedo(video_id=video_id)
            return anew.redone(video, now_ms, trace_context())

        if await self._listed(video_id, again) is None:
            raise NothingToRedo(video_id=video_id)
        await self._media.begin_again(video_id)
        await self._store.forget_dead(video_id)
        _log.info("a dead video is made once more", extra={"video_id": video_id})

    async def remake(self, video_id: int) -> None:
        """Make a clip that plays once more as a whole, durably: for objects that the store lost. It goes on playing what is there. Raises NothingToRedo."""
        row = await self._media.get(video_id)
        if row is None or row.is_over or not plays(row):
            raise NothingToRedo(video_id=video_id)
        try:
            size_bytes = (await self._blobs.head(raw_key(video_id))).size_bytes
        except BlobNotFound:
            raise NothingToRedo(video_id=video_id) from None

        def again(video: VideoJobs, now_ms: int) -> tuple[Job, ...]:
            if not anew.may_remake(video):
                raise NothingToRedo(video_id=video_id)
            return anew.remade(video, now_ms, trace_context())

        while await self._shed(video_id):
            pass
        if await self._listed(video_id, again) is None:
            await self._open_whole(row, size_bytes)
        await self._store.forget_dead(video_id)
        _log.info("a clip that plays is made once more", extra={"video_id": video_id})

    async def want_rest(self, video_id: int) -> None:
        """Have the further renditions of a clip made that were left for later, durably; again, and for any other clip, changes nothing."""

        def asked(video: VideoJobs, now_ms: int) -> tuple[Job, ...]:
            return anew.rest_asked(video, now_ms, trace_context(), later_ms=opens_at_ms(self._quiet, now_ms))

        if await self._listed(video_id, asked) is None and self._lazy:
            # Rows of jobs are kept for a month only: then all of it is made again, to the same places.
            await self.remake(video_id)

    async def want_codecs(self, video_id: int, codecs: Sequence[str]) -> None:
        """Have a clip made in further codecs, durably; again changes nothing. A clip whose rows of jobs are gone stays as it is."""

        def asked(video: VideoJobs, now_ms: int) -> tuple[Job, ...]:
            return anew.codecs_asked(video, codecs, now_ms, trace_context(), later_ms=opens_at_ms(self._quiet, now_ms))

        row = await self._media.get(video_id)
        if row is not None and not row.is_over:
            await self._listed(video_id, asked)

    def ask_for_rest(self, video_id: int) -> None:
        """Somebody would play a rendition that was left for later. Never waits; whoever asks meanwhile or later asks for the same."""
        if video_id in self._asking:
            return
        if len(self._asking) >= _MOST_REMEMBERED:
            self._asking = {asked: task for asked, task in self._asking.items() if not task.done()}
        # An empty context: the viewer's deadline ends with the call, this does not.
        self._asking[video_id] = asyncio.create_task(self._try_rest(video_id), context=contextvars.Context())

    async def _try_rest(self, video_id: int) -> None:
        try:
            with deadline.scope(_TRY_S):
                await self.want_rest(video_id)
        except Exception as error:  # the next viewer asks again
            _log.warning("further renditions cannot be asked for", extra={"video_id": video_id, "error_type": type(error).__name__})
            self._asking.pop(video_id, None)

    async def _shed(self, video_id: int) -> bool:
        """Forget some chunks that nobody asks for; False when there are none."""
        rows: tuple[Job, ...] = ()

        def forget(video: VideoJobs) -> tuple[Job, ...]:
            nonlocal rows
            rows = anew.shed(video) if anew.may_remake(video) else ()
            return rows

        await self._changes.apply(video_id, forget)
        return bool(rows)

    async def _listed(self, video_id: int, decide: Callable[[VideoJobs, int], tuple[Job, ...]]) -> VideoJobs | None:
        """Change the rows of a video that nobody may be following any more, so that somebody does; None when it has no rows."""
        now_ms = self._clock.now_ms()
        await self._store.note_open(video_id, now_ms)
        try:
            return await self._changes.apply(video_id, lambda video: decide(video, now_ms))
        finally:
            # The entry from before may have been taken off by whoever still saw the old rows.
            await self._store.note_open(video_id, now_ms + 1)
            self._following.wake(video_id)

    async def _open_whole(self, row: Video, size_bytes: int) -> None:
        facts = await self._media.facts_of(row.video_id)
        await self._open_jobs(
            video_id=row.video_id,
            creator_id=row.creator_id,
            source_key=raw_key(row.video_id),
            size_bytes=size_bytes,
            sha256=facts.source_sha256 if facts is not None else b"",
            lazy=False,
        )
