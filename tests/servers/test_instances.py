"""Two processes of each service behind one name: one of each dies in turn under people who ask once and once only, and one freezes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from clipmesh.feed.v1.events_pb2 import WatchRecorded
from clipmesh.video.v1.events_pb2 import VideoPublished

from devstack.client import Api, new_request_id
from devstack.layout import SERVICES
from devstack.looking import look
from mesh import deadline
from mesh.client import Channels
from mesh.clock import SystemClock
from mesh.neighbours import neighbour
from mesh.secrets import Secrets
from mesh.telemetry import Telemetry
from mesh.testing.folders import socket_folder
from tests.e2e.engines import Engines
from tests.e2e.stage import Stage, feed, until
from tests.fixtures.clips import clip
from tests.servers.stages import engines

__all__ = ["clip", "engines"]

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

LEASES = {"CLIPMESH_RELAY_LEASE_MS": "3000", "CLIPMESH_PARTITION_LEASE_MS": "6000", "CLIPMESH_PARTITION_HEARTBEAT_MS": "1000"}
SOUND = "query($id: ID!) { video(id: $id) { sound { videoCount } } }"
PROBE_S = 0.3
KEEPALIVE_NOTICES_S = 7.0
"""A connection whose peer is silent is given up no earlier: what is left out before was left out for failing."""


@pytest.fixture
async def stage(engines: Engines) -> AsyncIterator[Stage]:
    with socket_folder() as folder:
        stage = Stage.at(folder, engines=engines, instances=2, **LEASES)
        await stage.system.start()
        try:
            yield stage
        finally:
            await stage.close()


@dataclass
class People:
    """They go on until told to stop, never ask twice, and remember what they were told."""

    stage: Stage
    clip: Path
    videos: list[str] = field(default_factory=list)
    """Published, as far as their creators were told."""
    watches: list[str] = field(default_factory=list)
    """The videos of the watches that were accepted."""
    asked: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def hasty(self, handle: str) -> Api:
        """Somebody who takes the first answer for the last."""
        api = await self.stage.person(handle)
        api.patience_s = 0.0
        return api

    async def publish(self) -> str:
        creator = await self.hasty("nora")
        upload = await creator.upload(self.clip, request_id=new_request_id())
        await creator.publish(upload["id"], caption=f"clip {len(self.videos)}", hashtags=[])
        self.videos.append(upload["id"])
        return str(upload["id"])

    async def browse(self) -> None:
        viewer = await self.hasty("vlad")
        while not self.over.is_set():
            await feed(viewer, pages=1)
            self.asked += 1
            await asyncio.sleep(0.2)

    async def watch(self) -> None:
        viewer = await self.hasty("vera")
        while not self.over.is_set():
            for edge in await feed(viewer, pages=1, first=1):
                await asyncio.sleep(2.5)
                outcome = await viewer.report_watch(edge["viewToken"], watched_ms=2_400, event_id=new_request_id())
                # An answer that got lost made the client ask again, and the second was a duplicate: it was recorded all the same.
                assert outcome in {"ACCEPTED", "DUPLICATE"}
                self.watches.append(edge["node"]["id"])
            await asyncio.sleep(0.2)


async def lives(stage: Stage, video: str) -> None:
    """Return when a clip went all the way: made, assessed, in somebody's feed, its sound counted."""
    creator, viewer = stage.people["nora"], await stage.person("vito")
    await stage.state(creator, video, "READY")
    await stage.in_feed(viewer, video)

    async def counted() -> bool:
        sound = (await viewer.query(SOUND, id=video))["video"]["sound"]
        return sound is not None and sound["videoCount"] == "1"

    await until(counted, what="the use of its sound is counted")


async def test_nobody_notices_that_instances_die_and_nothing_acknowledged_is_lost(stage: Stage, clip: Path) -> None:
    people = People(stage, clip)
    await lives(stage, await people.publish())
    going_on = [asyncio.create_task(work) for work in (people.browse(), people.watch())]
    for service in SERVICES:
        dead = stage.system.children[service]
        await dead.pause(gently=False)
        await lives(stage, await people.publish())
        dead.resume()
        await stage.system.ready(service)
        assert not [work for work in going_on if work.done()], service
    people.over.set()
    await asyncio.gather(*going_on)

    await stage.quiet()
    assert len(people.videos) == len(SERVICES) + 1
    assert people.asked > 50
    published = [str(event.video.video_id) for _, event in await stage.events("video", VideoPublished)]
    assert sorted(published) == sorted(people.videos)
    recorded = [str(event.video_id) for _, event in await stage.events("feed", WatchRecorded)]
    assert Counter(recorded) == Counter(people.watches)
    served = [edge["node"]["id"] for edge in await feed(await stage.person("nils"))]
    assert sorted(served) == sorted(people.videos)
    status = await look(stage.folder)
    assert not status.letters
    assert not any(stage.ends().values())


async def test_an_instance_that_freezes_is_left_out_before_its_connection_is_given_up(stage: Stage) -> None:
    addresses = {"feed": stage.system.layout.environment("gateway")["CLIPMESH_FEED_ADDRESS"].replace("run/", f"{stage.folder}/run/")}
    secrets = Secrets.load(stage.folder / "run" / "secrets" / "gateway.json")
    channels = Channels(secrets=secrets, clock=SystemClock(), telemetry=Telemetry(service="gateway"), addresses=addresses)
    try:
        ask = neighbour(channels, "feed").check
        assert set(await asked(ask, for_s=2.0)) == {"ok"}
        os.kill(stage.system.children["feed-2"].pid, signal.SIGSTOP)
        loop = asyncio.get_running_loop()
        frozen_at = loop.time()
        assert "RpcDeadlineExceeded" in await asked(ask, for_s=0.7)
        # What a caller holds back by itself meanwhile was sent to nobody.
        while (outcomes := await asked(ask, for_s=0.5))["RpcDeadlineExceeded"] or outcomes["ok"] < 3:
            assert loop.time() - frozen_at < KEEPALIVE_NOTICES_S, outcomes
        assert loop.time() - frozen_at < KEEPALIVE_NOTICES_S
    finally:
        os.kill(stage.system.children["feed-2"].pid, signal.SIGCONT)
        await channels.close()


async def asked(call: Callable[[], Awaitable[object]], *, for_s: float) -> Counter[str]:
    """How calls end that are begun fifty times a second, whether or not earlier ones ended."""
    outcomes: Counter[str] = Counter()

    async def once() -> None:
        try:
            with deadline.scope(PROBE_S):
                await call()
        except Exception as error:
            outcomes[type(error).__name__] += 1
        else:
            outcomes["ok"] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(int(for_s * 50)):
            group.create_task(once())
            await asyncio.sleep(0.02)
    return outcomes
