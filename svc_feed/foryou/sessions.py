"""Sessions: which pages led to a cursor, so that nothing played comes again and what was only served returns to the pool."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from svc_feed.foryou.cursors import Cursor
from svc_feed.foryou.errors import BadCursor, CursorExpired
from svc_feed.foryou.query import Slot
from svc_feed.foryou.store import ForYouStore
from svc_feed.foryou.tables import ServedPage

MOST_PLAYED = 256
"""Played videos that a page's row repeats; when they are more, the row refers to an earlier page instead, so that rows stay small and a long
session is read with few gets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a session stands at a cursor."""

    served: ServedPage | None
    """The page that this cursor was answered with before."""
    parent: ServedPage
    """The page that holds the slot of the cursor."""
    played: tuple[int, ...]
    """All videos played in the session, oldest first."""


class Sessions:
    """Reads places, and prepares rows that continue them."""

    def __init__(self, *, store: ForYouStore) -> None:
        self._store = store

    async def place(self, cursor: Cursor) -> Place:
        """The place of a cursor. Raises CursorExpired when its pages are gone, BadCursor when it points behind its page."""
        served, parent = await self._store.leading_to(cursor.session_id, cursor.key, cursor.page_key)
        if parent is None or parent.page_id != cursor.page_id:
            raise CursorExpired()
        if cursor.index >= len(slots_of(parent)):
            raise BadCursor()
        if served is not None:
            return Place(served=served, parent=parent, played=())
        pieces, page, index = [], parent, cursor.index
        while True:
            pieces.append((*_unpacked(page.played), *_shown(page, index)))
            if page.base_index < 0:
                break
            base = await self._store.page(cursor.session_id, page.base_key)
            if base is None:
                raise CursorExpired()
            page, index = base, page.base_index
        return Place(served=None, parent=parent, played=tuple(video_id for piece in reversed(pieces) for video_id in piece))


def continued(page: ServedPage, place: Place, cursor: Cursor) -> ServedPage:
    """The row of a new page with what was played before it."""
    parent = place.parent
    since_base = (*_unpacked(parent.played), *_shown(parent, cursor.index))
    page = replace(page, played_count=len(place.played))
    if len(since_base) > MOST_PLAYED:
        return replace(page, base_key=parent.cursor_key, base_index=cursor.index)
    return replace(page, played=_packed(since_base), base_key=parent.base_key, base_index=parent.base_index)


def slots_of(page: ServedPage) -> list[Slot]:
    """The slots of a page, its reserve behind them."""
    return [Slot(*slot) for slot in json.loads(page.slots)]


def slots_text(slots: Sequence[Slot]) -> str:
    """Slots as a row keeps them."""
    return json.dumps([[slot.video_id, slot.source_mask, slot.score] for slot in slots], separators=(",", ":"))


def _shown(page: ServedPage, index: int) -> list[int]:
    return [slot.video_id for slot in slots_of(page)[: index + 1]]


def _packed(video_ids: Iterable[int]) -> bytes:
    return array("q", video_ids).tobytes()


def _unpacked(played: bytes) -> Sequence[int]:
    return array("q", played)
