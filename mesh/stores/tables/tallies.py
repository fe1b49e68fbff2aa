"""Sets that know their size: members and tally share a partition and change in one step, so a count is exact whatever comes twice or late."""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakValueDictionary

from mesh import deadline
from mesh.stores.tables.calls import MAX_KEYS
from mesh.stores.tables.port import (
    MAX_BATCH_BYTES,
    Change,
    Insert,
    OutcomeUnknown,
    Page,
    RowExists,
    Tables,
    TablesUnavailable,
    Transition,
    VersionConflict,
)
from mesh.stores.tables.rows import RowCodec, counted_bytes
from mesh.stores.tables.schema import Guard, InvalidTable, key_of, schema_of

SHARDS = 8
"""Partitions of one owner: conditional writes of one partition queue behind one another."""
ATTEMPTS = 16
"""How often a batch is read and judged again because another process wrote to the same partition meanwhile."""
AT_ONCE = 32
"""How many partitions of one batch are written side by side."""

_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.1
_ROOM_BYTES = MAX_BATCH_BYTES - 4 * 1024
"""What the members of one commit may weigh; the rest is for the tally."""
_MOST_MEMBERS = MAX_KEYS - 1


class TalliedRow(Protocol):
    """A guarded row of a tallied set: any partition columns that name the owner, then `shard`, and one clustering column, the member.

    The member that is empty (0 or "") is the tally; nobody else may have that key. All other columns are the member's own.
    """

    @property
    def shard(self) -> int:
        """Which of the owner's partitions it is; the set fills it in."""

    @property
    def source_version(self) -> int:
        """Version of what the row was made from: only a larger one replaces what stands."""

    @property
    def present(self) -> bool:
        """False for who was a member, or is known not to be one. Such rows stay: they keep older news away."""

    @property
    def size(self) -> int:
        """Of the tally: how many members are present."""

    @property
    def version(self) -> int:
        """The store's."""


R = TypeVar("R", bound=TalliedRow)
Owner = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Applied(Generic[R]):
    """What a batch changed."""

    members: tuple[R, ...]
    """Members as they were written; those that were not newer are left out."""
    grown: int
    """By how much the sizes changed, all owners together."""


