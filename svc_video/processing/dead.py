"""Videos for which the attempts of a job ran out, as an operator lists them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mesh.errors import InvalidPageToken
from svc_video.processing.rules import PROCESSING_FAILED
from svc_video.processing.store import JobStore
from svc_video.processing.tables import OPEN_SHARDS, PLAN_KEY, DeadVideo, JobState

_TOKEN = re.compile(r"([0-9]{1,3})/([0-9]{1,18})", re.ASCII)
"""A shard, and the last video of it that was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """One dead video with the job that failed."""

    video_id: int
    job_key: str
    reason: str
    """Of the last attempt."""
    detail: str
    attempts: int
    died_at_ms: int
    plays: bool


class DeadVideos:
    """Reads the list of dead videos; the plans say which of them are dead still."""

    def __init__(self, *, store: JobStore) -> None:
        self._store = store

    async def page(self, *, page_size: int, page_token: str) -> tuple[list[Dead], str]:
        """At most `page_size` of them, and the token of the next page. Raises InvalidPageToken."""
        shard, after = _place(page_token)
        found: list[Dead] = []
        while shard < OPEN_SHARDS and len(found) < page_size:
            page = await self._store.dead_videos(shard, after=after, limit=page_size - len(found))
            found += await self._with_jobs(page.rows)
            shard, after = (shard, page.rows[-1].video_id) if page.next and page.rows else (shard + 1, 0)
        return found, f"{shard}/{after}" if shard < OPEN_SHARDS else ""

    async def _with_jobs(self, rows: Sequence[DeadVideo]) -> list[Dead]:
        keys = [(row.video_id, key) for row in rows for key in (PLAN_KEY, row.job_key)]
        jobs = await self._store.jobs(keys)
        found = []
        for row in rows:
            plan, job = jobs.get((row.video_id, PLAN_KEY)), jobs.get((row.video_id, row.job_key))
            if plan is None or plan.state is not JobState.DEAD or plan.reason != PROCESSING_FAILED:
                continue
            found.append(
                Dead(
                    video_id=row.video_id,
                    job_key=row.job_key,
                    reason=job.reason if job is not None else plan.reason,
                    detail=job.detail if job is not None else plan.detail,
                    attempts=job.attempt if job is not None else 0,
                    died_at_ms=row.died_at_ms,
                    plays=row.plays,
                )
            )
        return found


def _place(token: str) -> tuple[int, int]:
    found = _TOKEN.fullmatch(token or "0/0")
    if found is None or int(found[1]) >= OPEN_SHARDS:
        raise InvalidPageToken
    return int(found[1]), int(found[2])
