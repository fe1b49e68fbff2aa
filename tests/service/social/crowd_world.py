"""Social whole, as several processes over one set of tables, any of which may die between two writes and be replaced."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import random
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from clipmesh.common.v1.envelope_pb2 import EventEnvelope

from mesh.events.applying import Applying
from mesh.events.event import EventMaker
from mesh.events.rows import EVENT_TABLES
from mesh.events.shapes import Consumer
from mesh.ids import NodeLease, open_ids
from mesh.permits import Permits
from mesh.sealing import KeptKeys, PersonSealer
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Tables, TablesUnavailable
from mesh.stores.tables.requests import RequestLog, RequestRecord
from mesh.testing.clock import FakeClock
from mesh.testing.rpc import Served, secrets_for, serve, viewer
from svc_social.comments import store as comment_store
from svc_social.comments import wiring as comments_wiring
from svc_social.engagement import store as engagement_store
from svc_social.engagement import wiring as engagement_wiring
from svc_social.engagement.rules import Rates
from svc_social.graph import store as graph_store
from svc_social.graph import wiring as graph_wiring
from svc_social.identity.actions import Profiles
from svc_social.identity.people import HANDLE, People
from svc_social.identity.store import ROW_TYPES, AccountStore, NameStore
from svc_social.identity.tables import Account
from svc_social.notifications import store as notifications_store
from svc_social.notifications import wiring as notifications_wiring
from tests.service.social.commenting import KEYS, NOW_MS, PERSONAL, FakePolicy, keys_on

S = TypeVar("S")

AHEAD_MS: Final = (0, 2_000, -1_500)
"""Of the clocks of the processes."""
PARTITIONS: Final = 8
WRITES: Final = frozenset({"insert", "transition", "remove", "commit", "put", "delete"})
ROWS: Final = (
    *ROW_TYPES,
    *graph_store.ROW_TYPES,
    *engagement_store.ROW_TYPES,
    *comment_store.ROW_TYPES,
    *notifications_store.ROW_TYPES,
    NodeLease,
    RequestRecord,
    *EVENT_TABLES,
)
_people = itertools.count(3 * 10**15, 1_000)


@dataclass
class Mortal:
    """Tables of one process. It dies before or after a write that is chosen, and reaches nothing any more."""

    tables: Tables
    dead: bool = False
    dies_in: int = -1
    """Writes until it dies; negative when it does not."""
    writes_first: bool = False
    """Whether the write with which it dies is done."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.tables, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **fields: Any) -> Any:
            self._live()
            dies = False
            if name in WRITES:
                dies, self.dies_in = self.dies_in == 0, max(self.dies_in - 1, -1)
            if dies and not self.writes_first:
                self.dead = True
            self._live()
            answer = await found(*args, **fields)
            self.dead = self.dead or dies
            self._live()
            return answer

        return call

    def _live(self) -> None:
        if self.dead:
            raise TablesUnavailable("the process died")


@dataclass(slots=True, kw_only=True)
class Instance:
    """One process."""

    mortal: Mortal
    clock: FakeClock
    served: Served
    consumers: Sequence[Consumer]
    closing: AsyncExitStack


