"""Operations that ask too much: refused by name before any service hears of them, within 20 ms of CPU."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from gateway.errors import Fault
from gateway.execution.documents import Invalid
from gateway.execution.engine import Engine, Plan
from gateway.execution.limits import OperationLimits
from gateway.protocols.parameters import asked_of, json_of
from gateway.schema.root import make_schema
from tests.gateway.world import World
from tests.hostile.requests.documents import BODY_BYTES, DOCUMENTS, Refusal
from tests.pace import cpu_ms_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("quiet")]

MOST_MS = 20.0
MOST_GROWTH_BYTES = 16 * 1024 * 1024
ANSWER_S = 5.0


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_what_asks_too_much_is_refused_by_name_and_asks_no_service(gate: World, name: str) -> None:
    case = DOCUMENTS[name]
    gate.fakes.calls.clear()
    headers = {"content-type": "application/json", "accept": "application/graphql-response+json"}
    async with asyncio.timeout(ANSWER_S):
        answer = await gate.http.post("/graphql", content=case.body, headers=headers)
    body = answer.json()
    first = (body[0] if isinstance(body, list) else body)["errors"][0]
    told = first["extensions"]
    assert (answer.status_code, told["code"], told.get("limit", "")) == (case.status, case.code, case.limit)
    assert case.words in first["message"]
    assert len(answer.content) < 16 * 1024
    assert not gate.fakes.counted


@pytest.mark.parametrize("name", [name for name, case in DOCUMENTS.items() if len(case.body) <= BODY_BYTES])
async def test_refusing_takes_less_than_20_ms_of_cpu_and_little_memory(gate: World, name: str) -> None:
    case = DOCUMENTS[name]
    # Another engine each time: what one has read it may remember.
    engines = [Engine(schema=SCHEMA, limits=OperationLimits(), introspection=False, cached_characters=500_000) for _ in range(6)]
    assert await cpu_ms_of(lambda: _refused(engines.pop(), gate, case)) < MOST_MS
    engine = engines.pop()
    tracemalloc.start()
    await _refused(engine, gate, case)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MOST_GROWTH_BYTES


SCHEMA = make_schema()


async def _refused(engine: Engine, gate: World, case: Refusal) -> None:
    """Everything that the gateway does with a body up to its refusal, without HTTP around it."""
    try:
        sent = json_of(case.body)
        most = 10
        if isinstance(sent, list) and not 1 <= len(sent) <= most:
            return
        plans: list[Plan] = []
        for one in sent if isinstance(sent, list) else [sent]:
            plans.append(engine.plan(asked_of(one)))
        if sum(plan.cost for plan in plans) > engine.limits.cost or len(plans) > 1:
            return
        body = await engine.run(plans[0], gate.context())
        assert body["errors"]
    except (Fault, Invalid):
        return
