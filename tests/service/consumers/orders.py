"""One history heard in many orders by a service's consumers: each time by people, videos and comments of their own, who all have to end alike."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from clipmesh.common.v1.envelope_pb2 import EventEnvelope
from google.protobuf import descriptor_pool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from mesh.events.applying import Applying
from mesh.events.event import EventMaker
from mesh.events.rows import EVENT_TABLES
from mesh.events.shapes import Consumer
from mesh.ids import NextId, NodeLease
from mesh.stores.tables import open_tables
from mesh.stores.tables.port import Page, Tables
from mesh.stores.tables.requests import RequestRecord
from mesh.testing.clock import FakeClock

NOW_MS: Final = 20_400 * 86_400_000 + 12 * 3_600_000
"""A noon, so that hours around it are of one day."""
SPACE: Final = 10**7
"""Ids of one order are this far from those of the next: larger than any number of days, smaller than any time in milliseconds."""
LEAST_ID: Final = 100
MOST_IDS: Final = 10_000
"""Numbers of a history from LEAST_ID to below MOST_IDS are ids; versions and kinds are smaller, durations and times larger."""
FIRST_EVENT: Final = 1_005
EVENTS_APART: Final = 10
"""Ids of events, in the order in which things happened: those of operations lie between them."""
AT_ONCE: Final = 50

Told = tuple[str, int, Message]
"""Key, version of the key, and what happened."""
View = Callable[[Any], Any]
"""What of a row has to be alike; None for a row that means nothing by itself."""


@dataclass(frozen=True, slots=True)
class Wired:
    """The consumers of a service over one store."""

    tables: Tables
    clock: FakeClock
    next_id: NextId
    events: EventMaker


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What some consumers hear, and what has to come of it."""

    name: str
    service: str
    consumers: tuple[type[Consumer], ...]
    """Those that are proven by it."""
    rows: tuple[type, ...]
    wire: Callable[[Wired], Sequence[Consumer]]
    happened: Callable[[], Sequence[Told]]
    """In the order in which it happened, a second apart."""
    views: Mapping[type, View]
    prepare: Callable[[Wired, int], Awaitable[None]] | None = None
    """Writes what stands beforehand for the ids of one order; it is given how far they are moved."""
    in_key_order: bool = False
    """Whether what happens to one key has to be heard first in its order, as the stream promises; what was heard may still come again at any time."""
    expected: frozenset[Any] = field(default_factory=frozenset)
    """Some of what has to be seen, so that a history of nothing is noticed."""
    unexpected: frozenset[Any] = field(default_factory=frozenset)
    """Some of what must not be."""


async def prove(history: History, folder: Path, *, orders: int, again: int = 5) -> None:
    """Hear a history in its order, and in so many other orders with repeats; then one in `again` of them once more. Raises AssertionError when an
    end differs, or when what was heard again changed a row."""
    clock = FakeClock(NOW_MS)
    tables = await open_tables(
        f"sqlite:///{folder}", service=history.service, row_types=(*history.rows, NodeLease, RequestRecord, *EVENT_TABLES), clock=clock
    )
    try:
        numbers = itertools.count(10**15)
        make = EventMaker(producer=history.service, next_id=numbers.__next__, clock=clock)
        wired = Wired(tables, clock, lambda after=0: max(next(numbers), after + 1), make)
        consumers = history.wire(wired)
        assert {type(one) for one in consumers} >= set(history.consumers)
        events = _events(history)
        gate = asyncio.Semaphore(AT_ONCE)

        async def hear(number: int, dice: random.Random | None, *, first: bool) -> None:
            moved = [_moved(event, number * SPACE) for event in events]
            async with gate:
                if first and history.prepare is not None:
                    await history.prepare(wired, number * SPACE)
                # Which consumer is behind the others is chance as well.
                for consumer in consumers if dice is None else dice.sample(list(consumers), len(consumers)):
                    order = moved if dice is None else _order(moved, dice, in_key_order=history.in_key_order and first)
                    await _hear(consumer, tables, order, dice or random.Random(0))

        await asyncio.gather(*(hear(number, random.Random(number) if number > 1 else None, first=True) for number in range(1, orders + 2)))
        seen = await _seen(history, tables, orders + 1)
        assert history.expected <= seen[1] - history.unexpected == seen[1], (history.name, seen[1])
        for number in range(2, orders + 2):
            assert seen[number] == seen[1], (history.name, number, seen[number] ^ seen[1])
        before = await _everything(history, tables)
        await asyncio.gather(*(hear(number, random.Random(-number), first=False) for number in range(1, orders + 2, again)))
        after = await _everything(history, tables)
        assert after == before, (history.name, sorted(map(repr, after ^ before))[:6])
    finally:
        await tables.close()


def _events(history: History) -> list[EventEnvelope]:
    clock = FakeClock(NOW_MS)
    make = EventMaker(producer=history.service, next_id=itertools.count(FIRST_EVENT, EVENTS_APART).__next__, clock=clock)
    events = []
    for key, version, message in history.happened():
        clock.advance(1_000)
        events.append(make.make(message, key=key, key_version=version).envelope(row_version=version))
    return events


