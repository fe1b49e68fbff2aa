"""What stands between a viewer and others as of this moment, read from the bonds themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from svc_social.graph.rules import Relation, pair_of, seen_by
from svc_social.graph.store.bonds import BondStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Relations:
    """Reads bonds for whoever has to decide about two people."""

    bonds: BondStore

    async def of(self, viewer_id: int, user_ids: Sequence[int]) -> list[Relation]:
        """The viewer's relation to each person, in the order asked, each once; to oneself and to strangers there is nothing."""
        wanted = list(dict.fromkeys(user_ids))
        found = await self.bonds.get_many([pair_of(viewer_id, user_id) for user_id in wanted if viewer_id and user_id != viewer_id])
        bonds = ((user_id, found.get(pair_of(viewer_id, user_id))) for user_id in wanted)
        return [Relation(user_id=user_id) if bond is None else seen_by(viewer_id, bond) for user_id, bond in bonds]

    async def between(self, pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Relation]:
        """By (viewer, person): what stands between the two; between people who have nothing to do with one another there is nothing."""
        wanted = list(dict.fromkeys(pairs))
        found = await self.bonds.get_many([pair_of(*pair) for pair in wanted])
        return {
            (viewer_id, user_id): Relation(user_id=user_id)
            if (bond := found.get(pair_of(viewer_id, user_id))) is None
            else seen_by(viewer_id, bond)
            for viewer_id, user_id in wanted
        }

    async def hidden_from(self, viewer_id: int, user_ids: Iterable[int]) -> frozenset[int]:
        """Who of these people block the viewer."""
        if not viewer_id:
            return frozenset()
        return frozenset(relation.user_id for relation in await self.of(viewer_id, list(user_ids)) if relation.theirs.blocks)
