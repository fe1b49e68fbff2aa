"""Rows of lists: places by month, newest first, and the months that there are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from mesh.stores.tables.port import Tables
from svc_social.graph.rules import Place
from svc_social.graph.tables import MONTH_MS, ListedMonth, ListedPerson, ListKind

_READS_A_PAGE = 12
"""A page that finds little answers short after this many months, with a cursor."""


@dataclass(frozen=True, slots=True)
class ListPage:
    """Places, newest first, and where to go on; empty at the end."""

    places: tuple[Place, ...]
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListStore:
    """Repository of lists."""

    tables: Tables

    async def move(self, *, gone: Collection[Place], come: Collection[Place], version: int) -> None:
        """Take places out of lists and put others in, as of a version of their bond; older and repeated news change nothing."""
        if gone:
            await self.tables.delete(*(_row(place, version) for place in sorted(gone)))
        if come:
            # A month is never taken back, so it needs no version of its own.
            months = {(row.user_id, row.kind, row.month) for row in (_row(place, version) for place in come)}
            listed = [ListedMonth(user_id=user_id, kind=kind, month=month, version=1) for user_id, kind, month in sorted(months)]
            await self.tables.put(*(_row(place, version) for place in sorted(come)), *listed)

    async def page(self, user_id: int, kind: ListKind, *, after: str, limit: int) -> ListPage:
        """At most `limit` places behind a cursor; may be fewer, or none, though more follow."""
        month, _, cursor = after.partition(":")
        # A month that is under way is read on first; the months behind it come from their own list.
        first = (int(month),) if month else ()
        months = await self._months(user_id, kind, first)
        places: list[Place] = []
        for number, listed in enumerate(months):
            if number == _READS_A_PAGE or len(places) == limit:
                return ListPage(tuple(places), f"{listed.month}:")
            inner = cursor if month and listed.month == int(month) else ""
            page = await self.tables.scan(ListedPerson, user_id, kind, listed.month, after=inner, limit=limit - len(places))
            places += [Place(row.user_id, row.kind, row.since_ms, row.other_id) for row in page.rows]
            if page.next:
                return ListPage(tuple(places), f"{listed.month}:{page.next}")
        return ListPage(tuple(places), "")

    async def _months(self, user_id: int, kind: ListKind, first: tuple[int, ...]) -> list[ListedMonth]:
        """The newest months of a list from one on, and one more than a page reads."""
        months: list[ListedMonth] = []
        after = ""
        while len(months) <= _READS_A_PAGE:
            page = await self.tables.scan(ListedMonth, user_id, kind, first=first, after=after, limit=_READS_A_PAGE + 1 - len(months))
            months += page.rows
            after = page.next
            if not after:
                break
        return months


def _row(place: Place, version: int) -> ListedPerson:
    return ListedPerson(
        user_id=place.user_id,
        kind=place.kind,
        month=place.since_ms // MONTH_MS,
        since_ms=place.since_ms,
        other_id=place.other_id,
        version=version,
    )
