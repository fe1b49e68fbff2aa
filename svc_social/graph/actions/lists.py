"""Lists and counts of people: folded from events, and compared with the bonds before anybody sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mesh.pages import PageTokens, clamp
from svc_social.graph.actions.relations import Relations
from svc_social.graph.errors import FollowsArePrivate
from svc_social.graph.rules import Place, are_parted, may_list, pair_of, stands
from svc_social.graph.store.bonds import BondStore
from svc_social.graph.store.edges import EdgeStore
from svc_social.graph.store.lists import ListStore
from svc_social.graph.tables import Direction, ListKind
from svc_social.identity.actions import AccountNotFound, Profiles


@dataclass(frozen=True, slots=True)
class Page:
    """Places in a list, newest first, and the token of the next page."""

    places: tuple[Place, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphLists:
    """Reads lists and counts."""

    bonds: BondStore
    edges: EdgeStore
    lists: ListStore
    relations: Relations
    profiles: Profiles
    tokens: PageTokens

    async def of_person(self, viewer_id: int, owner_id: int, kind: ListKind, *, page_size: int, page_token: str) -> Page:
        """Followers of a person, or whom it follows. Raises AccountNotFound, FollowsArePrivate, InvalidPageToken."""
        accounts = await self.profiles.many([owner_id])
        [relation] = await self.relations.of(viewer_id, [owner_id])
        if not accounts or relation.theirs.blocks:
            raise AccountNotFound
        if not may_list(viewer_id=viewer_id, owner_id=owner_id, is_private=accounts[0].is_private, relation=relation):
            raise FollowsArePrivate
        return await self._page(viewer_id, owner_id, kind, page_size=page_size, page_token=page_token)

    async def own(self, viewer_id: int, kind: ListKind, *, page_size: int, page_token: str) -> Page:
        """Who asks to follow the viewer, whom the viewer blocks or mutes. Raises InvalidPageToken."""
        return await self._page(viewer_id, viewer_id, kind, page_size=page_size, page_token=page_token)

    async def counts(self, viewer_id: int, user_ids: Sequence[int]) -> list[tuple[int, int, int]]:
        """(person, followers, following) in the order asked, each once; who blocks the viewer has nothing to show."""
        wanted = list(dict.fromkeys(user_ids))
        hidden = await self.relations.hidden_from(viewer_id, wanted)
        shown = [user_id for user_id in wanted if user_id not in hidden]
        sizes = await self.edges.counts(shown, Direction.FOLLOWERS, Direction.FOLLOWING)
        return [(user_id, sizes.get((user_id, Direction.FOLLOWERS), 0), sizes.get((user_id, Direction.FOLLOWING), 0)) for user_id in wanted]

    async def _page(self, viewer_id: int, owner_id: int, kind: ListKind, *, page_size: int, page_token: str) -> Page:
        name, scope = f"graph.{kind.name.lower()}", str(owner_id)
        page = await self.lists.page(owner_id, kind, after=self.tokens.decode(name, scope, page_token), limit=clamp(page_size))
        return Page(await self._true(viewer_id, page.places), self.tokens.encode(name, scope, page.next))

    async def _true(self, viewer_id: int, places: Sequence[Place]) -> tuple[Place, ...]:
        """The places that the bonds confirm, without people whom a block parts from the viewer; one read for all of them."""
        own = {place: pair_of(place.user_id, place.other_id) for place in places}
        to_viewer = {
            place: pair_of(viewer_id, place.other_id) for place in places if viewer_id and viewer_id not in {place.user_id, place.other_id}
        }
        bonds = await self.bonds.get_many([*own.values(), *to_viewer.values()])
        parted = {place for place, pair in to_viewer.items() if pair in bonds and are_parted(bonds[pair])}
        return tuple(place for place in places if place not in parted and stands(place, bonds.get(own[place])))
