"""Reads and writes the rows of jobs: a video's rows always together, in one conditional batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mesh.errors import Aborted
from mesh.stores.tables.port import Insert, OutcomeUnknown, Page, RowExists, Tables, Transition, VersionConflict
from svc_video.processing.rules import VideoJobs
from svc_video.processing.tables import OPEN_SHARDS, PLAN_KEY, ClipViews, DeadVideo, Job, OpenVideo

PAGE = 500
"""How many rows are read at once."""
_ATTEMPTS = 8


class JobStore:
    """Typed repository of jobs and of the list of videos that have open ones."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    async def load(self, video_id: int) -> VideoJobs | None:
        """All rows of a video, or None when nobody opened its jobs."""
        rows: dict[str, Job] = {}
        cursor = ""
        while True:
            page = await self._tables.scan(Job, video_id, after=cursor, limit=PAGE)
            rows.update((job.job_key, job) for job in page.rows)
            cursor = page.next
            if not cursor:
                break
        plan = rows.pop(PLAN_KEY, None)
        return VideoJobs(plan, rows) if plan is not None else None

    async def write(self, *rows: Job) -> bool:
        """Write rows of one video, each on top of the version it carries (0 means new), all or none; False when another write was faster."""
        changes = [Transition(row, row.version) if row.version else Insert(row) for row in rows]
        try:
            await self._tables.commit(*changes)
        except (RowExists, VersionConflict):
            return False
        except OutcomeUnknown as unknown:
            return await self._tables.settle(unknown.token)
        return True

    async def note_open(self, video_id: int, now_ms: int) -> None:
        """Put a video on the list that `open_videos` reads."""
        await self._tables.put(OpenVideo(shard=video_id % OPEN_SHARDS, video_id=video_id, version=now_ms))

    async def forget_open(self, video_id: int, since_ms: int) -> None:
        """Take off the list what was put there at `since_ms` or before; a later `note_open` stays."""
        await self._tables.delete(OpenVideo(shard=video_id % OPEN_SHARDS, video_id=video_id, version=since_ms))

    async def open_since_ms(self, video_id: int) -> int:
        """When a video was put on the list; 0 when it is not there."""
        row = await self._tables.get(OpenVideo, video_id % OPEN_SHARDS, video_id)
        return row.version if row is not None else 0

    async def open_videos(self) -> Sequence[int]:
        """Every video on the list."""
        found: list[int] = []
        for shard in range(OPEN_SHARDS):
            cursor = ""
            while True:
                page = await self._tables.scan(OpenVideo, shard, after=cursor, limit=PAGE)
                found += [row.video_id for row in page.rows]
                cursor = page.next
                if not cursor:
                    break
        return found

    async def plans_of(self, video_ids: Sequence[int]) -> dict[int, Job]:
        """The plans of at most PAGE videos by one question; absent ones are absent."""
        rows = await self._tables.get_many(Job, [(video_id, PLAN_KEY) for video_id in video_ids]) if video_ids else {}
        return {plan.video_id: plan for plan in rows.values()}

    async def note_dead(self, dead: DeadVideo) -> None:
        """Put a video on the list that `dead_videos` reads."""
        await self._tables.put(dead)

    async def forget_dead(self, video_id: int) -> None:
        """Take a video off that list."""
        row = await self._tables.get(DeadVideo, video_id % OPEN_SHARDS, video_id)
        if row is not None:
            await self._tables.delete(row)

    async def dead_videos(self, shard: int, *, after: int, limit: int) -> Page[DeadVideo]:
        """Dead videos of one shard by id, those above `after`."""
        return await self._tables.scan(DeadVideo, shard, first=(after + 1,), limit=limit)

    async def jobs(self, keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Job]:
        """Jobs by video and key by one question; absent ones are absent."""
        rows = await self._tables.get_many(Job, list(keys)) if keys else {}
        return {(job.video_id, job.job_key): job for job in rows.values()}


class ViewStore:
    """Typed repository of views, one row for each key of feed's ledger, so that an event that comes again counts once."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    async def add(self, video_id: int, *, ledger_key: str, source_version: int) -> None:
        """Count one view; an event that is not newer than the last one of its key changes nothing. Raises Aborted."""
        for _ in range(_ATTEMPTS):
            before = await self._tables.get(ClipViews, video_id, ledger_key) or ClipViews(video_id=video_id, ledger_key=ledger_key)
            if source_version <= before.source_version:
                return
            if await self._write(replace(before, views=before.views + 1, source_version=source_version)):
                return
        raise Aborted("views change too fast; try again", video_id=video_id)

    async def of(self, video_id: int) -> int:
        """All views of a clip that were counted."""
        return sum(row.views for row in (await self._tables.scan(ClipViews, video_id, limit=PAGE)).rows)

    async def _write(self, row: ClipViews) -> bool:
        try:
            if row.version:
                await self._tables.transition(row, expected_version=row.version)
            else:
                await self._tables.insert(row)
        except (RowExists, VersionConflict):
            return False
        except OutcomeUnknown as unknown:
            return await self._tables.settle(unknown.token)
        return True


def merged(video: VideoJobs, rows: Sequence[Job]) -> VideoJobs:
    """The rows of a video as they stand after `rows` were written on top of them."""
    written = {row.job_key: replace(row, version=row.version + 1) for row in rows}
    plan = written.pop(PLAN_KEY, video.plan)
    return VideoJobs(plan, {**video.jobs, **written})
