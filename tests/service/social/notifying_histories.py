"""Histories of acts, deliveries in any order with repeats and crashes, reads and watchers, beside a simple model of one inbox."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from clipmesh.social.v1 import comment_service_pb2 as comment_pb
from clipmesh.social.v1 import notification_service_pb2 as pb
from hypothesis import strategies as st

from mesh.stores.tables.port import OutcomeUnknown, Tables
from svc_social.notifications import rules
from tests.service.social.notifying import HOUR_MS, LIKE, REPOST, World, word

PEOPLE, VIDEOS = 4, 2
KINDS = {"LIKE": LIKE, "REPOST": REPOST}
WORDS = (*KINDS, "COMMENT")

Key = tuple[str, int, int]
"""Kind, video, window."""


class Died(Exception):
    """The consumer's process ended."""


class Dying:
    """Tables whose commits go as told: `before` is not written, `after` is written and nobody hears of it, `unknown` is written and says so."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.fates: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tables, name)

    async def commit(self, *changes: Any, events: Sequence[Any] = ()) -> Any:
        fate = self.fates.pop(0) if self.fates else ""
        if fate == "before":
            raise Died
        written = await self._tables.commit(*changes, events=events)
        if fate == "after":
            raise Died
        if fate == "unknown":
            raise OutcomeUnknown("told to")
        return written

    async def settle(self, token: str) -> bool:
        return True if token == "told to" else await self._tables.settle(token)


@dataclass
class Member:
    version: int = 0
    present: bool = False
    was_present: bool = False


@dataclass
class Entry:
    """What the model knows of one notification."""

    members: dict[int, Member] = field(default_factory=dict)
    news: int = 0
    told: int = 0
    """How many news the inbox heard of."""
    unread: bool = False

    @property
    def count(self) -> int:
        return sum(member.present for member in self.members.values())


@dataclass
class Model:
    """One inbox."""

    entries: dict[Key, Entry] = field(default_factory=dict)

    def deliver(self, told: Sequence[tuple[Key, int, int, bool]]) -> None:
        """Acts (place, member, version, present) that are heard together: of one member only the newest counts."""
        newest: dict[tuple[Key, int], tuple[int, bool]] = {}
        for key, who, version, present in told:
            if version > newest.get((key, who), (0, False))[0]:
                newest[key, who] = (version, present)
        for (key, who), (version, present) in newest.items():
            entry = self.entries.setdefault(key, Entry())
            member = entry.members.setdefault(who, Member())
            if version > member.version:
                entry.news += present and not member.was_present
                entry.members[who] = Member(version, present, member.was_present or present)
        for entry in self.entries.values():
            if entry.news > entry.told:
                entry.told, entry.unread = entry.news, True

    def shown(self) -> dict[Key, tuple[int, bool]]:
        """(count, unread) of what is there."""
        return {key: (entry.count, entry.unread) for key, entry in self.entries.items() if entry.count}


STEPS = st.one_of(
    *[
        st.tuples(
            st.just("act"), st.integers(0, PEOPLE - 1), st.integers(0, VIDEOS - 1), st.sampled_from(WORDS), st.sampled_from([0, 0, 7, 20])
        )
    ]
    * 4,
    *[
        st.tuples(
            st.just("hear"), st.integers(0, 2**32), st.booleans(), st.lists(st.sampled_from(["", "before", "after", "unknown"]), max_size=4)
        )
    ]
    * 3,
    st.tuples(st.just("read"), st.integers(0, 5)),
    st.tuples(st.just("cursor")),
    st.tuples(st.just("read to cursor")),
    st.tuples(st.just("watch")),
)


class History:
    """One history: the service and the model under the same steps."""

    def __init__(self, world: World, dying: Dying, ids: Sequence[int], number: int) -> None:
        self.world = world
        self.dying = dying
        self.owner, *self.others = ids
        self.number = number
        self.model = Model()
        self.events: list[tuple[EventEnvelope, tuple[Key, int, int, bool]]] = []
        self.unheard: list[int] = []
        self.standing: dict[tuple[int, int, str], tuple[int, bool, int]] = {}
        """(version, active, first at) by person, video and kind."""
        self.hour = 0
        self.watched: dict[int, tuple[int, bool]] = {}
        self.cursor = ""
        self.marked: tuple[str, set[Key]] = ("", set())

    def video(self, video: int) -> int:
        return 10**9 + self.number * 10 + video

    def act(self, person: int, video: int, kind: str, hours: int) -> None:
        self.hour += hours
        at_ms = self.world.clock.now_ms() + self.hour * HOUR_MS
        version, active, first_ms = self.standing.get((person, video, kind), (0, False, at_ms))
        version, active = version + 1, not active
        self.standing[person, video, kind] = (version, active, first_ms)
        who = self.others[person]
        if kind == "COMMENT":
            comment_id = self.number * 1_000 + person * 10 + video + 1
            state = comment_pb.COMMENT_STATE_PUBLISHED if active else comment_pb.COMMENT_STATE_HIDDEN
            event = self.world.commented(who, self.owner, comment_id=comment_id, version=version, state=state, posted_at_ms=first_ms)
            member, of_video = comment_id, 9
        else:
            event = self.world.liked(
                who,
                self.owner,
                video_id=self.video(video),
                active=active,
                version=version,
                kind=KINDS[kind],
                first_ms=first_ms,
                at_ms=at_ms,
            )
            member, of_video = who, video
        self.unheard.append(len(self.events))
        self.events.append((event, ((kind, of_video, rules.window_of(first_ms)), member, version, active)))

    async def hear(self, seed: int, together: bool, fates: Sequence[str]) -> None:
        """Some of what was not heard and some of what was, in any order."""
        dice = random.Random(seed)
        again = [index for index in range(len(self.events)) if index not in self.unheard and dice.random() < 0.3]
        now = [index for index in self.unheard if dice.random() < 0.8]
        self.unheard = [index for index in self.unheard if index not in now]
        chosen = [index for index in now + again for _ in range(dice.choice([1, 1, 2]))]
        dice.shuffle(chosen)
        for part in [chosen] if together else [[index] for index in chosen]:
            self.dying.fates = list(fates)
            while part:
                try:
                    await self.world.hear_together([self.events[index][0] for index in part])
                except Died:
                    continue
                break
            self.dying.fates = []
            self.model.deliver([self.events[index][1] for index in part])

    async def inbox(self) -> dict[Key, tuple[int, bool, int]]:
        found = {}
        for one in await self.world.inbox(self.owner):
            video = 9 if word(one.kind) == "COMMENT" else one.video_id - self.video(0)
            key = (word(one.kind), video, rules.window_of(one.updated_at_ms))
            found[key] = (one.count, one.unread, one.notification_id)
        return found

    async def step(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("act", person, video, kind, hours):
                self.act(person, video, kind, hours)
            case ("hear", seed, together, fates):
                await self.hear(seed, together, fates)
            case ("read", index):
                shown = await self.inbox()
                for key in sorted(shown)[index : index + 2]:
                    await self.world.read(self.owner, shown[key][2])
                    self.model.entries[key].unread = False
            case ("cursor",):
                changes = await self.world.changes(self.owner)
                self.marked = (changes.cursor, {key for key, entry in self.model.entries.items() if entry.unread})
                self.model_news = {key: entry.told for key, entry in self.model.entries.items()}
            case ("read to cursor",) if self.marked[0]:
                await self.world.read(self.owner, up_to=self.marked[0])
                for key in self.marked[1]:
                    if self.model.entries[key].told == self.model_news[key]:
                        self.model.entries[key].unread = False
            case ("watch",):
                await self.watch()

    async def watch(self) -> None:
        """Whoever watches takes what changed since the last time, as far as they get."""
        if not self.cursor:
            self.cursor = (await self.world.changes(self.owner)).cursor
            self.watched = {one.notification_id: (one.count, one.unread) for one in await self.world.inbox(self.owner)}
            return
        answer = await self.world.changes(self.owner, self.cursor)
        for change in answer.changes:
            told: pb.Notification = change.notification
            if told.gone:
                self.watched.pop(told.notification_id, None)
            else:
                self.watched[told.notification_id] = (told.count, told.unread)
            self.cursor = change.cursor

    async def check(self) -> None:
        """Everything that is asked answers as the model does, also after all of it is heard again."""
        await self.watch()
        for _ in range(2):
            shown = await self.inbox()
            assert {key: (count, unread) for key, (count, unread, _) in shown.items()} == self.model.shown()
            assert await self.world.unread(self.owner) == sum(unread for _, unread in self.model.shown().values())
            dice = random.Random(self.number)
            heard = [index for index in range(len(self.events)) if index not in self.unheard]
            again = [self.events[index] for index in [*heard, *heard]]
            dice.shuffle(again)
            await self.world.hear_together([event for event, _ in again])
        await self.watch()
        # What was marked up to a cursor is told by the count alone, so a watcher may still hold it for unread.
        assert {one: count for one, (count, _) in self.watched.items()} == {one: count for count, _, one in (await self.inbox()).values()}
