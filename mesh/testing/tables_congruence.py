"""Random sequences of calls: an engine and the model answer each alike and end in the same state."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.stores.tables.port import RowExists, Tables, VersionConflict
from mesh.testing.clock import FakeClock
from mesh.testing.tables_model import ModelTables
from mesh.testing.tables_rows import Lease, Score, Seat, entries_after, event, versions_by_key

Step = tuple[Any, ...]

_sequences = itertools.count(1)
_positions: WeakKeyDictionary[Tables, dict[int, str]] = WeakKeyDictionary()
"""How far each store's outbox was read: a store serves many sequences."""

_small = st.integers(0, 3)
_ends_in_ms = st.sampled_from([0, 0, 1, 5, 1_000])
_steps = st.one_of(
    st.tuples(st.just("lease"), st.integers(0, 3), st.booleans(), _small, _ends_in_ms, st.booleans()),
    st.tuples(st.just("seat"), st.integers(0, 3), st.booleans(), _small, st.booleans()),
    st.tuples(
        st.just("score"),
        st.booleans(),
        st.lists(st.tuples(_small, st.sampled_from("ab"), st.integers(1, 5)), min_size=1, max_size=3),
        st.booleans(),
    ),
    st.tuples(st.just("time"), st.sampled_from([1, 4, 1_000])),
    st.tuples(st.just("scan"), st.booleans(), st.integers(1, 4)),
)


async def _answer(call: Awaitable[Any] | Callable[[], Any]) -> tuple[str, Any]:
    """What a call answered: its result or the refusal with the row that stood in its way."""
    try:
        return "ok", call() if callable(call) else await call
    except (RowExists, VersionConflict) as refused:
        return type(refused).__name__, refused.row


class _Pair:
    """An engine and the model under the same calls; each sequence has keys of its own, so that one store serves all."""

    def __init__(self, tables: Tables, clock: FakeClock, sequence: int) -> None:
        self.tables = tables
        self.model = ModelTables(clock.now_ms)
        self._clock = clock
        self._began_ms = clock.now_ms()
        self._sequence = sequence
        self._event_ids = itertools.count(sequence * 1_000 + 1)

    async def step(self, step: Step) -> None:
        """Make one call on both and compare."""
        kind, *asked = step
        await getattr(self, f"_{kind}")(*asked)

    async def _guarded(self, row: Any, expected_version: int, removes: bool, tells: bool) -> None:
        event_key, event_id = f"{self._sequence}", next(self._event_ids) if tells else 0
        events = [event(event_id, event_key)] if tells else []
        if expected_version == 0:
            call = self.tables.insert(row, events=events)
        elif removes:
            call = self.tables.remove(row, expected_version=expected_version, events=events)
        else:
            call = self.tables.transition(row, expected_version=expected_version, events=events)
        found = await _answer(call)
        assert found == await _answer(
            lambda: self.model.write(
                row, expected_version, removes=removes and expected_version > 0, event_key=event_key, event_id=event_id
            )
        )

    async def _lease(self, expected_version: int, removes: bool, name: int, ends_in_ms: int, tells: bool) -> None:
        row = Lease(name=f"{self._sequence}.{name}", holder=str(ends_in_ms), expires_at_ms=ends_in_ms and self._clock.now_ms() + ends_in_ms)
        await self._guarded(row, expected_version, removes, tells)
        assert await self.tables.get(Lease, row.name) == self.model.get(Lease, row.name)

    async def _seat(self, expected_version: int, removes: bool, seat: int, tells: bool) -> None:
        await self._guarded(Seat(hall=self._sequence, seat=seat, guest=str(expected_version)), expected_version, removes, tells)

    async def _score(self, deletes: bool, drawn: list[tuple[int, str, int]], tells: bool) -> None:
        # Equal versions are the same write repeated, so a row's content depends on its key and version alone.
        rows = [
            Score(
                game=self._sequence,
                points=points,
                player=player,
                note=str(version),
                version=version,
                expires_at_ms=self._began_ms + version if version % 2 else 0,
            )
            for points, player, version in drawn
        ]
        event_key, event_id = f"{self._sequence}", next(self._event_ids) if tells else 0
        name = "delete" if deletes else "put"
        await getattr(self.tables, name)(*rows, events=[event(event_id, event_key)] if tells else [])
        getattr(self.model, name)(rows, event_key=event_key, event_id=event_id)

    async def _time(self, ms: int) -> None:
        self._clock.advance(ms)

    async def _scan(self, backwards: bool, limit: int) -> None:
        for row_type in (Seat, Score):
            expected = self.model.rows(row_type, (self._sequence,))
            found: list[Any] = []
            after = ""
            while True:
                page = await self.tables.scan(row_type, self._sequence, after=after, limit=limit, backwards=backwards)
                found.extend(page.rows)
                after = page.next
                if not after:
                    break
            assert found == (expected[::-1] if backwards else expected)


_random = settings(
    max_examples=200,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow],
)


class CongruenceContract:
    """The engine behaves as the model does, whatever the order of calls."""

    @_random
    @given(steps=st.lists(_steps, max_size=40))
    async def test_random_sequences_answer_as_the_model_does(self, tables: Tables, clock: FakeClock, steps: list[Step]) -> None:
        await self._run(tables, clock, steps)

    @pytest.mark.long
    @pytest.mark.timeout(7_200)
    @settings(_random, max_examples=2_000)
    @given(steps=st.lists(_steps, max_size=60))
    async def test_many_random_sequences_answer_as_the_model_does(self, tables: Tables, clock: FakeClock, steps: list[Step]) -> None:
        await self._run(tables, clock, steps)

    async def _run(self, tables: Tables, clock: FakeClock, steps: list[Step]) -> None:
        pair = _Pair(tables, clock, next(_sequences))
        for step in steps:
            await pair.step(step)
        await pair.step(("scan", False, 3))
        found = versions_by_key(await entries_after(tables, _positions.setdefault(tables, {})))
        assert found == pair.model.events