@dataclass(slots=True, kw_only=True)
class Crowd:
    """The processes, and how events get from what they wrote to what they hear."""

    tables: Tables
    dice: random.Random
    policy: FakePolicy = field(default_factory=FakePolicy)
    instances: list[Instance] = field(default_factory=list)
    heard: dict[str, set[int]] = field(default_factory=dict)
    """Ids of events that a consumer recorded, by its name."""
    buried: list[Instance] = field(default_factory=list)
    """Those that died: they still answer, that they reach nothing."""

    @property
    def size(self) -> int:
        """How many processes there are."""
        return len(self.instances)

    def stub(self, stub_type: Callable[..., S], user_id: int = 0, *, at: int = 0, caller: str = "gateway") -> S:
        """A service as another one calls it for a person, 0 for nobody."""
        who = viewer(user_id=user_id, consents=[PERSONAL]) if user_id else viewer()
        return self.instances[at].served.stub(stub_type, caller=caller, viewer=who)

    def permit(self, user_id: int, video_id: int, owner_id: int, kinds: Sequence[Any], *, at: int = 0) -> Any:
        """Video's word of what a person may do."""
        issuer = Permits(secrets=secrets_for("video"), clock=self.instances[at].clock)
        return issuer.issue(kinds=kinds, epoch=1, owner_id=owner_id, subject_id=video_id, viewer_id=user_id)

    async def person(self, *, is_private: bool = False) -> int:
        """A new account."""
        user_id = next(_people)
        keys = keys_on(self.tables)
        await keys.create(user_id)
        sealed = await PersonSealer(keys=keys).seal(user_id, HANDLE, f"p{user_id}")
        await self.tables.insert(
            Account(user_id=user_id, handle_sealed=sealed, is_private=is_private, created_at_ms=NOW_MS - 10 * 86_400_000)
        )
        return user_id

    # ── deaths ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def doom(self) -> None:
        """Let one of the processes die at one of its next writes."""
        mortal = self.dice.choice(self.instances).mortal
        if mortal.dies_in < 0:
            mortal.dies_in, mortal.writes_first = self.dice.randrange(12), self.dice.random() < 0.5

    async def replace_dead(self) -> None:
        """Another process for each that died; nothing of its memory is left."""
        for at, one in enumerate(self.instances):
            if one.mortal.dead:
                self.instances[at] = await self.begin(one.clock)
                self.buried.append(one)

    async def begin(self, clock: FakeClock) -> Instance:
        """A process."""
        closing, mortal = AsyncExitStack(), Mortal(self.tables)
        tables = cast(Tables, mortal)
        ids = await open_ids(tables, service="social", clock=clock, lease_ms=10**12)
        closing.push_async_callback(ids.close)
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
        relations = graph_wiring.relations_on(tables)
        common: dict[str, Any] = {"tables": tables, "clock": clock, "next_id": ids.next, "page_token_key": b"p" * 32, "profiles": profiles}
        common["relations"] = relations
        permits = Permits(secrets=secrets_for("social"), clock=clock)
        graph = graph_wiring.wire(**common, events=events)
        engagement = engagement_wiring.wire(
            **common,
            events=events,
            permits=permits,
            sealer=sealer,
            named_requests=requests,
            rates=Rates(window_ms=10_000, busy_per_s=1_000.0),
        )
        comments = comments_wiring.wire(**common, events=events, permits=permits, sealer=sealer, requests=requests, policy=self.policy)
        notifications = notifications_wiring.wire(**common, followers=graph.followers, sealer=sealer, named_requests=requests, couriers={})
        areas = (graph, engagement, comments, notifications)
        services = [service for area in areas for service in area.services]
        served = await closing.enter_async_context(serve(*services, service="social", clock=clock))
        return Instance(
            mortal=mortal,
            clock=clock,
            served=served,
            consumers=[consumer for area in areas for consumer in area.consumers],
            closing=closing,
        )

    # ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def events(self) -> list[EventEnvelope]:
        """Everything in the outbox, in the order of the relay."""
        found = []
        for shard in range(self.tables.outbox_shards):
            position = ""
            while True:
                page = await self.tables.read_outbox(shard, after=position)
                if not page.entries:
                    break
                position = page.position
                found += [EventEnvelope.FromString(entry.envelope) for entry in page.entries]
        return found

    async def hear(self) -> bool:
        """Let every consumer go on, its partitions spread over the processes; what one does not record comes again. True when nothing was left."""
        events = await self.events()
        names = [consumer.name for consumer in self.instances[0].consumers]
        return all(await asyncio.gather(*(self._hear(name, events) for name in names)))

    async def _hear(self, name: str, events: Sequence[EventEnvelope]) -> bool:
        heard = self.heard.setdefault(name, set())
        again = set()
        if heard and self.dice.random() < 0.2:
            # The group was rewound: from a moment on everything comes again.
            since = self.dice.choice(sorted(heard))
            again = {event_id for event_id in heard if event_id >= since}
        waiting: dict[int, list[EventEnvelope]] = {}
        for event in events:
            if event.event_id not in heard or event.event_id in again:
                waiting.setdefault(zlib.crc32(event.key.encode()) % PARTITIONS, []).append(event)
        answers = [self._record(name, partition, self.dice.randrange(self.size)) for partition in waiting.values()]
        recorded = await asyncio.gather(*answers)
        for partition, done in zip(waiting.values(), recorded, strict=True):
            heard.update(event.event_id for event in partition if done)
        return all(recorded) and not again

    async def _record(self, name: str, events: Sequence[EventEnvelope], at: int) -> bool:
        """Whether a process recorded events of one partition, some together and some alone."""
        instance = self.instances[at]
        consumer = next(one for one in instance.consumers if one.name == name)
        applying = Applying(consumer=consumer, tables=cast(Tables, instance.mortal), handler_timeout_ms=60_000, telemetry=None)
        try:
            if applying.gathered is None:
                for event in events:
                    await applying.apply(event)
                return True
            asked = [opened for event in events if (opened := applying.opened(event)) is not None]
            while asked:
                size = self.dice.randint(1, len(asked))
                await applying.gather(asked[:size], last=True)
                asked = asked[size:]
        except TablesUnavailable:
            return False
        return True

    async def rewind(self, *, out_of_order: bool) -> None:
        """Let every consumer hear all of it again: partitions mixed, and with `out_of_order` without any order, some of it twice."""
        events = await self.events()
        if out_of_order:
            events = [event for event in events for _ in range(self.dice.choice([1, 1, 2]))]
            self.dice.shuffle(events)
        for consumer in self.instances[0].consumers:
            size = max(1, len(events) // 3)
            for start in range(0, len(events), size):
                assert await self._record(consumer.name, events[start : start + size], self.dice.randrange(self.size))

    async def quiet(self) -> None:
        """Everybody lives, and every consumer heard everything."""
        for one in self.instances:
            one.mortal.dies_in = -1
        await self.replace_dead()
        while not await self.hear():
            pass
        for one in self.instances:
            one.clock.advance(5_000)


@asynccontextmanager
async def open_crowd(folder: Path, *, seed: int, url: str = "") -> AsyncIterator[Crowd]:
    """Processes over SQLite in a folder unless a URL names other tables."""
    tables = await open_tables(url or f"sqlite:///{folder}", service="social", row_types=ROWS, clock=FakeClock(NOW_MS))
    crowd = Crowd(tables=tables, dice=random.Random(seed))
    try:
        crowd.instances = [await crowd.begin(FakeClock(NOW_MS + ms)) for ms in AHEAD_MS]
        yield crowd
    finally:
        for one in (*crowd.buried, *crowd.instances):
            await one.closing.aclose()
        await tables.close()
