"""The reading end of the outbox: entries in the order of their positions, though some appear late and some are not decided yet.

A position that is handed out names the moment up to which everything is done. It stays a window behind the clock, longer than any write takes, so that
whoever goes on from it in another process misses nothing; what lies in the window and was handed out already is remembered in this process.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from mesh.clock import Clock
from mesh.stores.tables.cql.outbox_log import OutboxLog
from mesh.stores.tables.cql.outbox_tables import OutboxCql, Place, State
from mesh.stores.tables.cql.positions import bucket_of, first_of
from mesh.stores.tables.cql.session import CqlSession
from mesh.stores.tables.cql.settling import Settling
from mesh.stores.tables.port import InvalidUse, OutboxEntry, OutboxPage

WINDOW_MS = 60_000
"""How late an entry may appear: a write's time limit and what the clocks of a service's processes may differ, generously."""
LOOK_BACK_EVERY_S = 0.5
"""How often the whole window is looked at for what other processes wrote."""
_NEAR = first_of(1_000)
"""How far behind the last entry a look in between goes."""
_CHUNK = 2_000
_SESSIONS = 128
_MOST_POSITION = 2**63 - 1
_TRIES = 4


@dataclass(slots=True)
class Session:
    """What is remembered behind one position that was handed out."""

    low: int
    """Everything up to here is done."""
    seen: set[Place] = field(default_factory=set)
    """What is done behind it."""
    tail: int = 0
    """The last position that is done."""
    waiting: int = _MOST_POSITION
    """The first position that was seen and is not done."""
    looked_back_at_s: float = 0.0
    count: int = -1
    """How often this process had written to the shard when it was last read to its end; -1 when it was not."""

    before: str | None = None
    """The position that this one followed, until it is gone on from."""
    next: str = ""
    """The position that was handed out last for what follows this one."""

    def move_on(self, bound: int) -> None:
        """Forget what nobody can ask for any more."""
        if bound > self.low:
            self.low = bound
            self.seen = {place for place in self.seen if place.position > bound}

    def behind(self, places: Sequence[Place], *, bound: int, count: int) -> Session:
        """What is remembered once these are done as well, and with them everything up to `bound`."""
        following = Session(
            self.low,
            seen=self.seen | set(places),
            tail=max(self.tail, places[-1].position),
            looked_back_at_s=self.looked_back_at_s,
            count=count,
        )
        following.move_on(bound)
        return following

    def near(self) -> int:
        """Where a look begins that only wants what is new."""
        return max(self.low, min(self.tail - _NEAR, self.waiting - 1))


@dataclass(frozen=True, slots=True)
class _Found:
    """An entry as it was fetched."""

    place: Place
    state: State
    origin: str
    content: OutboxEntry


class OutboxReader:
    """Reads shards for the relay of this process."""

    def __init__(self, session: CqlSession, cql: OutboxCql, log: OutboxLog, settling: Settling, clock: Clock) -> None:
        self._session = session
        self._cql = cql
        self._log = log
        self._settling = settling
        self._clock = clock
        self._sessions: OrderedDict[tuple[int, str], Session] = OrderedDict()
        self._handed_out = 0

    async def read(self, shard: int, after: str, limit: int) -> OutboxPage:
        """See the port."""
        low = _low_of(shard, after)
        session = self._remembered(shard, after, low)
        page, following = await self._read(session, shard, limit)
        if following is None:
            return OutboxPage((), after)
        self._handed_out += 1
        position = f"{shard}.{following.low}.{self._log.writer}.{self._handed_out}"
        # Whoever asks again from the same position gets the same again; what was handed out for the last time it did so is not gone on from.
        self._sessions.pop((shard, session.next), None)
        session.next, following.before = position, after
        self._keep(shard, position, following)
        return OutboxPage(tuple(found.content for found in page), position)

    def _remembered(self, shard: int, after: str, low: int) -> Session:
        session = self._sessions.get((shard, after))
        if session is None:
            session = Session(low, tail=low)
            self._keep(shard, after, session)
        self._sessions.move_to_end((shard, after))
        if session.before is not None:
            # The reader went on from here, so it does not go back to where it came from.
            before = self._sessions.pop((shard, session.before), None)
            if before is not None and before.next != after:
                self._sessions[shard, session.before] = before
            session.before = None
        return session

    def _keep(self, shard: int, position: str, session: Session) -> None:
        self._sessions[shard, position] = session
        if len(self._sessions) > _SESSIONS:
            self._sessions.popitem(last=False)

    async def _read(self, session: Session, shard: int, limit: int) -> tuple[list[_Found], Session | None]:
        """The next page behind a session, and what is remembered behind the page; None when there is none."""
        count, now_s = self._log.counts[shard], time.monotonic()
        look_back = now_s - session.looked_back_at_s >= LOOK_BACK_EVERY_S
        if not look_back and session.count == count:
            return [], None
        start = session.low if look_back else session.near()
        for _ in range(_TRIES):
            places, ended = await self._look(session, shard, start, limit)
            page, cut, waits = await self._ready(session, shard, places, start)
            if page or not cut:
                break
        sent = {found.place for found in page}
        left = [place.position for place, _ in places if place not in session.seen and place not in sent]
        rest = min(left, default=_MOST_POSITION if ended else places[-1][0].position)
        if look_back and ended:
            session.looked_back_at_s = now_s
        if ended and not cut and (waits or rest == _MOST_POSITION):
            self._log.waiters.was_read(shard, count)
        done = count if ended and not cut and rest == _MOST_POSITION else -1
        # A look that began further on says nothing about what is before; and what is inside the window may still get company.
        floor = first_of(self._clock.now_ms() - WINDOW_MS) if start <= session.low else session.low
        following = session.behind([found.place for found in page], bound=min(rest - 1, floor), count=done) if page else None
        session.waiting = min([rest, *(place.position for place in sent)])
        session.count = -1 if page else done
        session.move_on(min(session.waiting - 1, floor))
        return page, following

    async def _look(self, session: Session, shard: int, start: int, limit: int) -> tuple[list[tuple[Place, State]], bool]:
        """Places behind `start` that are not done, at most so many that `limit` may be sent; True when there are no more."""
        found: list[tuple[Place, State]] = []
        for bucket_ms in await self._log.buckets(shard, from_ms=bucket_of(start)):
            behind = Place(start, _MOST_POSITION, 2**31 - 1)
            while True:
                chunk = min(_CHUNK, limit + len(session.seen) + 1)
                rows = await self._session.read(self._cql.look, (shard, bucket_ms, behind.position, behind.writer, behind.number, chunk))
                for position, writer, number, state in rows:
                    behind = Place(position, writer, number)
                    if behind in session.seen:
                        continue
                    if state == State.CANCELLED:
                        session.seen.add(behind)
                        continue
                    found.append((behind, State(state)))
                if len(found) >= limit:
                    return found[:limit], False
                if len(rows) < chunk:
                    break
        return found, True

    async def _ready(
        self, session: Session, shard: int, places: Sequence[tuple[Place, State]], start: int
    ) -> tuple[list[_Found], bool, bool]:
        """What may be sent of the places, in order; whether something came between, and whether something waits for its writer."""
        if not places:
            return [], False, False
        fetched, late = await asyncio.gather(
            self._fetch(shard, [place for place, _ in places]), self._came_between(session, shard, places, start)
        )
        held: set[tuple[str, str]] = set()
        page: list[_Found] = []
        waits = False
        for found in fetched:
            if late is not None and found.place > late:
                return page, True, waits
            key = (found.content.topic, found.content.key)
            known: bool | None = found.state is State.HAPPENED
            if found.state is State.CANCELLED:
                known = False
            elif not known:
                known = await self._settling.settle(shard, found.place, found.state, found.origin)
            if known is None:
                held.add(key)
                waits = True
            elif not known:
                session.seen.add(found.place)
            elif key not in held:
                page.append(found)
        return page, late is not None, waits

    async def _fetch(self, shard: int, places: Sequence[Place]) -> list[_Found]:
        wanted = set(places)
        buckets: dict[int, list[Place]] = {}
        for place in places:
            buckets.setdefault(bucket_of(place.position), []).append(place)
        found: list[_Found] = []
        for bucket_ms, there in buckets.items():
            for one, other in _runs(there):
                rows = await self._session.read(
                    self._cql.fetch, (shard, bucket_ms, one.position, one.writer, one.number, other.position, other.writer, other.number)
                )
                for position, writer, number, state, event_id, topic, key, envelope, origin in rows:
                    place = Place(position, writer, number)
                    if place in wanted:
                        found.append(_Found(place, State(state), origin, OutboxEntry(event_id, topic, key, envelope)))
        return found

    async def _came_between(self, session: Session, shard: int, places: Sequence[tuple[Place, State]], start: int) -> Place | None:
        """The first place that a second look finds before the last of the first look.

        An entry is there before its write is, so a later write of its key can only have been seen by a look that began after: one that has seen the
        later entry alone was under way meanwhile, on another node or in an earlier bucket.
        """
        known, last = {place for place, _ in places}, places[-1][0]
        start = max(start, first_of(self._clock.now_ms() - WINDOW_MS))
        if last.position <= start:
            return None
        for bucket_ms in await self._log.buckets(shard, from_ms=bucket_of(start)):
            if bucket_ms > bucket_of(last.position):
                break
            behind = Place(start, _MOST_POSITION, 2**31 - 1)
            while behind < last:
                chunk = min(_CHUNK, len(places) + len(session.seen) + 1)
                rows = await self._session.read(self._cql.look, (shard, bucket_ms, behind.position, behind.writer, behind.number, chunk))
                for position, writer, number, state in rows:
                    behind = Place(position, writer, number)
                    if behind < last and behind not in known and behind not in session.seen and state != State.CANCELLED:
                        return behind
                if len(rows) < chunk:
                    break
        return None


def _runs(places: Sequence[Place]) -> list[tuple[Place, Place]]:
    """Ranges that hold the places and little else: neighbours within a second are fetched together."""
    runs: list[tuple[Place, Place]] = []
    for place in places:
        if runs and place.position - runs[-1][1].position <= _NEAR:
            runs[-1] = (runs[-1][0], place)
        else:
            runs.append((place, place))
    return runs


def _low_of(shard: int, text: str) -> int:
    """The moment of a position that was handed out; InvalidUse when it is no position of this shard."""
    if not text:
        return 0
    parts = text.split(".")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts) or int(parts[0]) != shard:
        raise InvalidUse(f"{text!r} is no position of outbox shard {shard}")
    return min(int(parts[1]), _MOST_POSITION)
