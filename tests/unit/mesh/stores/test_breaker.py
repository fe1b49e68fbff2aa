"""A breaker opens on failures and on slowness, asks with one call, and waits longer after each failed probe."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesh.stores.protected.breaker import Breaker, State
from mesh.stores.protected.settings import TABLES, ProtectionSettings

SETTINGS = replace(TABLES, window_s=10.0, least_calls=10, failed_rate=0.5, slow_rate=0.8, open_s=1.0, longest_open_s=4.0)


class World:
    """A breaker, the time, and the states it went through."""

    def __init__(self, *, chance: float = 0.0) -> None:
        self.now_s = 1_000.0
        self.states: list[State] = []
        self.breaker = Breaker(settings=SETTINGS, changed=self.states.append, chance=lambda: chance)

    def state(self) -> State:
        return self.breaker.state

    def admit(self) -> int:
        return self.breaker.admit(self.now_s)

    def calls(self, *, answered: int = 0, failed: int = 0, slow: int = 0) -> None:
        for _ in range(answered):
            self.breaker.answered(self.admit(), self.now_s, False)
        for _ in range(slow):
            self.breaker.answered(self.admit(), self.now_s, True)
        for _ in range(failed):
            self.breaker.failed(self.admit(), self.now_s)

    def opened(self) -> World:
        self.calls(failed=10)
        assert self.state() is State.OPEN
        return self


def test_it_opens_when_half_of_enough_calls_failed() -> None:
    world = World()
    world.calls(answered=5, failed=4)
    assert world.state() is State.CLOSED
    world.calls(failed=1)
    assert world.states == [State.OPEN]
    assert world.admit() == 0


def test_a_few_failures_are_no_reason() -> None:
    world = World()
    world.calls(failed=9)
    assert world.state() is State.CLOSED
    other = World()
    other.calls(answered=100, failed=99)
    assert other.state() is State.CLOSED


def test_it_opens_when_nearly_all_calls_are_slow() -> None:
    world = World()
    world.calls(answered=2, slow=7)
    assert world.state() is State.CLOSED
    world.calls(slow=1)
    assert world.state() is State.OPEN


def test_failures_are_forgotten_with_the_window() -> None:
    world = World()
    world.calls(failed=9)
    world.now_s += SETTINGS.window_s + 1
    world.calls(answered=1, failed=1)
    assert world.state() is State.CLOSED
    world.now_s += 5
    world.calls(failed=8)
    assert world.state() is State.OPEN


def test_one_probe_goes_through_and_its_answer_closes() -> None:
    world = World().opened()
    world.now_s += 0.999
    assert world.admit() == 0
    world.now_s += 0.001
    probe = world.admit()
    assert probe
    assert world.state() is State.HALF_OPEN
    assert [world.admit() for _ in range(100)] == [0] * 100
    world.breaker.answered(probe, world.now_s, False)
    assert world.states == [State.OPEN, State.HALF_OPEN, State.CLOSED]
    world.calls(answered=1, failed=8)
    assert world.state() is State.CLOSED, "what was counted before the opening counts no more"


def test_each_failed_or_slow_probe_doubles_the_time_up_to_the_longest() -> None:
    world = World().opened()
    waited_s = []
    for fails in (True, False, True, True):
        began_s = world.now_s
        while not (probe := world.admit()):
            world.now_s += 0.125
        waited_s.append(world.now_s - began_s)
        if fails:
            world.breaker.failed(probe, world.now_s)
        else:
            world.breaker.answered(probe, world.now_s, True)
        assert world.admit() == 0
    assert waited_s == [1.0, 2.0, 4.0, 4.0]


def test_the_open_time_is_jittered_by_a_quarter_at_most() -> None:
    world = World(chance=0.8).opened()
    world.now_s += 1.199
    assert world.admit() == 0
    world.now_s += 0.002
    assert world.admit()


def test_a_probe_that_was_given_up_makes_room_for_the_next() -> None:
    world = World().opened()
    world.now_s += 1
    world.breaker.abandoned(world.admit())
    assert world.admit()
    assert world.admit() == 0


def test_a_probe_that_never_comes_back_locks_nobody_out() -> None:
    world = World().opened()
    world.now_s += 1
    lost = world.admit()
    world.now_s += 1
    second = world.admit()
    assert lost == second != 0
    assert world.admit() == 0
    world.breaker.answered(lost, world.now_s, False)
    assert world.state() is State.CLOSED


def test_what_comes_back_late_from_before_the_opening_tells_nothing() -> None:
    world = World()
    early = [world.admit() for _ in range(3)]
    world.opened()
    world.now_s += 1
    probe = world.admit()
    world.breaker.answered(early[0], world.now_s, False)
    assert world.state() is State.HALF_OPEN
    world.breaker.failed(early[1], world.now_s)
    world.breaker.abandoned(early[2])
    assert world.state() is State.HALF_OPEN
    assert world.admit() == 0
    world.breaker.answered(probe, world.now_s, False)
    assert world.state() is State.CLOSED


@pytest.mark.parametrize(
    "wrong",
    [{"at_once": 0}, {"wait_s": -1.0}, {"failed_rate": 0.0}, {"slow_rate": 1.1}, {"longest_open_s": 0.1}, {"least_calls": 0}],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ProtectionSettings(**{**{name: getattr(TABLES, name) for name in TABLES.__slots__}, **wrong})
