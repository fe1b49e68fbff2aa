"""What follows from the rows of a video's jobs: the media state machine is told, and what is over is tidied. Everything is derived from
rows and may be told twice, so a crash at any point costs nothing but telling it again."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable

from mesh import deadline
from mesh.clock import Clock
from mesh.errors import NotFound
from mesh.stores.blobs.port import Blobs
from mesh.telemetry import Telemetry
from svc_video.layout import audio_key, work_prefix
from svc_video.processing.anew import may_redo
from svc_video.processing.codecs import CODECS
from svc_video.processing.growing import Growing, growing_of
from svc_video.processing.places import growing_prefix, published_prefix, source_work_prefix
from svc_video.processing.results import PicturesResult, PlannedRendition, ProbeResult
from svc_video.processing.rules import PROCESSING_FAILED, VideoJobs
from svc_video.processing.sentences import sentence_of
from svc_video.processing.store import JobStore
from svc_video.processing.tables import (
    FIRST,
    OPEN_SHARDS,
    PACKAGE_FIRST_KEY,
    PACKAGE_REST_KEY,
    PICTURES_KEY,
    PROBE_KEY,
    DeadVideo,
    Job,
    JobState,
    chunk_key,
    package_key,
)
from svc_video.videos.actions import Finding, MediaActions, ProbedMedia, RenditionFacts, SeenMedia, Video

_log = logging.getLogger("clipmesh.video.processing")

_TRY_S = 30.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 10.0
_AT_ONCE = 8
_CAUSELESS_AFTER_MS = 60_000
"""A video on the open list whose plan was never written is taken off after this; longer than the deadline of any write."""


class Following:
    """One task for each video that something has to follow for."""

    def __init__(
        self,
        *,
        store: JobStore,
        media: MediaActions,
        blobs: Blobs,
        clock: Clock,
        close: Callable[[int], Awaitable[None]],
        telemetry: Telemetry,
    ) -> None:
        self._store = store
        self._media = media
        self._blobs = blobs
        self._clock = clock
        self._close = close
        self._telemetry = telemetry
        self._told: dict[int, set[str]] = {}
        self._again: set[int] = set()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def wake(self, video_id: int) -> None:
        """The rows of a video changed: see what follows."""
        self._again.add(video_id)
        if video_id not in self._tasks:
            # An empty context: the caller's deadline and viewer end with its call, this does not.
            self._tasks[video_id] = asyncio.create_task(self._run(video_id), context=contextvars.Context())

    async def stop(self) -> None:
        """End every task; what was not told is told after the next start."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, video_id: int) -> None:
        pause_s = _FIRST_PAUSE_S
        try:
            while video_id in self._again:
                self._again.discard(video_id)
                try:
                    async with self._slots:
                        with deadline.scope(_TRY_S):
                            await self._follow(video_id)
                    pause_s = _FIRST_PAUSE_S
                except Exception as error:  # whatever is away comes back; rows keep what has to be told
                    _log.warning("what follows is tried again", extra={"video_id": video_id, "error_type": type(error).__name__})
                    self._again.add(video_id)
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        finally:
            del self._tasks[video_id]

    async def _follow(self, video_id: int) -> None:
        # Read before the rows: who opens the video again meanwhile puts it on the list anew, and that entry has to stay.
        since_ms = await self._store.open_since_ms(video_id)
        video = await self._store.load(video_id)
        if video is None:
            if since_ms and since_ms + _CAUSELESS_AFTER_MS <= self._clock.now_ms():
                await self._store.forget_open(video_id, since_ms)
            return
        try:
            row = await self._tell(video)
            is_over = row is not None and row.is_over
        except NotFound:
            is_over = True
        if is_over and video.is_under_way:
            await self._close(video_id)
        elif not video.is_under_way:
            await self._blobs.delete_prefix(work_prefix(video_id))
            if may_redo(video):
                await self._note_dead(video)
            if since_ms:
                await self._store.forget_open(video_id, since_ms)
            self._told.pop(video_id, None)

    async def _note_dead(self, video: VideoJobs) -> None:
        plan, now_ms = video.plan, self._clock.now_ms()
        dead = _dead_key(video)
        _log.error("attempts ran out", extra={"video_id": plan.video_id, "job_key": dead, "reason": plan.reason})
        await self._store.note_dead(
            DeadVideo(
                shard=plan.video_id % OPEN_SHARDS,
                video_id=plan.video_id,
                job_key=dead,
                died_at_ms=now_ms,
                plays=video.plays,
                expires_at_ms=plan.expires_at_ms,
                version=now_ms,
            )
        )

    async def _tell(self, video: VideoJobs) -> Video | None:
        """Tell every step that this process has not told yet, in order; the row as the last one left it."""
        plan, probed = video.plan, video.probed if video.jobs else None
        if plan.state is JobState.CLOSED:
            return None
        steps: list[tuple[str, str, Callable[[], Awaitable[Video]]]] = []
        """Name, key of the job that it follows from, and how to tell it."""
        if plan.redos and video.is_under_way:
            steps.append((f"again {plan.redos}", PROBE_KEY, lambda: self._media.begin_again(plan.video_id)))
        if probed is not None:
            found = probed
            steps.append(("probed", PROBE_KEY, lambda: self._media.media_probed(plan.video_id, probed_media(plan.video_id, found))))
            if (growing := growing_of(video)) is not None:
                length, last = len(growing.pictures), chunk_key(FIRST, len(growing.pictures) - 1)
                steps.append((f"growing {found.recipe_version} {length}", last, lambda: self._grew(plan.video_id, found, growing)))
            if video.plays:
                steps.append(("playable", PACKAGE_FIRST_KEY, lambda: self._became_playable(video, found)))
            if (pictured := video.pictured) is not None:
                seen = seen_media(pictured)
                steps.append(("seen", PICTURES_KEY, lambda: self._media.media_seen(plan.video_id, seen)))
            made = tuple(one for one in found.renditions if one.name in video.packaged)
            if video.is_complete and plan.state is not JobState.DEAD:
                last = PACKAGE_REST_KEY if video.is_done(PACKAGE_REST_KEY) else PICTURES_KEY
                steps.append((f"complete {len(made)}", last, lambda: self._became_complete(video, made)))
            elif plan.state is JobState.DEAD and video.plays:
                # Nothing more will come: whoever waits for the end of processing waits for this.
                steps.append(("complete", _dead_key(video), lambda: self._became_complete(video, made)))
            in_codecs = [codec for codec in CODECS if video.is_done(package_key(codec))]
            if in_codecs:
                further = tuple(one for codec in in_codecs for one in found.of_group(codec))
                last = package_key(in_codecs[-1])
                steps.append((f"codecs {' '.join(in_codecs)}", last, lambda: self._in_codecs(video, further)))
        if plan.state is JobState.DEAD and not video.plays:
            steps.append(("failed", _dead_key(video), lambda: self._failed(plan)))
        told = self._told.setdefault(plan.video_id, set())
        row: Video | None = None
        for name, job_key, tell in steps:
            if name not in told:
                job = video.jobs.get(job_key, plan)
                with self._telemetry.span(f"tell {name.split()[0]}", traceparent=job.trace_context or plan.trace_context):
                    row = await tell()
                told.add(name)
                if row.is_over:
                    break
        return row

    async def _grew(self, video_id: int, probed: ProbeResult, growing: Growing) -> Video:
        prefix = growing_prefix(source_work_prefix(video_id, probed.source_sha256), probed.recipe_version)
        for name, text in growing.playlists().items():
            await self._blobs.put(f"{prefix}{name}", text.encode(), content_type="application/vnd.apple.mpegurl")
        return await self._media.began_to_grow(video_id, growing_prefix=prefix)

    async def _became_playable(self, video: VideoJobs, probed: ProbeResult) -> Video:
        video_id = video.plan.video_id
        key = audio_key(video_id) if probed.has_audio else ""
        prefix = published_prefix(video_id, probed.folder)
        return await self._media.became_playable(
            video_id, renditions=_made(video, probed.of_group(FIRST)), audio_key=key, output_prefix=prefix
        )

    async def _became_complete(self, video: VideoJobs, renditions: tuple[PlannedRendition, ...]) -> Video:
        return await self._media.became_complete(video.plan.video_id, renditions=_made(video, renditions))

    async def _in_codecs(self, video: VideoJobs, renditions: tuple[PlannedRendition, ...]) -> Video:
        return await self._media.in_further_codecs(video.plan.video_id, renditions=_made(video, renditions))

    async def _failed(self, plan: Job) -> Video:
        redoable = plan.reason == PROCESSING_FAILED
        return await self._media.media_failed(plan.video_id, reason=plan.reason, detail=sentence_of(plan.reason), redoable=redoable)


