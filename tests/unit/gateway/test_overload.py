"""What the edge begins under load: a model of its loop, and how urgent a request is."""

from __future__ import annotations

import random
from collections import Counter, deque
from typing import Any

import orjson
import pytest

from gateway.execution.documents import Documents
from gateway.execution.limits import OperationLimits
from gateway.overload import ALWAYS, TICK_S, Door, Valve
from gateway.schema.root import make_schema
from mesh.access import Priority
from mesh.levels import ALL, SHARES, level_of

SCHEMA = make_schema()
TURNS = 8
"""Turns of the loop that a request takes."""


class Loop:
    """An event loop as a queue of turns: every running request takes one slice of CPU a turn, and a timer comes after all that is ready."""

    def __init__(self, *, cost_s: float, refusal_s: float) -> None:
        self.valve = Valve()
        self.now_s = 0.0
        self._cost_s = cost_s
        self._refusal_s = refusal_s
        self._running: deque[tuple[float, Priority, int]] = deque()
        self._chance = random.Random(3)
        self._tick_due_s = TICK_S

    def run(self, *, per_s: float, seconds: float, urgent: float = 0.2, useful_s: float = 1.0) -> Counter[Any]:
        """What becomes of requests that come at random moments."""
        outcomes: Counter[Any] = Counter()
        end_s, next_s = self.now_s + seconds, self.now_s
        while self.now_s < end_s:
            began_s = self.now_s
            while next_s <= began_s:
                next_s += self._chance.expovariate(per_s)
                priority = Priority.PLAYBACK if self._chance.random() < urgent else Priority.FEED
                outcomes["asked", priority] += 1
                if self.valve.has_room(level_of(priority, str(self._chance.randrange(400)), 0)):
                    self.valve.begun()
                    self._running.append((began_s, priority, TURNS))
                else:
                    self.now_s += self._refusal_s
            for _ in range(len(self._running)):
                came_s, priority, left = self._running.popleft()
                self.now_s += self._cost_s / TURNS
                if left > 1:
                    self._running.append((came_s, priority, left - 1))
                    continue
                self.valve.answered()
                if self.now_s - came_s < useful_s:
                    outcomes["good", priority] += 1
            self.now_s = max(self.now_s, began_s + 0.000_1 if self._running else min(next_s, self._tick_due_s))
            if self.now_s >= self._tick_due_s:
                self.valve.ticked(self.now_s - self._tick_due_s, now_s=self.now_s)
                self._tick_due_s = self.now_s + TICK_S
        return outcomes


def good(outcomes: Counter[Any]) -> int:
    return sum(count for (what, _), count in outcomes.items() if what == "good")


@pytest.mark.parametrize("times", [1.5, 3, 6])
def test_with_more_to_do_than_it_can_the_edge_does_what_it_can_and_the_urgent_first(times: float) -> None:
    loop = Loop(cost_s=0.002, refusal_s=0.000_06)
    loop.run(per_s=100, seconds=2)
    assert loop.valve.open
    loop.run(per_s=times * 500, seconds=4)
    outcomes = loop.run(per_s=times * 500, seconds=10)
    assert good(outcomes) > (0.9 if times <= 3 else 0.75) * 500 * 10
    wanted = {priority: outcomes["good", priority] / outcomes["asked", priority] for priority in (Priority.PLAYBACK, Priority.FEED)}
    assert wanted[Priority.PLAYBACK] > 1.4 * wanted[Priority.FEED]
    outcomes = loop.run(per_s=50, seconds=2)
    assert loop.valve.open


def test_at_ease_nothing_is_refused() -> None:
    loop = Loop(cost_s=0.002, refusal_s=0.000_06)
    outcomes = loop.run(per_s=400, seconds=20)
    assert good(outcomes) > 0.999 * sum(count for (what, _), count in outcomes.items() if what == "asked")


def late(valve: Valve, late_s: float, *, ticks: int = 10, per_tick: int = 0) -> None:
    for number in range(ticks):
        valve.running += per_tick
        for _ in range(per_tick):
            valve.answered()
        valve.ticked(late_s, now_s=number * TICK_S)


