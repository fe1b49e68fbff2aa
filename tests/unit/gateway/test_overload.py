"""What the edge begins under load: a model of its loop, and its valve step by step."""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque

import pytest

from gateway.overload.door import TICK_S
from gateway.overload.valve import ALWAYS, LATE_S, LEAST_ROOM, MOST_ROOM, OPENS_AFTER, WINDOW_S, Valve
from mesh.access import Priority
from mesh.levels import ALL, SHARES, level_of

TURNS = 8
"""Turns of the loop that a request takes."""
COST_S = 0.002
REFUSAL_S = 0.000_05
PER_S = round(1 / COST_S)


class Loop:
    """An event loop as a queue of turns: every running request takes one slice of CPU a turn, halfway it waits for others, and a timer comes after all
    that is ready. `stolen_s` is what somebody else takes of the processor now and then."""

    def __init__(self, *, waits_s: float = 0.0, stolen_s: float = 0.0) -> None:
        self.valve = Valve()
        self.now_s = 0.0
        self._waits_s = waits_s
        self._stolen_s = stolen_s
        self._running: deque[tuple[float, Priority, int]] = deque()
        self._waiting: list[tuple[float, float, Priority, int]] = []
        self._chance = random.Random(3)
        self._tick_due_s = TICK_S

    def run(self, *, per_s: float, seconds: float, urgent: float = 0.2, people: int = 400) -> Counter[tuple[str, Priority]]:
        """What becomes of requests that come at random moments."""
        outcomes: Counter[tuple[str, Priority]] = Counter()
        end_s, next_s = self.now_s + seconds, self.now_s
        while self.now_s < end_s:
            began_s = self.now_s
            while next_s <= began_s:
                next_s += self._chance.expovariate(per_s)
                priority = Priority.PLAYBACK if self._chance.random() < urgent else Priority.FEED
                outcomes["asked", priority] += 1
                if self.valve.admits(level_of(priority, str(self._chance.randrange(people)), 0)):
                    self.valve.begun()
                    self._running.append((began_s, priority, TURNS))
                else:
                    self.now_s += REFUSAL_S
            while self._waiting and self._waiting[0][0] <= self.now_s:
                self._running.append(heapq.heappop(self._waiting)[1:])
            self._turn(outcomes)
            if self._stolen_s and self._chance.random() < 0.05:
                self.now_s += self._stolen_s * self._chance.random()
            ready_s = began_s + 0.000_1 if self._running else min(next_s, self._tick_due_s, *(one[0] for one in self._waiting[:1]))
            self.now_s = max(self.now_s, ready_s)
            if self.now_s >= self._tick_due_s:
                self.valve.ticked(self.now_s - self._tick_due_s, now_s=self.now_s)
                self._tick_due_s = self.now_s + TICK_S
        return outcomes

    def _turn(self, outcomes: Counter[tuple[str, Priority]]) -> None:
        for _ in range(len(self._running)):
            came_s, priority, left = self._running.popleft()
            self.now_s += COST_S / TURNS
            if left == TURNS // 2 and self._waits_s:
                back_s = self.now_s + self._waits_s * self._chance.uniform(0.7, 1.3)
                heapq.heappush(self._waiting, (back_s, came_s, priority, left - 1))
            elif left > 1:
                self._running.append((came_s, priority, left - 1))
            else:
                self.valve.answered()
                outcomes["good" if self.now_s - came_s < 1 else "late", priority] += 1


def good(outcomes: Counter[tuple[str, Priority]]) -> int:
    return sum(count for (what, _), count in outcomes.items() if what == "good")


def share(outcomes: Counter[tuple[str, Priority]], priority: Priority) -> float:
    return outcomes["good", priority] / outcomes["asked", priority]


@pytest.mark.parametrize(("waits_s", "stolen_s"), [(0.0, 0.0), (0.005, 0.01), (0.1, 0.0)])
@pytest.mark.parametrize(("times", "least"), [(1.5, 0.93), (3, 0.9), (6, 0.8)])
def test_with_more_to_do_than_it_can_the_edge_does_what_it_can_and_the_urgent_lose_last(
    times: float, least: float, waits_s: float, stolen_s: float
) -> None:
    loop = Loop(waits_s=waits_s, stolen_s=stolen_s)
    loop.run(per_s=100, seconds=1)
    assert loop.valve.open
    loop.run(per_s=times * PER_S, seconds=2)
    outcomes = loop.run(per_s=times * PER_S, seconds=4)
    assert good(outcomes) > least * PER_S * 4
    if times <= 3:
        assert share(outcomes, Priority.PLAYBACK) > 0.95
    else:
        # They alone are more than it can.
        assert share(outcomes, Priority.FEED) < 0.02
    loop.run(per_s=50, seconds=2)
    assert loop.valve.open


def test_many_who_cannot_be_told_apart_share_what_there_is() -> None:
    loop = Loop()
    loop.run(per_s=3 * PER_S, seconds=2, people=1)
    outcomes = loop.run(per_s=3 * PER_S, seconds=4, people=1)
    assert good(outcomes) > 0.88 * PER_S * 4
    assert share(outcomes, Priority.PLAYBACK) > 0.97


def test_at_ease_nothing_is_refused() -> None:
    loop = Loop()
    outcomes = loop.run(per_s=0.8 * PER_S, seconds=8)
    assert loop.valve.open
    assert good(outcomes) > 0.999 * sum(count for (what, _), count in outcomes.items() if what == "asked")


