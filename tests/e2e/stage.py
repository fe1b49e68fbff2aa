"""A whole system on real processes with people on it: what the end-to-end tests stand on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from google.protobuf.message import Message

from devstack import logs
from devstack.client import Api, new_request_id
from devstack.layout import Layout
from devstack.looking import look as look_at
from devstack.ports import free_port
from devstack.streams import waiting
from devstack.system import System
from mesh.events.incoming import open_envelope, open_payload
from mesh.events.stream import open_stream
from mesh.stores.redis import open_redis
from tests.e2e.engines import EMBEDDED, Engines

T = TypeVar("T")
M = TypeVar("M", bound=Message)

SETTINGS = {
    "CLIPMESH_TESTING": "1",
    "CLIPMESH_BOOTSTRAP_ROLES": "mona:moderator",
    "CLIPMESH_JOB_LEASE_MS": "3000",
    "CLIPMESH_JOB_HEARTBEAT_MS": "500",
    "CLIPMESH_JOB_RETRY_MS": "200",
    "CLIPMESH_PASSWORD_MEMORY_KIB": "1024",
}
"""Leases as short as the tests' clips, passwords that cost nothing."""

SOON_S = 60.0

PLAYBACK = """playback { refusal masterPlaylistUrl dashManifestUrl mp4Url renditions }"""
FEED = f"""query($first: Int!, $after: String) {{ forYou(first: $first, after: $after) {{
  edges {{ cursor viewToken node {{ id caption viewCount creator {{ handle }} {PLAYBACK} }} }} pageInfo {{ hasNextPage }} servedBy }} }}"""
VIDEO = f"query($id: ID!) {{ video(id: $id) {{ id state visibility viewCount caption {PLAYBACK} }} }}"


