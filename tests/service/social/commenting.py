"""Comments on real tables behind real gRPC: several instances with clocks and nodes of their own over one set of rows."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clipmesh.common.v1 import permit_pb2, viewer_pb2
from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from clipmesh.social.v1 import comment_service_pb2 as pb
from clipmesh.social.v1 import engagement_service_pb2 as engagement_pb
from clipmesh.social.v1.comment_service_pb2_grpc import CommentServiceStub
from clipmesh.social.v1.engagement_service_pb2_grpc import EngagementServiceStub

from mesh.client import RpcFailed
from mesh.errors import Unavailable
from mesh.events.applying import Applying
from mesh.events.event import EventMaker
from mesh.events.rows import EVENT_TABLES
from mesh.events.shapes import Consumer
from mesh.ids import Ids, NodeLease, open_ids
from mesh.permits import Permits
from mesh.sealing import KeptKeys, PersonSealer
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables
from mesh.stores.tables.requests import RequestLog, RequestRecord
from mesh.testing.clock import FakeClock
from mesh.testing.rpc import Served, secrets_for, serve, viewer
from svc_social.comments import store as comment_store
from svc_social.comments import wiring as comments_wiring
from svc_social.comments.policy import Judged, Verdict
from svc_social.comments.wiring import Comments
from svc_social.engagement import store as engagement_store
from svc_social.engagement import wiring as engagement_wiring
from svc_social.engagement.rules import Rates
from svc_social.engagement.wiring import Engagement
from svc_social.graph import rules as graph_rules
from svc_social.graph import store as graph_store
from svc_social.graph.store import BondStore
from svc_social.graph.wiring import relations_on
from svc_social.identity.actions import Profiles
from svc_social.identity.keyed import IdentityKeys
from svc_social.identity.people import HANDLE, People
from svc_social.identity.store import ROW_TYPES, AccountStore, NameStore, PersonKeyStore
from svc_social.identity.tables import Account, Audience, NameKind, Reservation

KEYS = IdentityKeys.from_secrets(email_hash_key=b"e" * 32, sealing_key=b"s" * 32)
NOW_MS = 1_760_000_000_000
ALICE, BOB, CARLA, CREATOR = 48_151_623_421, 48_151_623_422, 48_151_623_423, 48_151_623_400
VIDEO, OTHER = 700_001, 700_002
VIEW, COMMENT, ENGAGE = permit_pb2.PERMIT_KIND_VIEW, permit_pb2.PERMIT_KIND_COMMENT, permit_pb2.PERMIT_KIND_ENGAGE
ALL = (VIEW, COMMENT, ENGAGE)
PERSONAL = viewer_pb2.CONSENT_PURPOSE_PERSONALISATION
NEWEST, OLDEST, TOP = pb.COMMENT_ORDER_NEWEST, pb.COMMENT_ORDER_OLDEST, pb.COMMENT_ORDER_TOP
ROWS = (*ROW_TYPES, *graph_store.ROW_TYPES, *engagement_store.ROW_TYPES, *comment_store.ROW_TYPES, NodeLease, RequestRecord, *EVENT_TABLES)

CALL_S = 20.0
"""Of the calls of a test: real servers that share a machine take their time."""

_numbers = itertools.count(1)


def fresh_id() -> str:
    """A request id that nobody used."""
    return f"request-{next(_numbers)}"


@dataclass
class FakePolicy:
    """A text policy that looks for words."""

    away: bool = False
    asked: list[str] = field(default_factory=list)

    async def judge(self, text: str, *, language: str, is_new: bool, age_band: int) -> Judged:
        """BLOCK for `forbidden`, REVIEW for `doubtful`, LIMIT for `rude`; a link where it says http."""
        self.asked.append(text)
        if self.away:
            raise Unavailable("told to")
        found = {"forbidden": Verdict.BLOCK, "doubtful": Verdict.REVIEW, "rude": Verdict.LIMIT}
        verdict = next((verdict for word, verdict in found.items() if word in text), Verdict.ALLOW)
        return Judged(verdict=verdict, has_link="http" in text)


@dataclass(slots=True, kw_only=True)
class Instance:
    """One process of the service."""

    clock: FakeClock
    ids: Ids
    comments: Comments
    engagement: Engagement
    served: Served


@dataclass(slots=True, kw_only=True)
class World:
    """What a test holds."""

    tables: Tables
    instances: Sequence[Instance]
    policy: FakePolicy
    told: set[int] = field(default_factory=set)
    """Ids of events that consumers were given."""

    @property
    def clock(self) -> FakeClock:
        """The first instance's."""
        return self.instances[0].clock

    def advance(self, ms: int) -> None:
        """Let time go by everywhere."""
        for one in self.instances:
            one.clock.advance(ms)

    def stub(self, user_id: int = 0, *roles: viewer_pb2.Role.ValueType, at: int = 0, consent: bool = True) -> CommentServiceStub:
        """CommentService as the gateway calls it for a person, 0 for nobody."""
        who = viewer(user_id=user_id, roles=roles, consents=[PERSONAL] if consent else []) if user_id else viewer()
        return self.instances[at].served.stub(CommentServiceStub, viewer=who)

    def permit(self, user_id: int, video_id: int = VIDEO, *, at: int = 0, **fields: Any) -> permit_pb2.SignedPermit:
        """Video's word of what a person may do."""
        values: dict[str, Any] = {"kinds": ALL, "epoch": 1, "owner_id": CREATOR, "issuer": "video", **fields}
        issuer = Permits(secrets=secrets_for(values.pop("issuer")), clock=self.instances[at].clock)
        return issuer.issue(subject_id=video_id, viewer_id=user_id, **values)

    async def person(self, user_id: int, handle: str = "", **fields: Any) -> None:
        """An account with a key, and with a handle if one is given."""
        keys = keys_on(self.tables)
        await keys.create(user_id)
        name = KEYS.handle_name(handle) if handle else ""
        sealed = await PersonSealer(keys=keys).seal(user_id, HANDLE, handle or f"p{user_id}")
        values = {"created_at_ms": NOW_MS - 10 * 86_400_000, "age_band": int(viewer_pb2.AGE_BAND_ADULT), **fields}
        await self.tables.insert(Account(user_id=user_id, handle_name=name, handle_sealed=sealed, **values))
        if handle:
            await self.tables.insert(Reservation(kind=NameKind.HANDLE, name=name, owner_id=user_id, confirmed=True))

    async def people(self) -> None:
        """The usual ones."""
        for user_id, handle in ((ALICE, "alice"), (BOB, "bob"), (CARLA, "carla"), (CREATOR, "creator")):
            await self.person(user_id, handle)

    async def audience(self, audience: Audience, owner_id: int = CREATOR) -> None:
        """Whom a creator lets comment."""
        await AccountStore(tables=self.tables).change(
            owner_id, lambda row: _with(row, comments_from=audience), events=lambda _old, _new: ()
        )

    async def do(self, act: graph_rules.Act, who: int, whom: int) -> None:
        """What one person does to another."""
        bonds = BondStore(tables=self.tables)
        bond = await bonds.get(who, whom)
        now_ms = self.clock.now_ms()
        await bonds.change(
            bond, lambda row: graph_rules.after(act, who, row, is_private=False, now_ms=now_ms), events=lambda _before, _after: ()
        )

    async def block(self, who: int, whom: int) -> None:
        """Block."""
        await self.do(graph_rules.Act.BLOCK, who, whom)

    async def post(
        self,
        user_id: int,
        text: str = "hello",
        *,
        answers: int = 0,
        video_id: int = VIDEO,
        at: int = 0,
        request_id: str = "",
        language: str = "",
        permit: permit_pb2.SignedPermit | None = None,
    ) -> pb.Comment:
        """Write a comment."""
        request = pb.PostCommentRequest(
            request_id=request_id or fresh_id(),
            video_id=video_id,
            permit=permit or self.permit(user_id, video_id, at=at),
            answers_id=answers,
            text=text,
            language=language,
        )
        return (await self.stub(user_id, at=at).PostComment(request, timeout=CALL_S)).comment

    async def edit(self, user_id: int, comment_id: int, text: str, *, request_id: str = "", at: int = 0) -> pb.Comment:
        """Replace a text."""
        request = pb.EditCommentRequest(request_id=request_id or fresh_id(), comment_id=comment_id, text=text)
        return (await self.stub(user_id, at=at).EditComment(request, timeout=CALL_S)).comment

    async def delete(self, user_id: int, comment_id: int, *roles: viewer_pb2.Role.ValueType, request_id: str = "", at: int = 0) -> None:
        """Take a comment back."""
        await self.stub(user_id, *roles, at=at).DeleteComment(
            pb.DeleteCommentRequest(request_id=request_id or fresh_id(), comment_id=comment_id), timeout=CALL_S
        )

    async def creator(self, act: str, comment_id: int, *, user_id: int = CREATOR, request_id: str = "", at: int = 0) -> pb.Comment:
        """Hide, Approve, Pin, Unpin."""
        request = getattr(pb, f"{act}CommentRequest")(request_id=request_id or fresh_id(), comment_id=comment_id)
        answer = await getattr(self.stub(user_id, at=at), f"{act}Comment")(request, timeout=CALL_S)
        comment: pb.Comment = answer.comment
        return comment

    async def like(
        self, user_id: int, comment_id: int, *, video_id: int = VIDEO, request_id: str = "", at: int = 0
    ) -> pb.LikeCommentResponse:
        """Like a comment."""
        request = pb.LikeCommentRequest(
            request_id=request_id or fresh_id(),
            video_id=video_id,
            permit=self.permit(user_id, video_id, at=at),
            comment_id=comment_id,
        )
        return await self.stub(user_id, at=at).LikeComment(request, timeout=CALL_S)

    async def unlike(self, user_id: int, comment_id: int, *, request_id: str = "", at: int = 0) -> pb.UnlikeCommentResponse:
        """Take a like back."""
        return await self.stub(user_id, at=at).UnlikeComment(
            pb.UnlikeCommentRequest(request_id=request_id or fresh_id(), comment_id=comment_id), timeout=CALL_S
        )

    async def page(self, user_id: int = 0, *, video_id: int = VIDEO, at: int = 0, **fields: Any) -> pb.ListCommentsResponse:
        """A page of comments, newest first unless told."""
        values: dict[str, Any] = {"order": NEWEST, "page_size": 50, **fields}
        request = pb.ListCommentsRequest(video_id=video_id, permit=self.permit(user_id, video_id, at=at), **values)
        return await self.stub(user_id, at=at).ListComments(request, timeout=CALL_S)

    async def all(
        self, user_id: int = 0, *, video_id: int = VIDEO, page_size: int = 50, at: int = 0, **fields: Any
    ) -> list[pb.CommentNode]:
        """Every thread, page by page."""
        found: list[pb.CommentNode] = []
        token = ""
        while True:
            page = await self.page(user_id, video_id=video_id, page_size=page_size, page_token=token, at=at, **fields)
            assert len(page.comments) <= page_size
            found += page.comments
            token = page.next_page_token
            if not token:
                return found

    async def replies(
        self, comment_id: int, user_id: int = 0, *, video_id: int = VIDEO, at: int = 0, **fields: Any
    ) -> pb.ListRepliesResponse:
        """A page of replies."""
        request = pb.ListRepliesRequest(
            video_id=video_id,
            permit=self.permit(user_id, video_id, at=at),
            comment_id=comment_id,
            page_size=fields.pop("page_size", 50),
            **fields,
        )
        return await self.stub(user_id, at=at).ListReplies(request, timeout=CALL_S)

    async def path(self, comment_id: int, user_id: int = 0, *, video_id: int = VIDEO, at: int = 0) -> list[pb.Comment]:
        """A comment after what stands above it."""
        request = pb.GetCommentRequest(video_id=video_id, permit=self.permit(user_id, video_id, at=at), comment_id=comment_id)
        return list((await self.stub(user_id, at=at).GetComment(request, timeout=CALL_S)).path)

    async def held(self, owner_id: int = CREATOR) -> list[pb.Comment]:
        """What waits."""
        answer = await self.stub(owner_id).ListHeldComments(pb.ListHeldCommentsRequest(page_size=50))
        return [node.comment for node in answer.comments]

    async def filters(self, *, words: Sequence[str] = (), links: bool = False, everything: bool = False, owner_id: int = CREATOR) -> None:
        """What a creator wants held."""
        filters = pb.CommentFilters(words=words, hold_links=links, hold_all=everything)
        await self.stub(owner_id).UpdateCommentFilters(pb.UpdateCommentFiltersRequest(request_id=fresh_id(), filters=filters))

    async def comment_count(self, video_id: int = VIDEO) -> int:
        """How many comments engagement counts."""
        stub = self.instances[0].served.stub(EngagementServiceStub)
        self.clock.advance(1_001)
        answer = await stub.BatchGetCounters(engagement_pb.BatchGetCountersRequest(video_ids=[video_id]))
        return answer.counters[0].comments

    async def events(self, *names: str) -> list[EventEnvelope]:
        """Every event in the outbox, or those of some types, in the order of the relay."""
        found = []
        for shard in range(self.tables.outbox_shards):
            position = ""
            while True:
                page = await self.tables.read_outbox(shard, after=position)
                if not page.entries:
                    break
                position = page.position
                found += [EventEnvelope.FromString(entry.envelope) for entry in page.entries]
        return [event for event in found if not names or event.type.rpartition(".")[2] in names]

    async def settle(self, *, at: int = 0) -> None:
        """Let consumers hear what they have not heard, in order."""
        fresh = [event for event in await self.events() if event.event_id not in self.told]
        self.told |= {event.event_id for event in fresh}
        await self.hear(fresh, at=at)

    async def hear(self, events: Iterable[EventEnvelope], *, at: int = 0, consumers: Sequence[Consumer] = ()) -> None:
        """Let the consumers of an instance, or those given, apply events in the order given."""
        known = list(events)
        for consumer in consumers or (*self.instances[at].comments.consumers, *self.instances[at].engagement.consumers):
            applying = Applying(consumer=consumer, tables=self.tables, handler_timeout_ms=10_000, telemetry=None)
            opened = [event for event in map(applying.opened, known) if event is not None]
            assert applying.gathered is not None
            if opened:
                await applying.gather(opened, last=True)

    async def everything(self) -> dict[str, list[Any]]:
        """All rows that comments own, and all events: what a refusal must leave as it is."""
        rows: dict[str, list[Any]] = {
            row_type.__name__: sorted(map(repr, (await self.tables.walk(row_type)).rows))
            for row_type in (*comment_store.ROW_TYPES, RequestRecord)
        }
        return {**rows, "events": sorted(event.event_id for event in await self.events())}


