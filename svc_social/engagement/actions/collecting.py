"""Collections: named places for saves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mesh.clock import Clock
from mesh.errors import SignInRequired
from mesh.sealing import KeyGone, PersonSealer, Sealed
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
class NamedCollection:
    """A collection with its name opened."""

    collection: Collection
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Collecting:
    """Makes, renames, deletes and lists a person's collections, whose names are sealed by the person's key."""

    collections: CollectionStore
    sealer: PersonSealer
    requests: RequestLog
    next_id: Callable[[], int]
    clock: Clock

    async def create(self, user_id: int, *, name: str, asked: Asked) -> NamedCollection:
        """A new collection; as it stands when the same request made it before. Raises InvalidText, TooManyCollections, RequestIdReused,
        SignInRequired, CollectionNotFound for the repeat of one that was deleted since."""
        name = check_name(name, field="name")
        claim = await self.requests.claim(
            caller=user_id, method=asked.method, request_id=asked.request_id, body=asked.body, new_id=self.next_id
        )
        sealed = await self._sealed(user_id, claim.resource_id, name)
        made = Collection(user_id=user_id, collection_id=claim.resource_id, name_sealed=sealed, created_at_ms=self.clock.now_ms())
        collection = await self.collections.create(made, most=MOST_COLLECTIONS)
        if collection is None:
            raise TooManyCollections(most=MOST_COLLECTIONS)
        if collection.collection_id < 0:
            raise CollectionNotFound()
        return await self._named(collection)

    async def rename(self, user_id: int, collection_id: int, *, name: str, asked: Asked) -> NamedCollection:
        """The collection with another name; as it stands when the same request came before. Raises InvalidText, CollectionNotFound,
        RequestIdReused, SignInRequired."""
        name = check_name(name, field="name")
        if await self.collections.get(user_id, collection_id) is None:
            raise CollectionNotFound()
        sealed = await self._sealed(user_id, collection_id, name)
        claim = await self.requests.claim(
            caller=user_id, method=asked.method, request_id=asked.request_id, body=asked.body, new_id=self.next_id
        )

        def change(row: Collection) -> Collection | None:
            if is_applied(row.applied_edits, claim):
                return None
            return replace(row, name_sealed=sealed, applied_edits=with_applied(row.applied_edits, claim))

        collection = await self.collections.change(user_id, collection_id, change)
        if collection is None:
            raise CollectionNotFound()
        return await self._named(collection)

    async def delete(self, user_id: int, collection_id: int) -> None:
        """End a collection; what was saved in it stays saved. Raises CollectionNotFound."""
        expires_at_ms = self.clock.now_ms() + _DELETED_KEPT_MS
        if not await self.collections.delete(user_id, collection_id, expires_at_ms=expires_at_ms):
            raise CollectionNotFound()

    async def all(self, user_id: int) -> list[NamedCollection]:
        """A person's collections, oldest first; at most 200, none of somebody who was erased."""
        rows = await self.collections.all(user_id)
        names = await self.sealer.unseal_many(
            [Sealed(person_id=user_id, field=_place(row.collection_id), value=row.name_sealed) for row in rows]
        )
        return [NamedCollection(collection=row, name=name) for row, name in zip(rows, names, strict=True) if name is not None]

    async def _sealed(self, user_id: int, collection_id: int, name: str) -> bytes:
        try:
            return await self.sealer.seal(user_id, _place(collection_id), name)
        except KeyGone as error:
            raise SignInRequired() from error

    async def _named(self, row: Collection) -> NamedCollection:
        try:
            return NamedCollection(collection=row, name=await self.sealer.unseal(row.user_id, _place(row.collection_id), row.name_sealed))
        except KeyGone as error:
            raise SignInRequired() from error


def _place(collection_id: int) -> str:
    return f"collection_name:{collection_id}"
