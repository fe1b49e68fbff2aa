"""The job service over real gRPC on a real SQLite file, with the real media state machine and a clock that stands still."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from clipmesh.video.v1 import job_service_pb2 as pb2
from clipmesh.video.v1.job_service_pb2_grpc import JobServiceStub

from devstack.clips.maker import make_clip
from mesh.clock import Clock
from mesh.errors import Unavailable
from mesh.events.event import EventMaker
from mesh.events.incoming import open_envelope
from mesh.stores.blobs import open_blobs
from mesh.stores.blobs.port import BlobNotFound, Blobs
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables
from mesh.telemetry import Telemetry, trace_context
from mesh.testing.clock import FakeClock
from mesh.testing.rpc import Served, process_for, serve
from svc_video.creators import Creator, Trust
from svc_video.layout import work_prefix
from svc_video.processing.actions import JobActions
from svc_video.processing.media import MediaTools, locate_tools
from svc_video.processing.results import PackagedRendition, PackageResult, PicturesResult, PlannedRendition, ProbeResult
from svc_video.processing.service import job_service
from svc_video.processing.store import JobStore
from svc_video.processing.tables import PROCESSING_TABLES, Job
from svc_video.videos.actions import MediaActions, MediaState, Video
from svc_video.videos.changes import VideoChanges, Wakeups
from svc_video.videos.progress import Progress, ProgressBoard
from svc_video.videos.store import VideoStore
from svc_video.videos.tables import VIDEO_TABLES, Rendition

CLIP_WIDTH, CLIP_HEIGHT = 242, 430
"""The smallest picture that has further renditions."""
TRACE = f"00-{'a' * 32}-{'1' * 16}-01"
"""Of the request that makes a job."""
LEASE_MS = 20_000
RETRY_MS = 2_000
AGEING_MS = 600_000
TIER_MS = 30_000
REGULAR_CREATOR = Creator(trust=Trust.GOOD, account_age_ms=90 * 86_400_000, verified=False)
NEW_CREATOR = Creator(trust=Trust.NEW, account_age_ms=3_600_000, verified=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings that jobs read."""

    job_lease_ms: int = LEASE_MS
    job_retry_ms: int = RETRY_MS
    job_ageing_ms: int = AGEING_MS
    job_tier_ms: int = TIER_MS
    job_lazy: bool = False
    job_codecs: str = ""
    job_codecs_from_views: int = 0
    job_off_peak: str = ""


def probed(*, chunks: int = 2, has_audio: bool = True, rest: tuple[str, ...] = ("360p", "240p")) -> ProbeResult:
    """What a probe of a small clip tells."""
    sizes = {"720p": (720, 1280), "360p": (360, 640), "240p": (240, 426)}
    names = ("720p", *rest)
    return ProbeResult(
        facts_json='{"codec":"h264"}',
        source_sha256="5a" * 32,
        recipe_version="1+test",
        duration_ms=chunks * 10_000,
        width=720,
        height=1280,
        has_audio=has_audio,
        chunks=chunks,
        renditions=tuple(
            PlannedRendition(name=name, group="first" if name == "720p" else "rest", width=sizes[name][0], height=sizes[name][1])
            for name in names
        ),
        has_waveform=has_audio,
    )


PICTURED = PicturesResult(hashes_hex=("ab" * 32,), findings=(("black_ratio", 0.25),), has_storyboard=True)
"""What looking at a clip tells."""


def packaged(plan: ProbeResult, group: str) -> PackageResult:
    """What packaging one group of a plan tells."""
    return PackageResult(
        renditions=tuple(
            PackagedRendition(name=one.name, codec="avc1.64001f", bitrate_bps=one.height * 1_000, size_bytes=one.height * 10)
            for one in plan.of_group(group)
        )
    )


