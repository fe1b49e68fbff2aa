"""Notifications on real tables behind real gRPC: people, events as others tell them, and what is delivered."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from clipmesh.rights.v1 import events_pb2 as rights_events
from clipmesh.rights.v1 import publication_service_pb2 as rights_pb
from clipmesh.social.v1 import comment_service_pb2 as comment_pb
from clipmesh.social.v1 import engagement_service_pb2 as engagement_pb
from clipmesh.social.v1 import events_pb2
from clipmesh.social.v1 import graph_service_pb2 as graph_pb
from clipmesh.social.v1 import notification_service_pb2 as pb
from clipmesh.social.v1.notification_service_pb2_grpc import NotificationServiceStub
from clipmesh.video.v1 import events_pb2 as video_events
from clipmesh.video.v1 import video_service_pb2
from google.protobuf.message import Message

from mesh.events.applying import Applying
from mesh.events.event import EventMaker
from mesh.events.rows import EVENT_TABLES
from mesh.events.shapes import Consumer
from mesh.ids import NodeLease, open_ids
from mesh.sealing import KeptKeys, PersonSealer
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables
from mesh.stores.tables.requests import RequestLog, RequestRecord
from mesh.testing.clock import FakeClock
from mesh.testing.rpc import Served, serve, viewer
from svc_social.graph import store as graph_store
from svc_social.graph import wiring as graph_wiring
from svc_social.graph.rules import pair_of
from svc_social.graph.tables import Bond, FollowState
from svc_social.identity.actions import Profiles
from svc_social.identity.keyed import IdentityKeys
from svc_social.identity.people import People
from svc_social.identity.store import ROW_TYPES, AccountStore, NameStore, PersonKeyStore
from svc_social.identity.tables import Account
from svc_social.notifications import store as notifications_store
from svc_social.notifications.couriers import Notice
from svc_social.notifications.store.deliveries import SHARDS
from svc_social.notifications.store.fan_outs import SHARDS as FAN_OUT_SHARDS
from svc_social.notifications.tables import Channel
from svc_social.notifications.wiring import Notifications, wire

R = TypeVar("R")

ROWS = (*ROW_TYPES, *graph_store.ROW_TYPES, *notifications_store.ROW_TYPES, NodeLease, RequestRecord, *EVENT_TABLES)
NOON_MS = 20_400 * 86_400_000 + 12 * 3_600_000
"""A noon, so that hours around it are of one day."""
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
LIKE, SAVE, SHARE, REPOST = (
    engagement_pb.ENGAGEMENT_KIND_LIKE,
    engagement_pb.ENGAGEMENT_KIND_SAVE,
    engagement_pb.ENGAGEMENT_KIND_SHARE,
    engagement_pb.ENGAGEMENT_KIND_REPOST,
)
PUBLIC, FRIENDS, ONLY_ME = (
    video_service_pb2.VISIBILITY_PUBLIC,
    video_service_pb2.VISIBILITY_FRIENDS,
    video_service_pb2.VISIBILITY_ONLY_ME,
)
VIDEO = 700_001

_numbers = itertools.count(1)


class Hand:
    """A courier that keeps what it was given, and fails as often as it is told."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.failures = 0

    async def deliver(self, notice: Notice) -> None:
        """Keep the notice."""
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the letter box is full: alice@example.org")
        self.notices.append(notice)

    @property
    def kinds(self) -> list[str]:
        """What was told, by kind."""
        return [notice.kind.name for notice in self.notices]