def rooms(valve: Valve, level: int) -> int:
    for running in range(1_000):
        valve.running = running
        if not valve.has_room(level):
            return running
    raise AssertionError("there is room for everybody")


def test_a_loop_that_is_late_with_little_to_do_refuses_nobody() -> None:
    """Somebody else uses the processor, or a callback is slow: to refuse would not help."""
    valve = Valve()
    late(valve, 0.5)
    valve.running = ALWAYS - 1
    assert valve.open
    assert valve.has_room(ALL - 1)


def test_many_requests_that_wait_refuse_nobody_while_the_loop_is_on_time() -> None:
    valve = Valve()
    late(valve, 0.5, ticks=2)
    late(valve, 0.0, ticks=3)
    valve.running = 10_000
    assert valve.has_room(ALL - 1)
    late(valve, 0.5, ticks=3)
    assert not valve.has_room(0)


def test_the_last_places_are_left_to_the_urgent() -> None:
    valve = Valve()
    late(valve, 0.5)
    first_of_each = [rooms(valve, priority * SHARES) for priority in Priority]
    assert first_of_each == [32, 28, 23, 18, 13]
    assert rooms(valve, ALL - 1) == 9


def test_as_many_find_room_as_are_answered_in_a_quarter_of_a_second() -> None:
    valve = Valve()
    late(valve, 0.5, ticks=500, per_tick=5)
    assert rooms(valve, 0) == 125
    late(valve, 0.5, ticks=500, per_tick=50)
    assert rooms(valve, 0) == 256


KNOWN = {
    "a clip": ('{ video(id: "5") { caption } }', Priority.PLAYBACK),
    "a clip and a feed": ('{ video(id: "5") { caption } forYou { servedBy } }', Priority.FEED),
    "a feed": ("{ forYou { servedBy } }", Priority.FEED),
    "uploads": ("{ uploads { edges { cursor } } }", Priority.WRITE),
    "a change": ("mutation { updateProfile(input: {}) { userErrors { code } } }", Priority.WRITE),
    "a sign-up": ("mutation($i: SignUpInput!) { signUp(input: $i) { userErrors { code } } }", Priority.PLAYBACK),
}


@pytest.fixture
def door() -> Door:
    documents = Documents(schema=SCHEMA._schema, limits=OperationLimits(), introspection=False, cached_characters=100_000)
    for text, _ in KNOWN.values():
        documents.validate(documents.read(text))
    return Door(documents=documents, refused=lambda _: None)


def scope(path: str = "/graphql", method: str = "POST", **headers: str) -> dict[str, Any]:
    return {"path": path, "method": method, "headers": [(k.encode(), v.encode()) for k, v in headers.items()], "client": ("192.0.2.1", 5)}


@pytest.mark.parametrize("what", KNOWN)
def test_a_known_operation_is_as_urgent_as_its_least_urgent_field(door: Door, what: str) -> None:
    text, priority = KNOWN[what]
    assert door._priority(scope(), orjson.dumps({"query": text})) is priority


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"query": 5}', b'{"query": []}', b'{"query": "{ never seen }"}', b'[{"query": "{ __typename }"}]', b'"x"']
)
def test_what_is_not_known_counts_as_feed_and_is_not_read(door: Door, body: bytes) -> None:
    assert door._priority(scope(), body) is Priority.FEED


@pytest.mark.parametrize(
    ("path", "priority"),
    [
        ("/m/grant/1/720p.mp4", Priority.PLAYBACK),
        ("/oauth/token", Priority.PLAYBACK),
        ("/.well-known/jwks.json", Priority.PLAYBACK),
        ("/tus/5", Priority.WRITE),
        ("/graphql", Priority.FEED),
    ],
)
def test_other_paths_are_as_urgent_as_what_they_serve(door: Door, path: str, priority: Priority) -> None:
    assert door._priority(scope(path, "GET"), b"") is priority
    assert not door.waits_for_body(scope(path, "GET"))
