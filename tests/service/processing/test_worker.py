"""The worker with real tools, real objects and the real service: a clip becomes a tree that a strict client plays, and a redo is identical."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from clipmesh.video.v1 import job_service_pb2 as pb2

from mesh.app import ServiceSettings
from mesh.failpoints import Failpoint
from mesh.stores.blobs.port import BlobInfo, Blobs, BlobsUnavailable
from mesh.testing.rpc import process_for
from svc_video.layout import published_names
from svc_video.lengths import segments_of
from svc_video.processing.media import MediaTools, check_mp4, check_tree
from svc_video.processing.tables import JobState
from svc_video.processing.worker.loop import Worker
from svc_video.processing.worker.scratch import Scratch
from svc_video.processing.worker.settings import WorkerSettings
from svc_video.processing.worker.steps import Steps
from svc_video.processing.worker_app import WorkerApp
from svc_video.videos.actions import MediaState
from tests.service.processing.conftest import CLIP_HEIGHT, CLIP_WIDTH, LEASE_MS, World, until
from tests.service.processing.test_restart import cut_at

pytestmark = pytest.mark.timeout(180)
"""Real encoders: seconds of CPU on an idle machine, a minute on a busy one."""


JOBS = [
    *("probe", "audio", "chunk/first/0", "chunk/first/1", "package/first", "pictures"),
    *("chunk/rest/0", "chunk/rest/1", "package/rest"),
]
"""Of a short clip, as one worker does them."""
PICTURES = ["poster.jpg", "preview.webp", "storyboard.vtt", "storyboard.webp", "waveform.json"]


class Recording:
    """A blob store that notes the order of puts, and may fail them."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self.put_keys: list[str] = []
        self.texts: list[str] = []
        """The playlist that each put put, empty for other objects."""
        self.is_away = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._blobs, name)

    async def put_file(self, key: str, path: Path, *, content_type: str = "application/octet-stream") -> BlobInfo:
        """Note and put."""
        if self.is_away:
            raise BlobsUnavailable("away")
        info = await self._blobs.put_file(key, path, content_type=content_type)
        self.put_keys.append(key)
        self.texts.append(path.read_text() if key.endswith((".m3u8", ".mpd")) else "")
        return info


class Rig:
    """A worker of the world, run job by job."""

    def __init__(self, world: World, tools: MediaTools, root: Path) -> None:
        self.world = world
        self.blobs = Recording(world.blobs)
        self.scratch = Scratch(root=root, blobs=self.blobs)  # type: ignore[arg-type]
        self.steps = Steps(tools=tools, blobs=self.blobs, scratch=self.scratch, telemetry=world.telemetry)  # type: ignore[arg-type]
        self.worker = self.another()

    def another(self, heartbeat_ms: int = 5_000, *, jobs: int = 1) -> Worker:
        """A worker on the same scratch folder."""
        return Worker(
            worker_id="w1",
            stub=self.world.stub,
            steps=self.steps,
            scratch=self.scratch,
            clock=self.world.clock,
            heartbeat_ms=heartbeat_ms,
            wait_ms=100,
            telemetry=self.world.telemetry,
            jobs=jobs,
        )

    async def work_off(self) -> list[pb2.Job]:
        """Do every job that waits."""
        jobs = []
        while (job := await self.world.lease()) is not None:
            jobs.append(job)
            await self.worker.do(job)
        return jobs


@pytest.fixture
async def rig(world: World, tools: MediaTools, tmp_path: Path) -> AsyncIterator[Rig]:
    """A worker with its scratch folder open."""
    rig = Rig(world, tools, tmp_path / "scratch")
    await rig.scratch.open()
    yield rig
    await rig.scratch.close()


