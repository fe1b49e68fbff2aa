"""Engagement on real tables behind real gRPC: several instances with clocks and nodes of their own over one set of rows."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from clipmesh.common.v1 import permit_pb2, viewer_pb2
from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from clipmesh.social.v1 import engagement_service_pb2 as pb
from clipmesh.social.v1.engagement_service_pb2_grpc import EngagementServiceStub

from mesh.events.applying import Applying
from mesh.events.event import EventMaker
from mesh.events.rows import EVENT_TABLES
from mesh.ids import Ids, NodeLease, open_ids
from mesh.permits import Permits
from mesh.sealing import KeptKeys, PersonSealer
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables
from mesh.stores.tables.requests import RequestLog, RequestRecord
from mesh.testing.clock import FakeClock
from mesh.testing.rpc import Served, secrets_for, serve, viewer
from svc_social.engagement import store as engagement_store
from svc_social.engagement.rules import Rates
from svc_social.engagement.wiring import Engagement, wire
from svc_social.graph import store as graph_store
from svc_social.graph.wiring import relations_on
from svc_social.identity.actions import Profiles
from svc_social.identity.keyed import IdentityKeys
from svc_social.identity.people import People
from svc_social.identity.store import ROW_TYPES, AccountStore, NameStore, PersonKeyStore
from svc_social.identity.tables import Account

R = TypeVar("R")

ALICE, BOB, CARLA = 48_151_623_421, 48_151_623_422, 48_151_623_423
CREATOR = 900
VIDEO, OTHER = 700_001, 700_002
ENGAGE, VIEW, COMMENT = permit_pb2.PERMIT_KIND_ENGAGE, permit_pb2.PERMIT_KIND_VIEW, permit_pb2.PERMIT_KIND_COMMENT
PERSONAL = viewer_pb2.CONSENT_PURPOSE_PERSONALISATION
ROWS = (*ROW_TYPES, *graph_store.ROW_TYPES, *engagement_store.ROW_TYPES, NodeLease, RequestRecord, *EVENT_TABLES)
NOW_MS = 1_760_000_000_000
WINDOW_MS = 10_000
BUSY_PER_S = 20.0

_numbers = itertools.count(1)


def fresh_id() -> str:
    """A request id that nobody used."""
    return f"request-{next(_numbers)}"


@dataclass(slots=True, kw_only=True)
class Instance:
    """One process of the service."""

    clock: FakeClock
    ids: Ids
    engagement: Engagement
    served: Served


@dataclass(slots=True, kw_only=True)
class World:
    """What a test holds."""

    tables: Tables
    instances: Sequence[Instance]
    told: set[int] = field(default_factory=set)
    """Ids of events that consumers were given."""

    @property
    def clock(self) -> FakeClock:
        """The first instance's."""
        return self.instances[0].clock

    def stub(self, user_id: int = 0, *, at: int = 0, caller: str = "gateway", consent: bool = True) -> EngagementServiceStub:
        """EngagementService as a service calls it for a person, 0 for nobody."""
        who = viewer(user_id=user_id, consents=[PERSONAL] if consent else []) if user_id else viewer()
        return self.instances[at].served.stub(EngagementServiceStub, caller=caller, viewer=who)

    def permit(self, user_id: int, video_id: int = VIDEO, *, at: int = 0, **fields: Any) -> permit_pb2.SignedPermit:
        """Video's word that a person may act."""
        values: dict[str, Any] = {"kinds": [VIEW, ENGAGE], "epoch": 1, "owner_id": CREATOR, "issuer": "video", **fields}
        issuer = Permits(secrets=secrets_for(values.pop("issuer")), clock=self.instances[at].clock)
        return issuer.issue(subject_id=video_id, viewer_id=user_id, **values)

    async def like(self, user_id: int, video_id: int = VIDEO, *, at: int = 0, request_id: str = "", consent: bool = True) -> pb.ViewerState:
        """Like."""
        request = pb.LikeRequest(request_id=request_id or fresh_id(), video_id=video_id, permit=self.permit(user_id, video_id, at=at))
        return (await self.stub(user_id, at=at, consent=consent).Like(request)).state

    async def unlike(self, user_id: int, video_id: int = VIDEO, *, at: int = 0, request_id: str = "") -> pb.ViewerState:
        """Unlike."""
        return (await self.stub(user_id, at=at).Unlike(pb.UnlikeRequest(request_id=request_id or fresh_id(), video_id=video_id))).state

    async def save(self, user_id: int, video_id: int = VIDEO, *, collection_id: int = 0, request_id: str = "") -> pb.ViewerState:
        """Save."""
        request = pb.SaveRequest(
            request_id=request_id or fresh_id(),
            video_id=video_id,
            permit=self.permit(user_id, video_id),
            collection_id=collection_id,
        )
        return (await self.stub(user_id).Save(request)).state

    async def unsave(self, user_id: int, video_id: int = VIDEO) -> pb.ViewerState:
        """Unsave."""
        return (await self.stub(user_id).Unsave(pb.UnsaveRequest(request_id=fresh_id(), video_id=video_id))).state

    async def share(
        self, user_id: int, video_id: int = VIDEO, *, request_id: str = "", target: pb.ShareTarget.ValueType = pb.SHARE_TARGET_LINK
    ) -> int:
        """Share."""
        request = pb.ShareRequest(
            request_id=request_id or fresh_id(), video_id=video_id, permit=self.permit(user_id, video_id), target=target
        )
        return (await self.stub(user_id).Share(request)).share_id

    async def repost(self, user_id: int, video_id: int = VIDEO) -> pb.ViewerState:
        """Repost."""
        request = pb.RepostRequest(request_id=fresh_id(), video_id=video_id, permit=self.permit(user_id, video_id))
        return (await self.stub(user_id).Repost(request)).state

    async def collection(self, user_id: int, name: str = "Dances", *, request_id: str = "") -> pb.Collection:
        """A new collection, of a person who has a key."""
        await keys_on(self.tables).create(user_id)
        request = pb.CreateCollectionRequest(request_id=request_id or fresh_id(), name=name)
        return (await self.stub(user_id).CreateCollection(request)).collection

    async def state(self, user_id: int, video_id: int = VIDEO) -> pb.ViewerState:
        """What the person did."""
        return (await self.stub(user_id).BatchGetViewerState(pb.BatchGetViewerStateRequest(video_ids=[video_id]))).states[0]

    async def counters(self, video_id: int = VIDEO) -> pb.Counters:
        """Counts."""
        return (await self.stub().BatchGetCounters(pb.BatchGetCountersRequest(video_ids=[video_id]))).counters[0]

    async def liked(self, user_id: int) -> list[int]:
        """Ids of the whole list."""
        return ids_of((await self.stub(user_id).ListLiked(pb.ListLikedRequest(page_size=100))).videos)

    async def saved(self, user_id: int, collection_id: int = 0) -> list[int]:
        """Ids of the whole list."""
        request = pb.ListSavedRequest(collection_id=collection_id, page_size=100)
        return ids_of((await self.stub(user_id).ListSaved(request)).videos)

    async def person(self, user_id: int, *, is_private: bool = False) -> None:
        """An account."""
        await self.tables.insert(Account(user_id=user_id, is_private=is_private))

    async def events(self) -> list[EventEnvelope]:
        """Every event in the outbox, in the order of the relay."""
        found = []
        for shard in range(self.tables.outbox_shards):
            page = await self.tables.read_outbox(shard)
            found += [EventEnvelope.FromString(entry.envelope) for entry in page.entries]
        return found

    async def settle(self, *, at: int = 0) -> None:
        """Let consumers hear what they have not heard, in order."""
        fresh = [event for event in await self.events() if event.event_id not in self.told]
        self.told |= {event.event_id for event in fresh}
        await self.hear(fresh, at=at)

    async def hear(self, events: Iterable[EventEnvelope], *, at: int = 0) -> None:
        """Let the consumers of an instance apply events: those of one key one after the other as they come, keys side by side."""
        for consumer in self.instances[at].engagement.consumers:
            applying = Applying(consumer=consumer, tables=self.tables, handler_timeout_ms=10_000, telemetry=None)
            known = [event for event in map(applying.opened, events) if event is not None]
            if applying.gathered is not None:
                if known:
                    await applying.gather(known, last=True)
            else:
                by_key: dict[str, list[EventEnvelope]] = {}
                for event in known:
                    by_key.setdefault(event.envelope.key, []).append(event.envelope)
                await asyncio.gather(*(in_order(applying, own) for own in by_key.values()))

    async def everything(self) -> dict[str, list[Any]]:
        """All rows that engagement owns, and all events: what a refusal must leave as it is."""
        rows: dict[str, list[Any]] = {
            row_type.__name__: sorted(map(repr, (await self.tables.walk(row_type)).rows))
            for row_type in (*engagement_store.ROW_TYPES, RequestRecord)
        }
        return {**rows, "events": sorted(event.event_id for event in await self.events())}


