"""The feed service on real tables behind real gRPC, with a real video service that is a fake, and a clock that stands still."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from clipmesh.common.v1 import viewer_pb2
from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from clipmesh.feed.v1 import feed_service_pb2
from clipmesh.feed.v1 import signal_service_pb2 as pb
from clipmesh.feed.v1.feed_service_pb2_grpc import FeedServiceStub
from clipmesh.feed.v1.signal_service_pb2_grpc import SignalServiceStub
from clipmesh.social.v1 import graph_service_pb2, graph_service_pb2_grpc
from clipmesh.video.v1 import events_pb2 as video_events_pb2
from clipmesh.video.v1 import video_service_pb2, video_service_pb2_grpc
from google.protobuf.message import Message

from mesh.auth import current_viewer
from mesh.errors import Unavailable
from mesh.events.applying import Applying
from mesh.events.event import Event, EventMaker
from mesh.ids import Ids, NodeLease, open_ids
from mesh.server import ANYONE, SIGNED_IN, Access, ServedService
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables
from mesh.testing.clock import FakeClock
from mesh.testing.rpc import Served, process_for, serve, viewer
from svc_feed.settings import FeedSettings
from svc_feed.wiring import ROW_TYPES, Feed

R = TypeVar("R")
M = TypeVar("M", bound=Message)

ALICE, BOB, CARLA = 48_151_623_421, 48_151_623_422, 48_151_623_423
CREATOR = 900
DURATION_MS = 10_000
NAMED = {"feed_token_key": b"f" * 32, "page_token_key": b"p" * 32, "archive_key": b"a" * 32}
PERSONAL = viewer_pb2.CONSENT_PURPOSE_PERSONALISATION

ACCEPTED, DUPLICATE = pb.WATCH_OUTCOME_ACCEPTED, pb.WATCH_OUTCOME_DUPLICATE
BAD_TOKEN, BAD_TIME = pb.WATCH_OUTCOME_BAD_TOKEN, pb.WATCH_OUTCOME_BAD_TIME
OWN_VIDEO, IMPLAUSIBLE = pb.WATCH_OUTCOME_OWN_VIDEO, pb.WATCH_OUTCOME_IMPLAUSIBLE


def person(user_id: int, *, consent: bool = True, **fields: Any) -> viewer_pb2.ViewerContext:
    """A signed-in viewer."""
    return viewer(user_id=user_id, consents=[PERSONAL] if consent else [], **fields)


def guest(session: str, **fields: Any) -> viewer_pb2.ViewerContext:
    """An anonymous viewer in a browser session."""
    return viewer(session_id=session, **fields)


def video(video_id: int, **fields: Any) -> video_service_pb2.Video:
    """A public video."""
    return video_service_pb2.Video(
        **{
            "video_id": video_id,
            "creator_id": CREATOR + video_id,
            "state": video_service_pb2.VIDEO_STATE_READY,
            "visibility": video_service_pb2.VISIBILITY_PUBLIC,
            "duration_ms": DURATION_MS,
            "published_at_ms": 1_759_000_000_000 + video_id,
            "recommendable": True,
            **fields,
        }
    )


class FakeVideos(video_service_pb2_grpc.VideoServiceServicer):
    """The video service as far as the feed calls it: it hides what a viewer may not see."""

    def __init__(self) -> None:
        self.known: dict[int, video_service_pb2.Video] = {}
        self.hidden_from: dict[int, set[int]] = {}
        self.down = False
        self.asked: list[list[int]] = []

    async def BatchGetVideos(  # noqa: N802
        self, request: video_service_pb2.BatchGetVideosRequest, context: Any
    ) -> video_service_pb2.BatchGetVideosResponse:
        if self.down:
            raise Unavailable()
        self.asked.append(list(request.video_ids))
        user_id = current_viewer().user_id
        seen = [one for one in request.video_ids if one in self.known and user_id not in self.hidden_from.get(one, set())]
        return video_service_pb2.BatchGetVideosResponse(videos=[self.known[one] for one in seen])

    @property
    def served(self) -> ServedService:
        descriptor = video_service_pb2.DESCRIPTOR.services_by_name["VideoService"]
        return ServedService(
            add_to_server=video_service_pb2_grpc.add_VideoServiceServicer_to_server,
            servicer=self,
            descriptor=descriptor,
            access={method.name: Access(callers={"feed"}, viewer=ANYONE, idempotent=True) for method in descriptor.methods},
        )


class FakeGraph(graph_service_pb2_grpc.GraphServiceServicer):
    """Social as far as the feed calls it: what stands between two people."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, int], graph_service_pb2.Relationship] = {}
        """(viewer, person) -> what the viewer may know."""
        self.down = False
        self.asked: list[list[int]] = []

    def blocks(self, who: int, whom: int) -> None:
        """One person blocks another."""
        self.known[who, whom] = graph_service_pb2.Relationship(user_id=whom, blocks=True)
        self.known[whom, who] = graph_service_pb2.Relationship(user_id=who, blocked_by=True)

    async def BatchGetRelationships(  # noqa: N802
        self, request: graph_service_pb2.BatchGetRelationshipsRequest, context: Any
    ) -> graph_service_pb2.BatchGetRelationshipsResponse:
        if self.down:
            raise Unavailable()
        self.asked.append(list(request.user_ids))
        viewer_id = current_viewer().user_id
        return graph_service_pb2.BatchGetRelationshipsResponse(
            relationships=[self.known.get((viewer_id, one), graph_service_pb2.Relationship(user_id=one)) for one in request.user_ids]
        )

    @property
    def served(self) -> ServedService:
        descriptor = graph_service_pb2.DESCRIPTOR.services_by_name["GraphService"]
        return ServedService(
            add_to_server=graph_service_pb2_grpc.add_GraphServiceServicer_to_server,
            servicer=self,
            descriptor=descriptor,
            access={method.name: Access(callers={"feed"}, viewer=SIGNED_IN, idempotent=True) for method in descriptor.methods},
        )