async def until(look: Callable[[], Awaitable[T]], *, what: str, timeout_s: float = SOON_S) -> T:
    """Look again and again until the answer is true; AssertionError with `what` when that takes too long."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = await look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:.0f} s: {what} (last answer: {found!r})")
        await asyncio.sleep(0.05)


@dataclass(slots=True)
class Stage:
    """One system and the people who were signed up on it."""

    system: System
    engines: Engines = EMBEDDED
    people: dict[str, Api] = field(default_factory=dict)

    @classmethod
    def at(
        cls,
        folder: Path,
        *,
        engines: Engines = EMBEDDED,
        instances: int = 1,
        first_lives: Mapping[str, Sequence[Mapping[str, str]]] | None = None,
        **settings: str,
    ) -> Stage:
        """A system in `folder`, not started yet."""
        layout = Layout(
            folder=folder,
            port=free_port(),
            stores=engines.stores,
            instances=instances,
            settings={**SETTINGS, **engines.settings, **settings},
        )
        return cls(System(layout=layout, first_lives=first_lives or {}), engines)

    @property
    def folder(self) -> Path:
        """The data folder."""
        return self.system.layout.folder

    async def close(self) -> None:
        """Send everybody home and stop."""
        for api in self.people.values():
            await api.close()
        self.people.clear()
        await self.system.stop()

    async def person(self, handle: str, *, consents: Iterable[str] = ("PERSONALISATION",)) -> Api:
        """Somebody signed up and signed in, the same for the same handle."""
        if handle not in self.people:
            api = self.people[handle] = Api(self.system.layout.origin, patience_s=self.engines.patience_s)
            password = f"watch-{handle}-clips"
            await api.sign_up(handle, password, display_name=handle.title(), consents=list(consents), request_id=f"sign-up-{handle}")
            await api.sign_in(handle, password)
        return self.people[handle]

    async def publish(self, creator: Api, clip: Path, caption: str, **options: Any) -> str:
        """Upload a clip, publish it, follow it until processing is over; its id."""
        upload = await creator.upload(clip, request_id=new_request_id())
        await creator.publish(upload["id"], caption=caption, hashtags=["test"], **options)
        last = await finished(creator, upload["id"])
        assert last["stage"] == "DONE", last
        return str(upload["id"])

    async def public(self, creator: Api, clip: Path, caption: str) -> str:
        """The same, and wait until the gate let it through."""
        video_id = await self.publish(creator, clip, caption)
        await self.state(creator, video_id, "READY")
        return video_id

    async def state(self, api: Api, video_id: str, *states: str) -> dict[str, Any]:
        """Wait until a video is in one of the states; the video."""

        async def look() -> dict[str, Any] | None:
            video: dict[str, Any] | None = await video_of(api, video_id)
            return video if video is not None and video["state"] in states else None

        video = await until(look, what=f"video {video_id} becomes {' or '.join(states)}", timeout_s=self.engines.patience_s)
        assert video is not None
        return video

    async def in_feed(self, api: Api, video_id: str) -> dict[str, Any]:
        """Wait until a video is in somebody's feed; its edge."""

        async def look() -> dict[str, Any] | None:
            return next((edge for edge in await feed(api) if edge["node"]["id"] == video_id), None)

        edge = await until(look, what=f"video {video_id} is in the feed", timeout_s=self.engines.patience_s)
        assert edge is not None
        return edge

    def blobs(self, *video_ids: str) -> list[str]:
        """Objects whose key names one of the videos, as the store calls what holds them. Blocks."""
        return sorted(name for name in self.engines.objects(self.folder) if any(video_id in name for video_id in video_ids))

    async def quiet(self) -> None:
        """Wait until every event was relayed and consumed."""

        async def look() -> bool:
            if not self.engines.stores:
                return not any(group.waiting for group in await waiting(self.folder / "run" / "redis.sock"))
            # A server takes its time to make an event known: what waits for the stream counts too.
            numbers = (await look_at(self.folder)).numbers
            return [number.value for number in numbers[:2]] == [0, 0]

        for _ in range(2):
            await until(look, what="no event waits for a consumer", timeout_s=self.engines.patience_s)
            await asyncio.sleep(0.2)

    async def envelopes(self, topic: str) -> list[EventEnvelope]:
        """Every event that was ever published on a topic, in the order of its partitions."""
        redis = open_redis(self.engines.url("CLIPMESH_REDIS", self.folder))
        stream = open_stream(self.engines.url("CLIPMESH_EVENTS", self.folder), redis=redis)
        found: list[EventEnvelope] = []
        written = await asyncio.to_thread(self.engines.written, topic, self.folder)
        try:
            async with aclosing(stream.tail((topic,), since_ms=10**9)) as deliveries:
                while len(found) < written:
                    try:
                        delivery = await asyncio.wait_for(anext(deliveries), self.engines.patience_s)
                    except TimeoutError:
                        raise AssertionError(f"{topic} has {written} records, and {len(found)} of them came") from None
                    found.append(open_envelope(delivery.value))
            return found
        finally:
            await stream.close()
            await redis.close()

    async def events(self, topic: str, kind: type[M]) -> list[tuple[EventEnvelope, M]]:
        """Every event of one type that was ever published on a topic, each event once however often it was sent."""
        name = kind.DESCRIPTOR.full_name
        once = {envelope.event_id: envelope for envelope in await self.envelopes(topic) if envelope.type == name}
        return [(envelope, open_payload(envelope, kind).message) for envelope in once.values()]

    def complaints(self) -> str:
        """What the processes logged beyond the usual, by process."""
        told = []
        for log in sorted((self.folder / "run" / "logs").glob("*.log")):
            lines = [line for line in logs.tail(log, 0, lines=40).splitlines() if not line.lstrip().startswith("INFO")]
            if lines and log.stem != "redis":
                told.append("\n".join([f"{log.name}:", *lines]))
        return "\n".join(told)

    def ends(self) -> Mapping[str, list[int]]:
        """Unasked ends of every process so far."""
        return {name: list(child.ends) for name, child in self.system.children.items()}


def tell_what_processes_say(item: pytest.Item, report: pytest.TestReport) -> None:
    """Add the complaints of every process to the report of a test that failed."""
    if report.failed:
        stages = [value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Stage)]
        report.sections += [("what the processes say", stage.complaints()) for stage in stages]


async def finished(api: Api, upload_id: str) -> dict[str, Any]:
    """Follow the subscription to its end; the last state."""
    last: dict[str, Any] = {}
    async with aclosing(api.progress(upload_id)) as states:
        async for state in states:
            last = state
    return last


async def video_of(api: Api, video_id: str) -> dict[str, Any] | None:
    """A video as somebody sees it."""
    video: dict[str, Any] | None = (await api.query(VIDEO, id=video_id))["video"]
    return video


async def feed(api: Api, *, pages: int = 20, first: int = 5) -> list[dict[str, Any]]:
    """Every edge that a fresh session is served, page after page."""
    edges: list[dict[str, Any]] = []
    cursor = None
    for _ in range(pages):
        page = (await api.query(FEED, first=first, after=cursor))["forYou"]
        edges += page["edges"]
        if not page["edges"] or not page["pageInfo"]["hasNextPage"]:
            break
        cursor = page["edges"][-1]["cursor"]
    return edges
