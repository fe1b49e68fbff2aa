"""Rows of collections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mesh.stores.tables.port import Change, Insert, Remove, RowExists, Tables, Transition, VersionConflict
from mesh.stores.tables.retry import ATTEMPTS, update
from svc_social.engagement.tables import Collection

_PAGE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionStore:
    """Repository of collections."""

    tables: Tables

    async def get(self, user_id: int, collection_id: int) -> Collection | None:
        """The collection."""
        return await self.tables.get(Collection, user_id, collection_id) if collection_id > 0 else None

    async def all(self, user_id: int) -> list[Collection]:
        """Every collection, oldest first."""
        found: list[Collection] = []
        after = ""
        while True:
            page = await self.tables.scan(Collection, user_id, first=(1,), after=after, limit=_PAGE)
            found += page.rows
            after = page.next
            if not after:
                return found

    async def create(self, collection: Collection, *, most: int) -> Collection | None:
        """Write a new collection, or find it when it was written before; its mark when it was deleted since, None when the person has `most`
        already. Raises VersionConflict."""
        for _ in range(ATTEMPTS):
            known, mark, count = await self._with_count(collection.user_id, collection.collection_id)
            if known is not None or mark is not None:
                return known or mark
            if count.count >= most:
                return None
            try:
                written = await self.tables.commit(Insert(collection), _counted(count, 1))
            except (RowExists, VersionConflict):
                continue
            made: Collection = written[0]
            return made
        raise VersionConflict(None)

    async def delete(self, user_id: int, collection_id: int, *, expires_at_ms: int) -> bool:
        """Replace a collection by its mark; False when there is none. Safe to repeat while the mark lasts. Raises VersionConflict."""
        for _ in range(ATTEMPTS):
            known, mark, count = await self._with_count(user_id, collection_id)
            if known is None:
                return mark is not None
            gone = Collection(user_id=user_id, collection_id=-collection_id, created_at_ms=known.created_at_ms, expires_at_ms=expires_at_ms)
            try:
                await self.tables.commit(Remove(known, known.version), Insert(gone), _counted(count, -1))
            except (RowExists, VersionConflict):
                continue
            return True
        raise VersionConflict(None)

    async def change(self, user_id: int, collection_id: int, change: Callable[[Collection], Collection | None]) -> Collection | None:
        """Apply a pure change; None when there is no such row."""
        return await update(self.tables, Collection, (user_id, collection_id), change)

    async def _with_count(self, user_id: int, collection_id: int) -> tuple[Collection | None, Collection | None, Collection]:
        keys = [(user_id, collection_id), (user_id, -collection_id), (user_id, 0)]
        rows = await self.tables.get_many(Collection, keys)
        return rows.get(keys[0]), rows.get(keys[1]), rows.get(keys[2]) or Collection(user_id=user_id, collection_id=0)


def _counted(count: Collection, more: int) -> Change:
    changed = replace(count, count=count.count + more)
    return Transition(changed, count.version) if count.version else Insert(changed)