@dataclass
class World:
    """One video service's worth of processing; `crash` and `open` as often as a test likes, on the same file."""

    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    real_clock: Clock | None = None
    """Instead of the one that stands still, where processes of their own take part."""
    settings: Settings = field(default_factory=Settings)
    creators: dict[int, Creator] = field(default_factory=dict)
    social_is_away: bool = False
    traces: Telemetry | None = None
    """Where spans go; None: nowhere."""
    tables: Tables = field(init=False)
    blobs: Blobs = field(init=False)
    board: ProgressBoard = field(init=False)
    media: MediaActions = field(init=False)
    jobs: JobActions = field(init=False)
    telemetry: Telemetry = field(init=False)
    served: Served = field(init=False)
    stub: JobServiceStub = field(init=False)
    stack: AsyncExitStack = field(init=False)

    async def open(self) -> None:
        """Start it."""
        self.stack = AsyncExitStack()
        clock = self.real_clock or self.clock
        row_types = (*VIDEO_TABLES, *PROCESSING_TABLES)
        self.tables = await open_tables(f"sqlite:///{self.folder}", service="video", row_types=row_types, clock=clock)
        self.stack.push_async_callback(self.tables.close)
        self.blobs = open_blobs(f"file://{self.folder / 'blobs'}", clock=clock, url_key=b"")
        self.stack.push_async_callback(self.blobs.close)
        store = VideoStore(tables=self.tables)
        self.board = ProgressBoard(hint=lambda video_id, version: None)
        ids = itertools.count(clock.now_ms())
        changes = VideoChanges(
            store=store,
            events=EventMaker(producer="video", next_id=lambda: next(ids), clock=clock, trace_context=trace_context),
            clock=clock,
            wakeups=Wakeups(),
            revoke=_revoke_nothing,
        )
        self.media = MediaActions(store=store, changes=changes, progress=self.board)
        process = process_for("video", clock=clock)
        process = replace(process, telemetry=self.traces or process.telemetry)
        self.telemetry = process.telemetry
        self.jobs = self.replica()
        self.stack.push_async_callback(self.jobs.stop)
        await self.jobs.start()
        self.served = await self.stack.enter_async_context(serve(job_service(self.jobs), service="video", process=process))
        self.stub = self.served.stub(JobServiceStub, caller="video-worker")

    def replica(self) -> JobActions:
        """Jobs on the same stores with a memory of their own, as another process would have."""
        clock = self.real_clock or self.clock
        return JobActions(
            store=JobStore(tables=self.tables),
            blobs=self.blobs,
            media=self.media,
            creator_of=self.creator_of,
            clock=clock,
            settings=self.settings,
            telemetry=self.telemetry,
        )

    async def creator_of(self, creator_id: int) -> Creator | None:
        """What social knows."""
        if self.social_is_away:
            raise Unavailable("social is away")
        return self.creators.get(creator_id)

    async def close(self) -> None:
        """Stop it; nothing is finished on the way, so this is also what a crash leaves."""
        await self.stack.aclose()

    async def reopen(self) -> None:
        """What a crash and the next start do."""
        await self.close()
        await self.open()

    async def upload(self, video_id: int, *, creator_id: int = 7) -> None:
        """A video whose bytes are whole, with its jobs opened."""
        await VideoStore(tables=self.tables).add(Video(video_id=video_id, creator_id=creator_id, media_state=MediaState.PROCESSING))
        await self.open_jobs(video_id, creator_id=creator_id)

    async def upload_file(self, video_id: int, source: Path, *, sha256: bytes = b"", size_bytes: int | None = None) -> None:
        """A video whose bytes are a real file."""
        await self.blobs.put_file(f"raw/{video_id}", source)
        await VideoStore(tables=self.tables).add(Video(video_id=video_id, creator_id=7, media_state=MediaState.PROCESSING))
        size = source.stat().st_size if size_bytes is None else size_bytes
        await self.jobs.open(video_id=video_id, creator_id=7, source_key=f"raw/{video_id}", size_bytes=size, sha256=sha256)

    async def objects(self, prefix: str) -> dict[str, str]:
        """sha256 of every object under a prefix, but for those that go meanwhile."""
        found = {}
        for blob in (await self.blobs.list(prefix)).blobs:
            with contextlib.suppress(BlobNotFound):
                content = await (await self.blobs.get(blob.key)).read()
                found[blob.key.removeprefix(prefix)] = hashlib.sha256(content).hexdigest()
        return found

    async def open_jobs(self, video_id: int, *, creator_id: int = 7) -> None:
        """What CompleteUpload and the sweeper call."""
        await self.jobs.open(video_id=video_id, creator_id=creator_id, source_key=f"raw/{video_id}", size_bytes=100, sha256=b"")

    async def lease(self, worker: str = "w1", wait_ms: int = 0, *, recipe: str = "") -> pb2.Job | None:
        """A job, or None, for a worker that follows `recipe`, or says nothing of that."""
        request = pb2.LeaseJobRequest(worker_id=worker, wait_ms=wait_ms, recipe_version=recipe)
        answer = await self.stub.LeaseJob(request, timeout=30)
        return answer.job if answer.HasField("job") else None

    async def leased(self, worker: str = "w1") -> pb2.Job:
        """A job that has to be there."""
        job = await self.lease(worker)
        assert job is not None, "no job waits"
        return job

    async def commit(self, job: pb2.Job, result: ProbeResult | None = None) -> None:
        """Commit a job; a probe with `result` or the usual one, a package with what its probe planned."""
        text = ""
        if job.kind == pb2.JOB_KIND_PROBE:
            text = (result or probed()).to_json()
        elif job.kind == pb2.JOB_KIND_PACKAGE:
            plan = ProbeResult.from_json((await self.row(job.video_id, "probe")).result_json)
            text = packaged(plan, job.group).to_json()
        elif job.kind == pb2.JOB_KIND_PICTURES:
            text = PICTURED.to_json()
        await self.commit_text(job, text)

    async def commit_text(self, job: pb2.Job, text: str) -> None:
        """Commit a job with any result."""
        await self.stub.CommitJob(pb2.CommitJobRequest(video_id=job.video_id, job_key=job.job_key, fence=job.fence, result_json=text))

    async def settle(self, video_id: int) -> None:
        """Return when everything that follows from the rows so far was told."""
        await until(lambda: self._is_settled(video_id))

    async def _is_settled(self, video_id: int) -> bool:
        return video_id not in self.jobs._following._tasks

    async def beat(self, job: pb2.Job, percent: int = 0) -> int:
        """Heartbeat; when the lease ends now."""
        request = pb2.HeartbeatRequest(video_id=job.video_id, job_key=job.job_key, fence=job.fence, progress_percent=percent)
        return (await self.stub.Heartbeat(request)).lease_expires_at_ms

    async def fail(self, job: pb2.Job, reason: str = "TOOL_FAILED", *, rejected: bool = False, detail: str = "it broke") -> None:
        """Give a job back."""
        await self.stub.FailJob(
            pb2.FailJobRequest(video_id=job.video_id, job_key=job.job_key, fence=job.fence, rejected=rejected, reason=reason, detail=detail)
        )

    async def work_off(self, result: ProbeResult | None = None) -> list[str]:
        """Do every job that waits, as one worker; the job keys in their order."""
        keys: list[str] = []
        while (job := await self.lease()) is not None:
            keys.append(job.job_key)
            await self.commit(job, result)
        return keys

    async def row(self, video_id: int, job_key: str) -> Job:
        """One row of a job."""
        row = await self.tables.get(Job, video_id, job_key)
        assert row is not None
        return row

    async def rows(self, video_id: int) -> dict[str, Job]:
        """All rows of a video."""
        page = await self.tables.scan(Job, video_id, limit=500)
        return {row.job_key: row for row in page.rows}

    async def renditions(self, video_id: int) -> dict[str, Rendition]:
        """The rows of a video's renditions."""
        page = await self.tables.scan(Rendition, video_id, limit=500)
        return {row.name: row for row in page.rows}

    async def states(self, video_id: int) -> dict[str, str]:
        """How far each rendition is."""
        return {name: row.state.name for name, row in (await self.renditions(video_id)).items()}

    async def video(self, video_id: int) -> Video:
        """The video's row."""
        video = await self.media.get(video_id)
        assert video is not None
        return video

    async def published(self, video_id: int) -> str:
        """Where players find it."""
        facts = await self.media.facts_of(video_id)
        assert facts is not None
        return facts.output_prefix

    async def progress(self, video_id: int) -> Progress:
        """What a person who waits is shown."""
        return self.board.of(await self.video(video_id))

    async def until_media(self, video_id: int, state: MediaState) -> Video:
        """Wait until the media state machine was told."""
        await until(lambda: self.has_state(video_id, state))
        return await self.video(video_id)

    async def has_state(self, video_id: int, state: MediaState) -> bool:
        """Whether the media state machine is there."""
        return (await self.video(video_id)).media_state is state

    async def events(self) -> list[EventEnvelope]:
        """Every event that was written."""
        entries = [entry for shard in range(self.tables.outbox_shards) for entry in (await self.tables.read_outbox(shard)).entries]
        return [open_envelope(entry.envelope) for entry in entries]

    async def until_forgotten(self, video_id: int) -> None:
        """Wait until nothing more follows from a video."""
        await until(lambda: self._is_forgotten(video_id))

    async def _is_forgotten(self, video_id: int) -> bool:
        return video_id not in await self.jobs.open_videos()

    async def put_work(self, video_id: int) -> str:
        """An object that goes when the last job is done."""
        key = f"{work_prefix(video_id)}abc/720p-0000.chunk"
        await self.blobs.put(key, b"chunk")
        return key


async def until(check: Callable[[], Awaitable[bool]], *, timeout_s: float = 30) -> None:
    """Return when `check` holds; tasks in the background get the loop meanwhile."""
    async with asyncio.timeout(timeout_s):
        while not await check():
            await asyncio.sleep(0.005)


async def _revoke_nothing(video_id: int, epoch: int) -> None:
    """No edge listens."""


@pytest.fixture(scope="session")
def tools() -> MediaTools:
    """This machine's tools."""
    return locate_tools()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifteen seconds, small."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    make_clip(path, seed=11, duration_s=15.0, width=CLIP_WIDTH, height=CLIP_HEIGHT, fps=24)
    return path


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A running world."""
    world = World(folder=tmp_path)
    await world.open()
    try:
        yield world
    finally:
        await world.close()
