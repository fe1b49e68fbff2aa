"""Overload: which calls are sent to a service that has too much to do, by level, and how soon all of them again."""

from __future__ import annotations

import random

import pytest

from mesh.access import Priority
from mesh.levels import ALL, SHARES, level_of, level_of_share
from mesh.throttle import SMALLEST, Throttle

HOUR_MS = 3_600_000
PATH = "/a.B/C"


def test_a_level_is_of_its_priority_and_the_same_for_a_person_within_an_hour() -> None:
    for priority in Priority:
        levels = {level_of(priority, "42", now_ms) for now_ms in (0, 1, HOUR_MS - 1)}
        assert len(levels) == 1
        assert levels.pop() // SHARES == priority
    assert len({level_of(Priority.FEED, "42", hour * HOUR_MS) for hour in range(24)}) > 12
    shares = [level_of(Priority.PLAYBACK, str(person), 0) for person in range(12_800)]
    assert 4_900 < sum(share < SHARES // 2 for share in shares) < 7_900


@pytest.mark.parametrize(
    ("share", "wanted", "level"),
    [
        (1.0, [10, 10, 10, 0, 0], ALL),
        (0.5, [0, 0, 0, 0, 0], ALL),
        (0.5, [10, 0, 10, 0, 0], 2 * SHARES + 1),
        (0.75, [10, 0, 10, 0, 0], 2 * SHARES + SHARES // 2),
        (0.25, [10, 0, 10, 0, 0], SHARES // 2),
        (0.0001, [10, 0, 10, 0, 0], 1),
    ],
)
def test_the_most_urgent_calls_fill_the_share_first(share: float, wanted: list[float], level: int) -> None:
    assert level_of_share(share, wanted) == level


class Loaded:
    """A service that answers `capacity` calls a second, by chance among those that come, and a caller that wants more."""

    def __init__(self, *, capacity: int, urgent: float = 0.2) -> None:
        self.throttle = Throttle()
        self.throttle.named(PATH + "/urgent", Priority.PLAYBACK)
        self.capacity = capacity
        self.urgent = urgent
        self.now_s = 0.0
        self.chance = random.Random(7)

    def run(self, seconds: float, *, wanted: int) -> tuple[float, float]:
        """Shares of the capacity, and of the urgent calls, that were served."""
        good = urgent_good = urgent_wanted = 0
        for _ in range(round(seconds / 0.05)):
            sent = []
            for _ in range(wanted // 20):
                self.now_s += 0.05 / (wanted // 20)
                urgent = self.chance.random() < self.urgent
                urgent_wanted += urgent
                path = PATH + ("/urgent" if urgent else "")
                who = str(self.chance.randrange(10_000))
                if self.throttle.admits(path, lambda priority, who=who: level_of(priority, who, 0), now_s=self.now_s):  # type: ignore[misc]
                    sent.append(urgent)
            self.chance.shuffle(sent)
            for number, urgent in enumerate(sent):
                served = number < self.capacity // 20
                self.throttle.ended(bad=not served)
                good += served
                urgent_good += served and urgent
        return good / max(1, self.capacity * seconds), urgent_good / max(1, urgent_wanted)


def test_at_three_times_the_capacity_it_is_used_and_urgent_calls_are_served() -> None:
    service = Loaded(capacity=400)
    service.run(2, wanted=1_200)
    good, urgent = service.run(10, wanted=1_200)
    assert good > 0.9
    assert urgent > 0.9


def test_when_the_load_is_gone_every_call_is_sent_within_five_seconds() -> None:
    service = Loaded(capacity=400)
    service.run(3, wanted=1_200)
    assert service.throttle.level < ALL
    service.run(5, wanted=200)
    assert service.throttle.level == ALL


def test_some_calls_always_go_out_to_a_service_that_answers_none() -> None:
    service = Loaded(capacity=0)
    service.run(10, wanted=1_200)
    assert 1 <= service.throttle.level <= max(2, 2 * SHARES * SMALLEST * 5)
    service.capacity = 400
    service.run(20, wanted=200)
    assert service.throttle.level == ALL


def test_a_few_calls_that_fail_hold_nothing_back() -> None:
    throttle = Throttle()
    for second in range(60):
        for number in range(3):
            assert throttle.admits(PATH, lambda _: ALL - 1, now_s=second + number / 3)
            throttle.ended(bad=True)
    assert throttle.level == ALL
