"""Seeded crashes: which process ends when, a short life of two clips under them, and what has to be true afterwards."""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clipmesh.feed.v1.events_pb2 import WatchRecorded
from clipmesh.social.v1.events_pb2 import AccountCreated
from clipmesh.video.v1.events_pb2 import VideoPublished

from devstack.client import new_request_id
from mesh.clock import SystemClock
from mesh.failpoints import Failpoint
from mesh.stores.blobs import open_blobs
from mesh.stores.tables import open_tables
from svc_video.layout import audio_prefix, images_prefix, video_prefix, work_prefix
from svc_video.processing.store import JobStore
from svc_video.processing.tables import PROCESSING_TABLES, Job, JobKind, JobState
from tests.e2e.engines import Engines
from tests.e2e.stage import Stage, feed, finished, video_of

PART_BYTES = 262_144
"""So that a small clip has several parts, where the store joins such."""

PLACES: Mapping[Failpoint, tuple[str, ...]] = {
    Failpoint.UPLOAD_BEFORE_COMPLETE_ROW: ("video",),
    Failpoint.UPLOAD_AFTER_COMPLETE_ROW: ("video",),
    Failpoint.JOB_AFTER_OUTPUT: ("worker-1",),
    Failpoint.JOB_BEFORE_COMMIT_ROW: ("video",),
    Failpoint.JOB_AFTER_COMMIT_ROW: ("video",),
    Failpoint.RELAY_AFTER_PUBLISH: ("video", "social", "rights", "feed"),
    Failpoint.CONSUMER_AFTER_EFFECT: ("feed", "sound"),
    Failpoint.PUBLISH_AFTER_ASSESS: ("video",),
    Failpoint.VERDICT_AFTER_WRITE: ("rights",),
    Failpoint.SIGN_UP_AFTER_RESERVATION: ("social",),
}
"""The processes that pass each point during the life below, at least twice."""

BYPASSED: Mapping[Failpoint, str] = {Failpoint.PUBLISH_AFTER_ASSESS: "rights"}
"""Points that a video may reach its end without, when that process dies at the wrong moment: the event of a verdict then comes before its answer."""

_PLACE = re.compile(r"/\d+/([0-9a-f]{16}/)?", re.ASCII)
"""Of an object: its video, and the folder that a recipe has for itself."""

PROCESSES = ("redis", "rights", "social", "sound", "video", "feed", "worker-1", "gateway")
STEPS = ("signed up", "parts sent", "completed", "published", "first playable", "all done", "watched")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A kill -9 of a process, some time after a step of the life."""

    process: str
    step: str
    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What goes wrong."""

    lives: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    points: Sequence[tuple[Failpoint, str]] = ()
    kills: Sequence[Kill] = ()


def plan_of(seed: int, *, processes: Sequence[str] = PROCESSES) -> Plan:
    """Two failpoints and a kill of one of the `processes`; five seeds in a row pass every failpoint."""
    rng = random.Random(seed)
    every = list(Failpoint)
    chosen = [every[(2 * seed) % len(every)], every[(2 * seed + 1) % len(every)]]
    lives: dict[str, list[Mapping[str, str]]] = {}
    points = []
    for point in chosen:
        process = rng.choice(PLACES[point])
        points.append((point, process))
        # A visit counts from the start of a life, and the life that follows a crash has only the rest to do.
        visit = 1 if process in lives or point in BYPASSED else rng.randint(1, 2)
        lives.setdefault(process, []).append({"CLIPMESH_FAILPOINTS": f"{point.value}:{visit}"})
    spared = {BYPASSED[point] for point in chosen if point in BYPASSED}
    kill = Kill(
        process=rng.choice([name for name in processes if name not in spared]), step=rng.choice(STEPS), after_s=rng.uniform(0.0, 1.0)
    )
    return Plan(lives=lives, points=points, kills=[kill])


@dataclass(slots=True)
class Lived:
    """What the clients were told, which therefore has to be so."""

    videos: dict[str, str] = field(default_factory=dict)
    """Name of the clip -> its video."""
    watched: str = ""