@dataclass(kw_only=True)
class World:
    """Everything that a test touches."""

    clock: FakeClock
    tables: Tables
    ids: Ids
    feed: Feed
    served: Served
    videos: FakeVideos
    graph: FakeGraph
    settings: FeedSettings
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    # ── the corpus ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def fold(self, *changes: tuple[int, Message]) -> None:
        """Let the consumer apply events, each with its key_version."""
        await fold(self.feed, self.tables, self.clock, changes)

    async def publish(self, *videos: video_service_pb2.Video) -> None:
        """Videos become public."""
        for one in videos:
            self.videos.known[one.video_id] = one
        await self.fold(*((1, video_events_pb2.VideoPublished(video=one)) for one in videos))

    async def withdraw(self, video_id: int, *, version: int = 2) -> None:
        """A video is no longer public."""
        await self.fold((version, video_events_pb2.VideoWithdrawn(video_id=video_id)))

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def page(self, who: viewer_pb2.ViewerContext, *, size: int = 0, after: str = "") -> feed_service_pb2.GetForYouResponse:
        request = feed_service_pb2.GetForYouRequest(page_size=size, after=after)
        return await self.served.stub(FeedServiceStub, viewer=who).GetForYou(request)

    async def walk(self, who: viewer_pb2.ViewerContext, *, size: int = 5) -> list[int]:
        """A session to its end, playing everything."""
        shown: list[int] = []
        after = ""
        while True:
            page = await self.page(who, size=size, after=after)
            shown += ids_of(page)
            if not page.has_more:
                return shown
            after = page.items[-1].cursor

    async def mint(self, who: viewer_pb2.ViewerContext, *video_ids: int, surface: Any = pb.SURFACE_PROFILE) -> dict[int, str]:
        request = pb.MintViewTokensRequest(video_ids=video_ids, surface=surface)
        answer = await self.served.stub(SignalServiceStub, viewer=who).MintViewTokens(request)
        return {token.video_id: token.view_token for token in answer.tokens}

    def report_of(
        self, token: str, *, watched_ms: int, loops: int = 0, paused: bool = False, event_id: str = "", at_ms: int | None = None
    ) -> pb.WatchReport:
        return pb.WatchReport(
            event_id=event_id or f"event-{next(self.numbers):06}",
            view_token=token,
            watched_ms=watched_ms,
            loops=loops,
            paused=paused,
            at_ms=self.clock.now_ms() if at_ms is None else at_ms,
        )

    async def report(self, who: viewer_pb2.ViewerContext, *reports: pb.WatchReport) -> list[int]:
        answer = await self.served.stub(SignalServiceStub, viewer=who).ReportWatch(pb.ReportWatchRequest(reports=reports))
        return list(answer.outcomes)

    async def watch(self, who: viewer_pb2.ViewerContext, video_id: int, *, watched_ms: int) -> None:
        """Watch a video for as long, and report it."""
        token = (await self.mint(who, video_id))[video_id]
        self.clock.advance(watched_ms)
        assert await self.report(who, self.report_of(token, watched_ms=watched_ms)) == [ACCEPTED]

    async def views(self, *video_ids: int) -> list[int]:
        answer = await self.served.stub(SignalServiceStub).BatchGetViewCounts(pb.BatchGetViewCountsRequest(video_ids=video_ids))
        assert [count.video_id for count in answer.counts] == list(video_ids)
        return [count.views for count in answer.counts]

    # ── behind the scenes ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def rows(self, row_type: type[R]) -> list[R]:
        """Every living row of a table."""
        found: list[R] = []
        after = ""
        while True:
            page = await self.tables.walk(row_type, after=after)
            found += page.rows
            after = page.next
            if not after:
                return sorted(found, key=repr)

    async def everything(self) -> dict[type, list[Any]]:
        """Every row of the service, to see that nothing changed."""
        return {row_type: await self.rows(row_type) for row_type in ROW_TYPES}

    async def events(self, message_type: type[M]) -> list[tuple[EventEnvelope, M]]:
        """Events in the outbox of one type."""
        found: list[tuple[EventEnvelope, M]] = []
        for shard in range(self.tables.outbox_shards):
            for entry in (await self.tables.read_outbox(shard)).entries:
                envelope = EventEnvelope.FromString(entry.envelope)
                if envelope.type == message_type.DESCRIPTOR.full_name:
                    found.append((envelope, message_type.FromString(envelope.payload)))
        return sorted(found, key=lambda event: event[0].event_id)


