"""Rows of inboxes: entries, and the head with their numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from mesh.clock import Clock
from mesh.stores.tables.port import Change, Remove, Tables
from svc_social.notifications import rules
from svc_social.notifications.rules import News, Step
from svc_social.notifications.store.attempts import change_of, decide
from svc_social.notifications.tables import InboxEntry

HEAD = ""
_READ_AT_ONCE = 1_000
"""More than an inbox ever has."""
_LEAVE_AT_ONCE = 40


@dataclass(frozen=True, slots=True)
class Received:
    """What became of news."""

    entry: InboxEntry
    changed: bool
    """False when the inbox knew them."""
    alert: int
    """The number of the entry's alert while it is unread, 0 otherwise."""
    number: int
    """The inbox's last change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxStore:
    """Repository of inboxes."""

    tables: Tables
    clock: Clock
    next_id: Callable[[], int]
    _turns: WeakValueDictionary[Hashable, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    async def receive(self, news: News) -> Received | None:
        """Bring an inbox up to news; None when there is no place for them."""
        user_id, place = news.user_id, news.place.key
        new_id = self.next_id()
        async with self._turns.setdefault(user_id, asyncio.Lock()):

            async def decision() -> tuple[tuple[Received | None, InboxEntry], tuple[Change, ...]]:
                head, entry = await self._with_head(user_id, place)
                step = (
                    None if news.updated_at_ms + rules.KEPT_MS <= self.clock.now_ms() else rules.received(head, entry, news, new_id=new_id)
                )
                if step is None:
                    return (_received(head, entry, changed=False), head), ()
                [now] = step.written
                changed = step.head.changed > head.changed
                return (_received(step.head, now, changed=changed), step.head), _changes(head, step, (entry,) if entry else ())

            answer, head = await decide(self.tables, decision)
            if head.count > rules.MOST_ENTRIES:
                await self._change(user_id, rules.relieved)
        return answer

    async def head(self, user_id: int) -> InboxEntry:
        """The numbers of an inbox as of now."""
        return await self._head_in_time(user_id)

    async def one(self, user_id: int, place: str) -> tuple[InboxEntry, InboxEntry | None]:
        """The head and one entry."""
        return await self._with_head(user_id, place)

    async def all(self, user_id: int) -> tuple[InboxEntry, tuple[InboxEntry, ...]]:
        """The head and every entry, also those that are gone."""
        await self._head_in_time(user_id)
        return await self._read(user_id)

    async def mark(self, user_id: int, *, ids: Collection[int], up_to: int, note: Callable[[InboxEntry], InboxEntry | None]) -> InboxEntry:
        """The head after a mark; `note` puts the mark's operation into the head, None when it is there already."""

        def change(head: InboxEntry, entries: Collection[InboxEntry]) -> Step | None:
            noted = note(head)
            return None if noted is None else rules.marked(noted, entries, ids=ids, up_to=up_to)

        await self._head_in_time(user_id)
        return await self._change(user_id, change)

    async def _with_head(self, user_id: int, place: str) -> tuple[InboxEntry, InboxEntry | None]:
        """Head and entry of an inbox that nothing that is over is in."""
        while True:
            rows = await self.tables.get_many(InboxEntry, [(user_id, HEAD), (user_id, place)])
            head = rows.get((user_id, HEAD)) or _empty(user_id)
            if not await self._age(head):
                return head, rows.get((user_id, place))

    async def _head_in_time(self, user_id: int) -> InboxEntry:
        """The head once everything that is over has left."""
        while True:
            head = await self.tables.get(InboxEntry, user_id, HEAD) or _empty(user_id)
            if not await self._age(head):
                return head

    async def _age(self, head: InboxEntry) -> bool:
        """Let some of what is over leave; False when there is nothing to leave."""
        now_ms = self.clock.now_ms()
        if not head.ends_at_ms or head.ends_at_ms > now_ms:
            return False
        await self._change(head.user_id, lambda head, entries: rules.aged(head, entries, now_ms=now_ms, most=_LEAVE_AT_ONCE))
        return True

    async def _change(self, user_id: int, change: Callable[[InboxEntry, Collection[InboxEntry]], Step | None]) -> InboxEntry:
        """The head after a pure change of the whole inbox."""

        async def decision() -> tuple[InboxEntry, tuple[Change, ...]]:
            head, entries = await self._read(user_id)
            step = change(head, entries)
            if step is None or step.head == head:
                return head, ()
            return step.head, _changes(head, step, entries)

        return await decide(self.tables, decision)

    async def _read(self, user_id: int) -> tuple[InboxEntry, tuple[InboxEntry, ...]]:
        rows: list[InboxEntry] = []
        after = ""
        while True:
            page = await self.tables.scan(InboxEntry, user_id, after=after, limit=_READ_AT_ONCE)
            rows += page.rows
            after = page.next
            if not after:
                break
        entries = tuple(row for row in rows if row.place != HEAD)
        return next((row for row in rows if row.place == HEAD), None) or _empty(user_id), entries


def _empty(user_id: int) -> InboxEntry:
    return InboxEntry(user_id=user_id, place=HEAD)


def _received(head: InboxEntry, entry: InboxEntry | None, *, changed: bool) -> Received | None:
    if entry is None:
        return None
    return Received(entry=entry, changed=changed, alert=entry.alerts if rules.is_unread(head, entry) else 0, number=head.changed)


def _changes(head: InboxEntry, step: Step, entries: Sequence[InboxEntry]) -> tuple[Change, ...]:
    versions = {entry.place: entry.version for entry in entries}
    return (
        change_of(step.head, version=head.version),
        *(change_of(entry, version=versions.get(entry.place, 0)) for entry in step.written),
        *(Remove(entry, entry.version) for entry in step.left),
    )