async def test_a_clip_becomes_a_whole_tree_and_a_redo_of_every_job_changes_no_byte(
    rig: Rig, world: World, clip: Path, tools: MediaTools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = hashlib.sha256(clip.read_bytes()).digest()
    await world.upload_file(1, clip, sha256=sha256)
    jobs = []
    work: dict[str, str] = {}
    while (job := await world.lease()) is not None:
        jobs.append(job)
        await rig.worker.do(job)
        work |= await world.objects("work/1/")
    assert [job.job_key for job in jobs] == JOBS
    video = await world.until_media(1, MediaState.COMPLETE)
    assert (video.duration_ms, video.width, video.height, video.has_audio) == (15_000, CLIP_WIDTH, CLIP_HEIGHT, True)
    await world.until_forgotten(1)

    prefix = await world.published(1)
    made = await world.objects(prefix)
    assert await world.objects("video/1/") == {f"{prefix.removeprefix('video/1/')}{name}": digest for name, digest in made.items()}
    assert {"master.m3u8", "manifest.mpd", "360p.m3u8", "240p.m3u8", "360p.mp4"} <= made.keys()
    others = [await world.objects(f"{prefix}/1/") for prefix in ("images", "audio", "work")]
    assert [sorted(found) for found in others] == [PICTURES, ["audio.mp4"], []]
    assert {name.split("/")[0] for name in work} == {sha256.hex()[:16]}
    tree = tmp_path / "tree"
    for name in made:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        await world.blobs.get_file(f"{prefix}{name}", tree / name)
    assert await check_tree(tools, tree) == []
    assert await check_mp4(tools, tree / "360p.mp4", frames=360) == []
    kinds = [(await world.blobs.head(f"images/1/{name}")).content_type for name in PICTURES]
    assert kinds == ["image/jpeg", "image/webp", "text/vtt", "image/webp", "application/json"]

    facts = await world.media.facts_of(1)
    assert facts is not None
    assert facts.rendition_names == ("360p", "240p")
    for name, row in (await world.renditions(1)).items():
        sizes = [(tree / made_name).stat().st_size for made_name in made if re.fullmatch(rf"{name}/(init\.mp4|\d+\.m4s)", made_name)]
        assert (row.state.name, row.size_bytes, row.bitrate_bps) == ("READY", sum(sizes), sum(sizes) * 8 // 15)
        assert f'CODECS="{row.codec},mp4a.40.2"' in (tree / f"{name}.m3u8").read_text()
    assert facts.source_sha256 == sha256
    assert set(published_names(facts.rendition_names, segments=segments_of(video.duration_ms), has_audio=True)) <= made.keys()
    assert (await world.blobs.head(f"{prefix}master.m3u8")).content_type == "application/vnd.apple.mpegurl"
    assert (await world.blobs.head("audio/1/audio.mp4")).content_type == "audio/mp4"

    await world.upload_file(2, clip)
    again: dict[str, str] = {}
    attempts: list[tuple[str, int]] = []
    while (await world.row(2, "plan")).state is JobState.OPEN:
        next_job = await world.lease()
        if next_job is None:
            world.clock.advance(LEASE_MS)
            continue
        attempts.append((next_job.job_key, next_job.attempt))
        with monkeypatch.context() as patch:
            if next_job.attempt == 1:
                cut_at(patch, Failpoint.JOB_AFTER_OUTPUT)
            await rig.worker.do(next_job)
        again |= await world.objects("work/2/")
    assert sorted(attempts) == sorted((job.job_key, attempt) for job in jobs for attempt in (1, 2))
    await world.until_forgotten(2)
    assert await world.objects(prefix.replace("video/1/", "video/2/")) == made
    assert [await world.objects(f"{prefix}/2/") for prefix in ("images", "audio", "work")] == others
    assert again == work


async def test_no_playlist_is_ever_there_before_what_it_names(rig: Rig, world: World, clip: Path) -> None:
    await world.upload_file(1, clip)
    await rig.work_off()
    there: set[str] = set()
    segments, prefix = 0, await world.published(1)
    for key, text in zip(rig.blobs.put_keys, rig.blobs.texts, strict=True):
        if key.endswith(".m3u8"):
            named = [line for line in text.splitlines() if line and not line.startswith("#")] + re.findall(r'URI="([^"]+)"', text)
            folder = key.rpartition("/")[0]
            assert named, key
            assert [name for name in named if f"{folder}/{name}" not in there] == [], key
            segments += sum(name.endswith(".m4s") for name in named)
        elif key.endswith(".mpd"):
            folders = re.findall(r'initialization="([^"]+)/init.mp4"', text)
            assert "360p" in folders
            assert [name for name in folders if f"{prefix}{name}/index.m3u8" not in there] == []
        there.add(key)
    assert segments == 3 * 8
    masters = [key for key in rig.blobs.put_keys if key.endswith(("master.m3u8", "manifest.mpd"))]
    assert masters == [f"{prefix}manifest.mpd", f"{prefix}master.m3u8"] * 2
    packages = [at for at, key in enumerate(rig.blobs.put_keys) if key == f"{prefix}master.m3u8"]
    assert packages[1] == len(rig.blobs.put_keys) - 1
    assert rig.blobs.put_keys.count(f"{prefix}360p/1.m4s") == 1, "what plays already is not written again"


async def test_a_file_that_differs_from_its_declaration_is_refused(rig: Rig, world: World, clip: Path) -> None:
    await world.upload_file(1, clip, sha256=b"\1" * 32)
    await world.upload_file(2, clip, size_bytes=5)
    await rig.work_off()
    assert (await world.until_media(1, MediaState.FAILED)).failure_code == "CHECKSUM_MISMATCH"
    assert (await world.until_media(2, MediaState.FAILED)).failure_code == "SIZE_MISMATCH"
    assert rig.blobs.put_keys == []


async def test_a_source_that_is_not_the_probed_one_any_more_is_not_worked_on(rig: Rig, world: World, clip: Path) -> None:
    content = clip.read_bytes()
    await world.upload_file(1, clip, sha256=hashlib.sha256(content).digest())
    await rig.worker.do(await world.leased())
    there = list(rig.blobs.put_keys)
    await rig.scratch.forget(1)
    await world.blobs.put("raw/1", content[:-1] + bytes([content[-1] ^ 1]))
    await rig.worker.do(await world.leased())
    row = await world.row(1, "audio")
    assert (row.state, row.attempt, row.reason) == (JobState.OPEN, 1, "SOURCE_CHANGED")
    await world.blobs.put("raw/1", content)
    world.clock.advance(LEASE_MS)
    while (await world.row(1, "audio")).state is not JobState.DONE:
        await rig.worker.do(await world.leased())
    assert {key for key in rig.blobs.put_keys if not key.startswith("work/")} == {*there, "images/1/waveform.json", "audio/1/audio.mp4"}


async def test_a_corrupt_file_ends_the_video_by_its_reason_and_leaves_no_output(rig: Rig, world: World, clip: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(clip.read_bytes()[:50_000])
    await world.upload_file(1, broken)
    jobs = await rig.work_off()
    assert [job.job_key for job in jobs] == ["probe"]
    assert (await world.until_media(1, MediaState.FAILED)).failure_code == "CORRUPT_MEDIA"
    assert [blob.key for blob in (await world.blobs.list("")).blobs] == ["raw/1"]


async def test_a_store_that_is_away_costs_no_attempt(rig: Rig, world: World, clip: Path) -> None:
    await world.upload_file(1, clip)
    await rig.worker.do(await world.leased())
    rig.blobs.is_away = True
    for _ in range(2):
        await rig.worker.do(await world.leased())
        world.clock.advance(5_000)
    row = await world.row(1, "audio")
    assert (row.state, row.attempt, row.reason) == (JobState.OPEN, 0, "STORE_UNAVAILABLE")
    rig.blobs.is_away = False
    await rig.worker.do(await world.leased())
    assert (await world.row(1, "audio")).state is JobState.DONE


async def test_a_worker_with_other_tools_gives_the_plan_back(rig: Rig, world: World, clip: Path, tools: MediaTools) -> None:
    await world.upload_file(1, clip)
    await rig.worker.do(await world.leased())
    other = Steps(tools=replace(tools, version="other"), blobs=world.blobs, scratch=rig.scratch, telemetry=world.telemetry)
    rig.steps = other
    await rig.another().do(await world.leased())
    assert (await world.row(1, "probe")).state is JobState.OPEN
    assert (await world.row(1, "audio")).state is JobState.CLOSED


async def test_progress_reaches_the_rows_by_heartbeats(rig: Rig, world: World, clip: Path) -> None:
    await world.upload_file(1, clip)
    await rig.worker.do(await world.leased())
    await rig.worker.do(await world.leased())
    seen: list[float] = []

    class Watched(Steps):
        async def run(self, work: object) -> str:
            work.report(0.5)  # type: ignore[attr-defined]
            await until(self._is_told)
            return ""

        async def _is_told(self) -> bool:
            seen.append((await world.row(1, "chunk/first/0")).progress_percent)
            return seen[-1] == 50

    rig.steps = Watched(tools=rig.steps._tools, blobs=world.blobs, scratch=rig.scratch, telemetry=world.telemetry)
    await rig.another(heartbeat_ms=20).do(await world.leased())
    assert seen[-1] == 50


async def test_the_failpoint_lies_between_outputs_and_commit(rig: Rig, world: World, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.upload_file(1, clip)
    await rig.worker.do(await world.leased())
    assert rig.blobs.put_keys == []
    with monkeypatch.context() as patch:
        cut_at(patch, Failpoint.JOB_AFTER_OUTPUT)
        await rig.worker.do(await world.leased())
    assert {key for key in rig.blobs.put_keys if not key.startswith("work/")} == {"images/1/waveform.json", "audio/1/audio.mp4"}
    assert (await world.row(1, "audio")).state is JobState.LEASED


async def test_the_process_works_jobs_off_and_stops_clean(world: World, clip: Path, tmp_path: Path) -> None:
    await world.upload_file(1, clip)
    settings = WorkerSettings(
        secrets="", testing=True, blobs=f"file://{tmp_path / 'blobs'}", scratch=str(tmp_path / "scratch"), job_wait_ms=200
    )
    base = ServiceSettings(secrets="", testing=True)
    process = process_for("video-worker", clock=world.clock, addresses={"video": world.served.address}, settings=base)
    app = WorkerApp(process=process, settings=settings)
    dead = tmp_path / "scratch" / "worker-1-dead"
    dead.mkdir(parents=True)
    (dead / "source-9").write_bytes(b"left behind")
    await app.start()
    try:
        await until(lambda: world.has_state(1, MediaState.COMPLETE), timeout_s=150)
        assert not dead.exists()
    finally:
        await app.stop()
        await process.close()
    assert list((tmp_path / "scratch").iterdir()) == []