class Clock:
    """Ticks that come so late, one behind another."""

    def __init__(self, valve: Valve) -> None:
        self._valve = valve
        self._now_s = 0.0

    def pass_(self, ticks: int, *, late_s: float, answered: int = 0) -> None:
        for _ in range(ticks):
            self._now_s += TICK_S
            for _ in range(answered):
                self._valve.begun()
                self._valve.answered()
            self._valve.ticked(late_s, now_s=self._now_s)


def closed(*, running: int = 40, answered: int = 0) -> tuple[Valve, Clock]:
    """A valve that has just found that there is too much to do."""
    valve = Valve()
    valve.running = running
    clock = Clock(valve)
    clock.pass_(30, late_s=0.0, answered=answered)
    clock.pass_(4, late_s=0.5, answered=answered)
    assert not valve.open
    return valve, clock


def rooms(valve: Valve, level: int) -> int:
    for running in range(1_000):
        valve.running = running
        if not valve.admits(level, counted=False):
            return running
    raise AssertionError("there is room for everybody")


def test_a_loop_that_is_late_with_little_to_do_refuses_nobody() -> None:
    """Somebody else uses the processor, or a callback is slow: to refuse would not help."""
    valve = Valve()
    valve.running = ALWAYS - 1
    Clock(valve).pass_(50, late_s=0.5)
    assert valve.open
    valve, _ = closed()
    valve._cut, valve.running = 0, 2
    assert valve.admits(ALL - 1)


def test_many_requests_that_wait_refuse_nobody_while_the_loop_is_on_time() -> None:
    valve = Valve()
    valve.running = 10_000
    clock = Clock(valve)
    clock.pass_(2, late_s=0.5)
    clock.pass_(3, late_s=0.0)
    assert valve.admits(ALL - 1)
    clock.pass_(3, late_s=0.5)
    assert not valve.admits(0)


def test_the_last_places_are_left_to_the_urgent() -> None:
    valve, _ = closed()
    assert valve.level == ALL
    assert [rooms(valve, priority * SHARES) for priority in Priority] == [80, 32, 24, 16, 8]


def test_the_level_lets_pass_what_can_be_answered_and_cuts_through_the_one_in_between() -> None:
    """Five are answered a tick, one urgent and nine others ask: of four levels of the others two pass, and part of the third."""
    valve, clock = closed(running=16, answered=5)
    for _ in range(40):
        valve.running = LEAST_ROOM  # No room: only the level is looked at.
        for number in range(9):
            valve.admits(2 * SHARES + 10 * (number % 3))
        valve.admits(5)
        valve.running = 16
        clock.pass_(1, late_s=0.007, answered=5)
    assert valve.room == LEAST_ROOM
    # 1.1 * 50 a window: 10 urgent, 30 of the first level, half of the second.
    assert valve.level == 2 * SHARES + 10
    begun = [valve.admits(2 * SHARES + 10, counted=False) for _ in range(100)]
    assert 40 <= sum(begun) <= 60
    assert all(valve.admits(level, counted=False) for level in (5, 2 * SHARES, 2 * SHARES + 9))
    assert not any(valve.admits(level, counted=False) for level in (2 * SHARES + 11, 2 * SHARES + 20, ALL - 1))


def test_what_runs_too_long_is_paid_by_the_others_before_the_urgent() -> None:
    valve, clock = closed(running=200, answered=5)
    for _ in range(40):
        for number in range(10):
            valve.admits(5 if number < 3 else 2 * SHARES)
        clock.pass_(1, late_s=0.5, answered=5)
    assert 5 < valve.level <= 2 * SHARES


def test_the_room_grows_while_the_loop_is_on_time_and_shrinks_while_it_is_late() -> None:
    valve, clock = closed(running=LEAST_ROOM)
    for _ in range(30):
        valve.running = valve.room
        for _ in range(1_000):
            valve.admits(ALL - 1)
        clock.pass_(round(WINDOW_S / TICK_S), late_s=0.0)
        if valve.open:
            break
    assert valve.room == MOST_ROOM
    valve, clock = closed(running=LEAST_ROOM)
    valve._room = 100.0
    clock.pass_(round(2 * WINDOW_S / TICK_S), late_s=0.5)
    assert valve.room in {81, 90}


def test_a_loop_that_is_on_time_with_all_that_may_run_is_not_short_of_time() -> None:
    """Somebody else answers slowly: to refuse here would not help."""
    valve, clock = closed(running=MOST_ROOM)
    for _ in range(50):
        valve.admits(ALL - 1)
        valve.running = MOST_ROOM
        clock.pass_(round(WINDOW_S / TICK_S), late_s=0.0)
        if valve.open:
            return
    raise AssertionError("it stays closed")


def test_once_the_load_is_gone_everything_is_begun_again_within_a_second() -> None:
    loop = Loop()
    loop.run(per_s=3 * PER_S, seconds=5)
    assert not loop.valve.open
    loop.run(per_s=50, seconds=1)
    assert loop.valve.open
    outcomes = loop.run(per_s=0.5 * PER_S, seconds=5)
    assert good(outcomes) > 0.99 * sum(count for (what, _), count in outcomes.items() if what == "asked")


def test_one_good_window_does_not_open_it() -> None:
    valve, clock = closed(running=LEAST_ROOM)
    valve.running = 0
    clock.pass_(round((OPENS_AFTER - 1) * WINDOW_S / TICK_S), late_s=0.0)
    assert not valve.open
    clock.pass_(round(2 * WINDOW_S / TICK_S), late_s=0.0)
    assert valve.open
    assert valve.late_s < LATE_S
