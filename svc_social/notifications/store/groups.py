"""Rows of groups: acts, and beside them how many they are."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from weakref import WeakValueDictionary

from mesh.stores.tables.port import Change, Tables
from svc_social.notifications import rules
from svc_social.notifications.rules import Act, News, Place
from svc_social.notifications.store.attempts import change_of, decide
from svc_social.notifications.tables import NotifiedAct

ACTS_A_WRITE = 100
"""Some 150 bytes each, so that so many stay far below what one write may weigh."""
MOST_KEYS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStore:
    """Repository of groups."""

    tables: Tables
    _turns: WeakValueDictionary[Hashable, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    async def apply(self, user_id: int, place: Place, acts: Sequence[Act]) -> News | None:
        """Bring a group up to acts, and say what it is now, also when none of them was newer; None for a group in which never anything stood."""
        news: News | None = None
        async with self._turns.setdefault((user_id, place), asyncio.Lock()):
            for start in range(0, len(acts), ACTS_A_WRITE):
                news = await self._apply(user_id, place, acts[start : start + ACTS_A_WRITE])
        return news

    async def _apply(self, user_id: int, place: Place, acts: Sequence[Act]) -> News | None:
        key = place.key
        # One moment for all rows of the group: it goes as a whole.
        expires_at_ms = (place.window + 1) * rules.WINDOW_MS + rules.KEPT_MS
        empty = NotifiedAct(user_id=user_id, place=key, member=0, expires_at_ms=expires_at_ms)

        async def decision() -> tuple[News | None, tuple[Change, ...]]:
            keys = [(user_id, key, member) for member in dict.fromkeys([0, *(act.member for act in acts)])]
            rows = {row.member: row for row in (await self.tables.get_many(NotifiedAct, keys)).values()}
            standing = rows.get(0, empty)
            group, fresh = rules.folded(standing, rows, acts)
            if not fresh:
                return _told(standing, place), ()
            changes = [change_of(group, version=standing.version)]
            for row in fresh:
                old = rows.get(row.member)
                changes.append(change_of(row, version=old.version if old is not None else 0))
            return _told(replace(group, version=standing.version + 1), place), tuple(changes)

        return await decide(self.tables, decision)

    async def of_actor(self, user_id: int, actor_id: int, places: Sequence[Place]) -> list[tuple[Place, NotifiedAct]]:
        """Acts of a person that stand in groups whose members are people."""
        found: list[tuple[Place, NotifiedAct]] = []
        for start in range(0, len(places), MOST_KEYS):
            keys = {(user_id, place.key, actor_id): place for place in places[start : start + MOST_KEYS]}
            rows = await self.tables.get_many(NotifiedAct, list(keys))
            found += [(keys[key], row) for key, row in rows.items() if row.present]
        return found

    async def all_of_actor(self, user_id: int, actor_id: int, place: Place) -> list[NotifiedAct]:
        """Acts of a person that stand in a group whose members are not people; reads all of it."""
        found: list[NotifiedAct] = []
        after = ""
        while True:
            page = await self.tables.scan(NotifiedAct, user_id, place.key, first=(1,), after=after, limit=1_000)
            found += [row for row in page.rows if row.present and row.actor_id == actor_id]
            after = page.next
            if not after:
                return found


def _told(group: NotifiedAct, place: Place) -> News | None:
    return rules.news_of(group, place) if group.news else None
