"""Collections: named places for saves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mesh.clock import Clock
from mesh.stores.tables.requests import KEPT_MS, RequestLog, is_applied, with_applied
from svc_social.engagement.actions.acting import Asked
from svc_social.engagement.errors import CollectionNotFound, TooManyCollections
from svc_social.engagement.rules import MOST_COLLECTIONS
from svc_social.engagement.store import CollectionStore
from svc_social.engagement.tables import Collection
from svc_social.identity.actions import check_name

_DELETED_KEPT_MS = KEPT_MS + 3_600_000
"""A deleted collection is known a little longer than the request that made it: a late repeat must not make it anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collecting:
    """Makes, renames, deletes and lists a person's collections."""

    collections: CollectionStore
    requests: RequestLog
    next_id: Callable[[], int]
    clock: Clock

    async def create(self, user_id: int, *, name: str, asked: Asked) -> Collection:
        """A new collection; as it stands when the same request made it before. Raises InvalidText, TooManyCollections, RequestIdReused,
        CollectionNotFound for the repeat of one that was deleted since."""
        name = check_name(name, field="name")
        claim = await self.requests.claim(
            caller=user_id, method=asked.method, request_id=asked.request_id, body=asked.body, new_id=self.next_id
        )
        made = Collection(user_id=user_id, collection_id=claim.resource_id, name=name, created_at_ms=self.clock.now_ms())
        collection = await self.collections.create(made, most=MOST_COLLECTIONS)
        if collection is None:
            raise TooManyCollections(most=MOST_COLLECTIONS)
        if collection.deleted:
            raise CollectionNotFound()
        return collection

    async def rename(self, user_id: int, collection_id: int, *, name: str, asked: Asked) -> Collection:
        """The collection with another name; as it stands when the same request came before. Raises InvalidText, CollectionNotFound,
        RequestIdReused."""
        name = check_name(name, field="name")
        standing = await self.collections.get(user_id, collection_id)
        if standing is None or standing.deleted:
            raise CollectionNotFound()
        claim = await self.requests.claim(
            caller=user_id, method=asked.method, request_id=asked.request_id, body=asked.body, new_id=self.next_id
        )

        def change(row: Collection) -> Collection | None:
            if row.deleted or is_applied(row.applied_edits, claim):
                return None
            return replace(row, name=name, applied_edits=with_applied(row.applied_edits, claim))

        collection = await self.collections.change(user_id, collection_id, change)
        if collection is None or collection.deleted:
            raise CollectionNotFound()
        return collection

    async def delete(self, user_id: int, collection_id: int) -> None:
        """End a collection; what was saved in it stays saved. Raises CollectionNotFound."""
        expires_at_ms = self.clock.now_ms() + _DELETED_KEPT_MS
        if not await self.collections.delete(user_id, collection_id, expires_at_ms=expires_at_ms):
            raise CollectionNotFound()

    async def all(self, user_id: int) -> list[Collection]:
        """A person's collections, oldest first; at most 200."""
        return await self.collections.all(user_id)
