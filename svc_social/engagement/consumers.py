"""Folds social's own events of acts into counts and lists by person."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from clipmesh.social.v1 import events_pb2

from mesh.clock import Clock
from mesh.events.consumers import Gathered, Incoming
from mesh.events.hint_sender import HintSender
from svc_social.engagement.convert import counted_from_event, places_from_event, video_of
from svc_social.engagement.rules import Rates
from svc_social.engagement.store import CountStore, ListStore
from svc_social.engagement.tables import CountedAct, EngagedVideo

_TOGETHER_S = 0.02
"""How long acts of different partitions of the stream wait for one another, in seconds."""
_HELD_TOGETHER_S = 0.4
"""The same for acts that were held: partitions find out up to 0.25 s after one another that it is time."""
_FORGOTTEN_MS = 60_000
_SETTLE_MS = 5_000
"""How long after a window's end the counts of a busy video may still lag behind."""


class CountActs(Gathered):
    """Brings tallied sets up to date, many acts in one commit a partition. A comment counts as an act of its own.

    Acts of a video that gets very many are held until its window ends, and are written then all at once; a mark tells readers before the first
    one is held. Videos that get few are counted at once, whatever others get.
    """

    name = "counts"
    topics = ("social",)

    def __init__(self, *, counts: CountStore, clock: Clock, rates: Rates, hints: HintSender | None = None) -> None:
        self._counts = counts
        self._clock = clock
        self._rates = rates
        self._hints = hints
        self._until: dict[int, int] = {}
        """When a held event is due, by event id."""
        self._marked: dict[int, int] = {}
        """Until when a video is marked as busy."""
        self._coming: list[CountedAct] = []
        self._writing: asyncio.Task[None] | None = None
        comments = (events_pb2.CommentPosted, events_pb2.CommentEdited, events_pb2.CommentModerated, events_pb2.CommentRemoved)
        self.handlers = dict.fromkeys((events_pb2.EngagementChanged, *comments), self.alone)

    async def gather(self, events: Sequence[Incoming[Any]], *, last: bool) -> Sequence[Incoming[Any]]:
        """See the base class; counts what is due, and with the first that is due everything, so that nothing is left to acknowledge."""
        now_ms = self._clock.now_ms()
        due = last
        for event in events:
            until_ms = self._until.get(event.envelope.event_id)
            if until_ms is not None:
                due = due or until_ms <= now_ms
            elif self._rates.note(video_of(event.message), now_ms):
                self._until[event.envelope.event_id] = self._rates.end_ms(now_ms)
        held = [] if due else [event for event in events if event.envelope.event_id in self._until]
        for video_id in {video_of(event.message) for event in held}:
            await self._mark(video_id, now_ms)
        staying = {event.envelope.event_id for event in held}
        counting = [event for event in events if event.envelope.event_id not in staying]
        members = [counted_from_event(event.message, version=event.envelope.key_version) for event in counting]
        if last and len(members) == 1:
            # Tried alone: an error must be this act's own, and no other's may come of it.
            await self._write(members)
        elif members:
            await self._join(members, wait_s=_HELD_TOGETHER_S if due and not last else _TOGETHER_S)
        for event in counting:
            self._until.pop(event.envelope.event_id, None)
        if due:
            # What was held for a partition that went to another process is never asked about again.
            self._until = {event_id: until_ms for event_id, until_ms in self._until.items() if until_ms > now_ms - _FORGOTTEN_MS}
        return held

    async def _mark(self, video_id: int, now_ms: int) -> None:
        until_ms = self._rates.end_ms(now_ms) + _SETTLE_MS
        if self._marked.get(video_id, 0) < until_ms:
            await self._counts.mark_busy(video_id, now_ms=now_ms, until_ms=until_ms)
            self._marked = {known: end_ms for known, end_ms in self._marked.items() if end_ms > now_ms} | {video_id: until_ms}

    async def _join(self, members: Sequence[CountedAct], *, wait_s: float) -> None:
        """Count together with what other partitions of the stream bring meanwhile."""
        self._coming += members
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_joined(wait_s))
        # Whoever stops waiting must not stop the others' writing.
        await asyncio.shield(self._writing)

    async def _write_joined(self, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        members, self._coming, self._writing = self._coming, [], None
        await self._write(members)

    async def _write(self, members: Sequence[CountedAct]) -> None:
        await self._counts.apply(members)
        if self._hints is not None:
            for video_id in {member.video_id for member in members}:
                self._hints.send(video_id, self._clock.now_ms())


class ListActs(Gathered):
    """Keeps places of lists by person, those of many acts in a few writes. Each carries the version of its news, and so does the deletion of one
    that an act left: whatever comes late or twice changes nothing."""

    name = "engaged"
    topics = ("social",)

    def __init__(self, *, lists: ListStore) -> None:
        self._lists = lists
        self.handlers = {events_pb2.EngagementChanged: self.alone}

    async def gather(self, events: Sequence[Incoming[Any]], *, last: bool) -> Sequence[Incoming[Any]]:
        """See the base class; holds nothing."""
        taken: list[EngagedVideo] = []
        left: list[EngagedVideo] = []
        for event in events:
            now, before = places_from_event(event.message, version=event.envelope.key_version)
            taken += now
            left += before
        await self._lists.move(taken, left)
        return ()
