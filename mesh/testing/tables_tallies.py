"""What a tallied set promises on every tables engine: each member counts once, whatever comes twice, late, at once or after a crash."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.stores.tables.port import OutcomeUnknown, Tables, TablesUnavailable, VersionConflict
from mesh.stores.tables.schema import Clustering, Guard, InvalidTable, Partition, table
from mesh.stores.tables.tallies import AT_ONCE, TalliedSet
from mesh.testing.clock import FakeClock
from mesh.testing.tables_outbox import OpenTables


@table("fans", guard=Guard.GUARDED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Fan:
    """Who likes a band, in which tone of voice."""

    band: Partition[int]
    kind: Partition[str]
    shard: Partition[int] = 0
    fan: Clustering[int] = 0
    note: str = ""
    source_version: int = 0
    present: bool = False
    size: int = 0
    version: int = 0


class Crash(BaseException):
    """The process ends here, as far as the test is concerned."""


@dataclass
class Unsteady:
    """Tables whose next commits go as told: `ok`, `rival` (somebody else is faster), `lost` (done, but nobody says so), `never` (not done, and
    nobody says so), `dies before`, `dies after`. Then all go well."""

    tables: Tables
    faults: list[str] = field(default_factory=list)
    settled: dict[str, bool] = field(default_factory=dict)
    rival: TalliedSet[Fan] | None = None
    """Whoever writes the same rows just before."""
    commits: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tables, name)

    async def commit(self, *changes: Any, events: Sequence[Any] = ()) -> tuple[Any, ...]:
        fault = self.faults.pop(0) if self.faults else "ok"
        self.commits += 1
        if fault == "dies before":
            raise Crash
        if fault == "never":
            return self._unknown(happened=False)
        if fault == "rival" and self.rival is not None:
            await self.rival.apply(change.row for change in changes if change.row.fan)
        written = await self.tables.commit(*changes, events=events)
        if fault == "dies after":
            raise Crash
        return self._unknown(happened=True) if fault == "lost" else written

    def _unknown(self, *, happened: bool) -> tuple[Any, ...]:
        token = str(len(self.settled))
        self.settled[token] = happened
        raise OutcomeUnknown(token)

    async def settle(self, token: str) -> bool:
        return self.settled[token]


_owners = itertools.count(1)
_FAULTS = ("ok", "rival", "lost", "never", "dies before", "dies after")
_news = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 5)), min_size=1, max_size=5)
_batches = st.lists(st.tuples(_news, st.lists(st.sampled_from(_FAULTS), max_size=3)), min_size=1, max_size=6)
_random = settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow],
)


def news(owner: int, fan: int, version: int, *, kind: str = "loud") -> Fan:
    """What a source says of a member in a version: the same for the same version, and odd versions are present."""
    return Fan(band=owner, kind=kind, fan=fan, source_version=version, present=version % 2 == 1, note=f"{fan}.{version}")


async def sizes(tables: Tables, owner: int, *, kind: str = "loud", shards: int = 2) -> tuple[int, list[int]]:
    """The size as counted, and the members as listed."""
    fans = TalliedSet(tables=tables, row_type=Fan, shards=shards)
    listed: list[int] = []
    after = ""
    while True:
        page = await fans.members((owner, kind), after=after, limit=2)
        listed += [row.fan for row in page.rows]
        after = page.next
        if not after:
            return (await fans.counts([(owner, kind)]))[owner, kind], sorted(listed)


class TalliesContract:
    """An engine passes it by subclassing with an `open_store` fixture of its own, as for the tables' contract."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        """The time of the test and of its store."""
        return FakeClock()

    @pytest.fixture
    async def tables(self, open_store: OpenTables) -> AsyncIterator[Tables]:
        """The store with the suite's row type."""
        store = await open_store((Fan,))
        yield store
        await store.close()

    async def test_the_size_is_the_number_of_present_members(self, tables: Tables) -> None:
        fans = TalliedSet(tables=tables, row_type=Fan, shards=2)
        applied = await fans.apply([news(1, fan, 1) for fan in range(1, 8)])
        assert (applied.grown, len(applied.members)) == (7, 7)
        assert await sizes(tables, 1) == (7, [1, 2, 3, 4, 5, 6, 7])
        assert (await fans.apply([news(1, 3, 2), news(1, 9, 2)])).grown == -1
        assert await sizes(tables, 1) == (6, [1, 2, 4, 5, 6, 7])

    async def test_what_is_not_newer_changes_nothing(self, tables: Tables) -> None:
        fans = TalliedSet(tables=tables, row_type=Fan, shards=2)
        await fans.apply([news(1, 5, 4)])
        before = await fans.standing([(1, "loud", 5)])
        for version in (4, 3, 1):
            applied = await fans.apply([news(1, 5, version)])
            assert (applied.grown, applied.members) == (0, ())
        assert await fans.standing([(1, "loud", 5)]) == before
        assert await sizes(tables, 1) == (0, [])

    async def test_of_one_member_in_a_batch_the_newest_counts(self, tables: Tables) -> None:
        fans = TalliedSet(tables=tables, row_type=Fan, shards=2)
        assert (await fans.apply([news(1, 5, 1), news(1, 5, 3), news(1, 5, 2)])).grown == 1
        assert (await fans.standing([(1, "loud", 5)]))[1, "loud", 5].note == "5.3"

    async def test_a_member_can_change_what_it_carries_without_counting_again(self, tables: Tables) -> None:
        fans = TalliedSet(tables=tables, row_type=Fan, shards=2)
        await fans.apply([news(1, 5, 1)])
        assert (await fans.apply([news(1, 5, 3)])).grown == 0
        assert (await fans.standing([(1, "loud", 5)]))[1, "loud", 5].note == "5.3"
        assert await sizes(tables, 1) == (1, [5])

    async def test_counts_of_many_owners_come_in_one_read_for_each_thousand_partitions(self, tables: Tables) -> None:
        reads: list[int] = []

        class Counting(Unsteady):
            async def get_many(self, row_type: type[Any], keys: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], Any]:
                reads.append(len(keys))
                return await self.tables.get_many(row_type, keys)

        fans = TalliedSet(tables=cast(Tables, Counting(tables)), row_type=Fan)
        for owner in (1, 2):
            await fans.apply([news(owner, fan, 1) for fan in range(1, owner * 3 + 1)])
        reads.clear()
        found = await fans.counts([(owner, "loud") for owner in range(1, 201)])
        assert reads == [1_000, 600]
        assert {owner: size for owner, size in found.items() if size} == {(1, "loud"): 3, (2, "loud"): 6}
        assert len(found) == 200

    async def test_a_batch_that_is_too_large_for_one_commit_is_cut(self, tables: Tables) -> None:
        unsteady = Unsteady(tables)
        fans = TalliedSet(tables=cast(Tables, unsteady), row_type=Fan, shards=1)
        long = [Fan(band=1, kind="loud", fan=fan, source_version=1, present=True, note="x" * 2_000) for fan in range(1, 61)]
        assert (await fans.apply(long)).grown == 60
        assert unsteady.commits == 3
        assert (await sizes(tables, 1, shards=1))[0] == 60

    async def test_partitions_are_written_side_by_side_up_to_a_bound_and_the_chunks_of_one_in_order(self, tables: Tables) -> None:
        running: set[int] = set()
        most = 0
        order: dict[int, list[int]] = {}

        class Slow(Unsteady):
            async def commit(self, *changes: Any, events: Sequence[Any] = ()) -> tuple[Any, ...]:
                nonlocal most
                band = changes[0].row.band
                assert band not in running
                running.add(band)
                most = max(most, len(running))
                order.setdefault(band, []).append(min(change.row.fan for change in changes if change.row.fan))
                await asyncio.sleep(0.005)
                try:
                    return await super().commit(*changes, events=events)
                finally:
                    running.remove(band)

        fans = TalliedSet(tables=cast(Tables, Slow(tables)), row_type=Fan, shards=1)
        long = [Fan(band=1, kind="loud", fan=fan, source_version=1, present=True, note="x" * 2_000) for fan in range(1, 61)]
        assert (await fans.apply([*long, *(news(band, 1, 1) for band in range(2, 80))])).grown == 138
        assert most == AT_ONCE
        assert (len(order[1]), order[1]) == (3, sorted(order[1]))
        assert await sizes(tables, 79, shards=1) == (1, [1])

    async def test_the_first_failure_is_told_after_everything_that_was_begun_has_ended(self, tables: Tables) -> None:
        running = 0

        class Broken(Unsteady):
            async def commit(self, *changes: Any, events: Sequence[Any] = ()) -> tuple[Any, ...]:
                nonlocal running
                running += 1
                try:
                    band = changes[0].row.band
                    await asyncio.sleep(0 if band == 3 else 0.01)
                    if band in {2, 3}:
                        raise Crash(band)
                    return await super().commit(*changes, events=events)
                finally:
                    running -= 1

        broken = Broken(tables)
        fans = TalliedSet(tables=cast(Tables, broken), row_type=Fan, shards=1)
        batch = [news(band, 1, 1) for band in range(1, AT_ONCE + 20)]
        with pytest.raises(Crash) as failed:
            await fans.apply(batch)
        assert (failed.value.args, running, broken.commits) == ((3,), 0, AT_ONCE - 2)
        assert [(await sizes(tables, band, shards=1))[0] for band in (1, 2, 3, AT_ONCE, AT_ONCE + 1)] == [1, 0, 0, 1, 0]
        await TalliedSet(tables=tables, row_type=Fan, shards=1).apply(batch)
        assert [(await sizes(tables, band, shards=1))[0] for band in (1, 2, AT_ONCE + 1)] == [1, 1, 1]

    async def test_writers_of_several_processes_count_each_member_once(self, tables: Tables) -> None:
        writers = [TalliedSet(tables=tables, row_type=Fan, shards=2) for _ in range(4)]
        batches = [[news(1, (at * 5 + part * 7) % 12 + 1, (at * part) % 6 + 1) for part in range(4)] for at in range(20)]
        await asyncio.gather(*(writers[at % 4].apply(batch) for at, batch in enumerate(batches)))
        newest: dict[int, int] = {}
        for row in itertools.chain.from_iterable(batches):
            newest[row.fan] = max(newest.get(row.fan, 0), row.source_version)
        present = sorted(fan for fan, version in newest.items() if version % 2)
        assert await sizes(tables, 1) == (len(present), present)

    async def test_who_is_never_fast_enough_says_so_and_changes_nothing(self, tables: Tables) -> None:
        class Busy(Unsteady):
            async def commit(self, *changes: Any, events: Sequence[Any] = ()) -> tuple[Any, ...]:
                raise VersionConflict(None)

        with pytest.raises(TablesUnavailable):
            await TalliedSet(tables=cast(Tables, Busy(tables)), row_type=Fan, shards=2).apply([news(1, 5, 1)])
        assert await sizes(tables, 1) == (0, [])

    async def test_the_tally_and_the_unversioned_are_refused(self, tables: Tables) -> None:
        fans = TalliedSet(tables=tables, row_type=Fan, shards=2)
        for bad in (news(1, 0, 1), news(1, 5, 0)):
            with pytest.raises(ValueError, match="cannot stand"):
                await fans.apply([news(1, 6, 1), bad])
        assert await sizes(tables, 1) == (0, [])

    def test_a_table_of_another_form_is_refused(self) -> None:
        @table("no_tally", guard=Guard.PLAIN)
        @dataclass(frozen=True, slots=True, kw_only=True)
        class Plain:
            band: Partition[int]
            shard: Partition[int] = 0
            fan: Clustering[int] = 0
            source_version: int = 0
            present: bool = False
            size: int = 0
            version: int = 0

        with pytest.raises(InvalidTable):
            TalliedSet(tables=cast(Tables, None), row_type=Plain)

    @_random
    @given(batches=_batches, seed=st.integers(0, 2**16))
    async def test_random_batches_with_repeats_rivals_and_crashes_end_as_the_model_does(
        self, tables: Tables, batches: list[tuple[list[tuple[int, int]], list[str]]], seed: int
    ) -> None:
        owner = next(_owners) + 1_000
        rival = TalliedSet(tables=tables, row_type=Fan, shards=2)
        model: dict[int, int] = {}
        again: list[list[Fan]] = []
        for drawn, faults in batches:
            rows = [news(owner, fan, version) for fan, version in drawn]
            # The order in which things come must not matter, nor what comes a second time.
            again.append(rows)
            for batch in (rows, again[seed % len(again)]):
                unsteady = Unsteady(tables, list(faults), rival=rival)
                while True:
                    try:
                        await TalliedSet(tables=cast(Tables, unsteady), row_type=Fan, shards=2).apply(batch)
                    except Crash:
                        continue
                    break
            for fan, version in drawn:
                model[fan] = max(model.get(fan, 0), version)
            present = sorted(fan for fan, version in model.items() if version % 2)
            assert await sizes(tables, owner) == (len(present), present)
        standing = await rival.standing([(owner, "loud", fan) for fan in range(1, 7)])
        assert {fan: row.source_version for (_, _, fan), row in standing.items()} == model
