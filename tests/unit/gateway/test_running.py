"""Admission of operations: the loop is given back between the documents of a batch, and what is read is paid for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from clipmesh.common.v1 import viewer_pb2

from gateway.admission import BASE_COST, REFUSED_COST, Admission
from gateway.errors import Fault
from gateway.execution.documents import Invalid
from gateway.execution.engine import Asked, Engine, Plan
from gateway.execution.limits import OperationLimits, TooCostly
from gateway.execution.persisted import PersistedQueryNotFound
from gateway.protocols.running import Running
from gateway.rates import Rate, Taking
from gateway.schema.root import make_schema
from gateway.viewers import Viewer

RATE = Rate(name="r", burst=1, per_s=1)
LONG = "{ me { email } } #" + "x" * 1_600
"""1,618 characters: 202 units, of which BASE_COST covers 20."""
SCHEMA = make_schema()
STRANGER = Viewer(context=viewer_pb2.ViewerContext(), address="192.0.2.1")


class Counting:
    """Takes whatever it is asked to."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    def check(self, takings: list[Taking]) -> None:
        """Nobody was refused."""

    async def take(self, takings: list[Taking], weight: float) -> None:
        self.taken.append(weight)


class Silent:
    """Telemetry that nobody reads."""

    def count(self, *_: Any, **__: Any) -> None:
        """Nothing."""


class Kept:
    """Finds one document, and writes down what it was told to remember."""

    asks_all = False

    def __init__(self) -> None:
        self.told: list[str] = []

    def known(self, sha256: str) -> str:
        return ""

    async def read(self, asked: Asked) -> Asked:
        if asked.query:
            return asked
        raise Invalid([PersistedQueryNotFound()])

    async def ran(self, plan: Plan, viewer: Viewer) -> None:
        self.told.append(plan.asked.query)


class World:
    """Operations over a real engine that never run."""

    def __init__(self, **limits: int) -> None:
        self.rates = Counting()
        self.engine = Engine(schema=SCHEMA, limits=OperationLimits(**limits), introspection=False, cached_characters=100_000)
        admission = Admission(limiter=self.rates, user=RATE, address=RATE, sign_in=RATE, documents=RATE)  # type: ignore[arg-type]
        self.kept = Kept()
        self.running = Running(
            engine=self.engine,
            admission=admission,
            contexts=None,  # type: ignore[arg-type]
            telemetry=Silent(),  # type: ignore[arg-type]
            source=self.kept,
        )

    async def admit(self, *queries: str) -> None:
        await self.running.admit([Asked(query=query) for query in queries], STRANGER)

    async def admit_named(self, *queries: str) -> list[Plan | Invalid]:
        """The documents asked with hashes, of which the source thinks what it likes."""
        return await self.running.admit([Asked(query=query, persisted="a" * 64) for query in queries], STRANGER)


async def test_a_document_is_paid_for_when_it_is_read_and_not_when_it_is_known() -> None:
    world = World()
    for _ in range(2):
        await world.admit(LONG)
    assert world.rates.taken == [BASE_COST + 2 + 182, BASE_COST + 2]


async def test_short_documents_cost_what_they_ask() -> None:
    world = World()
    await world.admit("{ me { email } }" + " " * 151)
    assert world.rates.taken == [BASE_COST + 2]


async def test_each_refusal_of_a_batch_is_paid_for_with_its_reading() -> None:
    world = World()
    wrong = LONG.replace("email", "nothing")
    await world.admit(wrong, "{ nobody }", "{ me { email } }")
    assert world.rates.taken == [2 * REFUSED_COST + 182, BASE_COST + 2]
    await world.admit(wrong)
    assert world.rates.taken[2:] == [REFUSED_COST + 182]


async def test_a_batch_that_costs_too_much_is_refused_whole() -> None:
    world = World(cost=70)
    with pytest.raises(TooCostly):
        await world.admit(*["{ forYou { servedBy } }"] * 2)
    assert world.rates.taken == [2 * REFUSED_COST]


async def test_what_is_too_long_to_be_read_counts_as_the_longest_that_is() -> None:
    world = World(document_bytes=1_600)
    await world.admit("{ me { email } } #" + "x" * 200_000)
    assert world.rates.taken == [REFUSED_COST + 180]


async def test_a_batch_lets_others_run_between_its_documents() -> None:
    world, order = World(), []
    plan = world.engine.plan

    def planned(asked: Asked) -> Any:
        order.append("document")
        return plan(asked)

    world.engine.plan = planned  # type: ignore[method-assign]

    async def other() -> None:
        for _ in range(3):
            order.append("other")
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(world.admit(*["{ me { email } }"] * 3))
        group.create_task(other())
    assert order == ["document", "other", "document", "other", "document", "other"]


async def test_who_was_refused_a_moment_ago_is_not_read() -> None:
    world = World()

    def refusing(takings: list[Taking]) -> None:
        raise Fault("RATE_LIMITED", "later")

    world.rates.check = refusing  # type: ignore[method-assign]
    with pytest.raises(Fault):
        await world.admit(LONG)
    assert (world.rates.taken, world.engine.documents.misses) == ([], 0)


async def test_only_documents_that_pass_every_limit_are_kept() -> None:
    world = World(cost=70)
    await world.admit_named("{ me { email } }", "{ nobody }", "{ me {", "{ forYou(first: 50) { edges { cursor } } }")
    assert world.kept.told == ["{ me { email } }"]
    await world.admit("{ me { roles } }")
    with pytest.raises(TooCostly):
        await world.admit_named(*["{ forYou { servedBy } }"] * 2)
    assert world.kept.told == ["{ me { email } }"]


async def test_a_document_that_is_not_found_is_paid_for_as_a_refusal() -> None:
    world = World()
    (plan,) = await world.admit_named("")
    assert isinstance(plan, Invalid)
    assert world.rates.taken == [REFUSED_COST]