def _dead_key(video: VideoJobs) -> str:
    """The job whose attempts ran out, or whose input was refused; empty when none did."""
    return next((key for key, job in video.jobs.items() if job.state is JobState.DEAD), "")


def probed_media(video_id: int, probed: ProbeResult) -> ProbedMedia:
    """A probe's result as the media state machine takes it."""
    return ProbedMedia(
        duration_ms=probed.duration_ms,
        width=probed.width,
        height=probed.height,
        has_audio=probed.has_audio,
        facts_json=probed.facts_json,
        source_sha256=bytes.fromhex(probed.source_sha256),
        recipe_version=probed.recipe_version,
        output_prefix=published_prefix(video_id, probed.folder),
        has_waveform=probed.has_waveform,
        renditions=tuple(RenditionFacts(name=one.name, width=one.width, height=one.height) for one in probed.renditions),
    )


def seen_media(pictured: PicturesResult) -> SeenMedia:
    """What was seen as the media state machine takes it."""
    return SeenMedia(
        perceptual_hashes=pictured.hashes,
        findings=tuple(Finding(name=name, score=score) for name, score in pictured.findings),
        classified=False,
        has_preview=True,
        has_storyboard=pictured.has_storyboard,
    )


def _made(video: VideoJobs, renditions: tuple[PlannedRendition, ...]) -> tuple[RenditionFacts, ...]:
    packaged = video.packaged
    return tuple(
        RenditionFacts(
            name=one.name,
            width=one.width,
            height=one.height,
            codec=packaged[one.name].codec,
            bitrate_bps=packaged[one.name].bitrate_bps,
            size_bytes=packaged[one.name].size_bytes,
        )
        for one in renditions
    )