class TalliedSet(Generic[R]):
    """The sets of one table, each with its size.

    A member's row is written together with the tally of its partition, under the versions of both that were read. So a tally is always the
    number of present members beside it, and a member that is not newer than what stands changes neither, however often it comes.
    """

    def __init__(self, *, tables: Tables, row_type: type[R], shards: int = SHARDS) -> None:
        schema = schema_of(row_type)
        names = {column.name for column in schema.columns}
        if schema.guard is not Guard.GUARDED or schema.partition[-1] != "shard" or len(schema.partition) < 2 or len(schema.clustering) != 1:
            raise InvalidTable(
                f"{schema.name}: a tallied set is guarded, partitioned by its owner and `shard`, and has one clustering column"
            )
        if not {"source_version", "present", "size"} <= names or schema.expires:
            raise InvalidTable(f"{schema.name}: a tallied set needs source_version, present and size, and no row of it expires")
        self._tables = tables
        self._row_type = row_type
        self._codec = RowCodec(schema)
        self._shards = shards
        self._owner = schema.partition[:-1]
        self._member = schema.clustering[0][0]
        self._empty = next(column.python_type for column in schema.columns if column.name == self._member)()
        self._turns: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    def shard_of(self, member: int | str) -> int:
        """The partition of a member; the same for ever, so the number of shards of a table must never change."""
        return zlib.crc32(str(member).encode()) % self._shards

    async def apply(self, members: Iterable[R]) -> Applied[R]:
        """Bring members up to their source version, each partition in as few commits as 48 KiB allow; `shard` and `version` are filled in.

        Of several rows of one member the newest counts. Partitions are written side by side; when one fails, those that were begun end first and
        no other begins. So commits of a batch that failed may be done: apply it again, what is done changes nothing then. Raises ValueError
        for the tally's own key and versions below 1, TablesUnavailable when others were faster each time or the time is over.
        """
        newest: dict[tuple[Any, ...], R] = {}
        for row in members:
            member = getattr(row, self._member)
            if member == self._empty or row.source_version < 1:
                raise ValueError(
                    f"{self._codec.schema.name}: member {member!r} in version {row.source_version} cannot stand in a tallied set"
                )
            placed = _with(row, shard=self.shard_of(member), size=0, version=0)
            key = key_of(placed)
            if key not in newest or newest[key].source_version < placed.source_version:
                newest[key] = placed
        partitions: dict[tuple[Any, ...], list[R]] = {}
        for key, row in newest.items():
            partitions.setdefault(key[:-1], []).append(row)
        done = await self._apply_all(partitions)
        return Applied(tuple(row for part in done for row in part.members), sum(part.grown for part in done))

    async def counts(self, owners: Sequence[Owner]) -> dict[Owner, int]:
        """How many members are present in each owner's set, 0 for an owner without any; one read for each 1,000 partitions."""
        found = {tuple(owner): 0 for owner in owners}
        keys = [(*owner, shard, self._empty) for owner in found for shard in range(self._shards)]
        for start in range(0, len(keys), MAX_KEYS):
            rows = await self._tables.get_many(self._row_type, keys[start : start + MAX_KEYS])
            for key, row in rows.items():
                found[key[:-2]] += row.size
        return found

    async def standing(self, keys: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], R]:
        """Rows by (owner columns, member), present or not; unknown members are left out."""
        placed = {(*key[:-1], self.shard_of(key[-1]), key[-1]): tuple(key) for key in keys}
        found: dict[tuple[Any, ...], R] = {}
        asked = list(placed)
        for start in range(0, len(asked), MAX_KEYS):
            rows = await self._tables.get_many(self._row_type, asked[start : start + MAX_KEYS])
            found |= {placed[key]: row for key, row in rows.items()}
        return found

    async def members(self, owner: Owner, *, after: str = "", limit: int = 100) -> Page[R]:
        """Present members of an owner, shard by shard in the order of their keys; a page may be short and still have a next one."""
        at, _, cursor = after.partition(":")
        shard = int(at or 0)
        page = await self._tables.scan(self._row_type, *owner, shard, after=cursor, limit=limit)
        rows = tuple(row for row in page.rows if row.present and getattr(row, self._member) != self._empty)
        if page.next:
            return Page(rows, f"{shard}:{page.next}")
        return Page(rows, f"{shard + 1}:" if shard + 1 < self._shards else "")

    def _cut(self, rows: Sequence[R]) -> Iterable[list[R]]:
        chunk: list[R] = []
        room = _ROOM_BYTES
        for row in rows:
            weight = counted_bytes(self._codec.encode(row))
            if chunk and (weight > room or len(chunk) == _MOST_MEMBERS):
                yield chunk
                chunk, room = [], _ROOM_BYTES
            chunk.append(row)
            room -= weight
        yield chunk

    async def _apply_all(self, partitions: Mapping[tuple[Any, ...], Sequence[R]]) -> list[Applied[R]]:
        """Apply partitions side by side, the chunks of each in order. Raises the first error, after everything that was begun has ended."""
        waiting = iter(partitions.items())
        done: list[Applied[R]] = []
        failures: list[BaseException] = []

        async def take() -> None:
            for partition, rows in waiting:
                try:
                    for chunk in self._cut(rows):
                        done.append(await self._apply(partition, chunk))
                except BaseException as error:
                    failures.append(error)
                    raise
                if failures:
                    return

        # Gathering with the errors as results waits for every one of them, also when it is cancelled.
        await asyncio.gather(*(take() for _ in range(min(AT_ONCE, len(partitions)))), return_exceptions=True)
        if failures:
            raise failures[0]
        return done

    async def _apply(self, partition: tuple[Any, ...], rows: Sequence[R]) -> Applied[R]:
        # Writers of one process go one after the other: they would only make each other begin anew.
        async with self._turns.setdefault(partition, asyncio.Lock()):
            for attempt in range(1, ATTEMPTS + 1):
                applied = await self._attempt(partition, rows)
                if applied is not None:
                    return applied
                if deadline.expired():
                    break
                await asyncio.sleep(random.uniform(0, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt)))  # noqa: S311
        raise TablesUnavailable(f"{self._codec.schema.name}: others wrote to a partition each time it was read")

    async def _attempt(self, partition: tuple[Any, ...], rows: Sequence[R]) -> Applied[R] | None:
        """Read, judge and write once; None when somebody else wrote in between, or nothing was written at all."""
        tally_key = (*partition, self._empty)
        standing = await self._tables.get_many(self._row_type, [tally_key, *map(key_of, rows)])
        fresh = [row for row in rows if (old := standing.get(key_of(row))) is None or old.source_version < row.source_version]
        if not fresh:
            return Applied((), 0)
        grown = sum(row.present - ((old := standing.get(key_of(row))) is not None and old.present) for row in fresh)
        changes = [_change(standing.get(key_of(row)), row) for row in fresh]
        if grown:
            tally = standing.get(tally_key) or self._new_tally(partition)
            changes.append(_change(standing.get(tally_key), _with(tally, size=tally.size + grown)))
        try:
            written = await self._tables.commit(*changes)
        except (RowExists, VersionConflict):
            return None
        except OutcomeUnknown as unknown:
            if not await self._tables.settle(unknown.token):
                return None
            return Applied(tuple(_with(row, version=_version_after(standing.get(key_of(row)))) for row in fresh), grown)
        return Applied(tuple(written[: len(fresh)]), grown)

    def _new_tally(self, partition: tuple[Any, ...]) -> R:
        names = (*self._owner, "shard", self._member)
        return self._row_type(**dict(zip(names, (*partition, self._empty), strict=True)))


def _with(row: R, **changes: Any) -> R:
    changed: R = replace(row, **changes)  # type: ignore[type-var]
    return changed


def _version_after(old: TalliedRow | None) -> int:
    return 1 if old is None else old.version + 1


def _change(old: TalliedRow | None, row: TalliedRow) -> Change:
    return Insert(row) if old is None else Transition(row, old.version)