async def in_order(applying: Applying, events: Sequence[EventEnvelope]) -> None:
    """Apply events one after the other."""
    for event in events:
        await applying.apply(event)


def ids_of(videos: Iterable[pb.EngagedVideo]) -> list[int]:
    """The videos of a page."""
    return [video.video_id for video in videos]


def keys_on(tables: Tables) -> PersonKeyStore:
    """The keys of people."""
    return PersonKeyStore(tables=tables, clock=FakeClock(NOW_MS), wrapping_key=b"w" * 32)


async def instance(stack: AsyncExitStack, tables: Tables, clock: FakeClock) -> Instance:
    """One process over `tables` with a clock of its own."""
    ids = await open_ids(tables, service="social", clock=clock, lease_ms=10**12)
    stack.push_async_callback(ids.close)
    events = EventMaker(producer="social", next_id=ids.next, clock=clock)
    sealer, requests = PersonSealer(keys=KeptKeys(keys_on(tables), clock=clock)), RequestLog(tables, clock, body_key=b"b" * 32)
    profiles = Profiles(
        accounts=AccountStore(tables=tables),
        names=NameStore(tables=tables),
        words=People(sealer=sealer),
        keys=IdentityKeys.from_secrets(email_hash_key=b"e" * 32, sealing_key=b"s" * 32),
        requests=requests,
        next_id=ids.next,
        clock=clock,
        events=events,
    )
    engagement = wire(
        tables=tables,
        clock=clock,
        next_id=ids.next,
        events=events,
        permits=Permits(secrets=secrets_for("social"), clock=clock),
        page_token_key=b"p" * 32,
        profiles=profiles,
        relations=relations_on(tables),
        sealer=sealer,
        named_requests=requests,
        rates=Rates(window_ms=WINDOW_MS, busy_per_s=BUSY_PER_S),
    )
    served = await stack.enter_async_context(serve(*engagement.services, service="social", clock=clock))
    return Instance(clock=clock, ids=ids, engagement=engagement, served=served)


@asynccontextmanager
async def open_engaging(folder: Path, *, ahead_ms: Sequence[int] = (0,), url: str = "") -> AsyncIterator[World]:
    """One instance for each of `ahead_ms`."""
    clocks = [FakeClock(NOW_MS + ms) for ms in ahead_ms]
    async with AsyncExitStack() as stack:
        tables = await open_tables(url or f"sqlite:///{folder}", service="social", row_types=ROWS, clock=clocks[0])
        stack.push_async_callback(tables.close)
        yield World(tables=tables, instances=[await instance(stack, tables, clock) for clock in clocks])