def ids_of(page: feed_service_pb2.GetForYouResponse) -> list[int]:
    return [item.video_id for item in page.items]


def maker(clock: FakeClock) -> EventMaker:
    """Events as video would make them."""
    return EventMaker(producer="video", next_id=itertools.count(1).__next__, clock=clock)


async def fold(feed: Feed, tables: Tables, clock: FakeClock, changes: Sequence[tuple[int, Message]]) -> None:
    """Apply events to a feed one after the other, as its consumer group would."""
    applying = Applying(consumer=feed.consumer, tables=tables, handler_timeout_ms=5_000, telemetry=None)
    make = maker(clock)
    for version, message in changes:
        event: Event = make.make(message, key="any", key_version=version)
        assert await applying.apply(event.envelope(row_version=version))


def make_feed(tables: Tables, ids: Ids, clock: FakeClock, process: Any, settings: FeedSettings) -> Feed:
    return Feed(
        tables=tables,
        events=EventMaker(producer="feed", next_id=ids.next, clock=clock),
        clock=clock,
        telemetry=process.telemetry,
        token_key=NAMED["feed_token_key"],
        videos=process.channels.stub(video_service_pb2_grpc.VideoServiceStub, "video"),
        graph=process.channels.stub(graph_service_pb2_grpc.GraphServiceStub, "social"),
        settings=settings,
    )


@asynccontextmanager
async def open_world(folder: Path, **settings: Any) -> AsyncIterator[World]:
    """A feed service in a folder; opened again on the same folder it is the service after a restart."""
    clock = FakeClock()
    # Tests assert what a page holds, so that a busy machine must not make a stage late.
    chosen = FeedSettings(
        secrets="", testing=True, tables="", blobs="", redis="", **{"feed_budget_ms": 1_900, "feed_stage_ms": 1_500, **settings}
    )
    videos, graph = FakeVideos(), FakeGraph()  # type: ignore[abstract]
    async with AsyncExitStack() as stack:
        tables = await open_tables(f"sqlite:///{folder}", service="feed", row_types=(*ROW_TYPES, NodeLease), clock=clock)
        stack.push_async_callback(tables.close)
        ids = await open_ids(tables, service="feed", clock=clock, lease_ms=10**12)
        stack.push_async_callback(ids.close)
        fake = await stack.enter_async_context(serve(videos.served, service="video", clock=clock))
        social = await stack.enter_async_context(serve(graph.served, service="social", clock=clock))
        addresses = {"video": fake.address, "social": social.address}
        process = process_for("feed", clock=clock, named=NAMED, settings=chosen, addresses=addresses)
        feed = make_feed(tables, ids, clock, process, chosen)
        await feed.fill()
        served = await stack.enter_async_context(serve(*feed.services, service="feed", process=process))
        yield World(clock=clock, tables=tables, ids=ids, feed=feed, served=served, videos=videos, graph=graph, settings=chosen)
