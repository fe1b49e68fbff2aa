"""Whether a conditional write happened: the marks of its partition tell, and can put an end to one that is still under way.

Every conditional write of a partition carries a position, demands that the partition's last position is smaller, and leaves its position twice: as the
partition's last one and as the last one of its writer. So a write happened when its writer's mark is its position; it never will when the partition's last
position is as large or larger.
"""

from __future__ import annotations

from collections.abc import Sequence

from mesh.stores.tables.cql.session import CqlSession, MaybeWritten
from mesh.stores.tables.cql.tables import LAST, CqlTable
from mesh.stores.tables.port import TablesUnavailable
from mesh.stores.tables.rows import Scalar


class Marks:
    """The marks of one partition of a guarded table."""

    def __init__(self, session: CqlSession, table: CqlTable, partition: Sequence[Scalar]) -> None:
        self._session = session
        self._table = table
        self._partition = partition

    def _values(self, mark: int) -> tuple[Scalar, ...]:
        return (*self._partition, mark, *self._table.clustering_zeros)

    async def _find(self, mark: int) -> int | None:
        """A mark as all agree on it now: a conditional write that is half done is finished by this read. None when there is none."""
        found = await self._session.read(self._table.find_mark, self._values(mark))
        return found[0][0] if found else None

    async def last(self) -> int | None:
        """The partition's last position."""
        return await self._find(LAST)

    async def happened(self, position: int, writer: int) -> bool | None:
        """Whether a write happened; None while it still may. False also when its writer went on since: it decides what happened before it goes on."""
        mine = await self._find(writer)
        if mine == position:
            return True
        if mine is not None and mine > position:
            return False
        last = await self.last()
        if last is None or last < position:
            return None
        # It may have come between the two reads, but after the second it cannot come any more.
        return await self._find(writer) == position

    async def settle(self, position: int, writer: int) -> bool:
        """The same, and final: a write that may still happen is kept from it by moving the partition's last position. Raises TablesUnavailable."""
        while True:
            known = await self.happened(position, writer)
            if known is not None:
                return known
            last = await self.last()
            query = self._table.begin if last is None else self._table.pass_by
            condition = None if last is None else position
            try:
                await self._session.write_all(
                    [(query, (position, *self._values(LAST), condition))], level=self._table.levels.plain, serial=self._table.levels.serial
                )
            except MaybeWritten as error:
                raise TablesUnavailable(f"the outcome cannot be told yet: {error}") from error