class Life:
    """Two people, two clips, one watch; every step may meet a crash."""

    def __init__(self, *, stage: Stage, clips: Mapping[str, Path], kills: Sequence[Kill]) -> None:
        self._stage = stage
        self._clips = clips
        self._kills = kills
        self._killing: list[asyncio.Task[None]] = []
        self.lived = Lived()

    async def live(self) -> Lived:
        """Go through it."""
        creator, viewer = await asyncio.gather(self._stage.person("nora"), self._stage.person("vlad"))
        self._reached("signed up")
        sessions = {name: await creator.start_upload(clip, request_id=f"crash-{name}") for name, clip in self._clips.items()}
        await asyncio.gather(*(creator.send_parts(self._clips[name], session) for name, session in sessions.items()))
        self._reached("parts sent")
        # A store that died while it joined parts may want them again.
        await asyncio.gather(*(creator.upload(clip, request_id=f"crash-{name}") for name, clip in self._clips.items()))
        self.lived.videos = {name: session["id"] for name, session in sessions.items()}
        self._reached("completed")
        await asyncio.gather(*(creator.publish(video, caption=name, hashtags=[]) for name, video in self.lived.videos.items()))
        self._reached("published")
        ends = [asyncio.create_task(finished(creator, video)) for video in self.lived.videos.values()]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        self._reached("first playable")
        for end in ends:
            assert (await end)["stage"] == "DONE"
        self._reached("all done")
        for video in self.lived.videos.values():
            await self._stage.state(creator, video, "READY")
        self.lived.watched = next(iter(self.lived.videos.values()))
        edge = await self._stage.in_feed(viewer, self.lived.watched)
        await asyncio.sleep(2.5)
        event_id = new_request_id()
        outcome = await viewer.report_watch(edge["viewToken"], watched_ms=2_400, event_id=event_id)
        # An answer that got lost makes the repeat a duplicate: it was recorded all the same.
        assert outcome in {"ACCEPTED", "DUPLICATE"}
        self._reached("watched")
        await asyncio.gather(*self._killing)
        assert await viewer.report_watch(edge["viewToken"], watched_ms=2_400, event_id=event_id) == "DUPLICATE"
        return self.lived

    def _reached(self, step: str) -> None:
        for kill in self._kills:
            if kill.step == step:
                self._killing.append(asyncio.create_task(self._kill(kill)))

    async def _kill(self, kill: Kill) -> None:
        await asyncio.sleep(kill.after_s)
        if kill.process in self._stage.system.children:
            self._stage.system.children[kill.process].kill()
        else:
            await asyncio.to_thread(self._stage.engines.kill, kill.process)


async def check_online(stage: Stage, lived: Lived) -> None:
    """What people see once everything came to rest."""
    for name in stage.system.children:
        await stage.system.ready(name)
    await stage.quiet()
    creator, viewer, newcomer = await stage.person("nora"), await stage.person("vlad"), await stage.person("nils")
    for video in lived.videos.values():
        await stage.in_feed(newcomer, video)
    served = [edge["node"]["id"] for edge in await feed(newcomer)]
    assert sorted(served) == sorted(lived.videos.values())
    for video in lived.videos.values():
        seen = await video_of(creator, video)
        assert seen is not None
        assert (seen["state"], seen["playback"]["refusal"]) == ("READY", None)
        assert seen["viewCount"] == ("1" if video == lived.watched else "0")
        query = "query($id: ID!) { video(id: $id) { sound { videoCount creator { handle } } } }"
        sound = (await creator.query(query, id=video))["video"]["sound"]
        assert sound == {"videoCount": "1", "creator": {"handle": "nora"}}
    assert lived.watched not in [edge["node"]["id"] for edge in await feed(viewer)]

    # The newcomer came after the rest was quiet.
    await stage.quiet()
    published = [str(event.video.video_id) for _, event in await stage.events("video", VideoPublished)]
    assert sorted(published) == sorted(lived.videos.values())
    recorded = [(str(event.video_id), event.watched_ms, event.counted_view) for _, event in await stage.events("feed", WatchRecorded)]
    assert recorded == [(lived.watched, 2_400, True)]
    accounts = [str(event.facts.user_id) for _, event in await stage.events("social", AccountCreated)]
    people = [(await one.query("{ me { user { id } } }"))["me"]["user"]["id"] for one in (creator, viewer, newcomer)]
    assert sorted(accounts) == sorted(people)


async def chunks_done_again(folder: Path, engines: Engines, lived: Lived) -> int:
    """Attempts at chunks beyond the first of each; the system has to be stopped."""
    url = engines.url("CLIPMESH_TABLES", folder)
    tables = await open_tables(url, service="video", row_types=PROCESSING_TABLES, clock=SystemClock())
    try:
        jobs: list[Job] = []
        for video in lived.videos.values():
            found = await JobStore(tables=tables).load(int(video))
            assert found is not None
            assert found.plan.state is JobState.DONE
            jobs += found.jobs.values()
        assert {job.state for job in jobs} == {JobState.DONE}
        return sum(job.attempt - 1 for job in jobs if job.kind is JobKind.CHUNK)
    finally:
        await tables.close()


async def outputs(folder: Path, engines: Engines, video: str) -> dict[str, str]:
    """Digest of every object that a clip became, by its kind and its name below the clip; nothing of the work on it is left."""
    blobs = open_blobs(engines.url("CLIPMESH_BLOBS", folder), clock=SystemClock(), url_key=b"")
    try:
        assert (await blobs.list(work_prefix(int(video)))).blobs == ()
        found: dict[str, str] = {}
        for prefix in (video_prefix(int(video)), images_prefix(int(video)), audio_prefix(int(video))):
            for info in (await blobs.list(prefix)).blobs:
                content = await (await blobs.get(info.key)).read()
                found[_PLACE.sub("/", info.key, count=1)] = hashlib.sha256(content).hexdigest()
        return found
    finally:
        await blobs.close()