def _order(events: Sequence[EventEnvelope], dice: random.Random, *, in_key_order: bool) -> list[EventEnvelope]:
    order = [event for event in events for _ in range(dice.choice([1, 1, 2]))]
    dice.shuffle(order)
    if in_key_order:
        waiting: dict[str, list[EventEnvelope]] = {}
        for event in events:
            waiting.setdefault(event.key, []).append(event)
        heard: dict[str, list[EventEnvelope]] = {}
        for at, event in enumerate(order):
            known = heard.setdefault(event.key, [])
            again = known and (not waiting[event.key] or dice.random() < 0.3)
            order[at] = dice.choice(known) if again else waiting[event.key].pop(0)
            known.append(order[at])
        order += [event for left in waiting.values() for event in left]
    return order


async def _hear(consumer: Consumer, tables: Tables, order: Sequence[EventEnvelope], dice: random.Random) -> None:
    applying = Applying(consumer=consumer, tables=tables, handler_timeout_ms=60_000, telemetry=None)
    if applying.gathered is None:
        for event in order:
            await applying.apply(event)
        return
    asked = [opened for event in order if (opened := applying.opened(event)) is not None]
    while asked:
        size = dice.randint(1, len(asked))
        assert not await applying.gather(asked[:size], last=True)
        asked = asked[size:]


def _moved(event: EventEnvelope, by: int) -> EventEnvelope:
    """The same event of others: every id in it is moved."""
    message = GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(event.type)).FromString(event.payload)
    _move(message, by)
    moved = EventEnvelope()
    moved.CopyFrom(event)
    moved.event_id = _id(event.event_id, by)
    moved.key_version = _id(event.key_version, by)
    moved.key = ":".join(str(_id(int(part), by)) if part.isdigit() else part for part in event.key.split(":"))
    moved.payload = message.SerializeToString()
    return moved


def _move(message: Message, by: int) -> None:
    for descriptor, value in list(message.ListFields()):
        if descriptor.message_type is not None:
            for one in value if descriptor.is_repeated else [value]:
                _move(one, by)
        elif descriptor.cpp_type == descriptor.CPPTYPE_INT64:
            if descriptor.is_repeated:
                value[:] = [_id(one, by) for one in value]
            else:
                setattr(message, descriptor.name, _id(value, by))


def _id(value: int, by: int) -> int:
    return value + by if LEAST_ID <= value < MOST_IDS else value


# ── what came of it ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _rows(row_type: type, tables: Tables) -> list[Any]:
    found: list[Any] = []
    after = ""
    while True:
        page: Page[Any] = await tables.walk(row_type, after=after, limit=1_000)
        found += page.rows
        after = page.next
        if not after:
            return found


async def _everything(history: History, tables: Tables) -> set[Any]:
    return {row for row_type in history.rows for row in await _rows(row_type, tables)}


async def _seen(history: History, tables: Tables, orders: int) -> dict[int, set[Any]]:
    """What is to be seen of each order, with its ids moved back."""
    seen: dict[int, set[Any]] = {number: set() for number in range(1, orders + 1)}
    sums: dict[tuple[int, Any], int] = {}
    for row_type, view in history.views.items():
        for row in await _rows(row_type, tables):
            number = next(value // SPACE for value in _numbers(row) if SPACE <= value < (orders + 1) * SPACE)
            back = _back(row, number * SPACE)
            if _is_tally(row):
                key = (number, (row_type.__name__, *(getattr(back, name) for name in _partition(row) if name != "shard")))
                sums[key] = sums.get(key, 0) + row.size
            elif (told := view(back)) is not None:
                seen[number].add((row_type.__name__, told))
    for (number, key), size in sums.items():
        seen[number].add((*key, "size", size))
    # What never got a member and what lost them all count alike.
    return {number: {one for one in found if one[-2:] != ("size", 0)} for number, found in seen.items()}


def _is_tally(row: Any) -> bool:
    names = {one.name for one in fields(row)}
    return {"size", "shard"} <= names and next(
        getattr(row, name) for name in ("member", "other_id", "user_id") if name in _members(row)
    ) == 0


def _members(row: Any) -> set[str]:
    return {one.name for one in fields(row)} - set(_partition(row))


def _partition(row: Any) -> list[str]:
    return [one.name for one in fields(row) if "Partition" in str(one.type)]


def _numbers(row: Any) -> Iterable[int]:
    for one in fields(row):
        value = getattr(row, one.name)
        if isinstance(value, int):
            yield value
        elif isinstance(value, str):
            yield from map(int, re.findall(r"\d+", value))


def _back(row: Any, by: int) -> Any:
    def back(value: int) -> int:
        return value - by if by <= value < by + MOST_IDS else value

    moved: dict[str, Any] = {}
    for one in fields(row):
        value = getattr(row, one.name)
        if isinstance(value, str):
            moved[one.name] = re.sub(r"\d+", lambda found: str(back(int(found[0]))), value)
        elif type(value) is int:
            moved[one.name] = back(value)
    return replace(row, **moved)
