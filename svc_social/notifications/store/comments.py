"""Rows of comments that were heard of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mesh.stores.tables.port import Tables
from svc_social.notifications import rules
from svc_social.notifications.rules import Act, Place
from svc_social.notifications.tables import HeardComment, NotificationKind

_READ_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentStore:
    """Repository of comments that were heard of."""

    tables: Tables

    async def hear(self, acts: Sequence[Act]) -> list[Act]:
        """Acts of one comment, as told by one event, completed by what others told of it: all whom it ever concerned, as it stands in its newest
        version. Whoever has it in an entry of their own is not told of it among the comments of a video as well."""
        first = acts[0]
        expires_at_ms = first.acted_at_ms + rules.KEPT_MS + 2 * rules.WINDOW_MS
        state = HeardComment(
            comment_id=first.member,
            user_id=0,
            place="",
            author_id=first.actor_id,
            acted_at_ms=first.acted_at_ms,
            present=first.present,
            expires_at_ms=expires_at_ms,
            version=first.version,
        )
        concerned = [replace(state, user_id=act.user_id, place=act.place.key, present=False, version=1) for act in acts if act.user_id]
        await self.tables.put(state, *concerned)
        rows = await self._read(first.member)
        newest = next(row for row in rows if not row.user_id)
        places = {(row.user_id, Place.of_key(row.place)) for row in rows if row.user_id}
        own = {user_id for user_id, place in places if place.kind is not NotificationKind.COMMENT}
        return [
            replace(
                first,
                user_id=user_id,
                place=place,
                version=newest.version,
                present=newest.present and not (place.kind is NotificationKind.COMMENT and user_id in own),
            )
            for user_id, place in sorted(places)
        ]

    async def _read(self, comment_id: int) -> list[HeardComment]:
        rows: list[HeardComment] = []
        after = ""
        while True:
            page = await self.tables.scan(HeardComment, comment_id, after=after, limit=_READ_AT_ONCE)
            rows += page.rows
            after = page.next
            if not after:
                return rows
