"""Histories of acts by several people and instances, with repeats, crashes, re-ordered and repeated events, beside a simple model."""

from __future__ import annotations

import asyncio
import itertools
import random
from dataclasses import dataclass, field, replace
from typing import Any, cast
from weakref import WeakKeyDictionary

from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from clipmesh.social.v1 import engagement_service_pb2 as pb
from hypothesis import strategies as st

from mesh.stores.tables.port import Tables
from mesh.stores.tables.requests import RequestLog
from svc_social.engagement.actions import Actor, Asked
from svc_social.engagement.store import ActStore
from svc_social.engagement.tables import Act, CountedAct, EngagementKind, ShareTarget
from tests.service.social.engaging import ALICE, World

PEOPLE, VIDEOS, INSTANCES = 3, 2, 3
AHEAD_MS = (0, 90_000, -45_000)
"""Of the clocks of the instances."""
_histories = itertools.count(1)


class Crash(Exception):
    """The process died."""


class Dying:
    """Tables of a process that dies before or after its next write of an act."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.dies = ""

    async def put(self, *rows: Any, events: Any = ()) -> None:
        dies, self.dies = (self.dies, "") if events and isinstance(rows[0], Act) else ("", self.dies)
        if dies == "before":
            raise Crash
        await self._tables.put(*rows, events=events)
        if dies == "after":
            raise Crash

    async def put_once(self, first: Any, *rows: Any, events: Any = ()) -> None:
        """In the two steps that an engine may take."""
        await self._tables.insert(first)
        await self.put(*rows, events=events)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tables, name)


@dataclass
class Model:
    """A number for each request when it is first asked, and for each person and video the act with the largest number."""

    acts: dict[tuple[int, int, str], tuple[int, bool]] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    shares: dict[int, set[str]] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def ask(self, request_id: str, key: tuple[int, int, str], active: bool) -> None:
        """A request is heard for the first time."""
        if request_id not in self.requests:
            self.requests[request_id] = 0 if self.is_active(key) == active else next(self.numbers)

    def write(self, request_id: str, key: tuple[int, int, str], active: bool) -> None:
        """A request gets as far as writing."""
        if self.requests[request_id] > self.acts.get(key, (0, False))[0]:
            self.acts[key] = (self.requests[request_id], active)

    def is_active(self, key: tuple[int, int, str]) -> bool:
        return self.acts.get(key, (0, False))[1]


WORDS = ("like", "unlike", "save", "unsave", "repost", "undo", "share")
KIND_OF = {"like": "like", "unlike": "like", "save": "save", "unsave": "save", "repost": "repost", "undo": "repost"}

_acts = st.tuples(
    st.just("act"),
    st.integers(0, PEOPLE - 1),
    st.integers(0, VIDEOS - 1),
    st.sampled_from(WORDS),
    st.integers(0, INSTANCES - 1),
    st.sampled_from(["", "", "", "before", "after"]),
)
STEPS = st.one_of(
    _acts,
    _acts,
    _acts,
    st.tuples(st.just("repeat"), st.integers(0, 40), st.integers(0, INSTANCES - 1)),
    st.tuples(st.just("time"), st.sampled_from([0, 1, 5_000])),
    st.tuples(st.just("hear"), st.integers(0, INSTANCES - 1)),
    st.tuples(st.just("rewind"), st.integers(0, INSTANCES - 1), st.integers(0, 2**32)),
)


class History:
    """One history: the service and the model under the same steps."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.model = Model()
        self.people = [ALICE + number * 100 + one for one in range(PEOPLE)]
        self.videos = [900_000_000 + number * 100 + one for one in range(VIDEOS)]
        self.asked: list[tuple[str, int, int, str]] = []
        self.number = number
        self.dying = [Dying(world.tables) for _ in range(INSTANCES)]
        self.acting = [
            replace(
                instance.engagement.acting,
                acts=ActStore(tables=cast(Tables, dying)),
                requests=RequestLog(cast(Tables, dying), instance.clock),
            )
            for instance, dying in zip(world.instances, self.dying, strict=True)
        ]

    async def step(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("act", person, video, word, at, dies):
                request_id = f"{self.number}-{len(self.asked)}"
                self.asked.append((request_id, person, video, word))
                await self.act(*self.asked[-1], at=at, dies=dies)
            case ("repeat", index, at) if self.asked:
                await self.act(*self.asked[index % len(self.asked)], at=at, dies="")
            case ("time", ms):
                for one in self.world.instances:
                    one.clock.advance(ms)
            case ("hear", at):
                await self.world.hear(await self.events(), at=at)
            case ("rewind", at, seed):
                events = await self.events()
                await self.world.hear(_in_some_order([*events, *events], random.Random(seed)), at=at)

    async def act(self, request_id: str, person: int, video: int, word: str, *, at: int, dies: str) -> None:
        user_id, video_id = self.people[person], self.videos[video]
        key = (person, video, KIND_OF.get(word, ""))
        if word == "share":
            if dies != "before":
                self.model.shares.setdefault(video, set()).add(request_id)
        else:
            self.model.ask(request_id, key, word in KIND_OF.values())
            if dies != "before":
                self.model.write(request_id, key, word in KIND_OF.values())
        self.dying[at].dies = dies
        try:
            state = await self.call(request_id, user_id, video_id, word, at=at)
        except Crash:
            return
        finally:
            self.dying[at].dies = ""
        if state is not None:
            kinds = {"like": state.liked, "save": state.saved, "repost": state.reposted}
            assert kinds == {kind: self.model.is_active((person, video, kind)) for kind in kinds}

    async def call(self, request_id: str, user_id: int, video_id: int, word: str, *, at: int) -> pb.ViewerState | None:
        """As the service does; without the wire, through which no crash comes."""
        acting = self.acting[at]
        actor = Actor(user_id=user_id, personalisation=True)
        asked = Asked(method=word, request_id=request_id, body=f"{user_id}:{video_id}".encode())
        permit = self.world.permit(user_id, video_id, at=at)
        if word == "share":
            await acting.share(actor, video_id=video_id, permit=permit, target=ShareTarget.LINK, asked=asked)
            return None
        kind = EngagementKind[KIND_OF[word].upper()]
        if word in KIND_OF.values():
            sight = await acting.do(actor, video_id=video_id, kind=kind, permit=permit, asked=asked)
        else:
            sight = await acting.undo(actor, video_id=video_id, kind=kind, asked=asked)
        return pb.ViewerState(video_id=video_id, liked=sight.liked, saved=sight.saved, reposted=sight.reposted)

    async def events(self) -> list[EventEnvelope]:
        tables = self.world.tables
        mine = {str(video_id) for video_id in self.videos}
        return [event for event in await _outboxes.setdefault(tables, Outbox()).events(tables) if event.key.split(":")[0] in mine]

    async def check(self) -> None:
        """Everything that is asked answers as the model does."""
        await self.world.hear(await self.events(), at=0)
        await asyncio.gather(self._check_counts(), *(self._check_person(person) for person in range(PEOPLE)))

    async def _check_counts(self) -> None:
        model = self.model

        def people(video: int, kind: str) -> int:
            return sum(model.is_active((person, video, kind)) for person in range(PEOPLE))

        answer = await self.world.stub().BatchGetCounters(pb.BatchGetCountersRequest(video_ids=self.videos))
        assert list(answer.counters) == [
            pb.Counters(
                video_id=video_id,
                likes=people(video, "like"),
                saves=people(video, "save"),
                reposts=people(video, "repost"),
                shares=len(model.shares.get(video, ())),
            )
            for video, video_id in enumerate(self.videos)
        ]

    async def _check_person(self, person: int) -> None:
        user_id, active = self.people[person], self.model.is_active
        answer = await self.world.stub(user_id).BatchGetViewerState(pb.BatchGetViewerStateRequest(video_ids=self.videos))
        assert list(answer.states) == [
            pb.ViewerState(
                video_id=video_id,
                liked=active((person, video, "like")),
                saved=active((person, video, "save")),
                reposted=active((person, video, "repost")),
            )
            for video, video_id in enumerate(self.videos)
        ]
        for kind, listed in (("like", self.world.liked), ("save", self.world.saved)):
            shown = await listed(user_id)
            assert sorted(shown) == [video_id for video, video_id in enumerate(self.videos) if active((person, video, kind))]


class Outbox:
    """All events of a store, read on where the last history ended."""

    def __init__(self) -> None:
        self._read: dict[int, str] = {}
        self._known: list[EventEnvelope] = []

    async def events(self, tables: Tables) -> list[EventEnvelope]:
        """What was told so far."""
        for shard in range(tables.outbox_shards):
            while True:
                page = await tables.read_outbox(shard, after=self._read.get(shard, ""))
                if not page.entries:
                    break
                self._read[shard] = page.position
                self._known.extend(EventEnvelope.FromString(entry.envelope) for entry in page.entries)
        return self._known


_outboxes: WeakKeyDictionary[Tables, Outbox] = WeakKeyDictionary()


def _in_some_order(events: list[EventEnvelope], shuffle: random.Random) -> list[EventEnvelope]:
    """Events as a rewound and handed-over group may deliver them: any order, any of them twice."""
    events = list(events)
    shuffle.shuffle(events)
    return events[: max(1, len(events) - shuffle.randrange(3))] if events else []


async def run(shared: World, steps: list[tuple[Any, ...]]) -> None:
    """Live a history and compare everything in the end."""
    history = History(shared, next(_histories))
    for step in steps:
        await history.step(step)
    await history.check()
    sets = [row for video_id in history.videos for row in await members(shared.tables, video_id)]
    for tally in (row for row in sets if not row.member):
        beside = [row for row in sets if row.member and (row.video_id, row.kind, row.shard) == (tally.video_id, tally.kind, tally.shard)]
        assert tally.size == sum(row.present for row in beside)


async def members(tables: Tables, video_id: int) -> list[CountedAct]:
    """The rows of a video's sets."""
    found: list[CountedAct] = []
    for kind in EngagementKind:
        for shard in range(4):
            found += (await tables.scan(CountedAct, video_id, kind, shard)).rows
    return found