@dataclass(slots=True, kw_only=True)
class World:
    """What a test holds."""

    clock: FakeClock
    tables: Tables
    notifications: Notifications
    served: Served
    make: EventMaker
    keys: PersonKeyStore
    pushes: Hand = field(default_factory=Hand)
    mails: Hand = field(default_factory=Hand)

    def stub(self, user_id: int = 0, *, caller: str = "gateway") -> NotificationServiceStub:
        """NotificationService as the gateway calls it for a person, 0 for nobody."""
        return self.served.stub(NotificationServiceStub, caller=caller, viewer=viewer(user_id=user_id) if user_id else None)

    async def person(self, *, keyed: bool = False) -> int:
        """A new account."""
        user_id = next(_numbers) + 10**15
        await self.tables.insert(Account(user_id=user_id, created_at_ms=1))
        if keyed:
            await self.keys.create(user_id)
        return user_id

    async def people(self, count: int) -> list[int]:
        """New accounts."""
        return [await self.person() for _ in range(count)]

    async def bond(self, one: int, other: int, **sides: Any) -> None:
        """What stands between two people: `follow` and `blocks` and `mutes` of the first towards the second, `back_` of the second."""
        low_id, high_id = pair_of(one, other)
        mine, theirs = ("low", "high") if one == low_id else ("high", "low")
        values: dict[str, Any] = {}
        for name, value in sides.items():
            side, what = (theirs, name.removeprefix("back_")) if name.startswith("back_") else (mine, name)
            if what == "follow":
                values[f"{side}_follow"] = FollowState.FOLLOWING if value else FollowState.NONE
                values[f"{side}_follow_since_ms"] = 1 if value else 0
            else:
                values[f"{side}_{what}_since_ms"] = 1 if value else 0
        standing = await self.tables.get(Bond, low_id, high_id)
        row = Bond(low_id=low_id, high_id=high_id, **values)
        if standing is None:
            await self.tables.insert(row)
        else:
            await self.tables.transition(row, expected_version=standing.version)

    def event(self, message: Message, *, key: str, version: int, topic: str = "social") -> EventEnvelope:
        """An event as its owner writes it."""
        return self.make.make(message, key=key, topic=topic, key_version=version).envelope(row_version=version)

    def liked(
        self,
        actor_id: int,
        owner_id: int,
        *,
        video_id: int = VIDEO,
        active: bool = True,
        version: int = 0,
        kind: engagement_pb.EngagementKind.ValueType = LIKE,
        first_ms: int = 0,
        at_ms: int = 0,
    ) -> EventEnvelope:
        """A person likes a video, or takes that back."""
        now_ms = at_ms or self.clock.now_ms()
        message = events_pb2.EngagementChanged(
            video_id=video_id,
            creator_id=owner_id,
            user_id=actor_id,
            kind=kind,
            active=active,
            acted_at_ms=now_ms,
            first_acted_at_ms=first_ms or now_ms,
        )
        return self.event(message, key=f"{video_id}:{actor_id}:{kind}", version=version or self.make.next_id())

    def followed(self, actor_id: int, other_id: int, *, before: int, now: int, version: int, since_ms: int = 0) -> EventEnvelope:
        """A follow that goes from one state to another."""
        at_ms = since_ms or self.clock.now_ms()
        was = events_pb2.BondSide(follow=graph_pb.FollowState.ValueType(before), follow_since_ms=at_ms if before else 0)
        is_ = events_pb2.BondSide(follow=graph_pb.FollowState.ValueType(now), follow_since_ms=at_ms if now else 0)
        return self._bond_event(actor_id, other_id, was, is_, version)

    def blocked(self, actor_id: int, other_id: int, *, version: int, mutes: bool = False) -> EventEnvelope:
        """A block, or a mute, that begins."""
        side = events_pb2.BondSide(mutes_since_ms=1) if mutes else events_pb2.BondSide(blocks_since_ms=1)
        return self._bond_event(actor_id, other_id, events_pb2.BondSide(), side, version)

    def _bond_event(self, actor_id: int, other_id: int, was: events_pb2.BondSide, is_: events_pb2.BondSide, version: int) -> EventEnvelope:
        low_id, high_id = pair_of(actor_id, other_id)
        if actor_id == low_id:
            message = events_pb2.BondChanged(low_id=low_id, high_id=high_id, low_before=was, low_after=is_)
        else:
            message = events_pb2.BondChanged(low_id=low_id, high_id=high_id, high_before=was, high_after=is_)
        return self.event(message, key=f"{low_id}:{high_id}", version=version)

    def commented(
        self,
        author_id: int,
        owner_id: int,
        *,
        comment_id: int,
        version: int = 1,
        state: comment_pb.CommentState.ValueType = comment_pb.COMMENT_STATE_PUBLISHED,
        answers: tuple[int, int] = (0, 0),
        mentions: Sequence[int] = (),
        posted_at_ms: int = 0,
    ) -> EventEnvelope:
        """A comment as it stands in a version; `answers` are the comment and its author."""
        facts = events_pb2.CommentFacts(
            comment_id=comment_id,
            video_id=VIDEO,
            video_owner_id=owner_id,
            author_id=author_id,
            answers_id=answers[0],
            answered_author_id=answers[1] if state != comment_pb.COMMENT_STATE_REMOVED else 0,
            mentioned_ids=mentions if state != comment_pb.COMMENT_STATE_REMOVED else (),
            state=state,
            posted_at_ms=posted_at_ms or self.clock.now_ms(),
        )
        kinds = {
            comment_pb.COMMENT_STATE_PUBLISHED: events_pb2.CommentPosted,
            comment_pb.COMMENT_STATE_HELD: events_pb2.CommentPosted,
            comment_pb.COMMENT_STATE_HIDDEN: events_pb2.CommentModerated,
            comment_pb.COMMENT_STATE_REMOVED: events_pb2.CommentRemoved,
        }
        message = kinds[state](comment=facts)
        return self.event(message, key=str(comment_id), version=version)

    def published(
        self, creator_id: int, *, video_id: int = VIDEO, version: int = 3, visibility: int = PUBLIC, at_ms: int = 0
    ) -> EventEnvelope:
        """A video that became public."""
        video = video_service_pb2.Video(
            video_id=video_id,
            creator_id=creator_id,
            visibility=video_service_pb2.Visibility.ValueType(visibility),
            published_at_ms=at_ms or self.clock.now_ms(),
        )
        return self.event(video_events.VideoPublished(video=video), key=str(video_id), version=version, topic="video")

    def judged(self, creator_id: int, kind: rights_pb.VerdictKind.ValueType, *, version: int, decided_by: int = 0) -> EventEnvelope:
        """A verdict about a video."""
        verdict = rights_pb.Verdict(
            video_id=VIDEO, kind=kind, version=version, decided_by=decided_by, decided_at_ms=self.clock.now_ms() + version
        )
        message = rights_events.VerdictChanged(verdict=verdict, creator_id=creator_id)
        return self.event(message, key=str(VIDEO), version=version, topic="rights")

    async def hear(self, *events: EventEnvelope) -> None:
        """Let every consumer have events, one after the other."""
        for consumer in self.notifications.consumers:
            await deliver(consumer, self.tables, events)

    async def hear_together(self, events: Sequence[EventEnvelope]) -> None:
        """Let every consumer have events together, as they come from the stream."""
        for consumer in self.notifications.consumers:
            applying = Applying(consumer=consumer, tables=self.tables, handler_timeout_ms=30_000, telemetry=None)
            asked = [opened for event in events if (opened := applying.opened(event)) is not None]
            if asked:
                assert not await applying.gather(asked, last=False)

    async def inbox(self, user_id: int) -> list[pb.Notification]:
        """The whole inbox, page by page."""
        found: list[pb.Notification] = []
        token = ""
        while True:
            page = await self.stub(user_id).ListNotifications(pb.ListNotificationsRequest(page_size=3, page_token=token))
            found += page.notifications
            token = page.next_page_token
            if not token:
                return found

    async def told(self, user_id: int) -> list[tuple[str, int, bool]]:
        """(kind, count, unread) of the whole inbox."""
        return [(word(one.kind), one.count, one.unread) for one in await self.inbox(user_id)]

    async def unread(self, user_id: int) -> int:
        """The number of the badge."""
        return (await self.stub(user_id).GetUnreadNotificationCount(pb.GetUnreadNotificationCountRequest())).unread_count

    async def changes(self, user_id: int, after: str = "") -> pb.GetNotificationChangesResponse:
        """What changed since."""
        return await self.stub(user_id).GetNotificationChanges(pb.GetNotificationChangesRequest(after=after))

    async def read(self, user_id: int, *ids: int, up_to: str = "", request_id: str = "") -> int:
        """Mark as read; how many are unread then."""
        request = pb.MarkNotificationsReadRequest(request_id=request_id or f"read-{next(_numbers)}", notification_ids=ids, up_to=up_to)
        return (await self.stub(user_id).MarkNotificationsRead(request)).unread_count

    async def choose(self, user_id: int, *, request_id: str = "", **fields: Any) -> pb.NotificationSettings:
        """Change settings."""
        request = pb.UpdateNotificationSettingsRequest(request_id=request_id or f"choose-{next(_numbers)}", **fields)
        return (await self.stub(user_id).UpdateNotificationSettings(request)).settings

    async def deliver_due(self) -> None:
        """Work off the deliveries that are due."""
        for shard in range(SHARDS):
            await self.notifications.delivering.work(shard)

    async def fan_out(self) -> None:
        """Work off the fan-outs."""
        for shard in range(FAN_OUT_SHARDS):
            await self.notifications.publishing.work(shard)

    async def rows(self, row_type: type[R]) -> list[R]:
        """All rows of a table."""
        found: list[R] = []
        after = ""
        while True:
            page = await self.tables.walk(row_type, after=after)
            found += page.rows
            after = page.next
            if not after:
                return found


