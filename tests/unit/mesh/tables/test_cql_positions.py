"""Positions of writes only grow, and say when they were given."""

from __future__ import annotations

from mesh.stores.tables.cql.positions import BUCKET_MS, Positions, at_ms, bucket_of, first_of
from mesh.testing.clock import FakeClock


def test_positions_grow_though_the_clock_stands_or_steps_back() -> None:
    clock = FakeClock()
    positions = Positions(clock)
    given = [positions.next() for _ in range(3)]
    clock.step(-86_400_000)
    given += [positions.next() for _ in range(3)]
    assert given == [first_of(1_760_000_000_000) + at for at in range(6)]
    clock.step(2 * 86_400_000)
    assert positions.next() == first_of(clock.now_ms())


def test_positions_go_on_behind_what_they_are_told_of() -> None:
    clock = FakeClock()
    positions = Positions(clock)
    positions.go_behind(first_of(clock.now_ms() + 5_000))
    assert positions.next() == first_of(clock.now_ms() + 5_000) + 1
    positions.go_behind(7)
    assert positions.next() == first_of(clock.now_ms() + 5_000) + 2


def test_a_position_tells_its_moment_and_its_bucket() -> None:
    position = first_of(1_760_000_123_456) + 99
    assert at_ms(position) == 1_760_000_123_456
    assert bucket_of(position) == 1_760_000_123_456 // BUCKET_MS * BUCKET_MS
    assert first_of(-5) == 0
