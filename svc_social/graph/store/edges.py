"""Rows of edges: who follows whom as each end counts it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mesh.stores.tables.port import Tables
from mesh.stores.tables.tallies import TalliedSet
from svc_social.graph.tables import Direction, Edge


class EdgeStore:
    """Repository of edges and their numbers."""

    def __init__(self, *, tables: Tables) -> None:
        self._edges = TalliedSet(tables=tables, row_type=Edge)

    async def count(self, edges: Iterable[Edge]) -> None:
        """Bring edges up to the bonds they were read from; what is not newer changes nothing."""
        await self._edges.apply(edges)

    async def counts(self, user_ids: Sequence[int], *directions: Direction) -> dict[tuple[int, Direction], int]:
        """Sizes by person and direction."""
        found = await self._edges.counts([(user_id, direction) for user_id in user_ids for direction in directions])
        return {(user_id, direction): size for (user_id, direction), size in found.items()}
