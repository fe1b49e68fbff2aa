"""Who follows a person, for whoever has to tell all of them something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from svc_social.graph.actions.relations import Relations
from svc_social.graph.rules import Relation
from svc_social.graph.store.lists import ListStore
from svc_social.graph.tables import ListKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Followers:
    """Walks through followers."""

    lists: ListStore
    relations: Relations

    async def page(self, user_id: int, *, after: str, limit: int) -> tuple[Sequence[Relation], str]:
        """What stands between a person and some of those who are listed as followers, newest first, and where to go on, empty at the end. The
        list may be stale: only the relation says who follows. A page may be empty though more follow."""
        page = await self.lists.page(user_id, ListKind.FOLLOWERS, after=after, limit=limit)
        return await self.relations.of(user_id, [place.other_id for place in page.places]), page.next