async def refused(world: World, call: Any) -> str:
    """The reason why `call()` is refused; nothing is changed by it."""
    before = await world.everything()
    try:
        await call()
    except RpcFailed as failed:
        assert await world.everything() == before
        return failed.reason
    raise AssertionError("it was not refused")


def ids_of(nodes: Iterable[pb.CommentNode]) -> list[int]:
    """The comments of nodes."""
    return [node.comment.comment_id for node in nodes]


def tree(nodes: Iterable[pb.CommentNode]) -> list[Any]:
    """Nodes as (text, what is below)."""
    return [(node.comment.text, tree(node.children)) for node in nodes]


def keys_on(tables: Tables) -> PersonKeyStore:
    """The keys of people."""
    return PersonKeyStore(tables=tables, clock=FakeClock(NOW_MS), wrapping_key=KEYS.people)


def _with(row: Account, **fields: Any) -> Account:
    return replace(row, **fields)


async def instance(stack: AsyncExitStack, tables: Tables, clock: FakeClock, policy: FakePolicy) -> Instance:
    """One process over `tables` with a clock of its own."""
    ids = await open_ids(tables, service="social", clock=clock, lease_ms=10**12)
    stack.push_async_callback(ids.close)
    events = EventMaker(producer="social", next_id=ids.next, clock=clock)
    sealer, requests = PersonSealer(keys=KeptKeys(keys_on(tables), clock=clock)), RequestLog(tables, clock, body_key=KEYS.requests)
    profiles = Profiles(
        accounts=AccountStore(tables=tables),
        names=NameStore(tables=tables),
        words=People(sealer=sealer),
        keys=KEYS,
        requests=requests,
        next_id=ids.next,
        clock=clock,
        events=events,
    )
    permits, relations = Permits(secrets=secrets_for("social"), clock=clock), relations_on(tables)
    engagement = engagement_wiring.wire(
        tables=tables,
        clock=clock,
        next_id=ids.next,
        events=events,
        permits=permits,
        page_token_key=b"p" * 32,
        profiles=profiles,
        relations=relations,
        sealer=sealer,
        named_requests=requests,
        rates=Rates(window_ms=10_000, busy_per_s=20.0),
    )
    comments = comments_wiring.wire(
        tables=tables,
        clock=clock,
        next_id=ids.next,
        events=events,
        permits=permits,
        page_token_key=b"p" * 32,
        profiles=profiles,
        relations=relations,
        sealer=sealer,
        requests=requests,
        policy=policy,
        acts_of_video=engagement.clearing.of_video,
    )
    served = await stack.enter_async_context(serve(*comments.services, *engagement.services, service="social", clock=clock))
    return Instance(clock=clock, ids=ids, comments=comments, engagement=engagement, served=served)


@asynccontextmanager
async def open_commenting(
    folder: Path, *, ahead_ms: Sequence[int] = (0,), url: str = "", over: Callable[[Tables], Tables] = lambda tables: tables
) -> AsyncIterator[World]:
    """One instance for each of `ahead_ms`; `over` puts faults around the tables."""
    clocks = [FakeClock(NOW_MS + ms) for ms in ahead_ms]
    async with AsyncExitStack() as stack:
        tables = over(await open_tables(url or f"sqlite:///{folder}", service="social", row_types=ROWS, clock=clocks[0]))
        stack.push_async_callback(tables.close)
        policy = FakePolicy()
        yield World(tables=tables, instances=[await instance(stack, tables, clock, policy) for clock in clocks], policy=policy)


async def together(*work: Any) -> list[Any]:
    """Everything at once."""
    return list(await asyncio.gather(*work))