def word(kind: pb.NotificationKind.ValueType) -> str:
    """A kind without its prefix."""
    return pb.NotificationKind.Name(kind).removeprefix("NOTIFICATION_KIND_")


async def deliver(consumer: Consumer, tables: Tables, events: Iterable[EventEnvelope]) -> None:
    """Hand events to one consumer, one after the other."""
    applying = Applying(consumer=consumer, tables=tables, handler_timeout_ms=30_000, telemetry=None)
    for event in events:
        await applying.apply(event)


@asynccontextmanager
async def open_notifying(
    folder: Path, *, url: str = "", now_ms: int = NOON_MS, over: Callable[[Tables], Tables] = lambda tables: tables
) -> AsyncIterator[World]:
    """Notifications on SQLite in a folder unless a URL names other tables; `over` puts faults around them."""
    clock = FakeClock(now_ms)
    tables = over(await open_tables(url or f"sqlite:///{folder}", service="social", row_types=ROWS, clock=clock))
    ids = await open_ids(tables, service="social", clock=clock, lease_ms=10**12)
    events = EventMaker(producer="social", next_id=ids.next, clock=clock)
    keys = IdentityKeys.from_secrets(email_hash_key=b"e" * 32, sealing_key=b"s" * 32)
    person_keys = PersonKeyStore(tables=tables, clock=clock, wrapping_key=keys.people)
    sealer = PersonSealer(keys=KeptKeys(person_keys, clock=clock))
    relations = graph_wiring.relations_on(tables)
    requests = RequestLog(tables, clock, body_key=keys.requests)
    profiles = Profiles(
        accounts=AccountStore(tables=tables),
        names=NameStore(tables=tables),
        words=People(sealer=sealer),
        keys=keys,
        requests=requests,
        next_id=ids.next,
        clock=clock,
        events=events,
    )
    graph = graph_wiring.wire(
        tables=tables,
        clock=clock,
        next_id=ids.next,
        events=events,
        page_token_key=b"p" * 32,
        profiles=profiles,
        relations=relations,
        told=lambda change: notifications.parting.at_once(change),
    )
    pushes, mails = Hand(), Hand()
    notifications = wire(
        tables=tables,
        clock=clock,
        next_id=ids.next,
        page_token_key=b"p" * 32,
        profiles=profiles,
        relations=relations,
        followers=graph.followers,
        sealer=sealer,
        named_requests=requests,
        couriers={Channel.PUSH: pushes, Channel.MAIL: mails},
    )
    try:
        async with serve(*notifications.services, *graph.services, service="social", clock=clock) as served:
            yield World(
                clock=clock,
                tables=tables,
                notifications=notifications,
                served=served,
                make=events,
                keys=person_keys,
                pushes=pushes,
                mails=mails,
            )
    finally:
        await ids.close()
        await tables.close()
